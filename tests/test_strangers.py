"""Files from strangers: whatever their bytes, they are read or refused in seconds, and their names stay text."""

import os
import resource
import subprocess
import sys
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from fuzz_targets import BYTES, SECONDS, TARGETS, seeds
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rppg_graph.data.recordings.sources import read_images
from rppg_graph.data.video import read_video
from rppg_graph.data.video_writer import write_video
from rppg_graph.errors import InputError
from rppg_graph.files import parse_yaml

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", 20))  # of each target; `make soak` asks for more
PIECES = [b"", b"\0", b"\xff", b"nan", b"1e999", *(bytes([letter]) for letter in b"{[}'\"\n:-&*!<>,")]
EDIT = st.tuples(st.floats(0, 1), st.integers(0, 8), st.one_of(st.sampled_from(PIECES), st.binary(max_size=8)))


@pytest.fixture(scope="module")
def known(tmp_path_factory) -> dict[str, list[bytes]]:
    return seeds(tmp_path_factory.mktemp("seeds"))


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def edited(content: bytes, edits: list[tuple[float, int, bytes]]) -> bytes:
    for where, length, piece in edits:
        at = int(where * len(content))
        content = content[:at] + piece + content[at + length :]
    return content


@pytest.mark.promise("a file holds any bytes", "read or refused in 5 s and 1 GB, without a traceback")
@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
def test_any_bytes_are_read_or_refused(name, known, tmp_path):
    before = peak()

    def read(content: bytes) -> None:
        started = time.process_time()
        TARGETS[name](content, tmp_path)
        assert time.process_time() - started < SECONDS
        assert peak() - before < BYTES

    for content in known[name]:
        read(content)

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.sampled_from(known[name]), st.lists(EDIT, min_size=1, max_size=4))
    def fuzz(content, edits):
        read(edited(content, edits))

    fuzz()


@pytest.mark.promise("YAML that is too deep, long or branched", "refused at once")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 41 + "]" * 41, "nested deeper than 40"),
        ("a0: &a0 [1]\n" + "\n".join(f"a{n}: &a{n} [{f'*a{n - 1},' * 9}]" for n in range(1, 9)), "its aliases stand"),
        ("a: &a [*a]", "aliases stand for over"),
        ("a" * 300_000, "300000 letters"),
        ("!!timestamp x", "not what its form or tag says"),
        ("2001-99-99", "not what its form or tag says"),
        ("!!python/object/apply:os.system [true]", "could not determine a constructor"),
    ],
)  # fmt: skip
def test_yaml_that_would_take_for_ever_is_refused_at_once(text, reason):
    with pytest.raises(yaml.YAMLError, match=reason):
        parse_yaml(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20))  # fmt: skip
@settings(max_examples=30)
def test_yaml_within_the_bounds_is_what_pyyaml_reads(tree):
    text = yaml.safe_dump(tree)
    assert parse_yaml(text) == yaml.safe_load(text)


@pytest.mark.promise("pictures of terabytes", "refused by their header")
def test_pictures_that_no_camera_makes_are_refused_by_their_header(tmp_path, monkeypatch):
    small = tmp_path / "Image1.png"
    cv2.imwrite(str(small), np.zeros((4, 4, 3), np.uint8))
    content = bytearray(small.read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2  # the header's width and height, and its checksum
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    small.write_bytes(content)
    with pytest.raises(InputError, match=r"Image1\.png: a picture that no camera makes"):
        next(read_images([small], [0.0]))
    monkeypatch.setattr("rppg_graph.data.video_file.MOST_PIXELS", 1000)
    cv2.imwrite(str(small), np.zeros((40, 40, 3), np.uint8))
    with pytest.raises(InputError, match=r"Image1\.png: 40×40 pixels, and 8192×4320 are read at most"):
        next(read_images([small], [0.0]))
    frames = [np.zeros((48, 64, 3), np.uint8)] * 4
    video = write_video(tmp_path / "wide.avi", frames, 30.0, codec="mjpeg")
    with pytest.raises(InputError, match=r"wide\.avi: 64×48 pixels"):
        next(read_video(video))


@pytest.mark.promise("a video without an end, or without frames", "refused")
def test_a_video_that_lasts_or_is_silent_for_too_long_is_refused(tmp_path, monkeypatch):
    frames = [np.full((16, 16, 3), number, np.uint8) for number in range(60)]
    video = write_video(tmp_path / "long.avi", frames, 30.0, codec="mjpeg")
    monkeypatch.setattr("rppg_graph.data.video.MOST_HOURS", 1 / 3600)
    with pytest.raises(InputError, match=r"long\.avi: it lasts over"):
        list(read_video(video))
    monkeypatch.undo()
    monkeypatch.setattr("rppg_graph.data.video.SILENCE_SECONDS", -1.0)
    with pytest.raises(InputError, match=r"long\.avi: 0 packets give no frame"):
        list(read_video(video))


@pytest.mark.promise("a file's name is HTML", "text in a report")
@pytest.mark.slow
def test_a_file_s_name_is_text_in_a_report(tmp_path, repository):
    """No tag, no attribute and no script comes from it, in any file that is written."""
    name = "<img src=x onerror=alert(1)>'\"&.avi"
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (32, 48, 3), dtype=np.uint8) for _ in range(240)]
    write_video(tmp_path / "plain.avi", frames, 30.0, codec="mjpeg").rename(tmp_path / name)
    options = ["--face-policy", "full-frame", "--method", "green", "--report", "report.html", "--json", "result.json"]
    command = [sys.executable, str(repository / "run.py"), "predict", f"./{name}", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = Path(tmp_path / "report.html").read_text(encoding="utf-8")
    assert "onerror" in page
    assert "<img src=x" not in page
    assert "alert(1)>'\"" not in page
