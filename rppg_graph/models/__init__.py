"""The networks, by name: every entry maps video (B, 3, T, H, W), RGB in [0, 1], to BVP (B, T)."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from rppg_graph.models.stgnet import stgnet_paper, stgnet_released, stgnet_small
from rppg_graph.models.stgnet_map import stgnet_map
from rppg_graph.models.stgnet_pair import stgnet_pair
from rppg_graph.models.stream_net import deep_phys, stream_net, ts_can

MODELS: dict[str, Callable[..., nn.Module]] = {
    "stgnet_paper": stgnet_paper,
    "stgnet_released": stgnet_released,
    "stgnet_small": stgnet_small,
    "stgnet_map": stgnet_map,
    "stgnet_pair": stgnet_pair,
    "stream_net": stream_net,
    "ts_can": ts_can,
    "deep_phys": deep_phys,
}
