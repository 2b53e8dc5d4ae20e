"""Predict over a Spark DataFrame: each task of Spark's maps the model's file and takes its part as batches of Pandas.

python predict_spark.py [--short]          # needs pyspark, pyarrow and Java
"""

import os
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

import fastnn
from fastnn import nn

FEATURES = [f"x{i}" for i in range(16)]


def predicted(path):
    """What `mapInPandas` calls for each part, with an iterator over its batches."""

    def predict_part(batches):
        predict = fastnn.load_frozen(path)  # mapped: processes of one machine share its pages
        with fastnn.threads(1):  # a task of Spark's has one core
            for batch in batches:
                y = predict(batch[FEATURES].to_numpy(np.float32))
                yield pd.DataFrame({"id": batch.id, "score": y[:, 0]})

    return predict_part


if __name__ == "__main__":
    rows = 2000 if "--short" in sys.argv else 200_000
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, 16)).astype(np.float32), columns=FEATURES)
    table.insert(0, "id", np.arange(rows))
    frozen = fastnn.freeze(nn.Sequential(nn.Linear(16, 64), nn.GELU(), nn.Linear(64, 1)), np.zeros((1, 16), np.float32))
    path = str(Path(tempfile.mkdtemp(), "model.plans"))  # on a cluster: where every machine can read it
    frozen.save(path)
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # Spark's own processes have fastnn too
    spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    data = spark.createDataFrame(table).repartition(4)
    found = data.mapInPandas(predicted(path), "id long, score float").toPandas().sort_values("id")
    print("rows:", len(found))
    print("the same bits:", bool((found.score.to_numpy() == frozen(table[FEATURES].to_numpy())[:, 0]).all()))
    spark.stop()
