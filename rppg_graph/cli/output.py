"""What several commands do with the files they write."""

from __future__ import annotations

import os
from pathlib import Path

from rppg_graph.errors import InputError


def writable(path: Path | None) -> None:
    """Refuse an output file that cannot be written, before any work is done for it."""
    if path is None:
        return
    folder = path.resolve().parent
    if not folder.is_dir():
        raise InputError(f"{path}: the folder {folder} does not exist; create it or name another")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{path} cannot be written; name a file in a folder that you may write to")
