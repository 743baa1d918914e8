"""Sections of README.md about studies of ``run.py ablate``, from what those left under ``results/ablation_<study>``.

A section is the study's tables (``table.md``), its plots, and what was found: ``findings.md``, two paragraphs that a
person writes beside them.
"""

from __future__ import annotations

from pathlib import Path

PREFIX = "ablation_"
PLOTS = {
    "accuracy_cost": "Error over the time of a training step, with the Pareto front",
    "learning": "Validation loss over optimiser steps",
    "graph": "What the graph of each block does, for every variant",
    "graph_by_preset": "What the graph of each block does, on every preset",
    "neighbour_maps": "Where neighbours lie in time and on the face, against chance",
}


def sections(results: Path) -> str:
    """All studies that have tables, by name; empty where there are none."""
    folders = sorted(path.parent for path in results.glob(f"{PREFIX}*/table.md"))
    return "\n\n".join(section(folder, results.name) for folder in folders)


def section(folder: Path, results: str) -> str:
    """One study: what was found first, then the tables and plots that it was found in."""
    name = folder.name.removeprefix(PREFIX)
    findings = folder / "findings.md"
    parts = [f"### {name.replace('_', ' ').capitalize()}"]
    parts += [findings.read_text(encoding="utf-8").strip()] if findings.exists() else []
    parts += [(folder / "table.md").read_text(encoding="utf-8").strip()]
    parts += [_picture(f"{results}/{folder.name}/{plot}", text) for plot, text in PLOTS.items() if _drawn(folder, plot)]
    return "\n\n".join([*parts, f"Every run is a line of [rows.jsonl]({results}/{folder.name}/rows.jsonl)."])


def _drawn(folder: Path, plot: str) -> bool:
    return (folder / f"{plot}-light.png").exists()


def _picture(path: str, text: str) -> str:
    dark = f'<source media="(prefers-color-scheme: dark)" srcset="{path}-dark.png">'
    return f'<picture>{dark}<img alt="{text}" src="{path}-light.png"></picture>'
