"""Drawings of a look inside a network: masks and neighbours on the patches of the face, and the costs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup

from rppg_graph.report.graph_view import Cost, Mask, Neighbours, NetworkView
from rppg_graph.report.page import Figure, picture
from rppg_graph.report.svg import WIDTH, Plot, element, shaded

FACE = 130  # side of the face crop in a drawing; .beside of page.html has the proportions
HEIGHT, RIGHT_WIDTH = 170, 300  # of the plot beside it
COST_KINDS = {"neighbours": "m1", "graph convolution": "m0", "MLP": "m2", "ROI selection": "m3", "other": "ref"}


def network_figures(view: NetworkView) -> dict[str, list[Figure]]:
    """All figures of a network, by what they show."""
    drawn = {
        "Cost of each part": [_costs(view.costs, view.seconds)],
        "Attention masks": [_mask(mask, view) for mask in view.masks],
        "Neighbours of a patch": [_neighbours(found, view) for found in view.neighbours],
    }
    return {title: figures for title, figures in drawn.items() if figures}


def _costs(costs: Sequence[Cost], seconds: float) -> Figure:
    totals = [sum(cost.seconds.values()) for cost in costs]
    name_width, row, value_width = 90, 26, 84
    scale = (WIDTH - name_width - value_width) / max(*totals, 1e-9)
    parts = []
    for number, (cost, total) in enumerate(zip(costs, totals, strict=True)):
        top, left = number * row + 4, float(name_width)
        parts.append(element("text", "y", cost.part, x=name_width - 6, y=top + 14))
        for what, spent in cost.seconds.items():
            title, size = f"{what}: {1000 * spent:.1f} ms", {"width": spent * scale, "height": row - 8}
            parts.append(element("rect", f"bar {COST_KINDS[what]}", element("title", "", title), x=left, y=top, **size))
            left += spent * scale
        parts.append(element("text", "", f"{1000 * total:.1f} ms", x=left + 5, y=top + 14))
    view = f"0 0 {WIDTH} {len(costs) * row + 4}"
    svg = element("svg", "", *parts, role="img", viewBox=view, aria_label="cost of each part")
    kinds = [(COST_KINDS[what], what) for what in COST_KINDS if any(what in cost.seconds for cost in costs)]
    caption = (
        f"Time that each part takes for one clip of {seconds:.1f} s on this device, {1000 * sum(totals):.0f} ms in "
        "all: the longest bar is what to make faster. “neighbours” is the search for each patch's nearest neighbours, "
        "“between” what lies outside of all parts; the names are those of the network's modules."
    )
    return Figure(svg, caption, kinds)


def _mask(mask: Mask, view: NetworkView) -> Figure:
    """The mean over time on the face, and rows of the face over time."""
    place, over_time = mask.values.mean(axis=0), mask.values.mean(axis=2).T  # (H, W), (H, T)
    plot = Plot((0.0, view.seconds), (float(len(place)), 0.0), "time (s)", "row of patches", HEIGHT, RIGHT_WIDTH)
    plot.heat(_shade(over_time), "m0")
    caption = (
        f"{mask.where}. Left: where on the face crop (mean over the clip), a cell a patch, {_range(place)}. Right: "
        f"when, for each row of patches (mean across the face), {_range(over_time)}. The full colour lets through, "
        "the paper's holds back; a mask is 0.5 on average by construction."
    )
    return Figure(element("div", "beside", _on_face(_shade(place), view.face), plot.svg("mask over time")), caption)


def _neighbours(found: Neighbours, view: NetworkView) -> Figure:
    segments, rows, columns = found.grid
    nodes = found.found if found.found is not None else np.argwhere(np.ones(found.grid))  # (K, 3)
    counts = np.zeros((rows, columns))
    np.add.at(counts, (nodes[:, 1], nodes[:, 2]), 1)
    times = np.bincount(nodes[:, 0], minlength=segments)
    segment_seconds = view.seconds / segments
    plot = Plot(
        (0.0, view.seconds), (0.0, 1.08 * times.max()), "time (s)", "neighbours", HEIGHT, RIGHT_WIDTH
    )  # fmt: skip
    plot.cells(times, "m0")
    plot.mark((found.node[0] + 0.5) * segment_seconds, "")
    away = np.abs(nodes - np.array(found.node))
    near, apart = (away[:, 1:].max(axis=1) <= 1).mean(), np.median(away[:, 0]) * segment_seconds
    caption = (
        f"{found.where}, a patch of the {found.place} (outlined) in the middle of the clip: {len(nodes)} neighbours, "
        f"{near:.0%} of them at most one patch away on the face, half of them within {apart:.1f} s. Left: where on the "
        f"face they lie, the fullest cell holds {counts.max():.0f}. Right: how many at each time; the dashed line is "
        "the patch's own time."
    )
    on_face = _on_face(counts / counts.max(), view.face, found.node[1:])
    return Figure(element("div", "beside", on_face, plot.svg("neighbours over time")), caption)


def _on_face(shade: np.ndarray, face: np.ndarray | None, chosen: tuple[int, int] | None = None) -> Markup:
    """Patches (H, W) in 0–1 on the square of the face crop, over its picture if there is one."""
    edges, tops = (np.linspace(0, FACE, count + 1) for count in shade.shape[::-1])
    parts = shaded(shade if face is None else 0.7 * shade, edges, tops, "m0")
    if face is not None:
        parts.insert(0, element("image", "", href=picture(face), width=FACE, height=FACE))
    if chosen is not None:
        corner = {"x": edges[chosen[1]], "y": tops[chosen[0]]}
        parts.append(element("rect", "chosen", **corner, width=edges[1], height=tops[1]))
    view = f"-2 -2 {FACE + 4} {FACE + 4}"
    return element("svg", "", *parts, role="img", viewBox=view, aria_label="on the face")


def _shade(values: np.ndarray) -> np.ndarray:
    """Values on the scale from their least (0) to their largest (1); 0 where they do not differ."""
    spread = np.ptp(values)
    return (values - values.min()) / spread if spread > 0 else np.zeros_like(values)


def _range(values: np.ndarray) -> str:
    return f"{values.min():.3f} (faint) to {values.max():.3f} (full)"
