"""The blocks of benchmarks/README.md: of every benchmark its targets and plot, of every study its finding and plot.

The whole tables are the CSV files beside the results; ``readme.py`` writes the page.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from kept import json_of, table, where

mpl.use("Agg")
import matplotlib.pyplot as plt

# bench → what the rows of its plot have; None: no plot.
BENCHES = {
    "knn": {"nodes": 2560, "k": 64},
    "graph_conv": {"nodes": 2560, "mode": "full"},
    "scale": {},
    **dict.fromkeys(("pipeline", "model", "loss_curves", "predict", "temporal_shift")),
}
OURS = ("auto", "rppg_graph")
STUDY = "ablation_"
PICTURE = (
    '<picture><source media="(prefers-color-scheme: dark)" srcset="{0}-dark.png">'
    '<img alt="What the graph of each block does, for every variant" src="{0}-light.png"></picture>'
)


def documents(results: Path, bench: str) -> list[tuple[Path, dict]]:
    """The result files of a benchmark, one a machine."""
    return [(path, json_of(path)) for path in sorted(results.glob(f"{bench}_*.json"))]


def targets_table(results: Path, wanted: Sequence[tuple[str, str, str]]) -> str:
    """A row a target, a column a machine.

    Args:
        wanted: (bench, the target's name, what the row says).
    """
    found = {
        (label, document["environment"]["device"]): target
        for bench, name, label in wanted
        for _, document in documents(results, bench)
        for target in where(document["targets"], name=name)
    }
    devices = list(dict.fromkeys(device for _, device in found))
    rows = []
    for label in dict.fromkeys(label for label, _ in found):
        own = [found.get((label, device)) for device in devices]
        shown = next(each for each in own if each)
        limit = f"{'≤' if shown['smaller_is_better'] else '≥'} {shown['limit']:g}{shown['unit']}"
        rows.append([label, limit, *(_reached(each, shown) for each in own)])
    return table(["what", "target", *devices], rows)


def _reached(target: dict | None, shown: dict) -> str:
    if target is None:
        return "–"
    bound = "" if target["limit"] == shown["limit"] else f" (here {target['limit']:g}{target['unit']})"
    missed = "" if target["line"].endswith("reached") else ", missed"
    slower = target["unit"] == "×" and target["value"] < 1 and not target["smaller_is_better"]
    return f"{target['value']:.3g}{target['unit']}{bound}{', **slower**' if slower else missed}"


def bench_block(results: Path, bench: str) -> str:
    """What was reached on every machine, where that comes from, the plots, and the files of the whole tables."""
    found = documents(results, bench)
    if not found:
        return "Not measured yet."
    names = dict.fromkeys(target["name"] for _, document in found for target in document["targets"])
    said = [_origin(document["environment"], f"{results.name}/{path.stem}.csv") for path, document in found]
    plots = [f"![{path.stem}]({results.name}/{path.stem}.png)" for path, _ in found if BENCHES[bench] is not None]
    rows = targets_table(results, [(bench, name, name) for name in names])
    return f"{rows}\n\n{' '.join(['; '.join(said) + '.', *plots])}"


def _origin(about: dict, file: str) -> str:
    return f"[{about['device']}]({file}), {about['threads']} threads, commit {about['commit']}, {about['date']}"


def draw_all(results: Path) -> None:
    """Every plot, beside its result file."""
    for bench, shown in BENCHES.items():
        for path, document in documents(results, bench) if shown is not None else ():
            draw(document, where(document["rows"], **shown) or document["rows"], path.with_suffix(".png"))


def draw(document: dict, rows: list[dict], path: Path) -> None:
    """Bars of the medians with p20 and p80; lines over N for the scaling."""
    scale = document["bench"] == "scale"
    figure, axes = plt.subplots(figsize=(7, 4 if scale else 1.5 + 0.22 * len(rows)), layout="constrained")
    if scale:
        for name in dict.fromkeys(row["provider"] for row in rows):
            line = where(rows, provider=name)
            axes.plot([row["nodes"] for row in line], [row["median_ms"] for row in line], "o-", label=name)
        axes.set(xscale="log", yscale="log", xlabel="nodes", ylabel="median (ms)")
        axes.legend()
    else:
        rows = sorted(rows, key=lambda row: (row.get("reduce", ""), row.get("clips", 1), row["median_ms"]))
        medians = [row["median_ms"] for row in rows]
        spread = [
            [max(0, row["median_ms"] - row["p20_ms"]) for row in rows],
            [max(0, row["p80_ms"] - row["median_ms"]) for row in rows],
        ]
        labels = [f"{row['provider']}{', ' * ('reduce' in row)}{row.get('reduce', '')}, {_clips(row)}" for row in rows]
        colours = ["#d55e00" if row["provider"] in OURS else "#8a8a8a" for row in rows]
        axes.barh(labels, medians, xerr=spread, color=colours)
        axes.set(title="orange: what this project takes by itself", xscale="log", xlabel="median (ms), p20 to p80")
        axes.invert_yaxis()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _clips(row: dict) -> str:
    clips = row.get("clips", 1)
    return f"{clips} clip" + "s" * (clips > 1)


def studies(results: Path) -> str:
    """Every study of ``run.py ablate`` that has tables: the finding that a person wrote beside them, and its plot."""
    parts = []
    for tables in sorted(results.glob(f"{STUDY}*/table.md")):
        folder, findings = tables.parent, tables.parent / "findings.md"
        place = f"{results.name}/{folder.name}"
        said = findings.read_text(encoding="utf-8").split("\n\n") if findings.exists() else []
        answers = said[0].split("**")[1:2] if said else []  # the sentence that it begins with
        links = f"[Tables]({place}/table.md)" + (f", [findings]({place}/findings.md)" if said else "")
        name = folder.name.removeprefix(STUDY).replace("_", " ").capitalize()
        shown = [PICTURE.format(f"{place}/graph")] if (folder / "graph-light.png").exists() else []
        files = f"{links}, [every run]({place}/rows.jsonl), [all plots]({place})."
        parts.append(" ".join([f"- **{name}.**", *answers, files, *shown]))
    return "\n".join(parts)
