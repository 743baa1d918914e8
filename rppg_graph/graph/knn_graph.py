"""Nearest neighbours as a transform of PyG graphs."""

from __future__ import annotations

from torch_geometric.data import Batch, Data
from torch_geometric.transforms import BaseTransform

from rppg_graph.graph.edges import neighbours_to_edge_index
from rppg_graph.graph.knn import knn


class KNNGraph(BaseTransform):
    """Edges from the k nearest nodes of the same graph to every node, as PyG's own ``KNNGraph``, without pyg-lib.

    It compares the node features; ``of="pos", metric="euclidean"`` is PyG's choice. ``edge_index`` becomes an
    ``EdgeIndex`` sorted by target, and ``edge_attr`` goes. A ``Batch`` can still be taken apart: ``batch[0]`` has its
    own edges.

    Args:
        k, metric, loop: as ``knn`` takes them.
        of: the attribute (N, C) of a graph that is compared.

    Raises:
        InputError: what ``knn`` refuses.
    """

    def __init__(self, k: int = 6, *, metric: str = "cosine", loop: bool = False, of: str = "x") -> None:
        self.k, self.metric, self.loop, self.of = k, metric, loop, of

    def forward(self, data: Data) -> Data:
        """The graph with its edges; a graph with a ``batch`` vector has edges within its parts alone."""
        if isinstance(data, Batch):
            return Batch.from_data_list([self.forward(graph) for graph in data.to_data_list()])
        neighbours = knn(data[self.of], self.k, batch=data.batch, metric=self.metric, loop=self.loop)
        data.edge_index, data.edge_attr = neighbours_to_edge_index(neighbours), None
        return data

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.k}, metric={self.metric!r}, loop={self.loop}, of={self.of!r})"
