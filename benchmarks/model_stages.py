"""Where the time of an STGNet goes: every part run by itself on what it gets inside the network."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from rppg_graph.graph.aggregate import neighbour_mean
from rppg_graph.models.stgnet import STGNet
from rppg_graph.timing import median_ms
from rppg_graph.training.trainer import adamw

REPEATS = 5
Part = tuple[Callable[..., Tensor], tuple[Tensor, ...]]  # a function, and its inputs


def stage_ms(model: STGNet, video: Tensor, train: bool) -> dict[str, float]:
    """Milliseconds of each kind of part, forward and with ``train`` backward too (the search has none).

    The parts run alone, so their sum is near the whole and not equal to it.
    """
    model.train(train)
    parts = _parts(model, video)
    spent = {name: sum(_ms(part, train and name != "KNN") for part in found) for name, found in parts.items()}
    spent["MLP"] -= spent["aggregation"]  # was measured with the aggregation inside
    if train:  # every parameter has its gradient by now
        spent["optimiser"] = median_ms(adamw(model, 1e-6).step, REPEATS)
    return spent


def _parts(model: STGNet, video: Tensor) -> dict[str, list[Part]]:
    """The parts by kind, with the inputs that one pass over the video gives them."""
    parts: dict[str, list[Part]] = {"stem": [(model.stem, (video,))], "KNN": [], "aggregation": [], "MLP": []}
    parts |= {"ROI": [], "head": []}
    handles = []

    def at(module: nn.Module, see: Callable[[tuple], None]) -> None:
        handles.append(module.register_forward_pre_hook(lambda _module, inputs: see(inputs)))

    def see_block(block: nn.Module, inputs: tuple) -> None:
        x, grid = inputs[0].detach(), inputs[1]
        placed = (x + block.positions(grid)).detach()
        neighbours = block.neighbours(placed, grid)
        parts["KNN"].append((lambda nodes: block.neighbours(nodes, grid), (placed,)))
        parts["aggregation"].append((lambda nodes: neighbour_mean(nodes, neighbours), (placed,)))
        parts["MLP"].append((lambda nodes: block(nodes, grid, neighbours), (x,)))

    for stage in model.stages:
        for block in stage.denoise:
            at(block, lambda inputs, block=block: see_block(block, inputs))
        at(stage.select, lambda inputs, part=stage.select: parts["ROI"].append((part, (inputs[0].detach(),))))
    frames = video.shape[2]
    at(model.head, lambda inputs: parts["head"].append((lambda x: model.head(x, frames), (inputs[0].detach(),))))
    with torch.no_grad():
        model(video)
    for handle in handles:
        handle.remove()
    return parts


def _ms(part: Part, train: bool) -> float:
    run, inputs = part
    if not train:
        with torch.no_grad():
            return median_ms(lambda: run(*inputs), REPEATS)
    inputs = tuple(x if x.dim() == 5 and x.shape[1] == 3 else x.clone().requires_grad_() for x in inputs)  # no video
    gradient = torch.randn_like(run(*inputs))
    return median_ms(lambda: run(*inputs).backward(gradient), REPEATS)
