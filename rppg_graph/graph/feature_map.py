"""A spatio-temporal feature map as a PyG batch of graphs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch_geometric.data import Batch, Data


def feature_map_to_graph(feature_map: Tensor) -> Batch:
    """Make every patch of a feature map a node; clip b of the batch becomes graph b.

    Args:
        feature_map: (B, C, T, H, W), any float dtype.

    Returns:
        A PyG ``Batch`` of B graphs with N = T·H·W nodes each, time-major: ``x`` (B·N, C), ``pos`` (B·N, 3) int64 with
        the node's time segment, row and column, ``batch`` (B·N,), ``ptr`` (B + 1,). ``batch[b]`` and
        ``to_data_list()`` give the graphs of the clips.
    """
    if feature_map.dim() != 5:
        raise ValueError(f"feature_map must have 5 dimensions (B, C, T, H, W), got shape {tuple(feature_map.shape)}")
    pos = torch.cartesian_prod(*(torch.arange(length, device=feature_map.device) for length in feature_map.shape[2:]))
    return Batch.from_data_list([Data(x=x.mT, pos=pos) for x in feature_map.flatten(2)])  # x (N, C)
