"""Losses between predicted and reference pulse, and the label that the differencing networks learn."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

MOST_LAG = 15  # frames between what a face and a finger show: half a second of the usual video


def pearson(prediction: Tensor, reference: Tensor) -> Tensor:
    """Correlation of each pair of waves, ``r = Σ x̂ŷ`` with x̂, ŷ centred and of unit norm; (B, T), (B, T) → (B,).

    A constant wave correlates with nothing: r = 0, with a gradient of 0.
    """
    _check_shapes(prediction, reference)
    return (_unit(prediction) * _unit(reference)).sum(-1)


def neg_pearson(prediction: Tensor, reference: Tensor) -> Tensor:
    """``mean_b(1 − r_b)`` of waves (B, T), from 0 (the same up to scale and offset) to 2; scalar (STGNet)."""
    return (1 - pearson(prediction, reference)).mean()


def lagged_pearson(prediction: Tensor, reference: Tensor) -> Tensor:
    """``mean_b(1 − max_τ r_b(τ))`` over lags |τ| ≤ :data:`MOST_LAG` frames, scalar.

    ``r(τ) = Σ_t x̂_t ŷ_{t+τ}`` with x̂, ŷ centred and of unit norm and zero outside the clip: the face may show the
    pulse sooner or later than the finger does. The best lag is chosen, not learnt: it has no gradient of its own.
    """
    _check_shapes(prediction, reference)
    frames = prediction.shape[-1]
    x, y = (torch.fft.rfft(_unit(wave), n=2 * frames) for wave in (prediction, reference))
    products = torch.fft.irfft(x.conj() * y, n=2 * frames)  # (B, 2T), lag τ at τ modulo 2T
    most = min(MOST_LAG, frames - 1)
    r = torch.cat((products[..., : most + 1], products[..., 2 * frames - most :]), dim=-1)  # (B, 2·most + 1)
    return (1 - r.amax(-1)).mean()


def pearson_and_spectrum(prediction: Tensor, reference: Tensor) -> Tensor:
    """``mean_b(1 − r_b) + mean_b(1 − P̂·P / (‖P̂‖‖P‖))``, the cosine of the power spectra P̂, P of the waves; scalar.

    The second term knows no lag and no shape: it wants the power where the reference's heart rate is.
    """
    _check_shapes(prediction, reference)
    powers = (torch.fft.rfft(_unit(wave)).abs().square() for wave in (prediction, reference))
    return neg_pearson(prediction, reference) + (1 - F.cosine_similarity(*powers, dim=-1)).mean()


def mse(prediction: Tensor, reference: Tensor) -> Tensor:
    """``mean((x − y)²)`` of waves (B, T), scalar (STREAM-Net, on the differenced label)."""
    _check_shapes(prediction, reference)
    return F.mse_loss(prediction, reference)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "neg_pearson": neg_pearson,
    "lagged_pearson": lagged_pearson,
    "pearson_and_spectrum": pearson_and_spectrum,
    "mse": mse,
}


def differenced_label(pulse: Tensor) -> Tensor:
    """``d_t = (p_{t+1} − p_t) / deviation`` of each wave, the last difference 0; (…, T) → (…, T) (DeepPhys).

    The same frames as in the difference that the networks see; a pulse without a change of slope gives zeros.
    """
    difference = pulse.diff(dim=-1)
    return F.pad(difference / _norm(difference, of=pulse) * difference.shape[-1] ** 0.5, (0, 1))


# What a network's ``label`` attribute says it predicts → function from the reference pulse (…, T) to that.
LABELS: dict[str, Callable[[Tensor], Tensor]] = {"wave": lambda pulse: pulse, "differenced": differenced_label}


def _unit(wave: Tensor) -> Tensor:
    return (wave - wave.mean(-1, keepdim=True)) / _norm(wave, of=wave)


def _norm(wave: Tensor, of: Tensor) -> Tensor:
    """Norm of the centred wave, (…, T) → (…, 1); infinite where it is but rounding of what it was computed from."""
    norm = (wave - wave.mean(-1, keepdim=True)).norm(dim=-1, keepdim=True)
    rounding = 4 * torch.finfo(wave.dtype).eps * of.detach().norm(dim=-1, keepdim=True)
    return torch.where(norm > rounding, norm, torch.inf)


def _check_shapes(prediction: Tensor, reference: Tensor) -> None:
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction {tuple(prediction.shape)} and reference {tuple(reference.shape)} differ in shape")
