"""Predict over a Ray data set: an actor in each process loads the model's file once and takes batch after batch.

python predict_ray.py [--short]
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import ray

import fastnn
from fastnn import nn


class Predictor:
    """One for each process of Ray's; `num_cpus` of `map_batches` is how many threads it may take."""

    def __init__(self, path):
        self.predict = fastnn.load_frozen(path)  # mapped: processes of one machine share its pages

    def __call__(self, batch):
        with fastnn.threads(1):
            return {"id": batch["id"], "scores": self.predict(batch["x"])}


if __name__ == "__main__":
    rows = 2000 if "--short" in sys.argv else 100_000
    x = np.random.default_rng(0).normal(size=(rows, 16)).astype(np.float32)
    frozen = fastnn.freeze(nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 4)), x[:1])
    path = str(Path(tempfile.mkdtemp(), "model.plans"))  # on a cluster: where every machine can read it
    frozen.save(path)
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    table = pd.DataFrame({"id": np.arange(rows), "x": list(x)})
    data = ray.data.from_pandas([table[i::4] for i in range(4)])  # blocks that need no task: actors hold the CPUs
    actors = ray.data.ActorPoolStrategy(size=2)
    scored = data.map_batches(Predictor, fn_constructor_args=(path,), batch_size=512, num_cpus=1, compute=actors)
    found = scored.to_pandas().sort_values("id")
    print("rows:", len(found))
    print("the same bits:", bool((np.stack(found.scores) == frozen(x)).all()))
    ray.shutdown()
