"""Synthetic recordings of several presets in one dataset."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from rppg_graph.config import SyntheticConfig
from rppg_graph.files import claim
from rppg_graph.synthetic import write_dataset


def write_mix(root: Path, parts: Sequence[SyntheticConfig]) -> None:
    """Write the parts to ``root`` in the layout ubfc-rppg, one after the other; nothing where ``root`` is there.

    Subjects are numbered through the parts: a fold by number, and a validation set at even distances, take of every
    part the share that it has.
    """
    with claim(root.with_name(f"{root.name}.claim")):
        if not root.exists():
            _write_mix(root, parts)


def _write_mix(root: Path, parts: Sequence[SyntheticConfig]) -> None:
    folder = root.with_name(f".{root.name}.parts")
    shutil.rmtree(folder, ignore_errors=True)
    people: list[Path] = []
    for number, part in enumerate(parts):
        place = folder / str(number)
        write_dataset(place, layout="ubfc-rppg", **part.model_dump(exclude_none=True))
        people += [place / f"subject{i + 1}" for i in range(part.subjects)]
    whole = folder / "whole"
    whole.mkdir()
    for number, person in enumerate(people, 1):
        person.rename(whole / f"subject{number}")
    whole.rename(root)  # under its name only when it is whole
    shutil.rmtree(folder)
