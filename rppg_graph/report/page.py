"""The page that every report is written on: templates beside this file are filled with text, which they escape."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.image import imsave


class Figure(NamedTuple):
    """A drawing, the text that says how to read it, and (CSS class, name) of every series."""

    svg: Markup
    caption: str
    legend: Sequence[tuple[str, str]] = ()


class Table(NamedTuple):
    """Rows of cells, the first of which names its row; a cell is text, or text and its small print; notes lie below."""

    head: Sequence[str]
    rows: Sequence[Sequence[str | tuple[str, str]]]
    notes: Sequence[str] = ()


def page(template: str, **data: Any) -> str:
    """A whole report as HTML, from the template of that name."""
    folder = FileSystemLoader(Path(__file__).parent)
    pages = Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    return pages.get_template(template).render(data) + "\n"


def picture(pixels: np.ndarray) -> str:
    """A data URI of an image (H, W, 3) uint8."""
    file = io.BytesIO()
    imsave(file, pixels, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
