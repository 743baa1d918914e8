"""The trainer: what it sees, that a resumed run is the undisturbed one, and what it refuses."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rppg_graph.data.augment import Augment
from rppg_graph.data.clips import ClipDataset
from rppg_graph.errors import InputError
from rppg_graph.models.checkpoint import load
from rppg_graph.models.stgnet import STGNet
from rppg_graph.training import trainer as trainer_module
from rppg_graph.training.trainer import StepSampler, Trainer, read_metrics

FRAMES, SIZE = 24, 32
OPTIONS = {"stages": [[1, 4, 2]], "clip_frames": FRAMES, "size": SIZE}
CONFIG = {"model": {"name": "stgnet_small", "options": OPTIONS}}


def recording(seed: int, length: int = 120) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    pulse = np.sin(2 * np.pi * rng.uniform(0.8, 2.0) * np.arange(length) / 30)
    base = rng.uniform(80, 160, (1, SIZE, SIZE, 3))
    frames = base + 6 * pulse[:, None, None, None] + rng.normal(0, 2, (length, SIZE, SIZE, 3))
    return SimpleNamespace(
        frames=frames.clip(0, 255).astype(np.uint8), seconds=np.arange(length) / 30, face=np.ones(length, bool),
        pulse=pulse, fps=30.0,
    )  # fmt: skip


def trainer(steps: int = 6, **changes) -> Trainer:
    torch.manual_seed(0)
    training = ClipDataset([recording(i) for i in range(3)], FRAMES, 24, Augment(FRAMES), seed=1)
    validation = ClipDataset([recording(9)], FRAMES, 24)
    settings = {"steps": steps, "batch": 2, "learning_rate": 1e-3, "validate_every": 2, "seed": 1} | changes
    return Trainer(STGNet(**OPTIONS), "neg_pearson", training, validation, **settings)


def test_every_epoch_shows_every_clip_once():
    keys = list(StepSampler(clips=7, batch=3, first_step=0, steps=14, seed=5))
    assert len(keys) == 42
    for epoch in range(6):
        assert sorted(clip for clip, e in keys if e == epoch) == list(range(7))
    orders = [[clip for clip, e in keys if e == epoch] for epoch in range(6)]
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.parametrize("first_step", [1, 2, 5, 13])
def test_a_resumed_sampler_goes_on_in_the_middle_of_an_epoch(first_step):
    whole = list(StepSampler(clips=7, batch=3, first_step=0, steps=14, seed=5))
    assert list(StepSampler(clips=7, batch=3, first_step=first_step, steps=14, seed=5)) == whole[3 * first_step :]


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_a_resumed_run_ends_where_an_undisturbed_one_does(tmp_path, schedule):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    whole.mkdir(), halves.mkdir()
    trainer(schedule=schedule).run(whole, CONFIG, 70.0)

    class Stopped(Exception):
        pass

    first = trainer(schedule=schedule)
    fit = first._fit

    def fit_until_killed(video, pulse):
        if first.step == 5:  # a checkpoint was written at step 4: step 5 is done again
            raise Stopped
        return fit(video, pulse)

    first._fit = fit_until_killed
    with pytest.raises(Stopped):
        first.run(halves, CONFIG, 70.0)
    second, last = trainer(schedule=schedule), load(halves / "last.pt")
    second.model.load_state_dict(last.model.state_dict())
    second.resume(last.training)
    assert second.step == 4
    second.run(halves, CONFIG, 70.0)

    a, b = load(whole / "last.pt").model.state_dict(), load(halves / "last.pt").model.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    same = ("step", "loss", "validation_loss", "learning_rate")
    rows = [[{key: row[key] for key in same} for row in read_metrics(folder)] for folder in (whole, halves)]
    assert rows[0] == rows[1]


def test_a_run_may_be_told_to_go_on_further(tmp_path):
    first = trainer(steps=2)
    first.run(tmp_path, CONFIG, 70.0)
    further = trainer(steps=4)
    further.model.load_state_dict(first.model.state_dict())
    further.resume(load(tmp_path / "last.pt").training)
    further.run(tmp_path, CONFIG, 70.0)
    undisturbed = trainer(steps=4)
    undisturbed.run(tmp_path, CONFIG, 70.0)
    a, b = further.model.state_dict(), undisturbed.model.state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)
    with pytest.raises(InputError, match="has made 4 steps already"):
        trainer(steps=3).resume(load(tmp_path / "last.pt").training)


def test_a_schedule_that_ends_is_not_made_longer():
    state = trainer(steps=2, schedule="one_cycle").state()
    with pytest.raises(InputError, match=r"train.steps = 4: the schedule one_cycle was laid out for 2 steps"):
        trainer(steps=4, schedule="one_cycle").resume(state)


def test_best_checkpoint_is_the_one_of_lowest_validation_loss(tmp_path):
    t = trainer(steps=8)
    losses = iter([0.9, 0.4, 0.7, 0.6])
    t.validate = lambda: next(losses)
    t.run(tmp_path, CONFIG, 70.0)
    best, last = load(tmp_path / "best.pt"), load(tmp_path / "last.pt")
    assert (best.training["step"], last.training["step"]) == (4, 8)
    assert best.training["best_loss"] == last.training["best_loss"] == 0.4
    assert (best.fps, best.mean_bpm) == (30.0, 70.0)


def test_a_loss_that_is_no_number_stops_with_a_cure(tmp_path):
    t = trainer()
    with torch.no_grad():
        t.model.head.out.bias.fill_(float("nan"))
    with pytest.raises(InputError, match=r"step 0.*learning_rate"):
        t.run(tmp_path, CONFIG, 70.0)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_read_a_step_later_is_the_same_loss(tmp_path):
    rows = []
    for unread in (0, 1):
        folder = tmp_path / str(unread)
        folder.mkdir()
        t = trainer(steps=5)
        t.unread = unread  # as on CUDA
        t.run(folder, CONFIG, 70.0)
        rows.append([(row["step"], row["loss"], row["validation_loss"]) for row in read_metrics(folder)])
    assert rows[0] == rows[1]
    assert [step for step, *_ in rows[0]] == [2, 4, 5]


def test_a_batch_that_does_not_fit_is_an_error_with_a_cure(tmp_path):
    t = trainer(batch=4)

    def too_much(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9.00 GiB.\nGPU 0 has a total of ...")

    t.model.head.register_forward_pre_hook(too_much)
    with pytest.raises(InputError, match=r"train\.batch = 4: step 0 does not fit .*9\.00 GiB\.\); use train\.batch=2"):
        t.run(tmp_path, CONFIG, 70.0)


@pytest.mark.slow
def test_a_compiled_step_is_the_step(tmp_path, monkeypatch):
    """Traced whole, forward and backward; torch's own C++ would take minutes to build."""
    monkeypatch.setattr(trainer_module, "compiled", partial(trainer_module.compiled, backend="aot_eager"))
    rows = []
    for number, compile in enumerate((False, True)):
        folder = tmp_path / str(number)
        folder.mkdir()
        t = trainer(steps=3, compile=compile)
        t.model.stages[0].denoise[0].drop_path.p = 0.0  # it draws other numbers
        t.run(folder, CONFIG, 70.0)
        rows.append(read_metrics(folder))
    for plain, fast in zip(*rows, strict=True):
        assert fast["loss"] == pytest.approx(plain["loss"], abs=1e-3)
        assert fast["validation_loss"] == pytest.approx(plain["validation_loss"], abs=1e-3)
    assert load(tmp_path / "1" / "last.pt").model.state_dict().keys() == t.model.state_dict().keys()


def test_no_clips_is_refused():
    with pytest.raises(InputError, match="no training clip"):
        Trainer(STGNet(**OPTIONS), "mse", ClipDataset([], FRAMES, 24), ClipDataset([recording(1)], FRAMES, 24),
                steps=1, batch=1, learning_rate=1e-3)  # fmt: skip


def test_metrics_survive_a_line_cut_off_by_a_stop(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"step": 2, "loss": 1.0}\n{"step": 4, "lo')
    assert read_metrics(tmp_path) == [{"step": 2, "loss": 1.0}]


@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_no_step_keeps_the_start_and_says_what_it_is_worth(tmp_path, schedule):
    started = trainer(steps=0, schedule=schedule)
    before = {name: value.clone() for name, value in started.model.state_dict().items()}
    started.run(tmp_path, CONFIG, 70.0)
    (row,) = read_metrics(tmp_path)
    assert row == {"step": 0, "validation_loss": pytest.approx(trainer(steps=0).validate())}
    kept = load(tmp_path / "best.pt").model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in kept.items())
