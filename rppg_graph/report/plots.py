"""Plots as PNG files: one look, units on every axis, a caption that says how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# Okabe and Ito's colours: told apart by every kind of colour vision, on white and on black.
BLUE, ORANGE, GREEN, GREY = "#0072b2", "#d55e00", "#009e73", "#8a8a8a"
LEAST_BPM_SHOWN = 20.0
THEMES = {
    "light": {"figure.facecolor": "white", "axes.facecolor": "white", "text.color": "#202020"},
    "dark": {"figure.facecolor": "#15181c", "axes.facecolor": "#15181c", "text.color": "#e8e8e8"},
}


@contextmanager
def figure(
    path: Path, rows: int, caption: str, theme: str = "light", height: float = 2.2, columns: int = 1
) -> Iterator[list]:
    """Axes of a new figure, row by row, written to ``path`` as PNG when the block ends, with the caption below them."""
    ink = THEMES[theme]["text.color"]
    style = THEMES[theme] | {
        "axes.edgecolor": ink, "axes.labelcolor": ink, "xtick.color": ink, "ytick.color": ink, "font.size": 9,
        "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titlelocation": "left",
        "legend.frameon": False,
    }  # fmt: skip
    with mpl.rc_context(style):
        canvas = FigureCanvasAgg(Figure(figsize=(8, height * rows + 0.5), layout="constrained"))
        axes = canvas.figure.subplots(rows, columns, squeeze=False).flatten()
        yield list(axes)
        canvas.figure.supxlabel(caption, fontsize=8, x=0.01, ha="left", wrap=True)
        canvas.figure.savefig(path, format="png", dpi=130)


def plot_prediction(
    path: Path, seconds: np.ndarray, bvp: np.ndarray, track_seconds: np.ndarray, track_bpm: np.ndarray,
    bpm: float | None, title: str, theme: str = "light",
) -> None:  # fmt: skip
    """The pulse wave and the heart rate over time of one video."""
    caption = (
        "Above: the estimated blood volume pulse, every peak a heart beat; gaps are stretches without a face. "
        "Below: the heart rate of ten-second windows; a line that jumps is not to be trusted."
    )
    with figure(path, 2, caption, theme) as (wave, rate):
        wave.plot(seconds, bvp, color=BLUE, linewidth=0.8)
        wave.set(title=title, xlabel="time (s)", ylabel="BVP (arbitrary)", xlim=_range(seconds))
        rate.plot(track_seconds, track_bpm, color=ORANGE, marker=".", label="ten-second windows")
        if bpm is not None:
            rate.axhline(bpm, color=BLUE, linestyle="--", label=f"whole video: {bpm:.1f} bpm")
        rate.set(xlabel="time (s)", ylabel="heart rate (bpm)", xlim=_range(seconds))
        low, high = rate.get_ylim()
        spare = max(0.0, LEAST_BPM_SHOWN - (high - low)) / 2  # a steady rate is to look steady
        rate.set_ylim(low - spare, high + spare)
        rate.legend(loc="best")


def plot_learning(path: Path, rows: Sequence[dict[str, float]], loss: str) -> None:
    """Training and validation loss over optimiser steps, from a run's metrics."""
    steps = [row["step"] for row in rows]
    caption = "Mean loss since the last validation, and the loss on subjects not trained on; lower is better."
    with figure(path, 1, caption, height=3.0) as (axis,):
        axis.plot(steps, [row.get("loss", np.nan) for row in rows], color=BLUE, marker=".", label="training")
        axis.plot(steps, [row["validation_loss"] for row in rows], color=ORANGE, marker=".", label="validation")
        axis.set(title="Learning curve", xlabel="optimiser step", ylabel=f"loss ({loss})")
        axis.legend(loc="best")


def _range(seconds: np.ndarray) -> tuple[float, float]:
    return (float(seconds[0]), float(seconds[-1])) if len(seconds) > 1 else (0.0, 1.0)
