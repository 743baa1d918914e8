"""Who is the first to give NaN or infinity in a training step, and memory that holds NaN before it."""

from contextlib import ExitStack
from functools import partial

import torch
from torch import Tensor, nn

from rppg_graph.training.losses import neg_pearson
from rppg_graph.training.trainer import PRECISIONS, adamw


def first_not_finite(model: nn.Module, video: Tensor, precision: str, steps: int = 2) -> str | None:
    """The module, or the parameter, that gives the first value or gradient that is not finite; None for nobody.

    Free memory is filled with NaN before every step: what nobody wrote is found by whoever reads it. The marks are
    read after the step, so that the device is not waited for inside of it.
    """
    optimiser, pulse = adamw(model.train(), 1e-4), torch.randn(len(video), video.shape[2], device=video.device)
    for number in range(steps):
        fine: dict[str, Tensor] = {}
        with ExitStack() as hooks:
            for name, module in model.named_modules():
                hooks.callback(module.register_forward_hook(partial(_mark, fine, name)).remove)
            _poison(video.device)
            optimiser.zero_grad(set_to_none=True)
            with PRECISIONS[precision](video.device.type):
                wave = model(video)
            neg_pearson(wave.float(), pulse).backward()
        fine |= {f"gradient of {name}": _finite(part.grad) for name, part in model.named_parameters()}
        optimiser.step()
        fine |= {f"step of {name}": _finite(part) for name, part in model.named_parameters()}
        for name, flag in fine.items():
            if not flag:
                return f"step {number}: {name or 'the network'}"
    return None


def _mark(fine: dict[str, Tensor], name: str, module: nn.Module, inputs: object, out: object) -> None:
    fine[name] = _finite(out)


def _finite(x: object) -> Tensor:
    return x.detach().isfinite().all() if isinstance(x, Tensor) else torch.tensor(True)


def _poison(device: torch.device) -> None:
    if device.type == "cuda":  # elsewhere torch fills what is asked for, see fill_uninitialized_memory
        torch.cuda.empty_cache()
        gigabytes = torch.cuda.mem_get_info(device)[0] // 2**31  # half of what is free
        blocks = [torch.full((2**28,), torch.nan, device=device) for _ in range(min(gigabytes, 32))]
        blocks += [torch.full((2**17,), torch.nan, device=device) for _ in range(256)]
        del blocks
