"""How files are written, and how one process at a time works at them."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from rppg_graph.errors import InputError

PARTIAL = ".partial-"  # begins the name of a file or folder that is not whole yet
YAML_BYTES, YAML_DEPTH, YAML_VALUES = 1 << 18, 40, 100_000  # of a file that is read at most
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
    """Let ``write`` make a file that appears under its name when it is whole and on the disk; nothing for None.

    Whenever the machine stops, either the old file is there or the new one, whole. While it is written it lies beside
    its place, with the same suffix.

    Raises:
        InputError: the disk is full, or the folder cannot be written; nothing half-written stays.
    """
    if path is None:
        return
    part = path.with_name(PARTIAL + path.name)
    try:
        write(part)
        to_disk(part)
        os.replace(part, path)
    except OSError as error:
        raise InputError(
            f"{path} could not be written: {error.strerror or error}; free some space or name another folder"
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path | None, text: str) -> None:
    """:func:`write_whole` of a text."""
    write_whole(path, lambda part: part.write_text(text, encoding="utf-8", newline=""))


def csv_text(rows: Sequence[Mapping[str, Any]], names: Sequence[str] = (), end: str = "\n") -> str:
    """Rows as CSV under some names, or under all that they have in the order in which they come; None is empty."""
    names, text = names or list(dict.fromkeys(name for row in rows for name in row)), io.StringIO(newline="")
    writer = csv.DictWriter(text, names, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def write_json(path: Path | None, content: object) -> None:
    """:func:`write_whole` of what JSON can hold; not a number is refused with a ValueError."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


class _BoundedLoader(yaml.SafeLoader):
    """Plain values only, in a tree that no interpreter is too small for."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        if self._depth == YAML_DEPTH:
            raise yaml.YAMLError(f"it is nested deeper than {YAML_DEPTH} levels")
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


def parse_yaml(text: str) -> object:
    """What a YAML text says; a text of a stranger may be anything.

    Raises:
        yaml.YAMLError: it is not YAML, too long, too deep, or names its own parts until they are too many.
    """
    if len(text) > YAML_BYTES:
        raise yaml.YAMLError(f"it has {len(text)} letters, and {YAML_BYTES} are read at most")
    loader = _BoundedLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        if _values_in(node, {}) > YAML_VALUES:
            raise yaml.YAMLError(f"its aliases stand for over {YAML_VALUES} values")
        return loader.construct_document(node)
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:  # of odd dates and tags
        raise yaml.YAMLError(f"a value is not what its form or tag says: {error}") from error
    finally:
        loader.dispose()


def read_yaml(path: Path) -> object:
    """What a YAML file says; see `parse_yaml`.

    Raises:
        InputError: it cannot be read, or is not YAML.
    """
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; name another file") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not YAML ({error}); mend it, or write it anew") from error


def _values_in(node: yaml.Node, known: dict[int, float]) -> float:
    """How many values a node stands for when every alias is written out; infinitely many if it names itself."""
    if id(node) not in known:
        known[id(node)] = float("inf")
        parts = [] if isinstance(node, yaml.ScalarNode) else node.value
        parts = [part for pair in parts for part in pair] if isinstance(node, yaml.MappingNode) else parts
        known[id(node)] = 1 + sum(_values_in(part, known) for part in parts)
    return known[id(node)]


def to_disk(path: Path) -> None:
    """Wait until a file or the entries of a folder are on the disk."""
    if os.name == "nt":  # which opens no folder, and no file to read and sync
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move_into_place(partial: Path, folder: Path) -> None:
    """Give a folder that is whole its name, once its files are on the disk; what had the name is removed."""
    for path in (*partial.iterdir(), partial):
        to_disk(path)
    if folder.exists():  # a folder that is not empty cannot be replaced in one step
        outdated = folder.with_name(f"{PARTIAL}outdated-{folder.name}")
        os.rename(folder, outdated)
        os.rename(partial, folder)
        shutil.rmtree(outdated)
    else:
        os.rename(partial, folder)
    to_disk(folder.parent)


@contextmanager
def appearing_folder(out: Path) -> Iterator[Path]:
    """A folder beside ``out`` that takes its name at the end, or is removed again.

    Raises:
        InputError: ``out`` holds something, or cannot be written.
    """
    out = out.resolve()
    if out.is_dir() and not any(out.iterdir()):
        out.rmdir()
    if out.exists():
        seen = next(iter(sorted(out.iterdir())), out).name if out.is_dir() else "a file"
        raise InputError(f"{out}: holds something already ({seen}); give an empty or a new folder")
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        yield partial
        partial.rename(out)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror or error}); free space or another folder?"
        ) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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

    The system gives a claim back when its process ends, however it ends; the empty file stays, because another process
    may just be waiting for it.

    Args:
        wait: until another process gives it back; if not, the answer may be False.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()
