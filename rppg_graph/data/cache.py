"""The cache of face crops: cut once, in parallel, restartable; refused when anything is missing from it."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from rppg_graph.data.cache_builder import build, folder_name, is_current
from rppg_graph.data.cached_recording import (
    FORMAT_VERSION,
    CachedRecording,
    CropSettings,
    read_metadata,
    read_recording,
)
from rppg_graph.data.pool import do_all
from rppg_graph.data.recordings import Recording
from rppg_graph.errors import InputError
from rppg_graph.files import PARTIAL, claim, write_text

__all__ = ["CachedRecording", "CropSettings", "load_cache", "preprocess"]

MANIFEST_FILE, CLAIM = "manifest.json", ".claim"


def preprocess(
    recordings: Iterable[Recording], out: str | Path, settings: CropSettings, workers: int | None = None
) -> Path:
    """Cut the faces out of the recordings into one folder each under `out`; return the manifest's path.

    What `out` holds already, from the same source files and settings, stays as it is; so a run that was stopped
    goes on, and a second run does nothing. One run at a time writes to a folder, another one waits for it.

    Args:
        recordings: with different names; they become what the cache is expected to hold.
        out: the cache folder; created.
        settings: how to crop.
        workers: processes, see `pool.do_all`.

    Raises:
        InputError: after all others are done, naming each recording that failed, its files and the reason; or at
            once when `out` cannot be written, or two recordings have one name.
    """
    recordings, out = list(recordings), Path(out)
    if not recordings:
        raise InputError("there is no recording to preprocess")
    name, times = Counter(recording.name for recording in recordings).most_common(1)[0]
    if times > 1:
        raise InputError(f"{times} recordings have the name {name!r}; preprocess them into different cache folders")
    with ExitStack() as held:
        _prepare(out, held)
        return _preprocess(recordings, out, settings, workers)


def _preprocess(recordings: list[Recording], out: Path, settings: CropSettings, workers: int | None) -> Path:
    manifest = {
        recording.name: {"folder": folder_name(recording.name), "done": is_current(recording, out, settings)}
        for recording in recordings
    }
    todo = [recording for recording in recordings if not manifest[recording.name]["done"]]
    _write_manifest(out, settings, manifest)
    failures: dict[int, Exception] = {}
    done = do_all(partial(_build, out, settings), todo, workers)
    for number, error in tqdm(done, total=len(todo), desc="cutting faces", unit="recording", disable=None):
        if error is None:
            manifest[todo[number].name]["done"] = True
            _write_manifest(out, settings, manifest)
        else:
            failures[number] = error
    if failures:
        lines = [f"  {todo[n].name} ({todo[n].files[0].parent}): {failures[n]}" for n in sorted(failures)]
        message = f"{len(failures)} of {len(recordings)} recordings could not be preprocessed:\n" + "\n".join(lines)
        unexpected = [error for error in failures.values() if not isinstance(error, InputError)]
        if unexpected:
            raise RuntimeError(message) from unexpected[0]
        raise InputError(f"{message}\nMend them, or leave them out by name; the others are done.")
    return out / MANIFEST_FILE


def _build(out: Path, settings: CropSettings, recording: Recording) -> Exception | None:
    """Build a recording's folder; an error is returned, for the others to finish."""
    try:
        build(recording, out, settings)
    except Exception as error:
        return error
    return None


def load_cache(out: str | Path, leave_out: Iterable[str] = ()) -> list[CachedRecording]:
    """The recordings that the manifest of a cache expects, without those left out by name.

    Raises:
        InputError: no cache there, or a recording that the manifest expects is missing, not whole, or made with other
            settings than the manifest's.
    """
    out, leave_out = Path(out), set(leave_out)
    manifest = _read_manifest(out)
    expected = {name: out / entry["folder"] for name, entry in manifest["recordings"].items() if name not in leave_out}
    holes = []
    for name, folder in expected.items():
        content = read_metadata(folder)
        if content is None or content["name"] != name or content["settings"] != manifest["settings"]:
            holes.append(name)
    if holes:
        raise InputError(
            f"{out}: {len(holes)} of {len(manifest['recordings'])} recordings are not in the cache: "
            f"{', '.join(holes)}. Run preprocess again, or leave them out by name."
        )
    return [read_recording(folder) for folder in expected.values()]


def _prepare(out: Path, held: ExitStack) -> None:
    """Make the folder, hold it for this run alone, and clear what a stopped one left half-written."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        held.enter_context(claim(out / CLAIM))
        for partial in out.glob(PARTIAL + "*"):
            shutil.rmtree(partial) if partial.is_dir() else partial.unlink()
    except OSError as error:
        raise InputError(
            f"{out}: the cache folder cannot be written ({error.strerror or error}); free some space or name another "
            "folder"
        ) from None


def _write_manifest(out: Path, settings: CropSettings, recordings: dict[str, dict[str, Any]]) -> None:
    content = {"format_version": FORMAT_VERSION, "settings": asdict(settings), "recordings": recordings}
    write_text(out / MANIFEST_FILE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")


def _read_manifest(out: Path) -> dict[str, Any]:
    path = out / MANIFEST_FILE
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{out}: no cache of face crops there ({MANIFEST_FILE} is missing); run preprocess") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); run preprocess again") from None
    if not isinstance(manifest, dict) or manifest.get("format_version") != FORMAT_VERSION:
        raise InputError(f"{path}: not a manifest of format version {FORMAT_VERSION}; run preprocess again")
    return manifest
