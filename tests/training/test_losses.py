"""Losses against scipy and numpy, and where the common forms give NaN."""

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr

from rppg_graph.training.losses import (
    LOSSES,
    MOST_LAG,
    differenced_label,
    lagged_pearson,
    mse,
    neg_pearson,
    pearson,
    pearson_and_spectrum,
)


def waves(seed: int = 0, batch: int = 4, frames: int = 50) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, frames, generator=generator, dtype=torch.float64)
    return x, 0.5 * x + torch.randn(batch, frames, generator=generator, dtype=torch.float64)


def test_pearson_against_scipy():
    x, y = waves()
    expected = [pearsonr(a, b).statistic for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    np.testing.assert_allclose(pearson(x, y), expected, rtol=1e-12)
    assert neg_pearson(x, y).item() == pytest.approx(1 - np.mean(expected), rel=1e-12)


def test_mse_against_numpy():
    x, y = waves()
    assert mse(x, y).item() == pytest.approx(np.mean((x.numpy() - y.numpy()) ** 2), rel=1e-12)


@pytest.mark.parametrize("frames", [5, 16, 61])
def test_lagged_pearson_is_the_best_of_numpys_correlations(frames):
    x, y = waves(batch=3, frames=frames)
    expected = []
    for a, b in zip(x.numpy(), y.numpy(), strict=True):
        a, b = ((wave - wave.mean()) / np.linalg.norm(wave - wave.mean()) for wave in (a, b))
        lags = np.arange(1 - frames, frames)
        expected.append(1 - np.correlate(b, a, "full")[abs(lags) <= MOST_LAG].max())
    assert lagged_pearson(x, y).item() == pytest.approx(np.mean(expected), rel=1e-12)


def test_lagged_pearson_forgives_a_lag_and_no_other_rate():
    t = torch.arange(160, dtype=torch.float64) / 30
    pulse, late, faster = (torch.sin(2 * np.pi * hz * (t - lag))[None] for hz, lag in ((1.2, 0), (1.2, 0.3), (1.5, 0)))
    assert neg_pearson(late, pulse).item() > 1.5
    assert lagged_pearson(late, pulse).item() < 0.1  # what leaves the clip is lost
    assert lagged_pearson(faster, pulse).item() > 0.5


def test_the_spectral_term_knows_no_lag_but_the_rate():
    t = torch.arange(150, dtype=torch.float64) / 30

    def term(wave):
        return (pearson_and_spectrum(wave, pulse) - neg_pearson(wave, pulse)).item()

    pulse = torch.sin(2 * np.pi * 1.2 * t)[None]  # six whole periods
    assert term(torch.roll(pulse, 7, -1)) == pytest.approx(0, abs=1e-12)
    assert term(torch.sin(2 * np.pi * 1.6 * t)[None]) == pytest.approx(1, abs=1e-12)
    assert term(-5 * pulse + 3) == pytest.approx(0, abs=1e-12)


def test_neg_pearson_knows_no_scale_and_no_offset():
    x, y = waves()
    assert neg_pearson(3 * x + 100, y).item() == pytest.approx(neg_pearson(x, y).item(), rel=1e-9)
    assert neg_pearson(x, 0.01 * x - 7).item() == pytest.approx(0, abs=1e-12)
    assert neg_pearson(x, -x).item() == pytest.approx(2, rel=1e-12)


@pytest.mark.parametrize("level", [0.0, 0.1, -1e4, 1e-12])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_prediction_is_uncorrelated_and_its_gradient_finite(level, dtype):
    prediction = torch.full((2, 160), level, dtype=dtype)
    prediction[1] += torch.sin(torch.arange(160, dtype=dtype) / 4) * max(abs(level), 1)
    prediction.requires_grad_()
    reference = torch.sin(torch.arange(160, dtype=dtype) / 4).expand(2, -1)
    expected = {neg_pearson: 0.5, lagged_pearson: 0.5, pearson_and_spectrum: 1.0}  # the second wave is right
    for loss, value in expected.items():
        found = loss(prediction, reference)
        assert found.item() == pytest.approx(value, abs=1e-4)
        (gradient,) = torch.autograd.grad(found, prediction)
        assert gradient[0].abs().max() == 0
        assert gradient.isfinite().all()


def test_constant_reference_gives_no_nan():
    x, _ = waves()
    assert neg_pearson(x, torch.ones_like(x)).item() == pytest.approx(1, abs=1e-12)


def test_gradcheck():
    x, y = waves(batch=2, frames=7)
    for loss in LOSSES.values():
        assert torch.autograd.gradcheck(lambda x, loss=loss: loss(x, y), x.clone().requires_grad_())


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_shapes_that_differ_are_refused_not_broadcast(loss):
    with pytest.raises(ValueError, match=r"\(4, 50\) and reference \(50,\) differ"):
        loss(waves()[0], waves()[1][0])


def test_differenced_label_against_numpy_and_back_again():
    pulse, _ = waves()
    label = differenced_label(pulse)
    difference = np.diff(pulse.numpy())
    np.testing.assert_allclose(label[:, :-1], difference / difference.std(1, keepdims=True), rtol=1e-12)
    assert label[:, -1].abs().max() == 0
    assert neg_pearson(label.cumsum(-1)[:, :-1], pulse[:, 1:]).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_label_of_a_pulse_without_shape_is_zero(slope):
    pulse = slope * torch.arange(100, dtype=torch.float64)
    assert differenced_label(pulse).abs().max() == 0
