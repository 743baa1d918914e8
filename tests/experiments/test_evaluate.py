"""Whom an evaluation is on, where several networks were trained apart."""

import warnings

import pytest

from rppg_graph.config import Config
from rppg_graph.data.splits import Split, write_splits
from rppg_graph.experiments.evaluate import subjects_of


def test_a_network_that_learnt_from_those_it_is_measured_on_is_named(tmp_path):
    (tmp_path / "people").mkdir()
    for name in ("1", "2", "3"):
        (tmp_path / "people" / f"{name}.mp4").touch()
    config = Config(data={"root": tmp_path / "people"})
    splits = {"own": Split("a", train=("1",), validation=("2",), test=("3",))}
    splits["other"] = Split("b", train=("2",), validation=("3",), test=("1",))
    for name, split in splits.items():
        (tmp_path / name).mkdir()
        write_splits(tmp_path / name / "split.yaml", [split])
    own, other = (tmp_path / name / "best.safetensors" for name in splits)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert subjects_of([own, own], config.data, "test", config) == ("3",)
    with pytest.warns(UserWarning, match=r"other/best.safetensors learnt from subject 3, on whom it is measured"):
        assert subjects_of([own, other], config.data, "test", config) == ("3",)
