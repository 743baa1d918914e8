"""The temporal shift: both forms against a table by hand, each other, and the laws of a shift."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rppg_graph.nn.temporal_shift import TemporalShift, temporal_shift, temporal_shift_reference

FORMS = [temporal_shift_reference, temporal_shift]
form = pytest.mark.parametrize("form", FORMS, ids=["reference", "fast"])
wrap = pytest.mark.parametrize("wrap", [True, False], ids=["wrap", "zero"])


@form
@pytest.mark.parametrize(
    ("wrap", "ahead", "back"),
    [(True, [2, 3, 1, 5, 6, 4], [3, 1, 2, 6, 4, 5]), (False, [2, 3, 0, 5, 6, 0], [0, 1, 2, 0, 4, 5])],
)
def test_table_by_hand(form, wrap, ahead, back):
    frames = torch.arange(1.0, 7).view(6, 1, 1, 1).expand(6, 4, 1, 1)  # four channels: one ahead, one back, two stay
    shifted = form(frames, 3, wrap)[:, :, 0, 0].T.tolist()
    assert shifted == [ahead, back, [1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]]


@given(
    segments=st.integers(1, 3), segment=st.integers(2, 6), channels=st.integers(1, 8), height=st.integers(1, 3),
    width=st.integers(1, 3), wrap=st.booleans(), channels_last=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_fast_form_equals_the_reference_with_its_gradient(
    segments, segment, channels, height, width, wrap, channels_last, seed
):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(segments * segment, channels, height, width, generator=generator, dtype=torch.float64)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    weights = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    values, gradients = [], []
    for form in FORMS:
        leaf = x.clone().requires_grad_()
        values.append(form(leaf, segment, wrap))
        gradients.append(torch.autograd.grad((values[-1] * weights).sum(), leaf)[0])
    assert torch.equal(*values)
    assert torch.equal(*gradients)


@wrap
def test_gradcheck(wrap):
    x = torch.randn(4, 5, 2, 1, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: temporal_shift(x, 2, wrap), x)
    assert torch.autograd.gradgradcheck(lambda x: temporal_shift(x, 2, wrap), x)


@form
@wrap
def test_segments_never_mix(form, wrap):
    x = torch.zeros(9, 6, 2, 2)
    x[3:6] = torch.randn(3, 6, 2, 2)
    shifted = form(x, 3, wrap)
    assert shifted[:3].abs().sum() == 0
    assert shifted[6:].abs().sum() == 0
    assert shifted[3:6].abs().sum() > 0


@form
def test_wrapping_loses_nothing(form):
    x = torch.randn(10, 7, 3, 3)
    turned = x
    for _ in range(5):  # as often as a segment has frames
        turned = form(turned, 5, True)
    assert torch.equal(turned, x)


def test_input_is_untouched_and_its_memory_format_kept():
    x = torch.randn(4, 6, 3, 5).contiguous(memory_format=torch.channels_last)
    before = x.clone()
    shifted = TemporalShift(2, wrap=True)(x)
    assert torch.equal(x, before)
    assert shifted.is_contiguous(memory_format=torch.channels_last)


def test_incomplete_segment_is_refused():
    with pytest.raises(ValueError, match="7 frames are no multiple of segment=3"):
        temporal_shift(torch.zeros(7, 3, 1, 1), 3, True)
