"""Fill the tables of README.md, docs/ and benchmarks/README.md from the result files: no figure is typed by hand.

    python benchmarks/readme.py           draw the plots, write the tables
    python benchmarks/readme.py --check   exit code 1 if a page and the result files disagree

A page names a table by `<!-- NAME -->` and `<!-- /NAME -->`. Without its result file a table says so.
"""

from __future__ import annotations

import ast
import csv
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from graph_answers import answers, sentences, shared
from report import BENCHES, bench_block, draw_all, studies, table, targets_table
from windows import CLOSE_BPM, INTERVAL, accuracy, errors, told_apart

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
METRICS = {"MAE": "bpm", "RMSE": "bpm", "r": "", "SNR": "dB"}
DEFAULT, MAP, BASE = "default", "network", "pos, skin"  # readings of readings.py
NEEDED = ("recordings_with_3_seeds", "recordings_with_5_seeds")  # of power.py
HRV_SECONDS = 60.0
OTHER_MASKS = (", steady", ", whole")  # of readings that are in the CSV files alone
PUBLISHED = {("FactorizePhys", "UBFC-rPPG"), ("TS-CAN", "UBFC-rPPG")}
SETS = {"ubfc_rppg_mp4": "UBFC-rPPG, coded again at about 200 kbit/s"}
# README's speed table: bench, name of the target, what it says.
SPEED = (
    ("predict", "video 640×480 → bpm, STGNet, everything included, against real time",
     "a 640×480 video → heart rate by STGNet, against real time"),
    ("predict", "video 640×480 → bpm, no option, everything included, against real time",
     "the same with no option: formulas, network and judgement"),
    ("model", "STGNet inference, batch 1", "STGNet on one clip, against plain PyTorch"),
    ("model", "STGNet training step, batch 4, float32", "a training step, against plain PyTorch"),
    ("knn", "exact KNN N=2,560 k=64 against the released formula", "neighbours of 2,560 patches, against `topk`"),
    ("graph_conv", "average-relative aggregation N=2,560 k=64, forward and backward, against gather",
     "the mean over neighbours, against gathering"),
)  # fmt: skip


def missing(command: str) -> str:
    return f"Not measured yet: `{command}`."


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def json_of(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def readings(kind: str) -> list[dict[str, str]]:
    """Rows of readings.py on real or generated people; none where nothing was measured."""
    return [row for path in sorted(RESULTS.glob(f"readings_{kind}_*.csv")) for row in rows_of(path)]


def short_accuracy() -> str:
    """Six rows: the default, the best formula, POS, the map network, and two published networks."""
    found = {(row["reading"], row["span"]): row for row in readings("real") if row["set"] in SETS}
    alone = {key[0]: float(row["mae_bpm"]) for key, row in found.items() if ", " in key[0] and key[1] == "windows"}
    best = min((name for name in alone if "ensemble" not in name), key=alone.get, default=None)
    ours = [
        ("**default: map network and formulas**", DEFAULT, "simulated, rendered"),
        (f"the best single formula there ({best})", best, "nothing"),
        ("POS", BASE, "nothing"),
        ("the map network alone", MAP, "simulated, rendered"),
    ]
    people = next((row["people"] for row in found.values()), "–")
    rows = []
    for label, reading, trained in ours:
        whole, windows = (found.get((reading, span)) for span in ("recordings", "windows"))
        cells = ["not measured yet", "–", "–"]
        if whole and windows:
            cells = [_interval(whole), _interval(windows), f"{float(windows['within_5_percent']):.0f}%"]
        rows.append([label, trained, f"UBFC-rPPG, {people} people, coded again", *cells])
    for row in rows_of(ROOT / "benchmarks" / "published.csv"):
        if row["table"] == "synthetic" and (row["method"], row["tested_on"]) in PUBLISHED:
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
        found = {(row["reading"], row["set"]): row for row in rows if row["span"] == span}
        names, sets = (list(dict.fromkeys(key[place] for key in found)) for place in (0, 1))
        shown = [name for name in names if not name.endswith(OTHER_MASKS)]
        cells = [[name, *(_with_share(found.get((name, each))) for each in sets)] for name in shown]
        sizes = [next(row for key, row in found.items() if key[1] == each) for each in sets]
        cells.append(["n, of people", *(f"{row['n']}, of {row['people']}" for row in sizes)])
        parts.append(table([title, *(_named(each) for each in sets)], cells))
    stamp = f"Commit {rows[0]['commit']}, {rows[0]['device']}, {rows[0]['date']}"
    said = f"MAE in bpm, [95 % interval over people], and the share within {CLOSE_BPM:g} bpm. {stamp}."
    return "\n\n".join([*parts, f"{said} Other masks are in the CSV file."])


def _with_share(row: dict[str, str] | None) -> str:
    return "–" if row is None else f"{_interval(row)} ({float(row['within_5_percent']):.0f}%)"


def _named(people: str) -> str:
    """A set's name, with what is known of its folder."""
    for folder, name in SETS.items():
        people = people.replace(f"{folder}, MPEG", "the same, MPEG").replace(folder, name)
    return people


def published(name: str) -> str:
    """What others report, MAE / RMSE in bpm."""
    rows = [row for row in rows_of(ROOT / "benchmarks" / "published.csv") if row["table"] == name]
    tested = list(dict.fromkeys(row["tested_on"] for row in rows))
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        own = {row["tested_on"]: row for row in rows if row["method"] == method}
        cells = [f"{own[each]['mae_bpm']} / {own[each]['rmse_bpm'] or '–'}" if each in own else "–" for each in tested]
        lines.append([method, *cells, next(iter(own.values()))["source"]])
    return table(["method", *(f"on {each}" for each in tested), "source"], lines)


def evaluation_table(name: str) -> str:
    """Methods × metrics of a ``results.json`` of ``run.py eval``, whole recordings and windows."""
    results = json_of(RESULTS / name)
    heads = [f"{metric} ({unit})" if unit else metric for metric, unit in METRICS.items()]
    lines = []
    spans = {"whole recordings": "metrics", f"{results['window_seconds']:g}-s windows": "window_metrics"}
    for span, key in spans.items():
        for method, evaluation in results["methods"].items():
            metrics = evaluation[key]
            cells = [_cell(metrics[metric]) for metric in METRICS]
            lines.append([method, span, *cells, metrics["MAE"]["n"]])
    said = f"{_stamp(results['stamp'])} (± is the standard error over recordings or windows)."
    return f"{table(['method', 'over', *heads, 'n'], lines)}\n\n{said}"


def real_videos() -> str:
    """One line a video: what the reference says, and what each method predicted, or why there is no number."""
    rows = rows_of(RESULTS / "real_videos.csv")
    methods, videos = (list(dict.fromkeys(row[key] for row in rows)) for key in ("method", "video"))
    heads = ["video", "reference", *(f"{method} (error; quality)" for method in methods), "face"]
    lines = []
    for video in videos:
        found = [row for row in rows if row["video"] == video]
        cells = [_predicted(row) for row in found]
        seen = next((row["face_share"] for row in found if not row["refused"]), "")
        reference = next((row["reference_bpm"] for row in found if row["reference_bpm"]), "–")
        lines.append([video, reference, *cells, seen])
    stamp = json_of(RESULTS / "real_videos.json")
    known = stamp["with_reference"]
    mae = ", ".join(f"{name} {value:.2f} (of {known[name]})" for name, value in stamp["mae_bpm"].items())
    said = f"In bpm. Mean absolute error of whole videos with a reference: {mae}."
    return f"{table(heads, lines)}\n\n{said} {_stamp(stamp)}, `python benchmarks/real_videos.py ROOT`."


def _predicted(row: dict[str, str]) -> str:
    """A method's number with its error and quality, or the reason why there is none."""
    if row["refused"]:
        return f"refused: {row['refused']}"
    return f"{row['bpm'] or '–'} ({row['error_bpm'] or '–'}; {row['quality']})"


def weights() -> str:
    """Error of the shipped networks and of classical methods in windows of ten seconds, by set."""
    return _windows("weights")


def _windows(name: str) -> str:
    """A line a method, a column a set."""
    found = errors(RESULTS, name)
    methods, sets = (list(dict.fromkeys(each)) for each in zip(*found, strict=True))
    lines = [[method, *("{} ({})".format(*accuracy(found[method, each])) for each in sets)] for method in methods]
    lines.append(["windows", *(len(found[methods[0], each]) for each in sets)])
    said = f"MAE in bpm, {INTERVAL}, and the share within {CLOSE_BPM:g} bpm. {told_apart(found, 'pos')}"
    return f"{table(['windows of 10 s', *sets], lines)}\n\n{said} {_stamp(json_of(RESULTS / f'{name}.json'))}."


def setup() -> str:
    """What the two commands take on a bare machine, and what they end with."""
    path = RESULTS / "setup.json"
    if not path.exists():
        return missing("python benchmarks/setup_times.py")
    found = json_of(path)
    rows = [
        [f"`{step['command']}`", step["what"], f"{step['seconds'] / 60:.1f} min", f"`{step['end']}`"]
        for step in found["steps"]
    ]
    heads = ["command", "does", "took", "ends with"]
    return f"{table(heads, rows)}\n\n{_stamp(found['environment'])}; a fresh clone, nothing in pip's cache."


def disturbed() -> str:
    """How often a method answers where nothing pulses, and how often wrongly: all kinds, then each for no option."""
    paths = sorted(RESULTS.glob("disturbed*_*.json"))
    if not paths:
        return missing("python benchmarks/disturbed.py data/disturbed --part last")
    parts, shares = [], ("answered without a pulse", "answered", "answered and wrong", "interval holds")
    for path in paths:
        document = json_of(path)
        rows = [
            [row["method"], row["kind"] or "–", *(_share(row, name) for name in shares)]
            for row in document["rows"]
            if row["kind"] == "every kind" or row["method"] == "no option"
        ]
        about = document["environment"]
        where = f"`{document['bench']}`: commit {about['commit']}, {about['device']}, {about['date']}."
        parts += [table(["method", "kind", *shares], rows), where]
    return "\n\n".join(parts)


def _share(row: dict, name: str) -> str:
    if f"{name}: share" not in row:
        return "–"
    share, low, high, cases = (row[f"{name}: {part}"] for part in ("share", "low", "high", "cases"))
    return f"{share:.0%} [{low:.0%}, {high:.0%}] of {cases}"


def judgement() -> str:
    """What the probability that the judgement gives is worth, from what ``judgement.py report`` prints."""
    path = RESULTS / "judgement.json"
    if not path.exists():
        return missing("python benchmarks/judgement.py report > benchmarks/results/judgement.json")
    found = json_of(path)
    names = ("windows", "answered", "of these right", "answered and wrong", "no pulse, answered")
    kinds = {"all": found["all"]} | found["kinds"]
    rows = [[kind, *(_rounded(about[name]) for name in names)] for kind, about in kinds.items()]
    said = [[f"{row['said']:.0%}", f"{row['right']:.0%}", row["windows"]] for row in found["reliability"]]
    calibrated = table(["probability said", "right", "windows"], said)
    levels = [[trust, *(_rounded(about[name]) for name in names[1:])] for trust, about in found["levels"].items()]
    parts = [calibrated, "By trust:", table(["`--trust`", *names[1:]], levels)]
    return "\n\n".join([*parts, f"With trust {found['trust']:g}, the default:", table(["kind", *names], rows)])


def _rounded(value: float | None) -> str:
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.1%}"


def risk_coverage() -> str:
    """Areas under the risk-coverage curves of risk_coverage.py, and what is answered with the default trust."""
    path = RESULTS / "risk_coverage.json"
    if not path.exists():
        return missing("python benchmarks/risk_coverage.py ROOT")
    found = json_of(path)
    names, trust = ("clarity of the formulas", "agreement", "judgement", "oracle"), f"{found['trust']:g}"
    rows = []
    for row in found["rows"]:
        shares = [_rounded(row[f"{what} at {trust}"]) for what in ("answered", "right")]
        width = "–" if row["median half-width"] is None else f"{row['median half-width']:.1f}"
        held = [_rounded(row["in the interval"]), width]
        rows.append([row["set"], row["windows"], *(f"{row[name]:.2f}" for name in names), *shares, *held])
    heads = ["set", "windows", *names, f"answered at {trust}", "of these right", "in the interval", "half of its width"]
    said = f"Areas in bpm: the mean error over all shares that are kept. {_stamp(found['stamp'])}."
    return f"{table(heads, rows)}\n\n{said}"


def trace_realism() -> str:
    """Real, simulated and rendered colour traces side by side, from trace_realism.py."""
    path = RESULTS / "trace_realism.json"
    if not path.exists():
        return missing("python benchmarks/trace_realism.py ROOT")
    found = json_of(path)
    sets = found["sets"]
    rows = [["windows", *(each["windows"] for each in sets.values())]]
    for name in next(iter(sets.values()))["figures"]:
        figures = (each["figures"][name] for each in sets.values())
        rows.append([name, *(f"{median:.3g} [{low:.3g}, {high:.3g}]" for low, median, high in figures)])
    said = f"Medians; in brackets the range of eight windows in ten. {_stamp(found['stamp'])}."
    return f"{table(['', *sets], rows)}\n\n{said}"


def hrv() -> str:
    """The error of RMSSD over a minute, by signal quality, as hrv.py measured it."""
    path = RESULTS / "hrv.json"
    if not path.exists():
        return missing("python benchmarks/hrv.py")
    found = json_of(path)
    rows = [
        ["{:.2f} to {:.2f}".format(*row["quality"]), row["waves"], row["true_rmssd_ms"], *row["find_beats.rmssd_ms"]]
        for row in found["rows"]
        if row["seconds"] == HRV_SECONDS
    ]
    heads = ["quality", "waves", "true RMSSD (ms)", "median error (ms)", "error that one in ten exceeds (ms)"]
    return f"{table(heads, rows)}\n\nWaves of a minute. {_stamp(found['stamp'])}."


def cross_check() -> str:
    """How another project's networks, trained on real people, read generated faces."""
    heads = ["preset", "network", "videos", "MAE, whole (bpm)", "MAE, 10-s windows (bpm)", "windows within 5 bpm"]
    rows = []
    for path in sorted(RESULTS.glob("cross_check_*.json")):
        found = json_of(path)
        for network, result in found["models"].items():
            about, name = result["summary"], f"{network} (open-rppg {found['versions']['open-rppg']})"
            errors = f"{about['mae_bpm']:.2f}", f"{about['windows_mae_bpm']:.2f}"
            rows.append([found["preset"], name, about["videos"], *errors, f"{about['windows_within_5_bpm']:.0%}"])
    return table(heads, rows)


def comparison() -> str:
    """Accuracy and cost of ``run.py compare``, as it wrote them."""
    _, about, rest = (RESULTS / "compare.md").read_text(encoding="utf-8").split("\n\n", 2)
    tables = re.sub("^## (.*)$", r"**\1**", rest.split("## Uncertainty")[0].strip(), flags=re.MULTILINE)
    return f"{about}\n\n{tables}"


def power() -> str:
    """The least differences that studies can show, and what it would take to show the wanted ones."""
    units = {"errors": ("MAE", "bpm", 1), "close": ("within 5 bpm", "points", 100), "snr": ("SNR", "dB", 1)}
    rows = []
    for name, study in (("power_first", "earlier runs"), ("power", "neighbours")):
        path = RESULTS / f"{name}.json"
        for row in json_of(path)["figures"] if path.exists() else ():
            said, unit, scale = units[row["figure"]]
            needed = ["more than any" if row[key] is None else f"{row[key]:,}" for key in NEEDED]
            sees, wanted = (f"{scale * row[key]:.2g} {unit}" for key in ("sees", "wanted"))
            rows.append([study, said, row["seeds"], row["recordings"], sees, wanted, *needed])
    heads = ["study", "figure", "seeds", "people", "sees", "wanted", "people, 3 seeds", "people, 5 seeds"]
    return table(heads, rows)


def time_of_a_video() -> str:
    """Milliseconds a frame of each stage of a prediction on one core, a column a method and size of video."""
    columns: dict[str, dict[str, float]] = {}
    for path in sorted(RESULTS.glob("predict_*.json")):
        found = json_of(path)
        device = found["environment"]["device"]
        for row in found["rows"]:
            if row["method"] in ("ensemble", "pos") and "seconds" in row and "share" in row:
                method = "no option" if row["method"] == "ensemble" else "POS"
                column = columns.setdefault(f"{method}, {row['size']}, {device}", {})
                column[row["stage"]] = 1e3 / row["frames_per_second"]
    if not columns:
        return missing("python benchmarks/bench_predict.py")
    stages = list(dict.fromkeys(stage for column in columns.values() for stage in column))
    rows = [[stage, *(f"{c[stage]:.2f}" if stage in c else "–" for c in columns.values())] for stage in stages]
    together = ["**together**", *(f"**{sum(column.values()):.2f}**" for column in columns.values())]
    return table(["ms a frame", *columns], [*rows, together])


def networks() -> str:
    """Every network of MODELS: its parameters as it is built without options."""
    from rppg_graph.models import MODELS

    rows = []
    for name, build in MODELS.items():
        count = sum(parameter.numel() for parameter in build().parameters())
        said = (build.__doc__ or "").strip().split("\n")[0]
        rows.append([f"`{name}`", said, f"{count:,}"])
    return table(["name", "what it is", "parameters"], rows)


def layouts() -> str:
    """Every layout of RECORDINGS, and how its files lie."""
    from rppg_graph.data.recordings import RECORDINGS

    return table(["layout", "how it lies on disk"], [[f"`{name}`", layout.form] for name, layout in RECORDINGS.items()])


def faults() -> str:
    """Every fault that a test lets happen, and what the test sees hold, by the markers of the tests."""
    found: dict[tuple[str, str], list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for test in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for mark in getattr(test, "decorator_list", ()):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.promise":
                    fault, holds = (argument.value for argument in mark.args)
                    place = path.relative_to(ROOT).as_posix()
                    found.setdefault((fault, holds), []).append(f"[`{test.name}`](../{place})")
    return table(["fault", "what holds", "test"], [[*row, "<br>".join(tests)] for row, tests in sorted(found.items())])


BLOCKS: dict[str, Callable[[], str]] = {
    "setup": setup,
    "faults": faults,
    "accuracy": short_accuracy,
    "speed": partial(targets_table, RESULTS, SPEED),
    "demo": partial(evaluation_table, "demo.json"),
    "readings_real": partial(shown_readings, "real"),
    "readings_generated": partial(shown_readings, "generated"),
    "judgement": judgement,
    "risk_coverage": risk_coverage,
    "trace_realism": trace_realism,
    "hrv": hrv,
    "disturbed": disturbed,
    "real_videos": real_videos,
    "weights": weights,
    "classical": partial(evaluation_table, "ubfc_classical.json"),
    "published_cross": partial(published, "cross"),
    "published_synthetic": partial(published, "synthetic"),
    "comparison": comparison,
    "cross_check": cross_check,
    "graph_sentences": partial(sentences, RESULTS),
    "graph_answers": partial(answers, RESULTS),
    "graph_shared": partial(shared, RESULTS),
    "power": power,
    "time_of_a_video": time_of_a_video,
    "networks": networks,
    "layouts": layouts,
    **{bench: partial(bench_block, RESULTS, bench) for bench in BENCHES},
    "ablations": partial(studies, RESULTS),
}
"""Block of a page → function that makes it."""


def _cell(metric: dict) -> str:
    if metric["value"] is None:
        return "–"
    error = metric["standard_error"]
    return f"{metric['value']:.2f}" + (f" ± {error:.2f}" if error is not None else "")


def _stamp(stamp: dict) -> str:
    torch = next(part for part in stamp["versions"].split() if part.startswith("torch="))
    return f"Commit {stamp['commit']}, {torch}, {stamp['device']}, {stamp['threads']} threads, {stamp['date']}"


def pages() -> list[Path]:
    """The pages with blocks."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "benchmarks" / "README.md"]


def filled(text: str) -> str:
    """A page's text with every block between ``<!-- NAME -->`` and ``<!-- /NAME -->`` made anew."""

    def block(match: re.Match) -> str:
        if match[1] not in BLOCKS:
            raise SystemExit(f"no block is named {match[1]!r}: one of {', '.join(BLOCKS)}")
        return f"<!-- {match[1]} -->\n{BLOCKS[match[1]]()}\n<!-- /{match[1]} -->"

    return re.sub(r"<!-- (\w+) -->\n(.*?)<!-- /\1 -->", block, text, flags=re.DOTALL)


def main() -> int:
    check, changed = "--check" in sys.argv, False
    if not check:
        draw_all(RESULTS)
    for page in pages():
        before = page.read_text(encoding="utf-8")
        after = filled(before)
        changed |= before != after
        if not check:
            page.write_text(after, encoding="utf-8")
    return int(check and changed)


if __name__ == "__main__":
    raise SystemExit(main())
