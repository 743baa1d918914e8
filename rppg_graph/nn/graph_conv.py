"""The family of graph convolutions that a denoise block can be built on, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from torch_geometric.nn import EdgeConv, GATConv, GCNConv, GINConv, SAGEConv

from rppg_graph.nn.relative_conv import AttentionRelativeConv, AverageRelativeConv, MaxRelativeConv

# name → constructor (in_channels, out_channels); forward(x (M, C), edge_index) -> (M, C').
# Self-loops are the graph's affair (`knn(loop=...)`), so no convolution adds its own.
GRAPH_CONVS: dict[str, Callable[[int, int], nn.Module]] = {
    "average_relative": AverageRelativeConv,
    "max_relative": MaxRelativeConv,
    "attention_relative": AttentionRelativeConv,
    "edge": lambda inputs, outputs: EdgeConv(nn.Sequential(nn.Linear(2 * inputs, outputs), nn.GELU()), aggr="max"),
    "sage": SAGEConv,
    "gin": lambda inputs, outputs: GINConv(nn.Linear(inputs, outputs), train_eps=True),
    "gcn": partial(GCNConv, add_self_loops=False),
    "gat": partial(GATConv, add_self_loops=False),
}
