"""Writers of every layout in its published form, so that what is read back has a known truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import scipy.io

from rppg_graph.data.recordings import Reference, pure, ubfc_rppg
from rppg_graph.data.video import write_video

FPS = 30.0


@dataclass(frozen=True)
class Written:
    """What a writer put on disk: one recording, and what reading it has to give."""

    name: str
    subject: str
    frames: np.ndarray
    seconds: np.ndarray
    reference: Reference


def _frames(count: int = 24, height: int = 32, width: int = 48) -> np.ndarray:
    return np.random.default_rng(3).integers(0, 256, (count, height, width, 3), dtype=np.uint8)


def _pulse(samples: int, hz: float) -> np.ndarray:
    return np.round(50 + 40 * np.sin(2 * np.pi * 1.2 * np.arange(samples) / hz), 3)


def _write_ubfc_rppg(root: Path) -> Written:
    frames, seconds = _frames(), np.arange(24) / FPS
    reference = Reference(seconds, _pulse(24, FPS), np.full(24, 72.0))
    ubfc_rppg.write(root, "subject7", frames, seconds, reference, codec="rawvideo")
    return Written("subject7", "7", frames, seconds, reference)


def _write_ubfc_rppg_1(root: Path) -> Written:
    folder = root / "5-gt"
    folder.mkdir(parents=True)
    frames, seconds = _frames(), np.arange(60) * 16 / 1000
    pulse, bpm = _pulse(60, 62.5), np.full(60, 71.0)
    rows = [f"{1000 * s + 120:.0f},{b:.0f},98,{p:.3f}" for s, p, b in zip(seconds, pulse, bpm, strict=True)]
    (folder / "gtdump.xmp").write_text("\r\n".join(rows) + "\r\n")
    write_video(folder / "vid-12.avi", frames, FPS, codec="rawvideo")
    return Written("5-gt", "5", frames, np.arange(24) / FPS, Reference(seconds, pulse, bpm))


def _write_pure(root: Path) -> Written:
    frames = _frames()
    seconds = np.round(np.arange(24) / FPS + np.random.default_rng(1).uniform(0, 0.01, 24), 6)
    seconds -= seconds[0]
    times = np.arange(-6, 60) / pure.OXIMETER_HZ
    pulse = np.rint(63.5 + 63.5 * np.sin(2 * np.pi * times))
    pulse[[3, 9]] = 0, pure.WAVEFORM_MAX  # the writer scales to the oximeter's range: here it need not
    reference = Reference(times, pulse, np.full(66, 66.0))
    pure.write(root, "07-02", frames, seconds, reference)
    return Written("07-02", "07", frames, seconds, reference)


def _write_pure_beside(root: Path) -> Written:
    written = _write_pure(root)
    outer = root / "07-02"
    for image in (outer / "07-02").iterdir():
        image.rename(outer / image.name)
    (outer / "07-02").rmdir()
    (outer / "07-02.json").rename(root / "07-02.json")
    return written


def _write_ubfc_phys(root: Path) -> Written:
    folder = root / "Data" / "s1"
    folder.mkdir(parents=True)
    frames, pulse = _frames(), _pulse(52, 64)
    write_video(folder / "vid_s1_T2.avi", frames, 35.0, codec="rawvideo")
    (folder / "bvp_s1_T2.csv").write_text("".join(f"{value:.3f}\r\n" for value in pulse))
    (folder / "eda_s1_T2.csv").write_text("0.1\r\n0.2\r\n")
    (folder / "info_s1.txt").write_text("s1\nm\ntest\n")
    return Written("s1_T2", "s1", frames, np.arange(24) / 35.0, Reference(np.arange(52) / 64, pulse))


def _write_cohface(root: Path) -> Written:
    folder = root / "1" / "0"
    folder.mkdir(parents=True)
    frames, pulse = _frames(), _pulse(300, 256)
    write_video(folder / "data.avi", frames, 20.0, codec="rawvideo")
    with h5py.File(folder / "data.hdf5", "w") as file:
        file["pulse"], file["respiration"], file["time"] = pulse, pulse * 0.1, np.arange(300) / 256
    return Written("1_0", "1", frames, np.arange(24) / 20.0, Reference(np.arange(300) / 256, pulse))


def _write_mmpd(root: Path) -> Written:
    (root / "subject3").mkdir(parents=True)
    frames, pulse = _frames(), _pulse(24, FPS)
    content = {"video": frames / 255.0, "GT_ppg": pulse[np.newaxis], "light": "LED-low", "skin_color": 3}
    scipy.io.savemat(root / "subject3" / "p3_11.mat", content, do_compression=True)
    return Written("p3_11", "3", frames, np.arange(24) / FPS, Reference(np.arange(24) / FPS, pulse))


def _write_mmpd_uint8(root: Path) -> Written:
    written = _write_mmpd(root)
    scipy.io.savemat(root / "subject3" / "p3_11.mat", {"video": written.frames, "GT_ppg": written.reference.pulse})
    return written


def _write_scamps(root: Path) -> Written:
    root.mkdir(parents=True, exist_ok=True)
    frames, pulse = _frames(), _pulse(24, FPS)
    with h5py.File(root / "P000123.mat", "w", userblock_size=512) as file:
        file["RawFrames"] = frames.transpose(3, 2, 1, 0) / 255.0  # (3, W, H, T), as HDF5 shows MATLAB's (T, H, W, 3)
        file["Xsub"] = frames.transpose(3, 2, 1, 0)[:, 8:40] / 255.0
        file["d_ppg"] = pulse[np.newaxis]
    with open(root / "P000123.mat", "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")
    return Written("P000123", "P000123", frames, np.arange(24) / FPS, Reference(np.arange(24) / FPS, pulse))


def _write_ibvp(root: Path) -> Written:
    folder = root / "p01_a"
    (folder / "p01_a_rgb").mkdir(parents=True)
    (folder / "p01_a_t").mkdir()
    frames, pulse = _frames(), _pulse(24, FPS)
    for i, frame in enumerate(frames):
        cv2.imwrite(str(folder / "p01_a_rgb" / f"{i}.bmp"), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        (folder / "p01_a_t" / f"{i}.raw").write_bytes(b"\0\0")
    rows = ["BVP,SQPhysMD,SQ1,SQ2,Perfusion_Value", *[f"{value:.3f},1,1,1,0.9" for value in pulse]]
    (folder / "p01_a_bvp.csv").write_text("\n".join(rows) + "\n")
    return Written("p01_a", "p01", frames, np.arange(24) / FPS, Reference(np.arange(24) / FPS, pulse))


def _write_folder(root: Path) -> Written:
    folder = root / "Jörg" / "erster Versuch\nzwei"
    folder.mkdir(parents=True)
    frames, seconds = _frames(), np.cumsum([0, *[0.03, 0.04] * 11, 0.05])
    write_video(folder / "Gesicht – nah.mkv", frames, FPS, codec="ffv1", seconds=seconds)
    pulse = _pulse(100, 100)
    rows = ["seconds,pulse", *[f"{i / 100 - 0.1:.2f},{value:.3f}" for i, value in enumerate(pulse)]]
    (folder / "pulse.csv").write_text("\n".join(rows) + "\n", encoding="utf-8-sig")
    reference = Reference(np.arange(100) / 100 - 0.1, pulse)
    return Written("Jörg_erster Versuch\nzwei_Gesicht – nah", "Jörg", frames, seconds, reference)


WRITERS: dict[str, tuple[str, Callable[[Path], Written]]] = {
    "ubfc-rppg": ("ubfc-rppg", _write_ubfc_rppg),
    "ubfc-rppg-1": ("ubfc-rppg-1", _write_ubfc_rppg_1),
    "pure": ("pure", _write_pure),
    "pure, JSON beside and frames not nested": ("pure", _write_pure_beside),
    "ubfc-phys": ("ubfc-phys", _write_ubfc_phys),
    "cohface": ("cohface", _write_cohface),
    "mmpd": ("mmpd", _write_mmpd),
    "mmpd, uint8": ("mmpd", _write_mmpd_uint8),
    "scamps": ("scamps", _write_scamps),
    "ibvp": ("ibvp", _write_ibvp),
    "folder": ("folder", _write_folder),
}


@pytest.fixture(params=list(WRITERS), ids=lambda name: name.replace(" ", "-"))
def layout_and_writer(request) -> tuple[str, Callable[[Path], Written]]:
    """Each layout's key in RECORDINGS with a writer that puts one recording of it under a root."""
    return WRITERS[request.param]


@pytest.fixture
def writers() -> dict[str, Callable[[Path], Written]]:
    """The writers by the same names as RECORDINGS."""
    return {name: write for name, (layout, write) in WRITERS.items() if name == layout}


@pytest.fixture
def pure_json(tmp_path, writers) -> tuple[Path, dict]:
    """A PURE recording's label file and its content."""
    writers["pure"](tmp_path)
    path = tmp_path / "07-02" / "07-02.json"
    return path, json.loads(path.read_text())
