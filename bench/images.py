"""Convolutions, and convolutional networks."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

import fastnn
from fastnn import nn, optim

from .contest import Call, Contest, Unavailable, onnx_call, onnx_run, openvino_run, values
from .twins import networks

# batch, channels, rows, columns; outputs, kernel, stride, padding, groups; the goal
CONVOLUTIONS = {
    "first": ((128, 3, 32, 32), (32, (3, 3), 1, (1, 1), 1), 1.2),
    "second": ((128, 32, 32, 32), (64, (3, 3), 1, (1, 1), 1), 1.1),
    "halving": ((128, 64, 16, 16), (128, (3, 3), 2, (1, 1), 1), 1.0),
    "56": ((1, 64, 56, 56), (64, (3, 3), 1, (1, 1), 1), 1.1),
    "28": ((1, 128, 28, 28), (128, (3, 3), 1, (1, 1), 1), 1.0),
    "14": ((1, 256, 14, 14), (256, (3, 3), 1, (1, 1), 1), 1.0),
    "7": ((1, 512, 7, 7), (512, (3, 3), 1, (1, 1), 1), 0.95),
    "stem": ((1, 3, 224, 224), (64, (7, 7), 2, (3, 3), 1), 0.95),
    "pointwise": ((1, 64, 56, 56), (256, (1, 1), 1, (0, 0), 1), 1.1),
    "depthwise_halving": ((1, 96, 112, 112), (96, (3, 3), 2, (1, 1), 96), 1.0),
    "depthwise": ((1, 144, 56, 56), (144, (3, 3), 1, (1, 1), 144), 1.1),
    "signal": ((1, 64, 1, 1000), (64, (1, 5), 1, (0, 2), 1), 1.2),
}


class Convolution(Contest):
    """Channels first or last in memory for us and for PyTorch; ONNX Runtime has them first."""

    name = "convolution"
    cases = [{"row": row, "channels": channels} for row in CONVOLUTIONS for channels in ("first", "last")]

    def __init__(self, row: str, channels: str):
        (n, c, h, w), (k, kernel, stride, padding, groups), _ = CONVOLUTIONS[row]
        self.x, self.w, self.last = values(n, c, h, w), values(k, c // groups, *kernel), channels == "last"
        self.options = stride, padding, 1, groups

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return CONVOLUTIONS[case["row"]][2]

    def fastnn(self) -> Call:
        x, layer = self.x, nn.Conv2d(*self.w.shape[1::-1], self.w.shape[2:])  # whose weight lies as the kernels read it
        weight = np.empty_like(layer.weight.data)
        weight[...] = self.w
        if self.last:
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return lambda: fastnn.conv2d(x, weight, None, *self.options)

    def torch(self) -> Call:
        import torch

        layout = torch.channels_last if self.last else torch.contiguous_format
        x, w = (torch.from_numpy(a).contiguous(memory_format=layout) for a in (self.x, self.w))
        return lambda: torch.nn.functional.conv2d(x, w, None, *self.options)

    def onnxruntime(self) -> Call:
        if self.last:
            raise Unavailable("ONNX Runtime has channels first")
        stride, padding, _, groups = self.options
        return onnx_call("Conv", self.x, (self.w,), strides=[stride] * 2, pads=[*padding, *padding], group=groups)


def cnn(layers: Any) -> Any:
    """Four convolutions with batch norm, ReLU and pooling, and a head, of either library."""
    parts, before = [], 3
    for width in (32, 64, 128, 128):
        parts += [layers.Conv2d(before, width, 3, padding=1, bias=False), layers.BatchNorm2d(width), layers.ReLU()]
        parts.append(layers.MaxPool2d(2))
        before = width
    return layers.Sequential(*parts, layers.Flatten(), layers.Linear(512, 10))


def network(library: str, name: str) -> Any:
    """A network of either library's layers."""
    if name == "cnn":
        return cnn(nn if library == "fastnn" else importlib.import_module("torch.nn"))
    return getattr(networks(library), name)()


class TrainingImages(Contest):
    """A step of 128 images; PyTorch in the faster of its layouts, channels last."""

    name = "training step of images"
    cases = [{"model": model, "channels": channels} for model in ("cnn", "resnet20") for channels in ("first", "last")]

    def __init__(self, model: str, channels: str):
        self.model, self.x, self.t = model, values(128, 3, 32, 32), np.arange(128) % 10
        self.last = channels == "last"

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        return {"cnn": 1.2, "resnet20": 1.1}[case["model"]]

    def _step(self, model: Any, loss: Any, optimizer: Any, x: Any, t: Any) -> Call:
        def step() -> None:
            optimizer.zero_grad()
            loss(model(x), t).backward()
            optimizer.step()

        return step

    def fastnn(self) -> Call:
        model, x = network("fastnn", self.model), self.x
        if self.last:
            x = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return self._step(model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.01, 0.9), x, self.t)

    def torch(self) -> Call:
        import torch

        model = network("torch", self.model).to(memory_format=torch.channels_last)
        x = torch.from_numpy(self.x).contiguous(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), 0.01, 0.9)
        return self._step(model, torch.nn.CrossEntropyLoss(), optimizer, x, torch.from_numpy(self.t))


class InferenceImages(Contest):
    """Frozen networks; the peers compile them from PyTorch's layers, or from the ONNX file that PyTorch makes of these."""

    name = "inference of images"
    cases = [
        {"model": model, "batch": batch}
        for model, batch in (("cnn", 1), ("cnn", 128), ("resnet20", 1), ("resnet18", 1), ("mobilenet_v2", 1))
    ]

    def __init__(self, model: str, batch: int):
        side = 32 if model in ("cnn", "resnet20") else 224
        self.model, self.x = model, values(batch, 3, side, side)

    @classmethod
    def goal(cls, case: dict[str, Any]) -> float:
        goals = {("cnn", 1): 1.3, ("resnet20", 1): 1.2, ("resnet18", 1): 1.05}
        return goals.get((case["model"], case["batch"]), 1.1)

    def fastnn(self) -> Call:
        plan, x = fastnn.freeze(network("fastnn", self.model).eval()), self.x
        return lambda: plan(x)

    def torch(self) -> Call:
        import torch

        model = network("torch", self.model).eval().to(memory_format=torch.channels_last)
        x = torch.from_numpy(self.x).contiguous(memory_format=torch.channels_last)
        with torch.inference_mode():
            traced = torch.jit.optimize_for_inference(torch.jit.trace(model, x))

        def call() -> Any:
            with torch.inference_mode():
                return traced(x)

        return call

    def _onnx(self) -> bytes:
        import io
        import warnings

        import torch

        file = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch announces another exporter
            model = network("torch", self.model).eval()
            torch.onnx.export(model, (torch.from_numpy(self.x),), file, dynamo=False, input_names=["x"])
        return file.getvalue()

    def onnxruntime(self) -> Call:
        return onnx_run(self._onnx(), {"x": self.x})

    def openvino(self) -> Call:
        return openvino_run(self._onnx(), {"x": self.x})
