"""`python -m bench.coldstart`: from the start of a program to its first prediction, each library in its own process."""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

LOAD = {
    "fastnn": "import fastnn.onnx; predict = fastnn.onnx.load(path)",
    "onnxruntime": "import onnxruntime; predict = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])",
    "torch": "import torch; from bench.coldstart import torch_model; predict = torch_model(path)",
}
CALL = {
    "fastnn": "predict.run(None, feeds)",
    "onnxruntime": "predict.run(None, feeds)",
    "torch": "with torch.no_grad(): predict(*[torch.from_numpy(x) if x.ndim else x.item() for x in feeds.values()])",
}
PROGRAM = """
import time; begin = time.perf_counter()
import sys, numpy
path, feeds = sys.argv[1], dict(numpy.load(sys.argv[2]))
start = time.perf_counter()
{load}
loaded = time.perf_counter()
{call}
end = time.perf_counter()
peak = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
print([start - begin, loaded - start, end - loaded, peak])
"""


# -- models -----------------------------------------------------------------------------------------------------------


def mlp(nn: Any) -> Any:
    """A perceptron of 784, 256, 256, 10 units, of either library's layers."""
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))


def torch_resnet() -> Any:
    """ResNet-18 with the names of its weights, as torchvision has them."""
    from torch import nn

    class Block(nn.Module):
        def __init__(self, before: int, width: int, stride: int):
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(before, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width)
            self.conv2, self.bn2 = nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width)
            self.downsample = None
            if stride > 1:
                self.downsample = nn.Sequential(nn.Conv2d(before, width, 1, stride, bias=False), nn.BatchNorm2d(width))

        def forward(self, x: Any) -> Any:
            y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
            return (y + (x if self.downsample is None else self.downsample(x))).relu()

    class ResNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64)
            self.maxpool = nn.MaxPool2d(3, 2, 1)
            widths = (64, 64, 128, 256, 512)
            for i in range(1, 5):
                blocks = Block(widths[i - 1], widths[i], 2 if i > 1 else 1), Block(widths[i], widths[i], 1)
                setattr(self, f"layer{i}", nn.Sequential(*blocks))
            self.fc = nn.Linear(512, 1000)

        def forward(self, x: Any) -> Any:
            x = self.maxpool(self.bn1(self.conv1(x)).relu())
            x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
            return self.fc(x.mean((2, 3)))

    return ResNet()


def torch_model(path: str) -> Any:
    """A TorchScript file, or a state_dict of one of the models here, by the file's name."""
    import torch

    if path.endswith(".jit"):
        return torch.jit.load(path)
    model = torch_resnet() if "resnet" in path else mlp(torch.nn)
    model.load_state_dict(torch.load(path))
    return model.eval()


def made(folder: Path) -> dict[str, tuple[dict[str, Path], dict[str, dict[str, Any]]]]:
    """The models of this file: their files by library, and their inputs."""
    import fastnn

    found = {}
    shapes = {"mlp": (1, 784), "resnet18": (1, 3, 224, 224)}
    for name, model in (("mlp", mlp(fastnn.nn)), ("resnet18", fastnn.models.resnet18())):
        x = np.ones(shapes[name], np.float32)
        file = folder / f"{name}.onnx"
        fastnn.onnx.save(model, file, x)
        files = {"fastnn": file, "onnxruntime": file}
        if importlib.util.find_spec("torch"):
            import torch

            files["torch"] = folder / f"{name}.pt"
            torch.save(
                {key: torch.from_numpy(np.array(value)) for key, value in model.state_dict().items()}, files["torch"]
            )
        found[name] = files, {library: {"input": x} for library in files}
    return found


def given(path: Path, texts: list[str]) -> tuple[dict[str, Path], dict[str, dict[str, Any]]]:
    """A model's files, ONNX and TorchScript beside it, and the inputs of each library."""
    import fastnn.onnx

    told = {}
    for text in texts:
        name, _, value = text.partition("=")
        sizes = [int(size) for size in value.split(",")]
        told[name] = np.zeros(sizes, np.float32) if len(sizes) > 1 else np.array(sizes[0])
    feeds = {}
    for each in fastnn.onnx.load(path).inputs:
        shape = [size if isinstance(size, int) else 1 for size in each.shape or []]
        feeds[each.name] = told.get(each.name, np.zeros(shape)).astype(each.dtype)
    files = {"fastnn": path, "onnxruntime": path}
    script = path.with_suffix(".jit")
    if script.exists():  # whose inputs are those that ONNX's model does not have, and scalars
        files["torch"] = script
        own = {name: value for name, value in told.items() if name not in feeds or not value.ndim}
        return files, {"fastnn": feeds, "onnxruntime": feeds, "torch": own or feeds}
    return files, {"fastnn": feeds, "onnxruntime": feeds}


# -- measuring --------------------------------------------------------------------------------------------------------


def started(library: str, model: Path, feeds: Path) -> list[float]:
    """Seconds of importing NumPy, of importing the library and loading, of the first prediction; the peak in KiB."""
    program = PROGRAM.format(load=LOAD[library], call=CALL[library])
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", program, model, feeds], capture_output=True, text=True, check=True, env=env
    )
    return list(json.loads(done.stdout))


def installed(name: str) -> float:
    """Megabytes of a distribution and of what it needs, but NumPy."""
    seen: set[str] = set()

    def size(name: str) -> int:
        name = re.split(r"[^A-Za-z0-9._-]", name)[0].lower().replace("_", "-")
        if name in seen or name == "numpy":
            return 0
        seen.add(name)
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return 0
        files = [Path(str(found.locate_file(file))) for file in found.files or [] if "__pycache__" not in str(file)]
        total = sum(file.stat().st_size for file in files if file.is_file())
        needed = [each for each in found.requires or [] if "extra ==" not in each]
        return total + sum(map(size, needed))

    if name == "fastnn":
        import fastnn

        files = [
            each for each in Path(fastnn.__file__).parent.rglob("*") if each.suffix in (".py", ".pyi", ".so", ".typed")
        ]
        return sum(each.stat().st_size for each in files) / 1e6
    return size(name) / 1e6


def main() -> None:
    """Start everything in turn, several times; print a table of medians."""
    parser = argparse.ArgumentParser(prog="python -m bench.coldstart", description=main.__doc__)
    parser.add_argument("model", nargs="?", type=Path, help="an ONNX file beside the models here")
    parser.add_argument(
        "inputs",
        nargs="*",
        help="NAME=SIZE,SIZE... for zeros, NAME=NUMBER for a scalar; others than ONNX's are TorchScript's",
    )
    parser.add_argument("--starts", type=int, default=7, help="of each (7)")
    options = parser.parse_args()
    libraries = [name for name in LOAD if importlib.util.find_spec(name)]
    print("| model | library | NumPy, ms | import and load, ms | first prediction, ms | all, ms | peak, MB |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        models = made(folder)
        if options.model is not None:
            models = {options.model.stem: given(options.model, options.inputs), **models}
        for name, (files, feeds) in models.items():
            taking_part = [each for each in libraries if each in files]
            for each in taking_part:
                np.savez(folder / f"{each}.npz", **feeds[each])
            found: dict[str, list[list[float]]] = {each: [] for each in taking_part}
            for i in range(options.starts + 1):
                for each in taking_part:  # the first time, which may compile modules, does not count
                    found[each][: i == 1] = []
                    found[each].append(started(each, files[each], folder / f"{each}.npz"))
            for each, rows in found.items():
                numpy, load, first, peak = (statistics.median(column) for column in zip(*rows, strict=True))
                whole = statistics.median(sum(row[:3]) for row in rows)
                times = " | ".join(f"{1e3 * seconds:.0f}" for seconds in (numpy, load, first, whole))
                print(f"| {name} | {each} | {times} | {peak / 1024:.0f} |", flush=True)
    for each in libraries:
        print(f"installed: {each} {installed(each):.1f} MB")


if __name__ == "__main__":
    main()
