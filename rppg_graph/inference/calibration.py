"""What validation recordings say about a network's uncertainty: stored in its checkpoint, used by every prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from rppg_graph.errors import InputError
from rppg_graph.inference.methods import InferenceOptions, MonteCarlo
from rppg_graph.inference.predict import NetworkWaves, recording_wave
from rppg_graph.pulse.heart_rate import WINDOW_SECONDS
from rppg_graph.pulse.measure import measure
from rppg_graph.pulse.protocols import PROTOCOLS
from rppg_graph.pulse.uncertainty import Calibration, fit_calibration

if TYPE_CHECKING:
    from rppg_graph.data.cache import CachedRecording
    from rppg_graph.models.checkpoint import Checkpoint

STEP_SECONDS = 1.0  # as the heart-rate track of a prediction


# What a calibration is fitted for: the signal quality of a wave by one pass, by the mean of several views, and with POS
# beside it; and Monte-Carlo dropout with its default settings. Others have none.
KINDS: dict[str, InferenceOptions] = {
    "quality": InferenceOptions(),
    "quality of corners": InferenceOptions(crop_views="corners"),
    "quality of corners and pos": InferenceOptions(crop_views="corners", ensemble_with="pos"),
    "mc": InferenceOptions(mc=MonteCarlo()),
}


def calibrate(
    checkpoint: Checkpoint, recordings: Sequence[CachedRecording], kinds: Sequence[str] = tuple(KINDS)
) -> dict[str, dict[str, Any]]:
    """Calibrations of a network, by kind.

    Args:
        checkpoint: the network, with what a prediction needs.
        recordings: for validation, with references; those with no stretch as long as a clip are passed over.
        kinds: names of KINDS; Monte-Carlo dropout is passed over where the network has nothing to drop.
    """
    from rppg_graph.nn.mc_dropout import drops

    found, model = {}, checkpoint.model
    kinds = [kind for kind in kinds if KINDS[kind].mc is None or drops(model, KINDS[kind].mc.rate)]
    alone = {kind: replace(KINDS[kind], ensemble_with=None) for kind in kinds}
    networks = {reading: reading.of(checkpoint) for reading in alone.values()}
    known: NetworkWaves = {}
    for kind in kinds:
        reading = KINDS[kind]
        method = reading.around(networks[alone[kind]])
        rows = []
        for recording in tqdm(recordings, desc="calibrating", unit="recording", leave=False):
            try:
                wave = recording_wave(recording, method, known)
            except InputError:  # shorter than a clip
                continue
            rows += measure(wave, PROTOCOLS["native"], "fft", WINDOW_SECONDS, STEP_SECONDS)
        found[kind] = fit_calibration(rows, reading.dropout_rate).to_dict()
    return found


def calibration_for(checkpoint: Checkpoint, reading: InferenceOptions) -> Calibration | None:
    """What a checkpoint knows about the uncertainty of predictions made so; None where it was fitted to none such."""
    for kind, fitted in KINDS.items():
        found = (checkpoint.calibration or {}).get(kind)
        alike = replace(fitted, mc=None) == replace(reading, mc=None) and (fitted.mc is None) == (reading.mc is None)
        if alike and found and found["rate"] == reading.dropout_rate:
            return Calibration(**found)
    return None
