import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from rppg_graph.synthetic.maps import SPEED, RenderedMap, SimulatedMaps
from rppg_graph.synthetic.trace_camera import _at, _held
from rppg_graph.synthetic.traces import RANGES, simulate_people


def people(seed: int = 1, n: int = 24, **options: float):
    return simulate_people(np.random.default_rng(seed), n, **options)


@pytest.fixture(scope="module")
def some():
    return people()


def test_the_same_state_gives_the_same_people(some):
    again = people()
    assert all(np.array_equal(a, b) for a, b in zip(some[:4], again[:4], strict=True))
    assert not np.array_equal(some.patches, people(2).patches)


def test_what_was_drawn_is_kept_and_within_its_range(some):
    assert some.parameters.keys() >= RANGES.keys()
    for name, (low, high, how, _) in RANGES.items():
        if how != "share":
            assert (low - 1e-6 <= some.parameters[name]).all(), name
            assert (some.parameters[name] <= high + 1e-6).all(), name


def test_colours_are_a_cameras(some):
    assert some.patches.shape == (24, 300, 64, 3)
    assert some.background.shape == (24, 300, 8, 3)
    assert some.patches.dtype == np.float32
    assert (some.patches >= 0).all()
    assert (some.patches <= 255).all()


def test_the_pulse_has_the_rate_it_is_said_to_have(some):
    for pulse, bpm in zip(some.pulse, some.bpm.mean(axis=1), strict=True):
        rising = np.flatnonzero((pulse[1:] > 0) & (pulse[:-1] <= 0))
        beats = len(rising) / 10 * 60  # overtones may add crossings, never take one
        assert beats > bpm - 14


def test_blood_darkens_living_skin_in_its_own_colour_and_nothing_else(some):
    """The same people once more without a pulse: the difference is the pulse alone where no codec came between."""
    dead = people(no_pulse=1.0)
    assert np.isnan(dead.bpm).all()
    assert not dead.pulse.any()
    clean = np.flatnonzero(some.parameters["coded_share"] == 0)
    assert len(clean) > 2
    for person in clean:
        change = (some.patches[person] - dead.patches[person]) / dead.patches[person].mean(0)  # (T, 64, 3)
        skin = some.skin[person] > 0.9
        size = change[:, skin].std(axis=0).mean(axis=0)  # R, G, B
        assert 0.2 * some.parameters["pulse"][person] < size[1] < 5 * some.parameters["pulse"][person]
        assert size[1] > size[0]
        late = np.corrcoef(change[:, skin, 1].mean(1), some.pulse[person])[0, 1]
        assert late < -0.5
        assert np.abs(some.background[person] - dead.background[person]).max() == 0


def test_between_grids_as_numpy_interpolates():
    rng = np.random.default_rng(1)
    colours, times = rng.random((1, 20, 1, 3)).astype(np.float32), np.linspace(0, 24, 31)[None]
    found = _at(colours, times)[0, :, 0]
    wanted = np.stack([np.interp(times[0], np.arange(20), colours[0, :, 0, c]) for c in range(3)], axis=1)
    assert np.allclose(found, wanted, atol=1e-6)


def held(colours, coarse, build_up=0.0, refresh=0.0, dead_band=1.0, soft=0.0, distance=10):
    n, frames, patches, _ = colours.shape
    out = np.empty_like(colours)
    flat = np.full((n, patches, 3), 1, np.float32)
    luck, errors = np.ones((n, frames, patches, 2), np.float32), np.zeros((n, frames, patches, 4), np.float32)
    bounds = (np.full(n, value, np.float32) for value in (refresh, dead_band, soft))
    _held(colours, coarse * flat, build_up * flat, *bounds, np.full(n, distance), np.zeros(n, int), luck, errors, out)
    return out


def test_a_codec_without_error_and_dead_band_changes_nothing():
    colours = np.random.default_rng(1).uniform(50, 100, (1, 40, 2, 3)).astype(np.float32)
    assert np.allclose(held(colours, 0.0), colours, atol=1e-4)


def test_a_codec_holds_a_patch_until_the_key_frame():
    colours = (100 + 0.01 * np.arange(40, dtype=np.float32))[None, :, None, None].repeat(3, axis=3)
    out = held(colours, coarse=5.0)[0, :, 0, 1]
    assert np.allclose(out, np.repeat(colours[0, ::10, 0, 1], 10))


def test_an_error_that_builds_up_is_taken_back_by_the_key_frame():
    out = held(np.full((1, 40, 1, 3), 100, np.float32), coarse=1.0, build_up=2.0)[0, :, 0, 1]
    assert np.allclose(out, 100 + 2.0 * (np.arange(40) % 10) / 10)


def test_a_strong_lamp_is_on_face_and_background():
    many = people(5, 128)
    drawn = many.parameters
    strong = (drawn["lamp_share"] == 1) & (drawn["lamp"] > 3e-3) & (drawn["noise"] < 5e-3) & (drawn["coded_share"] == 0)
    assert strong.sum() > 1
    shared = []
    for person in np.flatnonzero(strong):
        face, wall = (part[person].mean((1, 2)) for part in (many.patches, many.background))
        shared.append(abs(np.corrcoef(np.diff(face), np.diff(wall))[0, 1]))
    assert np.median(shared) > 0.5


def test_maps_repeat_by_seed_epoch_and_index_alone():
    maps = SimulatedMaps(100, 60, seed=3)
    first, again = maps.__getitems__([(4, 0), (9, 0)]), SimulatedMaps(100, 60, seed=3).__getitems__([(4, 0), (9, 0)])
    assert all(torch.equal(a, b) for one, two in zip(first, again, strict=True) for a, b in zip(one, two, strict=True))
    assert first[0][0].shape == (3, 60, 64)
    assert first[0][1].shape == (60,)
    assert not torch.equal(first[0][0], maps.__getitems__([(4, 1), (9, 1)])[0][0])
    assert len(maps) == 100


def test_an_ordinary_loader_draws_maps():
    batches = list(DataLoader(SimulatedMaps(5, 60), batch_size=2, shuffle=True))
    assert [maps.shape for maps, _ in batches] == [(2, 3, 60, 64), (2, 3, 60, 64), (1, 3, 60, 64)]
    assert not torch.equal(batches[0][0], batches[1][0])


def filmed(fps: float, seconds: float, hz: float) -> RenderedMap:
    """Somebody whose colours are the pulse itself, with another brightness left than right."""
    times = 0.3 + np.arange(round(fps * seconds)) / fps
    pulse = np.sin(2 * np.pi * hz * times).astype(np.float32)
    bright = np.repeat(np.linspace(50, 150, 8), 3).reshape(1, 1, 8, 3).repeat(8, 1).reshape(1, 64, 3)
    return RenderedMap(times, (bright + pulse[:, None, None]).astype(np.float32), pulse)


@pytest.mark.parametrize("fps", [15.0, 25.0, 30.0])
def test_clips_of_a_rendered_person_keep_colour_and_pulse_together_at_any_speed(fps):
    rng, rates, mirrored = np.random.default_rng(1), [], []
    for _ in range(40):
        patches, pulse = filmed(fps, 20, 1.2).clip(rng, 300, 30.0)
        assert patches.shape == (3, 300, 64)
        assert np.allclose(patches - patches.mean(1, keepdims=True), (pulse - pulse.mean())[:, None], atol=1e-3)
        rises = np.flatnonzero((pulse[:-1] < 0) & (pulse[1:] >= 0))
        rates.append(30 * (len(rises) - 1) / (rises[-1] - rises[0]))
        mirrored.append(patches[0, 0, 0] > patches[0, 0, 7])
    assert SPEED[0] * 1.2 - 0.02 < min(rates) < 1.0
    assert 1.45 < max(rates) < SPEED[1] * 1.2 + 0.02
    assert 10 < sum(mirrored) < 30


def test_a_person_filmed_shorter_than_a_clip_at_full_speed_is_played_slower():
    patches, _ = filmed(30.0, 8.5, 1.2).clip(np.random.default_rng(2), 300, 30.0)
    assert patches.shape == (3, 300, 64)


def is_filmed(patches: torch.Tensor) -> bool:
    """Do all patches move alike, as those of ``filmed`` do?"""
    return float(np.ptp((patches - patches.mean(1, keepdim=True)).numpy(), axis=2).max()) < 1e-3


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_a_share_of_all_clips_is_rendered_people_together_or_one_by_one(share):
    maps = SimulatedMaps(100, 60, seed=3, rendered=[filmed(30.0, 20, 1.2)], rendered_share=share)
    together = [is_filmed(patches) for patches, _ in maps.__getitems__([(number, 0) for number in range(20)])]
    alone = [is_filmed(maps[number, 0][0]) for number in range(20)]
    assert sum(together) == sum(alone) == round(20 * share)
