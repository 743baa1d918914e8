"""Whatever text or JSON a label file holds: a sound Reference or an InputError, never another exception."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rppg_graph.data.recordings import (
    Reference,
    ecg_fitness,
    ibvp,
    lgi_ppgi,
    mcd_rppg,
    own_videos,
    pure,
    ubfc_phys,
    ubfc_rppg,
    ubfc_rppg_1,
    vipl_hr,
)
from rppg_graph.errors import InputError

NUMBERS = st.one_of(
    st.floats(allow_nan=True, allow_infinity=True).map(str),
    st.integers().map(str),
    st.sampled_from(["", "x", "1_0", "٣"]),
)
SMALL = st.floats(-1e3, 1e3).map("{:.3f}".format)


def _table(separator: str, cells: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    row = st.lists(cells, max_size=6).map(separator.join)
    return st.lists(row, max_size=8).map("\n".join)


TEXT = st.one_of(st.text(max_size=200), *(_table(separator, cells) for separator in ", " for cells in (NUMBERS, SMALL)))
HEADED = st.builds(
    "{}\n{}".format,
    st.sampled_from(["seconds,pulse", "seconds,bpm,pulse", "BVP,SQ1", "bpm"]),
    _table(",", SMALL | NUMBERS),
)
XML = st.lists(st.tuples(NUMBERS, NUMBERS), max_size=5).map(
    lambda rows: (
        "<a>" + "".join(f"<b><value1>{bpm}</value1><value2>{pulse}</value2></b>" for bpm, pulse in rows) + "</a>"
    )
)
PARSERS: dict[str, tuple[Callable[[Path], Reference], st.SearchStrategy[str]]] = {
    "ubfc-rppg": (ubfc_rppg.read_reference, TEXT),
    "ubfc-rppg-1": (ubfc_rppg_1.read_reference, TEXT),
    "ubfc-phys": (ubfc_phys.read_reference, TEXT),
    "ibvp": (ibvp.read_reference, TEXT | HEADED),
    "own videos": (own_videos.read_reference, TEXT | HEADED),
    "vipl-hr": (lambda path: vipl_hr.read_reference(path, np.arange(16) / 30), TEXT),
    "lgi-ppgi": (lambda path: lgi_ppgi.read_reference(path, np.arange(16) / 30), TEXT | XML),
    "mcd-rppg": (lambda path: mcd_rppg.read_reference(path, np.arange(5) / 30), TEXT),
    "ecg-fitness": (lambda path: ecg_fitness.read_reference(path, path), TEXT),
}
FUZZ = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _check(read: Callable[[Path], Reference], path: Path) -> None:
    try:
        reference = read(path)
    except InputError:
        return
    assert len(reference.seconds) >= 2
    assert (np.diff(reference.seconds) > 0).all()
    for values in (reference.pulse, reference.bpm):
        assert values is None or values.shape == reference.seconds.shape
    assert reference.pulse is None or (np.isfinite(reference.pulse).all() and np.ptp(reference.pulse) > 0)
    assert reference.bpm is None or not (reference.bpm <= 0).any()


@pytest.mark.slow
@pytest.mark.parametrize("parser", PARSERS)
@FUZZ
@given(data=st.data())
def test_text_parsers(tmp_path, parser, data):
    read, texts = PARSERS[parser]
    path = tmp_path / "labels"
    path.write_bytes(data.draw(texts).encode("utf-8", "surrogatepass"))
    _check(read, path)


@pytest.mark.parametrize("parser", PARSERS)
@FUZZ
@given(content=st.binary(max_size=100))
def test_text_parsers_on_bytes(tmp_path, parser, content):
    path = tmp_path / "labels"
    path.write_bytes(content)
    _check(PARSERS[parser][0], path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
NUMBER = st.integers(-(10**19), 10**25) | st.floats() | JSON
ENTRY = st.fixed_dictionaries(
    {"Timestamp": NUMBER, "Value": st.fixed_dictionaries({"waveform": NUMBER, "pulseRate": NUMBER})}
)
CONTENT = JSON | st.fixed_dictionaries(
    {"/FullPackage": st.lists(ENTRY, max_size=4) | JSON, "/Image": st.lists(ENTRY, max_size=2) | JSON}
)


@FUZZ
@given(content=CONTENT, first_ns=st.none() | st.integers(0, 10**19))
def test_pure_json_of_any_content(tmp_path, content, first_ns):
    path = tmp_path / "07-02.json"
    path.write_text(json.dumps(content))
    _check(lambda path: pure.read_reference(path, first_ns), path)


@FUZZ
@given(data=st.data())
def test_pure_json_damaged_at_any_place(pure_json, data):
    path, content = pure_json
    text = json.dumps(content)
    at = data.draw(st.integers(0, len(text)))
    damaged = path.with_name("damaged.json")
    damaged.write_text(text[:at] + data.draw(st.text(max_size=3)) + text[at + data.draw(st.integers(0, 40)) :], "utf-8")
    _check(pure.read_reference, damaged)
