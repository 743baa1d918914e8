"""Tables of README.md and plots, from the result files alone: ``python benchmarks/report.py [--results FOLDER]``."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from ablations import sections

HERE = Path(__file__).resolve().parent


def knn_tables(document: dict) -> str:
    return _tables(document, ("nodes", "k"), "N={:,}, k={}", ["gflop_per_s", "recall"])


def graph_conv_tables(document: dict) -> str:
    return _tables(document, ("reduce", "nodes", "k", "mode"), "{}, N={:,}, k={}, {}", ["gb_per_s"])


def scale_table(document: dict) -> str:
    """One row a size: median milliseconds of each provider, and peak memory where it was measured."""
    rows = document["rows"]
    names = list(dict.fromkeys(row["provider"] for row in rows))
    cells = {(row["nodes"], row["provider"]): row for row in rows}
    heads = " | ".join(f"{name} (ms) | {name} peak (MB)" for name in names)
    lines = [f"| N | {heads} |", "|---" * (2 * len(names) + 1) + "|"]
    for nodes in dict.fromkeys(row["nodes"] for row in rows):
        found = [cells.get((nodes, name), {}) for name in names]
        values = [f"{_figure(row.get('median_ms'))} | {_figure(row.get('peak_mb'))}" for row in found]
        lines.append(f"| {nodes:,} | {' | '.join(values)} |")
    return "\n".join(lines)


def model_tables(document: dict) -> str:
    """One table a mode and batch, slowest first, and where the time of one network goes."""
    groups: dict[tuple, list[dict]] = {}
    for row in document["rows"]:
        groups.setdefault((row["mode"], row["batch"], "share" in row), []).append(row)
    parts = []
    for (mode, batch, staged), rows in groups.items():
        if staged:
            lines = [f"**{rows[0]['provider'].split(':')[0]}, {mode}, batch {batch}: its parts, each run alone**", ""]
            lines += ["| part | median (ms) | share |", "|---|---|---|"]
            cells = [(row["provider"].split(": ")[1], row["median_ms"], f"{row['share']:.0%}") for row in rows]
        else:
            lines = [f"**{mode}, batch {batch}**", ""]
            heads = ("median (ms)", "p20", "p80", "against plain", "clips/s", "frames/s", "of the ceiling", "peak (MB)")
            lines += [f"| provider | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
            plain = next(row["median_ms"] for row in rows if row["provider"] == "plain")
            cells = [
                (
                    f"{row['provider']}, {row['size']} px", row["median_ms"], row["p20_ms"], row["p80_ms"],
                    f"{plain / row['median_ms']:.1f}×" if row["size"] == 64 else "", row["clips_per_s"],
                    row["frames_per_s"], f"{row['of_ceiling']:.0%}", row.get("peak_mb"),
                )
                for row in rows
            ]  # fmt: skip
        texts = [[cell if isinstance(cell, str) else _figure(cell) for cell in row] for row in cells]
        lines += [f"| {' | '.join(row)} |" for row in texts]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def plain_table(document: dict) -> str:
    """The rows as they are, one column for each key that any of them has."""
    rows = document["rows"]
    columns = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(column.replace('_', ' ') for column in columns)} |", "|---" * len(columns) + "|"]
    for row in rows:
        cells = (row.get(column, "") for column in columns)
        lines.append(f"| {' | '.join(_figure(cell) if isinstance(cell, float) else str(cell) for cell in cells)} |")
    return "\n".join(lines)


def curve_table(document: dict) -> str:
    """One row a step: validation loss of each provider, mean and range over the seeds."""
    found: dict[tuple, list[float]] = {}
    for row in document["rows"]:
        found.setdefault((row["step"], row["provider"]), []).append(row["validation_loss"])
    names = list(dict.fromkeys(row["provider"] for row in document["rows"]))
    lines = [f"| step | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for step in dict.fromkeys(row["step"] for row in document["rows"]):
        losses = [found[step, name] for name in names]
        cells = [f"{sum(some) / len(some):.3f} ({min(some):.3f} to {max(some):.3f})" for some in losses]
        lines.append(f"| {step} | {' | '.join(cells)} |")
    return "\n".join(lines)


# bench: (its tables, which rows its plot shows; None draws none)
REPORTS: dict[str, tuple[Callable[[dict], str], Callable[[dict], bool] | None]] = {
    "knn": (knn_tables, lambda row: row["nodes"] >= 2560 and row["k"] == 64),
    "graph_conv": (graph_conv_tables, lambda row: row["nodes"] >= 2560 and row["mode"] == "full"),
    "scale": (scale_table, lambda row: True),
    "pipeline": (plain_table, None),
    "predict": (plain_table, None),
    "temporal_shift": (plain_table, None),
    "model": (model_tables, None),
    "loss_curves": (curve_table, None),
}


def _tables(document: dict, keys: tuple[str, ...], title: str, extra: list[str]) -> str:
    groups: dict[tuple, list[dict]] = {}
    for row in document["rows"]:
        groups.setdefault(tuple(row[key] for key in keys), []).append(row)
    parts = []
    for group, rows in groups.items():
        lines = [
            f"**{title.format(*group)}**", "",
            f"| provider | median (ms) | p20 | p80 | {' | '.join(_HEADS[key] for key in extra)} |",
            "|---" * (4 + len(extra)) + "|",
        ]  # fmt: skip
        for row in sorted(rows, key=lambda row: row["median_ms"]):
            figures = [row["median_ms"], row["p20_ms"], row["p80_ms"], *(row[key] for key in extra)]
            lines.append(f"| {row['provider']} | {' | '.join(map(_figure, figures))} |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


_HEADS = {"gflop_per_s": "GFLOP/s", "gb_per_s": "GB/s", "recall": "recall"}


def _figure(value: object) -> str:
    return f"{value:,.0f}" if isinstance(value, float) and value >= 1000 else (
        f"{value:.3g}" if isinstance(value, float) else ""
    )  # fmt: skip


def block(document: dict, plot: str | None) -> str:
    """Everything about one result file: where it comes from, the targets, the plot, the tables."""
    about, limits = document["environment"], document["ceilings"]
    head = (
        f"### {about['device']}, {about['threads']} threads\n\n"
        f"Commit {about['commit']}, {about['date']}, Python {about['python']}, {about['versions']}. The machine's own "
        f"ceilings: {limits['gflop_per_s']:.0f} GFLOP/s (product), {limits['gb_per_s']:.0f} GB/s (copy)."
    )
    targets = "\n".join(f"- {target['line']}" for target in document["targets"])
    picture = f"![]({plot})\n\n" if plot else ""
    return f"{head}\n\n{targets}\n\n{picture}{REPORTS[document['bench']][0](document)}"


def draw(document: dict, path: Path) -> None:
    """Bars of the medians with p20 and p80; lines over N for the scaling."""
    rows = [row for row in document["rows"] if REPORTS[document["bench"]][1](row)] or document["rows"]
    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    if document["bench"] == "scale":
        for name in dict.fromkeys(row["provider"] for row in rows):
            line = [row for row in rows if row["provider"] == name]
            axes.plot([row["nodes"] for row in line], [row["median_ms"] for row in line], "o-", label=name)
        axes.set(xscale="log", yscale="log", xlabel="nodes", ylabel="median (ms)")
        axes.legend()
    else:
        rows = sorted(rows, key=lambda row: (row.get("reduce", ""), row["median_ms"]))
        medians = [row["median_ms"] for row in rows]
        spread = [
            [max(0, row["median_ms"] - row["p20_ms"]) for row in rows],
            [max(0, row["p80_ms"] - row["median_ms"]) for row in rows],
        ]
        axes.barh([f"{row['provider']} {row.get('reduce', '')}" for row in rows], medians, xerr=spread)
        axes.set(xscale="log", xlabel="median (ms), p20 to p80")
        axes.invert_yaxis()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def filled(text: str, results: Path) -> str:
    """The README with what stands between ``<!-- bench -->`` and ``<!-- /bench -->`` made anew."""
    for bench in REPORTS:
        parts = []
        for path in sorted(results.glob(f"{bench}_*.json")):
            document = json.loads(path.read_text())
            drawn = REPORTS[bench][1] is not None
            if drawn:
                draw(document, path.with_suffix(".png"))
            parts.append(block(document, f"results/{path.stem}.png" if drawn else None))
        text = _with_block(text, bench, "\n\n".join(parts) or "No result file yet.")
    studies = sections(results)
    return _with_block(text, "ablations", studies) if studies else text


def _with_block(text: str, name: str, content: str) -> str:
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    text, places = re.subn(pattern, lambda match: f"{match[1]}{content}\n{match[2]}", text, flags=re.S)
    if places != 1:
        raise SystemExit(f"the README needs one block <!-- {name} --> … <!-- /{name} -->, it has {places}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--readme", type=Path, default=HERE / "README.md")
    options = parser.parse_args()
    options.readme.write_text(filled(options.readme.read_text(), options.results))


if __name__ == "__main__":
    main()
