"""A frozen model behind HTTP: an application of FastAPI's, served by uvicorn.

python serve_fastapi.py write model        # a model's files, here of an untrained network
MODEL=model uvicorn serve_fastapi:app      # serve it
python serve_fastapi.py                    # the same on loopback, with many clients at once, beside ONNX Runtime

One process answers in turn; a prediction of this size takes less time than to hand it to another thread.  Larger models
stand in a plain `def`, which FastAPI calls in threads: a frozen model takes calls from any number of them.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

import fastnn
from fastnn import nn

FEATURES = 32


class Request(BaseModel):
    rows: list[list[float]]


def loaded(engine, folder):
    """A function from an array to an array."""
    if engine == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "0"))  # which fastnn reads by itself
        session = onnxruntime.InferenceSession(folder / "model.onnx", options)
        (name,) = (each.name for each in session.get_inputs())
        return lambda x: session.run(None, {name: x})[0]
    return fastnn.load_frozen(folder / "plans.safetensors")  # its pages are shared by all processes that serve it


if "MODEL" in os.environ:
    predict = loaded(os.environ.get("ENGINE"), Path(os.environ["MODEL"]))
    app = FastAPI()

    @app.post("/predict")
    async def answer(request: Request) -> dict[str, list[list[float]]]:
        try:
            x = np.asarray(request.rows, np.float32).reshape(len(request.rows), FEATURES)
        except ValueError:
            raise HTTPException(422, f"expected rows of {FEATURES} numbers") from None
        return {"scores": predict(x).tolist()}


def write(folder):
    """What a training leaves."""
    model = nn.Sequential(nn.Linear(FEATURES, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 3)).eval()
    folder.mkdir(exist_ok=True)
    example = np.zeros((1, FEATURES), np.float32)
    fastnn.freeze(model, example).save(folder / "plans.safetensors")
    fastnn.onnx.save(model, folder / "model.onnx", example)
    return fastnn.freeze(model)


def measure(short):
    from ask import ask, started

    folder = Path(tempfile.mkdtemp())
    expected = write(folder)
    engines, threads, best = ["fastnn", "onnxruntime"], os.environ.get("OMP_NUM_THREADS", "1"), {}
    for rows in (1, 64):
        x = np.random.default_rng(rows).normal(size=(rows, FEATURES)).astype(np.float32)
        body, y = json.dumps({"rows": x.tolist()}), expected(x)
        for _ in range(1 if short else 3):  # in turn, and the best of each: the machine has other things to do
            for engine in engines:
                environment = os.environ | {"MODEL": str(folder), "ENGINE": engine, "OMP_NUM_THREADS": threads}
                command = ["uvicorn", "serve_fastapi:app", "--port", "{port}", "--log-level", "warning"]
                server, url = started(command, env=environment, cwd=Path(__file__).parent)
                try:
                    ask(url + "/predict", body, 64)
                    answers, rate, most = ask(url + "/predict", body, 320 if short else 1600)
                finally:
                    server.terminate()
                    server.wait()
                for each in {*answers}:
                    assert np.allclose(json.loads(each)["scores"], y, atol=1e-5)
                before = best.get((engine, rows), (0, 1))
                best[engine, rows] = max(before[0], rate), min(before[1], most)
    for (engine, rows), (rate, most) in sorted(best.items(), key=lambda each: each[0][1]):
        print(f"{engine:12} {rows:3} rows a request: {rate:6.0f} requests/s, p99 {most * 1000:6.1f} ms")


if __name__ == "__main__":
    if sys.argv[1:2] == ["write"]:
        write(Path(sys.argv[2]))
    else:
        measure("--short" in sys.argv)
