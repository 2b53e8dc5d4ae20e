"""Predict in several processes by joblib: each takes its share of the processors, and gives the bits of one process.

python predict_joblib.py [--short]

A model with little work for each row is faster in one process, whose threads share the input without sending it: this
is for what Python does besides, such as reading files or preparing rows.
"""

import sys

import joblib
import numpy as np

import fastnn
from fastnn import nn

PARTS = 8


def prepared(part, rows):
    """What the rows of one part would be read and prepared from."""
    return np.random.default_rng(part).normal(size=(rows, 16)).astype(np.float32)


def predicted(frozen, part, rows):
    return fastnn.get_num_threads(), frozen(prepared(part, rows))


if __name__ == "__main__":
    rows = 1000 if "--short" in sys.argv else 200_000
    frozen = fastnn.freeze(nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 4)))
    expected = [frozen(prepared(part, rows)) for part in range(PARTS)]
    workers = 2
    found = joblib.Parallel(n_jobs=workers)(joblib.delayed(predicted)(frozen, part, rows) for part in range(PARTS))
    print(f"{workers} processes of {max(threads for threads, _ in found)} threads on {joblib.cpu_count()} processors")
    print("the same bits:", all((y == z).all() for (_, y), z in zip(found, expected, strict=True)))
