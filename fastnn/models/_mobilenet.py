"""MobileNetV2."""

from __future__ import annotations

from typing import Any

from .. import _check, nn

__all__ = ["MobileNetV2", "mobilenet_v2"]

# how many times wider a block is inside; its outputs; how many of them follow each other; the first one's stride
STAGES = (
    (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
)  # fmt: skip


def _divisible(width: float, by: int = 8) -> int:
    """The nearest multiple that is not below nine tenths of the width."""
    near = max(by, int(width + by / 2) // by * by)
    return near if near >= 0.9 * width else near + by


def _conv(inputs: int, outputs: int, size: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    pad = (size - 1) // 2
    conv = nn.Conv2d(inputs, outputs, size, stride, pad, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


class InvertedResidual(nn.Module):
    """Widen by a 1x1 convolution, one 3x3 for each channel, narrow again without a function; x is added if it fits."""

    def __init__(self, inputs: int, outputs: int, stride: int, expand: int):
        super().__init__()
        inside = inputs * expand
        self.added = stride == 1 and inputs == outputs
        self.conv = nn.Sequential(
            *([_conv(inputs, inside)] if expand != 1 else []),
            _conv(inside, inside, 3, stride, inside),
            nn.Conv2d(inside, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, input: Any) -> Any:
        """Return (N, outputs, H / stride, W / stride)."""
        y = self.conv(input)
        return input + y if self.added else y


class MobileNetV2(nn.Module):
    """A stem, inverted residual blocks, a 1x1 convolution, a global average and a linear layer; see `mobilenet_v2`."""

    def __init__(self, num_classes: int, in_channels: int, width_mult: float, dropout: float):
        super().__init__()
        wide = _check.in_range("mobilenet_v2", "width_mult", width_mult, 0.01, 16)
        width, last = _divisible(32 * wide), _divisible(1280 * max(1.0, wide))
        layers: list[nn.Module] = [_conv(in_channels, width, 3, 2)]
        for expand, channels, count, stride in STAGES:
            outputs = _divisible(channels * wide)
            for i in range(count):
                layers.append(InvertedResidual(width, outputs, stride if i == 0 else 1, expand))
                width = outputs
        self.features = nn.Sequential(*layers, _conv(width, last))
        self.avgpool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(last, num_classes))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, input: Any) -> Any:
        """Return scores of the classes (N, num_classes) for images (N, in_channels, H, W) of any size."""
        return self.classifier(self.flatten(self.avgpool(self.features(input))))


def mobilenet_v2(
    num_classes: int = 1000, in_channels: int = 3, width_mult: float = 1.0, dropout: float = 0.2
) -> MobileNetV2:
    """MobileNetV2 with torchvision's keys: its weights load as they are.

    Parameters
    ----------
    num_classes, in_channels : int
    width_mult : float in [0.01, 16]
        All widths are multiplied by it, and rounded to multiples of 8.
    dropout : float in [0, 1]
        Before the linear layer.

    Returns
    -------
    MobileNetV2
        A Module of 3.5 million parameters.

    References
    ----------
    Sandler, Howard, Zhu, Zhmoginov, Chen: "MobileNetV2: inverted residuals and linear bottlenecks", 2018.

    Examples
    --------
    >>> model = mobilenet_v2(num_classes=5).eval()
    >>> model(np.zeros((1, 3, 64, 64), np.float32)).shape, sum(p.size for p in model.parameters())
    ((1, 5), 2230277)
    """
    return MobileNetV2(num_classes, in_channels, width_mult, dropout)
