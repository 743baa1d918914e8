"""LGI-PPGI: `alex/alex_gym/cv_camera_sensor_stream_handler.avi` with two XML files of the same folder.

cms50_stream_handler.xml has an element a sample of the oximeter (a CMS50E, 60 a second) with `value1`, heart rate in
bpm, and `value2`, pulse; cv_camera_sensor_timer_stream_handler.xml one a frame, whose `value1` is its milliseconds. The
oximeter's samples carry no times: it is stopped with the camera, so its last one belongs to the last frame.

Source: Pilz et al., "Local group invariance for heart rate estimation from face videos in the wild", CVPR Workshops,
2018.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_text
from rppg_graph.data.recordings.one_video import video_recording
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import frame_clock
from rppg_graph.errors import InputError

OXIMETER_HZ = 60.0
VIDEO, LABELS = "cv_camera_sensor_stream_handler.avi", "cms50_stream_handler.xml"
TIMES = "cv_camera_sensor_timer_stream_handler.xml"


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each folder with the video or the oximeter's file."""
    found = []
    for path in (folder.path for folder in folders if {VIDEO, LABELS} & set(folder.files)):
        person, session = path.resolve().parts[-2:]
        files = [path / VIDEO], path / LABELS, read_reference, path / TIMES
        found.append(video_recording("lgi-ppgi", session, person, *files, clock=read_times, by_frame=True))
    return found


def read_times(path: Path) -> np.ndarray | None:
    """(T,) times of the frames by the camera's XML file; None where there is none."""
    if not path.is_file():
        return None
    return frame_clock(path, [time / 1000 for (time,) in _values(path, ("value1",))])


def read_reference(path: Path, frame_seconds: np.ndarray) -> Reference:
    """The samples of a cms50_stream_handler.xml, the last at the time of the last of the frames (T,).

    Raises:
        InputError: no XML, no samples, or what make_reference refuses.
    """
    rows = _values(path, ("value1", "value2"))
    bpm, pulse = zip(*rows, strict=True)
    seconds = frame_seconds[-1] - np.arange(len(rows))[::-1] / OXIMETER_HZ
    return make_reference(path, seconds, pulse, bpm, seven_bits=True)


def _values(path: Path, names: tuple[str, ...]) -> list[list[float]]:
    """The numbers under these names of every element that has them all."""
    try:
        elements = ET.fromstring(read_text(path))
    except ET.ParseError as error:
        raise InputError(f"{path}: not XML, or cut off ({error}). {LEAVE_OUT}") from error
    found = [[element.findtext(name) for name in names] for element in elements]
    rows = [
        [number(text, path, f"element {i + 1}, {name}") for text, name in zip(texts, names, strict=True)]
        for i, texts in enumerate(found)
        if None not in texts
    ]
    if not rows:
        raise InputError(f"{path}: no element with {' and '.join(names)} in it. {LEAVE_OUT}")
    return rows


LAYOUT = Layout(f"LGI-PPGI: <person>/<person>_<session>/{VIDEO} and {LABELS}", collect)
