"""Studies: what is refused, which runs are whose, and that every committed study is one."""

from pathlib import Path

import pytest
import torch
import yaml

from rppg_graph.errors import InputError
from rppg_graph.experiments.study import chosen_runs, load_study, start_run, study_runs
from rppg_graph.models import MODELS
from rppg_graph.training.losses import LABELS, LOSSES

STUDIES = sorted((Path(__file__).resolve().parents[2] / "configs" / "ablations").glob("*.yaml"))
BASE = {"data": {"root": "people", "clip_frames": 32}, "model": {"name": "stgnet_small"}}
VARIANTS = [{"name": "a"}, {"name": "b", "overrides": ["model.options.k=3"]}]
STUDY = {"question": "?", "base": BASE, "variants": VARIANTS, "seeds": [1, 2, 3]}


@pytest.fixture
def study_file(tmp_path):
    def write(**changes) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump(STUDY | changes))
        return path

    return write


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variant": []}, "unknown key variant .*did you mean variants"),
        ({"variants": []}, "variants = .*at least 1"),
        ({"variants": [VARIANTS[0], VARIANTS[0]]}, "two variants are named 'a'"),
        ({"seeds": []}, "seeds = .*at least 1"),
        ({"seeds": [1, 1]}, "two seeds are 1"),
        ({"reference": "bb"}, "unknown reference .*'bb'.* did you mean b"),
        ({"evaluation": {"presets": ["esy"]}}, "unknown synthetic preset 'esy'; did you mean easy"),
        ({"evaluation": {"people": 3}}, "unknown key evaluation.people"),
        ({"variants": [{"name": "a", "overrides": ["train.step=3"]}]},
         "variant a: unknown key train.step .*did you mean train.steps"),
        ({"variants": [{"name": "a", "overrides": ["model.options.kk=3"]}]}, "unknown key kk"),
        ({"variants": [{"name": "a", "overrides": ["nonsense"]}]}, "must read key.path=value"),
        ({"extends": "nowhere.yaml"}, "cannot read .*nowhere.yaml"),
    ],
)  # fmt: skip
def test_bad_studies(study_file, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        study_runs(load_study(study_file(**changes)), tmp_path)


def test_a_study_has_the_keys_of_the_file_that_it_extends(study_file, tmp_path):
    (tmp_path / "base.yaml").write_text(yaml.safe_dump({"base": BASE, "seeds": [4], "question": "theirs"}))
    path = tmp_path / "short.yaml"
    path.write_text(yaml.safe_dump({"extends": "base.yaml", "question": "own", "variants": VARIANTS}))
    study = load_study(path)
    assert (study.question, study.seeds, study.base) == ("own", (4,), BASE)
    changed = {"extends": "short.yaml", "base": {"data": {"clip_frames": 64}}, "seeds": [5]}
    (tmp_path / "shorter.yaml").write_text(yaml.safe_dump(changed))
    study = load_study(tmp_path / "shorter.yaml")
    assert (study.question, study.seeds) == ("own", (5,))
    assert study.base == {"data": {"root": "people", "clip_frames": 64}, "model": {"name": "stgnet_small"}}


def test_a_variant_may_have_seeds_beside_those_of_the_plan(study_file, tmp_path):
    variants = [VARIANTS[0] | {"more_seeds": [5, 3]}, VARIANTS[1]]
    study = load_study(study_file(variants=variants))
    runs = study_runs(study, tmp_path)
    assert study.every_seed == (1, 2, 3, 5)
    assert [(run.seed, run.variant) for run in runs] == [
        (1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "b"), (5, "a")
    ]  # fmt: skip
    plain = study_runs(load_study(study_file()), tmp_path)
    assert [run.folder for run in runs[:6]] == [run.folder for run in plain]  # shared with it


def test_files_that_extend_each_other(tmp_path):
    (tmp_path / "a.yaml").write_text("extends: b.yaml")
    (tmp_path / "b.yaml").write_text("extends: a.yaml")
    with pytest.raises(InputError, match=r"a.yaml extends itself, by way of 2 files"):
        load_study(tmp_path / "a.yaml")


def test_all_runs_start_from_one_that_is_trained_with_the_first_seed(study_file, tmp_path):
    study = load_study(study_file(start={"name": "alone", "overrides": ["model.options.graph=self"]}))
    start, runs = start_run(study, tmp_path), study_runs(study, tmp_path)
    assert (start.variant, start.seed, start.config.model.options["graph"]) == ("alone", 1, "self")
    assert start.config.model.start is None
    assert {run.config.model.start for run in runs} == {start.folder / "best.safetensors"}
    assert [run.seed for run in runs] == [1, 1, 2, 2, 3, 3]
    # what a run is known by depends on the start, and not on where the runs are kept
    elsewhere = study_runs(study, tmp_path / "elsewhere")
    assert [run.folder.name for run in elsewhere] == [run.folder.name for run in runs]
    from_chance = study_runs(load_study(study_file()), tmp_path)
    assert not {run.folder for run in runs} & {run.folder for run in from_chance}
    assert start_run(load_study(study_file()), tmp_path) is None


@pytest.mark.parametrize("parts", [1, 2, 4, 7])
def test_shards_are_disjoint_and_complete(study_file, tmp_path, parts):
    runs = study_runs(load_study(study_file()), tmp_path)
    shards = [chosen_runs(runs, None, f"{part}/{parts}") for part in range(1, parts + 1)]
    found = [run.folder for shard in shards for run in shard]
    assert len(found) == len(set(found)) == len(runs) == 6
    assert chosen_runs(runs, ["b"], "1/2") == [run for run in runs if run.variant == "b"][::2]


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2"])
def test_shards_that_are_none(study_file, tmp_path, shard):
    with pytest.raises(InputError, match="give i/n"):
        chosen_runs(study_runs(load_study(study_file()), tmp_path), None, shard)
    with pytest.raises(InputError, match="unknown variant 'c'"):
        chosen_runs(study_runs(load_study(study_file()), tmp_path), ["c"], None)


def test_studies_share_a_run_of_the_same_config_alone(study_file, tmp_path):
    runs = study_runs(load_study(study_file()), tmp_path)
    renamed = study_runs(load_study(study_file(variants=[{"name": "other"}, VARIANTS[1]])), tmp_path)
    changed = study_runs(load_study(study_file(base=BASE | {"train": {"steps": 7}})), tmp_path)
    assert [run.folder for run in runs] == [run.folder for run in renamed]
    assert not {run.folder for run in runs} & {run.folder for run in changed}


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_variant_of_the_committed_studies_trains_a_step(path):
    study = load_study(path)
    start = start_run(study, path.parent)
    weights = start and MODELS[start.config.model.name](**start.config.model.options).state_dict()
    for variant in study.variants:
        whole = study.config(variant, 1)
        if weights:
            MODELS[whole.model.name](**whole.model.options).load_state_dict(weights)
        small = (*variant.overrides, "data.crop.size=16", "data.clip_frames=32")
        config = study.config(variant.model_copy(update={"overrides": small}), 1)
        torch.manual_seed(1)
        model = MODELS[config.model.name](**config.model.options).train()
        video, pulse = torch.rand(2, 3, 32, 16, 16), torch.randn(2, 32)
        loss = LOSSES[config.train.loss or "neg_pearson"](model(video), LABELS[model.label](pulse))
        loss.backward()
        assert torch.isfinite(loss), variant.name
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None), variant.name
