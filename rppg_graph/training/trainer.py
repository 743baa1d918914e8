"""The trainer: one recipe for every network."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Sampler
from tqdm import tqdm

from rppg_graph.data.clips import ClipDataset
from rppg_graph.errors import InputError
from rppg_graph.models import checkpoint
from rppg_graph.models.checkpoint import Checkpoint
from rppg_graph.training.losses import LABELS, LOSSES

SCHEDULES = {
    "constant": lambda optimiser, rate, steps: torch.optim.lr_scheduler.ConstantLR(optimiser, 1.0),
    "one_cycle": lambda optimiser, rate, steps: torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps),
}


PRECISIONS: dict[str, Callable[[str], AbstractContextManager]] = {
    "float32": lambda device_type: nullcontext(),
    "bfloat16": lambda device_type: torch.autocast(device_type, torch.bfloat16),
}


def adamw(model: nn.Module, learning_rate: float, weight_decay: float = 0.0) -> torch.optim.AdamW:
    """The optimiser of every network; fused, since a step of two million parameters one by one costs time on a CPU."""
    return torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay, fused=True)


def compiled(model: nn.Module, backend: str = "inductor") -> nn.Module:
    """The network as one piece of machine code for each shape that comes; on CUDA its launches become one as well."""
    launched_as_one = backend == "inductor" and next(model.parameters()).is_cuda
    return torch.compile(model, fullgraph=True, backend=backend, mode="reduce-overhead" if launched_as_one else None)


class StepSampler(Sampler):
    """Keys (clip, epoch) for steps ``first_step … steps``: every epoch its own permutation, drawn from the seed.

    A resumed run sees the clips that an undisturbed run would have seen.
    """

    def __init__(self, clips: int, batch: int, first_step: int, steps: int, seed: int) -> None:
        self.clips, self.batch, self.first_step, self.steps, self.seed = clips, batch, first_step, steps, seed

    def __len__(self) -> int:
        return self.batch * (self.steps - self.first_step)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order: Tensor | None = None
        for number in range(self.first_step * self.batch, self.steps * self.batch):
            epoch, place = divmod(number, self.clips)
            if order is None or place == 0:
                generator = torch.Generator().manual_seed(1_000_003 * self.seed + epoch)
                order = torch.randperm(self.clips, generator=generator)
            yield int(order[place]), epoch


class Trainer:
    """Fits a network to clips: AdamW, one loss, validation and checkpoints at a fixed interval.

    Args:
        model: maps video (B, 3, T, H, W) to (B, T); its ``label`` says what it predicts, ``wave`` or ``differenced``.
        loss: a name of ``losses.LOSSES``.
        train_clips, validation_clips: validation without augmentation.
        steps, batch, learning_rate, weight_decay, schedule, clip_gradient, validate_every, precision, workers,
            compile: as in ``config.TrainConfig``.
        seed: of the order of clips, the dropout and the augmentations.
        device: a torch device.
    """

    def __init__(
        self,
        model: nn.Module,
        loss: str,
        train_clips: ClipDataset,
        validation_clips: ClipDataset,
        *,
        steps: int,
        batch: int,
        learning_rate: float,
        weight_decay: float = 0.0,
        schedule: str = "constant",
        clip_gradient: float | None = None,
        validate_every: int = 200,
        precision: str = "float32",
        workers: int = 0,
        compile: bool = False,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        for name, clips in (("training", train_clips), ("validation", validation_clips)):
            if len(clips) == 0:
                raise InputError(f"there is no {name} clip; {clips.left_out} were left out: no face or no label")
        self.model, self.loss, self.label = model.to(device), LOSSES[loss], LABELS[model.label]
        self.fitted = compiled(self.model) if compile else self.model  # shares the weights
        self.train_clips, self.validation_clips = train_clips, validation_clips
        self.steps, self.batch, self.validate_every, self.workers = steps, batch, validate_every, workers
        self.seed, self.device, self.clip_gradient = seed, device, clip_gradient
        self.precise = partial(PRECISIONS[precision], torch.device(device).type)
        self.optimiser = adamw(model, learning_rate, weight_decay)
        self.schedule = SCHEDULES[schedule](self.optimiser, learning_rate, max(steps, 1))
        self.unread = int(torch.device(device).type == "cuda")  # losses that are read while the next step is under way
        self.step, self.best_loss = 0, float("inf")

    def state(self) -> dict[str, Any]:
        """What :meth:`resume` needs."""
        return {
            "step": self.step,
            "best_loss": self.best_loss,
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state`; the network's weights are the caller's to load.

        Raises:
            InputError: what ``check_steps`` refuses.
        """
        check_steps(state, self.steps)
        self.step, self.best_loss = state["step"], state["best_loss"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.schedule.load_state_dict(state["schedule"])

    def run(self, folder: Path, config: dict[str, Any], mean_bpm: float) -> None:
        """Train to the last step; writes ``metrics.jsonl``, ``last.pt`` and ``best.pt`` (lowest validation loss).

        Raises:
            InputError: the loss is not a number, a batch does not fit in memory, or the folder cannot be written.
        """
        try:
            self._run(folder, config, mean_bpm)
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"train.batch = {self.batch}: step {self.step} does not fit in the memory of {self.device} "
                f"({str(error).splitlines()[0]}); use train.batch={max(1, self.batch // 2)}, train.precision=bfloat16 "
                "or model.options.recompute=true"
            ) from error

    def _run(self, folder: Path, config: dict[str, Any], mean_bpm: float) -> None:
        if self.steps == 0:
            row = {"step": 0, "validation_loss": self.validate()}
            self._record(folder, row, Checkpoint(self.model, config, self.train_clips.fps, mean_bpm, {}))
        progress = tqdm(total=self.steps, initial=self.step, desc="training", unit="step", dynamic_ncols=True)
        recent: list[float] = []
        unread: deque[Tensor] = deque()  # losses of steps
        waited, since = 0.0, time.perf_counter()
        batches = iter(self._batches())
        while self.step < self.steps:
            asked = time.perf_counter()
            video, pulse = next(batches)
            waited += time.perf_counter() - asked
            unread.append(self._fit(video, pulse))
            due = self.step % self.validate_every == 0 or self.step == self.steps
            while len(unread) > (0 if due else self.unread):
                recent.append(self._value(unread.popleft(), self.step - 1 - len(unread)))
            seconds = time.perf_counter() - since
            progress.update()
            if recent:
                progress.set_postfix(loss=f"{sum(recent) / len(recent):.3f}", waiting=f"{waited / seconds:.0%}")
            if due:
                row = {
                    "step": self.step,
                    "loss": sum(recent) / len(recent),
                    "validation_loss": self.validate(),
                    "seconds_per_step": seconds / len(recent),
                    "waiting_for_data": waited / seconds,
                    "learning_rate": self.schedule.get_last_lr()[0],
                }
                self._record(folder, row, Checkpoint(self.model, config, self.train_clips.fps, mean_bpm, {}))
                recent, waited, since = [], 0.0, time.perf_counter()
        progress.close()

    @torch.no_grad()
    def validate(self) -> float:
        """Mean loss over the validation clips, in eval mode."""
        self.model.eval()
        losses = []
        for first in range(0, len(self.validation_clips), self.batch):
            keys = range(first, min(first + self.batch, len(self.validation_clips)))
            clips = [self.validation_clips[(i, 0)] for i in keys]
            video, pulse = (torch.stack(part).to(self.device) for part in zip(*clips, strict=True))
            losses += [self.loss(self.model(video), self.label(pulse)).item()] * len(clips)
        return sum(losses) / len(losses)

    def _batches(self) -> DataLoader:
        sampler = StepSampler(len(self.train_clips), self.batch, self.step, self.steps, self.seed)
        pinned = torch.device(self.device).type == "cuda"  # copied beside the computation
        return DataLoader(
            self.train_clips, self.batch, sampler=sampler, num_workers=self.workers, pin_memory=pinned,
            prefetch_factor=4 if self.workers else None,  # a batch that takes long stops nobody
        )  # fmt: skip

    def _fit(self, video: Tensor, pulse: Tensor) -> Tensor:
        """One step; its loss, which nobody has waited for."""
        self.model.train()
        torch.manual_seed(1_000_003 * self.seed + self.step)  # a resumed run drops the same paths
        self.optimiser.zero_grad(set_to_none=True)
        video, pulse = (part.to(self.device, non_blocking=True) for part in (video, pulse))
        with self.precise():
            prediction = self.fitted(video)
        loss = self.loss(prediction.float(), self.label(pulse))
        loss.backward()
        if self.clip_gradient is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.clip_gradient)
        self.optimiser.step()
        self.schedule.step()
        self.step += 1
        return loss.detach()

    @staticmethod
    def _value(loss: Tensor, step: int) -> float:
        value = loss.item()
        if value != value:
            raise InputError(f"the loss is not a number at step {step}; lower train.learning_rate")
        return value

    def _record(self, folder: Path, row: dict[str, float], reached: Checkpoint) -> None:
        better = row["validation_loss"] < self.best_loss
        self.best_loss = min(self.best_loss, row["validation_loss"])
        reached = reached._replace(training=self.state())
        with (folder / "metrics.jsonl").open("a", encoding="utf-8") as log:
            log.write(json.dumps(row) + "\n")
        if better:
            checkpoint.save(folder / "best.pt", reached)
        checkpoint.save(folder / "last.pt", reached)  # after all else: a run that is stopped here does the step again


def check_steps(state: dict[str, Any], steps: int) -> None:
    """Refuse to end a run at ``steps`` that cannot go on to there from the state of its trainer; InputError."""
    if steps < state["step"]:
        raise InputError(f"train.steps = {steps}: the run has made {state['step']} steps already; name these or more")
    planned = state["schedule"].get("total_steps")  # one_cycle alone has them
    if planned not in (None, max(steps, 1)):
        raise InputError(
            f"train.steps = {steps}: the schedule one_cycle was laid out for {planned} steps and cannot be longer or "
            f"shorter now; keep {planned}, or start another run with model.start naming this one's best.pt"
        )


def read_metrics(folder: Path) -> list[dict[str, float]]:
    """The rows of a run's ``metrics.jsonl``; a line that a stop cut off is passed over, later ones of a step win."""
    rows: dict[int, dict[str, float]] = {}
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        rows[row["step"]] = row
    return [rows[step] for step in sorted(rows)]
