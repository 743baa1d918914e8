"""The file formats: a network to bytes and back."""

from __future__ import annotations

import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.export.network import exported

INPUT, OUTPUT, DESCRIPTION = "video", "wave", "description.json"
Run = Callable[[Tensor], Tensor]


class Description(NamedTuple):
    """What the user of a file must know; it stands inside the file.

    ``label`` says whether the wave is the pulse (``wave``) or its frame differences (``differenced``); ``fps`` is the
    frame rate that the network was trained at.
    """

    model: str
    clip_frames: int
    size: int
    fps: float
    label: str
    layout: str = "(batch, RGB, frames, height, width)"
    value_range: str = "0 to 1"


class Format(NamedTuple):
    """``to_bytes(network, description)`` makes the content of a file, ``runner(content)`` what runs it."""

    suffix: str
    to_bytes: Callable[[nn.Module, Description], bytes]
    runner: Callable[[bytes], Run]


def to_exported(network: nn.Module, description: Description) -> bytes:
    """A file of ``torch.export``, which torch alone runs."""
    file = io.BytesIO()
    with _quiet():
        program = exported(network, description.clip_frames, description.size)
        torch.export.save(program, file, extra_files={DESCRIPTION: json.dumps(description._asdict())})
    return file.getvalue()


def precise_sigmoid(z: Tensor) -> Tensor:
    """``sigmoid(z) = exp(min(z, 0)) / (1 + exp(−|z|))``, whose small values are right to all their digits.

    ONNX Runtime's own sigmoid is zero where it is below 1e-7, and a mask of such values would be 0 / 0.
    """
    return z.clamp(max=0).exp() / (1 + (-z.abs()).exp())


def to_onnx(network: nn.Module, description: Description) -> bytes:
    """An ONNX file, without the places in the source and with a free batch axis; InputError without its packages."""
    _onnx_packages()
    with _quiet():
        program = exported(network, description.clip_frames, description.size)
        program = program.run_decompositions({torch.ops.aten.sigmoid.default: precise_sigmoid})
        program = torch.onnx.export(
            program, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], external_data=False, verbose=False
        )
    model = program.model_proto
    graph = model.graph
    for described in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        described.ClearField("metadata_props")
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    for key, value in description._asdict().items():
        model.metadata_props.add(key=key, value=str(value))
    return model.SerializeToString()


def run_onnx(content: bytes) -> Run:
    """What runs an ONNX file on the CPU, on as many threads as torch has."""
    onnxruntime = _onnx_packages()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda video: torch.from_numpy(session.run([OUTPUT], {INPUT: video.numpy()})[0])


def _onnx_packages():
    """onnxruntime, once all that the format needs is there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(
            f'format onnx needs {error.name}, which is not installed: pip install "rppg-graph[export]"; '
            "or take --format exported, which needs nothing"
        ) from error
    return onnxruntime


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' remarks on packages that are not installed and on their own deprecated parts."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


FORMATS: dict[str, Format] = {
    "onnx": Format(".onnx", to_onnx, run_onnx),
    "exported": Format(".pt2", to_exported, lambda content: torch.export.load(io.BytesIO(content)).module()),
}
