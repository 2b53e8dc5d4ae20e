"""The recipes for serving and for predicting on other engines run as the page about them says, where their packages are."""

import re

import pytest
from test_examples import EXAMPLES, run

pytestmark = pytest.mark.skipif(not EXAMPLES.is_dir(), reason="needs the source tree")


def needs(*modules):
    for module in modules:
        pytest.importorskip(module)


def test_fastapi_behind_uvicorn_answers_many_clients(tmp_path):
    needs("fastapi", "uvicorn", "onnxruntime")
    text = run("serve_fastapi.py", tmp_path)  # which compares each answer
    assert (
        len(
            re.findall(
                r"^(?:fastnn|onnxruntime) +(?:1|64) rows a request: +\d+ requests/s, p99 +[\d.]+ ms$", text, re.M
            )
        )
        == 4
    )


def test_gunicorn_s_workers_answer_many_clients(tmp_path):
    needs("gunicorn")
    text = run("serve_gunicorn.py", tmp_path)  # whose clients are those of "ask.py"
    assert "the same bits from all: True" in text
    assert re.search(r"\d+ requests/s, p99", text)


def test_joblib(tmp_path):
    needs("joblib")
    text = run("predict_joblib.py", tmp_path)
    workers, threads, processors = map(int, re.findall(r"\d+", text.splitlines()[0]))
    assert workers * threads <= max(processors, workers)
    assert "the same bits: True" in text


def test_halving_search_over_dask(tmp_path):
    needs("joblib", "sklearn", "distributed")
    text = run("search_dask.py", tmp_path)
    assert "4 candidates in 2 rounds" in text
    assert float(text.split()[-1]) > 0.8


def test_ray(tmp_path):
    needs("ray.data", "pandas", "pyarrow")
    assert run("predict_ray.py", tmp_path).splitlines()[-2:] == ["rows: 2000", "the same bits: True"]


def test_spark(tmp_path):
    needs("pyspark", "pandas", "pyarrow")
    assert run("predict_spark.py", tmp_path).splitlines()[-2:] == ["rows: 2000", "the same bits: True"]


def test_beam(tmp_path):
    needs("apache_beam")
    assert "500 rows, the same bits" in run("predict_beam.py", tmp_path)
