"""The files of a run beside its checkpoints: its metrics, and a batch that has no finite loss."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.files import write_text, write_whole
from rppg_graph.models.checkpoint import write_tensors

METRICS, BAD_BATCH = "metrics.jsonl", "bad-batch.safetensors"  # of a run's folder
RECENT = ("steps", "loss", "gradient_norm", "seconds", "waited")  # summed between two rows of the metrics


def row_of(
    step: int, validation_loss: float, skipped: int, recent: Mapping[str, float], batch: int, learning_rate: float
) -> dict[str, float]:
    """A row of the metrics; ``recent``: sums since the row before, whose means it holds, unless no step was made."""
    if not recent["steps"]:
        return {"step": step, "validation_loss": validation_loss, "skipped": skipped}
    return {
        "step": step,
        "loss": recent["loss"] / recent["steps"],
        "validation_loss": validation_loss,
        "gradient_norm": recent["gradient_norm"] / recent["steps"],
        "skipped": skipped,
        "seconds_per_step": recent["seconds"] / recent["steps"],
        "clips_per_second": batch * recent["steps"] / recent["seconds"],
        "waiting_for_data": recent["waited"] / recent["seconds"],
        "learning_rate": learning_rate,
    }


def write_metrics(folder: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Write a run's ``metrics.jsonl``, a row a line."""
    write_text(folder / METRICS, "".join(json.dumps(row) + "\n" for row in rows))


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's ``metrics.jsonl``; a line that is not whole is passed over, later ones of a step win."""
    rows: dict[int, dict[str, float]] = {}
    for line in (folder / METRICS).read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            rows[int(row["step"])] = row
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            continue
    return [rows[step] for step in sorted(rows)]


def keep_batch(folder: Path, clips: ClipDataset, keys: Sequence[tuple[int, int]], about: Mapping[str, Any]) -> None:
    """Keep a batch for a look at it: its ``video`` and ``pulse``, and about it what is known."""
    video, pulse = (torch.stack(part) for part in zip(*(clips[key] for key in keys), strict=True))
    write_whole(folder / BAD_BATCH, lambda part: write_tensors(part, {"video": video, "pulse": pulse}, about))
