"""Recomputing changes the memory of a step, and nothing else."""

import torch

from rppg_graph.models.stgnet import stgnet_small

OPTIONS = {"size": 16, "clip_frames": 32, "k": 8}


def step(recompute: bool) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor], int]:
    """Gradients, buffers and bytes kept for the backward pass, of one training step."""
    torch.manual_seed(1)
    model = stgnet_small(recompute=recompute, **OPTIONS).double().train()
    video = torch.rand(2, 3, 32, 16, 16, dtype=torch.float64)
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(2)  # of DropPath
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        wave = model(video)
    (wave * torch.arange(32)).sum().backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return gradients, dict(model.named_buffers()), sum(kept.values())


def test_same_gradients_and_statistics_with_less_kept():
    gradients, buffers, memory = step(recompute=False)
    again, buffers_again, memory_again = step(recompute=True)
    largest = max(gradient.abs().max() for gradient in gradients.values())
    for name, gradient in gradients.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-9, atol=1e-12 * float(largest))
    for name, buffer in buffers.items():
        assert torch.equal(buffers_again[name], buffer), name
    assert memory_again < 0.3 * memory


def test_nothing_is_recomputed_without_a_gradient():
    model = stgnet_small(recompute=True, **OPTIONS).eval()
    with torch.no_grad():
        assert model(torch.rand(1, 3, 32, 16, 16)).shape == (1, 32)
