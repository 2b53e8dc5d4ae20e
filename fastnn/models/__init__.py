"""Networks from the literature, to be trained or to take weights from elsewhere; none are shipped."""

from ._gpt import GPT, gpt
from ._lenet import LeNet, lenet
from ._mobilenet import MobileNetV2, mobilenet_v2
from ._resnet import ResNet, resnet18, resnet20, resnet56
from ._signal import CNN1d, cnn1d

__all__ = [
    "GPT",
    "CNN1d",
    "LeNet",
    "MobileNetV2",
    "ResNet",
    "cnn1d",
    "gpt",
    "lenet",
    "mobilenet_v2",
    "resnet18",
    "resnet20",
    "resnet56",
]
