"""A spatio-temporal feature map as a PyG batch, and back."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch_geometric.data import Batch


def feature_map_to_graph(feature_map: Tensor) -> Batch:
    """Make every patch of a feature map a node; clip b of the batch becomes graph b.

    Args:
        feature_map: (B, C, T, H, W), any float dtype.

    Returns:
        A PyG ``Batch`` of B graphs with N = T·H·W nodes each, time-major: ``x`` (B·N, C), ``pos`` (B·N, 3) int64 with
        the node's time segment, row and column, ``batch`` (B·N,), ``ptr`` (B + 1,), and the tuple ``grid`` = (T, H, W).
    """
    if feature_map.dim() != 5:
        raise ValueError(f"feature_map must have 5 dimensions (B, C, T, H, W), got shape {tuple(feature_map.shape)}")
    clips, channels, *grid = feature_map.shape
    x = feature_map.permute(0, 2, 3, 4, 1).reshape(-1, channels)  # (B·N, C)
    pos, batch, ptr = _node_index(clips, tuple(grid), feature_map.device)
    return Batch(x=x, pos=pos, batch=batch, ptr=ptr, grid=tuple(grid))


def graph_to_feature_map(graph: Batch) -> Tensor:
    """Undo :func:`feature_map_to_graph`: nodes (B·N, C) back to a feature map (B, C, T, H, W).

    The result is a view in channels-last order: node features are not moved.
    """
    clips = graph.ptr.numel() - 1
    return graph.x.view(clips, *graph.grid, -1).permute(0, 4, 1, 2, 3)  # (B, C, T, H, W)


@lru_cache(maxsize=32)
@torch.inference_mode(False)  # what is cached while predicting must serve training too
def _node_index(clips: int, grid: tuple[int, int, int], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Positions, clip numbers and clip boundaries, made once for a shape: every forward pass needs the same."""
    axes = [torch.arange(length, device=device) for length in grid]
    pos = torch.stack(torch.meshgrid(*axes, indexing="ij"), dim=-1).view(-1, 3)  # (N, 3)
    nodes = pos.shape[0]
    batch = torch.arange(clips, device=device).repeat_interleave(nodes)  # (B·N,)
    return pos.repeat(clips, 1), batch, torch.arange(clips + 1, device=device) * nodes
