"""Writers of every layout in its published form, so that what is read back has a known truth."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
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


def _uneven(count: int = 24) -> np.ndarray:
    """Whole milliseconds from 0 on, as a camera logs them, with 0.3 s less than the file's clock would say."""
    return np.cumsum([0, *np.random.default_rng(8).choice([21, 33, 47], count - 1)]) / 1000


def _write_vipl_hr(root: Path) -> Written:
    folder = root / "p1" / "v1-2" / "source3"
    folder.mkdir(parents=True)
    frames, seconds, pulse = _frames(), _uneven(), _pulse(50, 60)
    write_video(folder / "video.avi", frames, 25.0, codec="rawvideo")
    (folder / "time.txt").write_text("".join(f"{1000 * when + 17:.0f}\n" for when in seconds))
    (folder / "wave.csv").write_text("Wave\n" + "".join(f"{value:.3f}\n" for value in pulse))
    (folder / "gt_HR.csv").write_text("HR\n72\n")
    (folder / "gt_SpO2.csv").write_text("SpO2\n97\n")
    infrared = folder.with_name("source4")
    infrared.mkdir()
    write_video(infrared / "video.avi", frames, 25.0, codec="rawvideo")
    (infrared / "gt_HR.csv").write_text("HR\n72\n")
    return Written("p1_v1-2_source3", "p1", frames, seconds, Reference(np.linspace(0, seconds[-1], 50), pulse))


def _write_lgi_ppgi(root: Path) -> Written:
    folder = root / "alex" / "alex_gym"
    folder.mkdir(parents=True)
    frames, seconds, pulse = _frames(), _uneven(), np.rint(_pulse(70, 60))
    write_video(folder / "cv_camera_sensor_stream_handler.avi", frames, 25.0, codec="rawvideo")
    _write_elements(folder / "cms50_stream_handler.xml", [(i, 72, int(value)) for i, value in enumerate(pulse)])
    times = [(i, 1000 * when + 5) for i, when in enumerate(seconds)]
    _write_elements(folder / "cv_camera_sensor_timer_stream_handler.xml", times)
    reference = Reference(seconds[-1] - np.arange(70)[::-1] / 60, pulse, np.full(70, 72.0))
    return Written("alex_gym", "alex", frames, seconds, reference)


def _write_elements(path: Path, rows: list[tuple]) -> None:
    """XML as the recorder has it: an element `value<i>` a row in the root, with `value0`, `value1`, … in it."""
    fields = ["".join(f"<value{j}>{field}</value{j}>\n" for j, field in enumerate(row)) for row in rows]
    elements = "".join(f"<value{i}>\n{each}</value{i}>\n" for i, each in enumerate(fields))
    path.write_text(
        f'<?xml version="1.0" encoding="utf-8"?>\n<stream>\n{elements}<count>{len(rows)}</count></stream>\n'
    )


def _write_mcd_rppg(root: Path) -> Written:
    name = "1020_FullHDwebcam_before"
    for part in ("video", "ppg_sync", "meta"):
        (root / part).mkdir(parents=True)
    frames, seconds, pulse = _frames(), _uneven(), _pulse(24, FPS)
    write_video(root / "video" / f"{name}.avi", frames, FPS, codec="rawvideo")
    (root / "ppg_sync" / f"{name}.txt").write_text("".join(f"{value:.3f} 0.004\n" for value in pulse))
    first = datetime.fromisoformat("2023-11-13 14:18:09.856232")
    stamps = [f"{i + 1}\t{first + timedelta(seconds=when)}\n" for i, when in enumerate(seconds)]
    (root / "meta" / f"{name}.txt").write_text("".join(stamps))
    (root / "db.csv").write_text("patient_id,camera,step,pulse\n1020,FullHDwebcam,before,72\n")
    return Written(name, "1020", frames, seconds, Reference(seconds, pulse))


def _write_ecg_fitness(root: Path) -> Written:
    folder = root / "00" / "01"
    folder.mkdir(parents=True)
    frames, seconds = _frames(), _uneven()
    write_video(folder / "c920-1.avi", frames, FPS, codec="rawvideo")
    first = 1_526_040_000_000
    rows = [f"{first + 1000 * when:.0f},{int(125 * when)}" for when in seconds]
    (folder / "c920.csv").write_text("\n".join(rows) + "\n")
    times = np.arange(-20, 120) * 8  # milliseconds
    bpm = np.where(times < 0, -1, 96)
    rows = [
        f"{first + when},{0.1 * i:.1f},{rate},7,91,98" for i, (when, rate) in enumerate(zip(times, bpm, strict=True))
    ]
    (folder / "viatom-raw.csv").write_text("\n".join(["milliseconds,ecg,ecg_hr,ppg,ppg_hr,spo2", *rows]) + "\n")
    rates = np.where(bpm > 0, bpm, np.nan)
    return Written("00_01_c920-1", "00", frames, seconds, Reference(times / 1000, None, rates))


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
    "lgi-ppgi": ("lgi-ppgi", _write_lgi_ppgi),
    "vipl-hr": ("vipl-hr", _write_vipl_hr),
    "mcd-rppg": ("mcd-rppg", _write_mcd_rppg),
    "ecg-fitness": ("ecg-fitness", _write_ecg_fitness),
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
