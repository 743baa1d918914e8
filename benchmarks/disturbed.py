"""Does a method know that it is wrong? `run.py predict` on a folder of disturbed videos whose truth is known.

    run.py synth data/disturbed --preset disturbed --subjects 300 --seconds 20
    python benchmarks/disturbed.py data/disturbed --part last
    python benchmarks/disturbed.py data/over --over ../shared/data     # real videos, disturbances laid over them

The folder has a truth.tsv (file and bpm, or none where nothing pulses), and may have a cases.csv (file, kind, part).
Writes results/NAME_<device>.json and .csv: for each method and kind the share answered without a pulse, and with one
the share answered, and answered and wrong by over 5 bpm; NAME_videos.csv holds every answer.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import harness
import numpy as np
import torch
from kept import RESULTS, Target, csv_rows, where
from real_videos import METHODS, SUFFIXES, answer, reference_bpm
from scipy.stats import binomtest

from rppg_graph.data.video import probe, read_video, write_video
from rppg_graph.files import appearing_folder, csv_text, write_text
from rppg_graph.pulse.metrics import RESAMPLES
from rppg_graph.synthetic.disturbed import CASES_FILE, PARTS, TRUTH_FILE, write_truth
from rppg_graph.synthetic.overlay import OVERLAYS, lay_over

WRONG_BPM = 5.0
OVER_SECONDS, OVER_CRF = 25.0, 12.0  # of what is laid over real videos
EVERY_KIND = "every kind"
JUDGED = "no option"  # the method of METHODS that the targets are for


def share(hits: list[bool]) -> dict[str, float | int]:
    """A share of cases with its 95 % interval by a bootstrap over cases.

    At none and at all of them a bootstrap has no width; there the exact binomial interval stands in for it.
    """
    count, of = int(np.sum(hits)), len(hits)
    if count in (0, of):
        low, high = binomtest(count, of).proportion_ci(method="exact")
    else:
        low, high = np.percentile(np.random.default_rng(0).binomial(of, count / of, RESAMPLES) / of, [2.5, 97.5])
    return {"share": count / of, "low": float(low), "high": float(high), "cases": of}


def rows_of(videos: list[dict]) -> Iterator[dict]:
    """The table: for every method and kind, first all kinds together, the shares of the cases."""
    methods, kinds = (list(dict.fromkeys(video[name] for video in videos)) for name in ("method", "kind"))
    for method, kind in itertools.product(methods, [EVERY_KIND, *kinds]):
        found = [video for video in where(videos, method=method) if kind in (video["kind"], EVERY_KIND)]
        alive = [video for video in found if video["truth_bpm"] is not None]
        known = [(abs(video["bpm"] - video["truth_bpm"]), video["interval_bpm"]) for video in alive if answered(video)]
        halves = [half for _, half in known if half is not None]
        row = {"method": method, "kind": kind}
        for name, hits in (
            ("answered without a pulse", [answered(video) for video in found if video["truth_bpm"] is None]),
            ("answered and wrong", [error > WRONG_BPM for error, _ in known] + [False] * (len(alive) - len(known))),
            ("answered", [answered(video) for video in alive]),
            ("interval holds", [error <= half for error, half in known if half is not None]),
        ):
            row |= {f"{name}: {part}": value for part, value in share(hits).items()} if hits else {}
        yield row | ({"median half-width (bpm)": float(np.median(halves))} if halves else {})


def answered(video: dict) -> bool:
    return video["bpm"] is not None


def targets_of(rows: list[dict]) -> list[Target]:
    """The targets, in percent of the cases, for the method of no option over all kinds."""
    row = next(iter(where(rows, method=JUDGED, kind=EVERY_KIND)), {})
    limits = {"answered without a pulse": (5, 1), "answered and wrong": (5, 2), "answered": (60, 80)}
    return [
        Target(name, 100 * row[f"{name}: share"], *limit, " %", name != "answered")
        for name, limit in limits.items()
        if f"{name}: share" in row
    ]


def cases_of(folder: Path, part: str | None) -> list[dict]:
    """File, truth and kind of a folder's videos, or of those of one part."""
    known, cases = {}, []
    if (folder / CASES_FILE).exists():
        known = {row["file"]: row for row in csv_rows((folder / CASES_FILE).resolve())}
    for line in (folder / TRUTH_FILE).read_text(encoding="utf-8").splitlines():
        name, truth = line.split("\t")
        own = known.get(name, {})
        if part is None or own.get("part") == part:
            bpm = None if truth == "none" else float(truth)
            cases.append({"file": name, "kind": own.get("kind", ""), "truth_bpm": bpm})
    return cases


def write_over(root: Path, out: Path) -> None:
    """Every disturbance of OVERLAYS over the beginning of every video under root whose heart rate is known."""
    rows = []
    with appearing_folder(out) as folder:
        videos = sorted(path for path in root.rglob("*") if path.suffix in SUFFIXES and "disturbed" not in path.parts)
        known = [video for video in videos if reference_bpm(video, OVER_SECONDS) is not None]
        for number, (video, kind) in enumerate(itertools.product(known, OVERLAYS)):
            fps = probe(video).fps
            frames = itertools.takewhile(lambda frame: frame[0] < OVER_SECONDS, read_video(video))
            drawn, frames = lay_over(frames, fps, kind, number)
            name = f"{video.parent.name}_{video.stem}_{kind}.mp4".replace(" ", "-")
            write_video(folder / name, (rgb for _, rgb in frames), fps, crf=OVER_CRF)
            rows.append({"file": name, "truth_bpm": reference_bpm(video, OVER_SECONDS), **drawn})
            print(name, flush=True)
        write_truth(folder, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--over", type=Path, metavar="ROOT", help="first write FOLDER from the real videos under ROOT")
    parser.add_argument("--part", choices=PARTS, help="this part of a generated set alone")
    parser.add_argument("--methods", nargs="+", default=["no option", "pos"], choices=list(METHODS))
    parser.add_argument("--name", default="disturbed", help="of the result files")
    parser.add_argument("--quick", action="store_true", help="two videos: shows that everything runs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.device, options.threads = "cpu", torch.get_num_threads()
    if options.over:
        write_over(options.over, options.folder)
    videos, cases = [], cases_of(options.folder, options.part)[: 2 if options.quick else None]
    for case, method in itertools.product(cases, options.methods):
        found, refused = answer(options.folder / case["file"], METHODS[method])
        bpm, interval = found.get("bpm"), found.get("interval_bpm")
        answers = {"bpm": bpm, "interval_bpm": interval, "quality": found.get("quality")}
        videos.append(case | {"method": method} | answers | {"reason": refused or found.get("reason")})
        print(json.dumps(videos[-1]), flush=True)
    rows = list(rows_of(videos))
    harness.write(options.name, options, rows, targets_of(rows))
    write_text(options.out / f"{options.name}_videos.csv", csv_text(videos))


if __name__ == "__main__":
    main()
