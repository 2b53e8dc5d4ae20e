"""A frozen model behind HTTP in several processes: a WSGI application, served by gunicorn.

python serve_gunicorn.py write model.plans
MODEL=model.plans FASTNN_NUM_THREADS=1 gunicorn --workers 2 --preload serve_gunicorn:app
python serve_gunicorn.py                    # the same on loopback, with many clients at once

--preload maps the model's file before the workers are forked, and all share its pages.  Workers times threads should be
the number of processors; of a container's quota fastnn knows by itself, of the workers beside it not.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

import fastnn
from fastnn import nn

FEATURES = 32

if "MODEL" in os.environ:
    predict = fastnn.load_frozen(os.environ["MODEL"])

    def app(environ, start_response):
        try:
            rows = json.loads(environ["wsgi.input"].read())["rows"]
            x = np.asarray(rows, np.float32).reshape(len(rows), FEATURES)
        except (ValueError, KeyError, TypeError):
            status, reply = "422 Unprocessable Content", {"error": f"expected rows of {FEATURES} numbers"}
        else:
            status, reply = "200 OK", {"scores": predict(x).tolist(), "process": os.getpid()}
        body = json.dumps(reply).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def write(path):
    """What a training leaves."""
    model = nn.Sequential(nn.Linear(FEATURES, 256), nn.GELU(), nn.Linear(256, 3))
    frozen = fastnn.freeze(model, np.zeros((1, FEATURES), np.float32))
    frozen.save(path)
    return frozen


def measure(short):
    from ask import ask, started

    path = Path(tempfile.mkdtemp(), "model.plans")
    frozen = write(path)
    x = np.random.default_rng(0).normal(size=(64, FEATURES)).astype(np.float32)
    environment = {"FASTNN_NUM_THREADS": "1"} | os.environ | {"MODEL": str(path)}
    command = [
        "gunicorn",
        "--workers",
        "2",
        "--threads",
        "8",
        "--preload",
        "--bind",
        "127.0.0.1:{port}",
        "serve_gunicorn:app",
    ]
    server, url = started(command, env=environment, cwd=Path(__file__).parent)
    try:
        answers, rate, most = ask(url, json.dumps({"rows": x.tolist()}), 320 if short else 1600)
    finally:
        server.terminate()
        server.wait()
    found = [json.loads(answer) for answer in answers]
    same = all((np.asarray(each["scores"], np.float32) == frozen(x)).all() for each in found)
    print(f"{len({each['process'] for each in found})} processes, the same bits from all: {same}")
    print(f"{rate:.0f} requests/s, p99 {most * 1000:.1f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]))
    else:
        measure("--short" in sys.argv)
