"""Recordings on disk: one file a layout, RECORDINGS by name, find_recordings for whatever lies under a root."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from rppg_graph.data.recordings import (
    cohface,
    ibvp,
    mmpd,
    own_videos,
    pure,
    scamps,
    ubfc_phys,
    ubfc_rppg,
    ubfc_rppg_1,
)
from rppg_graph.data.recordings.folders import natural_order, walk
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
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
    FOLDER: own_videos.LAYOUT,
}


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


def find_recordings(root: Path | str, layout: str | None = None) -> list[Recording]:
    """The recordings under `root`, in natural order of their names; what is missing in one is said when it is read.

    Args:
        layout: a key of RECORDINGS; None recognises it.

    Raises:
        InputError: no recordings, more than one layout, two recordings of one name, or what recognise refuses.
    """
    if layout is not None:
        choose("layout", RECORDINGS, layout)
    found = recognise(root) if layout is None else {layout: _in_order(RECORDINGS[layout].find(Path(root)))}
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
