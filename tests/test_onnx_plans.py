"""Plans of ONNX models: what is folded, what stays a call, whose memory results are."""

import threading

import numpy as np
import pytest
from onnx_files import graph, model, node, value

import fastnn
import fastnn.onnx
from fastnn.onnx import _plans, _specialize
from fastnn.onnx._program import Program

X = value("x", shape=["N", "C", "H", "W"])
Y = value("y")


@pytest.fixture(autouse=True)
def faults_are_raised(monkeypatch):
    monkeypatch.setenv("FASTNN_DEBUG", "1")


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def as_it_is(loaded, feeds):
    """What the program gives, operator by operator."""
    return loaded._program(feeds, None)


def kept(loaded):
    return list(loaded._plans._kept.values())


def check(loaded, tolerance=1e-6, whole=True, **feeds):
    """The plan's results are the program's; whether it is one call of C."""
    for _ in range(2):
        for made, expected in zip(loaded.run(None, feeds), as_it_is(loaded, feeds), strict=True):
            assert made.dtype == expected.dtype
            assert made.shape == expected.shape
            np.testing.assert_allclose(made, expected, rtol=tolerance, atol=tolerance)
    assert whole is None or all((each.whole is not None) == whole for each in kept(loaded))


def functions(loaded):
    return [getattr(call.function, "__name__", "") for call in loaded.graph.calls]


def test_shape_arithmetic_is_folded():
    nodes = [
        node("Shape", "x", "s"), node("Gather", "s zero", "n", axis=0), node("Concat", "n rest", "t", axis=0),
        node("Reshape", "x t", "f"), node("MatMul", "f w", "y"),
    ]  # fmt: skip
    constants = {"zero": np.array([0]), "rest": np.array([-1]), "w": draw(12, 5)}
    loaded = fastnn.onnx.load(model(nodes, [X], [Y], **constants))
    for n in (1, 3):
        check(loaded, x=draw(n, 3, 2, 2))
    assert functions(loaded) == ["reshape", "linear"]
    assert len(kept(loaded)) == 2


def test_a_branch_is_chosen_by_the_value_of_a_single_integer():
    then, other = (graph([node(name, "x one", name)], [], [value(name)]) for name in ("Add", "Sub"))
    nodes = [node("Equal", "rate sixteen", "c"), node("If", "c", "y", then_branch=then, else_branch=other)]
    inputs = [X, value("rate", np.int64, [])]
    loaded = fastnn.onnx.load(model(nodes, inputs, [Y], one=np.float32(1), sixteen=np.array(16)))
    for rate in (16, 8, 16, 9):
        check(loaded, x=draw(1, 2, 3, 1), rate=np.array(rate))
        assert functions(loaded) == ["add" if rate == 16 else "subtract"] or rate == 16
    assert len(kept(loaded)) == 3


def test_a_branch_that_values_decide_is_called_as_it_is():
    then, other = (graph([node(name, "x one", name)], [], [value(name)]) for name in ("Add", "Sub"))
    nodes = [
        node("ReduceSum", "x", "s", keepdims=0), node("Greater", "s zero", "c"),
        node("If", "c", "i", then_branch=then, else_branch=other), node("Relu", "i", "y"),
    ]  # fmt: skip
    loaded = fastnn.onnx.load(model(nodes, [X], [Y], one=np.float32(1), zero=np.float32(0)))
    for sign in (1, -1):
        check(loaded, whole=False, x=np.full((1, 2, 1, 1), sign, np.float32))
    assert len(kept(loaded)) == 1


def test_shapes_that_values_decide_end_a_plan():
    nodes = [node("Relu", "x", "r"), node("NonZero", "r", "i"), node("Cast", "i", "f", to=1), node("Exp", "f", "y")]
    loaded = fastnn.onnx.load(model(nodes, [X], [Y]))
    for seed in range(3):
        x = draw(1, 2, 3, 3, seed=seed)
        assert loaded(x).shape == (4, (x > 0).sum())
        check(loaded, whole=False, x=x)


def test_a_result_of_another_shape_than_before_is_computed_another_way():
    """The branches differ in shape: what was written down for one of them does not hold for the other."""
    then = graph([node("ReduceSum", "x", "a", keepdims=0)], [], [value("a")])
    other = graph([node("Identity", "x", "b")], [], [value("b")])
    nodes = [
        node("ReduceMax", "x", "s", keepdims=0), node("Greater", "s zero", "c"),
        node("If", "c", "i", then_branch=then, else_branch=other), node("Exp", "i", "y"),
    ]  # fmt: skip
    loaded = fastnn.onnx.load(model(nodes, [X], [Y], zero=np.float32(0)))
    for sign in (1, -1, 1):
        check(loaded, whole=False, x=np.full((1, 2, 1, 1), sign, np.float32))


def test_an_index_beyond_its_table_is_refused_as_without_a_plan():
    loaded = fastnn.onnx.load(model([node("Gather", "w i", "y")], [value("i", np.int64, ["N"])], [Y], w=draw(4, 3)))
    check(loaded, i=np.array([0, -1, 3]))
    for wrong in (4, -5):
        with pytest.raises(ValueError, match=r"Gather 'y' .*into 4"):
            loaded(np.array([0, 1, wrong]))


def test_as_many_plans_are_kept_as_said():
    loaded = fastnn.onnx.load(model([node("Relu", "x", "y")], [X], [Y]))
    check(loaded, x=draw(1, 1, 2, 2))
    loaded._plans._kept.most = 3
    for n in (2, 3, 1, 4, 5):
        check(loaded, x=draw(n, 1, 2, 2))
    assert [each.plan.graph.inputs[0].shape[0] for each in kept(loaded)] == [1, 4, 5]


def test_values_that_are_huge_are_not_planned(monkeypatch):
    monkeypatch.setattr(_specialize, "LARGEST", 20)
    loaded = fastnn.onnx.load(
        model([node("Tile", "x r", "t"), node("Relu", "t", "y")], [X], [Y], r=np.array([1, 1, 2, 2]))
    )
    for n, planned in ((1, True), (2, False)):
        check(loaded, whole=None, x=draw(n, 1, 2, 2))
        assert (kept(loaded)[-1].plan is not None) == planned


def test_results_of_a_plan_are_the_callers_own():
    nodes = [
        node("Relu", "x", "a"),
        node("Identity", "a", "b"),
        node("Reshape", "a s", "c"),
        node("Identity", "x", "d"),
    ]
    outputs = [value(name) for name in "abcdw"]
    loaded = fastnn.onnx.load(model(nodes, [X], outputs, s=np.array([-1]), w=draw(2)))
    x = draw(1, 2, 3, 3)
    before, first = x.copy(), [each.copy() for each in loaded.run(None, {"x": x})]
    made = loaded.run(None, {"x": x})
    for i, each in enumerate(made):
        each += i + 1
    for i, (one, each) in enumerate(zip(first, made, strict=True)):
        np.testing.assert_array_equal(each, one + np.float32(i + 1))
    np.testing.assert_array_equal(x, before)
    for one, other in zip(first, loaded.run(None, {"x": x}), strict=True):
        np.testing.assert_array_equal(one, other)


def squeeze_and_excite():
    """Convolutions of images between which each channel is scaled by a function of its mean."""
    nodes = [
        node("Conv", "x w0", "a", pads=[1, 1, 1, 1]), node("GlobalAveragePool", "a", "m"), node("Conv", "m w1", "g"),
        node("Sigmoid", "g", "s"), node("Mul", "a s", "b"), node("Mul", "b c", "d"),
        node("Resize", "d  scales", "e", mode="nearest", nearest_mode="floor",
             coordinate_transformation_mode="asymmetric"),
        node("Conv", "x w2", "f"), node("Resize", "f  scales", "h", mode="linear"),
        node("Concat", "e h", "i", axis=1), node("MaxPool", "i", "j", kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
        node("Conv", "j w3", "k"), node("Add", "k x4", "y"),
    ]  # fmt: skip
    for each in nodes:
        each["input"] = [name.strip("_") for name in each["input"]]
    nodes[6]["input"], nodes[8]["input"] = ["d", "", "scales"], ["f", "", "scales"]
    constants = {
        "w0": draw(8, 3, 3, 3), "w1": draw(8, 8, 1, 1), "w2": draw(4, 3, 1, 1), "w3": draw(5, 12, 1, 1),
        "c": draw(8, 1, 1), "x4": draw(1, 5, 1, 1), "scales": np.array([1, 1, 2, 2], np.float32),
    }  # fmt: skip
    return model(nodes, [X], [Y], opset=13, **constants)


def test_channels_stand_last_from_convolution_to_convolution():
    loaded = fastnn.onnx.load(squeeze_and_excite())
    for n in (1, 2):
        check(loaded, 2e-5, x=draw(n, 3, 7, 5))


def test_samples_of_a_batch_have_the_bits_that_they_have_alone():
    loaded, x = fastnn.onnx.load(squeeze_and_excite()), draw(3, 3, 7, 5)
    whole = loaded(x)
    for i in range(3):
        np.testing.assert_array_equal(loaded(x[i : i + 1])[0], whole[i])
    for threads in (1, 2, 3):
        with fastnn.threads(threads):
            np.testing.assert_array_equal(loaded(x), whole)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((9, 70, 1), (9, 1, 3)), ((9, 70, 3), (9, 70, 1)), ((5, 11, 12), (11, 1)), ((300, 2), (2,)), ((300, 2), (300, 1)),
        ((7, 40, 17), (40, 1)), ((3, 50, 33), (3, 1, 33)), ((1, 13, 1, 7), (5, 1, 11, 1)), ((2, 600, 3), (600, 3)),
        ((4, 63), (4, 1)), ((4, 64), (4, 1)), ((3, 1100), (3, 1)), ((2, 1, 3, 1), (1, 400, 1, 2)), ((3,), (2, 700, 1)),
        ((2, 3, 4, 5), (3, 1, 5)), ((2, 1, 4, 5), (3, 4, 1)),
    ],
)  # fmt: skip
def test_short_and_long_rows_of_two_values_that_repeat(first, second, dtype):
    nodes = [node("Sub", "x z", "a"), node("Less", "x z", "b"), node("Where", "b x z", "y")]
    inputs = [value(name, dtype, list(shape)) for name, shape in (("x", first), ("z", second))]
    loaded = fastnn.onnx.load(model(nodes, inputs, [value("a", dtype), value("b", np.bool_), value("y", dtype)]))
    x, z = draw(*first).astype(dtype), draw(*second, seed=1).astype(dtype)
    for threads in (1, 3):
        with fastnn.threads(threads):
            check(loaded, 0, x=x, z=z)
    for made, expected in zip(loaded(x, z), (x - z, x < z, np.where(x < z, x, z)), strict=True):
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect"])
@pytest.mark.parametrize("pads", [(0, 2, 1, 0), (1, 0, 0, 3), (2, 3, 2, 3), (-1, 2, 0, -2)])
def test_pads(mode, pads):
    nodes = [node("Pad", "x p", "y", mode=mode)]
    loaded = fastnn.onnx.load(model(nodes, [value("x", shape=[3, 4])], [Y], p=np.array(pads)))
    check(loaded, whole=None if mode == "reflect" and pads[0] < 0 else True, x=draw(3, 4))  # reflected twice


@pytest.mark.parametrize(("starts", "ends", "steps"), [([0, 1], [2, 9], [1, 2]), ([-1, 3], [-9, 0], [-1, -2])])
def test_slices(starts, ends, steps):
    constants = {"a": np.array(starts), "b": np.array(ends), "c": np.array([0, 1]), "d": np.array(steps)}
    loaded = fastnn.onnx.load(model([node("Slice", "x a b c d", "y")], [value("x", shape=[3, 5])], [Y], **constants))
    check(loaded, x=draw(3, 5))


@pytest.mark.parametrize("bias", [True, False])
def test_windows_side_by_side_are_a_convolution(bias):
    nodes = [node("ConvTranspose", "x w b" if bias else "x w", "y", strides=[2, 3], kernel_shape=[2, 3])]
    loaded = fastnn.onnx.load(model(nodes, [X], [Y], w=draw(4, 3, 2, 3), b=draw(3)))
    check(loaded, 1e-5, x=draw(2, 4, 3, 5))
    overlapping = [node("ConvTranspose", "x w", "y", strides=[2, 2], kernel_shape=[2, 3])]
    check(fastnn.onnx.load(model(overlapping, [X], [Y], w=draw(4, 3, 2, 3))), 1e-5, False, x=draw(2, 4, 3, 5))


def test_uneven_pads_of_windows():
    nodes = [
        node("Conv", "x w", "a", auto_pad="SAME_UPPER", strides=[2, 2]),
        node("MaxPool", "a", "y", kernel_shape=[3, 2], pads=[0, 0, 1, 1], strides=[2, 2]),
    ]
    check(fastnn.onnx.load(model(nodes, [X], [Y], w=draw(4, 3, 4, 3))), 1e-5, x=draw(2, 3, 9, 8))


def test_many_threads_ask_for_one_new_plan():
    loaded, x, found = fastnn.onnx.load(squeeze_and_excite()), draw(1, 3, 6, 6), []
    expected = fastnn.onnx.load(squeeze_and_excite())(x)
    threads = [threading.Thread(target=lambda: found.append(loaded(x))) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 4
    assert all(np.array_equal(each, expected) for each in found)
    assert len(kept(loaded)) == 1


def test_the_order_of_inputs_by_name_is_free():
    loaded = fastnn.onnx.load(model([node("Sub", "a b", "y")], [value("a", shape=[2]), value("b", shape=[2])], [Y]))
    a, b = draw(2), draw(2, seed=1)
    for feeds in ({"a": a, "b": b}, {"b": b, "a": a}):
        np.testing.assert_array_equal(loaded.run(None, feeds)[0], a - b)
    assert len(kept(loaded)) == 1
    with pytest.raises(TypeError, match="'c' is no input"):
        loaded.run(None, {"a": a, "b": b, "c": b})


def sequences(kind, directions=1, bias=True, first=True, layout=0, steps=5, **attributes):
    """A recurrent layer of 3 inputs and 4 units with all its results, and a feed of 2 sequences."""
    gates, units = {"LSTM": 4, "GRU": 3, "RNN": 1}[kind], 4
    names = ["x", "w", "u", "b" if bias else "", "", "h" if first else "", "c" if first and kind == "LSTM" else ""]
    layer = node(kind, "x", "y last" + " cell" * (kind == "LSTM"), hidden_size=units, layout=layout, **attributes)
    layer["input"] = names[: 7 if kind == "LSTM" else 6]
    shape = (2, steps, 3) if layout else (steps, 2, 3)
    states = (2, directions, units) if layout else (directions, 2, units)
    inputs = [value("x"), *(value(name) for name in names[5:] if name)]
    weights = {"w": draw(directions, gates * units, 3), "u": draw(directions, gates * units, units, seed=1)}
    weights["b"] = draw(directions, 2 * gates * units, seed=2)
    outputs = [value(name) for name in layer["output"]]
    feeds = {"x": draw(*shape, seed=3), "h": draw(*states, seed=4), "c": draw(*states, seed=5)}
    data = model([layer], inputs, outputs, opset=14, **weights)
    return fastnn.onnx.load(data), {name: feeds[name] for name in ("x", *(name for name in names[5:] if name))}


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"first": False}, {"layout": 1}, {"steps": 1}])
def test_recurrent_layers(kind, direction, options):
    more = {"linear_before_reset": 1} if kind == "GRU" else {}
    loaded, feeds = sequences(kind, 1 + (direction == "bidirectional"), direction=direction, **options, **more)
    check(loaded, 2e-6, **feeds)
    assert functions(loaded).count("recurrent") == 1 + (direction == "bidirectional")


def test_recurrent_layers_of_relu():
    loaded, feeds = sequences("RNN", 2, direction="bidirectional", activations=["Relu", "Relu"])
    check(loaded, 2e-6, **feeds)
    assert functions(loaded).count("recurrent") == 2


@pytest.mark.parametrize("mask", [None, (3, 5), (2, 1, 3, 5), bool])
@pytest.mark.parametrize("options", [{}, {"is_causal": 1}, {"scale": 0.3}, {"heads": 2}])
def test_attention_in_one_step(mask, options):
    heads = options.get("heads")
    attributes = {"q_num_heads": heads, "kv_num_heads": heads} if heads else options
    inputs = [value(name, shape=["N", "L", "E"] if heads else ["N", "H", "L", "E"]) for name in "qkv"]
    feeds = {
        name: draw(2, n, 8, seed=n) if heads else draw(2, 4, n, 8, seed=n)
        for name, n in zip("qkv", (3, 5, 5), strict=True)
    }
    constants = {} if mask is None else {"m": draw(3, 5) > -1 if mask is bool else draw(*mask)}
    node_of = node("Attention", "q k v m" if constants else "q k v", "y", **attributes)
    check(loaded := fastnn.onnx.load(model([node_of], inputs, [Y], 23, **constants)), 2e-6, **feeds)
    assert "_attention" in functions(loaded)


@pytest.mark.parametrize(("kind", "options"), [("GRU", {}), ("LSTM", {"input_forget": 1}), ("RNN", {"clip": 0.5})])
def test_recurrent_layers_of_other_formulas_are_called_as_they_are(kind, options):
    loaded, feeds = sequences(kind, **options)
    check(loaded, 2e-6, False, **feeds)
    assert functions(loaded)[0] == kind


def test_a_fault_in_a_plan_is_named(monkeypatch):
    def broken(*args):
        raise ArithmeticError("out of order")

    monkeypatch.setattr(_plans, "Plan", broken)
    loaded = fastnn.onnx.load(model([node("Relu", "x", "y")], [X], [Y]))
    x = draw(1, 2, 3, 4)
    with pytest.raises(ArithmeticError, match="out of order"):
        loaded.run(None, {"x": x})
    monkeypatch.delenv("FASTNN_DEBUG")
    np.testing.assert_array_equal(loaded.run(None, {"x": x})[0], np.maximum(x, 0))
    assert loaded.unplanned == ("ArithmeticError: out of order",)
    monkeypatch.undo()
    loaded.run(None, {"x": draw(2, 2, 3, 4)})
    assert loaded.unplanned == ()


def looped(body, inputs, outputs, given="n keep x", states="y", **constants):
    """A model of one loop, and its body as the plan has it."""
    inner = graph(body, [value("i", np.int64, []), value("c", np.bool_, []), *inputs], outputs)
    loop = node("Loop", given, states, body=inner)
    feeds = [value("n", np.int64, []), value("x", shape=["N", "T"])]
    loaded = fastnn.onnx.load(
        model([loop], feeds, [value(name) for name in states.split()], keep=np.array(True), **constants)
    )

    def plans():
        (call,) = [each.function for each in loaded.graph.calls if each.name == "Loop"]
        return call.bodies["body"].plans

    return loaded, plans


def test_the_body_of_a_loop_has_a_plan():
    """Weights of the graph around are its constants, other values around are fed to it."""
    body = [node("MatMul", "s w", "p"), node("Add", "p x", "q"), node("Tanh", "q", "r"), node("Identity", "c", "d")]
    loaded, plans = looped(body, [value("s")], [value("d"), value("r"), value("q")], "n keep x", "y all", w=draw(3, 3))
    for trips in (4, 0, 1, 7):
        feeds = {"n": np.array(trips), "x": draw(2, 3)}
        check(loaded, 5e-6, False, **feeds)
    (entry,) = plans()._kept.values()
    assert entry.whole is not None
    assert [call.name for call in entry.plan.graph.calls] == ["linear", "add", "tanh"]
    assert [len(stage.steps) for stage in entry.plan.stages] == [2]


@pytest.mark.parametrize("operator", ["Loop", "Scan"])
def test_weights_that_are_states_may_begin_at_any_byte(monkeypatch, operator):
    turn = [value("i", np.int64, []), value("c", np.bool_, [])]
    inner = graph(
        [node("MatMul", "s v", "p"), node("Tanh", "p", "r"), node("Identity", "v", "u"), node("Identity", "c", "d")],
        [*turn, value("s"), value("v")] if operator == "Loop" else [value("s"), value("v"), value("c")],
        [value("d"), value("r"), value("u")] if operator == "Loop" else [value("r"), value("u"), value("d")],
    )
    x, n = draw(2, 3), value("n", np.int64, []) if operator == "Loop" else value("n", np.float32, [5])
    feeds = {"n": np.array(5) if operator == "Loop" else draw(5), "x": x}
    for length in range(4):  # where the weight begins follows from the lengths of names
        name = "w" + "_" * length
        if operator == "Loop":
            whole = node("Loop", f"n keep x {name}", "y z", body=inner)
        else:
            whole = node("Scan", f"x {name} n", "y z ds", body=inner, num_scan_inputs=1)
        constants = {"keep": np.array(True), name: draw(3, 3, seed=1)}
        loaded = fastnn.onnx.load(model([whole], [n, value("x", shape=[2, 3])], [value("y")], **constants))
        if not loaded.constants[name].flags.aligned:
            break
    assert not loaded.constants[name].flags.aligned
    check(loaded, 5e-6, False, **feeds)
    turns, called = [], Program.__call__
    monkeypatch.setattr(Program, "__call__", lambda *given: turns.append(1) or called(*given))
    loaded.run(None, feeds)
    assert turns == []  # all turns are the plan's


def test_a_state_that_is_a_number_stays_an_array(monkeypatch):
    """Where a body is not one call of C, but NumPy adds the numbers."""
    body = [node("Gather", "x k", "g", axis=1), node("Add", "k one", "l"), node("Identity", "c", "d")]
    outputs, one = [value("d"), value("l"), value("g")], np.array(1, np.int32)
    loaded, _ = looped(body, [value("k", np.int32, [])], outputs, "n keep one", "y all", one=one)
    feeds = {"n": np.array(6), "x": draw(2, 8)}
    check(loaded, 0, False, **feeds)
    turns, called = [], Program.__call__
    monkeypatch.setattr(Program, "__call__", lambda *given: turns.append(1) or called(*given))
    loaded.run(None, feeds)
    assert turns == []


def test_a_state_that_grows_has_few_plans():
    body = [node("Concat", "s x", "r", axis=1), node("Identity", "c", "d")]
    loaded, plans = looped(body, [value("s")], [value("d"), value("r")])
    for _ in range(3):
        check(loaded, whole=False, n=np.array(20), x=draw(2, 3))
    assert len(plans()._kept) == 8


def test_a_body_whose_shapes_follow_the_turn_is_called_as_it_is():
    body = [
        node("Add", "i one", "j"), node("Slice", "x zero j two", "part"), node("ReduceSum", "part", "t", keepdims=0),
        node("Add", "s t", "r"), node("Identity", "c", "d"),
    ]  # fmt: skip
    constants = {"one": np.array([1]), "zero": np.array([0]), "two": np.array([1])}
    loaded, plans = looped(body, [value("s")], [value("d"), value("r")], **constants)
    check(loaded, 5e-6, False, n=np.array(3), x=draw(2, 3))
    assert [each.plan for each in plans()._kept.values()] == [None]


def test_a_turn_may_give_one_value_twice_or_a_value_that_it_was_given():
    body = [node("Add", "s x", "r"), node("Identity", "r", "o"), node("Identity", "c", "d"), node("Flatten", "r", "f")]
    loaded, plans = looped(body, [value("s")], [value("d"), value("r"), value("o"), value("f")], "n keep x", "y a b")
    for trips in (4, 1, 5):
        check(loaded, 0, False, n=np.array(trips), x=draw(2, 3))
    assert [each.whole is not None for each in plans()._kept.values()] == [True]
    first, second = (loaded.run(None, {"n": np.array(4), "x": draw(2, 3)}) for _ in range(2))
    for each in first:
        each += 1
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other + np.float32(1))


def test_a_value_of_which_a_turn_reads_the_shape_alone_may_change_it():
    """Two states change places at each turn."""
    body = [
        node("Shape", "s", "n0"), node("Cast", "n0", "n1", to=1), node("Add", "x n1", "r"), node("Identity", "s", "u"),
        node("Identity", "t", "v"), node("Identity", "c", "d"),
    ]  # fmt: skip
    states = [value("s"), value("t")]
    loaded, _ = looped(body, states, [value("d"), value("v"), value("u"), value("r")], "n keep w0 w1", "a b y",
                       w0=draw(5), w1=draw(7))  # fmt: skip
    for trips in (6, 9, 1):
        check(loaded, 0, False, n=np.array(trips), x=draw(2, 3))
    np.testing.assert_array_equal(
        loaded.run(None, {"n": np.array(5), "x": np.zeros((2, 3), np.float32)})[2][:, 0, 0], [5, 7, 5, 7, 5]
    )


def test_a_loop_ends_when_its_body_says_so():
    body = [node("Mul", "s two", "r"), node("ReduceMax", "r", "top", keepdims=0), node("Less", "top limit", "d")]
    loaded, _ = looped(body, [value("s")], [value("d"), value("r")], two=np.float32(2), limit=np.float32(100))
    for scale in (1, 50, 1):
        x = np.full((2, 3), scale, np.float32)
        check(loaded, whole=False, n=np.array(1000), x=x)
        assert loaded.run(None, {"n": np.array(1000), "x": x})[0].max() == (128 if scale == 1 else 100)


def test_scans_and_branches_have_plans():
    body = graph([node("Add", "s e", "r"), node("Mul", "r w", "o")], [value("s"), value("e")], [value("r"), value("o")])
    then = graph([node("Mul", "x w", "a"), node("Exp", "a", "b")], [], [value("b")])
    other = graph([node("Sub", "x w", "d")], [], [value("d")])
    nodes = [
        node("Scan", "h x", "last all", body=body, num_scan_inputs=1), node("ReduceSum", "x", "sum", keepdims=0),
        node("Greater", "sum zero", "flag"), node("If", "flag", "y", then_branch=then, else_branch=other),
    ]  # fmt: skip
    inputs = [value("h", shape=[3]), value("x", shape=["T", 3])]
    outputs = [value(name) for name in ("last", "all", "y")]
    loaded = fastnn.onnx.load(model(nodes, inputs, outputs, 14, w=draw(3), zero=np.float32(0)))
    for seed in range(6):
        check(loaded, 5e-6, False, h=draw(3, seed=seed), x=draw(5, 3, seed=seed))
    plans = [body.plans for call in loaded.graph.calls for body in getattr(call.function, "bodies", {}).values()]
    assert [[each.whole is not None for each in these._kept.values()] for these in plans] == [[True]] * 3
