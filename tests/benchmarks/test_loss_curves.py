"""The script that compares loss curves: equal networks at the start, and a distance that is zero for equal curves."""

import pytest
import torch


@pytest.mark.slow
def test_networks_of_a_seed_start_equal(load_bench):
    script = load_bench("loss_curves")
    clip = torch.rand(1, 3, 160, script.SIZE, script.SIZE, dtype=torch.float64)
    with torch.no_grad():
        outputs = [script.network(name, 1).double().eval()(clip) for name in script.PROVIDERS]
        other = script.network("plain", 2).double().eval()(clip)
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], rtol=1e-9, atol=1e-9)
    assert not torch.allclose(other, outputs[0], rtol=1e-3)


def test_distance_is_in_spreads_of_the_seeds(load_bench):
    script = load_bench("loss_curves")
    rows = [
        {"provider": name, "seed": seed, "step": step, "validation_loss": 1 / step + 0.1 * seed + away}
        for name, away in (("plain", 0.0), ("same", 0.0), ("apart", 0.3))
        for seed in (1, 2, 3)
        for step in (50, 100)
    ]
    assert script.distance(rows, "same") == pytest.approx(0, abs=1e-12)
    assert script.distance(rows, "apart") == pytest.approx(3.0)
