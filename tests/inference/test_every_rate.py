"""Every heart rate that is promised, by every method, the way that predict, eval and a stream read it."""

from types import SimpleNamespace

import numpy as np
import pytest
from beating import Green

from rppg_graph.data.face import FaceFrame
from rppg_graph.data.face_detectors import FACE_DETECTORS
from rppg_graph.inference.methods import ClassicalMethod, JoinedMethod, NetworkMethod
from rppg_graph.inference.predict import Stream, Tally, recording_wave, summarise
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.evaluation import evaluate_waves

FPS, SECONDS, SIZE = 30.0, 20.0, 8
ENLARGED = 8
PROMISED_BPM = (*range(36, 60, 4), 41, *range(60, 217, 12))
SKIN = np.array([150.0, 110.0, 90.0])
ABSORBED = 0.05 * np.array([0.33, 0.78, 0.53])  # by the blood of a beat, in red, green and blue


NETWORK = NetworkMethod(Green().eval(), "green network", 160, FPS, SIZE)
METHODS = {name: (ClassicalMethod(name, skin=False), 0.2) for name in CLASSICAL}
# What is read as a contact sensor's wave may have a stronger overtone, as theirs have.
METHODS |= {"network": (NETWORK, 0.3)}
METHODS |= {f"network and {name}": (JoinedMethod(NETWORK, METHODS[name][0]), 0.3) for name in ("pos", "chrom")}


def pulse(bpm: float, overtone: float) -> np.ndarray:
    phase = 2 * np.pi * bpm / 60 * np.arange(int(SECONDS * FPS)) / FPS
    return np.cos(phase) + overtone * np.cos(2 * phase - 1)


def crops(bpm: float, overtone: float) -> np.ndarray:
    """(T, S, S, 3) uint8: skin that darkens with each beat, dithered so that rounding takes nothing."""
    colours = SKIN * (1 - ABSORBED * pulse(bpm, overtone)[:, None])
    dither = np.random.default_rng(0).uniform(-0.5, 0.5, (len(colours), SIZE, SIZE, 3))
    return (colours[:, None, None] + dither).round().astype(np.uint8)


def seconds_of(frames: np.ndarray) -> np.ndarray:
    return np.arange(len(frames)) / FPS


def by_predict(method, frames: np.ndarray, wave: np.ndarray) -> float | None:
    faces = [FaceFrame(t, crop, None, True) for t, crop in zip(seconds_of(frames).tolist(), frames, strict=True)]
    return summarise(method.name, method.wave(faces, FPS), Tally(), "test").rate.bpm


def by_eval(method, frames: np.ndarray, wave: np.ndarray) -> float | None:
    recording = SimpleNamespace(
        name="a", subject="a", frames=frames, seconds=seconds_of(frames), fps=FPS, face=np.ones(len(frames), bool),
        pulse=wave, bpm=None, boxes=np.full((len(frames), 4), SIZE),
    )  # fmt: skip
    (row,) = evaluate_waves([recording_wave(recording, method)]).recordings
    assert row.reference_bpm == pytest.approx(row.bpm, abs=1)
    return row.bpm


def by_stream(method, frames: np.ndarray, wave: np.ndarray) -> float | None:
    stream = Stream(method, FPS, detector="everything", real_time=False, step_seconds=4.0)
    large = frames.repeat(ENLARGED, axis=1).repeat(ENLARGED, axis=2)  # a face that is large enough
    found = [stream.push(t, rgb) for t, rgb in zip(seconds_of(frames).tolist(), large, strict=True)]
    return [update for update in found if update is not None][-1].bpm


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize(("read", "every"), [(by_predict, 1), (by_eval, 2)])
def test_the_heart_rate_is_right(name, read, every):
    method, overtone = METHODS[name]
    found = {bpm: read(method, crops(bpm, overtone), pulse(bpm, overtone)) for bpm in PROMISED_BPM[::every]}
    assert {bpm: rate for bpm, rate in found.items() if rate is None or abs(rate - bpm) > 1.5} == {}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("bpm", [36, 41, 216])
def test_a_stream_reads_the_same(name, bpm, monkeypatch):
    method, overtone = METHODS[name]
    whole = np.array([[0.0, 0.0, SIZE, SIZE]]) * ENLARGED
    monkeypatch.setitem(FACE_DETECTORS, "everything", lambda: lambda rgb: whole)
    assert by_stream(method, crops(bpm, overtone), pulse(bpm, overtone)) == pytest.approx(bpm, abs=1.5)
