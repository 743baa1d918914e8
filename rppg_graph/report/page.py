"""The page that every report is written on, and its building blocks: tables, figures, legends."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

import numpy as np
from matplotlib.image import imsave

COLOURS = 6  # classes m0 to m5 of the template


def page(title: str, body: Sequence[str]) -> str:
    """A whole report as HTML: ``body`` is HTML, ``title`` text."""
    template = Template(Path(__file__).with_name("template.html").read_text(encoding="utf-8"))
    return template.substitute(title=escape(title), body="\n".join(body))


def figure(svg: str, caption: str, legend: str = "") -> str:
    """A drawing with the text that says how to read it."""
    return f"<figure>{legend}{svg}<figcaption>{escape(caption)}</figcaption></figure>"


def figures(parts: Sequence[str]) -> str:
    """Figures beside each other where there is room."""
    return f'<div class="figures">{"".join(parts)}</div>'


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """(CSS class, name) of every series of a figure."""
    keys = "".join(f'<span><i class="{kind}"></i>{escape(name)}</span>' for kind, name in entries)
    return f'<p class="legend">{keys}</p>'


def table(
    identity: str, caption: str, head: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()
) -> str:
    """A table under its caption; the cells are HTML already, the first one of a row names it; notes, text, lie below.

    Caption and notes are no part of the table, which a phone has to scroll sideways.
    """
    columns = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>' for first, *rest in rows
    )
    below = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return (
        f'<p class="quiet" id="{identity}-caption">{escape(caption)}</p>'
        f'<div class="scroll"><table id="{identity}" aria-labelledby="{identity}-caption">'
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
        + (f'<ul class="quiet">{below}</ul>' if notes else "")
    )


def picture(pixels: np.ndarray) -> str:
    """A data URI of an image (H, W, 3) uint8."""
    file = io.BytesIO()
    imsave(file, pixels, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
