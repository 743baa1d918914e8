"""Configs: what is refused, and in which words."""

import pytest
import yaml

from rppg_graph.config import Config, describe, load_config
from rppg_graph.errors import InputError
from rppg_graph.experiments.compare import load_plan
from rppg_graph.experiments.plan import planned_runs


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text("data: {root: recordings}\ntrain: {steps: 300, learning_rate: 1e-3}\n")
    return path


def test_yaml_floats_without_a_point_are_numbers(config):
    assert load_config(config).train.learning_rate == 1e-3


def test_overrides_win(config):
    loaded = load_config(config, ["train.steps=7", "model.options.k=3", "data.split=sorted-80-20"])
    assert (loaded.train.steps, loaded.model.options, loaded.data.split) == (7, {"k": 3}, "sorted-80-20")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.lerning_rate=1", ["train.lerning_rate", "1", "did you mean train.learning_rate"]),
        ("trian.steps=1", ["trian", "did you mean train"]),
        ("train.steps=-1", ["train.steps", "-1", "greater than or equal to 0"]),
        ("train.steps=many", ["train.steps", "'many'", "integer"]),
        ("train.schedule=warm", ["train.schedule", "'warm'", "constant"]),
        ("data.crop.policy=never", ["data.crop.policy", "'never'", "skip"]),
        ("train.steps", ["train.steps", "key.path=value"]),
        ("seed.x=1", ["seed", "valid integer"]),
        ("train.steps.x=1", ["train.steps", "not a section"]),
    ],
)
def test_refusals_name_path_value_and_cure(config, override, words):
    with pytest.raises(InputError) as refusal:
        load_config(config, [override])
    for word in words:
        assert word in str(refusal.value)


@pytest.mark.parametrize("text", ["", "- a list", "just words", "a: [1", "\x00"])
def test_files_that_are_no_config(tmp_path, text):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"bad\.yaml"):
        load_config(path)


def test_missing_file_and_missing_key(tmp_path, config):
    with pytest.raises(InputError, match=r"none\.yaml"):
        load_config(tmp_path / "none.yaml")
    config.write_text("seed: 1\n")
    with pytest.raises(InputError, match=r"data\.root is missing"):
        load_config(config)


def test_a_config_has_the_keys_of_the_file_that_it_extends(config):
    longer = config.with_name("longer.yaml")
    longer.write_text("extends: experiment.yaml\ntrain: {steps: 900}\n")
    loaded = load_config(longer, ["train.batch=3"])
    assert (loaded.train.steps, loaded.train.learning_rate, loaded.train.batch) == (900, 1e-3, 3)
    longer.write_text("extends: elsewhere.yaml\n")
    with pytest.raises(InputError, match=r"elsewhere\.yaml"):
        load_config(longer)


def test_every_committed_config_is_valid(repository, tmp_path):
    paths = [path for folder in ("", "weights") for path in (repository / "configs" / folder).glob("*.yaml")]
    assert len({path.parent for path in paths}) == 2
    for path in paths:
        if "base" in yaml.safe_load(path.read_text()):  # a plan of many experiments
            assert planned_runs(load_plan(path), tmp_path)
        else:
            load_config(path)


def test_keys_are_described():
    table = describe(Config)
    assert table["data.crop.size"]
    assert "train.augment.noise" in table
