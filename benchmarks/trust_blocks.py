"""The blocks on what an answer is worth: refusals, intervals, the data behind it, and what studies can see."""

from __future__ import annotations

import kept
from kept import block, json_of, measured, missing, share_of, stamp_of, table, where

HRV_SECONDS = 60.0
NEEDED = ("recordings_with_3_seeds", "recordings_with_5_seeds")  # of power.py


@block
def disturbed() -> str:
    """How often a method answers where nothing pulses, and how often wrongly: all kinds, then each for no option."""
    paths = sorted(kept.RESULTS.glob("disturbed*_*.json"))
    if not paths:
        return missing("python benchmarks/disturbed.py data/disturbed --part last")
    parts, shares = [], ("answered without a pulse", "answered", "answered and wrong", "interval holds")
    for document in map(json_of, paths):
        rows = [
            [row["method"], row["kind"] or "–", *(_share(row, name) for name in shares)]
            for row in document["rows"]
            if row["kind"] == "every kind" or row["method"] == "no option"
        ]
        about = document["environment"]
        said = f"`{document['bench']}`: commit {about['commit']}, {about['device']}, {about['date']}."
        parts += [table(["method", "kind", *shares], rows), said]
    return "\n\n".join(parts)


def _share(row: dict, name: str) -> str:
    if f"{name}: share" not in row:
        return "–"
    return "{:.0%} [{:.0%}, {:.0%}] of {}".format(*(row[f"{name}: {key}"] for key in ("share", "low", "high", "cases")))


@measured("python benchmarks/judgement.py report > benchmarks/results/judgement.json")
def judgement(found: dict) -> str:
    """What the probability that the judgement gives is worth, from what ``judgement.py report`` prints."""
    names = ("windows", "answered", "of these right", "answered and wrong", "no pulse, answered")
    kinds = {"all": found["all"]} | found["kinds"]
    rows = [[kind, *(share_of(about[name]) for name in names)] for kind, about in kinds.items()]
    said = [[f"{row['said']:.0%}", f"{row['right']:.0%}", row["windows"]] for row in found["reliability"]]
    levels = [[trust, *(share_of(about[name]) for name in names[1:])] for trust, about in found["levels"].items()]
    parts = [table(["probability said", "right", "windows"], said), "By trust:"]
    parts += [table(["`--trust`", *names[1:]], levels), f"With trust {found['trust']:g}, the default:"]
    return "\n\n".join([*parts, table(["kind", *names], rows)])


@measured("python benchmarks/risk_coverage.py ROOT")
def risk_coverage(found: dict) -> str:
    """Areas under the risk-coverage curves of risk_coverage.py, and what is answered with the default trust."""
    names, trust = ("clarity of the formulas", "agreement", "judgement", "oracle"), f"{found['trust']:g}"
    rows = []
    for row in found["rows"]:
        shares = [share_of(row[what]) for what in (f"answered at {trust}", f"right at {trust}", "in the interval")]
        width = "–" if row["median half-width"] is None else f"{row['median half-width']:.1f}"
        rows.append([row["set"], row["windows"], *(f"{row[name]:.2f}" for name in names), *shares, width])
    heads = ["set", "windows", *names, f"answered at {trust}", "of these right", "in the interval", "half of its width"]
    said = f"Areas in bpm: the mean error over all shares that are kept. {stamp_of(found['stamp'])}."
    return f"{table(heads, rows)}\n\n{said}"


@measured("python benchmarks/trace_realism.py ROOT")
def trace_realism(found: dict) -> str:
    """Real, simulated and rendered colour traces side by side, from trace_realism.py."""
    cells = {("windows", name): each["windows"] for name, each in found["sets"].items()}
    for name, each in found["sets"].items():
        for figure, (low, median, high) in each["figures"].items():
            cells[figure, name] = f"{median:.3g} [{low:.3g}, {high:.3g}]"
    said = f"Medians; in brackets the range of eight windows in ten. {stamp_of(found['stamp'])}."
    return f"{kept.crossed('', cells)}\n\n{said}"


@measured("python benchmarks/hrv.py")
def hrv(found: dict) -> str:
    """The error of RMSSD over a minute, by signal quality, as hrv.py measured it."""
    rows = [
        ["{:.2f} to {:.2f}".format(*row["quality"]), row["waves"], row["true_rmssd_ms"], *row["find_beats.rmssd_ms"]]
        for row in where(found["rows"], seconds=HRV_SECONDS)
    ]
    heads = ["quality", "waves", "true RMSSD (ms)", "median error (ms)", "error that one in ten exceeds (ms)"]
    return f"{table(heads, rows)}\n\nWaves of a minute. {stamp_of(found['stamp'])}."


@block
def power() -> str:
    """The least differences that studies can show, and what it would take to show the wanted ones."""
    units = {"errors": ("MAE", "bpm", 1), "close": ("within 5 bpm", "points", 100), "snr": ("SNR", "dB", 1)}
    rows = []
    for name, study in (("power_first.json", "earlier runs"), ("power.json", "neighbours")):
        for row in json_of(name)["figures"] if (kept.RESULTS / name).exists() else ():
            said, unit, scale = units[row["figure"]]
            needed = ["more than any" if row[key] is None else f"{row[key]:,}" for key in NEEDED]
            sees, wanted = (f"{scale * row[key]:.2g} {unit}" for key in ("sees", "wanted"))
            rows.append([study, said, row["seeds"], row["recordings"], sees, wanted, *needed])
    heads = ["study", "figure", "seeds", "people", "sees", "wanted", "people, 3 seeds", "people, 5 seeds"]
    return table(heads, rows)
