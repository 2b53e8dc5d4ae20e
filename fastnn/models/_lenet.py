"""LeNet-5."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import _check, nn

__all__ = ["LeNet", "lenet"]


class LeNet(nn.Module):
    """Two convolutions with pooling, three linear layers; see `lenet`."""

    def __init__(self, num_classes: int, in_channels: int, size: int, activation: Callable[[], nn.Module]):
        super().__init__()
        size = _check.count("lenet", "size", size, 16)
        left = ((size - 4) // 2 - 4) // 2  # places along each side after the second pooling
        self.conv1, self.act1 = nn.Conv2d(in_channels, 6, 5), activation()
        self.conv2, self.act2 = nn.Conv2d(6, 16, 5), activation()
        self.pool = nn.MaxPool2d(2)
        self.flatten = nn.Flatten()
        self.fc1, self.act3 = nn.Linear(16 * left * left, 120), activation()
        self.fc2, self.act4 = nn.Linear(120, 84), activation()
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, input: Any) -> Any:
        """Return scores of the classes (N, num_classes) for images (N, in_channels, size, size)."""
        x = self.pool(self.act1(self.conv1(input)))
        x = self.flatten(self.pool(self.act2(self.conv2(x))))
        return self.fc3(self.act4(self.fc2(self.act3(self.fc1(x)))))


def lenet(
    num_classes: int = 10, in_channels: int = 1, size: int = 28, activation: Callable[[], nn.Module] = nn.ReLU
) -> LeNet:
    """LeNet-5, as PyTorch's tutorial has it: ReLU and maxima in place of tanh and means.

    Parameters
    ----------
    num_classes, in_channels : int
    size : int
        Rows and columns of the images, 16 or more: 28 for MNIST, 32 for CIFAR-10 with `in_channels=3`.
    activation : callable
        Makes the layer after each convolution and each linear layer but the last.

    Returns
    -------
    LeNet
        A Module of 44,426 parameters for MNIST, 62,006 for CIFAR-10; keys conv1, conv2, fc1, fc2, fc3.

    References
    ----------
    LeCun, Bottou, Bengio, Haffner: "Gradient-based learning applied to document recognition", 1998.

    Examples
    --------
    >>> model = lenet()
    >>> model(np.zeros((2, 1, 28, 28), np.float32)).shape, sum(p.size for p in model.parameters())
    ((2, 10), 44426)
    """
    return LeNet(num_classes, in_channels, size, activation)
