"""Which network a released ``state_dict`` belongs to, told from its names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from torch import Tensor, nn

from rppg_graph.models.stgnet import PAPER_STAGES, RELEASED_STAGES, stgnet_released
from rppg_graph.models.stgnet import from_released as stgnet_state
from rppg_graph.models.stream_net import deep_phys, head_features, stream_net
from rppg_graph.models.stream_net import from_released as stream_net_state

STREAM_NET_SIZES = (72, 36, 96, 128, *range(16, 257))  # the published ones first: pooling makes neighbours alike


def build_released(state: Mapping[str, Tensor]) -> tuple[nn.Module, dict[str, Tensor]] | None:
    """The network that a released ``state_dict`` fits, with fresh weights, and the state under our names; None if none.

    DeepPhys and TS-CAN have the same weights; without a multi-scale block the release runs as DeepPhys, as this does.
    """
    selections = sum(name.endswith("data_conv.0.weight") for name in state)
    stages = {3: RELEASED_STAGES, 4: PAPER_STAGES}.get(selections)
    with suppress(KeyError):  # a name that the family does not have
        if stages is not None:
            return stgnet_released(stages=stages), stgnet_state(state)
    with suppress(KeyError):
        ours = stream_net_state(state)
        build = stream_net if "enhancement.reduce.0.weight" in ours else deep_phys
        features = ours["hidden.weight"].shape[1]
        size = next((size for size in STREAM_NET_SIZES if head_features(size) == features), None)
        return None if size is None else (build(size=size), ours)
    return None
