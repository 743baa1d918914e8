"""Monte-Carlo dropout: how far a network's predictions scatter when its dropout layers stay on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from rppg_graph.errors import InputError
from rppg_graph.nn.drop_path import DropPath
from rppg_graph.nn.dropout_rates import RATES, check_rate, check_samples

DROPOUT_LAYERS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, DropPath)
GROUP_BYTES = 16 * 2**20  # of repeated state: samples of short clips run together, those of long ones in turn


def sample(model: nn.Module, video: Tensor, samples: int, rate: float | str, seed: int = 0) -> Tensor:
    """Predictions with the dropout layers alone switched on (Gal and Ghahramani, 1506.02142; STREAM-Net).

    Everything else, batch norm above all, stays in evaluation mode. What comes before the first dropout runs once. The
    prediction is ``mean_s``, the uncertainty of a frame the unbiased variance over s: ``torch.var_mean(waves, 0)``.

    Args:
        model: ``model(video)`` is ``model.after_dropout(model.before_dropout(video), frames=T)``; what passes between
            the two is a tensor (B, …) or a tuple of such.
        video: (B, 3, T, H, W) in [0, 1].
        samples: S ≥ 2.
        rate: p for every dropout layer, or ``half`` or ``third`` of the rates that the network trains with.
        seed: the same seed gives the same samples; torch's own generators are left as they were.

    Returns:
        (S, B, T) without gradient; the mode and the rate of every layer are as before.

    Raises:
        InputError: a number of samples or a rate that is not to be had, a network without dropout.
    """
    check_samples(samples)
    devices = [video.device] if video.is_cuda else []
    with torch.no_grad(), torch.random.fork_rng(devices), dropout_alone(model, rate):
        torch.manual_seed(seed)
        state = model.before_dropout(video)
        tensors = state if isinstance(state, tuple) else (state,)
        group = max(1, GROUP_BYTES // sum(tensor.numel() * tensor.element_size() for tensor in tensors))
        waves = []
        for first in range(0, samples, group):
            size = min(group, samples - first)
            repeated = tuple(x.repeat(size, *[1] * (x.ndim - 1)) if size > 1 else x for x in tensors)  # (S'·B, …)
            wave = model.after_dropout(repeated if isinstance(state, tuple) else repeated[0], frames=video.shape[2])
            waves.append(wave.unflatten(0, (size, -1)))  # (S', B, T)
        return torch.cat(waves)


@contextmanager
def dropout_alone(model: nn.Module, rate: float | str) -> Iterator[None]:
    """A network in evaluation mode but for its dropout layers, which drop at ``rate``; all is restored on leaving."""
    check_rate(rate)
    layers = _layers(model)
    modes = [(module, module.training) for module in model.modules()]
    trained, rates = [layer.p for layer in layers], _rates(layers, rate)
    if not any(rates):
        missing = "no dropout layer" if not layers else f"dropout layers of rate 0 alone, of which {rate=} is 0"
        raise InputError(f"{type(model).__name__} has {missing}, and so no Monte-Carlo dropout")
    try:
        model.eval()
        for layer, p in zip(layers, rates, strict=True):
            layer.p = p
            layer.training = True
        yield
    finally:
        for layer, p in zip(layers, trained, strict=True):
            layer.p = p
        for module, mode in modes:
            module.training = mode


def drops(model: nn.Module, rate: float | str) -> bool:
    """Whether Monte-Carlo dropout at ``rate`` has anything to drop in a network."""
    return any(_rates(_layers(model), rate))


def _layers(model: nn.Module) -> list[nn.Module]:
    return [module for module in model.modules() if isinstance(module, DROPOUT_LAYERS)]


def _rates(layers: list[nn.Module], rate: float | str) -> list[float]:
    return [RATES[rate](layer.p) if isinstance(rate, str) else float(rate) for layer in layers]
