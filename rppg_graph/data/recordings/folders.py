"""The folders under a root, walked once for all layouts, symbolic links followed and loops cut."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from rppg_graph.errors import InputError


@dataclass(frozen=True)
class Folder:
    """A folder under the root: its path, and the sorted names of the files and folders in it."""

    root: Path
    path: Path
    files: tuple[str, ...]
    folders: tuple[str, ...]

    def matching(self, pattern: str) -> list[Path]:
        """Its files whose whole name matches the regular expression, sorted."""
        return [self.path / name for name in self.files if re.fullmatch(pattern, name, re.DOTALL)]


def walk(root: Path | str) -> list[Folder]:
    """Every folder under `root` (itself first), each real folder once, in sorted order; hidden ones are passed over.

    Raises:
        InputError: `root` is not a folder, or a folder in it may not be read.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder. Give the folder that holds the recordings.")

    def refuse(error: OSError) -> None:
        cure = "Make it readable (chmod -R u+rX) or move it out."
        raise InputError(f"{error.filename}: {error.strerror}. {cure}") from error

    found: list[Folder] = []
    seen: set[tuple[int, int]] = set()
    for path, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        status = os.stat(path)
        if (status.st_dev, status.st_ino) in seen:  # a link to a folder already walked, or to one of its own parents
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = tuple(sorted(name for name in files if not name.startswith(".")))
        found.append(Folder(root, Path(path), visible, tuple(folders)))
    return found


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sort key that puts "subject10" after "subject9": digits are compared as numbers."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isdecimal() else (1, 0, part) for part in parts if part]
