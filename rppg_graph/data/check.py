"""What is under a data folder: every recording with its figures, and everything that is missing or odd."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tqdm import tqdm

from rppg_graph.data.alignment import label_figures, label_lag_seconds, reference_faults
from rppg_graph.data.face import FaceCropper
from rppg_graph.data.recordings import RECORDINGS, Recording, Reference, find_recordings, recognise
from rppg_graph.data.skin import mean_rgb
from rppg_graph.data.splits import REMOVED_BY_STGNET, sorted_80_20
from rppg_graph.errors import InputError

MAX_FRAME_STEP = 1.5  # of the median step; a longer one is a gap
MAX_LABEL_STEP_SECONDS = 0.25
MAX_LENGTH_DIFFERENCE_SECONDS = 0.5
MAX_DEVICE_DIFFERENCE_BPM = 5.0
MAX_LAG_SECONDS = 0.5
LEAST_FACE_SHARE = 0.5
LABEL_SUFFIXES = {".csv", ".txt", ".xml", ".json", ".mat", ".h5", ".hdf5", ".npy", ".npz", ".edf", ".bdf"}


@dataclass
class RecordingCheck:
    """One recording: its figures (None where they could not be had), its side of `sorted_80_20`, and what was found.

    `problems` are reasons why the recording, or a part of it, would be left out; `remarks` are only odd.
    `heart_rate_bpm` is the range over windows of 10 s; `lag_seconds` is how much later than the face the label beats.
    """

    name: str
    subject: str
    layout: str
    split: str | None = None
    frames: int | None = None
    fps: float | None = None
    seconds: float | None = None
    face_share: float | None = None
    pulse_hz: float | None = None
    label_seconds: tuple[float, float] | None = None
    heart_rate_bpm: tuple[float, float] | None = None
    lag_seconds: float | None = None
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class DataCheck:
    """The result of check_data; `problems` are those of the folder as a whole."""

    root: Path
    why: str
    recordings: tuple[RecordingCheck, ...]
    problems: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether nothing would be left out."""
        return not self.problems and not any(recording.problems for recording in self.recordings)


def check_data(root: Path | str, layout: str | None = None, *, decode: bool = True) -> DataCheck:
    """Check every recording under `root`; nothing is written.

    Args:
        layout: a key of RECORDINGS; None recognises it, and mixed layouts are all checked.
        decode: read every frame: finds damaged frames, missing faces and a label that lags behind the face. False
            takes seconds instead of minutes, and frames and their times from the files' headers.

    Raises:
        InputError: no folder, or nothing in it that is a recording.
    """
    root = Path(root)
    found = recognise(root) if layout is None else {layout: find_recordings(root, layout)}
    problems = []
    try:
        find_recordings(root, layout)
    except InputError as error:
        if not found:
            raise
        problems.append(str(error))
    everything = [recording for recordings in found.values() for recording in recordings]
    try:
        [fold] = sorted_80_20(recording.subject for recording in everything)
    except InputError:  # too few subjects
        fold = None
    bar = tqdm(everything, desc="checking", unit="recording")
    checks = tuple(_check(recording, fold and fold.side(recording.subject), decode) for recording in bar)
    why = "; ".join(
        f"{name}: {len(recordings)} × {RECORDINGS[name].form.split(': ', 1)[-1]}" for name, recordings in found.items()
    )
    return DataCheck(root, why, checks, tuple(problems))


def _check(recording: Recording, split: str | None, decode: bool) -> RecordingCheck:
    result = RecordingCheck(recording.name, recording.subject, recording.layout, split)
    if recording.name in REMOVED_BY_STGNET.get(recording.layout, ()):
        result.remarks.append("STGNet's authors left this recording out (an option here, off by default)")
    reference = _check_label(recording, result)
    seconds, faces = _check_frames(recording, result, decode)
    if reference is not None:
        skin = tuple(map(np.array, zip(*faces, strict=True))) if faces else None
        faults = reference_faults(reference, reference.seconds if seconds is None else seconds, skin)
        result.problems.extend(f"label: {fault}" for fault in faults)
        if seconds is not None and not faults:
            _check_overlap(seconds, reference, result)
        if skin and reference.pulse is not None and not faults:
            result.lag_seconds = label_lag_seconds(*skin, reference)
            if result.lag_seconds is not None and abs(result.lag_seconds) > MAX_LAG_SECONDS:
                late = f"{abs(result.lag_seconds):.2f} s {'behind' if result.lag_seconds > 0 else 'ahead of'}"
                result.remarks.append(f"the label beats {late} the face (POS estimate)")
    return result


def _check_label(recording: Recording, result: RecordingCheck) -> Reference | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # they are of the video's clock, and said with its frames
            reference = recording.reference()
    except InputError as error:
        result.problems.append(str(error))
        return None
    if reference is None:
        folder = recording.files[0].parent
        others = [path.name for path in sorted(folder.iterdir()) if path.suffix.lower() in LABEL_SUFFIXES]
        unread = f" ({', '.join(others[:5])} beside it: not known here)" if others else ""
        result.remarks.append(
            f"no reference beside the video{unread}: good for prediction, not for training or evaluation"
        )
        return None
    result.remarks.extend(f"label: {note}" for note in reference.notes)
    result.pulse_hz = float((len(reference.seconds) - 1) / np.ptp(reference.seconds))
    result.label_seconds = (float(reference.seconds[0]), float(reference.seconds[-1]))
    usual = 0 if reference.pulse is not None else MAX_FRAME_STEP * float(np.median(np.diff(reference.seconds)))
    _note_gaps("label", reference.seconds, max(MAX_LABEL_STEP_SECONDS, usual), result)
    result.heart_rate_bpm, difference = label_figures(reference)
    if difference is not None and difference > MAX_DEVICE_DIFFERENCE_BPM:
        result.remarks.append(
            f"the dataset's own heart rate differs from that of its pulse trace by {difference:.1f} bpm (median of "
            f"windows)"
        )
    return reference


def _check_frames(
    recording: Recording, result: RecordingCheck, decode: bool
) -> tuple[np.ndarray | None, list[tuple[float, np.ndarray]]]:
    """Frame times (T,), None if not all can be read; and (seconds, mean colour (3,)) of the frames with a face."""
    seconds: list[float] = []
    faces: list[tuple[float, np.ndarray]] = []
    readable = True
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if decode or recording.frame_seconds is None:
                for face in FaceCropper(policy="skip").crops(recording.frames(), source=recording.name):
                    seconds.append(face.seconds)
                    if face.crop is not None:
                        faces.append((face.seconds, mean_rgb(face.crop)))
            else:
                seconds = list(recording.frame_seconds())
        except InputError as error:
            result.problems.append(str(error))
            readable = False
    result.remarks.extend(str(warning.message) for warning in caught if issubclass(warning.category, UserWarning))
    times = np.array(seconds)
    result.frames, result.seconds = len(times), float(times[-1]) if seconds else 0.0
    if len(times) > 1:
        result.fps = float((len(times) - 1) / times[-1])
        _note_gaps("video", times, MAX_FRAME_STEP * float(np.median(np.diff(times))), result)
    if decode and seconds:
        result.face_share = len(faces) / len(times)
        if readable and result.face_share < LEAST_FACE_SHARE:
            result.problems.append(f"a face was found in {result.face_share:.0%} of the frames only")
    return times if readable else None, faces


def _note_gaps(what: str, seconds: np.ndarray, longest: float, result: RecordingCheck) -> None:
    steps = np.diff(seconds)
    gaps = int((steps > longest).sum())
    if gaps:
        at = int(np.argmax(steps))
        result.remarks.append(
            f"{what}: {gaps} gap{'s' if gaps > 1 else ''} in the timestamps, the longest of {steps[at]:.3f} s after "
            f"{seconds[at]:.2f} s"
        )


def _check_overlap(seconds: np.ndarray, reference: Reference, result: RecordingCheck) -> None:
    step = (
        0.0 if reference.pulse is not None else float(np.median(np.diff(reference.seconds)))
    )  # what a rate stands for
    video_end, first, last = float(seconds[-1]), reference.seconds[0] - step, reference.seconds[-1] + step
    unlabelled = max(0.0, min(first, video_end)) + max(0.0, video_end - max(last, 0.0))
    if unlabelled > MAX_LENGTH_DIFFERENCE_SECONDS:
        result.problems.append(
            f"{unlabelled:.1f} s of the video have no label and would be left out: the label covers {first:.1f} to "
            f"{last:.1f} s, the video 0 to {video_end:.1f} s"
        )
    elif last - video_end > MAX_LENGTH_DIFFERENCE_SECONDS:
        result.remarks.append(f"the label goes on for {last - video_end:.1f} s after the video of {video_end:.1f} s")
