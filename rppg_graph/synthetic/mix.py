"""Synthetic recordings of several presets in one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rppg_graph.config import SyntheticConfig
from rppg_graph.files import appearing_folder, claim
from rppg_graph.synthetic import write_dataset


def write_mix(root: Path, parts: Sequence[SyntheticConfig]) -> None:
    """Write the parts to ``root`` in the layout ubfc-rppg, one after the other; nothing where ``root`` is there.

    Subjects are numbered through the parts: a fold by number, and a validation set at even distances, take of every
    part the share that it has.
    """
    with claim(root.with_name(f"{root.name}.claim")):
        if root.exists():
            return
        with appearing_folder(root) as whole:
            people = 0
            for part in parts:
                place = whole / "part"
                write_dataset(place, layout="ubfc-rppg", **part.model_dump(exclude_none=True))
                for number in range(1, part.subjects + 1):
                    people += 1
                    (place / f"subject{number}").rename(whole / f"subject{people}")
                place.rmdir()
