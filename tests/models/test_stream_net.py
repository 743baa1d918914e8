"""STREAM-Net and its family: what the released lines compute (tests/golden), sizes, switches, Monte-Carlo dropout."""

import numpy as np
import pytest
import torch

from rppg_graph.errors import InputError
from rppg_graph.models.stream_net import StreamNet, deep_phys, from_released, stream_net, ts_can
from rppg_graph.nn import mc_dropout

FAMILY = {"stream_net": stream_net, "ts_can": ts_can, "deep_phys": deep_phys}
family = pytest.mark.parametrize("build", FAMILY.values(), ids=FAMILY)


def count(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.fixture(scope="module")
def small() -> StreamNet:
    torch.manual_seed(0)
    return stream_net(size=16, segment=4).eval()


@pytest.mark.parametrize("prefix", ["", "module."])
def test_golden_activations_in_float64(released_state, golden, prefix):
    expected = golden("stream_net_seed1")
    frames = np.random.default_rng([1, 778]).standard_normal((20, 6, 72, 72)).astype(np.float32)
    assert frames.astype(np.float64).sum() == pytest.approx(float(expected["input_sum"]), abs=1e-9)
    model = stream_net().double().eval()
    model.load_state_dict(from_released({prefix + name: value for name, value in released_state("stream_net").items()}))
    parts = {
        "motion_conv2": model.temporal[1],
        "apperance_conv2": model.spatial[1],
        "motion_conv4": model.temporal[3],
        "apperance_conv4": model.spatial[3],
        "ssfem": model.enhancement,
        "attn_mask_1": model.attention_1,
        "attn_mask_2": model.attention_2,
    }
    seen: dict[str, list[torch.Tensor]] = {name: [] for name in parts}
    for name, part in parts.items():
        part.register_forward_hook(lambda _m, _i, out, name=name: seen[name].append(out))
    clip = torch.tensor(frames, dtype=torch.float64)[None]  # (1, 20, 6, 72, 72)
    with torch.no_grad():
        output = model.after_dropout(model.first_half(clip[:, :, :3], clip[:, :, 3:]), frames=20)
    for name, activations in seen.items():
        activation, scale = torch.cat(activations), float(expected[f"{name}_std"])
        assert list(activation.shape) == list(expected[f"{name}_shape"])
        assert abs(float(activation.mean()) - float(expected[f"{name}_mean"])) < 1e-9 * scale, name
        assert abs(float(activation.std()) - scale) < 1e-9 * scale, name
        sample = activation.flatten()[:: max(1, activation.numel() // 512)][:512].numpy()
        assert np.abs(sample - expected[f"{name}_sample"]).max() < 1e-9 * scale, name
    assert np.abs(output.numpy()[0] - expected["eval_output"][:, 0]).max() < 1e-9 * expected["eval_output"].std()


@pytest.mark.parametrize(
    ("options", "at_36", "at_72"),
    [
        ({}, 542_375, 2_238_119),
        ({"shift": "zero", "multi_scale": False}, 532_899, 2_228_643),
        ({"shift": "wrap", "multi_scale": False}, 532_899, 2_228_643),
        ({"shift": "none", "multi_scale": False}, 532_899, 2_228_643),
        ({"dilations": (1, 4, 8, 32)}, 542_375, 2_238_119),
        ({"fifth_convolution": True}, 542_375 + 36_928, 2_238_119 + 36_928),
    ],
)
def test_parameter_counts(options, at_36, at_72):
    assert count(StreamNet(size=36, **options)) == at_36
    assert count(StreamNet(size=72, **options)) == at_72


def test_presets():
    assert [count(build(size=36)) for build in FAMILY.values()] == [542_375, 532_899, 532_899]
    models = [build() for build in FAMILY.values()]
    assert [getattr(model.shift, "wrap", None) for model in models] == [True, False, None]
    assert [model.segment for model in models] == [10, 10, 1]
    assert ts_can(size=36, label="wave").label == "wave"
    assert ts_can(size=36).label == "differenced"


@pytest.mark.parametrize("size", [10, 11, 36, 45, 64, 72, 96, 128])
def test_any_crop_size_that_leaves_a_pixel(size):
    model = StreamNet(size=size, segment=3, fifth_convolution=True)
    assert model(torch.rand(1, 3, 4, size, size)).shape == (1, 4)


def test_segments_are_shifted_by_themselves(small):
    """A change in one segment of one clip shows in that segment of that clip alone."""
    difference, standardised = torch.randn(2, 2, 12, 3, 16, 16).unbind()
    changed = difference.clone()
    changed[1, 4:8] += 1
    with torch.no_grad():
        waves = [small.after_dropout(small.first_half(d, standardised), 12) for d in (difference, changed)]
    moved = waves[0] != waves[1]
    assert moved.tolist() == [[False] * 12, [False] * 4 + [True] * 4 + [False] * 4]


@family
@pytest.mark.parametrize("frames", [4, 8, 10, 11])
def test_a_clip_of_any_length_is_filled_up_and_cut(build, frames):
    model = build(size=16, segment=4).eval()
    video = torch.rand(2, 3, frames, 16, 16)
    with torch.no_grad():
        wave = model(video)
        still = model.first_half(*(part for part in _held(video, 12)))
        held = model.after_dropout(still, frames)
    assert wave.shape == (2, frames)
    torch.testing.assert_close(wave, held)


def _held(video: torch.Tensor, frames: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Normalised frames of a video, filled up by hand with its last frame."""
    from rppg_graph.nn.frame_normalisation import normalise_frames

    difference, standardised = normalise_frames(video)
    missing = frames - video.shape[2]
    zeros = torch.zeros(len(video), missing, *difference.shape[2:])
    last = standardised[:, -1:].repeat(1, missing, 1, 1, 1)
    return torch.cat([difference, zeros], 1), torch.cat([standardised, last], 1)


@family
def test_pieces_change_nothing(build):
    """Inference runs a few segments at a time, training the whole batch at once: the same numbers."""
    model = build(size=16).double().eval()
    video = torch.rand(2, 3, 47, 16, 16, dtype=torch.float64)
    with torch.no_grad():
        in_pieces = model(video)
    torch.testing.assert_close(in_pieces, model(video).detach(), rtol=1e-9, atol=1e-12)


@family
def test_batch_equals_loop_and_clips_share_no_gradient(build):
    model = build(size=16, segment=4).double().eval()
    video = torch.rand(3, 3, 9, 16, 16, dtype=torch.float64, requires_grad=True)
    wave = model(video)
    torch.testing.assert_close(wave, torch.cat([model(clip[None]) for clip in video]))
    (gradient,) = torch.autograd.grad(wave[1].sum(), video)
    assert (gradient.abs().amax((1, 2, 3, 4)) > 0).tolist() == [False, True, False]


def test_dark_still_and_white_clips_give_numbers(small):
    for level in (0.0, 0.5, 1.0):
        assert small(torch.full((1, 3, 8, 16, 16), level)).isfinite().all()


@pytest.mark.slow
@family
def test_overfits_one_clip(build):
    torch.manual_seed(0)
    model = build(size=16).train()
    for layer in model.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    video = torch.rand(1, 3, 20, 16, 16)
    target = torch.sin(torch.arange(20) / 3)[None]
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        optimiser.zero_grad()
        loss = torch.nn.functional.mse_loss(model(video), target)
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.01


@family
def test_monte_carlo_samples_scatter_around_the_prediction(build):
    torch.manual_seed(1)
    model = build(size=16, segment=4).eval()
    video = torch.rand(2, 3, 9, 16, 16)
    samples = mc_dropout.sample(model, video, 64, "third")
    assert samples.shape == (64, 2, 9)
    variance, mean = torch.var_mean(samples, 0)
    assert (variance > 0).all()
    with torch.no_grad():
        assert ((mean - model(video)).abs() < 6 * (variance / 64).sqrt() + 0.02).all()


def test_four_dropout_layers_at_the_published_rates(small):
    rates = [layer.p for layer in small.modules() if isinstance(layer, torch.nn.Dropout)]
    assert sorted(rates) == [0.25, 0.25, 0.25, 0.5]


def test_a_vanishing_rate_gives_the_prediction(small):
    video = torch.rand(1, 3, 8, 16, 16)
    samples = mc_dropout.sample(small, video, 3, 1e-9)
    with torch.no_grad():
        torch.testing.assert_close(samples, small(video).expand(3, -1, -1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 9}, "size=9: the network needs a crop of at least 10 pixels"),
        ({"shift": "roll"}, r"unknown shift 'roll'; .*valid: none, zero, wrap"),
        ({"segment": 1}, "segment=1: a shift needs at least 2 frames"),
        ({"label": "bpm"}, "label='bpm': must be 'differenced' or 'wave'"),
        ({"dilations": (1, 2, 4)}, r"dilations=\(1, 2, 4\)"),
    ],
)
def test_options_that_cannot_be(options, message):
    with pytest.raises(ValueError, match=message):
        StreamNet(**{"size": 16} | options)


@pytest.mark.parametrize(
    ("build", "frames", "least"), [(stream_net, 9, 10), (ts_can, 1, 10), (deep_phys, 1, 2)]
)
def test_fewer_frames_than_a_segment(build, frames, least):
    with pytest.raises(InputError, match=f"{frames} frames: the network needs at least {least}"):
        build(size=16)(torch.rand(1, 3, frames, 16, 16))


def test_video_of_another_size_or_range(small):
    with pytest.raises(InputError, match="20×20 pixels: the network is built for 16×16"):
        small(torch.rand(1, 3, 8, 20, 20))
    with pytest.raises(InputError, match=r"must be finite and in \[0, 1\]"):
        small(torch.rand(1, 3, 8, 16, 16) * 255)


def test_unknown_released_name():
    with pytest.raises(KeyError, match="motion_conv5"):
        from_released({"module.motion_conv5.weight": torch.zeros(1)})


def test_released_deep_phys_loads_into_the_presets_without_the_block(released_state):
    state = {name: value for name, value in released_state("stream_net").items() if not name.startswith("ssfem")}
    for build in (ts_can, deep_phys):
        build().load_state_dict(from_released(state))
