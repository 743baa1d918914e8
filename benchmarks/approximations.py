"""What do the shortcuts of a faster STGNet cost in accuracy? bfloat16, and one graph for all blocks of a stage.

    python benchmarks/approximations.py ../shared/data/ubfc_rppg_mp4

The network that ships reads the real recordings and the generated people of `weights.py evaluate` as it is, and with
each shortcut; nothing is trained anew. Writes results/approximations.json: for each shortcut the difference of the
absolute errors of ten-second windows, paired, with its interval of 95 %, and how far its heart rates are from the
network's own. What the shortcuts gain is in bench_model.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from kept import environment, show, write_document
from torch import Tensor, nn
from weights import REAL, sets_to_test

from rppg_graph.config import CropConfig
from rppg_graph.data.cached_recording import CachedRecording
from rppg_graph.data.prepared import cached_recordings, other_dataset
from rppg_graph.errors import InputError
from rppg_graph.inference.network_method import NetworkMethod
from rppg_graph.inference.predict import recording_wave
from rppg_graph.models.stgnet import GraphStage
from rppg_graph.models.weights import load_weights
from rppg_graph.pulse.evaluation import Evaluation, compare, evaluate_waves
from rppg_graph.training.optimiser import PRECISIONS

NETWORK, WINDOW_SECONDS = "stgnet-synth", 10.0
COLUMNS = ("set", "shortcut", "windows", "difference_bpm", "low", "high", "same_rate", "furthest_bpm")
SAME_BPM = 0.2  # a heart rate that is no further off is the same


class InBFloat16(nn.Module):
    """A network whose products are rounded to bfloat16; the search for neighbours stays in float32."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network, self.label = network, network.label

    def forward(self, video: Tensor) -> Tensor:
        with PRECISIONS["bfloat16"]("cpu"):
            return self.network(video).float()


def sharing(shared: bool, network: nn.Module) -> nn.Module:
    """The network, with one graph for all blocks of a stage or with one for each."""
    for module in network.modules():
        if isinstance(module, GraphStage):
            module.reuse_graph = shared
    return network


SHORTCUTS: dict[str, Callable[[nn.Module], nn.Module]] = {
    "bfloat16": lambda network: InBFloat16(sharing(False, network)),
    "one graph a stage": partial(sharing, True),
    "one graph a stage, bfloat16": lambda network: InBFloat16(sharing(True, network)),
}


def read(method: NetworkMethod, recordings: list[CachedRecording]) -> Evaluation:
    """The windows of all recordings that are long enough."""
    waves = []
    for recording in recordings:
        try:
            waves.append(recording_wave(recording, method))
        except InputError:  # no stretch with a face as long as a clip
            continue
    return evaluate_waves(waves, "native", WINDOW_SECONDS)


def cost(exact: Evaluation, short: Evaluation) -> dict[str, float]:
    """How much larger the errors are, and how far the heart rates are from the network's own."""
    metric = compare(exact, short)["windows"]
    pairs = [(one.bpm, other.bpm) for one, other in zip(exact.windows, short.windows, strict=True)]
    apart = np.array([abs(one - other) for one, other in pairs if None not in (one, other)])
    same = {"same_rate": float((apart <= SAME_BPM).mean()), "furthest_bpm": float(apart.max())}
    return {"windows": metric.n, "difference_bpm": metric.value, "low": metric.low, "high": metric.high} | same


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("real", type=Path, help="recordings with references, a folder of UBFC-rPPG's layout")
    options = parser.parse_args()
    torch.set_num_threads(1)
    checkpoint = load_weights(NETWORK)
    method = NetworkMethod.from_checkpoint(checkpoint)
    recordings: dict[str, list[CachedRecording]] = {REAL: [], "generated": []}
    for name, root in sets_to_test(options.real).items():
        crop = CropConfig(size=method.crop_size, policy="skip")
        recordings[REAL if name == REAL else "generated"] += cached_recordings(other_dataset(root, None, crop))
    rows = []
    for name, found in recordings.items():
        print(f"{name}: {len(found)} recordings, {1 + len(SHORTCUTS)} times ...", flush=True)
        own = [replace(each, name=f"{number}", subject=f"{number}") for number, each in enumerate(found)]
        exact = read(replace(method, model=sharing(False, method.model)), own)
        for shortcut, taken in SHORTCUTS.items():
            short = read(replace(method, model=taken(method.model)), own)
            rows.append({"set": name, "shortcut": shortcut} | cost(exact, short))
    show(rows, COLUMNS)
    write_document("approximations.json", {"environment": environment(), "network": NETWORK, "rows": rows})


if __name__ == "__main__":
    main()
