"""ONNX files: reading, calling a model, refusals."""

import io
import re
import threading

import numpy as np
import pytest
from onnx_files import graph, model, node, tensor, value, write

import fastnn.onnx
from fastnn.onnx._protobuf import DamagedError, read

X = value("x", shape=["N", 3])
Y = value("y")
W = np.arange(6, dtype=np.float32).reshape(3, 2)


def linear(**options):
    return model([node("MatMul", "x w", "h"), node("Relu", "h", "y")], [X], [Y], w=W, **options)


def test_a_model_is_called_by_place_by_name_and_as_a_session():
    loaded = fastnn.onnx.load(linear())
    x = np.array([[1, -2, 3], [0, 1, 0]], np.float32)
    expected = np.maximum(x @ W, 0)
    for found in (
        loaded(x),
        loaded(x=x),
        loaded.run(None, {"x": x})[0],
        loaded.run(["y"], {"x": x})[0],
        loaded(x.tolist()),
    ):
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)
    (given,) = loaded.get_inputs()
    assert (given.name, given.type, given.shape, given.dtype) == ("x", "tensor(float)", ["N", 3], np.float32)
    assert [each.name for each in loaded.get_outputs()] == ["y"]


def test_bytes_paths_and_files(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(linear())
    x = np.ones((1, 3), np.float32)
    for source in (path, str(path), io.BytesIO(linear()), bytearray(linear())):
        np.testing.assert_array_equal(fastnn.onnx.load(source)(x), [[6, 9]])


@pytest.mark.parametrize(
    ("feeds", "error", "message"),
    [
        ({}, TypeError, "'x' is missing: expected x"),
        ({"x": np.ones((1, 3), np.float32), "z": 1}, TypeError, "'z' is no input"),
        ({"x": np.ones((1, 3))}, TypeError, "expected 'x' of float32, got float64"),
        ({"x": np.ones((1, 4), np.float32)}, ValueError, r"expected 'x' of shape \(N, 3\), got \(1, 4\)"),
        ({"x": np.ones(3, np.float32)}, ValueError, r"expected 'x' of shape \(N, 3\), got \(3,\)"),
    ],
)
def test_wrong_inputs_are_refused(feeds, error, message):
    with pytest.raises(error, match=message):
        fastnn.onnx.load(linear()).run(None, feeds)


def test_wrong_calls_are_refused():
    loaded, x = fastnn.onnx.load(linear()), np.ones((1, 3), np.float32)
    with pytest.raises(TypeError, match="'x' is given twice"):
        loaded(x, x=x)
    with pytest.raises(TypeError, match="at most 1 inputs, got 2"):
        loaded(x, x)
    with pytest.raises(ValueError, match="no output 'z': there are y"):
        loaded.run(["z"], {"x": x})


def test_all_operators_that_are_missing_are_named_at_once():
    nodes = [node("Frobnicate", "x", "a"), node("Other", "a", "y", "com.example"), node("Relu", "x", "b", slope=1.0)]
    with pytest.raises(
        NotImplementedError, match=r"Frobnicate of opset 18 \(a\), com.example.Other of opset 0 \(y\), Relu"
    ):
        fastnn.onnx.load(model(nodes, [X], [Y]))


def test_an_operator_newer_than_the_opset_is_missing():
    nodes = [node("LayerNormalization", "x w", "y")]
    fastnn.onnx.load(model(nodes, [X], [Y], opset=17, w=W[:, 0]))
    with pytest.raises(NotImplementedError, match="GroupNormalization of opset 12"):
        fastnn.onnx.load(model([node("GroupNormalization", "x w w", "y", num_groups=1)], [X], [Y], opset=12, w=W[:, 0]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no graph"),
        (b"\x08", "does not end"),
        (b"\x3a\xff\xff\xff\xff\x0f", "a field of 4294967295 bytes, 0 are left"),
        (model([node("Relu", "q", "y")], [X], [Y]), "Relu 'y' reads 'q', which nothing before it gives"),
        (model([node("Relu", "x", "y"), node("Relu", "x", "y")], [X], [Y]), "gives 'y', which is there already"),
        (model([node("Relu", "h", "y"), node("Relu", "y", "h")], [X], [Y]), "reads 'h'"),
        (model([], [X], [Y]), "the graph's outputs reads 'y'"),
    ],
)
def test_damaged_models_are_refused(data, message):
    with pytest.raises(ValueError, match=rf"^onnx.load: the model: .*{message}"):
        fastnn.onnx.load(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dims": [2**40]}, "has 24 bytes, should have 4398046511104"),
        ({"dims": [-1]}, r"tensor 'w' of shape \(-1,\)"),
        ({"raw_data": b"abc"}, "has 3 bytes, should have 24"),
        ({"data_type": 99}, "type 99"),
        ({"data_location": 1}, "load the model by its path"),
    ],
)
def test_damaged_tensors_are_refused(change, message):
    whole = graph([node("MatMul", "x w", "y")], [X], [Y]) | {"initializer": [tensor(W, "w") | change]}
    data = write("Model", {"graph": whole, "opset_import": [{"version": 18}]})
    with pytest.raises(ValueError, match=message):
        fastnn.onnx.load(data)


def external(location, **more):
    entries = [{"key": "location", "value": location}, *({"key": k, "value": v} for k, v in more.items())]
    stored = {"dims": [3, 2], "data_type": 1, "name": "w", "data_location": 1, "external_data": entries}
    whole = graph([node("MatMul", "x w", "y")], [X], [Y]) | {"initializer": [stored]}
    return write("Model", {"graph": whole, "opset_import": [{"version": 18}]})


def test_tensors_in_files_of_their_own(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(8) + W.tobytes())
    (tmp_path / "secret").write_bytes(W.tobytes())
    path = folder / "model.onnx"
    path.write_bytes(external("weights.bin", offset="8", length="24"))
    np.testing.assert_array_equal(fastnn.onnx.load(path)(np.ones((1, 3), np.float32)), [[6, 9]])
    (folder / "link").symlink_to(tmp_path / "secret")
    for location in ("../secret", str(tmp_path / "secret"), "link", ""):
        path.write_bytes(external(location))
        with pytest.raises(ValueError, match="outside the model's folder"):
            fastnn.onnx.load(path)
    path.write_bytes(external("weights.bin", offset="16", length="24"))
    with pytest.raises(ValueError, match=r"bytes 16 to 40 of 'weights.bin', which has 32"):
        fastnn.onnx.load(path)


def test_messages_in_messages_have_an_end():
    deep = graph([node("Relu", "x", "y")])
    for _ in range(60):
        deep = graph([{"op_type": "If", "attribute": [{"name": "then_branch", "g": deep, "type": 5}]}])
    with pytest.raises(ValueError, match="more than 100 messages"):
        fastnn.onnx.load(write("Model", {"graph": deep, "opset_import": [{"version": 18}]}))


def test_an_error_names_the_node():
    loaded = fastnn.onnx.load(model([node("MatMul", "x x", "y")], [X], [Y]))
    with pytest.raises(ValueError, match=r"^onnx: MatMul 'y' of \(2, 3\), \(2, 3\): "):
        loaded(np.ones((2, 3), np.float32))


def test_what_is_constant_is_computed_once():
    nodes = [node("Shape", "w", "s"), node("Gather", "s i", "n"), node("Add", "n n", "m"), node("Reshape", "x m", "y")]
    loaded = fastnn.onnx.load(model(nodes, [X], [Y], w=W, i=np.array([0])))
    assert [step.node.operator for step in loaded._program.operations] == ["Reshape"]
    assert loaded(np.ones((2, 3), np.float32)).shape == (6,)


def test_a_constant_that_would_be_huge_is_left_to_the_run():
    loaded = fastnn.onnx.load(model([node("ConstantOfShape", "s", "y")], [], [Y], s=np.array([2**39])))
    with pytest.raises(ValueError, match=r"a result of shape \(549755813888,\)"):
        loaded()


def test_functions_of_the_file():
    body = [{**node("Mul", "a b", "h")}, {**node("Add", "h c", "y")}]
    body[1]["attribute"] = []
    declared = {"name": "Fused", "domain": "own", "input": ["a", "b", "c"], "output": ["y"], "node": body,
                "opset_import": [{"version": 18}]}  # fmt: skip
    loaded = fastnn.onnx.load(
        model([node("Fused", "x x x", "y", "own")], [X], [Y], functions=[declared], domains=["own"])
    )
    np.testing.assert_array_equal(loaded(np.full((1, 3), 2, np.float32)), [[6, 6, 6]])


def test_a_function_that_calls_itself_is_refused():
    declared = {"name": "F", "domain": "own", "input": ["a"], "output": ["y"], "node": [node("F", "a", "y", "own")],
                "opset_import": [{"version": 18}]}  # fmt: skip
    with pytest.raises(ValueError, match="graphs in more than"):
        fastnn.onnx.load(model([node("F", "x", "y", "own")], [X], [Y], functions=[declared], domains=["own"]))


def test_branches_and_loops_see_the_names_around():
    then = graph([node("Add", "x one", "a")], [], [value("a")])
    other = graph([node("Sub", "x one", "b")], [], [value("b")])
    nodes = [node("ReduceSum", "x", "s", keepdims=0), node("Greater", "s zero", "c"),
             node("If", "c", "y", then_branch=then, else_branch=other)]  # fmt: skip
    loaded = fastnn.onnx.load(model(nodes, [X], [Y], one=np.float32(1), zero=np.float32(0)))
    for sign in (1, -1):
        x = np.full((1, 3), sign, np.float32)
        np.testing.assert_array_equal(loaded(x), x + sign)


def test_many_threads_call_one_model():
    loaded = fastnn.onnx.load(linear())
    wrong = []

    def work(seed):
        x = np.random.default_rng(seed).normal(size=(50, 3)).astype(np.float32)
        expected = loaded(x)
        wrong.extend(seed for _ in range(50) if not np.array_equal(loaded(x), expected))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert not wrong


def test_bytes_changed_at_random_do_no_harm():
    rng, whole = np.random.default_rng(0), linear()
    x = np.ones((1, 3), np.float32)
    for _ in range(3000):
        data = bytearray(whole)
        for at in rng.integers(len(data), size=rng.integers(1, 4)):
            data[at] = rng.integers(256)
        try:
            fastnn.onnx.load(bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])).run(None, {"x": x})
        except (ValueError, TypeError, NotImplementedError, ModuleNotFoundError):
            continue


@pytest.mark.parametrize(
    ("nodes", "message"),
    [
        ([node("Exp", "x", "y z")], "Exp 'y, z' gives 1 results, not 2"),
        ([node("Split", "x", "y z", axis=1, num_outputs=2**62)], "num_outputs 4611686018427387904 with 2 outputs"),
        ([node("Split", "x s", "y z", axis=1)], "3 parts with 2 outputs"),
        ([node("GatherND", "x s", "y", batch_dims=1)], "batch_dims 1 of 2 and 1 dimensions"),
        ([node("GatherND", "x s", "y", batch_dims=2**40)], "batch_dims 1099511627776 of 2 and 1 dimensions"),
    ],
)
def test_results_that_an_operator_does_not_have_are_refused(nodes, message):
    x, outputs = value("x", np.float32, [1, 3]), [value(name) for name in nodes[0]["output"]]
    loaded = fastnn.onnx.load(model(nodes, [x], outputs, s=np.ones(3, np.int64)))
    for _ in range(2):
        with pytest.raises(ValueError, match=re.escape(message)):
            loaded.run(None, {"x": np.ones((1, 3), np.float32)})


def test_a_window_of_channels_may_be_wider_than_they_are():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    wide = [
        fastnn.onnx.load(
            model([node("LRN", "x", "y", size=size, alpha=size * 1.0)], [value("x", shape=None)], [value("y")])
        )(x)
        for size in (5, 2**20)
    ]
    np.testing.assert_allclose(wide[0], wide[1], rtol=1e-6)


def test_what_is_written_is_read():
    fields = {"dims": [1, -2, 2**62], "data_type": 7, "float_data": [1.5, -2.0], "double_data": [0.1], "name": "ä"}
    found = read("Tensor", memoryview(write("Tensor", fields)))
    assert (found.dims, found.float_data, found.double_data, found.name) == ([1, -2, 2**62], [1.5, -2.0], [0.1], "ä")
    packed = b"\x22\x08" + np.array([1, 2], "<f4").tobytes() + b"\x0a\x03\x01\xac\x02"
    found = read("Tensor", memoryview(packed))
    assert (found.float_data, found.dims) == ([1, 2], [1, 300])
    with pytest.raises(DamagedError):
        read("Tensor", memoryview(b"\x22\x07" + bytes(7)))


def test_results_are_the_callers_own():
    nodes = [
        node("Identity", "x", "same"),
        node("Reshape", "x s", "seen"),
        node("Add", "w w", "twice"),
        node("Expand", "w e", "w2"),
    ]
    outputs = [value(name) for name in ("same", "seen", "twice", "w2", "w")]
    loaded = fastnn.onnx.load(model(nodes, [X], outputs, w=W, s=np.array([-1]), e=np.array([2, 3, 2])))
    x = np.ones((1, 3), np.float32)
    first = [each.copy() for each in loaded.run(None, {"x": x})]
    for each in loaded.run(None, {"x": x}):
        each += 1
    np.testing.assert_array_equal(x, 1)
    for one, other in zip(first, loaded.run(None, {"x": x}), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("turns", [0, 2])
def test_a_loop_gathers_also_from_no_turn(turns):
    body = graph(
        [node("Identity", "going", "on"), node("Add", "state one", "next"), node("Identity", "next", "seen")],
        [value("i", np.int64), value("going", bool), value("state")],
        [value("on", bool), value("next"), value("seen")],
    )
    nodes = [node("Loop", "turns yes one", "last all", body=body)]
    outputs = [value("last"), value("all")]
    found = fastnn.onnx.load(
        model(nodes, [], outputs, turns=np.array(turns), yes=np.array(True), one=np.ones((), np.float32))
    )()
    np.testing.assert_array_equal(found[0], 1 + turns)
    np.testing.assert_array_equal(found[1], np.arange(turns) + 2)


@pytest.mark.parametrize("steps", [0, 2])
def test_a_scan_gathers_also_from_no_step(steps):
    body = graph([node("Add", "state x1", "next"), node("Identity", "next", "seen")],
                 [value("state"), value("x1")], [value("next"), value("seen")])  # fmt: skip
    nodes = [node("Scan", "zero x", "last all", body=body, num_scan_inputs=1)]
    loaded = fastnn.onnx.load(model(nodes, [X], [value("last"), value("all")], zero=np.zeros(3, np.float32)))
    last, seen = loaded(np.ones((steps, 3), np.float32))
    np.testing.assert_array_equal(last, [steps] * 3)
    assert seen.shape == ((2, 3) if steps else (0,))


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8])
def test_slices_are_added_at_places_as_elements_are(axis, dtype):
    """The sum over edges of a graph: indices that are one row's, expanded; slices smaller than the array's; places twice."""
    rng = np.random.default_rng(0)
    x, updates = (rng.integers(-9, 9, size).astype(dtype) for size in ((7, 8, 9), (6, 5, 4)))
    places = np.array([3, -1, 3, 0, 6, 3][: updates.shape[axis]])
    indices = np.array(np.broadcast_to(places.reshape([-1 if i == axis % 3 else 1 for i in range(3)]), updates.shape))
    given = [value("x", dtype), value("i", np.int64), value("u", dtype)]
    nodes = [node("ScatterElements", "x i u", "y", axis=axis, reduction="add")]
    run = fastnn.onnx.load(model(nodes, given, [value("y", dtype)]))
    expected = x.copy()
    for at in np.ndindex(updates.shape):
        to = list(at)
        to[axis] = indices[at]
        expected[tuple(to)] += updates[at]
    np.testing.assert_array_equal(run(x, indices, updates), expected)
    with pytest.raises(ValueError, match="ScatterElements"):
        run(x, indices, updates[:, :, :2])
    with pytest.raises(ValueError, match="into"):
        run(x, np.full_like(indices, 9), updates)


def test_boxes_are_shifted_by_half_a_pixel_since_opset_16():
    boxes, samples = np.float32([[0, 1, 4, 5], [2, 2, 5, 3]]), np.array([0, 0])
    image = np.random.default_rng(0).normal(size=(1, 2, 6, 7)).astype(np.float32)

    def pooled(opset, **options):
        nodes = [node("RoiAlign", "x r b", "y", output_height=2, output_width=3, sampling_ratio=2, **options)]
        loaded = fastnn.onnx.load(
            model(nodes, [value("x", shape=[1, 2, 6, 7])], [value("y")], opset, r=boxes, b=samples)
        )
        return loaded(image)

    unshifted = pooled(16, coordinate_transformation_mode="output_half_pixel")
    np.testing.assert_array_equal(pooled(10), unshifted)
    np.testing.assert_array_equal(pooled(16), pooled(16, coordinate_transformation_mode="half_pixel"))
    assert (pooled(16) != unshifted).any()
