"""``run.py export``."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rppg_graph.data.clips import clip_tensor
from rppg_graph.errors import InputError
from rppg_graph.export.check import Check, check
from rppg_graph.export.formats import FORMATS, Description
from rppg_graph.export.network import inference_form
from rppg_graph.files import writable, write_whole
from rppg_graph.inference.methods import NetworkMethod
from rppg_graph.inference.predict import first_clip
from rppg_graph.models.checkpoint import Checkpoint, load
from rppg_graph.models.weights import load_weights
from rppg_graph.registry import choose
from rppg_graph.synthetic import generate

EXAMPLES = """\
  run.py export runs/ubfc/best.pt --format onnx
  run.py export stgnet-small-synth --format onnx         # here, as stgnet-small-synth.onnx
  run.py export runs/ubfc/best.pt --format exported --out pulse.pt2 --video face.mp4"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="a network of `run.py train`, or one that comes trained"
    )
    parser.add_argument(
        "--format", required=True, help="onnx (for ONNX Runtime and others) or exported (torch.export, needs torch)"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: named as the checkpoint, as .onnx or .pt2")
    parser.add_argument("--video", type=Path, metavar="FILE", help="check on this face (default: a generated one)")


def run(args: argparse.Namespace) -> None:
    file_format = choose("export format", FORMATS, args.format)
    shipped = not args.checkpoint.exists() and args.checkpoint.parent == Path() and not args.checkpoint.suffix
    out = args.out or args.checkpoint.with_suffix(file_format.suffix)
    writable(out, args.checkpoint, args.video)
    checkpoint = load_weights(str(args.checkpoint)) if shipped else load(args.checkpoint)
    description = describe(checkpoint)
    inference_form(checkpoint.model)  # refuses before any work is done
    video = _face(args.video, checkpoint, description)
    content = file_format.to_bytes(checkpoint.model, description)
    checked = check(file_format.runner(content), checkpoint.model, video, description.fps)
    write_whole(out, lambda path: path.write_bytes(content))
    print(summary(out, len(content), description, checked))


def describe(checkpoint: Checkpoint) -> Description:
    """What the user of the exported file must know."""
    data = checkpoint.config["data"]
    name, label = checkpoint.config["model"]["name"], checkpoint.model.label
    return Description(name, data["clip_frames"], data["crop"]["size"], checkpoint.fps, label)


def _face(path: Path | None, checkpoint: Checkpoint, description: Description) -> Tensor:
    """A clip of a face and its mirror image: (2, 3, T, S, S)."""
    frames, size = description.clip_frames, description.size
    if path is None:
        fps = min(max(description.fps, 15.0), 120.0)  # what can be generated; the check does not depend on it
        recording = generate("easy", seed=1, seconds=frames / fps + 2, fps=fps)
        clip = np.stack(list(islice(recording.crops(size), frames)))  # (T, S, S, 3)
    else:
        finding = {key: value for key, value in checkpoint.config["data"]["crop"].items() if key != "size"}
        clip = first_clip(path, NetworkMethod.from_checkpoint(checkpoint), **finding)
        if clip is None:
            raise InputError(
                f"{path}: no stretch with a face is as long as a clip of {checkpoint.config['model']['name']}, "
                f"{frames} frames at {description.fps:g} fps; take a longer video"
            )
    video = clip_tensor(clip)  # (3, T, S, S)
    return torch.stack((video, video.flip(-1)))


def summary(out: Path, size: int, description: Description, checked: Check) -> str:
    """What the screen shows."""
    d, c = description, checked
    rates = ["none" if bpm is None else f"{bpm:.1f}" for bpm in c.bpm]
    original_ms, file_ms = c.milliseconds
    told = {
        "input": f"video float32 (batch, 3, {d.clip_frames}, {d.size}, {d.size}): {d.layout}, values {d.value_range}",
        "output": f"wave float32 (batch, {d.clip_frames}): label {d.label}, at {d.fps:g} fps",
        "deviation": f"at most {max(c.close):.1e} of the wave's standard deviation; {c.exact:.1e} in float64",
        "heart rate": f"{rates[1]} bpm, the original {rates[0]} bpm",
        "speed": f"{file_ms:.0f} ms a clip, the original {original_ms:.0f} ms ({torch.get_num_threads()} threads)",
    }
    lines = [f"{out}: {d.model}, {size / 1e6:.1f} MB", *(f"  {name:10} {value}" for name, value in told.items())]
    return "\n".join(lines)
