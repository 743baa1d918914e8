"""Rows of a study → its tables and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from rppg_graph.experiments.measure import FIGURES, MAIN, OWN, REAL
from rppg_graph.experiments.result_table import (
    ACCURACY,
    COST,
    Column,
    cell,
    markdown,
    markdown_cells,
    spread,
    write_tables,
)
from rppg_graph.experiments.study import Study
from rppg_graph.files import csv_text, write_text, write_whole
from rppg_graph.pulse.metrics import Metric
from rppg_graph.pulse.paired import difference_over_seeds
from rppg_graph.report import ablation_plots as plots
from rppg_graph.report.plots import THEMES

Rows = Mapping[str, Sequence[Mapping[str, Any]]]  # by variant, a row a seed
GRAPH_COST = Column("graph (ms a clip)", ("cost", "graph_ms"), ".1f")
PRESETS = (
    Column("MAE (bpm)", ("presets", "errors")),
    Column("within 5 bpm (%)", ("presets", "close"), ".1f", 100),
    Column("SNR (dB)", ("presets", "snr")),
)
_OTHERS = [f"{name}{what}" for name in FIGURES if name != "segments" for what in ("", "_chance")]
_LAGS = _OTHERS.index("phase_cosine_chance") + 1
GRAPH_FIGURES = [
    *("neighbours", "segments", "segments_chance", *_OTHERS[:_LAGS]), "phase_cosine_of_lags", *_OTHERS[_LAGS:],
]  # fmt: skip
GRAPH_COLUMNS = ["variant", "seed", "set", "block", "grid", *GRAPH_FIGURES]  # of graph.csv
GRAPH = (
    Column("Δt (s)", ("graph", "seconds")),
    Column("by chance", ("graph", "seconds_chance")),
    Column("on the face (patches)", ("graph", "patches")),
    Column("by chance", ("graph", "patches_chance")),
    Column("phase", ("graph", "phase_cosine")),
    Column("by chance", ("graph", "phase_cosine_chance")),
    Column("at the same Δt", ("graph", "phase_cosine_of_lags")),
    Column("nearest (%)", ("graph", "nearest"), ".0f", 100),
    Column("kept (%)", ("graph", "kept"), ".0f", 100),
    Column("by chance", ("graph", "kept_chance"), ".0f", 100),
)
NOTES = """\
MAE, RMSE, r, SNR: over the 10-second windows of test subjects that the run never saw, mean ± sd over the seeds. A
(2 of 3) says that the third has no figure, since a network that learnt nothing gives a wave without a heart rate.
Presets: generated people that no run was trained on, the same for all runs, a mean over all of them. Difference: mean
over seeds and recordings of the variant's figure less that of the reference on the same seed and recording; in brackets
the 95 % interval of a bootstrap that draws seeds and recordings. An interval that holds zero is no difference that
these seeds can show, and none larger than its ends.
Graph: the search for neighbours in one pass over a clip. Training: median seconds of a whole step. Inference: median of
ten passes over one clip. Peak memory: the largest resident set of the training process, with Python and torch in it.
What the graph does: mean over blocks, on clips of its own test subjects, or of the presets where it has none. Δt:
distance of neighbours in time. Phase: mean cosine between the pulse's phase at a node's time and at its neighbours',
beside what chance gives, and what chance gives at the same distances in time. Nearest: share of the neighbours among
the equally many nearest by cosine, which is the recall of an approximate search. Kept: share of the neighbours that the
block before had."""


class Results(NamedTuple):
    """Everything that tables and plots are made of; ``graphs``: rows of ``graph.jsonl`` by variant."""

    name: str
    study: Study
    rows: Rows
    graphs: Rows
    failed: Sequence[Mapping[str, Any]]

    @property
    def sets(self) -> list[str]:
        """The sets that were measured beside the runs' own test subjects."""
        found = {name for rows in self.rows.values() for row in rows for name in row["robustness"]}
        return [name for name in (*self.study.evaluation.presets, REAL) if name in found]


def write_results(folder: Path, results: Results) -> None:
    """``table.md``, ``table.csv``, ``graph.csv`` and the plots, light and dark; nothing where no run is done."""
    if not results.rows:
        return
    columns = [*ACCURACY, *(_set_column(name) for name in results.sets), *PRESETS, GRAPH_COST, *COST, *GRAPH]
    write_tables(folder / "table", markdown_page(results), results.rows, columns)
    write_text(folder / "graph.csv", csv_text(graph_rows(results), GRAPH_COLUMNS))
    for theme in THEMES:
        _draw(folder, results, theme)


def markdown_page(results: Results) -> str:
    """All tables of a study, and how to read them."""
    study, rows = results.study, results.rows
    every = [row for found in rows.values() for row in found]
    stamps = [row["stamp"] for row in every]
    about = "; ".join(
        (
            f"{len(every)} of {len(study.pairs)} runs",
            f"seeds {', '.join(map(str, study.every_seed))}",
            f"{', '.join(sorted({str(row['steps']) for row in every}))} steps",
            f"commit {', '.join(sorted({stamp['commit'] for stamp in stamps}))}",
            f"torch {', '.join(sorted({stamp['torch'] for stamp in stamps}))}",
            f"{', '.join(sorted({row['cost']['device'] for row in every}))}, "
            f"{', '.join(sorted({str(stamp['threads']) for stamp in stamps}))} threads",
        )
    )
    parts = [f"{study.question} ({about}.)"]
    if any(row["accuracy"] for row in every):
        cells = {}
        for name, runs in rows.items():
            figures = [cell(runs, column) for column in ACCURACY]
            cells[name] = [str(len(runs)), *figures, _difference(results, name, (OWN,), "errors")]
        heads = ["runs", *(column.heading for column in ACCURACY), "difference (bpm)"]
        parts += ["**Accuracy**, on its own test subjects", markdown_cells(heads, cells)]
    if results.sets:
        hashes = ", ".join(sorted({row["people"] for row in every}))
        size = f"{study.evaluation.subjects} people of {study.evaluation.seconds:g} s of each preset, {hashes}"
        parts += [f"**On the presets of the generator** ({size})", _preset_table(results)]
        parts += ["MAE (bpm) of each", markdown(rows, [_set_column(name) for name in results.sets])]
    parts += ["**Cost**", markdown(rows, [GRAPH_COST, *COST])]
    if any(row["graph"].get("seconds_chance") is not None for row in every):
        parts += ["**What the graph does**", markdown(rows, GRAPH)]
    parts += [f"`{row['variant']}`, seed {row['seed']}, failed: {row['failed']}" for row in results.failed]
    return "\n\n".join([*parts, NOTES])


def _preset_table(results: Results) -> str:
    headings = ["runs", *(heading for column in PRESETS for heading in (column.heading, "difference"))]
    presets, cells = results.study.evaluation.presets, {}
    for name, runs in results.rows.items():
        cells[name] = [str(len(runs))]
        for column in PRESETS:
            cells[name] += [cell(runs, column), _difference(results, name, presets, column.keys[-1], column.scale)]
    return markdown_cells(headings, cells)


def difference(results: Results, variant: str, sets: Sequence[str], figure: str = "errors") -> Metric:
    """Of a variant from the reference, over the recordings of some sets, in a figure of ``measure.PAIRED``."""
    by_variant = []
    for name in (results.study.base_variant, variant):
        runs = results.rows.get(name, ())
        by_variant.append(
            {run["seed"]: {f"{s}/{r}": e for s in sets for r, e in run[figure].get(s, {}).items()} for run in runs}
        )
    return difference_over_seeds(*by_variant)


def _difference(results: Results, variant: str, sets: Sequence[str], figure: str, scale: float = 1.0) -> str:
    if variant == results.study.base_variant:
        return "reference"
    return with_interval(difference(results, variant, sets, figure), scale)


def with_interval(metric: Metric, scale: float = 1.0) -> str:
    """A signed figure and its interval, as a cell of a table; a dash where there is none."""
    if metric.value is None:
        return "–"
    interval = "" if metric.low is None else f" [{scale * metric.low:+.2f}, {scale * metric.high:+.2f}]"
    return f"{scale * metric.value:+.2f}{interval}".replace("-", "−")


def _set_column(name: str) -> Column:
    return Column("real recordings" if name == REAL else name, ("robustness", name, "MAE"))


def graph_rows(results: Results) -> list[dict[str, Any]]:
    """What the graphs do: a row a variant, seed, set and block."""
    return [
        {"variant": name, "seed": row["seed"], "set": kind, "block": block["block"]}
        | {"grid": "×".join(map(str, block["grid"]))}
        | {column: None if block[column] is None else f"{block[column]:.6g}" for column in GRAPH_FIGURES}
        for name, rows in results.graphs.items()
        for row in rows
        for kind, blocks in row["sets"].items()
        for block in blocks
    ]


def _draw(folder: Path, results: Results, theme: str) -> None:
    def drawn(name: str, draw: Any, *args: object) -> None:
        write_whole(folder / f"{name}-{theme}.png", lambda path: draw(path, *args, theme))

    figures = (("cost", "seconds_per_step"), ("accuracy", "MAE"), ("presets", "errors"))
    spreads = {name: [spread(rows, keys) for keys in figures] for name, rows in results.rows.items()}
    points = [plots.Point(name, step.mean, own[:2], presets[:2]) for name, (step, own, presets) in spreads.items()]
    drawn("accuracy_cost", plots.accuracy_against_cost, points)
    drawn("learning", plots.learning_curves, _curves(results.rows))
    shown = OWN if any(OWN in row["sets"] for rows in results.graphs.values() for row in rows) else MAIN
    by_variant = {name: [row["sets"].get(shown, []) for row in rows] for name, rows in results.graphs.items()}
    by_variant = {name: runs for name, runs in by_variant.items() if any(runs)}
    if not by_variant:
        return
    drawn("graph", plots.graph_by_block, by_variant, f"each line a variant; set: {shown}")
    drawn("neighbour_maps", plots.neighbour_maps, by_variant)
    reference = results.graphs.get(results.study.base_variant, ())
    by_set = {name: [row["sets"].get(name, []) for row in reference] for name in (OWN, *results.sets)}
    by_set = {name: runs for name, runs in by_set.items() if any(runs)}
    if by_set:
        drawn("graph_by_preset", plots.graph_by_block, by_set, f"variant {results.study.base_variant}; each line a set")


def _curves(rows: Rows) -> dict[str, tuple[list[float], np.ndarray]]:
    """Steps, and validation losses (seeds, steps), over the steps that all seeds have."""
    curves = {}
    for name, runs in rows.items():
        losses = [{point["step"]: point["validation_loss"] for point in run["learning"]} for run in runs]
        steps = sorted(set.intersection(*(set(run) for run in losses)))
        curves[name] = (steps, np.array([[run[step] for step in steps] for run in losses]))
    return curves
