"""Unlike readings of unlike pixels in one: formulas and a map network, each on the colours of its own mask."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rppg_graph.data.face import FaceFrame
from rppg_graph.data.skin import SKIN_CROP
from rppg_graph.data.traces import FaceTraces
from rppg_graph.errors import InputError
from rppg_graph.inference.ensemble_stream import EnsembleStream, read_traces
from rppg_graph.inference.ensemble_windows import FPS, FRAMES
from rppg_graph.inference.wave_stream import LEAST_SECONDS, RawWave, whole_wave
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.evidence import NETWORK_MEMBER
from rppg_graph.pulse.judgement import Judge, shipped
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.votes import SHARPNESS

if TYPE_CHECKING:
    from torch import nn

NETWORK = "stgnet-map-synth"
STILL = 1e-6  # of a mean colour: what moves less is rounding

# Formula and mask. Chosen on generated people, see benchmarks/readings.py.
MEMBERS = (
    ("pbv", "skin"),
    ("pos", "skin"),
    ("ica", "steady"),
    ("green", "steady"),
    ("pos", "steady"),
    ("pbv", "steady"),
    ("chrom", "skin"),
)
# How unlike two members are by formula and by mask: those that share one share its faults.
LIKE_FORMULA, LIKE_MASK = 0.5, 0.7


@dataclass(frozen=True)
class Ensemble:
    """The mean spectrum of many readings, each weighted by how many unlike ones agree with it.

    Args:
        members: formulas of ``pulse.classical.CLASSICAL`` with masks of ``data.masks.MASKS``.
        network: reads the crop's patches by ``from_map``, mean colours (B, 3, T, GRID²) of any unit → (B, T), at FPS;
            or the name of weights that come along, which are loaded once the first window is there, since a formula,
            a refusal and the decoding of ten seconds need not wait for torch and PyG.
        sharpness: how fast a vote loses weight with its agreement, see ``count_votes``; 0: equal votes.
        judge: says of every window how far to trust it, and which of the members' rates is the likeliest, once what the
            background and the key frames explain is taken out; None: nobody, the peak of the pooled spectrum counts,
            and colours stay as they are.
        trust: the least probability of being within 5 bpm that is answered; None for the judge's own.
    """

    members: tuple[tuple[str, str], ...] = MEMBERS
    network: nn.Module | str | None = None
    sharpness: float = SHARPNESS
    judge: Judge | None = None
    trust: float | None = None
    name: str = "ensemble"

    @property
    def crop_size(self) -> int:
        return SKIN_CROP

    @property
    def least_seconds(self) -> float:
        return LEAST_SECONDS

    @cached_property
    def names(self) -> list[str]:
        """Of the members, in the order of the votes."""
        formulas = [f"{formula} on {mask}" for formula, mask in self.members]
        return formulas + [NETWORK_MEMBER] * (self.network is not None)

    @cached_property
    def upright(self) -> np.ndarray:
        """(M,) whether a member's wave rises where a contact pulse does: a formula's; a network's may be late."""
        return np.array([name != NETWORK_MEMBER for name in self.names])

    @cached_property
    def unlike(self) -> np.ndarray:
        """(M, M) for ``count_votes``; a network is unlike every formula."""
        own = [*self.members, *([(None, None)] if self.network is not None else [])]
        like = [[(LIKE_FORMULA if a[0] == b[0] else 1) * (LIKE_MASK if a[1] == b[1] else 1) for b in own] for a in own]
        return np.array(like, np.float64) * (1 - np.eye(len(own)))

    @cached_property
    def _reader(self) -> nn.Module:
        """The network, loaded."""
        if not isinstance(self.network, str):
            return self.network
        from rppg_graph.models.weights import load_weights
        from rppg_graph.nn.folding import folded

        return folded(load_weights(self.network).model)

    def stream(self, video_fps: float, step_seconds: float | None = None) -> EnsembleStream:
        if step_seconds is not None:
            _ = self._reader  # who is live waits now, not when the first number is due
        return EnsembleStream(self, step_seconds)

    def wave(self, face_frames: Iterable[FaceFrame], video_fps: float) -> RawWave:
        return whole_wave(self.stream(video_fps), face_frames)

    def read(self, traces: FaceTraces) -> RawWave:
        """The wave of traces that were read before: the same as that of their frames."""
        return read_traces(self, traces)

    def waves(self, colours: Mapping[str, np.ndarray], patches: np.ndarray) -> np.ndarray:
        """Filtered waves (n, M, T) of the members in n windows; NaN where one has none.

        Args:
            colours: (n, T, 3) by mask.
            patches: (n, T, GRID², 3).
        """
        n, length = patches.shape[:2]
        waves = np.full((n, len(self.names), length), np.nan)
        for place, (formula, mask) in enumerate(self.members):
            for window, trace in enumerate(colours[mask]):
                waves[window, place] = _formula_wave(CLASSICAL[formula], trace)
        if self.network is not None and length == FRAMES:
            waves[:, -1] = self._network_waves(patches)
        flat = waves.reshape(-1, length)
        there = np.isfinite(flat).all(axis=1)
        if there.any():
            flat[there] = prepare_native(flat[there].T, FPS).T
        return waves

    def _network_waves(self, patches: np.ndarray) -> np.ndarray:
        import torch

        moves = (patches.std(axis=1) > STILL * patches.mean(axis=1)).any(axis=(1, 2))
        colours = torch.as_tensor(patches, dtype=torch.float32).permute(0, 3, 1, 2)
        device = next(self._reader.parameters()).device
        with torch.inference_mode():
            waves = self._reader.from_map(colours.to(device)).double().cpu().numpy()
        return np.where(moves[:, None], waves, np.nan)


def default_ensemble(trust: float | None = None) -> Ensemble:
    """What is read by where nothing is named: the formulas, the map network that comes along, and the judgement.

    Args:
        trust: the least probability of being within 5 bpm that is answered; None for the judgement's own.

    Raises:
        InputError: a trust that is not from 0 to 1.
    """
    if trust is not None and not 0 <= trust <= 1:
        raise InputError(f"trust {trust:g}: a probability from 0 to 1 is needed, such as 0.9")
    return Ensemble(network=NETWORK, judge=shipped(), trust=trust)


def _formula_wave(formula: Callable[[np.ndarray, float], np.ndarray], colours: np.ndarray) -> np.ndarray | float:
    """The raw wave (T,) of mean colours (T, 3); NaN where they stand still, or are black for a moment."""
    if not (colours.min() > 0 and (colours.std(axis=0) > STILL * colours.mean(axis=0)).any()):
        return np.nan
    try:
        return formula(colours, FPS)
    except InputError:
        return np.nan
