"""Predict in an Apache Beam pipeline: a ModelHandler tells RunInference how models are loaded and called.

python predict_beam.py [--short]           # needs apache-beam
"""

import sys
import tempfile
from pathlib import Path

import apache_beam as beam
import numpy as np
from apache_beam.ml.inference.base import ModelHandler, PredictionResult, RunInference
from apache_beam.testing.util import assert_that, equal_to

import fastnn
from fastnn import nn


class FrozenHandler(ModelHandler[np.ndarray, PredictionResult, fastnn.graph.Frozen]):
    """A file of `Frozen.save`, which each process of Beam's loads once."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def load_model(self):
        return fastnn.load_frozen(self.path)

    def run_inference(self, batch, model, inference_args=None):
        with fastnn.threads(1):  # Beam's own threads are as many as it wants
            return [PredictionResult(x, y) for x, y in zip(batch, model(np.stack(batch)), strict=True)]

    def batch_elements_kwargs(self):
        return {"min_batch_size": 16, "max_batch_size": 1024}


if __name__ == "__main__":
    rows = 500 if "--short" in sys.argv else 50_000
    x = np.random.default_rng(0).normal(size=(rows, 16)).astype(np.float32)
    frozen = fastnn.freeze(nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 1)), x[:1])
    path = str(Path(tempfile.mkdtemp(), "model.plans"))
    frozen.save(path)
    with beam.Pipeline() as pipeline:
        scores = (
            pipeline
            | beam.Create(list(x))
            | RunInference(FrozenHandler(path))
            | beam.Map(lambda result: (result.example.tobytes(), float(result.inference[0])))
        )
        assert_that(scores, equal_to([(row.tobytes(), float(y[0])) for row, y in zip(x, frozen(x), strict=True)]))
    print(f"{rows} rows, the same bits")
