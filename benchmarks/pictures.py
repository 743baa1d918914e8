"""Draw the README's picture, light and dark, from a generated face and a trained network.

python benchmarks/pictures.py runs/demo
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rppg_graph.inference.methods import InferenceOptions
from rppg_graph.inference.predict import predict_video
from rppg_graph.models.checkpoint import load
from rppg_graph.report.plots import THEMES, plot_prediction

DOCS = Path(__file__).resolve().parents[1] / "docs"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("demo", type=Path, help="folder that `make demo` left")
    demo = parser.parse_args().demo
    checkpoint = load(demo / "train" / "best.safetensors")
    video = demo / "unseen" / "subject1" / "vid.mp4"
    p = predict_video(video, InferenceOptions().of(checkpoint))
    title = f"{p.method} on a generated face that it never saw"
    for theme in THEMES:
        path = DOCS / f"predict-{theme}.png"
        plot_prediction(path, p.seconds, p.bvp, p.track.seconds, p.track.bpm, p.rate.bpm, title, theme=theme)


if __name__ == "__main__":
    main()
