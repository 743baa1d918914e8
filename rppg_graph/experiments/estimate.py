"""What a study has done, what it would run, and how long that takes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from rppg_graph.config import Config
from rppg_graph.experiments.plan import Run
from rppg_graph.experiments.rows import failures, finished, head, identity
from rppg_graph.experiments.run import COST
from rppg_graph.experiments.train_run import CLAIM, OWN_LOSS
from rppg_graph.files import claim
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import is_begun
from rppg_graph.training.losses import LABELS, LOSSES
from rppg_graph.training.optimiser import PRECISIONS, adamw
from rppg_graph.training.run_files import read_metrics

TIMED_STEPS = 3


class State(NamedTuple):
    """Of one run: ``done``, ``failed``, ``at work``, ``to run`` or ``to go on``; its step, the seconds still needed.

    ``basis`` says where the seconds are from.
    """

    run: Run
    what: str
    step: int
    seconds: float
    basis: str


def states(runs: Sequence[Run], rows: Sequence[Mapping[str, Any]], evaluation: str, retry: bool) -> list[State]:
    """The state of every run; a variant without a done run is timed for a few steps, here and now."""
    done, failed = finished(rows), failures(rows)
    known = [row for row in done.values() if row["cost"]["steps"]]
    timed: dict[str, float] = {}
    found = []
    for run in runs:
        key = identity(head(run, evaluation))
        if key in done or (key in failed and not retry):
            found.append(State(run, "done" if key in done else "failed", run.config.train.steps, 0.0, ""))
            continue
        own = [row for row in known if row["variant"] == run.variant]
        if not own and run.variant not in timed:
            timed[run.variant] = seconds_per_step(run.config)
        step = reached(run)
        seconds, basis = _needed(run, step, own, known, timed.get(run.variant, 0.0))
        what = "to go on" if step else "to run"
        if (run.folder / CLAIM).exists():
            with claim(run.folder / CLAIM, wait=False) as free:
                what = what if free else "at work"
        found.append(State(run, what, step, seconds, basis))
    return found


def _needed(
    run: Run, step: int, own: Sequence[Mapping[str, Any]], known: Sequence[Mapping[str, Any]], timed: float
) -> tuple[float, str]:
    each = float(np.median([row["cost"]["seconds_per_step"] for row in own])) if own else timed
    others = [row["cost"] for row in own or known]
    rest = [c["training_seconds"] - c["steps"] * c["seconds_per_step"] + c["measuring_seconds"] for c in others]
    steps = (run.config.train.steps - step) * each
    if own:
        return steps + float(np.median(rest)), "its done runs"
    if known:
        return steps + float(np.median(rest)), "timed steps, the rest as in done runs"
    return steps, "timed steps alone, without validation and evaluation"


def seconds_per_step(config: Config) -> float:
    """Median seconds of a few training steps on noise, without the time that clips take to load."""
    torch.manual_seed(config.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = MODELS[config.model.name](**config.model.options).to(device).train()
    optimiser = adamw(model, config.train.learning_rate)
    batch, frames, size = config.train.batch, config.data.clip_frames, config.data.crop.size
    video, pulse = torch.rand(batch, 3, frames, size, size, device=device), torch.randn(batch, frames, device=device)
    loss = LOSSES[config.train.loss or OWN_LOSS[model.label]]
    seconds = []
    for _ in range(1 + TIMED_STEPS):
        started = time.perf_counter()
        optimiser.zero_grad(set_to_none=True)
        with PRECISIONS[config.train.precision](device):
            prediction = model(video)
        value = loss(prediction.float(), LABELS[model.label](pulse))
        value.backward()
        optimiser.step()
        value.item()  # the device has finished
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds[1:]))


def reached(run: Run) -> int:
    """The last step of which there is a checkpoint, or 0."""
    return int(max((row["step"] for row in read_metrics(run.folder)), default=0)) if is_begun(run.folder) else 0


def plan_text(found: Sequence[State], start: Run | None = None) -> str:
    """One line a run, and the sum; before them the run whose weights they start from, if it is to be trained first."""
    width = max(len(state.run.variant) for state in found) if found else 0
    lines, first = [], 0.0
    if start is not None and not (start.folder / COST).exists() and any(state.seconds for state in found):
        steps = start.config.train.steps
        first = (steps - reached(start)) * seconds_per_step(start.config)
        lines.append(f"first, what all start from: {start.variant}, {steps} steps, {duration(first)}")
    for state in found:
        what = f"{state.what} from step {state.step}" if state.what == "to go on" else state.what
        time_needed = f"{duration(state.seconds):>8}  ({state.basis})" if state.basis else ""
        lines.append(f"{state.run.variant:{width}}  seed {state.run.seed}  {what:22} {time_needed}".rstrip())
    counts = {what: sum(state.what == what for state in found) for what in dict.fromkeys(s.what for s in found)}
    total = duration(first + sum(state.seconds for state in found if state.what != "at work"))
    summary = ", ".join(f"{count} {what}" for what, count in counts.items())
    return "\n".join([*lines, "", f"{len(found)} runs: {summary}; about {total} of work, one run after the other"])


def duration(seconds: float) -> str:
    """``45 s``, ``12 min`` or ``3.4 h``."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
