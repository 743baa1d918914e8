"""PURE: frames `07-02/Image<ns>.png` (or `07-02/07-02/…`) and `07-02.json`, inside the outer folder or beside it.

The JSON has `/FullPackage`, the oximeter at 60 Hz: `Timestamp` in ns, `Value` with `waveform` (pulse), `pulseRate`
(bpm), `o2saturation`; and `/Image`, one entry a frame, whose `Timestamp` is also the number in the image's name. All
are on one clock.

Source: Stricker, Müller, Gross, "Non-contact video-based pulse rate measurement on a mobile service robot", RO-MAN
2014.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, read_text
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import image_seconds, read_timed
from rppg_graph.errors import InputError

NAME = r"[0-9]{2}-[0-9]{2}"
IMAGE = r"Image[0-9]{1,19}\.png"
OXIMETER_HZ = 60
FIRST_FRAME_NS = 1_392_643_993_642_815_000
WAVEFORM_MAX = 127  # the oximeter sends seven bits


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each outer folder named II-JJ, and for each II-JJ.json whose folder is missing."""
    by_path = {folder.path: folder for folder in folders}
    outer = {
        path
        for path, folder in by_path.items()
        if re.fullmatch(NAME, path.name) and path.parent.name != path.name and _belongs(folder, by_path)
    }
    outer |= {
        json_file.with_suffix("")
        for folder in folders
        for json_file in folder.matching(NAME + r"\.json")
        if folder.path.name != json_file.stem
    }
    found = []
    for path in sorted(outer):
        name, images = path.name, []
        for place in (path, path / name):
            if not images and place in by_path:
                images = sorted(by_path[place].matching(IMAGE), key=lambda image: int(image.stem.removeprefix("Image")))
        labels = [place / f"{name}.json" for place in (path, path.parent, path / name)]
        files = tuple(sorted([*images, *[label for label in labels if label.is_file()][:1]]))
        clock, reference = partial(_seconds, path, tuple(images)), partial(_reference, tuple(labels), tuple(images[:1]))
        parts = partial(read_timed, images, clock), reference, clock
        found.append(Recording(name, name.split("-")[0], "pure", files, *parts))
    return found


def _belongs(folder: Folder, by_path: dict[Path, Folder]) -> bool:
    """Whether a folder named II-JJ holds what PURE has (other datasets may use such names for other things)."""
    inner = by_path.get(folder.path / folder.path.name)
    return any(each.matching(rf"{IMAGE}|{NAME}\.json") for each in (folder, inner) if each)


def _seconds(outer: Path, images: tuple[Path, ...]) -> np.ndarray:
    if not images:
        raise InputError(
            f"{outer}: no frames named Image<nanoseconds>.png in it or in {outer.name}/ within it. "
            f"Unpack the recording again, or leave it out."
        )
    return image_seconds(images)


def _reference(labels: tuple[Path, ...], first_image: tuple[Path, ...]) -> Reference:
    path = next((label for label in labels if label.is_file()), None)
    if path is None:
        raise InputError(f"{labels[0]} is missing (nor is it beside its folder). Unpack the recording again.")
    first_ns = int(first_image[0].stem.removeprefix("Image")) if first_image else None
    return read_reference(path, first_ns)


def read_reference(path: Path, first_ns: int | None = None) -> Reference:
    """The `/FullPackage` of a PURE JSON file on the clock of the frames.

    Args:
        first_ns: the time of the first frame; None takes it from `/Image`.

    Raises:
        InputError: not whole JSON, entries missing or of a wrong type, or what make_reference refuses.
    """
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON, or cut off ({error}). {LEAVE_OUT}") from error
    if first_ns is None:
        first_ns = _number(_list(content, "/Image", path)[0], ("Timestamp",), f"{path}: /Image, entry 1")
    seconds, pulse, bpm = [], [], []
    for i, entry in enumerate(_list(content, "/FullPackage", path)):
        place = f"{path}: /FullPackage, entry {i + 1}"
        seconds.append((_number(entry, ("Timestamp",), place) - first_ns) / 1e9)
        pulse.append(_number(entry, ("Value", "waveform"), place))
        bpm.append(_number(entry, ("Value", "pulseRate"), place))
    return make_reference(path, seconds, pulse, bpm, place=lambda i: f"/FullPackage, entry {i + 1}", seven_bits=True)


def _list(content: object, key: str, path: Path) -> list:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries:
        raise InputError(f"{path}: no entries under {key!r}; this is not a PURE label file. {LEAVE_OUT}")
    return entries


def _number(entry: object, keys: tuple[str, ...], place: str) -> int | float:
    """entry[keys[0]][keys[1]]… as a number of ordinary size (integers stay exact: nanoseconds need 61 bits)."""
    for key in keys:
        entry = entry.get(key) if isinstance(entry, dict) else None
    if isinstance(entry, bool) or not isinstance(entry, int | float) or abs(entry) > 1e19:
        raise InputError(f"{place}: {'/'.join(keys)} is {str(entry)[:40]!r}, not a number. {LEAVE_OUT}")
    return entry


def write(root: Path, name: str, frames: Iterable[np.ndarray], seconds: np.ndarray, reference: Reference) -> Path:
    """Write a recording as PURE has it (`root/II-JJ/II-JJ/Image<ns>.png`, `root/II-JJ/II-JJ.json`); return its folder.

    The reference is interpolated at 60 Hz over its span, and the pulse scaled to the oximeter's whole numbers 0…127; a
    heart rate that is unknown is written as 0.

    Args:
        root: the dataset's folder; `root/name` is made.
        name: "II-JJ": subject and setup, two digits each.
        frames: RGB uint8 (H, W, 3), consumed one by one.
        seconds: (T,) rising times of the frames, any rate.
        reference: needs a pulse; on the same clock as `seconds`.
    """
    if not re.fullmatch(NAME, name):
        raise ValueError(f"PURE names its recordings II-JJ, like 07-02; got {name!r}")
    folder = Path(root) / name
    (folder / name).mkdir(parents=True, exist_ok=True)
    stamps = [FIRST_FRAME_NS + round(float(when) * 1e9) for when in seconds]
    for stamp, frame in zip(stamps, frames, strict=True):
        data = cv2.imencode(".png", cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))[1]
        data.tofile(folder / name / f"Image{stamp}.png")
    content = {"/FullPackage": _packages(reference), "/Image": [{"Timestamp": stamp, "Value": {}} for stamp in stamps]}
    (folder / f"{name}.json").write_text(json.dumps(content), encoding="ascii")
    return folder


def _packages(reference: Reference) -> list[dict]:
    first, last = reference.seconds[0], reference.seconds[-1]
    # Multiples of 1/60 s, so that a reference that is at 60 Hz already stays as it is.
    times = np.arange(np.ceil(first * OXIMETER_HZ - 1e-6), np.floor(last * OXIMETER_HZ + 1e-6) + 1) / OXIMETER_HZ
    pulse = np.interp(times, reference.seconds, reference.pulse)
    pulse = np.rint((pulse - pulse.min()) * (WAVEFORM_MAX / np.ptp(pulse)))
    bpm = np.zeros_like(times)
    if reference.bpm is not None:
        bpm = np.nan_to_num(np.interp(times, reference.seconds, reference.bpm))
    return [
        {
            "Timestamp": FIRST_FRAME_NS + round(float(when) * 1e9),
            "Value": {"o2saturation": 97, "pulseRate": round(float(rate)), "signalStrength": 4, "waveform": int(wave)},
        }
        for when, wave, rate in zip(times, pulse, bpm, strict=True)
    ]


LAYOUT = Layout("PURE: II-JJ/Image<ns>.png or II-JJ/II-JJ/Image<ns>.png, and II-JJ.json inside or beside it", collect)
