"""A folder of own videos, with or without a reference beside each.

The reference of `NAME.mp4` is `NAME.csv` beside it, or `pulse.csv` where the video is the only one in its folder. The
first line of the file names the columns: `seconds` (from the first frame) and `pulse`, `bpm` or both, in any order.

A video in a subfolder belongs to the subject that the topmost subfolder names (`anna/monday.mp4`,
`anna/evening/1.mp4`: subject "anna"); a video directly under the root is its own subject.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from rppg_graph.data.recordings import vipl_hr
from rppg_graph.data.recordings.folders import Folder
from rppg_graph.data.recordings.labels import LEAVE_OUT, make_reference, number, read_csv
from rppg_graph.data.recordings.recording import Layout, Recording, Reference
from rppg_graph.data.recordings.sources import is_video, read_file, video_seconds
from rppg_graph.errors import InputError

SHARED_LABELS = "pulse.csv"
COLUMNS = {"seconds", "pulse", "bpm"}


def collect(folders: list[Folder]) -> list[Recording]:
    """One recording for each file with the suffix of a video, but for VIPL-HR's infrared ones."""
    found = []
    for folder in folders:
        parts = folder.path.relative_to(folder.root).parts
        videos = [folder.path / file for file in folder.files if is_video(file)]
        for path in videos if vipl_hr.RATES not in folder.files else ():
            labels = [path.with_suffix(".csv").name, *[SHARED_LABELS] * (len(videos) == 1)]
            present = [folder.path / file for file in labels if file in folder.files][:1]
            ambiguous = not present and SHARED_LABELS in folder.files
            found.append(
                Recording(
                    name="_".join([*parts, path.stem]),
                    subject=parts[0] if parts else path.stem,
                    layout="folder",
                    files=tuple(sorted([path, *present])),
                    frames=partial(read_file, path),
                    reference=partial(_reference, path, present[0] if present else None, ambiguous),
                    frame_seconds=partial(video_seconds, path),
                )
            )
    return found


def _reference(video: Path, labels: Path | None, ambiguous: bool) -> Reference | None:
    if ambiguous:
        raise InputError(
            f"{video.parent / SHARED_LABELS} lies beside several videos; rename it to {video.stem}.csv if it belongs "
            f"to {video.name}, or put each video in a folder of its own."
        )
    return read_reference(labels) if labels else None


def read_reference(path: Path) -> Reference:
    """A CSV file with the columns seconds and pulse, bpm or both.

    Raises:
        InputError: other columns, a row of another length, or what make_reference refuses.
    """
    rows = read_csv(path)
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if not set(header) <= COLUMNS or "seconds" not in header or len(header) < 2 or len(set(header)) != len(header):
        raise InputError(
            f"{path}: the first line is {','.join(header)[:80]!r}; it has to be 'seconds,pulse' or 'seconds,bpm'. "
            f"Add that line or mend it."
        )
    columns: dict[str, list[float]] = {name: [] for name in header}
    for i, row in enumerate(rows[1:]):
        if len(row) != len(header):
            raise InputError(f"{path}: row {i + 2} has {len(row)} values; the first has {len(header)}. {LEAVE_OUT}")
        for name, text in zip(header, row, strict=True):
            columns[name].append(number(text, path, f"row {i + 2}, column {name}"))
    return make_reference(
        path, columns["seconds"], columns.get("pulse"), columns.get("bpm"), place=lambda i: f"row {i + 2}"
    )


FORM = "own videos: any <name>.mp4, .avi, .mov …, with an optional <name>.csv of seconds,pulse or seconds,bpm"
LAYOUT = Layout(FORM, collect)
