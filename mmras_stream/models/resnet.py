"""The residual backbone of the published network."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

import torch.nn.functional as F  # noqa: N812 - the field's name for it
from torch import Tensor, nn

Depth: TypeAlias = Literal[50, 101]

BLOCKS: dict[Depth, tuple[int, int, int, int]] = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
"""Bottlenecks in each of the four stages."""

CHANNELS = (256, 512, 1024, 2048)
"""Of `Pyramid.res2` to `Pyramid.res5`."""


class Pyramid(NamedTuple):
    """What the four stages of a backbone see, at 1/4, 1/8, 1/16 and 1/32 of the input."""

    res2: Tensor
    res3: Tensor
    res4: Tensor
    res5: Tensor


class NormedConv2d(nn.Conv2d):
    """A convolution without bias that owns the normalisation after it, as checkpoints name it."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, norm: nn.Module, stride: int = 1
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        nn.init.kaiming_normal_(self.weight, mode="fan_out", nonlinearity="relu")
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        normed: Tensor = self.norm(super().forward(x))
        return normed


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1 and a shortcut (He et al. 2016, arXiv 1512.03385)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int) -> None:
        super().__init__()
        inner = outputs // 4
        self.shortcut = (
            nn.Identity() if inputs == outputs else _conv(inputs, outputs, 1, stride=stride)
        )
        self.conv1 = _conv(inputs, inner, 1)
        self.conv2 = _conv(inner, inner, 3, stride=stride)
        self.conv3 = _conv(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inputs, h, w) -> (N, outputs, h / stride, w / stride)."""
        y = F.relu(self.conv1(x), inplace=True)
        y = F.relu(self.conv2(y), inplace=True)
        return F.relu(self.conv3(y).add_(self.shortcut(x)), inplace=True)


class Stem(nn.Module):
    """From pixels to 64 channels at a quarter of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64, 7, stride=2)

    def forward(self, pixels: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, 64, H / 4, W / 4)."""
        x = F.relu(self.conv1(pixels), inplace=True)
        return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)


class ResNet(nn.Module):
    """ResNet-50 or -101 with the stride in the 3x3 convolutions."""

    def __init__(self, depth: Depth) -> None:
        super().__init__()
        blocks = BLOCKS[depth]
        self.stem = Stem()
        self.res2 = _stage(64, CHANNELS[0], blocks[0], stride=1)
        self.res3 = _stage(CHANNELS[0], CHANNELS[1], blocks[1], stride=2)
        self.res4 = _stage(CHANNELS[1], CHANNELS[2], blocks[2], stride=2)
        self.res5 = _stage(CHANNELS[2], CHANNELS[3], blocks[3], stride=2)

    def forward(self, pixels: Tensor) -> Pyramid:
        """(N, 3, H, W), H and W multiples of 32 -> features of `CHANNELS` at four sizes."""
        res2 = self.res2(self.stem(pixels))
        res3 = self.res3(res2)
        res4 = self.res4(res3)
        return Pyramid(res2, res3, res4, self.res5(res4))


def _conv(inputs: int, outputs: int, kernel: int, *, stride: int = 1) -> NormedConv2d:
    return NormedConv2d(inputs, outputs, kernel, norm=nn.BatchNorm2d(outputs), stride=stride)


def _stage(inputs: int, outputs: int, depth: int, *, stride: int) -> nn.Sequential:
    first = Bottleneck(inputs, outputs, stride=stride)
    return nn.Sequential(first, *(Bottleneck(outputs, outputs, stride=1) for _ in range(depth - 1)))
