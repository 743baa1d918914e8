"""Plots of a study of variants: accuracy against cost, learning curves, what the graphs do, where neighbours lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np

from rppg_graph.report.plots import BLUE, GREY, ORANGE, figure

Blocks = Sequence[Mapping[str, Any]]  # of one run: the statistics of each block
LEAST_SHARE = 1e-4  # of the neighbours, under which a cell of a map says nothing
FIGURES = {  # of a block: label of its axis
    "seconds": "distance in time (s)",
    "patches": "on the face (patches)",
    "phase_cosine": "cosine of pulse phases",
    "kept": "kept from block before",
}


class Point(NamedTuple):
    """A variant: seconds of a training step, and MAE (bpm) with its sd over seeds, own subjects and all presets."""

    name: str
    cost: float
    own: tuple[float | None, float | None]
    presets: tuple[float | None, float | None]


def accuracy_against_cost(path: Path, points: Sequence[Point], theme: str) -> None:
    """Error over the time of a training step, with the Pareto front: no variant is both cheaper and better."""
    caption = (
        "A point a variant: mean over seeds, the bar their standard deviation. The line joins the variants that no "
        "other one beats in both: the Pareto front. Further left is cheaper, further down is better."
    )
    titles = {"own": "Own test subjects", "presets": "All presets"}
    kinds = [kind for kind in titles if any(getattr(point, kind)[0] is not None for point in points)] or ["presets"]
    with figure(path, len(kinds), caption, theme, height=3.2) as axes:
        for axis, kind in zip(axes, kinds, strict=True):
            shown = [point for point in points if getattr(point, kind)[0] is not None]
            errors = [getattr(point, kind) for point in shown]
            front = pareto_front([(point.cost, error[0]) for point, error in zip(shown, errors, strict=True)])
            axis.step(*zip(*front, strict=True), where="post", color=ORANGE, linewidth=1) if front else None
            for point, (mae, sd) in zip(shown, errors, strict=True):
                axis.errorbar(point.cost, mae, yerr=sd or 0, fmt="o", color=BLUE, ecolor=GREY, markersize=4)
                axis.annotate(point.name, (point.cost, mae), (5, 4), textcoords="offset points", fontsize=8)
            axis.set(title=titles[kind], xlabel="training step (s)", ylabel="MAE (bpm)", ylim=(0, None))
            axis.margins(x=0.12)


def pareto_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points (cost, error) that no other one beats or equals in both, by rising cost."""
    front: list[tuple[float, float]] = []
    for cost, error in sorted(points):
        if not front or error < front[-1][1]:
            front.append((cost, error))
    return front


def learning_curves(path: Path, curves: Mapping[str, tuple[Sequence[float], np.ndarray]], theme: str) -> None:
    """Validation loss over optimiser steps: the mean over seeds, between its least and largest."""
    caption = "Loss on validation subjects: the line is the mean over the seeds, the band their range."
    with figure(path, 1, caption, theme, height=4.2) as (axis,):
        for (name, (steps, losses)), colour in zip(curves.items(), colours(len(curves)), strict=True):
            axis.plot(steps, losses.mean(axis=0), color=colour, marker=".", label=name)
            axis.fill_between(steps, losses.min(axis=0), losses.max(axis=0), color=colour, alpha=0.15, linewidth=0)
        axis.set(title="Learning curves", xlabel="optimiser step", ylabel="validation loss")
        axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)


def graph_by_block(path: Path, series: Mapping[str, Sequence[Blocks]], what: str, theme: str) -> None:
    """Where neighbours lie, the pulse's phase among them and how many stay, over the blocks of the network."""
    caption = (
        f"What the graph of each block does: {what}. Mean over seeds; dotted: what chance gives, exactly. A "
        "cosine of 1 means that neighbours are at the same point of the beat."
    )
    with figure(path, len(FIGURES), caption, theme, height=2.1) as axes:
        for axis, (name, label) in zip(axes, FIGURES.items(), strict=True):
            for (title, runs), colour in zip(series.items(), colours(len(series)), strict=True):
                known = (
                    np.array([[block[key] for block in run] for run in runs if run], float)  # NaN for None
                    for key in (name, f"{name}_chance")
                )
                found, chance = (np.ma.masked_invalid(values).mean(axis=0).filled(np.nan) for values in known)
                places = np.arange(1, len(found) + 1)
                axis.plot(places, found, color=colour, marker=".", label=title)
                axis.plot(places, chance, color=colour, linestyle=":", linewidth=1)
            blocks = max(len(run) for runs in series.values() for run in runs)
            axis.set(ylabel=label, xticks=np.arange(1, blocks + 1), xlim=(0.8, blocks + 0.2))
        axes[0].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        axes[-1].set_xlabel("block")


def neighbour_maps(path: Path, series: Mapping[str, Sequence[Blocks]], theme: str) -> None:
    """How much more often than by chance neighbours lie at each distance, in the first and the last block."""
    caption = (
        "Share of the neighbours at each distance in time and on the face, against what chance gives: ×2 is twice as "
        "often as by chance; left the first block, right the last. Grey: under one neighbour in ten thousand."
    )
    names = [name for name, runs in series.items() if any(block["neighbours"] for run in runs for block in run)]
    with figure(path, max(len(names), 1), caption, theme, height=1.15, columns=2) as axes:
        for number, axis in enumerate(axes):
            if number // 2 >= len(names):
                axis.set_visible(False)
                continue
            blocks = [run[-(number % 2)] for run in series[names[number // 2]] if run]
            found, chance = (np.mean([block[key] for block in blocks], axis=0) for key in ("where", "where_chance"))
            ratio = np.full(found.shape, np.nan)
            known = (found > LEAST_SHARE) & (chance > 0)
            ratio[known] = np.log2(found[known] / chance[known])
            axis.set_facecolor(GREY)
            seconds = blocks[0]["seconds_chance"] / blocks[0]["segments_chance"]  # of a segment
            extent = (0, seconds * len(ratio), ratio.shape[1] - 0.5, -0.5)
            image = axis.imshow(ratio.T, aspect="auto", extent=extent, cmap="RdBu_r", vmin=-4, vmax=4)
            axis.set_title(names[number // 2], fontsize=8)
            axis.set(ylabel="patches", yticks=np.arange(0, ratio.shape[1], 2))
            if number // 2 == len(names) - 1:
                axis.set_xlabel("distance in time (s)")
        if names:
            bar = axes[0].figure.colorbar(image, ax=axes, label="against chance", ticks=[-4, -2, 0, 2, 4], shrink=0.6)
            bar.ax.set_yticklabels(["÷16", "÷4", "as chance", "×4", "×16"])


def colours(count: int) -> list[Any]:
    """As many colours as series, told apart in light and in dark; from blue over green to orange."""
    return list(mpl.colormaps["turbo"](np.linspace(0.12, 0.88, count)))
