"""Two STGNets, trained apart, read as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from rppg_graph.models.stgnet import PAPER_STAGES, Stage, stgnet_small


class STGNetPair(nn.Module):
    """The mean of two networks' waves: what they get wrong differs, the pulse does not.

    ``y = ½ Σ_m (w_m − mean(w_m)) / deviation(w_m)`` over each clip (deep ensembles: Lakshminarayanan et al., NIPS
    2017). To train one, train its members and name both with ``model.start``.

    Args:
        stages, clip_frames, size, drop_path: of both members, see :class:`~rppg_graph.models.stgnet.STGNet`.

    Shapes:
        video (B, 3, T, H, W), RGB in [0, 1] → BVP (B, T), of unit deviation.
    """

    label = "wave"

    def __init__(
        self, *, stages: Sequence[Stage] = PAPER_STAGES, clip_frames: int = 160, size: int = 32, drop_path: float = 0.25
    ) -> None:
        super().__init__()
        self.clip_frames, self.size = clip_frames, size
        options = {"stages": stages, "clip_frames": clip_frames, "size": size, "drop_path": drop_path}
        self.members = nn.ModuleList(stgnet_small(**options) for _ in range(2))

    def forward(self, video: Tensor) -> Tensor:
        return mean_of_waves(member(video) for member in self.members)

    def before_dropout(self, video: Tensor) -> tuple[Tensor, ...]:
        """What no dropout touches: video (B, 3, T, H, W) → a feature map (B, 64, T/4, H/8, W/8) of each member."""
        return tuple(member.before_dropout(video) for member in self.members)

    def after_dropout(self, feature_maps: tuple[Tensor, ...], frames: int) -> Tensor:
        """The rest, which Monte-Carlo dropout repeats: feature maps → BVP (B, T) of ``frames`` values."""
        waves = (member.after_dropout(x, frames) for member, x in zip(self.members, feature_maps, strict=True))
        return mean_of_waves(waves)


def mean_of_waves(waves: Iterable[Tensor]) -> Tensor:
    """The mean of waves (B, T), each centred and of unit deviation over its clip; a constant one counts as zero."""
    return torch.stack([F.layer_norm(wave, wave.shape[-1:], eps=1e-12) for wave in waves]).mean(0)


def stgnet_pair(**options: object) -> STGNetPair:
    """Two networks of the preset ``stgnet_small``."""
    return STGNetPair(**options)
