"""Recordings on disk: one file a layout, RECORDINGS by name, find_recordings for whatever lies under a root."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from rppg_graph.data.recordings import (
    cohface,
    ecg_fitness,
    ibvp,
    lgi_ppgi,
    mcd_rppg,
    mmpd,
    own_videos,
    pure,
    scamps,
    ubfc_phys,
    ubfc_rppg,
    ubfc_rppg_1,
    vipl_hr,
)
from rppg_graph.data.recordings.folders import natural_order, walk
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import is_video
from rppg_graph.errors import InputError
from rppg_graph.registry import choose

__all__ = ["FOLDER", "RECORDINGS", "Layout", "Recording", "Reference", "find_recordings", "recognise"]

FOLDER = "folder"

RECORDINGS: dict[str, Layout] = {
    "ubfc-rppg": ubfc_rppg.LAYOUT,
    "ubfc-rppg-1": ubfc_rppg_1.LAYOUT,
    "pure": pure.LAYOUT,
    "ubfc-phys": ubfc_phys.LAYOUT,
    "cohface": cohface.LAYOUT,
    "mmpd": mmpd.LAYOUT,
    "scamps": scamps.LAYOUT,
    "ibvp": ibvp.LAYOUT,
    "lgi-ppgi": lgi_ppgi.LAYOUT,
    "vipl-hr": vipl_hr.LAYOUT,
    "mcd-rppg": mcd_rppg.LAYOUT,
    "ecg-fitness": ecg_fitness.LAYOUT,
    FOLDER: own_videos.LAYOUT,
}

# Data sets without a reader, by the names of their videos.
FOREIGN = {"MAHNOB-HCI": r"P[0-9]+-Rec.*\.avi", "V4V or MMSE-HR": r"[FM][0-9]{3}[-_]T[0-9]+\.(mkv|mp4|avi)"}


def recognise(root: Path | str) -> dict[str, list[Recording]]:
    """What lies under `root`: the recordings of each layout that is there, by name.

    Videos that belong to a recording of a dataset are no own videos; "folder" holds the others, if there are any.

    Raises:
        InputError: `root` is not a folder or cannot be read.
    """
    folders = walk(root)
    found = {name: layout.collect(folders) for name, layout in RECORDINGS.items()}
    datasets = [recordings for name, recordings in found.items() if name != FOLDER]
    claimed = {file for recordings in datasets for recording in recordings for file in recording.files}
    found[FOLDER] = [recording for recording in found[FOLDER] if not claimed & set(recording.files)]
    return {name: _in_order(recordings) for name, recordings in found.items() if recordings}


def _in_order(recordings: list[Recording]) -> list[Recording]:
    return sorted(recordings, key=lambda recording: natural_order(recording.name))


def _refuse_foreign(own: list[Recording]) -> None:
    """Videos of a data set that has no reader would pass for own ones without a reference."""
    videos = [video for recording in own for video in recording.files if is_video(video.name)]
    for name, pattern in FOREIGN.items():
        video = next((video for video in videos if re.fullmatch(pattern, video.name)), None)
        if video is not None:
            raise InputError(
                f"{video}: this looks like {name}, which has no reader here. Its videos alone are read with the layout "
                f"{FOLDER!r} by name; with references, as own videos, each with a .csv of seconds,pulse or seconds,bpm."
            )


def find_recordings(root: Path | str, layout: str | None = None) -> list[Recording]:
    """The recordings under `root`, in natural order of their names; what is missing in one is said when it is read.

    Args:
        layout: a key of RECORDINGS; None recognises it.

    Raises:
        InputError: no recordings, more than one layout, two recordings of one name, videos of a data set without a
            reader, or what recognise refuses.
    """
    if layout is not None:
        choose("layout", RECORDINGS, layout)
    found = recognise(root) if layout is None else {layout: _in_order(RECORDINGS[layout].collect(walk(root)))}
    if layout is None:
        _refuse_foreign(found.get(FOLDER, []))
    if len(found) > 1:
        seen = ", ".join(f"{len(recordings)} in {name} ({recordings[0].name}, …)" for name, recordings in found.items())
        raise InputError(
            f"{root}: recordings of different layouts are mixed: {seen}. Name the layout, or give each its own folder."
        )
    recordings = next(iter(found.values()), [])
    if not recordings:
        forms = "\n".join(f"  {name}: {RECORDINGS[name].form}" for name in ([layout] if layout else RECORDINGS))
        raise InputError(f"{root}: no recordings found. They are to lie like this:\n{forms}")
    repeated = [name for name, count in Counter(recording.name for recording in recordings).items() if count > 1]
    if repeated:
        alike = [recording for recording in recordings if recording.name == repeated[0] and recording.files]
        places = " and ".join(str(recording.files[0].parent) for recording in alike)
        raise InputError(f"{root}: two recordings are named {repeated[0]!r}: in {places}. Rename or move one of them.")
    return recordings
