"""From a recording on disk to its folder in the cache, whole or not at all."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from rppg_graph.data.alignment import reference_faults
from rppg_graph.data.cached_recording import (
    FRAMES_FILE,
    RECORDING_FILE,
    CachedRecording,
    CropSettings,
    read_metadata,
    recording_to_json,
)
from rppg_graph.data.contact_sheet import contact_sheet
from rppg_graph.data.face import FaceCropper, FaceFrame
from rppg_graph.data.recordings import Recording, Reference
from rppg_graph.data.skin import mean_rgb
from rppg_graph.errors import InputError
from rppg_graph.files import PARTIAL, move_into_place, write_text

HASH_CHUNK_BYTES = 1 << 20


def folder_name(recording_name: str) -> str:
    """A name that any file system takes; one that had to be changed ends in a hash, so that no two are the same."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "_", recording_name)[:80]
    return safe if safe == recording_name else f"{safe}-{hashlib.sha256(recording_name.encode()).hexdigest()[:8]}"


def stat_key(files: tuple[Path, ...]) -> str:
    """A hash of names, sizes and times of change of the source files: cheap, and enough to see that nothing changed."""
    digest = hashlib.sha256()
    for path in files:
        stat = path.stat()
        digest.update(f"{path}\0{stat.st_size}\0{stat.st_mtime_ns}\0".encode(errors="surrogateescape"))
    return digest.hexdigest()


def content_hash(files: tuple[Path, ...]) -> str:
    """A hash of the source files' names and bytes."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode(errors="surrogateescape"))
        with path.open("rb") as file:
            while chunk := file.read(HASH_CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def is_current(recording: Recording, out: Path, settings: CropSettings) -> bool:
    """Whether the cache holds this recording, whole, with these settings and from files unchanged since; cheap."""
    content = _content_with(recording, out, settings)
    try:
        return content is not None and content["source"]["stat"] == stat_key(recording.files)
    except OSError:
        return False


def build(recording: Recording, out: Path, settings: CropSettings) -> None:
    """Make the recording's folder in the cache.

    Everything is written to a folder of another name, brought to the disk, and moved into place, so that a folder
    under its own name is whole. Source files that were only moved or touched are told by their content.

    Raises:
        InputError: the source cannot be read or has no face (as `video`, `recordings` and `face` say), changes while
            it is read, or the cache cannot be written.
    """
    partial = out / (PARTIAL + folder_name(recording.name))
    try:
        source = {"stat": stat_key(recording.files), "sha256": content_hash(recording.files)}
        content = _content_with(recording, out, settings)
        if content is not None and content["source"]["sha256"] == source["sha256"]:
            text = json.dumps(content | {"source": source}, ensure_ascii=False, allow_nan=False) + "\n"
            write_text(out / folder_name(recording.name) / RECORDING_FILE, text)
            return
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        cached = _cut(recording, partial, settings)
        if stat_key(recording.files) != source["stat"]:
            raise InputError("a source file changed while it was read; run preprocess again when it is complete")
        (partial / RECORDING_FILE).write_text(recording_to_json(cached, settings, source), encoding="utf-8")
        contact_sheet(cached)
        move_into_place(partial, out / folder_name(recording.name))
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise InputError(f"{place}{error.strerror or error}; free some space, or mend the permissions") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _content_with(recording: Recording, out: Path, settings: CropSettings) -> dict | None:
    content = read_metadata(out / folder_name(recording.name))
    wanted = {"settings": asdict(settings)} | {key: getattr(recording, key) for key in ("name", "subject", "layout")}
    return content if content is not None and all(content[key] == value for key, value in wanted.items()) else None


def _cut(recording: Recording, folder: Path, settings: CropSettings) -> CachedRecording:
    """Write the crops, and interpolate the reference at their times."""
    cropper = FaceCropper(**asdict(settings))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        reference = recording.reference()
        crops = cropper.crops(recording.frames(), recording.name)
        seconds, boxes, skin = _write_frames(folder / FRAMES_FILE, crops, settings.size)
    if len(seconds) < 2:
        raise InputError("the video has a single frame; a pulse needs seconds of them")
    pulse = _at_frames(reference, reference and reference.pulse, seconds)
    notes = [str(warning.message) for warning in caught] + list(reference.notes if reference else ())
    if pulse is not None and not np.isfinite(pulse).all():
        notes.append(f"{np.isnan(pulse).sum()} of {len(pulse)} frames have no reference pulse")
    face = np.isfinite(boxes[:, 0])
    return CachedRecording(
        folder=folder,
        name=recording.name,
        subject=recording.subject,
        layout=recording.layout,
        seconds=seconds,
        face=face,
        boxes=boxes,
        pulse=pulse,
        bpm=_at_frames(reference, reference and reference.bpm, seconds),
        detection_rate=cropper.detection_rate,
        notes=tuple(notes),
        faults=tuple(reference_faults(reference, seconds, (seconds[face], skin[face])) if reference else ()),
    )


def _at_frames(reference: Reference | None, values: np.ndarray | None, seconds: np.ndarray) -> np.ndarray | None:
    """The reference's values at the frames' times by linear interpolation, NaN where it does not reach."""
    return None if values is None else np.interp(seconds, reference.seconds, values, left=np.nan, right=np.nan)


def _write_frames(path: Path, crops: Iterable[FaceFrame], size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Stream the crops to an .npy file; their seconds (T,), boxes (T, 4) and the mean colours of their skin (T, 3).

    Where there is no crop, the frame is black, and boxes and colours are NaN.
    """
    seconds, boxes, skin, black = [], [], [], np.zeros((size, size, 3), np.uint8)
    with path.open("wb") as file:
        _write_header(file, 0, size)
        pixels_begin = file.tell()
        for frame in crops:
            file.write((black if frame.crop is None else frame.crop).tobytes())
            seconds.append(frame.seconds)
            boxes.append(frame.box or (np.nan,) * 4)
            skin.append((np.nan,) * 3 if frame.crop is None else mean_rgb(frame.crop))
        file.seek(0)
        _write_header(file, len(seconds), size)
        if file.tell() != pixels_begin:
            raise RuntimeError("numpy no longer leaves room in the header for the number of frames to grow")
    return np.array(seconds), np.array(boxes).reshape(-1, 4), np.array(skin).reshape(-1, 3)


def _write_header(file, frames: int, size: int) -> None:
    header = {"descr": "|u1", "fortran_order": False, "shape": (frames, size, size, 3)}
    np.lib.format.write_array_header_1_0(file, header)
