"""The export to ONNX: every module, checked by ONNX's own checker, ONNX Runtime and the reader here."""

import importlib.util

import numpy as np
import pytest
from onnx_cases import CASES, Calls, floats

import fastnn
import fastnn.onnx
from fastnn import nn
from fastnn.graph._graph import leaves

BATCHES = 1, 3, 6
# Modules without an export of their own: the base, and losses, which nobody predicts with.
REFUSED = {"Module", *(name for name in nn.__all__ if name.endswith("Loss"))}
needs_onnx = pytest.mark.skipif(
    not (importlib.util.find_spec("onnx") and importlib.util.find_spec("onnxruntime")),
    reason="needs onnx and onnxruntime",
)


def made(name):
    """The model in evaluation mode, its running statistics not the ones that nothing can tell apart, and its inputs."""
    make, inputs = CASES[name]
    fastnn.manual_seed(0)
    model = make().eval()
    rng = np.random.default_rng(1)
    for buffer in model.buffers():
        if buffer.dtype.kind == "f":
            buffer[...] = rng.uniform(0.5, 2, buffer.shape)
    return model, inputs


def flat(value):
    return [np.asarray(getattr(leaf, "data", leaf)) for leaf in leaves(value) if leaf is not None]


def resized(declared, arrays, batch, rng):
    """Inputs of that batch, of other floats."""
    found = []
    for argument, array in zip(declared, arrays, strict=True):
        axis = next((i for i, size in enumerate(argument.shape) if size == "N"), None)
        array = array if axis is None else np.take(array, np.arange(batch) % array.shape[axis], axis)
        found.append(rng.normal(size=array.shape).astype(array.dtype) if array.dtype.kind == "f" else array)
    return found


def filled(inputs, arrays):
    arrays = iter(arrays)
    return [tuple(next(arrays) for _ in each) if isinstance(each, tuple) else next(arrays) for each in inputs]


def check(model, inputs, declared, run, tolerance):
    """The same outputs as the model's, relative to the largest value, for batches of several sizes."""
    rng = np.random.default_rng(2)
    for batch in BATCHES:
        arrays = resized(declared, flat(inputs), batch, rng)
        with fastnn.no_grad():
            expected = flat(model(*filled(inputs, arrays)))
        found = run({each.name: array for each, array in zip(declared, arrays, strict=True)})
        assert len(found) == len(expected)
        for got, wanted in zip(found, expected, strict=True):
            assert (got.dtype, got.shape) == (wanted.dtype, wanted.shape)
            if wanted.dtype.kind == "f":
                np.testing.assert_allclose(got, wanted, rtol=0, atol=tolerance * max(1, np.abs(wanted).max()))
            else:
                np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("opset", [13, 18, 23])
@pytest.mark.parametrize("name", CASES)
def test_exported_models_read_back(name, opset, tmp_path):
    model, inputs = made(name)
    fastnn.onnx.save(model, tmp_path / "m.onnx", tuple(inputs), opset=opset)
    loaded = fastnn.onnx.load(tmp_path / "m.onnx")
    assert loaded.opset == opset
    check(model, inputs, loaded.inputs, lambda feeds: loaded.run(None, feeds), 4e-6)


@needs_onnx
@pytest.mark.parametrize("name", CASES)
def test_exported_models_are_valid_and_equal_in_onnxruntime(name, tmp_path):
    import onnx
    import onnxruntime

    model, inputs = made(name)
    path = str(tmp_path / "m.onnx")
    fastnn.onnx.save(model, path, tuple(inputs))
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    check(model, inputs, session.get_inputs(), lambda feeds: session.run(None, feeds), 3e-5)


def test_every_module_is_exported_or_on_the_list_of_those_that_are_not():
    covered = {type(module).__name__ for make, _ in CASES.values() for module in make().modules()}
    modules = {
        name for name in nn.__all__ if isinstance(getattr(nn, name), type) and issubclass(getattr(nn, name), nn.Module)
    }
    assert modules - covered - REFUSED - {"TransformerDecoder"} == set()
    assert not REFUSED & covered


def test_names_are_those_of_the_forward_pass_the_dict_and_the_state_dict(tmp_path):
    model, inputs = made("residual")
    fastnn.onnx.save(model, tmp_path / "m.onnx", inputs)
    loaded = fastnn.onnx.load(tmp_path / "m.onnx")
    assert [(each.name, each.shape) for each in loaded.inputs] == [("x", ["N", 4]), ("scale", ["N", 1])]
    assert [(each.name, each.shape) for each in loaded.outputs] == [
        ("a", ["N", 2]), ("more.0", ["N", 3]), ("more.1", ["N"]),
    ]  # fmt: skip
    assert set(model.state_dict()) <= set(loaded.constants)
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(loaded.constants[name], array)


@pytest.mark.parametrize("layer", [nn.LSTM(4, 5, 2, bidirectional=True), nn.GRU(4, 5)])
def test_every_constant_of_a_file_is_read(layer, tmp_path):
    fastnn.onnx.save(layer.eval(), tmp_path / "model.onnx", np.zeros((7, 2, 4), np.float32))
    file = fastnn.onnx.load(tmp_path / "model.onnx")._file.graph
    read = {name for node in file.nodes for name in node.inputs}
    assert set(file.constants) <= read


def test_models_are_left_as_they_are(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5)))
    model[1][0].eval()
    before = [module.training for module in model.modules()], {k: v.copy() for k, v in model.state_dict().items()}
    fastnn.onnx.save(model, tmp_path / "m.onnx", np.ones((2, 3), np.float32))
    assert [module.training for module in model.modules()] == before[0]
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[1][name])


def test_a_fixed_batch(tmp_path):
    model = Calls(lambda m, x: x * len(x))
    with pytest.raises(
        NotImplementedError, match="asks for the batch size: dynamic_batch=False exports it for 2 samples"
    ):
        fastnn.onnx.save(model, tmp_path / "m.onnx", floats(2, 3))
    fastnn.onnx.save(model, tmp_path / "m.onnx", floats(2, 3), dynamic_batch=False)
    loaded = fastnn.onnx.load(tmp_path / "m.onnx")
    assert loaded.inputs[0].shape == [2, 3]
    np.testing.assert_array_equal(loaded(np.ones((2, 3), np.float32)), np.full((2, 3), 2, np.float32))


def test_frozen_models_and_arguments_by_name(tmp_path):
    attention = nn.MultiheadAttention(8, 2, batch_first=True).eval()
    x = floats(2, 5, 8)
    example = (x, x, x, {"need_weights": False, "key_padding_mask": np.zeros((2, 5), bool)})
    fastnn.onnx.save(fastnn.freeze(attention), tmp_path / "m.onnx", example)
    loaded = fastnn.onnx.load(tmp_path / "m.onnx")
    assert [each.name for each in loaded.inputs] == ["query", "key", "value", "key_padding_mask"]
    hidden = np.array([[False] * 5, [True] * 4 + [False]])
    with fastnn.no_grad():
        expected = attention(x, x, x, key_padding_mask=hidden)[0]
    np.testing.assert_allclose(loaded(x, x, x, hidden), expected.data, atol=1e-6)


def test_what_cannot_be_exported_is_named_at_once_and_nothing_is_written(tmp_path):
    model = Calls(
        lambda m, x: (np.partition(x, 1), m.rnn(x)[0], m.values(x), fastnn.functional.dropout(x, 0.5, True)),
        rnn=nn.LSTM(3, 4, proj_size=2),
        values=Calls(lambda m, x: x if x.sum() > 0 else -x),
    )
    path = tmp_path / "m.onnx"
    path.write_bytes(b"before")
    with pytest.raises(NotImplementedError) as caught:
        fastnn.onnx.save(model, path, floats(2, 3, 3))
    text = str(caught.value)
    for part in ("partition", "rnn (LSTM): proj_size=2", "values (Calls): it asks for values", "dropout: it draws"):
        assert part in text
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"opset": 12}, ValueError, "expected an opset from 13 to 28, got 12"),
        ({"opset": True}, ValueError, "expected an opset"),
        ({"example": np.ones((0, 3), np.float32)}, ValueError, "at least one sample"),
        ({"example": np.ones((2, 4), np.float32)}, ValueError, "3 features"),
        ({"example": (None,)}, ValueError, "at least one array"),
        ({"example": np.array(["a"])}, TypeError, "expected an example of numbers for 'input'"),
        ({"model": 3}, TypeError, "expected a Module or an estimator, got a int"),
        ({"model": nn.Sequential(nn.LSTM(3, 4, peephole=True))}, NotImplementedError, r"0 \(LSTM\): gates .*peephole"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, message, tmp_path):
    given = {"model": nn.Linear(3, 2), "example": np.ones((2, 3), np.float32)} | arguments
    if "LSTM" in message:
        given["example"] = floats(2, 5, 3)
    with pytest.raises(error, match=message):
        fastnn.onnx.save(given.pop("model"), tmp_path / "m.onnx", **given)
    assert not list(tmp_path.iterdir())


def test_losses_are_refused_by_name(tmp_path):
    model = Calls(lambda m, x: m.loss(x, np.array([0, 1])), loss=nn.CrossEntropyLoss())
    with pytest.raises(NotImplementedError, match="cross_entropy"):
        fastnn.onnx.save(model, tmp_path / "m.onnx", floats(2, 3), dynamic_batch=False)


def test_files_beyond_what_protobuf_holds_are_refused(tmp_path, monkeypatch):
    from fastnn.onnx.export import _model

    monkeypatch.setattr(_model, "LIMIT", 1000)
    with pytest.raises(ValueError, match="a file of ONNX's holds at most"):
        fastnn.onnx.save(nn.Linear(30, 20), tmp_path / "m.onnx", floats(1, 30))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", ["three", "two", "one", "labels", "objects", "numbers"])
def test_estimators(kind, dtype, tmp_path):
    pytest.importorskip("sklearn")
    from fastnn.sklearn import MLPClassifier, MLPRegressor

    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 4)).astype(dtype)
    number = rng.integers(0, 3, 40)
    y = {
        "three": np.array(["a", "bb", "c"])[number], "two": number % 2 * 5, "one": number * 0,
        "labels": rng.integers(0, 2, (40, 3)), "objects": np.array(["x", "yy"], object)[number % 2], "numbers": X[:, :2],
    }[kind]  # fmt: skip
    estimator = MLPRegressor if kind == "numbers" else MLPClassifier
    fitted = estimator((8,), max_iter=200, tol=1.0, batch_norm=True, random_state=0).fit(X, y)
    path = str(tmp_path / "m.onnx")
    fastnn.onnx.save(fitted, path, X[:1])
    runs = [fastnn.onnx.load(path)]
    if importlib.util.find_spec("onnxruntime"):
        runs.append(pytest.importorskip("onnxruntime").InferenceSession(path))
    for each in runs:
        found = dict(zip([output.name for output in each.get_outputs()], each.run(None, {"X": X}), strict=True))
        if kind == "numbers":
            np.testing.assert_allclose(found["variable"], fitted.predict(X), atol=1e-5)
        else:
            np.testing.assert_array_equal(found["label"], fitted.predict(X))
            np.testing.assert_allclose(found["probabilities"], fitted.predict_proba(X), atol=1e-5)
