"""Where tests find real CIFAR-10 images: in $FASTNN_DATA, or in a folder `shared/data` beside the repository."""

import os
from pathlib import Path

import numpy as np
import pytest

PLACES = [os.environ.get("FASTNN_DATA"), Path(__file__).parents[2] / "shared" / "data"]


def root():
    """The folder that holds the binary files, or a skip."""
    for place in PLACES:
        if place and Path(place, "cifar-10-batches-bin", "test_batch.bin").is_file():
            return Path(place)
    return pytest.skip("CIFAR-10's binary files are neither in $FASTNN_DATA nor in ../shared/data")


def images(count):
    """The first images, (count, 3, 32, 32) in [0, 1], and their labels."""
    for place in PLACES:
        path = Path(place or "/nonexistent", "cifar-10-batches-bin", "data_batch_1.bin")
        if path.is_file():
            records = np.fromfile(path, np.uint8, count * 3073).reshape(count, 3073)
            return (records[:, 1:].reshape(count, 3, 32, 32) / 255).astype(np.float32), records[:, 0].astype(np.int64)
    return pytest.skip("CIFAR-10's binary files are neither in $FASTNN_DATA nor in ../shared/data")
