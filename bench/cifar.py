"""`python -m bench.cifar ROOT`: one recipe on CIFAR-10 by fastnn and by PyTorch, in turn, each in a process of its own.

The same network, initial distribution, augmentation, optimizer, schedule and batches' size; the accuracy on the test images
and the time of the training, loading of the files and evaluation left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
import warnings

import numpy as np

HIDDEN, BATCH, RATE, DECAY, DROPOUT = (1024, 512), 128, 2e-3, 1e-2, 0.2
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


def files(root: str, train: bool):
    """Images (N, 3, 32, 32) of bytes, and labels."""
    from fastnn.data import CIFAR10

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = CIFAR10(root, train, download=False)
    return np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)), data.targets


def by_fastnn(root: str, seed: int, epochs: int) -> dict[str, float]:
    """Train, as `fastnn train` does."""
    import fastnn
    from fastnn import data, nn, optim
    from fastnn.data import transforms

    last = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    moved = transforms.Compose([transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), *last])
    images, labels = files(root, True)
    train = data.ImageDataset(images.transpose(0, 2, 3, 1), labels, transform=moved)
    images, labels = files(root, False)
    test = data.ImageDataset(images.transpose(0, 2, 3, 1), labels, transform=transforms.Compose(last))
    loader = data.DataLoader(train, BATCH, shuffle=True, num_workers=1, drop_last=True, rng=seed)
    fastnn.manual_seed(seed)
    layers, before = [nn.Flatten()], 3072
    for size in HIDDEN:
        layers += [nn.Linear(before, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(DROPOUT)]
        before = size
    model = nn.Sequential(*layers, nn.Linear(before, 10))
    optimizer, criterion = optim.AdamW(model.parameters(), RATE, weight_decay=DECAY), nn.CrossEntropyLoss()
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    start = time.perf_counter()
    for _ in range(epochs):
        for x, y in loader:
            optimizer.zero_grad()
            criterion(model(x), y).backward()
            optimizer.step()
        schedule.step()
    seconds = time.perf_counter() - start
    model.eval()
    with fastnn.no_grad():
        hits = sum(int((model(x).argmax(1) == y).sum()) for x, y in data.DataLoader(test, 1000))
    return {"accuracy": hits / len(test), "seconds": seconds}


def by_torch(root: str, seed: int, epochs: int) -> dict[str, float]:
    """The same; batches are cropped and mirrored as a whole too, which is faster than torchvision's image by image."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    images, labels = (torch.from_numpy(each) for each in files(root, True))
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, STD))
    layers, before = [nn.Flatten()], 3072
    for size in HIDDEN:
        layers += [nn.Linear(before, size), nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(DROPOUT)]
        before = size
    model = nn.Sequential(*layers, nn.Linear(before, 10))
    optimizer, criterion = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY), nn.CrossEntropyLoss()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    padded = nn.functional.pad(images, (4, 4, 4, 4))
    windows = padded.unfold(2, 32, 1).unfold(3, 32, 1)
    start = time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(len(images))
        for at in range(0, len(images) - BATCH + 1, BATCH):
            index = order[at : at + BATCH]
            top, left = torch.randint(9, (BATCH,)), torch.randint(9, (BATCH,))
            x = windows[index, :, top, left]
            mirrored = torch.rand(BATCH) < 0.5
            x = torch.where(mirrored.view(-1, 1, 1, 1), x.flip(3), x)
            x = (x.float().div_(255) - mean) / std
            optimizer.zero_grad()
            criterion(model(x), labels[index]).backward()
            optimizer.step()
        schedule.step()
    seconds = time.perf_counter() - start
    model.eval()
    images, labels = (torch.from_numpy(each) for each in files(root, False))
    with torch.no_grad():
        hits = sum(
            int((model((images[i : i + 1000].float() / 255 - mean) / std).argmax(1) == labels[i : i + 1000]).sum())
            for i in range(0, len(images), 1000)
        )
    return {"accuracy": hits / len(images), "seconds": seconds}


def main() -> None:
    """Both libraries, three seeds, in turn."""
    parser = argparse.ArgumentParser(prog="python -m bench.cifar", description=main.__doc__)
    parser.add_argument("root", help="folder that holds cifar-10-batches-bin")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=["fastnn", "torch"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        run = {"fastnn": by_fastnn, "torch": by_torch}[options.only]
        print(json.dumps(run(options.root, options.seeds, options.epochs)))
        return
    results: dict[str, list[dict[str, float]]] = {"fastnn": [], "torch": []}
    for seed in range(options.seeds):
        for name in ("fastnn", "torch") if seed % 2 == 0 else ("torch", "fastnn"):
            command = [sys.executable, "-m", "bench.cifar", options.root, "--epochs", str(options.epochs)]
            command += ["--only", name, "--seeds", str(seed)]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            results[name].append(json.loads(done.stdout))
            print(f"seed {seed}  {name:<7} {results[name][-1]}", flush=True)
    for name, runs in results.items():
        accuracy = [run["accuracy"] for run in runs]
        seconds = statistics.median(run["seconds"] for run in runs)
        print(f"{name:<7} accuracy {statistics.mean(accuracy):.2%} of {accuracy}, {seconds:.1f} s")


if __name__ == "__main__":
    main()
