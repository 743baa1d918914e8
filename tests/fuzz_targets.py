"""What reads files from strangers: each takes any bytes, and either reads them or refuses them with an InputError."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as safetensors

from rppg_graph.config import apply_override, load_config
from rppg_graph.data.cached_recording import RECORDING_FILE, read_metadata
from rppg_graph.data.recordings import lgi_ppgi, own_videos, pure, ubfc_phys, ubfc_rppg, ubfc_rppg_1
from rppg_graph.data.splits import read_splits
from rppg_graph.errors import InputError
from rppg_graph.experiments.study import load_study
from rppg_graph.models import MODELS
from rppg_graph.models.checkpoint import Checkpoint, load, save
from rppg_graph.pulse.score import load_waves
from rppg_graph.training.trainer import METRICS, read_metrics

SECONDS, BYTES = 5.0, 1 << 30  # that a file may take to be read, and of memory


def _reads(name: str, read: Callable[[Path], object]) -> Callable[[bytes, Path], None]:
    def target(content: bytes, folder: Path) -> None:
        (path := folder / name).write_bytes(content)
        with suppress(InputError):
            read(path)

    return target


def _override(content: bytes, _: Path) -> None:
    with suppress(InputError):
        apply_override({"train": {"steps": 1}}, content.decode("utf-8", "replace"))


TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    "config": _reads("config.yaml", load_config),
    "override": _override,
    "study": _reads("study.yaml", load_study),
    "splits": _reads("splits.yaml", read_splits),
    "checkpoint": _reads("best.safetensors", load),
    "pickled checkpoint": _reads("best.pt", load),
    "recording of the cache": _reads(RECORDING_FILE, lambda path: read_metadata(path.parent)),
    "metrics": _reads(METRICS, lambda path: read_metrics(path.parent)),
    "waves": _reads("waves.npz", load_waves),
    "pure": _reads("01-01.json", pure.read_reference),
    "ubfc-rppg": _reads("ground_truth.txt", ubfc_rppg.read_reference),
    "ubfc-rppg-1": _reads("gtdump.xmp", ubfc_rppg_1.read_reference),
    "ubfc-phys": _reads("bvp_s1_T1.csv", ubfc_phys.read_reference),
    "own videos": _reads("face.csv", own_videos.read_reference),
    "xml": _reads("cms50_stream_handler.xml", lambda path: lgi_ppgi._values(path, ("value1", "value2"))),
}


def seeds(folder: Path) -> dict[str, list[bytes]]:
    """Files that are read, and such as were made to be read for ever."""
    options = {"size": 16, "clip_frames": 32, "stages": [[1, 4, 2]]}
    config = {"model": {"name": "stgnet_small", "options": options}}
    model = MODELS["stgnet_small"](**options)
    whole = Checkpoint(model, config, 30.0, 70.0, {"step": 1, "moments": [{"step": torch.ones(())}]})
    save(folder / "seed.safetensors", whole)
    content = {"format": "rppg_graph-checkpoint-1", "model": model.state_dict(), "config": config, "fps": 30.0}
    torch.save(content | {"mean_bpm": 70.0, "training": {}}, folder / "seed.pt")
    np.savez(folder / "seed.npz", subject1_pred=np.zeros(9), subject1_label=np.zeros(9), subject1_fs=30.0)
    waves = (folder / "seed.npz").read_bytes()
    encrypted = bytearray(waves)
    encrypted[waves.find(b"PK\1\2") + 8] = 0x41  # as the flags of the first array say
    huge = {"model": {"name": "stgnet_small", "options": options | {"size": 4096, "stages": [[99, 9999, 2]]}}}
    deep = {"model": {"name": "stgnet_small", "options": {"stages": [[9999, 4, 2]]}}}
    wide = {"model": {"name": "stgnet_map", "options": {"dilations": [1] * 9999}}}
    headers = [
        {"checkpoint": json.dumps({"config": asked, "fps": 30, "mean_bpm": 70, "training": {}})}
        for asked in (huge, deep, wide)
    ]
    laughs = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" if n else "a0: &a0 [1, 2]" for n in range(12))
    entity = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    pure_label = {"/Image": [{"Timestamp": 0}], "/FullPackage": [
        {"Timestamp": t * 10**7, "Value": {"waveform": t % 50, "pulseRate": 70}} for t in range(9)]}  # fmt: skip
    yaml_bombs = [laughs.encode(), b"[" * 9999, b"a: &a [*a]", b"a: !!timestamp x", b"- " * 5000 + b"1", b"? " * 999]
    column = "\n".join(map(str, range(40))).encode()
    return {
        "config": [b"data: {root: x, split: modulo5}\nmodel: {options: {size: 1e3}}\ntrain: {steps: 1}",
                   b"extends: config.yaml", b"extends: '\\0'", *yaml_bombs],
        "override": [b"train.steps=200", b"train.steps.x=1", b"=", b"a=!!int ''", b"a=2001-99-99", b"a=" + b"{" * 999],
        "study": [b"question: q\nbase: {data: {root: x}}\nvariants: [{name: a}]", *yaml_bombs],
        "splits": [b"folds: [{name: a, train: ['1'], test: ['2']}]\nleft_out: ['3']", *yaml_bombs],
        "checkpoint": [(folder / "seed.safetensors").read_bytes(),
                       *(safetensors({"a": torch.ones(1)}, header) for header in headers),
                       safetensors({"a": torch.ones(1)}, {"checkpoint": "[" * 99999}), b"\xff" * 16],
        "pickled checkpoint": [(folder / "seed.pt").read_bytes(), b"\x80\x02cos\nsystem\n(S'true'\ntR."],
        "recording of the cache": [b'{"format_version": 1, "frames": 1}', b"[" * 99999, b'{"a":' * 9999],
        "metrics": [b'{"step": 2, "loss": 1.0}\n{"step": 4', b'{"step": 1e999}', b"[" * 99999],
        "waves": [waves, bytes(encrypted)],
        "pure": [json.dumps(pure_label).encode(), b"[" * 99999, b'{"/Image": 1e999}'],
        "ubfc-rppg": [b"1 2 3 4\n70 70 70 70\n0 .1 .2 .3", b"1e999 nan\n1 2\n3 4"],
        "ubfc-rppg-1": [b"0,70,98,1\n16,70,98,2\n32,70,98,3"],
        "ubfc-phys": [column],
        "own videos": [b"seconds,pulse\n0,1\n1,2\n2,1"],
        "xml": [b"<a><b><value1>70</value1><value2>1</value2></b></a>", b"<a>" * 9999,
                f"<!DOCTYPE a [<!ENTITY a0 'x'>{entity}]><a><value1>&a11;</value1></a>".encode()],
    }  # fmt: skip
