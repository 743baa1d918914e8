"""Fill the tables of README.md from the result files: nothing in them is typed by hand.

    python benchmarks/readme.py           write the tables
    python benchmarks/readme.py --check   exit code 1 if README.md and the result files disagree
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from windows import CLOSE_BPM, INTERVAL, accuracy, errors, mae, told_apart

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
METRICS = {"MAE": "bpm", "RMSE": "bpm", "r": "", "SNR": "dB"}


def evaluation_table(name: str) -> str:
    """Methods × metrics of a ``results.json`` of ``run.py eval``, whole recordings and windows."""
    results = json.loads((RESULTS / name).read_text(encoding="utf-8"))
    heads = [f"{metric} ({unit})" if unit else metric for metric, unit in METRICS.items()]
    lines = [f"| method | over | {' | '.join(heads)} | n |", "|---|---|" + "---|" * (len(heads) + 1)]
    spans = {"whole recordings": "metrics", f"{results['window_seconds']:g}-s windows": "window_metrics"}
    for span, key in spans.items():
        for method, evaluation in results["methods"].items():
            metrics = evaluation[key]
            cells = [_cell(metrics[metric]) for metric in METRICS]
            lines.append(f"| {method} | {span} | {' | '.join(cells)} | {metrics['MAE']['n']} |")
    return "\n".join([*lines, "", f"{_stamp(results['stamp'])} (± is the standard error over recordings or windows)."])


def real_videos() -> str:
    """One line a video: what the reference says, and what each method predicted, or why there is no number."""
    with (RESULTS / "real_videos.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    methods, videos = (list(dict.fromkeys(row[key] for row in rows)) for key in ("method", "video"))
    heads = ["video", "reference", *(f"{method} (error; quality)" for method in methods), "face"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for video in videos:
        found = [row for row in rows if row["video"] == video]
        cells = [_predicted(row) for row in found]
        seen = next((row["face_share"] for row in found if not row["refused"]), "")
        reference = next((row["reference_bpm"] for row in found if row["reference_bpm"]), "–")
        lines.append(f"| {video} | {reference} | {' | '.join(cells)} | {seen} |")
    stamp = json.loads((RESULTS / "real_videos.json").read_text(encoding="utf-8"))
    known = stamp["with_reference"]
    mae = ", ".join(f"{name} {value:.2f} (of {known[name]})" for name, value in stamp["mae_bpm"].items())
    said = f"In bpm. Mean absolute error of whole videos with a reference: {mae}."
    return "\n".join([*lines, "", f"{said} {_stamp(stamp)}, `python benchmarks/real_videos.py ROOT`."])


def _predicted(row: dict[str, str]) -> str:
    """A method's number with its error and quality, or the reason why there is none."""
    if row["refused"]:
        return f"refused: {row['refused']}"
    return f"{row['bpm'] or '–'} ({row['error_bpm'] or '–'}; {row['quality']})"


def weights() -> str:
    """Error of the shipped networks and of classical methods in windows of ten seconds, by set."""
    return _windows("weights")


def skin_tones() -> str:
    """The same for the same people with each skin tone, and how far the tones are apart."""
    found = errors(RESULTS, "skin_tones")
    methods = dict.fromkeys(method for method, _ in found)
    apart = {method: [mae(rows).value for (name, _), rows in found.items() if name == method] for method in methods}
    said = ", ".join(f"{method} {max(maes) / min(maes):.2f}" for method, maes in apart.items())
    return f"{_windows('skin_tones')} Largest MAE over the smallest: {said}."


def _windows(name: str) -> str:
    """A line a method, a column a set."""
    found = errors(RESULTS, name)
    methods, sets = (list(dict.fromkeys(each)) for each in zip(*found, strict=True))
    lines = [f"| windows of 10 s | {' | '.join(sets)} |", "|---" * (len(sets) + 1) + "|"]
    for method in methods:
        lines.append(f"| {method} | {' | '.join('{} ({})'.format(*accuracy(found[method, each])) for each in sets)} |")
    lines.append(f"| windows | {' | '.join(str(len(found[methods[0], each])) for each in sets)} |")
    stamp = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    said = f"MAE in bpm, {INTERVAL}, and the share within {CLOSE_BPM:g} bpm"
    return "\n".join([*lines, "", f"{said}. {told_apart(found, 'pos')} {_stamp(stamp)}."])


def setup() -> str:
    """What the two commands take on a bare machine, and what they end with."""
    path = RESULTS / "setup.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/setup_times.py`."
    found = json.loads(path.read_text(encoding="utf-8"))
    heads = "| command | does | took | ends with |\n|---|---|---|---|"
    rows = []
    for step in found["steps"]:
        took = f"{step['seconds'] / 60:.1f} min"
        rows.append(f"| `{step['command']}` | {step['what']} | {took} | `{step['end']}` |")
    return "\n".join([heads, *rows, "", f"{_stamp(found['environment'])}; a fresh clone, nothing in pip's cache."])


def performance() -> str:
    """The targets of the speed benchmarks, as they were measured on a CPU."""
    lines = []
    for script in ("bench_model", "loss_curves", "bench_predict", "bench_pipeline", "bench_knn", "bench_graph_conv"):
        for path in sorted(RESULTS.glob(f"{script.removeprefix('bench_')}_*.json")):
            found = json.loads(path.read_text(encoding="utf-8"))
            about = found["environment"]
            where = f"{about['device']}, {about['threads']} threads, commit {about['commit']}"
            lines += [f"`benchmarks/{script}.py` ({where}):", ""]
            lines += [*(f"- {target['line'].removeprefix('target ')}" for target in found["targets"]), ""]
    return "\n".join(lines[:-1])


def cross_check() -> str:
    """How another project's networks, trained on real people, read generated faces."""
    heads = ["preset", "network", "videos", "MAE, whole (bpm)", "MAE, 10-s windows (bpm)", "windows within 5 bpm"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for path in sorted(RESULTS.glob("cross_check_*.json")):
        found = json.loads(path.read_text(encoding="utf-8"))
        for network, result in found["models"].items():
            about = result["summary"]
            cells = (
                found["preset"], f"{network} (open-rppg {found['versions']['open-rppg']})", about["videos"],
                f"{about['mae_bpm']:.2f}", f"{about['windows_mae_bpm']:.2f}", f"{about['windows_within_5_bpm']:.0%}",
            )  # fmt: skip
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def comparison() -> str:
    """Accuracy and cost of ``run.py compare``, as it wrote them."""
    _, about, rest = (RESULTS / "compare.md").read_text(encoding="utf-8").split("\n\n", 2)
    tables = re.sub("^## (.*)$", r"**\1**", rest.split("## Uncertainty")[0].strip(), flags=re.MULTILINE)
    return f"{about}\n\n{tables}"


BLOCKS: dict[str, Callable[[], str]] = {
    "setup": setup,
    "comparison": comparison,
    "performance": performance,
    "cross_check": cross_check,
    "demo": lambda: evaluation_table("demo.json"),
    "real_videos": real_videos,
    "weights": weights,
    "skin_tones": skin_tones,
    "classical": lambda: evaluation_table("ubfc_classical.json"),
}


def _cell(metric: dict) -> str:
    if metric["value"] is None:
        return "–"
    error = metric["standard_error"]
    return f"{metric['value']:.2f}" + (f" ± {error:.2f}" if error is not None else "")


def _stamp(stamp: dict) -> str:
    torch = next(part for part in stamp["versions"].split() if part.startswith("torch="))
    return f"Commit {stamp['commit']}, {torch}, {stamp['device']}, {stamp['threads']} threads, {stamp['date']}"


def filled(text: str) -> str:
    """README's text with every block between ``<!-- name -->`` and ``<!-- /name -->`` made anew."""
    for name, make in BLOCKS.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
        if len(re.findall(pattern, text, flags=re.DOTALL)) != 1:
            raise SystemExit(f"README.md needs one block <!-- {name} --> … <!-- /{name} -->")
        table = make().replace("\\", "\\\\")
        text = re.sub(pattern, rf"\g<1>{table}\n\g<2>", text, flags=re.DOTALL)
    return text


def main() -> int:
    path = ROOT / "README.md"
    before = path.read_text(encoding="utf-8")
    after = filled(before)
    if "--check" in sys.argv:
        return int(before != after)
    path.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
