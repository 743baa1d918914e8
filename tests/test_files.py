"""Outputs that would destroy what is read; files that are whole or not there."""

import os
from pathlib import Path

import pytest

from rppg_graph import cli
from rppg_graph.errors import InputError
from rppg_graph.files import keep_apart, writable, write_text, write_whole


def test_an_output_is_no_input_nor_in_one(tmp_path):
    data = tmp_path / "data"
    (data / "subject1").mkdir(parents=True)
    video = data / "subject1" / "vid.avi"
    video.write_bytes(b"video")
    os.link(video, tmp_path / "linked.avi")
    (tmp_path / "again").symlink_to(data)
    for output in (video, tmp_path / "linked.avi", tmp_path / "again" / "subject1" / "vid.avi"):
        with pytest.raises(InputError, match="is what is read"):
            writable(output, None, video)
    for output in (data / "result.json", tmp_path / "again" / "runs", data / "subject1" / ".." / "x"):
        with pytest.raises(InputError, match=r"lies in .*data, which is read"):
            keep_apart(output, data)
    with pytest.raises(InputError, match="is what is read"):
        keep_apart(data, data)
    writable(tmp_path / "result.json", video, data, tmp_path / "absent", None)
    writable(data / "subject1" / "result.json", video)
    writable(None, video)


@pytest.mark.parametrize(
    "arguments",
    [
        ["predict", "VIDEO", "--method", "pos", "--json", "VIDEO"],
        ["predict", "VIDEO", "--method", "pos", "--report", "VIDEO"],
        ["live", "--video", "VIDEO", "--json", "VIDEO"],
        ["score", "VIDEO", "--json", "VIDEO"],
        ["export", "VIDEO", "--format", "onnx", "--out", "VIDEO"],
        ["check-data", "DATA", "--json", "DATA/findings.json"],
        ["eval", "--method", "pos", "--data", "DATA", "--out", "DATA/results"],
        ["synth", "DATA/new", "--portraits", "DATA"],
        ["train", "configs/demo.yaml", "data.root=DATA", "--out", "DATA/run"],
        ["preprocess", "configs/demo.yaml", "data.root=DATA", "data.cache=DATA/cache"],
    ],
    ids=lambda arguments: " ".join(arguments[:1]),
)
def test_every_command_refuses_it(arguments, tmp_path, capsys, repository, monkeypatch):
    monkeypatch.chdir(repository)
    data = tmp_path / "data"
    data.mkdir()
    video = data / "face.mp4"
    video.write_bytes(b"precious")
    words = [word.replace("VIDEO", str(video)).replace("DATA", str(data)) for word in arguments]
    assert cli.main(words) == 2
    assert "read; name an" in capsys.readouterr().err
    assert [path.name for path in data.iterdir()] == ["face.mp4"]
    assert video.read_bytes() == b"precious"


def test_a_file_is_whole_or_as_it_was(tmp_path):
    path = tmp_path / "result.json"
    write_text(path, "first")

    def stumble(part: Path) -> None:
        assert part.suffix == ".json"  # by which a library chooses the format
        part.write_text("half of the sec")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, stumble)
    assert {file.name: file.read_text() for file in tmp_path.iterdir()} == {"result.json": "first"}
    write_text(path, "second")
    assert path.read_text() == "second"
    with pytest.raises(InputError, match=r"none/result\.json could not be written: No such file"):
        write_text(tmp_path / "none" / "result.json", "third")
