"""The released STGNet as its formulas are usually written down: the baseline of ``bench_model.py``.

Feature maps stay (B, C, …) and are permuted where a layer wants another order; nearest neighbours come from a matrix of
all N×N distances; both ends of every edge are gathered into tensors of (B, C, N, K); 1×1 convolutions are
convolutions. Names and shapes of the parameters are those of a released ``state_dict``, so the golden numbers hold it
to the same values as the network in ``rppg_graph.models`` (``tests/benchmarks/test_plain.py``), where the sources are.
"""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import Tensor, nn


class PlainSTGNet(nn.Module):
    """Video (B, 3, T, H, W) of 160 frames of ``size``×``size`` → BVP (B, T); three stages, masks over time and height.

    The positional embeddings are sized for the crop, a multiple of 16 px; released are 64 px.
    """

    label = "wave"

    def __init__(self, drop_path: float = 0.25, size: int = 64) -> None:
        super().__init__()
        self.stem = _named(diff_block=_Difference(), stem=nn.Sequential(
            _conv(6, 16, 2), _Attention(16), _conv(16, 16), _conv(16, 32, (1, 2, 2)), _Attention(32), _conv(32, 32),
            _conv(32, 64, 2), _conv(64, 64),
        ))  # fmt: skip
        first, blocks = 40 * (size // 8) ** 2, []
        for count, k, nodes, stride in ((2, 64, first, 1), (3, 32, first, 2), (2, 16, first // 8, 1)):
            blocks += [_Denoise(nodes, k, drop_path) for _ in range(count)] + [_Select(stride)]
        self.STGM = _named(st_graph=nn.Sequential(*blocks))
        ups: list[nn.Module] = []
        for _ in range(3):
            up = nn.ConvTranspose3d(64, 64, (4, 1, 1), stride=(2, 1, 1), padding=(1, 0, 0))
            ups += [up, nn.BatchNorm3d(64), nn.ELU()]
        self.BPM = _named(upsample=nn.Sequential(*ups, nn.AdaptiveAvgPool3d((160, 1, 1)), nn.Conv3d(64, 1, 1)))

    def forward(self, video: Tensor) -> Tensor:
        return self.BPM(self.STGM(self.stem(video))).flatten(1)


def _named(**modules: nn.Module) -> nn.Sequential:
    """One after the other, under the names that released parameters have."""
    return nn.Sequential(OrderedDict(modules))


def _conv(inputs: int, outputs: int, stride: int | tuple[int, int, int] = 1) -> nn.Sequential:
    conv = nn.Conv3d(inputs, outputs, 3, stride, padding=1)
    return _named(stem=nn.Sequential(conv, nn.BatchNorm3d(outputs), nn.GELU()))


class _Difference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.batch_norm = nn.BatchNorm3d(3)

    def forward(self, x: Tensor) -> Tensor:
        following = torch.cat((x[:, :, 1:], x[:, :, -1:]), dim=2)
        return torch.cat((x, self.batch_norm(following - x)), dim=1)


def _mask(gate: Tensor) -> Tensor:
    size = gate.shape[2] * gate.shape[3]
    return gate / gate.sum(dim=(2, 3), keepdim=True) * size * 0.5


class _Attention(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.attn_conv = nn.Conv3d(channels, channels, (1, 5, 5), padding=(0, 2, 2))
        self.conv = nn.Conv3d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.conv(x * _mask(torch.sigmoid(self.attn_conv(x)))))


def nearest(x: Tensor, k: int) -> Tensor:
    """(B, C, N, 1) → (B, N, K): all distances of the normalised features, and the k smallest of each row."""
    with torch.no_grad():
        x = nn.functional.normalize(x, dim=1).transpose(1, 2).squeeze(-1)  # (B, N, C)
        squares = (x * x).sum(-1, keepdim=True)  # (B, N, 1)
        distance = squares - 2 * torch.matmul(x, x.transpose(1, 2)) + squares.transpose(1, 2)  # (B, N, N)
        return torch.topk(-distance, k).indices


def gathered(x: Tensor, index: Tensor) -> Tensor:
    """Features (B, C, N, 1) at the nodes (B, N, K) → (B, C, N, K)."""
    clips, channels, nodes, _ = x.shape
    first = torch.arange(clips, device=x.device).view(-1, 1, 1) * nodes
    rows = x.transpose(1, 2).reshape(clips * nodes, channels)  # (B·N, C)
    picked = rows[(index + first).reshape(-1)]  # (B·N·K, C)
    return picked.view(clips, nodes, -1, channels).permute(0, 3, 1, 2).contiguous()


class _RelativeConv(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.nn = nn.Sequential(nn.Conv2d(wide, wide, 1, groups=4), nn.BatchNorm2d(wide), nn.GELU())
        nn.init.kaiming_normal_(self.nn[0].weight)
        nn.init.zeros_(self.nn[0].bias)

    def forward(self, x: Tensor, index: Tensor) -> Tensor:
        nodes = torch.arange(x.shape[2], device=x.device).view(1, -1, 1).expand_as(index)
        difference = (gathered(x, index) - gathered(x, nodes)).mean(dim=-1, keepdim=True)  # (B, C, N, 1)
        clips, channels, count, _ = x.shape
        pairs = torch.cat((x.unsqueeze(2), difference.unsqueeze(2)), dim=2)  # (B, C, 2, N, 1)
        return self.nn(pairs.reshape(clips, 2 * channels, count, 1))


class _Denoise(nn.Module):
    def __init__(self, nodes: int, k: int, drop_path: float, channels: int = 64) -> None:
        super().__init__()
        self.pos_embed = nn.Parameter(torch.zeros(1, nodes, channels))
        self.graph, self.k = nn.ModuleDict({"gconv": _RelativeConv(channels)}), k
        self.fc_1 = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.BatchNorm2d(channels), nn.GELU())
        self.fc_2 = nn.Sequential(nn.Conv2d(channels, channels, 1), nn.BatchNorm2d(channels), nn.GELU())
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        shape = x.shape
        x = x.flatten(2).transpose(1, 2) + self.pos_embed  # (B, N, C)
        x = x.transpose(1, 2).unsqueeze(-1).contiguous()  # (B, C, N, 1)
        x = self.fc_1(self.graph["gconv"](x, nearest(x, self.k)))
        return (x + self._dropped(self.fc_2(x))).reshape(shape)

    def _dropped(self, x: Tensor) -> Tensor:
        if not self.training or not self.drop_path:
            return x
        keep = 1 - self.drop_path
        return x * x.new_empty(len(x), 1, 1, 1).bernoulli_(keep) / keep


class _Select(nn.Module):
    def __init__(self, stride: int, channels: int = 64) -> None:
        super().__init__()
        self.data_conv = nn.Sequential(nn.Conv3d(channels, channels, 3, padding=1), nn.BatchNorm3d(channels), nn.GELU())
        self.attn_conv = nn.Sequential(nn.Conv3d(channels, channels, (1, 5, 5), padding=(0, 2, 2)), nn.Sigmoid())
        self.out_conv = nn.Sequential(nn.Conv3d(channels, channels, 3, stride, padding=1), nn.Tanh())

    def forward(self, x: Tensor) -> Tensor:
        x = self.data_conv(x)
        return self.out_conv(x * _mask(self.attn_conv(x)))
