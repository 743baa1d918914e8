"""What several commands do with the files they write and the numbers they show."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from rppg_graph.errors import InputError

POOR = 0.3  # signal quality below which the screen warns

def writable(path: Path | None) -> None:
    """Refuse an output file that cannot be written, before any work is done for it."""
    if path is None:
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise InputError(f"{path}: the folder {folder} does not exist; create it or name another")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{path} cannot be written; name a file in a folder that you may write to")


def write_whole(path: Path | None, write: Callable[[Path], object]) -> None:
    """Let ``write`` make a file that appears under its name when it is whole; nothing for None.

    Raises:
        InputError: the disk is full, or the folder cannot be written; nothing half-written stays.
    """
    if path is None:
        return
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        os.replace(part, path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise InputError(
            f"{path} could not be written: {error.strerror or error}; free some space or name another folder"
        ) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
