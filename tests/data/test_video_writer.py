"""A video is written whole or not at all."""

import subprocess
import sys

import numpy as np
import pytest

from rppg_graph.data.video import probe, read_video, write_video
from rppg_graph.errors import InputError


def test_nothing_half_written_stays(tmp_path, frames):
    path = write_video(tmp_path / "a.mp4", frames, 30)
    before = path.read_bytes()

    def failing():
        yield from frames[:20]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_video(path, failing(), 30)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


DISK_FULL = """
import resource, signal, sys
import numpy as np
from rppg_graph.data.video import probe, read_video, write_video
from rppg_graph.errors import InputError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # the system then refuses to write, as a full disk does
try:
    write_video(sys.argv[1], (np.zeros((48, 64, 3), np.uint8) for _ in range(200)), 30, codec="rawvideo")
except InputError as error:
    print(error)
    sys.exit(2)
"""


def test_full_disk(tmp_path):
    path = tmp_path / "a.avi"
    path.write_bytes(b"was good before")
    done = subprocess.run([sys.executable, "-c", DISK_FULL, str(path)], capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    assert "a.avi could not be written" in done.stdout
    assert path.read_bytes() == b"was good before"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_that_is_not_there(tmp_path, frames):
    with pytest.raises(InputError, match="does not exist"):
        write_video(tmp_path / "none" / "a.mp4", frames, 30)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frames: [], "at least one"),
        (lambda frames: [*frames, frames[0][:40]], "frame 60"),
        (lambda frames: [frame.astype(float) for frame in frames], "float64"),
        (lambda frames: [frame[:, :63] for frame in frames], "even"),
    ],
)
def test_frames_that_make_no_video(tmp_path, frames, change, message):
    with pytest.raises(ValueError, match=message):
        write_video(tmp_path / "a.mp4", change(frames), 30)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("codec", ["h264", "mpeg4", "mjpeg"])
@pytest.mark.parametrize("fps", [24.38849361156366, 30000 / 1001, 61.23163901728129])
def test_an_odd_frame_rate_is_written_by_every_codec(tmp_path, frames, codec, fps):
    video = write_video(tmp_path / "odd.mp4", frames, fps, codec=codec)
    assert probe(video).fps == pytest.approx(fps, rel=2e-3)
    seconds = [second for second, _ in read_video(video)]
    assert np.allclose(np.diff(seconds), 1 / fps, rtol=0.02)
