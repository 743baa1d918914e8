"""The family of graph convolutions that a denoise block can be built on, by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import nn
from torch_geometric.nn import EdgeConv, GATConv, GCNConv, GINConv, SAGEConv

from rppg_graph.nn.relative_conv import AverageRelativeConv, MaxRelativeConv


def _edge(in_channels: int, out_channels: int) -> nn.Module:
    return EdgeConv(nn.Sequential(nn.Linear(2 * in_channels, out_channels), nn.GELU()), aggr="max")


def _gin(in_channels: int, out_channels: int) -> nn.Module:
    return GINConv(nn.Linear(in_channels, out_channels), train_eps=True)


# name → constructor (in_channels, out_channels); forward(x (M, C), edge_index) -> (M, C').
# Self-loops are the graph's affair (`knn(loop=...)`), so no convolution adds its own.
GRAPH_CONVS: dict[str, Callable[[int, int], nn.Module]] = {
    "average_relative": AverageRelativeConv,
    "max_relative": MaxRelativeConv,
    "edge": _edge,
    "sage": SAGEConv,
    "gin": _gin,
    "gcn": partial(GCNConv, add_self_loops=False),
    "gat": partial(GATConv, add_self_loops=False),
}
