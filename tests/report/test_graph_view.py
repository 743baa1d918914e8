import time

import numpy as np
import pytest
import torch

from rppg_graph.models import MODELS
from rppg_graph.report.graph_figures import network_figures
from rppg_graph.report.graph_view import PLACES, costs, view_network

FPS = 30.0
STAGES = [(2, 16, 1), (1, 8, 2)]  # three blocks


def small(**options):
    torch.manual_seed(0)
    return MODELS["stgnet_small"](**{"stages": STAGES, "clip_frames": 32} | options).eval()


@pytest.fixture(scope="module")
def clip():
    return torch.rand(1, 3, 32, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def view(clip):
    return view_network(small(), clip, FPS)


def test_every_mask_is_seen_on_the_grid_of_patches(view):
    assert [mask.where for mask in view.masks] == ["stem.2", "stem.5", "stages.0.select.1", "stages.1.select.1"]
    assert {mask.values.shape for mask in view.masks} == {(8, 4, 4)}
    for mask in view.masks:  # normalised over height and width, and pooled evenly: every frame's mean is a half
        assert mask.values.mean(axis=(1, 2)) == pytest.approx(np.full(8, 0.5), abs=1e-5)


def test_neighbours_are_the_most_similar_patches(clip, view):
    model, seen = small(), []
    for stage in model.stages:
        for block in stage.denoise:
            block.conv.register_forward_pre_hook(lambda module, args: seen.append(args[0][0].double()))
    with torch.inference_mode():
        model(clip)
    assert len(view.neighbours) == len(PLACES) * len(seen) == 6
    for number, found in enumerate(view.neighbours):
        x = torch.nn.functional.normalize(seen[number // len(PLACES)])
        node = int(np.ravel_multi_index(found.node, found.grid))
        distance = (x - x[node]).square().sum(1)
        chosen = np.ravel_multi_index(found.found.T, found.grid)
        k = (16, 16, 8)[number // len(PLACES)]
        assert len(set(chosen)) == k
        assert distance[chosen].max() <= distance.sort().values[k - 1] + 1e-6
        assert node in chosen
    assert view.neighbours[0].node == (4, 1, 2)  # the forehead, in the middle of the clip


def test_looking_changes_nothing(clip):
    model = small()
    with torch.inference_mode():
        before = model(clip)
        view_network(model, clip, FPS)
        after = model(clip)
    assert torch.equal(before, after)
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


def test_hooks_are_gone_after_a_failure():
    model = small()
    with pytest.raises(RuntimeError):
        view_network(model, torch.rand(1, 4, 32, 32, 32), FPS)
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("options", [{"reuse_graph": True}, {"graph": "windowed"}, {"conv": "edge"}], ids=str)
def test_every_graph_has_neighbours(clip, options):
    view = view_network(small(**options), clip, FPS)
    assert all(0 < len(found.found) <= 16 for found in view.neighbours)
    assert len(view.neighbours) == 6


def test_a_complete_graph_is_drawn_with_all_nodes(clip):
    view = view_network(small(graph="complete"), clip, FPS)
    assert all(found.found is None for found in view.neighbours)
    assert "128 neighbours" in str(network_figures(view))  # 8 segments of 4×4 patches


def test_a_network_without_a_graph_has_costs_alone():
    view = view_network(MODELS["deep_phys"](size=36).eval(), torch.rand(1, 3, 20, 36, 36), FPS)
    assert view.neighbours == view.masks == []
    assert {"temporal.0", "spatial.3", "hidden", "between"} <= {cost.part for cost in view.costs}
    assert "Attention masks" not in network_figures(view)


def test_a_pair_is_seen_member_by_member(clip):
    view = view_network(MODELS["stgnet_pair"](stages=STAGES, clip_frames=32).eval(), clip, FPS)
    assert {found.where.split(".")[1] for found in view.neighbours} == {"0", "1"}
    assert {cost.part for cost in view.costs} >= {"members.0", "members.1"}
    assert "Attention masks" in network_figures(view)


def test_costs_add_up_to_the_whole(clip):
    model = small()
    with torch.inference_mode():
        model(clip)
        begin = time.perf_counter()
        found = costs(model, clip, repeats=1)
        spent = time.perf_counter() - begin
    assert [cost.part for cost in found] == ["stem", "stages.0", "stages.1", "head", "between"]
    assert set(found[1].seconds) == {"neighbours", "graph convolution", "MLP", "ROI selection"}
    assert all(seconds > 0 for cost in found[:-1] for seconds in cost.seconds.values())
    assert 0.5 * spent < sum(sum(cost.seconds.values()) for cost in found) <= spent


@pytest.mark.slow
def test_a_slow_part_is_told(clip):
    """A delay put into two parts turns up in those and nowhere else."""
    model = small()
    conv, select = model.stages[1].denoise[0].conv, model.stages[0].select

    def slowed(forward):
        def slow(*args):
            time.sleep(0.8)
            return forward(*args)

        return slow

    conv.forward, select.forward = slowed(conv.forward), slowed(select.forward)
    found = {
        (cost.part, what): seconds for cost in costs(model, clip, repeats=2) for what, seconds in cost.seconds.items()
    }
    slow = {key for key, seconds in found.items() if seconds >= 0.8}
    assert slow == {("stages.1", "graph convolution"), ("stages.0", "ROI selection")}


def test_a_face_is_kept_only_on_request(clip, view):
    assert view.face is None
    assert "<image" not in str(network_figures(view))
    shown = view_network(small(), clip, FPS, show_face=True)
    expected = (clip[0, :, 16].movedim(0, -1) * 255).round().to(torch.uint8)
    assert np.array_equal(shown.face, expected.numpy())
    assert "data:image/png;base64," in str(network_figures(shown))
