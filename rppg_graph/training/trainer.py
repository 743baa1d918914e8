"""The trainer: one recipe for every network."""

from __future__ import annotations

import math
import time
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.errors import InputError
from rppg_graph.models import checkpoint
from rppg_graph.models.checkpoint import Checkpoint
from rppg_graph.training.distributed import ALONE, Ranks, parallel, sums, together
from rppg_graph.training.losses import LABELS, LOSSES
from rppg_graph.training.optimiser import PRECISIONS, SCHEDULES, adamw, compiled, move_to, restore, state_of, to_train
from rppg_graph.training.run_files import BAD_BATCH, METRICS, RECENT, keep_batch, read_metrics, row_of, write_metrics
from rppg_graph.training.sampler import StepSampler
from rppg_graph.training.stops import Stopped, StopSignal


class Trainer:
    """Fits a network to clips: AdamW, one loss, validation and checkpoints at a fixed interval.

    Args:
        model: maps video (B, 3, T, H, W) to (B, T); its ``label`` says what it predicts, ``wave`` or ``differenced``.
        loss: a name of ``losses.LOSSES``.
        train_clips, validation_clips: validation without augmentation.
        steps, batch, parts, learning_rate, weight_decay, schedule, clip_gradient, skip_steps, freeze_batch_norm,
            validate_every, precision, workers, compile: as in ``config.TrainConfig``.
        seed: of the order of clips, the dropout and the augmentations.
        device: a torch device.
        ranks: which of several processes this is, see ``distributed``.
    """

    def __init__(
        self, model: nn.Module, loss: str, train_clips: ClipDataset, validation_clips: ClipDataset, *,
        steps: int, batch: int, learning_rate: float, parts: int = 1, weight_decay: float = 0.0,
        schedule: str = "constant", clip_gradient: float | None = None, skip_steps: int = 0,
        freeze_batch_norm: bool = False, validate_every: int = 200, precision: str = "float32", workers: int = 0,
        compile: bool = False, seed: int = 0, device: str = "cpu", ranks: Ranks = ALONE,
    ) -> None:  # fmt: skip
        for name, clips in (("training", train_clips), ("validation", validation_clips)):
            if len(clips) == 0:
                raise InputError(f"there is no {name} clip; {clips.left_out} were left out: no face or no label")
        if batch % (ranks.world * parts):
            raise InputError(
                f"train.batch = {batch}: {ranks.world} processes × {parts} parts do not divide it; "
                f"name a multiple of {ranks.world * parts}"
            )
        self.model, self.loss, self.label = model.to(device), LOSSES[loss], LABELS[model.label]
        self.train_clips, self.validation_clips = train_clips, validation_clips
        self.steps, self.batch, self.parts, self.validate_every = steps, batch, parts, validate_every
        self.clip_gradient, self.skip_steps, self.freeze_batch_norm = clip_gradient, skip_steps, freeze_batch_norm
        self.seed, self.device, self.workers, self.ranks = seed, device, workers, ranks
        self.precise = partial(PRECISIONS[precision], torch.device(device).type)
        self.optimiser = adamw(model, learning_rate, weight_decay)
        self.schedule = SCHEDULES[schedule](self.optimiser, learning_rate, max(steps, 1))
        self.fitted = compiled(self.model) if compile else self.model  # shares the weights
        self.network, self.group, self.stop = self.fitted, None, StopSignal()
        self.step, self.best_loss, self.skipped = 0, float("inf"), 0
        self.rows: list[dict[str, float]] = []  # of metrics.jsonl
        self.recent = Counter(dict.fromkeys(RECENT, 0))  # sums since the last row

    def state(self) -> dict[str, Any]:
        """What :meth:`resume` needs."""
        named = ("step", "steps", "best_loss", "skipped", "rows", "recent")
        return {name: getattr(self, name) for name in named} | state_of(self.optimiser)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state`; the network's weights are the caller's to load.

        Raises:
            InputError: what ``check_steps`` refuses.
        """
        check_steps(state, self.steps)
        restore(self.optimiser, state)
        self.step, self.best_loss = state["step"], state["best_loss"]
        if "moments" in state:  # older checkpoints have none of these
            self.skipped, self.rows, self.recent = state["skipped"], list(state["rows"]), Counter(state["recent"])
        if self.step:
            before, after = move_to(self.schedule, self.step)
            if after != before and self.ranks.rank == 0:
                warnings.warn(
                    f"the schedule is laid out anew for {self.steps} steps: at step {self.step} the learning rate goes "
                    f"from {before:.3g} to {after:.3g}", stacklevel=2,
                )  # fmt: skip

    def run(self, folder: Path, config: dict[str, Any], mean_bpm: float) -> None:
        """Train to the last step; writes ``metrics.jsonl`` and the checkpoints of ``models.checkpoint``.

        Raises:
            InputError: a loss or gradient that is not finite, a batch too large for the memory, an unwritable folder.
            KeyboardInterrupt, SystemExit: after Ctrl-C or SIGTERM, when what was reached is saved.
        """
        reached = partial(Checkpoint, self.model, config, self.train_clips.fps, mean_bpm)
        with together(self.ranks, self.device) as self.group, StopSignal() as self.stop:
            self.network = parallel(self.fitted, self.group, self.device)
            self._go_on_in(folder, reached)
            try:
                self._steps(folder, reached)
            except Stopped:
                if self.ranks.rank == 0:
                    checkpoint.save_last(folder, reached(self.state()))
                raise self.stop.end(f"stopped at step {self.step}; go on with --resume {folder}") from None
            except torch.OutOfMemoryError as error:
                raise InputError(
                    f"train.batch = {self.batch}: step {self.step} does not fit in the memory of {self.device} "
                    f"({str(error).splitlines()[0]}); use train.batch={max(1, self.batch // 2)}, "
                    "train.precision=bfloat16 or model.options.recompute=true"
                ) from error

    def _go_on_in(self, folder: Path, reached: Callable[..., Checkpoint]) -> None:
        """Make a run's files those of its state: no row of a step that will be done again, and a best checkpoint."""
        if self.step and not self.rows and (folder / METRICS).exists():  # of an older checkpoint
            self.rows = [row for row in read_metrics(folder) if row["step"] <= self.step]
        if not self.rows or self.ranks.rank > 0:
            return
        write_metrics(folder, self.rows)
        try:
            checkpoint.load(checkpoint.best_of(folder))
        except InputError as error:
            warnings.warn(f"{error}. The last checkpoint is the best from here on", stacklevel=2)
            self.best_loss = self.rows[-1]["validation_loss"]
            checkpoint.save(folder / checkpoint.BEST, reached(self.state()))

    def _steps(self, folder: Path, reached: Callable[..., Checkpoint]) -> None:
        progress = tqdm(
            total=self.steps, initial=self.step, desc="training", unit="step", dynamic_ncols=True,
            disable=self.ranks.rank > 0,
        )  # fmt: skip
        pinned = torch.device(self.device).type == "cuda"  # copied beside the computation
        batches = iter(DataLoader(
            self.train_clips, batch_sampler=self._sampler(), num_workers=self.workers, pin_memory=pinned,
            prefetch_factor=4 if self.workers else None,  # a batch that takes long stops nobody
        ))  # fmt: skip
        with progress:
            while True:
                due = self.step == self.steps or (self.step > 0 and self.step % self.validate_every == 0)
                if due and (not self.rows or self.rows[-1]["step"] < self.step):
                    self._record(folder, reached)
                if self.step == self.steps:
                    return
                started = time.perf_counter()
                parts = [next(batches) for _ in range(self.parts)]
                waited = time.perf_counter() - started
                loss = self._fit(parts, folder)
                self.recent.update(seconds=time.perf_counter() - started, waited=waited)
                progress.update()
                waiting = self.recent["waited"] / self.recent["seconds"]
                progress.set_postfix(loss=f"{loss:.3f}", waiting=f"{waiting:.0%}")
                self._agreed()

    @torch.no_grad()
    def validate(self) -> float:
        """Mean loss over the validation clips, in eval mode; each process takes its share of the batches."""
        self.model.eval()
        clips, total = len(self.validation_clips), 0.0
        firsts = range(0, clips, self.batch)
        for first in firsts[self.ranks.rank :: self.ranks.world]:
            if self.stop.number is not None:
                break
            keys = range(first, min(first + self.batch, clips))
            batch = [self.validation_clips[(i, 0)] for i in keys]
            video, pulse = (torch.stack(part).to(self.device) for part in zip(*batch, strict=True))
            total += self.loss(self.model(video), self.label(pulse)).item() * len(batch)
        return self._agreed(total)[0] / clips

    def _agreed(self, *values: float) -> list[float]:
        """Each value's sum over the processes; Stopped where one of them was asked to stop."""
        *found, stops = sums([*values, float(self.stop.number is not None)], self.group, self.device)
        if stops:
            raise Stopped
        return found

    def _sampler(self) -> StepSampler:
        return StepSampler(len(self.train_clips), self.batch, self.step, self.steps, self.seed, self.parts, self.ranks)

    def _fit(self, parts: Sequence[tuple[Tensor, Tensor]], folder: Path) -> float:
        """One step on a batch that comes in parts; the loss of all processes."""
        to_train(self.model, self.freeze_batch_norm)
        torch.manual_seed(1_000_003 * self.seed + self.step + 2_000_003 * self.ranks.rank)  # the same paths, if resumed
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for number, (video, pulse) in enumerate(parts, 1):
            waits = number < len(parts) and self.group is not None  # the gradients meet after the last part
            with self.network.no_sync() if waits else nullcontext():
                video, pulse = (part.to(self.device, non_blocking=True) for part in (video, pulse))
                with self.precise():
                    prediction = self.network(video)
                loss = self.loss(prediction.float(), self.label(pulse)) / len(parts)
                loss.backward()
            total += loss.item()
        most = math.inf if self.clip_gradient is None else self.clip_gradient
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), most).item()
        total = sums([total], self.group, self.device)[0] / self.ranks.world
        if math.isfinite(total) and math.isfinite(norm):
            self.optimiser.step()
            self.recent.update(steps=1, loss=total, gradient_norm=norm)
        else:
            self._refuse(total, norm, folder)
        self.schedule.step()
        self.step += 1
        return total

    def _refuse(self, loss: float, norm: float, folder: Path) -> None:
        """Save a batch that has no finite loss or gradient and name its recordings; the training ends, or skips it."""
        keys = self._sampler().keys(self.step)
        names = ", ".join(dict.fromkeys(self.train_clips.named(key) for key in keys))
        if self.ranks.rank == 0:
            about = {"step": self.step, "keys": keys, "clips": names, "loss": str(loss), "gradient_norm": str(norm)}
            keep_batch(folder, self.train_clips, keys, about)
        what = "loss" if not math.isfinite(loss) else "gradient"
        message = f"the {what} is not finite at step {self.step}, of {names}; the batch is in {folder / BAD_BATCH}"
        if self.skipped >= self.skip_steps:
            raise InputError(f"{message}. Look at these recordings, or lower train.learning_rate")
        warnings.warn(f"{message}. The step is skipped", stacklevel=2)
        self.skipped += 1

    def _record(self, folder: Path, reached: Callable[..., Checkpoint]) -> None:
        """Validate, and write what came of it: a row of the metrics and the checkpoints."""
        loss = self.validate()
        if not math.isfinite(loss):
            raise InputError(f"the validation loss at step {self.step} is not finite; lower train.learning_rate")
        rate = self.schedule.get_last_lr()[0]
        self.rows.append(row_of(self.step, loss, self.skipped, self.recent, self.batch, rate))
        better, self.best_loss = loss < self.best_loss, min(self.best_loss, loss)
        self.recent = Counter(dict.fromkeys(RECENT, 0))
        if self.ranks.rank > 0:
            return
        write_metrics(folder, self.rows)
        if better:
            checkpoint.save(folder / checkpoint.BEST, reached(self.state()))
        checkpoint.save_last(folder, reached(self.state()))  # after all else: who is stopped here does the step again


def check_steps(state: dict[str, Any], steps: int) -> None:
    """Refuse to end a run at ``steps`` where the state of its trainer is further; InputError."""
    if steps < state["step"]:
        raise InputError(f"train.steps = {steps}: the run has made {state['step']} steps already; name these or more")
