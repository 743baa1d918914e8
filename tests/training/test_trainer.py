"""The trainer: that a run which is stopped at any moment ends as an undisturbed one, and what ends a run."""

import shutil
import signal
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from rppg_graph.data.augment import Augment
from rppg_graph.data.clip_dataset import ClipDataset
from rppg_graph.errors import InputError
from rppg_graph.models.checkpoint import BEFORE, BEST, LAST, latest, load, read_tensors
from rppg_graph.models.stgnet import STGNet
from rppg_graph.training import trainer as trainer_module
from rppg_graph.training.distributed import Ranks
from rppg_graph.training.sampler import StepSampler
from rppg_graph.training.trainer import BAD_BATCH, Trainer, read_metrics

FRAMES, SIZE = 24, 16
OPTIONS = {"stages": [[1, 4, 2]], "clip_frames": FRAMES, "size": SIZE}
CONFIG = {"model": {"name": "stgnet_small", "options": OPTIONS}}


def recording(seed: int, length: int = 120) -> SimpleNamespace:
    rng = np.random.default_rng(seed)
    pulse = np.sin(2 * np.pi * rng.uniform(0.8, 2.0) * np.arange(length) / 30)
    base = rng.uniform(80, 160, (1, SIZE, SIZE, 3))
    frames = base + 6 * pulse[:, None, None, None] + rng.normal(0, 2, (length, SIZE, SIZE, 3))
    return SimpleNamespace(
        frames=frames.clip(0, 255).astype(np.uint8), seconds=np.arange(length) / 30, face=np.ones(length, bool),
        name=f"person {seed}", pulse=pulse, fps=30.0,
    )  # fmt: skip


def trainer(steps: int = 6, options=OPTIONS, **changes) -> Trainer:
    torch.manual_seed(0)
    training = ClipDataset([recording(i) for i in range(3)], FRAMES, 24, Augment(FRAMES), seed=1)
    validation = ClipDataset([recording(9)], FRAMES, 24)
    settings = {"steps": steps, "batch": 2, "learning_rate": 1e-3, "validate_every": 2, "seed": 1} | changes
    return Trainer(STGNet(**options), "neg_pearson", training, validation, **settings)


def resumed(folder: Path, **changes) -> Trainer:
    """A trainer that goes on from a run's last checkpoint."""
    found, last = trainer(**changes), latest(folder)
    found.model.load_state_dict(last.model.state_dict())
    found.resume(last.training)
    return found


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load(folder / LAST).model.state_dict()


def assert_same_run(one: Path, other: Path) -> None:
    """The same weights and moments to the last bit, and the same metrics but for the time that they took."""
    a, b = load(one / LAST), load(other / LAST)
    assert all(torch.equal(value, b.model.state_dict()[name]) for name, value in a.model.state_dict().items())
    for first, second in zip(a.training["moments"], b.training["moments"], strict=True):
        assert all(torch.equal(first[name], second[name]) for name in first)
    times = ("seconds_per_step", "clips_per_second", "waiting_for_data")
    rows = [[{k: v for k, v in row.items() if k not in times} for row in read_metrics(f)] for f in (one, other)]
    assert rows[0] == rows[1]


def share(count: int, rank: int = 0, world: int = 1, **changes) -> list[tuple[int, int]]:
    settings = {"clips": 7, "batch": 6, "first_step": 0, "steps": 14, "seed": 5} | changes
    return list(StepSampler(**settings, parts=count, of=Ranks(rank, world, rank)))


def test_every_epoch_shows_every_clip_once():
    keys = [key for part in share(1) for key in part]
    assert len(keys) == 84
    for epoch in range(12):
        assert sorted(clip for clip, e in keys if e == epoch) == list(range(7))
    orders = [[clip for clip, e in keys if e == epoch] for epoch in range(12)]
    assert len({tuple(order) for order in orders}) > 1


@pytest.mark.promise("another number of processes goes on", "the same order of clips")
@pytest.mark.parametrize("first_step", [1, 2, 5, 13])
@pytest.mark.parametrize(("world", "parts"), [(1, 1), (1, 3), (2, 1), (3, 2), (6, 1)])
def test_any_number_of_processes_goes_on_with_the_same_order_of_clips(first_step, world, parts):
    whole = [key for batch in share(1) for key in batch]
    shares = [share(parts, rank, world, first_step=first_step) for rank in range(world)]
    per_step = [[part for found in shares for part in found[step * parts :][:parts]] for step in range(14 - first_step)]
    assert [key for step in per_step for part in step for key in part] == whole[6 * first_step :]


class Killed(Exception):
    pass


def stop_in_step(found: Trainer, step: int, how: str) -> None:
    """Kill a run while it makes a step, or ask it to stop then."""
    fit = found._fit

    def fit_until_then(parts, folder):
        if found.step == step and how == "kill":
            raise Killed
        if found.step == step:
            signal.raise_signal(getattr(signal, how))
        return fit(parts, folder)

    found._fit = fit_until_then


@pytest.mark.promise("a training is stopped in any step", "it goes on to the same weights, bit for bit")
@pytest.mark.parametrize(
    ("how", "schedule"), [("kill", "constant"), ("kill", "one_cycle"), ("SIGTERM", "one_cycle"), ("SIGINT", "constant")]
)
def test_a_run_stopped_in_any_step_ends_as_an_undisturbed_one(tmp_path, schedule, how):
    """In the first, in one after which a checkpoint is due, and in one between; and twice in one run."""
    whole = tmp_path / "whole"
    whole.mkdir()
    trainer(5, schedule=schedule).run(whole, CONFIG, 70.0)
    for number, steps in enumerate(((0,), (1,), (2, 4))):
        folder = tmp_path / str(number)
        folder.mkdir()
        for step in steps:
            going = resumed(folder, steps=5, schedule=schedule) if latest(folder) else trainer(5, schedule=schedule)
            stop_in_step(going, step, how)
            with pytest.raises((Killed, SystemExit, KeyboardInterrupt)):
                going.run(folder, CONFIG, 70.0)
            assert how == "kill" or latest(folder).training["step"] == step + 1
        going = resumed(folder, steps=5, schedule=schedule) if latest(folder) else trainer(5, schedule=schedule)
        going.run(folder, CONFIG, 70.0)
        assert_same_run(whole, folder)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.promise("a run is made longer", "its schedule is that of the longer run, and it says so")
@pytest.mark.parametrize("schedule", ["constant", "one_cycle"])
def test_a_run_may_be_told_to_go_on_further(tmp_path, schedule):
    """Its schedule is then that of the longer run, and it says so."""
    trainer(steps=4, schedule=schedule).run(tmp_path, CONFIG, 70.0)
    undisturbed, rates = trainer(steps=8, schedule=schedule), {}
    for step in range(8):
        rates[step] = undisturbed.schedule.get_last_lr()[0]
        undisturbed.optimiser.step()
        undisturbed.schedule.step()
    if schedule == "one_cycle":
        with pytest.warns(UserWarning, match=r"laid out anew for 8 steps: at step 4 the learning rate goes from"):
            further = resumed(tmp_path, steps=8, schedule=schedule)
    else:
        further = resumed(tmp_path, steps=8, schedule=schedule)
    assert further.schedule.get_last_lr()[0] == rates[4]
    further.run(tmp_path, CONFIG, 70.0)
    assert [row["step"] for row in read_metrics(tmp_path)] == [2, 4, 6, 8]
    assert read_metrics(tmp_path)[2]["learning_rate"] == rates[6]
    if schedule == "constant":
        undisturbed = tmp_path / "undisturbed"
        undisturbed.mkdir()
        trainer(steps=8).run(undisturbed, CONFIG, 70.0)
        assert_same_run(undisturbed, tmp_path)
    with pytest.raises(InputError, match="has made 8 steps already"):
        resumed(tmp_path, steps=3)


@pytest.mark.promise("a run of an older version", "it goes on to the same weights")
def test_a_run_of_an_older_version_goes_on(tmp_path):
    """Its checkpoint is a pickled one, and knows nothing of rows."""
    whole, older = tmp_path / "whole", tmp_path / "older"
    whole.mkdir(), older.mkdir()
    trainer(steps=4).run(whole, CONFIG, 70.0)
    first = trainer(steps=2)
    first.run(older, CONFIG, 70.0)
    training = {"step": 2, "best_loss": first.best_loss, "optimiser": first.optimiser.state_dict()}
    training["schedule"] = first.schedule.state_dict()
    content = {"format": "rppg_graph-checkpoint-1", "model": first.model.state_dict(), "training": training}
    content |= {"config": CONFIG, "fps": 30.0, "mean_bpm": 70.0, "calibration": None}
    for name in (BEST, LAST):
        (older / name).unlink()
        torch.save(content, older / f"{name.split('.')[0]}.pt")
    resumed(older, steps=4).run(older, CONFIG, 70.0)
    assert_same_run(whole, older)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(content)
    if how == "deleted":
        path.unlink()


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    """A whole run of six steps, and one that was killed in the last of them."""
    whole, killed = (tmp_path_factory.mktemp(name) for name in ("whole", "killed"))
    trainer(6).run(whole, CONFIG, 70.0)
    first = trainer(6)
    stop_in_step(first, 5, "kill")
    with pytest.raises(Killed):
        first.run(killed, CONFIG, 70.0)
    return whole, killed


@pytest.mark.promise("a file of a run is damaged", "another takes over, with a message; the same weights")
@pytest.mark.parametrize("how", ["truncated", "flipped", "deleted"])
@pytest.mark.parametrize("name", [LAST, BEFORE, BEST, "metrics.jsonl"])
def test_a_damaged_file_of_a_run_loses_nothing(runs, tmp_path, name, how):
    """The checkpoint before takes over from the last; metrics come back from the checkpoint; a best is found again."""
    whole, folder = runs[0], shutil.copytree(runs[1], tmp_path / "run")
    damage(folder / name, how)
    if name == LAST:
        with pytest.warns(UserWarning, match=r"The run goes on from .*last-before"):
            going = resumed(folder, steps=6)
        assert going.step == 2
    else:
        going = resumed(folder, steps=6)
    if name == BEST:
        with pytest.warns(UserWarning, match=r"best\.safetensors.*The last checkpoint is the best from here on"):
            going.run(folder, CONFIG, 70.0)
    else:
        going.run(folder, CONFIG, 70.0)
    assert_same_run(whole, folder)
    assert load(folder / BEST).training["step"]


@pytest.mark.promise("all checkpoints of a run are damaged", "a message says what to do")
def test_a_run_with_no_whole_checkpoint_says_what_to_do(tmp_path):
    trainer(6).run(tmp_path, CONFIG, 70.0)
    damage(tmp_path / LAST, "flipped"), damage(tmp_path / BEFORE, "truncated")
    with pytest.raises(InputError, match=r"last\.safetensors is damaged: its checksum.*start anew, or from .*best"):
        latest(tmp_path)


def test_best_checkpoint_is_the_one_of_lowest_validation_loss(tmp_path):
    t = trainer(steps=8)
    losses = iter([0.9, 0.4, 0.7, 0.6])
    t.validate = lambda: next(losses)
    t.run(tmp_path, CONFIG, 70.0)
    best, last = load(tmp_path / BEST), load(tmp_path / LAST)
    assert (best.training["step"], last.training["step"]) == (4, 8)
    assert best.training["best_loss"] == last.training["best_loss"] == 0.4
    assert (best.fps, best.mean_bpm) == (30.0, 70.0)


def test_metrics_say_how_the_training_goes(tmp_path):
    trainer(steps=2, clip_gradient=1e-3).run(tmp_path, CONFIG, 70.0)
    (row,) = read_metrics(tmp_path)
    assert row["gradient_norm"] > 1e-3  # before it is clipped
    assert row["skipped"] == 0
    assert row["clips_per_second"] == pytest.approx(2 / row["seconds_per_step"])


def spoil(found: Trainer, what: str) -> None:
    """A loss, or a gradient alone, of step 1 that is not finite."""
    loss, count = found.loss, iter(range(100))

    def spoilt(prediction, label):
        value = loss(prediction, label)
        if next(count) != 1 or not prediction.requires_grad:
            return value
        return value * torch.inf if what == "loss" else value + prediction.sub(prediction.detach()).sqrt().sum()

    found.loss = spoilt


@pytest.mark.promise("a loss or gradient is not finite", "the batch is saved, its recordings are named")
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_or_gradient_that_is_not_finite_names_its_recordings(tmp_path, what):
    t = trainer(validate_every=10)
    keys = t._sampler().keys(1)
    spoil(t, what)
    with pytest.raises(InputError, match=rf"the {what} is not finite at step 1, of person \d .*learning_rate") as error:
        t.run(tmp_path, CONFIG, 70.0)
    batch, about = read_tensors(tmp_path / BAD_BATCH)
    assert [tuple(key) for key in about["keys"]] == keys
    for number, key in enumerate(keys):
        video, pulse = t.train_clips[key]
        assert torch.equal(batch["video"][number], video)
        assert torch.equal(batch["pulse"][number], pulse)
        assert t.train_clips.named(key) in str(error.value)


def test_steps_may_be_skipped_and_are_counted(tmp_path):
    t = trainer(steps=4, skip_steps=1)
    spoil(t, "gradient")
    with pytest.warns(UserWarning, match=r"at step 1, .*The step is skipped"):
        t.run(tmp_path, CONFIG, 70.0)
    assert [row["skipped"] for row in read_metrics(tmp_path)] == [1, 1]
    assert all(torch.isfinite(value).all() for value in weights(tmp_path).values())


def test_a_batch_in_parts_is_one_in_whole_where_batch_norm_is_frozen(tmp_path):
    still = {"steps": 3, "batch": 4, "freeze_batch_norm": True, "validate_every": 1, "learning_rate": 1e-4}
    still["options"] = OPTIONS | {"graph": "self"}  # a rounding exchanges neighbours, and that is seen
    losses = []
    for parts in (1, 2, 4):
        (folder := tmp_path / str(parts)).mkdir()
        trainer(parts=parts, **still).run(folder, CONFIG, 70.0)
        losses.append([row["loss"] for row in read_metrics(folder)])
    np.testing.assert_allclose(losses[1:], [losses[0]] * 2, rtol=0, atol=1e-5)
    with pytest.raises(InputError, match=r"train.batch = 4: 1 processes × 3 parts do not divide it; .* multiple of 3"):
        trainer(parts=3, **still)


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
    assert load(tmp_path / "1" / LAST).model.state_dict().keys() == t.model.state_dict().keys()


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
    assert row == {"step": 0, "validation_loss": pytest.approx(trainer(steps=0).validate()), "skipped": 0}
    kept = load(tmp_path / BEST).model.state_dict()
    assert all(torch.equal(value, before[name]) for name, value in kept.items())
