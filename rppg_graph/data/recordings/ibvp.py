"""iBVP: frames `p01_a/p01_a_rgb/*.bmp` with `p01_a/p01_a_bvp.csv`, both 30 a second.

The CSV has a header and one row a frame: BVP, SQPhysMD, SQ1, SQ2, Perfusion_Value; only BVP is read. The names of the
images order the frames; they carry no time.

Source: Joshi, Cho, "iBVP dataset: RGB-thermal rPPG dataset with high resolution signal quality labels", Electronics
13(7), 1334, 2024.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import numpy as np

from rppg_graph.data.recordings.folders import Folder, natural_order
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_csv, uniform_seconds
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import read_timed
from rppg_graph.errors import InputError

FPS = 30.0
NAME = r"p[0-9]+_[a-d]"
IMAGE = r".*\.(bmp|png)"


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each folder p<n>_<a…d> with a p<n>_<x>_bvp.csv or a folder p<n>_<x>_rgb."""
    by_path = {folder.path: folder for folder in folders}
    found = []
    for folder in folders:
        name = folder.path.resolve().name
        images_folder, labels = folder.path / f"{name}_rgb", folder.path / f"{name}_bvp.csv"
        if not re.fullmatch(NAME, name) or not (labels.name in folder.files or images_folder.name in folder.folders):
            continue
        images = by_path[images_folder].matching(IMAGE) if images_folder in by_path else []
        images = tuple(sorted(images, key=lambda image: natural_order(image.name)))
        files = tuple(sorted([*images, *([labels] if labels.name in folder.files else [])]))
        clock = partial(_seconds, images_folder, images)
        parts = partial(read_timed, images, clock), partial(read_reference, labels), clock
        found.append(Recording(name, name.split("_")[0], "ibvp", files, *parts))
    return found


def _seconds(folder: Path, images: tuple[Path, ...]) -> np.ndarray:
    if not images:
        raise InputError(f"{folder}: no .bmp frames in it. Unpack the recording again, or leave it out.")
    return uniform_seconds(len(images), FPS)


def read_reference(path: Path) -> Reference:
    """The column BVP of a p<n>_<x>_bvp.csv.

    Raises:
        InputError: no column of that name, a row without it, or what make_reference refuses.
    """
    rows = read_csv(path)
    header = [cell.strip() for cell in rows[0]] if rows else []
    if "BVP" not in header:
        raise InputError(f"{path}: no column BVP in the first line ({', '.join(header)[:80] or 'empty'}). {LEAVE_OUT}")
    column = header.index("BVP")
    pulse = []
    for i, row in enumerate(rows[1:]):
        if len(row) != len(header):
            raise InputError(f"{path}: row {i + 2} has {len(row)} values; the first has {len(header)}. {LEAVE_OUT}")
        pulse.append(number(row[column], path, f"row {i + 2}, column BVP"))
    return make_reference(path, uniform_seconds(len(pulse), FPS), pulse, place=lambda i: f"row {i + 2}")


LAYOUT = Layout("iBVP: p<n>_<x>/p<n>_<x>_rgb/*.bmp and p<n>_<x>/p<n>_<x>_bvp.csv", collect)
