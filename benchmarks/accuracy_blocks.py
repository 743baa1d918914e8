"""The blocks on how large errors are, ours and those of others."""

from __future__ import annotations

import re
from functools import partial

import kept
from kept import BLOCKS, block, csv_rows, json_of, missing, stamp_of, table, where
from windows import CLOSE_BPM, INTERVAL, errors, in_words, told_apart

METRICS = {"MAE": "bpm", "RMSE": "bpm", "r": "", "SNR": "dB"}
OTHER_MASKS = (", steady", ", whole")  # of readings that are in the CSV files alone
SYNTHETIC = {("FactorizePhys", "UBFC-rPPG"), ("TS-CAN", "UBFC-rPPG")}  # of those published, method and set
SETS = {"ubfc_rppg_mp4": "UBFC-rPPG, coded again at about 200 kbit/s"}


def readings(kind: str) -> list[dict[str, str]]:
    """Rows of readings.py on real or generated people; none where nothing was measured."""
    return [row for path in sorted(kept.RESULTS.glob(f"readings_{kind}_*.csv")) for row in csv_rows(path)]


@block
def accuracy() -> str:
    """Six rows: the default, the best formula, POS, the map network, and two published networks."""
    found = {(row["reading"], row["span"]): row for row in readings("real") if row["set"] in SETS}
    alone = {key[0]: float(row["mae_bpm"]) for key, row in found.items() if ", " in key[0] and key[1] == "windows"}
    best = min((name for name in alone if "ensemble" not in name), key=alone.get, default=None)
    people = next((row["people"] for row in found.values()), "–")
    rows = []
    for label, reading, trained in (
        ("**default: map network and formulas**", "default", "simulated, rendered"),
        (f"the best single formula there ({best})", best, "nothing"),
        ("POS", "pos, skin", "nothing"),
        ("the map network alone", "network", "simulated, rendered"),
    ):
        whole, windows = (found.get((reading, span)) for span in ("recordings", "windows"))
        cells = ["not measured yet", "–", "–"]
        if whole and windows:
            cells = [_interval(whole), _interval(windows), f"{float(windows['within_5_percent']):.0f}%"]
        rows.append([label, trained, f"UBFC-rPPG, {people} people, coded again", *cells])
    for row in csv_rows(kept.ROOT / "benchmarks" / "published.csv"):
        if row["table"] == "synthetic" and (row["method"], row["tested_on"]) in SYNTHETIC:
            label = f"{row['method']}, published"
            rows.append([label, f"{row['trained_on']}, rendered", "UBFC-rPPG, 42 people", row["mae_bpm"], "–", "–"])
    heads = ["method", "trained on", "measured on", "MAE, whole", "MAE, 10-s windows", f"within {CLOSE_BPM:g} bpm"]
    return f"{table(heads, rows)}\n\nMAE in bpm, [95 % interval over people]."


def _interval(row: dict[str, str]) -> str:
    return "{:.2f} [{:.2f}, {:.2f}]".format(*(float(row[f"mae_bpm{end}"]) for end in ("", "_low", "_high")))


def shown_readings(kind: str) -> str:
    """The formulas on the mask of each frame, the network and the ensembles: a line a reading, a column a set."""
    rows = readings(kind)
    if not rows:
        return missing("python benchmarks/readings.py" + (" ROOT" if kind == "real" else " --people 60"))
    parts = []
    spans = {"windows": "10-s windows"} | ({"recordings": "whole recordings"} if kind == "real" else {})
    for span, title in spans.items():
        cells = {}
        for row in where(rows, span=span):
            if not row["reading"].endswith(OTHER_MASKS):
                share = f"({float(row['within_5_percent']):.0f}%)"
                cells[row["reading"], _named(row["set"])] = f"{_interval(row)} {share}"
        for row in where(rows, span=span):
            cells.setdefault(("n, of people", _named(row["set"])), f"{row['n']}, of {row['people']}")
        parts.append(kept.crossed(title, cells))
    stamp = f"Commit {rows[0]['commit']}, {rows[0]['device']}, {rows[0]['date']}"
    said = f"MAE in bpm, [95 % interval over people], and the share within {CLOSE_BPM:g} bpm. {stamp}."
    return "\n\n".join([*parts, f"{said} Other masks are in the CSV file."])


def _named(people: str) -> str:
    """A set's name, with what is known of its folder."""
    for folder, name in SETS.items():
        people = people.replace(f"{folder}, MPEG", "the same, MPEG").replace(folder, name)
    return people


def published(name: str) -> str:
    """What others report, MAE / RMSE in bpm."""
    rows = where(csv_rows(kept.ROOT / "benchmarks" / "published.csv"), table=name)
    cells = {(row["method"], f"on {row['tested_on']}"): f"{row['mae_bpm']} / {row['rmse_bpm'] or '–'}" for row in rows}
    for row in rows:
        cells.setdefault((row["method"], "source"), row["source"])
    return kept.crossed("method", cells)


def evaluation_table(name: str) -> str:
    """Methods × metrics of a ``results.json`` of ``run.py eval``, whole recordings and windows."""
    results = json_of(name)
    heads = [f"{metric} ({unit})" if unit else metric for metric, unit in METRICS.items()]
    spans = {"whole recordings": "metrics", f"{results['window_seconds']:g}-s windows": "window_metrics"}
    lines = [
        [method, span, *(_with_error(evaluation[key][metric]) for metric in METRICS), evaluation[key]["MAE"]["n"]]
        for span, key in spans.items()
        for method, evaluation in results["methods"].items()
    ]
    said = f"{stamp_of(results['stamp'])} (± is the standard error over recordings or windows)."
    return f"{table(['method', 'over', *heads, 'n'], lines)}\n\n{said}"


def _with_error(metric: dict) -> str:
    value, error = (metric[key] for key in ("value", "standard_error"))
    return "–" if value is None else f"{value:.2f}" + (f" ± {error:.2f}" if error is not None else "")


@block
def real_videos() -> str:
    """One line a video: what the reference says, and what each method predicted, or why there is no number."""
    rows, cells = csv_rows("real_videos.csv"), {}
    for row in rows:
        if row["reference_bpm"] or (row["video"], "reference") not in cells:
            cells[row["video"], "reference"] = row["reference_bpm"] or "–"
    for row in rows:
        said = f"{row['bpm'] or '–'} ({row['error_bpm'] or '–'}; {row['quality']})"
        said = f"refused: {row['refused']}" if row["refused"] else said
        cells[row["video"], f"{row['method']} (error; quality)"] = said
    for row in reversed(rows):
        if not row["refused"] or (row["video"], "face") not in cells:
            cells[row["video"], "face"] = "" if row["refused"] else row["face_share"]
    stamp = json_of("real_videos.json")
    known = stamp["with_reference"]
    mae = ", ".join(f"{name} {value:.2f} (of {known[name]})" for name, value in stamp["mae_bpm"].items())
    said = f"In bpm. Mean absolute error of whole videos with a reference: {mae}."
    return f"{kept.crossed('video', cells)}\n\n{said} {stamp_of(stamp)}, `python benchmarks/real_videos.py ROOT`."


@block
def weights() -> str:
    """Error of the shipped networks and of classical methods in windows of ten seconds, by set."""
    found = errors()
    cells = {key: "{} ({})".format(*in_words(rows)) for key, rows in found.items()}
    for (_, each), rows in found.items():
        cells.setdefault(("windows", each), len(rows))
    said = f"MAE in bpm, {INTERVAL}, and the share within {CLOSE_BPM:g} bpm. {told_apart(found, 'pos')}"
    return f"{kept.crossed('windows of 10 s', cells)}\n\n{said} {stamp_of(json_of('weights.json'))}."


@block
def cross_check() -> str:
    """How another project's networks, trained on real people, read generated faces."""
    heads = ["preset", "network", "videos", "MAE, whole (bpm)", "MAE, 10-s windows (bpm)", "windows within 5 bpm"]
    rows = []
    for found in map(json_of, sorted(kept.RESULTS.glob("cross_check_*.json"))):
        for network, result in found["models"].items():
            about, name = result["summary"], f"{network} (open-rppg {found['versions']['open-rppg']})"
            errors = f"{about['mae_bpm']:.2f}", f"{about['windows_mae_bpm']:.2f}"
            rows.append([found["preset"], name, about["videos"], *errors, f"{about['windows_within_5_bpm']:.0%}"])
    return table(heads, rows)


@block
def comparison() -> str:
    """Accuracy and cost of ``run.py compare``, as it wrote them."""
    _, about, rest = (kept.RESULTS / "compare.md").read_text(encoding="utf-8").split("\n\n", 2)
    tables = re.sub("^## (.*)$", r"**\1**", rest.split("## Uncertainty")[0].strip(), flags=re.MULTILINE)
    return f"{about}\n\n{tables}"


BLOCKS |= {f"readings_{kind}": partial(shown_readings, kind) for kind in ("real", "generated")}
BLOCKS |= {f"published_{name}": partial(published, name) for name in ("cross", "synthetic")}
BLOCKS["demo"] = partial(evaluation_table, "demo.json")
BLOCKS["classical"] = partial(evaluation_table, "ubfc_classical.json")
