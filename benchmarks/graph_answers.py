"""What the studies of graphs found, for docs/graphs.md: every variant against its reference, its cost, a verdict.

python benchmarks/graph_answers.py        # draws docs/frontier-*.png; the tables are blocks of readme.py
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import kept
import numpy as np
from kept import DOCS, ROOT, block, json_of, missing, table, where
from report import documents

from rppg_graph.experiments.measure import REAL
from rppg_graph.experiments.results import Results, difference, with_interval
from rppg_graph.experiments.rows import finished, read_rows
from rppg_graph.experiments.study import Study, load_study
from rppg_graph.pulse.metrics import Metric
from rppg_graph.report.plots import GREY, ORANGE, THEMES, figure

STUDIES = ("neighbours", "longer", "constructors", "rebuilding", "features", "reductions")
REFERENCE = "k=16"  # of the costs, and of what neighbours share
FIGURES = {"errors": ("bpm", 1, "smaller"), "close": ("points", 100, "larger"), "snr": ("dB", 1, "larger")}


def study_of(name: str) -> Study:
    return load_study(ROOT / "configs" / "ablations" / f"{name}.yaml")


def results_of(name: str) -> Results:
    """A study with all rows that are there."""
    study, rows = study_of(name), {}
    for row in finished(read_rows(kept.RESULTS / f"ablation_{name}" / "rows.jsonl")).values():
        rows.setdefault(row["variant"], []).append(row)
    return Results(name, study, rows, {}, [])


@block
def graph_answers() -> str:
    """A row a variant of every study: its differences to the reference, over seeds and people, and what they say."""
    costs, lines = _costs(), []
    for study in STUDIES:
        results = results_of(study)
        if not results.rows:
            lines.append([f"`{study}`: not measured yet"] + [""] * 7)
        reference = results.study.base_variant
        for variant in sorted(results.rows, key=lambda name: name != reference):
            cost = costs.get(options_of(results.study, variant), {})
            times = [f"{cost[mode]:.2f}×" if mode in cost else "–" for mode in ("inference", "step")]
            if variant == reference:
                lines.append([f"**{study}**: {variant}", *["reference"] * 4, *times, ""])
                continue
            presets = results.study.evaluation.presets
            found = {name: difference(results, variant, presets, name) for name in FIGURES}
            cells = [with_interval(found[name], FIGURES[name][1]) for name in FIGURES]
            real = with_interval(difference(results, variant, (REAL,)))
            lines.append([variant, *cells, real, *times, verdict(found)])
    heads = ["variant", "MAE (bpm)", "within 5 bpm (points)", "SNR (dB)", "MAE, real (bpm)", "inference", "step"]
    return table([*heads, "so it is"], lines)


QUESTIONS = {
    "neighbours": "How many neighbours?",
    "constructors": "Who is a neighbour?",
    "rebuilding": "How often is the graph built?",
    "features": "On what features is it built?",
    "reductions": "Mean, maximum or attention?",
}


@block
def graph_sentences() -> str:
    """A sentence a question: which variants differ from the reference of their study, and how large the rest may be."""
    lines, real = [], []
    for study, question in QUESTIONS.items():
        results = results_of(study)
        reference, presets = results.study.base_variant, results.study.evaluation.presets
        others = [variant for variant in results.rows if variant != reference]
        found = {v: [difference(results, v, presets, name) for name in FIGURES] for v in others}
        said = _in_words(found) if found else "it is not measured yet"
        lines.append(f"- **{question}** Against `{reference}`, {said}.")
        for variant in others:
            metric = difference(results, variant, (REAL,))
            if _seen(metric):
                real.append(f"`{variant}` against `{reference}` {with_interval(metric)} bpm")
    listed = "; ".join(real) or "none"
    return "\n".join([*lines, "", f"Differences that are seen on the real recordings: {listed}."])


def _seen(metric: Metric) -> bool:
    """Whether there is an interval, and it leaves out zero."""
    return metric.low is not None and not metric.low <= 0 <= metric.high


def _largest(metric: Metric) -> float:
    """How large a difference may be at most, by its interval."""
    return max(abs(metric.low), abs(metric.high))


def _in_words(found: Mapping[str, list[Metric]]) -> str:
    """What the intervals of the three FIGURES allow to say of variants."""
    rates, shares, waves = ({variant: metrics[i] for variant, metrics in found.items()} for i in range(3))
    unseen = {name: _largest(rate) for name, rate in rates.items() if not _seen(rate) and rate.low is not None}
    parts = _seen_in_words(rates, ("MAE is smaller with", "MAE is larger with"), "bpm", 1)
    if unseen:
        names = ", ".join(f"`{name}`" for name in unseen)
        parts.append(f"no difference in MAE is seen, and none above {max(unseen.values()):.2g} bpm, with {names}")
    parts += _seen_in_words(shares, ("fewer windows are within 5 bpm with", "more are with"), "points", 100)
    parts += _seen_in_words(waves, ("the wave has less pulse with", "it has more with"), "dB", 1)
    return "; ".join(parts) or "two seeds at least are needed"


def _seen_in_words(metrics: Mapping[str, Metric], words: tuple[str, str], unit: str, scale: float) -> list[str]:
    """The variants whose difference is seen, those below zero and those above, each with its size."""
    seen = {variant: metric.value for variant, metric in metrics.items() if _seen(metric)}
    sides = ([v for v in seen if seen[v] < 0], [v for v in seen if seen[v] > 0])
    sized = (", ".join(f"`{v}` ({scale * abs(seen[v]):.2g} {unit})" for v in side) for side in sides)
    return [f"{said} {names}" for said, names in zip(words, sized, strict=True) if names]


CAPTION = (
    "Variants by the time of their inference over that of k = 16, the reference, the cheapest above. Further right is "
    "better; the bars are 95 % intervals over seeds and people. One that does not reach the dotted line is seen."
)
FRONTIER = ("neighbours", "constructors", "rebuilding")


def draw_frontier(path: Path, theme: str) -> None:
    """Accuracy against cost: the difference in SNR and in MAE to the reference, by the time of inference."""
    costs, drawn = _costs(), {}
    for study in FRONTIER:
        results = results_of(study)
        for variant in results.rows:
            options = options_of(results.study, variant)
            if options in costs:  # a network that several studies have is drawn once
                drawn.setdefault(options, (costs[options]["inference"], variant, results))
    points = sorted(drawn.values(), key=lambda point: -point[0])
    with figure(path, 1, CAPTION, theme, height=4.2, columns=2) as axes:
        for axis, name, sign in zip(axes, ("snr", "errors"), (1, -1), strict=True):
            axis.axvline(0, color=GREY, linestyle=":")
            for place, (_, variant, results) in enumerate(points):
                found = difference(results, variant, results.study.evaluation.presets, name)
                bars = np.abs(np.sort([sign * found.low, sign * found.high]) - sign * found.value)[:, None]
                axis.errorbar(sign * found.value, place, xerr=bars, fmt="o", color=ORANGE, ecolor=GREY, markersize=4)
            axis.set_yticks(range(len(points)), [f"{variant}, {cost:.2f}×" for cost, variant, _ in points])
        axes[1].set_yticklabels([])
        axes[0].set(title="Pulse in the wave", xlabel="SNR more than k = 16 (dB)")
        axes[1].set(title="Heart rate", xlabel="MAE less than k = 16 (bpm)")


def verdict(found: Mapping[str, Metric]) -> str:
    """In the figures whose interval leaves out zero, better or worse; and how large what is not seen may be at most."""
    said = []
    for name, metric in found.items():
        unit, scale, good = FIGURES[name]
        if _seen(metric):
            better = (metric.value > 0) == (good == "larger")
            said.append(f"**{'better' if better else 'worse'}** by {scale * abs(metric.value):.2g} {unit}")
        elif metric.low is not None:
            said.append(f"within {scale * _largest(metric):.2g} {unit}")
    return "; ".join(said)


def options_of(study: Study, variant: str) -> str:
    """What stands for a variant's network: studies have some networks under other names."""
    chosen = next(each for each in study.variants if each.name == variant)
    return study.config(chosen, study.seeds[0]).model.model_dump_json()


def _costs() -> dict[str, dict[str, float]]:
    """Times over the reference's of the studies, by a network's options and what was timed; the last machine's."""
    studies = {name: study_of(name) for name in STUDIES}
    named = {f"{name}: {v.name}": options_of(study, v.name) for name, study in studies.items() for v in study.variants}
    costs: dict[str, dict[str, float]] = {}
    for _, document in documents(kept.RESULTS, "variants"):
        times = {(row["variant"], row["mode"]): row["median_ms"] for row in document["rows"]}
        for (name, mode), milliseconds in times.items():
            costs.setdefault(named[name], {})[mode] = milliseconds / times[f"{STUDIES[0]}: {REFERENCE}", mode]
    return costs


@block
def graph_shared() -> str:
    """What neighbours share, and what a block does to the pulse, of why_neighbours.py."""
    if not (kept.RESULTS / "why_neighbours.json").exists():
        return missing("python benchmarks/why_neighbours.py")
    document = json_of("why_neighbours.json")
    rows = where(document["rows"], variant=REFERENCE, block=1, seconds=document["shared_seconds"])
    near = [[row["set"], *(f"{row[name]:.2f}" for name in document["shared"])] for row in rows]
    lines = []
    for row in rows:
        gains = [f"{row[name]:+.2f}" for name in (document["trained"], *document["choices"])]
        cells = [f"{row['before_db']:.1f}", *gains, f"[{row['low']:+.2f}, {row['high']:+.2f}]"]
        lines.append([row["set"], *(cell.replace("-", "−") for cell in cells)])
    heads = ["preset", "before (dB)", "nearest, as trained", "random", "itself alone", "nearest less itself"]
    return f"{table(['preset', *document['shared']], near)}\n\n{table(heads, lines)}"


def main() -> None:
    for theme in THEMES:
        draw_frontier(DOCS / f"frontier-{theme}.png", theme)


if __name__ == "__main__":
    main()
