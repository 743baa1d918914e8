"""What the studies of graphs found, for docs/graphs.md: every variant against its reference, its cost, a verdict."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from report import documents, table

from rppg_graph.experiments.measure import REAL
from rppg_graph.experiments.results import Results, difference
from rppg_graph.experiments.rows import finished, read_rows
from rppg_graph.experiments.study import Study, load_study
from rppg_graph.pulse.metrics import Metric

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ("neighbours", "longer", "constructors", "rebuilding", "features", "reductions")
PLANS = "configs/ablations"
REFERENCE = "k=16"  # of the costs, and of what neighbours share
FIGURES = {"errors": ("bpm", 1, "smaller"), "close": ("points", 100, "larger"), "snr": ("dB", 1, "larger")}


def study_of(name: str) -> Study:
    return load_study(ROOT / PLANS / f"{name}.yaml")


def results_of(folder: Path, name: str) -> Results:
    """A study with all rows that are there."""
    study, rows = study_of(name), {}
    for row in finished(read_rows(folder / f"ablation_{name}" / "rows.jsonl")).values():
        rows.setdefault(row["variant"], []).append(row)
    return Results(name, study, rows, {}, [])


def answers(folder: Path) -> str:
    """A row a variant of every study: its differences to the reference, over seeds and people, and what they say."""
    costs, lines = _costs(folder), []
    for name in STUDIES:
        results = results_of(folder, name)
        if not results.rows:
            lines.append([f"`{name}`: not measured yet"] + [""] * 7)
            continue
        reference = results.study.base_variant
        for variant in sorted(results.rows, key=lambda name: name != reference):
            cost = costs.get(_options(results.study, variant), {})
            times = [f"{cost[mode]:.2f}×" if mode in cost else "–" for mode in ("inference", "step")]
            if variant == reference:
                lines.append([f"**{name}**: {variant}", *["reference"] * 4, *times, ""])
                continue
            presets = results.study.evaluation.presets
            found = {figure: difference(results, variant, presets, figure) for figure in FIGURES}
            cells = [_cell(found[figure], FIGURES[figure][1]) for figure in FIGURES]
            real = _cell(difference(results, variant, (REAL,)), 1)
            lines.append([variant, *cells, real, *times, verdict(found)])
    heads = ["variant", "MAE (bpm)", "within 5 bpm (points)", "SNR (dB)", "MAE, real (bpm)", "inference", "step"]
    return table([*heads, "so it is"], lines)


def verdict(found: Mapping[str, Metric]) -> str:
    """In the figures whose interval leaves out zero, better or worse; and how large what is not seen may be at most."""
    said = []
    for figure, metric in found.items():
        unit, scale, good = FIGURES[figure]
        if metric.low is None:
            continue
        largest = scale * max(abs(metric.low), abs(metric.high))
        if metric.low <= 0 <= metric.high:
            said.append(f"within {largest:.2g} {unit}")
        else:
            better = (metric.value > 0) == (good == "larger")
            said.append(f"**{'better' if better else 'worse'}** by {scale * abs(metric.value):.2g} {unit}")
    return "; ".join(said)


def _cell(metric: Metric, scale: float) -> str:
    if metric.value is None:
        return "–"
    interval = "" if metric.low is None else f" [{scale * metric.low:+.2f}, {scale * metric.high:+.2f}]"
    return f"{scale * metric.value:+.2f}{interval}".replace("-", "−")


def _options(study: Study, variant: str) -> str:
    chosen = next(each for each in study.variants if each.name == variant)
    return study.config(chosen, study.seeds[0]).model.model_dump_json()


def _costs(folder: Path) -> dict[str, dict[str, float]]:
    """Times over the reference's of the studies, by a network's options and what was timed; the last machine's."""
    named = {f"{name}: {v.name}": _options(study_of(name), v.name) for name in STUDIES for v in study_of(name).variants}
    costs: dict[str, dict[str, float]] = {}
    for _, document in documents(folder, "variants"):
        times = {(row["variant"], row["mode"]): row["median_ms"] for row in document["rows"]}
        for (name, mode), milliseconds in times.items():
            costs.setdefault(named[name], {})[mode] = milliseconds / times[f"{STUDIES[0]}: {REFERENCE}", mode]
    return costs



def shared(folder: Path) -> str:
    """What neighbours share, and what a block does to the pulse, of why_neighbours.py."""
    path = folder / "why_neighbours.json"
    if not path.exists():
        return "Not measured yet: `python benchmarks/why_neighbours.py`."
    document = json.loads(path.read_text(encoding="utf-8"))
    rows = [row for row in document["rows"] if row["variant"] == REFERENCE and row["block"] == 1]
    of_ten = [row for row in rows if row["seconds"] == document["shared_seconds"]]
    heads = ["preset", *document["shared"]]
    near = table(heads, [[row["set"], *(f"{row[name]:.2f}" for name in document["shared"])] for row in of_ten])
    lines = []
    for row in of_ten:
        gains = [f"{row[name]:+.2f}".replace("-", "−") for name in (document["trained"], *document["choices"])]
        interval = f"[{row['low']:+.2f}, {row['high']:+.2f}]".replace("-", "−")
        lines.append([row["set"], f"{row['before_db']:.1f}".replace("-", "−"), *gains, interval])
    heads = ["preset", "before (dB)", "nearest, as trained", "random", "itself alone", "nearest less itself"]
    return f"{near}\n\n{table(heads, lines)}"
