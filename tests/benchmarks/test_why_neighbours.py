"""What neighbours share and what a block does to the pulse: by hand; and what the answers of the studies say of it."""

import numpy as np
import pytest
import torch

from rppg_graph.pulse.metrics import Metric

FRAMES, FPS = 300, 30.0


@pytest.fixture
def why(load_bench):
    return load_bench("why_neighbours")


def wave(hz: float, size: float = 1.0) -> torch.Tensor:
    return size * torch.sin(2 * torch.pi * hz * torch.arange(FRAMES) / FPS)


@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_the_ratio_is_that_of_the_powers(why, noise):
    features = torch.stack([wave(1.2), wave(3.0, noise)])[None, :, None]  # a channel with the pulse, one without
    assert why.snr_of_features(features, 72.0) == pytest.approx(-20 * np.log10(noise), abs=0.2)


def test_everybody_shares_what_chance_gives_and_a_twin_everything(why):
    nodes = {"place": torch.rand(20, 2, dtype=torch.float64)}
    everybody = torch.arange(20).expand(20, -1)
    assert why.shares(everybody, nodes)["place"] == pytest.approx(1)
    twins = {"place": nodes["place"].repeat(2, 1)}
    assert why.shares(torch.arange(40)[:, None].roll(20, 0), twins)["place"] == 0


def test_properties_are_those_of_the_patch_and_its_time(why):
    colours = torch.full((1, 3, FRAMES, 64), 100.0)
    colours[0, 1, :, :2] = 50.0  # the first patch of four by four is half dark: two of its four cells
    colours += 0.1 * torch.randn(colours.shape, generator=torch.Generator().manual_seed(0))
    found = why.properties(colours, wave(1.0).numpy(), (75, 4, 4))
    assert all(len(values) == 75 * 16 for values in found.values())
    assert found["brightness"][:16].argmin() == 0
    assert found["brightness"][0, 0] - found["brightness"][1, 0] == pytest.approx(np.log(0.75), abs=0.01)
    phase = found["phase of the pulse"][16 * 20 :: 16 * 15][:3]  # two seconds apart: whole beats
    assert torch.cdist(phase, phase).max() < 0.1
    half = found["phase of the pulse"][[16 * 20, 16 * 24]]  # 16 frames: half a beat
    assert (half[0] - half[1]).norm() == pytest.approx(2, abs=0.1)


def test_a_verdict_says_better_and_worse_by_the_figure_and_how_large_the_rest_may_be(load_bench):
    found = {
        "errors": Metric(-0.5, 0.1, -0.8, -0.2, 10),
        "close": Metric(-0.02, 0.01, -0.03, -0.01, 10),
        "snr": Metric(0.1, 0.1, -0.2, 0.4, 10),
    }
    assert load_bench("graph_answers").verdict(found) == "**better** by 0.5 bpm; **worse** by 2 points; within 0.4 dB"


@pytest.mark.slow
def test_every_variant_is_timed_in_both_modes(quick_run):
    rows = quick_run("variants").document["rows"]
    assert len(rows) == 4
    assert {row["mode"] for row in rows} == {"inference", "step"}
    assert all(0 < row["p20_ms"] <= row["median_ms"] <= row["p80_ms"] for row in rows)


def test_variants_that_studies_share_are_timed_once(load_bench):
    names = list(load_bench("bench_variants").networks())
    assert "neighbours: k=16" in names
    assert not any(name.endswith((": cosine, k=16", ": cosine, raw", ": mean")) for name in names)
    answers = load_bench("graph_answers")
    studies = [answers.study_of(name) for name in answers.STUDIES]
    assert len(names) == len({answers.options_of(study, each.name) for study in studies for each in study.variants})


def test_sentences_name_what_differs_and_bound_what_does_not(load_bench):
    same, worse, less = Metric(0.1, 0.1, -0.7, 0.9, 9), Metric(0.9, 0.2, 0.5, 1.3, 9), Metric(-0.1, 0.0, -0.2, -0.05, 9)
    found = {"random": [worse, less, same], "none": [same, same, less], "k=4": [same, same, same]}
    said = load_bench("graph_answers")._in_words(found).split("; ")
    assert said == [
        "MAE is larger with `random` (0.9 bpm)",
        "no difference in MAE is seen, and none above 0.9 bpm, with `none`, `k=4`",
        "fewer windows are within 5 bpm with `random` (10 points)",
        "the wave has less pulse with `none` (0.1 dB)",
    ]
