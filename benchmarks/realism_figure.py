"""The figures of realism.py, from its result files."""

from __future__ import annotations

from collections import defaultdict

import kept
import numpy as np
from kept import csv_rows

from rppg_graph.report.plots import BLUE, GREEN, GREY, ORANGE, THEMES, figure

SKY, PINK = "#56b4e9", "#cc79a7"  # of the same palette
STYLES = {
    "real: UBFC-rPPG, H.264": (ORANGE, "-", 2.0),
    "real: clips": (ORANGE, ":", 2.0),
    "easy": (BLUE, "-", 1.2),
    "office": (GREEN, "-", 1.2),
    "compressed": (SKY, "--", 1.2),
    "hard": (PINK, "-", 1.2),
}  # the others are in the SNR panels
CHANNELS = {"R": "red", "G": "green", "B": "blue"}
METHODS = {"pos": "POS", "chrom": "CHROM"}
CAPTION = (
    "Above: power spectral density of the mean skin colour of a face crop, each channel over its mean; medians over "
    "windows of 10 s,\nband: tenths of the real UBFC-rPPG recordings. Below: signal-to-noise ratio of a classical "
    "method's wave at the true rate;\nbox: quartiles, whiskers: tenths, bar: median."
)


def draw() -> None:
    """Write docs/realism-light.png and docs/realism-dark.png."""
    spectra = _spectra()
    for theme in THEMES:
        with figure(kept.DOCS / f"realism-{theme}.png", 5, CAPTION, theme, height=2.3) as axes:
            for axis, (channel, name) in zip(axes, CHANNELS.items(), strict=False):
                _plot_spectra(axis, {group: spectra[group, channel] for group in STYLES if (group, channel) in spectra})
                axis.set(title=f"Spectrum of the skin's {name}", ylabel="power (1/Hz)")
            axes[0].set_ylim(top=30 * axes[0].get_ylim()[1])  # room for the legend
            axes[0].legend(loc="upper right", ncols=3, fontsize=7)
            axes[2].set_xlabel("frequency (Hz)")
            for axis, (method, name) in zip(axes[3:], METHODS.items(), strict=True):
                _plot_snr(axis, _snr(method), THEMES[theme]["text.color"])
                axis.set(title=f"SNR of {name}", xlabel="SNR (dB)")


def _spectra() -> dict[tuple[str, str], np.ndarray]:
    """(group, channel) → (F, 4): Hz, p10, median, p90."""
    found = defaultdict(list)
    for row in csv_rows("realism_spectra.csv"):
        found[row["group"], row["channel"]].append([float(row[key]) for key in ("hz", "p10", "median", "p90")])
    return {key: np.array(values) for key, values in found.items()}


def _snr(method: str) -> dict[str, list[float]]:
    """Group → SNR in dB of the windows whose true rate is known."""
    found = defaultdict(list)
    for row in csv_rows("realism.csv"):
        if row[f"{method}_snr_db"]:
            found[row["group"]].append(float(row[f"{method}_snr_db"]))
    return found


def _plot_spectra(axis, groups: dict[str, np.ndarray]) -> None:
    for group, (colour, line, width) in STYLES.items():
        if group in groups:
            hz, p10, median, p90 = groups[group].T
            axis.loglog(hz, median, color=colour, linestyle=line, linewidth=width, label=group)
            if width > 1.5 and line == "-":
                axis.fill_between(hz, p10, p90, color=colour, alpha=0.15, linewidth=0)
    axis.set_xticks([0.1, 0.3, 1, 3, 10], ["0.1", "0.3", "1", "3", "10"])


def _plot_snr(axis, groups: dict[str, list[float]], ink: str) -> None:
    names = list(groups)[::-1]
    inked = {part: {"color": ink} for part in ("medianprops", "whiskerprops", "capprops")}
    boxes = axis.boxplot(
        [groups[name] for name in names], orientation="horizontal", tick_labels=names, whis=(10, 90), showfliers=False,
        patch_artist=True, boxprops={"edgecolor": ink}, **inked,
    )  # fmt: skip
    for box, name in zip(boxes["boxes"], names, strict=True):
        box.set_facecolor(STYLES.get(name, (GREY,))[0])
    axis.axvline(0, color=GREY, linewidth=0.6)
