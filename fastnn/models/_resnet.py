"""Residual networks: of torchvision's form for large images, of the paper's for CIFAR."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import nn

__all__ = ["ResNet", "resnet18", "resnet20", "resnet56"]

Make = Callable[[], nn.Module]


class BasicBlock(nn.Module):
    """f(x + bn(conv(f(bn(conv(x)))))), with a 1x1 convolution for the x that is added where its shape changes."""

    def __init__(self, inputs: int, outputs: int, stride: int, activation: Make):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1, self.act1 = nn.BatchNorm2d(outputs), activation()
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2, self.act2 = nn.BatchNorm2d(outputs), activation()
        self.downsample: nn.Module | None = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, input: Any) -> Any:
        """Return (N, outputs, H / stride, W / stride)."""
        y = self.bn2(self.conv2(self.act1(self.bn1(self.conv1(input)))))
        return self.act2(y + (input if self.downsample is None else self.downsample(input)))


class ResNet(nn.Module):
    """A stem, stages of `BasicBlock`, a global average and a linear layer; see `resnet18` and `resnet20`.

    Parameters
    ----------
    blocks, widths : sequence of int
        Of each stage; from the second stage on the first block halves the image.
    num_classes, in_channels : int
    large : bool
        Whether the stem is a 7 x 7 convolution with stride 2 and a 3 x 3 maximum with stride 2, for images of 224 x
        224, or a 3 x 3 convolution, for those of 32 x 32.
    activation : callable
        Makes the layer after each sum and each batch norm within a block.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        widths: Sequence[int],
        num_classes: int,
        in_channels: int,
        large: bool,
        activation: Make,
    ):
        super().__init__()
        size, stride, pad = (7, 2, 3) if large else (3, 1, 1)
        self.conv1 = nn.Conv2d(in_channels, widths[0], size, stride, pad, bias=False)
        self.bn1, self.act = nn.BatchNorm2d(widths[0]), activation()
        self.maxpool = nn.MaxPool2d(3, 2, 1) if large else nn.Identity()
        self.stages = len(blocks)
        before = widths[0]
        for i, (count, width) in enumerate(zip(blocks, widths, strict=True)):
            first = BasicBlock(before, width, 1 if i == 0 else 2, activation)
            rest = (BasicBlock(width, width, 1, activation) for _ in range(count - 1))
            self.register_module(f"layer{i + 1}", nn.Sequential(first, *rest))
            before = width
        self.avgpool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.fc = nn.Linear(before, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, input: Any) -> Any:
        """Return scores of the classes (N, num_classes) for images (N, in_channels, H, W) of any size."""
        x = self.maxpool(self.act(self.bn1(self.conv1(input))))
        for i in range(self.stages):
            x = getattr(self, f"layer{i + 1}")(x)
        return self.fc(self.flatten(self.avgpool(x)))


def resnet18(num_classes: int = 1000, in_channels: int = 3, activation: Make = nn.ReLU) -> ResNet:
    """ResNet-18 with torchvision's keys: its weights load as they are.

    Parameters
    ----------
    num_classes, in_channels : int
    activation : callable
        Makes each activation layer, `nn.SiLU` for one.

    Returns
    -------
    ResNet
        A Module of 11.7 million parameters.

    References
    ----------
    He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2016, table 1; convolutions are drawn as in
    their "Delving deep into rectifiers", 2015, by the fan of their outputs.

    Examples
    --------
    >>> model = resnet18(num_classes=5).eval()
    >>> model(np.zeros((1, 3, 64, 64), np.float32)).shape, sum(p.size for p in model.parameters())
    ((1, 5), 11179077)
    """
    return ResNet([2, 2, 2, 2], [64, 128, 256, 512], num_classes, in_channels, True, activation)


def resnet20(num_classes: int = 10, in_channels: int = 3, activation: Make = nn.ReLU) -> ResNet:
    """ResNet-20 for CIFAR: three stages of three blocks, 16, 32 and 64 channels wide.

    Parameters
    ----------
    num_classes, in_channels : int
    activation : callable
        Makes each activation layer, `nn.SiLU` for one.

    Returns
    -------
    ResNet
        A Module of 0.27 million parameters, with the keys of `resnet18`.

    Notes
    -----
    What is added where the image is halved goes through a 1 x 1 convolution (the paper's option B).

    References
    ----------
    He, Zhang, Ren, Sun: "Deep residual learning for image recognition", 2016, section 4.2.

    Examples
    --------
    >>> model = resnet20()
    >>> model(np.zeros((2, 3, 32, 32), np.float32)).shape, sum(p.size for p in model.parameters())
    ((2, 10), 272474)
    """
    return ResNet([3, 3, 3], [16, 32, 64], num_classes, in_channels, False, activation)


def resnet56(num_classes: int = 10, in_channels: int = 3, activation: Make = nn.ReLU) -> ResNet:
    """ResNet-56 for CIFAR: as `resnet20`, with nine blocks in each stage and 0.86 million parameters.

    Parameters
    ----------
    num_classes, in_channels, activation
        As `resnet20`'s.

    Returns
    -------
    ResNet

    Examples
    --------
    >>> sum(p.size for p in resnet56().parameters())
    855770
    """
    return ResNet([9, 9, 9], [16, 32, 64], num_classes, in_channels, False, activation)
