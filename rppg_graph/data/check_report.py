"""The result of a data check as a table for people and as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rppg_graph.data.check import DataCheck, RecordingCheck


def report_lines(check: DataCheck) -> Iterator[str]:
    """The result as a table for people, line by line; problems are marked with !, remarks with ?."""
    yield f"{check.root}: {check.why}"
    heads = ("recording", "subject", "split", "frames", "fps", "seconds", "face", "pulse Hz", "bpm", "lag s")
    rows = [_row(recording) for recording in check.recordings]
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    yield "  ".join(head.ljust(width) for head, width in zip(heads, widths, strict=True)).rstrip()
    for row, recording in zip(rows, check.recordings, strict=True):
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        yield from (f"  ! {printable(problem)}" for problem in recording.problems)
        yield from (f"  ? {printable(remark)}" for remark in recording.remarks)
    yield from (f"! {problem}" for problem in check.problems)
    broken = sum(bool(recording.problems) for recording in check.recordings)
    subjects = len({(recording.layout, recording.subject) for recording in check.recordings})
    yield f"{len(check.recordings)} recordings of {subjects} subjects; something would be left out of {broken}."


def _row(recording: RecordingCheck) -> tuple[str, ...]:
    def shown(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    bpm = recording.heart_rate_bpm
    return (
        printable(recording.name),
        printable(recording.subject),
        recording.split or "–",
        shown(recording.frames, "d"),
        shown(recording.fps, ".2f"),
        shown(recording.seconds, ".1f"),
        shown(recording.face_share, ".0%"),
        shown(recording.pulse_hz, ".1f"),
        "–" if bpm is None else f"{bpm[0]:.0f}…{bpm[1]:.0f}",
        shown(recording.lag_seconds, "+.2f"),
    )


def printable(text: str) -> str:
    """`text` with what would break a line of a table (newlines, control characters) as escapes."""
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


def write_json(check: DataCheck, path: Path | str) -> None:
    """Write everything that the table shows, in full precision, under the names of DataCheck and RecordingCheck."""
    content = {
        "root": str(check.root),
        "why": check.why,
        "complete": check.complete,
        "problems": list(check.problems),
        "recordings": [asdict(recording) for recording in check.recordings],
    }
    Path(path).write_text(json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
