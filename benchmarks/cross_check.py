"""Do networks of another project, trained on real people, find the pulse of generated faces?

    python run.py synth data/easy --preset easy --subjects 8 --seconds 20 --seed 901
    python benchmarks/cross_check.py data/easy --model FacePhys.rlap --model PhysNet.pure

Reads a folder that `run.py synth` wrote in the layout ubfc-rppg and writes results/cross_check_FOLDER.json: the rate
that each network of the package open-rppg gives for each video, beside the true one. The package brings JAX, Keras and
ONNX Runtime and is no dependency of this project: give it an environment of its own (`pip install open-rppg`), in which
this script runs alone; it needs nothing of rppg_graph.
"""

from __future__ import annotations

import argparse
import json
import logging
import platform
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("open-rppg", "jax", "keras", "onnxruntime", "numpy", "av")
WINDOW_SECONDS = 10.0
PARAMETERS_SHOWN = ("skin_tone", "head", "codec", "kbit_per_second")


def networks():
    """The package's class of models and their names."""
    try:
        import rppg
    except ImportError as error:
        sys.exit(f"{error}: this cross-check needs `pip install open-rppg`, in an environment of its own")
    logging.disable(logging.WARNING)  # it warns of every video that is not all key frames
    return rppg.Model, rppg.supported_models


def recordings(root: Path) -> list[Path]:
    """Folders of the recordings, by number."""
    found = sorted(root.glob("subject*/synthetic.json"), key=lambda path: int(path.parent.name.removeprefix("subject")))
    if not found:
        sys.exit(f"{root}: no recording of `run.py synth` here (subject*/synthetic.json, layout ubfc-rppg)")
    return [path.parent for path in found]


def check(model, folder: Path) -> dict:
    """The row of one video: rate of the whole and of windows of ten seconds, and what they truly were."""
    _, bpm, seconds = np.loadtxt(folder / "ground_truth.txt")  # of the frames
    seconds = seconds - seconds[0]
    parameters = json.loads((folder / "synthetic.json").read_text(encoding="utf-8"))
    found = model.process_video(str(folder / "vid.mp4")) or {}
    windows = []
    for start in np.arange(0.0, seconds[-1] - WINDOW_SECONDS + 0.5, WINDOW_SECONDS):
        end = start + WINDOW_SECONDS
        rate = (model.hr(start, end, return_hrv=False) or {}).get("hr")
        windows.append([_rounded(rate), _rounded(bpm[(seconds >= start) & (seconds < end)].mean())])
    row = {"recording": folder.name, "true_bpm": _rounded(bpm.mean()), "bpm": _rounded(found.get("hr"))}
    row |= {"signal_quality": _rounded(found.get("SQI")), "windows_bpm_and_true": windows}
    return row | {name: parameters[name] for name in PARAMETERS_SHOWN}


def summary(rows: list[dict]) -> dict:
    """Errors over the rows; a rate that the network did not give counts as missing, not as right."""
    pairs = [pair for row in rows for pair in row["windows_bpm_and_true"]]
    whole, windows = (
        np.abs([bpm - true for bpm, true in each if bpm is not None])
        for each in ([(row["bpm"], row["true_bpm"]) for row in rows], pairs)
    )
    return {
        "videos": len(rows),
        "videos_without_rate": len(rows) - len(whole),
        "mae_bpm": _rounded(whole.mean()) if len(whole) else None,
        "windows": len(pairs),
        "windows_without_rate": len(pairs) - len(windows),
        "windows_mae_bpm": _rounded(windows.mean()) if len(windows) else None,
        "windows_within_5_bpm": _rounded(np.mean(windows <= 5)) if len(windows) else None,
    }


def _rounded(value) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("root", type=Path, help="folder that run.py synth wrote")
    parser.add_argument("--model", action="append", help="of open-rppg, may be repeated (default: FacePhys.rlap)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the result file")
    args = parser.parse_args()
    folders = recordings(args.root)
    make, known = networks()
    methods = {}
    for name in args.model or ["FacePhys.rlap"]:
        if name not in known:
            sys.exit(f"open-rppg has no model {name!r} (it has {', '.join(known)})")
        rows = [check(make(name), folder) for folder in folders]
        methods[name] = {"summary": summary(rows), "rows": rows}
        print(f"{args.root.name}, {name}: {methods[name]['summary']}", flush=True)
    preset = json.loads((folders[0] / "synthetic.json").read_text(encoding="utf-8"))["preset"]
    document = {
        "bench": "cross_check", "preset": preset, "date": time.strftime("%Y-%m-%d"),
        "python": platform.python_version(), "versions": {package: version(package) for package in PACKAGES},
        "models": methods,
    }  # fmt: skip
    path = args.out / f"cross_check_{args.root.name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path.name}")


if __name__ == "__main__":
    main()
