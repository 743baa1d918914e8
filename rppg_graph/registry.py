"""How a name is looked up: in one way for every family, with the nearest valid name where there is none."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import TypeVar

from rppg_graph.errors import InputError

Member = TypeVar("Member")
FEW = 12  # names that a message can list


def choose(kind: str, registry: Mapping[str, Member] | Collection[str], name: str) -> Member | str:
    """The member of that name; of a registry that is names alone, the name.

    Args:
        kind: what the registry holds, for the message: ``"loss"``.

    Raises:
        InputError: there is none; the message gives the nearest name.
    """
    if not isinstance(name, str) or name not in registry:
        raise InputError(f"unknown {kind} {name!r}{nearest(name, registry)}")
    return registry[name] if isinstance(registry, Mapping) else name


def nearest(name: object, names: Collection[str]) -> str:
    """The end of a message about a name that is not valid: the nearest one that is, and all where they are few."""
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    valid = f"valid: {', '.join(names) or 'none'}"
    if not close:
        return f"; {valid}"
    return f"; did you mean {close[0]}?" + (f" ({valid})" if len(names) <= FEW else "")
