"""The 3-D convolution, by oneDNN for a single clip too."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Conv3d(nn.Conv3d):
    """``nn.Conv3d``, with zeros as padding and without groups; on the CPU up to seven times faster for one clip.

    Equal because both are the same convolution: torch leaves a batch of one with few rows to a loop of its own, where
    it would give a batch of two to oneDNN, which is asked directly here.
    """

    def forward(self, x: Tensor) -> Tensor:
        if _plain_inference(x) and _plain_inference(self.weight) and len(x) == 1:
            layout = self.padding, self.stride, self.dilation, self.groups
            return torch.mkldnn_convolution(x, self.weight, self.bias, *layout)
        return super().forward(x)


def _plain_inference(x: Tensor) -> bool:
    """Whether a tensor is what oneDNN takes as it is: float32 on the CPU, no gradient, autocast or tracing."""
    return (
        not torch.compiler.is_compiling()
        and x.device.type == "cpu"
        and x.dtype == torch.float32
        and not torch.is_grad_enabled()
        and not torch.is_autocast_enabled("cpu")
        and torch.backends.mkldnn.is_available()
    )
