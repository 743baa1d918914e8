import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from markupsafe import escape

from rppg_graph.inference.evaluate import comparisons
from rppg_graph.models import MODELS
from rppg_graph.pulse.evaluation import evaluate_waves
from rppg_graph.pulse.measure import Wave
from rppg_graph.pulse.metrics import METRICS
from rppg_graph.report.graph_view import view_network
from rppg_graph.report.html import worst_first, write_evaluation_report

FPS = 30.0
ABOUT = {"data": "folder <&\"'>", "subjects": "test"}
LIGHT, DARK = "rgb(255, 255, 255)", "rgb(20, 23, 26)"


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = MODELS["stgnet_small"](stages=[(1, 8, 1)], clip_frames=32).eval()
    return view_network(model, torch.rand(1, 3, 32, 32, 32), FPS)


@pytest.fixture(scope="module")
def report(three_methods, network, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "report.html"
    write_evaluation_report(path, *three_methods, ABOUT, {"good": network})
    return path


def numbers(cell):
    return [float(text.replace("−", "-")) for text in re.findall(r"[+−-]?\d+(?:\.\d+)?", cell)]


@pytest.mark.parametrize(("identity", "which"), [("whole", "metrics"), ("windows", "window_metrics")])
def test_the_tables_are_the_evaluations(report, three_methods, tables_of, identity, which):
    evaluations, _ = three_methods
    head, *rows = tables_of(report)[identity]
    assert [row[0] for row in rows] == list(evaluations)
    for (_, *cells, n), evaluation in zip(rows, evaluations.values(), strict=True):
        metrics = getattr(evaluation, which)
        assert int(n) == metrics["MAE"].n > 0
        for cell, name in zip(cells, METRICS, strict=True):
            metric = metrics[name]
            expected = [metric.value, metric.standard_error, metric.low, metric.high]
            assert numbers(cell) == pytest.approx([x for x in expected if x is not None], abs=0.006)
    assert head[0] == "method"
    assert [column.split(" ")[0] for column in head[1:-1]] == list(METRICS)


def test_the_differences_are_the_comparisons(report, three_methods, tables_of):
    _, *rows = tables_of(report)["differences"]
    expected = {
        f"{pair}, {what}": metric
        for pair, metrics in comparisons(three_methods[0]).items()
        for what, metric in metrics.items()
    }
    assert [row[0] for row in rows] == list(expected)
    for (_, cell, n), metric in zip(rows, expected.values(), strict=True):
        assert numbers(cell)[0] == pytest.approx(metric.value, abs=0.006)
        assert int(n) == metric.n


def test_recordings_are_all_there_worst_first(report, three_methods, tables_of):
    evaluations, _ = three_methods
    measured = {row.name: row for row in evaluations["good"].recordings}
    _, *rows = tables_of(report)["recordings"]
    names = [row[0] for row in rows]
    assert sorted(names) == sorted(measured)
    assert names[0] == "flat"  # the one without a heart rate
    errors = [abs(measured[name].error_bpm) for name in names[1:]]
    assert errors == sorted(errors, reverse=True)
    headings = re.findall(r'<h3 id="recording-(\d+)">(.*?)</h3>', report.read_text(encoding="utf-8"))
    assert headings == [(str(place), escape(name)) for place, name in enumerate(names)]
    for name, _, seconds, reference, good, bad in rows[1:]:
        assert float(seconds) == pytest.approx(30.0)
        assert float(reference.rstrip("*")) == pytest.approx(measured[name].reference_bpm, abs=0.06)
        assert numbers(good) == pytest.approx([measured[name].bpm, measured[name].error_bpm], abs=0.06)
        assert len(numbers(bad)) == 2


def test_order_of_ties_and_failures(three_methods):
    rows = three_methods[0]["good"].recordings
    a, b = replace(rows[0], bpm=70.0, reference_bpm=72.0), replace(rows[0], bpm=75.0, reference_bpm=72.0)
    failed = replace(rows[0], bpm=None)
    assert worst_first([a, b, failed, a]) == [2, 1, 0, 3]


def test_names_are_escaped_and_nothing_is_fetched(report):
    page = report.read_text(encoding="utf-8")
    assert "c &lt;&amp;&#34;&#39;&gt; d" in page
    assert "bad &lt;&amp;&gt;" in page
    assert "<&" not in page
    assert not re.search(r"https?:|//[a-z]|@import|<script|<link|<iframe", page)
    assert all(target.startswith(("#", "data:")) for target in re.findall(r'(?:href|src)="([^"]*)"', page))


def test_the_stamp_is_there(report, three_methods):
    page = report.read_text(encoding="utf-8")
    protocol = three_methods[0]["good"].protocol
    assert f"Protocol {protocol.name}" in page
    assert escape(str(protocol.settings["filter"])) in page
    assert "test" in page


def test_every_figure_of_every_recording_has_a_caption(report, three_methods):
    page = report.read_text(encoding="utf-8")
    recordings = page[page.index('id="recording-0"') : page.index("Inside good")]
    assert recordings.count("<figure>") == 4 * 5
    assert page.count("<figcaption>") == page.count("<figure>")


@pytest.mark.slow
@pytest.mark.parametrize(("flags", "paper"), [((), LIGHT), (("--force-dark-mode",), DARK)], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 500])  # a headless window is never narrower than 500
def test_a_browser_shows_everything(report, browse, flags, paper, width):
    found, console = browse(report, *flags, width=width)
    assert console == []
    assert found["images"] > 40
    assert found["hidden"] == []
    assert (found["empty"], found["bare"], found["wide"]) == (0, 0, False)
    assert found["paper"] == paper
    assert found["ink"] != paper


@pytest.mark.slow
def test_the_browser_check_can_fail(report, browse, tmp_path):
    broken = tmp_path / "broken.html"
    page = report.read_text(encoding="utf-8")
    broken.write_text(page.replace("figure svg {", "figure svg { height: 0 !important;"), encoding="utf-8")
    assert browse(broken)[0]["hidden"]
    loud = tmp_path / "loud.html"
    loud.write_text(page.replace("</body>", '<img src="http://127.0.0.1:9/x.png"></body>'), encoding="utf-8")
    found, console = browse(loud)
    assert found["hidden"]
    assert console != []


@pytest.mark.slow
def test_one_recording(make_wave, tmp_path, tables_of, browse):
    waves = [make_wave("only", 70.0, 71.0)]
    path = tmp_path / "report.html"
    write_evaluation_report(path, {"pos": evaluate_waves(waves, "toolbox-2025", 10.0)}, {"pos": waves}, {})
    tables = tables_of(path)
    assert "differences" not in tables
    assert tables["recordings"][1][0] == "only"
    page = path.read_text(encoding="utf-8")
    assert "Limits need 3 recordings with both heart rates; there are 1." in page
    assert "a correlation needs 3 pairs" in page
    found, console = browse(path)
    assert (found["hidden"], found["empty"], console) == ([], 0, [])


@pytest.mark.slow
def test_all_failing(tmp_path, tables_of, browse):
    label = np.sin(2 * np.pi * 1.2 * np.arange(600) / FPS)
    bad = [np.zeros(600), np.full(600, np.nan), np.zeros(600)]
    waves = [Wave(f"r{i}", f"s{i}", wave, label, FPS) for i, wave in enumerate(bad)]
    waves += [Wave("short", "short", np.arange(2.0), np.arange(2.0), FPS), Wave("blind", "b", label, None, FPS)]
    evaluation = evaluate_waves(waves, "native", 10.0)
    assert len(evaluation.failed) == 5
    path = tmp_path / "report.html"
    write_evaluation_report(path, {"pos": evaluation}, {"pos": waves}, {})
    assert tables_of(path)["whole"][1] == ["pos", *["–"] * len(METRICS), "0"]
    page = path.read_text(encoding="utf-8")
    for row in evaluation.recordings:
        assert escape(row.reason) in page
    found, console = browse(path)
    assert (found["hidden"], found["empty"], console) == ([], 0, [])


def test_a_device_heart_rate_is_a_reference_too(make_wave, tmp_path):
    wave = make_wave("device", 70.0, 71.0)
    wave = Wave("device", "d", wave.prediction, None, FPS, label_bpm=np.full(len(wave.prediction), 69.0))
    path = tmp_path / "report.html"
    write_evaluation_report(path, {"pos": evaluate_waves([wave], "native", 10.0)}, {"pos": [wave]}, {})
    page = path.read_text(encoding="utf-8")
    assert 'class="line ref"' in page[page.index('id="recording-0"') :]


def test_differenced_waves_are_summed_up_first(make_wave, tmp_path):
    def drawn(waves):
        path = tmp_path / "report.html"
        write_evaluation_report(path, {"pos": evaluate_waves([waves], "native")}, {"pos": [waves]}, {})
        page = path.read_text(encoding="utf-8")
        return [numbers(d) for d in re.findall(r'class="line m0" d="([^"]*)"', page[page.index('id="recording-0"') :])]

    wave = make_wave("x", 70.0, 70.0)
    steps = [np.diff(values, prepend=0) for values in (wave.prediction, wave.label)]
    for one, other in zip(drawn(wave), drawn(Wave("x", "x", *steps, FPS, differenced=True)), strict=True):
        assert one == pytest.approx(other, abs=0.2)


@pytest.mark.slow
def test_42_recordings_make_a_page_of_moderate_size(make_wave, tmp_path):
    methods = {
        name: [make_wave(f"subject{i}", 60.0 + i, 60.0 + i + error, seconds=65.0) for i in range(42)]
        for name, error in {"a": 0.0, "b": 2.0, "c": 20.0}.items()
    }
    evaluations = {name: evaluate_waves(waves, "native", 10.0) for name, waves in methods.items()}
    path = tmp_path / "report.html"
    write_evaluation_report(path, evaluations, methods, ABOUT)
    assert path.stat().st_size < 15e6
    assert path.read_text(encoding="utf-8").count('<h3 id="recording-') == 42
