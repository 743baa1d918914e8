"""Which dense form a network has."""

from __future__ import annotations

import copy

from torch import nn

from rppg_graph.errors import InputError
from rppg_graph.export.dense_stgnet import DenseSTGNet
from rppg_graph.export.dense_stgnet_pair import DenseSTGNetPair
from rppg_graph.export.dense_stream_net import DenseStreamNet
from rppg_graph.models.stgnet import STGNet
from rppg_graph.models.stgnet_pair import STGNetPair
from rppg_graph.models.stream_net import StreamNet

# network → (model in eval mode, clip_frames, size) -> the same function of a clip in plain tensor operations.
DENSE: dict[type[nn.Module], type[nn.Module]] = {
    STGNet: DenseSTGNet,
    STGNetPair: DenseSTGNetPair,
    StreamNet: DenseStreamNet,
}


def dense_form(model: nn.Module, clip_frames: int, size: int) -> nn.Module:
    """The inference form of a network: video (B, 3, clip_frames, size, size) → (B, clip_frames), any B.

    Equal to the network in eval mode: the same operations with batch norms multiplied into the maps before them.

    Raises:
        InputError: a network or an option of it that has no dense form.
    """
    if type(model) not in DENSE:
        known = ", ".join(network.__name__ for network in DENSE)
        raise InputError(f"network {type(model).__name__} cannot be exported; {known} can")
    own = copy.deepcopy(model).eval()  # what the two have in common must not be changed below
    return DENSE[type(model)](own, clip_frames, size).eval().requires_grad_(False)
