"""Small videos in which what is periodic is no pulse: each gives the right heart rate or none, never a wrong one."""

from pathlib import Path
from typing import Any

from rppg_graph import synthetic
from rppg_graph.data.video import read_video, write_video
from rppg_graph.synthetic.codec import quality_options

SMALL = {"preset": "easy", "fps": 30.0, "seconds": 12.0, "size": (144, 192), "face_size": 0.21, "skin_tone": 3.0,
         "beard": 0.0, "glasses": False, "mask": False, "pulse_strength": 0.03, "drift_bpm": 0.3, "exposure": 130.0,
         "codec": "h264", "kbit_per_second": 1500.0, "key_frame_every": 250, "gloss": 0.03}  # fmt: skip
LAMP = {"kind": "lamp", "flicker": 0.02, "flicker_hz": 1.6}
FLUORESCENT = {"kind": "mains", "flicker": 0.01, "flicker_hz": 120.0, "fps": 29.6, "flicker_blue": 1.3}
PHOTOGRAPH = {"subject": "photograph", "pulse_strength": 0.0, "head": "astronaut", "sway": 0.0}

# name → what `synthetic.make_case` takes; "over" is laid over the frames of the case afterwards
ROWS: dict[str, dict[str, Any]] = {
    "photograph, lamp": PHOTOGRAPH | LAMP,
    "photograph, fluorescent lamp": PHOTOGRAPH | FLUORESCENT,
    "photograph, jogs at 1.5 Hz": PHOTOGRAPH | {"kind": "jogging", "rhythm": 0.08, "rhythm_hz": 1.5},
    "photograph, jogs at 2.5 Hz": PHOTOGRAPH | {"kind": "jogging", "rhythm": 0.08, "rhythm_hz": 2.5},
    "photograph, MPEG-4, key frame every 20": PHOTOGRAPH
    | {"kind": "key frames", "codec": "mpeg4", "kbit_per_second": 80.0, "key_frame_every": 20},
    "photograph, H.264, key frame each second": PHOTOGRAPH
    | {"kind": "key frames", "kbit_per_second": 60.0, "key_frame_every": 30},
    "frames in no order": {"subject": "frames in no order", "bpm": 72.0},
    "one frame": {"subject": "one frame", "kbit_per_second": 100.0, "key_frame_every": 30},
    "person of 72, lamp": LAMP | {"bpm": 72.0},
    "person of 72, fluorescent lamp": FLUORESCENT | {"bpm": 72.0},
    "person of 110, jogs at 1.5 Hz": {"kind": "jogging", "bpm": 110.0, "rhythm": 0.06, "rhythm_hz": 1.5},
    "person of 140, jogs at 2.7 Hz": {"kind": "jogging", "bpm": 140.0, "rhythm": 0.06, "rhythm_hz": 2.7},
    "person of 53, lamp laid over": {"bpm": 53.0, "over": {"kind": "lamp", "flicker": 0.02, "flicker_hz": 1.6}},
    "person of 112, bobbing laid over": {"bpm": 112.0, "over": {"kind": "jogging", "rhythm": 0.06, "rhythm_hz": 1.4}},
}


def write_row(name: str, folder: Path) -> tuple[Path, float | None]:
    """The video of a row in a folder, and its heart rate, None where nothing pulses."""
    settings = {"kind": "nothing", "subject": "person", "seed": 20 + list(ROWS).index(name)} | SMALL | ROWS[name]
    over = settings.pop("over", None)
    case = synthetic.make_case(name="-".join(name.replace(",", "").replace(".", "").split()), **settings)
    if over is None:
        return case.write(folder), case.bpm
    first, fps = case.write(folder), settings["fps"]
    _, frames = synthetic.lay_over(read_video(first), fps, seed=1, **over)
    quality = quality_options("h264", settings["kbit_per_second"], settings["size"])
    return write_video(folder / f"over-{first.name}", (rgb for _, rgb in frames), fps, **quality), case.bpm
