"""How files are written, and how one process at a time works at them."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rppg_graph.errors import InputError

LFS_POINTER = b"version https://git-lfs.github.com/spec/"


def writable(path: Path | None, *inputs: Path | None) -> None:
    """Refuse an output that cannot be written, or would destroy what is read, before any work is done for it.

    Args:
        path: of the file; None for nothing.
        inputs: see `keep_apart`.
    """
    if path is None:
        return
    keep_apart(path, *inputs)
    folder = path.resolve().parent
    if not folder.is_dir():
        raise InputError(f"{path}: the folder {folder} does not exist; create it or name another")
    if path.is_dir() or not os.access(folder, os.W_OK):
        raise InputError(f"{path} cannot be written; name a file in a folder that you may write to")


def keep_apart(path: Path, *inputs: Path | None) -> None:
    """Refuse an output that is an input, or lies in a folder that is one: a result must not destroy what is read.

    Args:
        path: a file or folder to be written.
        inputs: files and folders that are read; None for nothing.
    """
    for source in (source for source in inputs if source is not None and source.exists()):
        if path.exists() and path.samefile(source):
            raise InputError(f"{path} is what is read; name another output")
        if source.is_dir() and path.resolve().is_relative_to(source.resolve()):
            raise InputError(f"{path} lies in {source}, which is read; name an output outside of it")


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


def write_text(path: Path | None, text: str) -> None:
    """:func:`write_whole` of a text."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8"))


def refuse_lfs_pointer(path: Path) -> None:
    """Refuse the three lines of text that Git leaves in place of a large file; a file that is not there passes.

    Raises:
        InputError: it is such a pointer.
    """
    try:
        with path.open("rb") as file:
            pointer = file.read(len(LFS_POINTER)) == LFS_POINTER
    except OSError:
        return
    if pointer:
        raise InputError(
            f"{path} is a pointer of Git LFS, not the file itself. Fetch it: git lfs pull, in {path.parent}"
        )


@contextmanager
def claim(path: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the file ``path`` for this process alone; yields whether it is held.

    The kernel gives a claim back when its process ends, however it ends; the empty file stays, because another process
    may just be waiting for it.

    Args:
        wait: until another process gives it back; if not, the answer may be False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True
