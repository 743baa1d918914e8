"""The network as it is exported: the very one that is trained, norms folded, our operators decomposed."""

from __future__ import annotations

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from rppg_graph.errors import InputError
from rppg_graph.graph import aggregate, knn
from rppg_graph.nn.denoise_block import GraphMixing
from rppg_graph.nn.folding import folded
from rppg_graph.nn.relative_conv import RelativeConv

DECOMPOSITIONS = knn.DECOMPOSITIONS | aggregate.DECOMPOSITIONS


def inference_form(model: nn.Module) -> nn.Module:
    """A copy for inference alone: batch norms multiplied into the maps before them, nothing wants a gradient.

    Raises:
        InputError: a graph convolution that takes edges.
    """
    for module in model.modules():
        if isinstance(module, GraphMixing) and not isinstance(module.conv, RelativeConv):
            raise InputError(
                f"graph convolution {type(module.conv).__name__} (option conv) cannot be exported; "
                "average_relative, max_relative and attention_relative can"
            )
    return folded(model).requires_grad_(False)


class Decomposed(TorchDispatchMode):
    """While it is entered, our operators run as the plain tensor operations that an exported file holds."""

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        return DECOMPOSITIONS.get(operator, operator)(*args, **(kwargs or {}))


def exported(model: nn.Module, clip_frames: int, size: int) -> torch.export.ExportedProgram:
    """The operations of a network for any number of clips, none of them ours.

    Without the example input and the places in the source.
    """
    form = inference_form(model)
    video = torch.zeros(2, 3, clip_frames, size, size)
    with torch.no_grad():
        form(video)  # graphs that are the same for every clip are made here, and are constants of the file
        program = torch.export.export(form, (video,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    program = program.run_decompositions(DECOMPOSITIONS)
    program.example_inputs = None
    for node in program.graph.nodes:
        for origin in ("stack_trace", "from_node", "torch_fn"):  # of no use to who reads the file
            node.meta.pop(origin, None)
    return program
