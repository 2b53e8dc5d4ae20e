"""A convolutional network for signals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .. import nn

__all__ = ["CNN1d", "cnn1d"]


class CNN1d(nn.Module):
    """Convolutions with batch norm over time, a global average and a linear layer; see `cnn1d`."""

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        widths: Sequence[int],
        kernel_sizes: Sequence[int],
        activation: Callable[[], nn.Module],
    ):
        super().__init__()
        if len(widths) != len(kernel_sizes) or not widths:
            counts = f"{len(kernel_sizes)} and {len(widths)}"
            raise ValueError(f"cnn1d: expected as many kernel_sizes as widths, at least one, got {counts}")
        layers: list[nn.Module] = []
        for width, size in zip(widths, kernel_sizes, strict=True):
            conv = nn.Conv1d(in_channels, width, size, padding="same", bias=False)
            layers += [conv, nn.BatchNorm1d(width), activation()]
            in_channels = width
        self.features = nn.Sequential(*layers)
        self.avgpool, self.flatten = nn.AdaptiveAvgPool1d(1), nn.Flatten()
        self.fc = nn.Linear(in_channels, num_classes)

    def forward(self, input: Any) -> Any:
        """Return scores of the classes (N, num_classes) for signals (N, in_channels, T) of any length."""
        return self.fc(self.flatten(self.avgpool(self.features(input))))


def cnn1d(
    num_classes: int = 2,
    in_channels: int = 1,
    widths: Sequence[int] = (128, 256, 128),
    kernel_sizes: Sequence[int] = (8, 5, 3),
    activation: Callable[[], nn.Module] = nn.ReLU,
) -> CNN1d:
    """A network for signals (N, C, T) of any length: the fully convolutional network for time series.

    Parameters
    ----------
    num_classes, in_channels : int
    widths, kernel_sizes : sequences of int
        Of each convolution, which keeps the signal's length.
    activation : callable
        Makes the layer after each batch norm.

    Returns
    -------
    CNN1d
        A Module of 0.26 million parameters for one channel.

    References
    ----------
    Wang, Yan, Oates: "Time series classification from scratch with deep neural networks: a strong baseline", 2017.

    Examples
    --------
    >>> model = cnn1d(num_classes=5, in_channels=3)
    >>> model(np.zeros((2, 3, 100), np.float32)).shape, sum(p.size for p in model.parameters())
    ((2, 5), 266885)
    """
    return CNN1d(num_classes, in_channels, widths, kernel_sizes, activation)
