"""A trained network as one file that runs without this project, checked before it is left."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from rppg_graph.data.clip_dataset import clip_tensor
from rppg_graph.data.clips import cut_clips
from rppg_graph.data.face import FaceCropper
from rppg_graph.data.video import read_video
from rppg_graph.errors import InputError
from rppg_graph.export.check import Check, check
from rppg_graph.export.formats import FORMATS, Description
from rppg_graph.export.network import inference_form
from rppg_graph.files import writable, write_whole
from rppg_graph.models.checkpoint import Checkpoint, load
from rppg_graph.models.weights import load_weights
from rppg_graph.registry import choose
from rppg_graph.synthetic import generate


class Exported(NamedTuple):
    """The file, its size in bytes, what its user must know, and how it compares with the network."""

    path: Path
    size: int
    description: Description
    checked: Check

    def __str__(self) -> str:
        d, c = self.description, self.checked
        rates = ["none" if bpm is None else f"{bpm:.1f}" for bpm in c.bpm]
        original_ms, file_ms = c.milliseconds
        told = {
            "input": f"video float32 (batch, 3, {d.clip_frames}, {d.size}, {d.size}): {d.layout}, "
            f"values {d.value_range}",
            "output": f"wave float32 (batch, {d.clip_frames}): label {d.label}, at {d.fps:g} fps",
            "deviation": f"at most {max(c.close):.1e} of the wave's standard deviation; {c.exact:.1e} in float64",
            "heart rate": f"{rates[1]} bpm, the original {rates[0]} bpm",
            "speed": f"{file_ms:.0f} ms a clip, the original {original_ms:.0f} ms ({torch.get_num_threads()} threads)",
        }
        head = f"{self.path}: {d.model}, {self.size / 1e6:.1f} MB"
        return "\n".join([head, *(f"  {name:10} {value}" for name, value in told.items())])


def export(checkpoint: Path, file_format: str, out: Path | None = None, video: Path | None = None) -> Exported:
    """Export a network, and compare the file with it on a face.

    Args:
        checkpoint: a file that ``run.py train`` wrote, or the name of a network of the package.
        file_format: of ``formats.FORMATS``.
        out: the file; None for the checkpoint's name with the format's suffix.
        video: of a face to compare on; None for a generated one.

    Raises:
        InputError: an unknown name, a network that cannot be exported, a file that deviates, or no face in ``video``.
    """
    chosen = choose("export format", FORMATS, file_format)
    shipped = not checkpoint.exists() and checkpoint.parent == Path() and not checkpoint.suffix
    out = out or checkpoint.with_suffix(chosen.suffix)
    writable(out, checkpoint, video)
    trained = load_weights(str(checkpoint)) if shipped else load(checkpoint)
    data = trained.config["data"]
    name, label = trained.config["model"]["name"], trained.model.label
    description = Description(name, data["clip_frames"], data["crop"]["size"], trained.fps, label)
    inference_form(trained.model)  # refuses before any work is done
    clips = _face(video, trained, description)
    content = chosen.to_bytes(trained.model, description)
    checked = check(chosen.runner(content), trained.model, clips, description.fps)
    write_whole(out, lambda path: path.write_bytes(content))
    return Exported(out, len(content), description, checked)


def _face(path: Path | None, checkpoint: Checkpoint, description: Description) -> Tensor:
    """A clip of a face and its mirror image: (2, 3, T, S, S)."""
    frames, size = description.clip_frames, description.size
    if path is None:
        fps = min(max(description.fps, 15.0), 120.0)  # what can be generated; the check does not depend on it
        recording = generate("easy", seed=1, seconds=frames / fps + 2, fps=fps)
        clip = np.stack(list(islice(recording.crops(size), frames)))  # (T, S, S, 3)
    else:
        crops = FaceCropper(**checkpoint.config["data"]["crop"]).crops(read_video(path), str(path))
        clip = next((clip.video for clip in cut_clips(crops, description.fps, frames, frames)), None)
        if clip is None:
            raise InputError(
                f"{path}: no stretch with a face is as long as a clip of {description.model}, "
                f"{frames} frames at {description.fps:g} fps; take a longer video"
            )
    video = clip_tensor(clip)  # (3, T, S, S)
    return torch.stack((video, video.flip(-1)))
