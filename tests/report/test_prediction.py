"""What is said of one video: its answer in a sentence, its report."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from rppg_graph.inference.judged import Verdict
from rppg_graph.inference.predict import Prediction
from rppg_graph.models import MODELS
from rppg_graph.pulse.heart_rate import VIDEO, HeartRate, heart_rate
from rppg_graph.report.graph_view import view_network
from rppg_graph.report.prediction import answer, report_of

FPS = 30.0


@pytest.fixture
def predicted(make_wave) -> Prediction:
    wave = make_wave("v", 70.0, 70.0).prediction
    gap = wave.copy()
    gap[300:400] = np.nan
    return Prediction("pos", FPS, gap, heart_rate(wave, FPS), VIDEO.track(wave, FPS), 900, 900)


def test_the_answer_is_one_sentence_with_how_sure_it_is(predicted):
    assert answer(predicted) == "70 beats a minute."
    verdict = Verdict(70.0, 0.934, 0.8, "the head moves at this rate", [])
    judged = replace(predicted, verdict=verdict, interval_bpm=3.4)
    assert answer(judged) == "70 ± 3 beats a minute, right within 5 bpm with a probability of 93%."
    assert "±" not in answer(replace(judged, interval_bpm=30.0))
    poor = replace(predicted, rate=replace(predicted.rate, quality=0.2))
    assert answer(poor) == "70 beats a minute; the signal is poor, so do not rely on it."
    assert answer(replace(predicted, rate=HeartRate(None, reason="too short"))) == "No heart rate: too short."
    page = report_of("v.mp4", judged, ["2 faces <&>"])
    assert page.index("70 ± 3 beats") < page.index("against it: the head moves at this rate") < page.index("<svg")
    assert page.index("2 faces &lt;&amp;&gt;") < page.index("<svg") < page.index("All numbers")


def test_one_video(predicted, tmp_path, browse):
    torch.manual_seed(0)
    model = MODELS["stgnet_small"](stages=[(1, 8, 1)], clip_frames=32).eval()
    network = view_network(model, torch.rand(1, 3, 32, 32, 32), FPS)
    path = tmp_path / "video.html"
    page = report_of("face <&>.mp4", predicted, network=network)
    path.write_text(page, encoding="utf-8")
    assert "face &lt;&amp;&gt;.mp4" in page
    assert "900 of 900 frames" in page
    assert "data:image" not in page
    assert 'class="line ref"' not in page
    found, console = browse(path)
    assert (found["hidden"], found["empty"], found["bare"], console) == ([], 0, 0, [])


def test_one_video_with_its_face(predicted, tmp_path, browse):
    path = tmp_path / "video.html"
    face = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    page = report_of("v.mp4", predicted, face=face)
    path.write_text(page, encoding="utf-8")
    found, console = browse(path)
    assert page.count("data:image/png") == 1
    assert (found["hidden"], console) == ([], [])


def test_one_video_without_a_heart_rate(predicted):
    bvp = predicted.bvp[:100]
    page = report_of("v.mp4", replace(predicted, bvp=bvp, rate=HeartRate(None, reason="too <short>"),
                                      track=VIDEO.track(bvp, FPS)))  # fmt: skip
    assert "No heart rate: too &lt;short&gt;" in page
    assert "no window of ten seconds" in page


def test_a_calibrated_interval_is_the_band(predicted):
    def heights(bpm=None):
        widths = None if bpm is None else np.full(len(predicted.track.bpm), bpm)
        page = report_of("v.mp4", replace(predicted, track_interval_bpm=widths))
        corners = re.search(r'class="band m0" d="([^"]*)Z"', page)[1]
        rows = [float(number) for number in re.findall(r"[+-]?\d+(?:\.\d+)?", corners)][1::2]
        return abs(rows[0] - rows[-1]), "validation recordings" in page

    narrow, wide = heights(1.0), heights(2.0)
    assert wide[0] == pytest.approx(2 * narrow[0], abs=0.2)
    assert narrow[1]
    assert not heights()[1]
