"""`run.py predict` on every real video of a folder, beside what is known of its heart rate.

    python benchmarks/real_videos.py ../shared/data

With no option, with POS alone, and with the network of no option alone. Writes results/real_videos.csv
(one row a video and method, refusals with their reason) and results/real_videos.json (mean errors and the stamp).
The reference of a UBFC-rPPG recording is the rate of its contact pulse; other videos have it in their names.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import itertools
import json
import re
import tempfile
from pathlib import Path

import numpy as np
from kept import RESULTS, environment, where, write_document
from weights import VIEWS

from rppg_graph import cli
from rppg_graph.data.recordings import find_recordings
from rppg_graph.files import csv_text, write_text
from rppg_graph.pulse.filters import resample
from rppg_graph.pulse.heart_rate import CONTACT
from rppg_graph.pulse.protocols import prepare_native

SUFFIXES = {".mp4", ".mov", ".avi"}
GRID_HZ = 30.0
METHODS = {"no option": [], "pos": ["--method", "pos"]}  # to options of predict
METHODS |= {"stgnet-small-synth": ["--weights", "stgnet-small-synth", "--crop-views", VIEWS]}


def reference_bpm(video: Path, seconds: float = np.inf) -> float | None:
    """Heart rate of the contact pulse beside the video, of its first seconds, or the one in its name; else None."""
    label = video.parent / "ground_truth.txt"
    if label.exists():
        recordings = find_recordings(video.parent.parent, "ubfc-rppg")
        reference = next(recording for recording in recordings if video in recording.files).reference()
        inside = reference.seconds <= seconds
        _, pulse = resample(reference.seconds[inside], reference.pulse[inside], GRID_HZ)
        return CONTACT.heart_rate(prepare_native(pulse, GRID_HZ), GRID_HZ).bpm
    named = re.search(r"(\d+)bpm", video.name)
    return float(named[1]) if named else None


def answer(video: Path, options: list[str]) -> tuple[dict, str]:
    """What predict writes about a video, or an empty dict and the reason why it is refused."""
    with tempfile.TemporaryDirectory() as folder:
        result, errors = Path(folder) / "out.json", io.StringIO()
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(errors):
            code = cli.main(["predict", str(video), "--json", str(result), *options])
        if code:
            reason = errors.getvalue().rsplit("error: ", 1)[-1].strip()
            return {}, reason.replace(f"{video}: ", "").split(". ")[0].split(";")[0]
        return json.loads(result.read_text()), ""


def predict(video: Path, options: list[str]) -> dict[str, str]:
    """The row of one video by one method."""
    found, reason = answer(video, options)
    if reason:
        return {"refused": reason}
    bpm, reference = found["bpm"], reference_bpm(video)
    return {
        "bpm": f"{bpm:.1f}" if bpm is not None else "",
        "reference_bpm": f"{reference:.1f}" if reference is not None else "",
        "error_bpm": f"{bpm - reference:+.1f}" if None not in (bpm, reference) else "",
        "quality": f"{found['quality']:.2f}",
        "face_share": f"{found['frames_with_face'] / found['frames']:.0%}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path)
    root = parser.parse_args().root
    videos = sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES)
    rows = []
    for video, (method, options) in itertools.product(videos, METHODS.items()):
        row = {"video": str(video.relative_to(root)), "method": method, "refused": "", **predict(video, options)}
        rows.append(row)
        print("  ".join(row.values()), flush=True)
    columns = ["video", "method", "reference_bpm", "bpm", "error_bpm", "quality", "face_share", "refused"]
    write_text(RESULTS / "real_videos.csv", csv_text(rows, columns))
    errors = {name: [abs(float(row["error_bpm"])) for row in where(rows, method=name) if row.get("error_bpm")]
              for name in METHODS}  # fmt: skip
    stamp = environment() | {
        "videos": len(videos),
        "with_reference": {name: len(found) for name, found in errors.items()},
        "mae_bpm": {name: round(float(np.mean(found)), 2) for name, found in errors.items()},
    }
    write_document("real_videos.json", stamp)
    print("\n".join(f"{name}: MAE {mae} bpm" for name, mae in stamp["mae_bpm"].items()))


if __name__ == "__main__":
    main()
