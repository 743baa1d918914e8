"""Studies: what is refused, which runs are whose, and that every committed study is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml

from rppg_graph.cli.ablation.study import chosen_runs, load_study, study_runs
from rppg_graph.errors import InputError
from rppg_graph.losses import LABELS, LOSSES
from rppg_graph.models import MODELS

STUDIES = sorted((Path(__file__).resolve().parents[3] / "configs" / "ablations").glob("*.yaml"))
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
    for variant in study.variants:
        study.config(variant, 1)
        config = study.config(variant, 1, ["data.crop.size=16", "data.clip_frames=32"])
        torch.manual_seed(1)
        model = MODELS[config.model.name](**config.model.options).train()
        video, pulse = torch.rand(2, 3, 32, 16, 16), torch.randn(2, 32)
        loss = LOSSES[config.train.loss or "neg_pearson"](model(video), LABELS[model.label](pulse))
        loss.backward()
        assert torch.isfinite(loss), variant.name
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None), variant.name
