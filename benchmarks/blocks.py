"""The blocks of the pages: name → function that makes its text from result files. ``readme.py`` writes the pages."""

from __future__ import annotations

from collections.abc import Callable

import kept
from kept import json_of

BLOCKS: dict[str, Callable[[], str]] = {}
Block = Callable[[], str]


def block(make: Block) -> Block:
    """Decorator: a function makes the block of its name."""
    BLOCKS[make.__name__] = make
    return make


def measured(command: str) -> Callable[[Callable[[dict], str]], Block]:
    """Decorator: a function makes the block of its name from results/NAME.json; without it, that says the command."""

    def of(make: Callable[[dict], str]) -> Block:
        def text() -> str:
            path = kept.RESULTS / f"{make.__name__}.json"
            return make(json_of(path)) if path.exists() else missing(command)

        BLOCKS[make.__name__] = text
        return text

    return of


def missing(command: str) -> str:
    return f"Not measured yet: `{command}`."


def stamp_of(stamp: dict) -> str:
    torch = next(part for part in stamp["versions"].split() if part.startswith("torch="))
    return f"Commit {stamp['commit']}, {torch}, {stamp['device']}, {stamp['threads']} threads, {stamp['date']}"


def share_of(value: float | None) -> str:
    """A share as a percentage, a count as it is."""
    return "–" if value is None else str(value) if isinstance(value, int) else f"{value:.1%}"
