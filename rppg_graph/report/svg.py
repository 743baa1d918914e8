"""Plots as inline SVG that takes its colours from the page's CSS: one file that is right in light and in dark.

matplotlib writes its colours and the outlines of its letters into the file, a hundred kilobytes a plot and one theme;
this is what is left without both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

from rppg_graph.pulse.filters import finite_runs

WIDTH = 440  # of a plot; a phone shows it at four fifths, two beside each other on a screen a little larger
LEFT, RIGHT, TOP, BOTTOM = 64, 10, 8, 38  # margins, for the axes' numbers and labels
KINDS = ("m0", "m1", "m2", "m3", "m4", "m5")  # of series; a seventh has the first one's colour again


@dataclass
class Plot:
    """Axes with data in it; ``kind`` is the CSS class of a series (``m0``, ``m1``, …, ``ref``).

    Args:
        x, y: range of the axes.
        x_label, y_label: with the unit; an x axis without a label has no numbers either.
        height, width: of the whole plot.
    """

    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str
    y_label: str
    height: int = 230
    width: int = WIDTH
    inside: list[Markup] = field(default_factory=list)  # clipped to the axes

    def line(self, x: np.ndarray, y: np.ndarray, kind: str) -> None:
        """A line through points (n,), broken where y is NaN."""
        x, y = decimate(np.asarray(x, dtype=float), np.asarray(y, dtype=float), self._columns)
        self._draw("path", f"line {kind}", d=self._path(x, y))

    def band(self, x: np.ndarray, low: np.ndarray, high: np.ndarray, kind: str) -> None:
        """The area between two lines, one for each stretch without NaN."""
        for run in finite_runs(low + high):
            around = np.concatenate((x[run], x[run][::-1])), np.concatenate((low[run], high[run][::-1]))
            self._draw("path", f"band {kind}", d=self._path(*around) + "Z")

    def dots(self, x: Sequence[float], y: Sequence[float], kind: str, titles: Sequence[str] = ()) -> None:
        """A dot a point; with titles, each says its own when it is pointed at."""
        across, down = self._across(np.asarray(x, dtype=float)), self._down(np.asarray(y, dtype=float))
        if not titles:
            small = "".join(f"M{a:.1f},{d:.1f}h0" for a, d in zip(across, down, strict=True))
            self._draw("path", f"dots {kind}", d=small)
            return
        for a, d, title in zip(across, down, titles, strict=True):
            self._draw("circle", f"dot {kind}", element("title", "", title), cx=a, cy=d, r=4)

    def level(self, y: float, text: str, where: str) -> None:
        """A dashed line across at y; what it stands for is ``above`` or ``below`` its right end, or at the ``left``."""
        down = self._down(y)
        x, dy, side = {
            "above": (self.width - RIGHT - 3, -4, "note"),
            "below": (self.width - RIGHT - 3, 13, "note"),
            "left": (LEFT + 5, -4, "corner"),
        }[where]
        self._draw("path", "dash", d=f"M{LEFT},{down:.1f}H{self.width - RIGHT}")
        self._draw("text", side, text, x=x, y=down + dy)

    def mark(self, x: float, kind: str) -> None:
        """A dashed line upwards at x."""
        self._draw("path", f"dash {kind}", d=f"M{self._across(x):.1f},{TOP}V{self.height}")

    def cells(self, values: np.ndarray, kind: str) -> None:
        """A bar of height ``values`` (n,) for each of n equal parts of the x axis."""
        edges, floor = self._across(np.linspace(*self.x, len(values) + 1)), self._down(self.y[0])
        for left, right, top in zip(edges, edges[1:], self._down(values), strict=False):
            self._draw("rect", f"bar {kind}", x=left + 0.5, y=top, width=max(right - left - 1, 0.5), height=floor - top)

    def heat(self, values: np.ndarray, kind: str) -> None:
        """A cell for every value (R, C) in 0–1, row 0 at the upper end of the y axis; 1 is the full colour."""
        rows, columns = values.shape
        edges = self._across(np.linspace(*self.x, columns + 1))
        tops = self._down(np.linspace(*self.y[::-1], rows + 1))
        self.inside += shaded(values, edges, tops, kind)

    def note(self, text: str) -> None:
        """A line of text in the upper left corner."""
        self._draw("text", "corner", text, x=LEFT + 5, y=TOP + 13)

    def svg(self, label: str) -> Markup:
        """The element; ``label`` says what it shows to who cannot see it."""
        frame = {"x": LEFT, "y": TOP, "width": self._columns, "height": self.height - self._bottom - TOP}
        clipped = element("svg", "", *self.inside, **frame, viewBox=" ".join(map(str, frame.values())))
        view = f"0 0 {self.width} {self.height}"
        return element("svg", "", *self._axes(), clipped, role="img", viewBox=view, aria_label=label)

    def _draw(self, *what: str, **attributes: str | float) -> None:
        self.inside.append(element(*what, **attributes))

    @property
    def _columns(self) -> int:
        return self.width - LEFT - RIGHT

    @property
    def _bottom(self) -> int:
        return BOTTOM if self.x_label else 6

    def _across(self, x: np.ndarray) -> np.ndarray:
        return LEFT + (x - self.x[0]) / (self.x[1] - self.x[0]) * self._columns

    def _down(self, y: np.ndarray) -> np.ndarray:
        bottom = self.height - self._bottom
        return bottom - (y - self.y[0]) / (self.y[1] - self.y[0]) * (bottom - TOP)

    def _path(self, x: np.ndarray, y: np.ndarray) -> str:
        commands, draw = [], False
        for across, down in zip(self._across(x).tolist(), self._down(y).tolist(), strict=True):
            if down != down:  # NaN
                draw = False
                continue
            commands.append(f"{'L' if draw else 'M'}{across:.1f},{down:.1f}")
            draw = True
        return "".join(commands)

    def _axes(self) -> Iterator[Markup]:
        bottom, middle = self.height - self._bottom, (LEFT + self.width - RIGHT) / 2
        for tick in ticks(self.y, max(2, (bottom - TOP) // 35)):
            down = self._down(tick)
            yield element("path", "grid", d=f"M{LEFT},{down:.1f}H{self.width - RIGHT}")
            yield element("text", "y", text_of(tick, ".6g"), x=LEFT - 5, y=down + 4)
        for tick in ticks(self.x, 6) if self.x_label else ():
            across = self._across(tick)
            yield element("path", "grid", d=f"M{across:.1f},{TOP}V{bottom}")
            yield element("text", "x", text_of(tick, ".6g"), x=across, y=bottom + 15)
        yield element("text", "x", self.y_label, transform=f"translate(13 {(TOP + bottom) / 2}) rotate(-90)")
        if self.x_label:
            yield element("text", "x", self.x_label, x=middle, y=self.height - 6)


def element(tag: str, kind: str = "", *inside: str, **attributes: str | float) -> Markup:
    """SVG of the CSS class ``kind`` with elements, or text, inside; a fraction is written with one decimal."""
    said = {"class": kind} | attributes if kind else attributes
    written = ((name, f"{value:.1f}" if isinstance(value, float) else value) for name, value in said.items())
    shown = "".join(f' {name.replace("_", "-")}="{escape(value)}"' for name, value in written)
    return Markup(f"<{tag}{shown}>{''.join(map(escape, inside))}</{tag}>" if inside else f"<{tag}{shown}/>")


def shaded(values: np.ndarray, edges: np.ndarray, tops: np.ndarray, kind: str) -> list[Markup]:
    """Rectangles between edges (C + 1,) and tops (R + 1,), as opaque as values (R, C) say."""
    sizes = np.diff(edges), np.diff(tops)
    return [
        element("rect", f"patch {kind}", x=edges[c], y=tops[r], width=sizes[0][c], height=sizes[1][r],
                fill_opacity=f"{values[r, c]:.2f}")
        for r, c in np.ndindex(*values.shape)
    ]  # fmt: skip


def ticks(span: tuple[float, float], most: int) -> list[float]:
    """Round numbers within a span, about as many as asked for."""
    low, high = sorted(span)
    values = MaxNLocator(nbins=most, steps=[1, 2, 5, 10]).tick_values(low, high)
    margin = 1e-9 * (high - low)
    return [float(value) for value in values if low - margin <= value <= high + margin]


def span_of(*values: np.ndarray | Sequence[float], least: float) -> tuple[float, float]:
    """The range of all finite values with a twentieth of room at both ends, at least ``least`` wide."""
    known = np.concatenate([np.asarray(part, dtype=float).ravel() for part in values]) if values else np.empty(0)
    known = known[np.isfinite(known)]
    if not len(known):
        return 0.0, least
    low, high = float(known.min()), float(known.max())
    room = max(0.05 * (high - low), 0.5 * (least - (high - low)))
    return low - room, high + room


def decimate(x: np.ndarray, y: np.ndarray, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """At most two points a column, its least and its largest value, so that no peak gets lost; NaN stays a gap."""
    if len(y) <= 2 * columns:
        return x, y
    first = np.linspace(0, len(y), columns, endpoint=False).astype(int)
    extremes = np.stack((np.minimum.reduceat(y, first), np.maximum.reduceat(y, first)), axis=1)  # (columns, 2)
    return np.repeat(x[first], 2), extremes.ravel()


def text_of(value: float, form: str = ".2f") -> str:
    """A number with a minus sign that is one."""
    return f"{value:{form}}".replace("-", "−")
