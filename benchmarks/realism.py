"""Do generated faces have the colour noise of real ones, and do POS and CHROM fare on them alike?

    python benchmarks/realism.py ../shared/data
    python benchmarks/realism.py --draw          # the figures again, from the result files

For windows of ten seconds of every real recording with a face and of every preset: power spectra of the mean colour of
the crop's skin, each channel over its mean; SNR and error of POS and CHROM. Writes results/realism.csv (one row a
window), results/realism_spectra.csv, results/realism.json (summary), docs/realism-light.png and -dark.png; no faces.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

import cv2
import kept
import numpy as np
from joblib import Parallel, delayed
from kept import environment, where, write_document
from realism_figure import draw
from scipy.signal import periodogram

from rppg_graph import synthetic
from rppg_graph.data.face import FaceCropper
from rppg_graph.data.recordings import find_recordings
from rppg_graph.data.skin import mean_rgb
from rppg_graph.data.video import read_video
from rppg_graph.errors import InputError
from rppg_graph.files import csv_text, write_text
from rppg_graph.pulse.classical import CLASSICAL
from rppg_graph.pulse.filters import resample
from rppg_graph.pulse.heart_rate import CONTACT, heart_rate
from rppg_graph.pulse.protocols import prepare_native
from rppg_graph.pulse.quality import snr_db

FPS, WINDOW_SECONDS = 30.0, 10.0
LEAST_FACE_SHARE = 0.9  # of a window's frames
METHODS = ("pos", "chrom")
CHANNELS = "RGB"
BANDS_HZ = {"drift": (0.1, 0.6), "pulse": (0.6, 3.6), "floor": (8.0, 12.0)}
SHOWN_HZ = 12.0  # above, the resampling of 29 to 30 frames a second takes power away
UBFC, CLIPS = "real: UBFC-rPPG, H.264", "real: clips"
SEED = 7100  # of the generated recordings; no preset was tuned on 7100 and the seeds after it


def skin_colours(frames: Iterable[tuple[float, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds (T,) and mean skin colour (T, 3) of the frames with a face."""
    faces = (face for face in FaceCropper(64, policy="skip").crops(frames) if face.crop is not None)
    seconds, colours = zip(*((face.seconds, mean_rgb(face.crop)) for face in faces), strict=True)
    return np.array(seconds), np.array(colours)


def real_jobs(root: Path) -> list[tuple[str, str, Path]]:
    """Group, name and place of every real recording that may have a face."""
    subjects = [(UBFC, recording.name) for recording in find_recordings(root / "ubfc_rppg_mp4", "ubfc-rppg")]
    clips = [(CLIPS, path.name) for path in sorted((root / "clips").iterdir()) if "no_face" not in path.name]
    return [(group, name, root) for group, name in subjects + clips]


def real_windows(group: str, name: str, root: Path) -> list[dict]:
    """Windows of one real recording; none where its face is not found."""
    if group == UBFC:
        found = find_recordings(root / "ubfc_rppg_mp4", "ubfc-rppg")
        recording = next(each for each in found if each.name == name)
        frames, reference = recording.frames(), recording.reference()
        true = partial(_contact_bpm, *resample(reference.seconds, reference.pulse, FPS))
    else:
        frames, named = read_video(root / "clips" / name), re.search(r"(\d+)bpm", name)
        true = lambda start: float(named[1]) if named else None  # noqa: E731
    return _windows_of(group, name, frames, true)


def generated_windows(preset: str, seed: int, length: float) -> list[dict]:
    """Windows of one generated recording, so many seconds long."""
    cv2.setNumThreads(1)
    recording = synthetic.generate(preset, seed, seconds=length)
    true = partial(_mean_bpm, recording.seconds, recording.bpm)
    return _windows_of(preset, str(seed), zip(recording.seconds, recording.frames(), strict=True), true)


def _windows_of(group: str, name: str, frames: Iterable, true: Callable[[float], float | None]) -> list[dict]:
    try:
        seconds, colours = skin_colours(frames)
    except InputError:
        return []
    return list(windows(group, name, seconds, colours, true))


def _contact_bpm(seconds: np.ndarray, pulse: np.ndarray, start: float) -> float | None:
    inside = (seconds >= start) & (seconds < start + WINDOW_SECONDS)
    return CONTACT.heart_rate(prepare_native(pulse[inside], FPS), FPS).bpm


def _mean_bpm(seconds: np.ndarray, bpm: np.ndarray, start: float) -> float:
    return float(bpm[(seconds >= start) & (seconds < start + WINDOW_SECONDS)].mean())


def windows(group: str, name: str, seconds: np.ndarray, colours: np.ndarray, true) -> Iterator[dict]:
    """Rows with spectra of the windows in which the face is nearly always there."""
    clock, even = resample(seconds, colours, FPS)
    length, native = round(WINDOW_SECONDS * FPS), 1 / np.median(np.diff(seconds))
    for first in range(0, len(even) - length + 1, length):
        start, rgb = clock[first], even[first : first + length]
        frames = np.count_nonzero((seconds >= start) & (seconds < start + WINDOW_SECONDS))
        if frames < LEAST_FACE_SHARE * WINDOW_SECONDS * native:
            continue
        hz, power = periodogram(rgb / rgb.mean(axis=0), FPS, window="hann", detrend="linear", axis=0)
        row = {"group": group, "recording": name, "start_seconds": round(float(start), 2), "true_bpm": true(start)}
        for channel, density in zip(CHANNELS, power.T, strict=True):
            for band, (low, high) in BANDS_HZ.items():
                inside = (hz >= low) & (hz < high)
                row[f"{band}_{channel}_percent"] = 100 * np.sqrt(density[inside].sum() * (hz[1] - hz[0]))
        for method in METHODS:
            wave = prepare_native(CLASSICAL[method](rgb, FPS), FPS)
            bpm, known = heart_rate(wave, FPS).bpm, row["true_bpm"] is not None
            row[f"{method}_snr_db"] = snr_db(wave, FPS, row["true_bpm"]) if known else None
            row[f"{method}_error_bpm"] = bpm - row["true_bpm"] if known and bpm is not None else None
        yield row | {"spectra": power[(hz > 0) & (hz <= SHOWN_HZ)]}


def summarise(rows: list[dict]) -> dict[str, dict]:
    """Medians and tenths of every figure by group, and the errors of the methods."""
    groups = {}
    for group in dict.fromkeys(row["group"] for row in rows):
        inside = where(rows, group=group)
        found = {"recordings": len({row["recording"] for row in inside}), "windows": len(inside)}
        for key in (key for key in inside[0] if key.endswith(("_percent", "_db"))):
            values = [row[key] for row in inside if row[key] is not None]
            if values:
                found[key] = dict(zip(("p10", "median", "p90"), np.percentile(values, [10, 50, 90]), strict=True))
        for method in METHODS:
            errors = np.abs([row[f"{method}_error_bpm"] for row in inside if row[f"{method}_error_bpm"] is not None])
            found[f"{method}_mae_bpm"] = errors.mean() if len(errors) else None
            found[f"{method}_within_5_bpm"] = (errors <= 5).mean() if len(errors) else None
        groups[group] = found
    return groups


def spectra_rows(rows: list[dict]) -> Iterator[dict]:
    """Tenths and medians of the spectra over a group's windows, one row a channel and frequency."""
    for group in dict.fromkeys(row["group"] for row in rows):
        power = np.stack([row["spectra"] for row in rows if row["group"] == group])  # (windows, F, 3)
        for at, tenths in enumerate(np.percentile(power, [10, 50, 90], axis=0).transpose(1, 2, 0)):
            for channel, (p10, median, p90) in zip(CHANNELS, tenths, strict=True):
                hz = (at + 1) / WINDOW_SECONDS
                yield {"group": group, "channel": channel, "hz": hz, "p10": p10, "median": median, "p90": p90}


def _rounded(value):
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return float(f"{value:.4g}") if isinstance(value, float) else value


def _write_csv(name: str, rows: Iterable[dict]) -> None:
    write_text(kept.RESULTS / name, csv_text([_rounded(row) for row in rows]))


def measure(root: Path, people: int, seconds: float) -> None:
    """Measure everything and write the result files."""
    generated = [(preset, SEED + person, seconds) for preset in synthetic.PRESETS for person in range(people)]
    jobs = [delayed(real_windows)(*job) for job in real_jobs(root)] + [
        delayed(generated_windows)(*g) for g in generated
    ]
    rows = [row for found in Parallel(os.cpu_count())(jobs) for row in found]
    _write_csv("realism_spectra.csv", spectra_rows(rows))
    _write_csv("realism.csv", ({key: row[key] for key in row if key != "spectra"} for row in rows))
    document = environment() | {"seeds": f"{SEED}-{SEED + people - 1}", "seconds": seconds}
    document["groups"] = {group: _rounded(values) for group, values in summarise(rows).items()}
    write_document("realism.json", document)
    for group, values in document["groups"].items():
        figures = [f"{values[f'{band}_G_percent']['median']:.3f}" for band in BANDS_HZ]
        errors = [f"{method} {values[f'{method}_mae_bpm']}" for method in METHODS]
        print(f"{group:24} windows {values['windows']:3d}  G drift/pulse/floor % {' '.join(figures)}  {errors}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, nargs="?", help="folder of the real recordings")
    parser.add_argument("--people", type=int, default=12, help="generated recordings of each preset (default: 12)")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each (default: 20)")
    parser.add_argument("--draw", action="store_true", help="only draw the figures")
    args = parser.parse_args()
    if not args.draw:
        if args.root is None:
            parser.error("name the folder of the real recordings, or --draw")
        measure(args.root, args.people, args.seconds)
    draw()


if __name__ == "__main__":
    main()
