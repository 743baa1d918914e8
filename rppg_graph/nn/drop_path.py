"""DropPath: stochastic depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from rppg_graph.nn.dropout import check_drop_rate


class DropPath(nn.Module):
    """Drop a branch for whole clips: ``y_b = x_b · m_b / (1 − p)``, m_b ~ Bernoulli(1 − p) (arXiv 1603.09382).

    Args:
        p: the rate, 0 ≤ p < 1; in evaluation mode nothing is dropped.

    Shapes:
        (B, …) → (B, …).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        check_drop_rate("drop_path", p)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        mask = torch.empty(len(x), *[1] * (x.ndim - 1), dtype=x.dtype, device=x.device).bernoulli_(keep)  # (B, 1, …)
        return x * mask / keep

    def extra_repr(self) -> str:
        return f"p={self.p}"
