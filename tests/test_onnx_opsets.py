"""What an operator means in each opset: defaults of attributes, optional inputs, changes of meaning."""

import collections
import inspect
import warnings

import numpy as np
import pytest
from onnx_files import model, node, value

import fastnn.onnx
from fastnn.onnx.operators import TABLE
from fastnn.onnx.rules import TRANSLATIONS

FIRST, LAST = 7, 1000  # the opsets that are read
# Attributes whose default is written in another way, but means the same.
SAME = {
    ("Attention", "softmax_precision"): (None, 0), ("Clip", "min"): (np.finfo(np.float32).min, None),
    ("Clip", "max"): (np.finfo(np.float32).max, None), ("GridSample", "mode"): ("bilinear", "linear"),
    ("RNN", "activations"): (["Tanh", "Tanh"], None),
}  # fmt: skip


def served(schemas):
    """Yield (name, schema, opset, function): opset is the first of those that this schema and function serve."""
    for (domain, name), versions in sorted(TABLE.items()):
        for since, operator in versions.items():
            until = min((each for each in versions if each > since), default=LAST)
            for start, schema in schemas.get((domain, name), {}).items():
                end = min((each for each in schemas[domain, name] if each > start), default=LAST)
                opset = max(start, since, FIRST if not domain else 1)
                if opset < min(end, until) and not schema.deprecated:
                    yield name, schema, opset, operator


def all_schemas(onnx):
    found = collections.defaultdict(dict)
    for schema in onnx.defs.get_all_schemas_with_history():
        found[schema.domain, schema.name][schema.since_version] = schema
    return found


def plain(default):
    if isinstance(default, (list, tuple)):
        return [plain(each) for each in default]
    default = default.decode() if isinstance(default, bytes) else default
    return float(np.float32(default)) if isinstance(default, float) else default


def test_attributes_and_inputs_are_those_of_each_opset():
    onnx = pytest.importorskip("onnx")
    seen, wrong = 0, []
    for name, schema, opset, operator in served(all_schemas(onnx)):
        seen += 1
        parameters = inspect.signature(operator.function).parameters
        places = [each for each in parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
        several = any(each.kind is each.VAR_POSITIONAL for each in parameters.values())
        required = sum(each.default is each.empty for each in places)
        if required > schema.min_input or (schema.max_input > len(places) and not several):
            wrong.append(f"{name} of opset {opset} takes {schema.min_input} to {schema.max_input} inputs")
        rule = TRANSLATIONS.get(operator.function)
        takers = [parameters] if rule is None else [parameters, inspect.signature(rule).parameters]
        for attribute, given in schema.attributes.items():
            if attribute not in operator.attributes:
                wrong.append(f"{name} of opset {opset} has no {attribute}")
            named = onnx.helper.get_attribute_value(given.default_value) if given.default_value.name else None
            for each in takers:
                if given.required or attribute not in each or each[attribute].default is inspect.Parameter.empty:
                    continue
                expected, found = plain(named), plain(each[attribute].default)
                if found != expected and (expected, found) != tuple(map(plain, SAME.get((name, attribute), ()))):
                    wrong.append(f"{name} of opset {opset}: {attribute} is {expected}, not {found}")
    assert wrong == []
    assert seen > 500


def bare_nodes(onnx):
    """Yield the small models of ONNX's own cases in each opset, without what is optional, and their inputs."""
    from onnx.backend.test.case.node import collect_testcases

    helper, cases = onnx.helper, collections.defaultdict(list)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for case in collect_testcases(None):
            if len(case.model.graph.node) == 1:
                cases[case.model.graph.node[0].op_type].append(case)
    for name, schema, opset, _ in served(all_schemas(onnx)):
        variadic = schema.max_input > 100
        for case in cases[name][:3]:
            whole = case.model.graph.node[0]
            inputs = list(whole.input)[: None if variadic else schema.min_input]
            outputs = list(whole.output)[: max(1, schema.min_output)]
            one = helper.make_node(name, inputs, outputs)
            one.attribute.extend(
                each
                for each in whole.attribute
                if each.name in schema.attributes and schema.attributes[each.name].required
            )
            arrays = [
                onnx.numpy_helper.to_array(each) if isinstance(each, onnx.TensorProto) else each
                for each in case.data_sets[0][0]
            ]
            feeds = {each.name: array for each, array in zip(case.model.graph.input, arrays, strict=False)}
            feeds = {each: feeds[each] for each in inputs if each in feeds}
            if any(not isinstance(each, np.ndarray) or each.dtype.num > 255 for each in feeds.values()):
                continue
            given = [
                helper.make_tensor_value_info(each, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
                for each, array in feeds.items()
            ]
            graph = helper.make_graph([one], "g", given, [onnx.ValueInfoProto(name=each) for each in outputs if each])
            opsets = [helper.make_opsetid("", opset)]
            yield (
                f"{name} of opset {opset}: {case.name}",
                helper.make_model(graph, opset_imports=opsets, ir_version=10),
                feeds,
            )


# Drawn numbers; sequences; cases that mean nothing without the attributes; booleans, which ReduceMax took from opset 20 on only.
UNLIKE = (
    "Bernoulli",
    "center_crop_pad_crop_axes",
    "averagepool_2d_ceil_last_window",
    "max_empty_set_bool",
    "_seq",
    "if_opt",
)


@pytest.mark.filterwarnings("ignore")
def test_nodes_without_optional_attributes_compute_what_onnxruntime_does():
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    runtime.set_default_logger_severity(4)
    names, compared = set(), 0
    for name, proto, feeds in bare_nodes(onnx):
        if any(each in name for each in UNLIKE):
            continue
        data = proto.SerializeToString()
        try:
            expected = runtime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, feeds)
        except Exception:  # it has no kernel for that opset or dtype
            continue
        found = fastnn.onnx.load(data).run(None, feeds)
        for one, other in zip(found, expected, strict=True):
            if one.dtype.num > 255:
                continue
            assert (one.shape, one.dtype) == (other.shape, other.dtype), name
            if one.dtype.kind in "OU":
                continue
            bound = 2e-2 if one.dtype == np.float16 else 1e-3
            np.testing.assert_allclose(one.astype(float), other.astype(float), bound, 1e-5, err_msg=name)
        names.add(name.split()[0])
        compared += 1
    assert len(names) > 120
    assert compared > 600


def call(operator, inputs, opset, count=1, **attributes):
    outputs = [f"y{i}" for i in range(count)]
    given = [value(name, each.dtype, each.shape) for name, each in inputs.items()]
    nodes = [node(operator, " ".join(inputs), " ".join(outputs), **attributes)]
    loaded = fastnn.onnx.load(model(nodes, given, [value(each) for each in outputs], opset))
    once = [each.copy() for each in loaded.run(None, inputs)]
    again = loaded.run(None, inputs)  # the first call makes the plan
    assert [each.tobytes() for each in once] == [each.tobytes() for each in again]
    return once[0] if count == 1 else once


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("opset", [7, 11, 13])
def test_clip_without_limits_keeps_finite_values(opset, dtype):
    x = np.array([-np.inf, -2, 3, np.inf, np.nan], dtype)
    finite = np.finfo(dtype)
    np.testing.assert_array_equal(
        call("Clip", {"x": x}, opset), np.array([finite.min, -2, 3, finite.max, np.nan], dtype)
    )
    one = np.array(1, dtype)
    for limits, expected in (("min", [1, 1, 3, finite.max, np.nan]), ("max", [finite.min, -2, 1, 1, np.nan])):
        if opset < 11:
            found = call("Clip", {"x": x}, opset, **{limits: 1.0})
        elif limits == "min":
            found = call("Clip", {"x": x, "low": one}, opset)
        else:
            nodes = [node("Clip", "x  high", "y")]
            nodes[0]["input"] = ["x", "", "high"]
            found = fastnn.onnx.load(model(nodes, [value("x", dtype)], [value("y", dtype)], opset, high=one))(x)
        np.testing.assert_array_equal(found, np.array(expected, dtype))


@pytest.mark.parametrize(("opset", "dtype"), [(7, np.float32), (9, np.float32), (10, bool), (13, bool)])
def test_dropout_keeps_all_and_its_mask_has_the_opsets_dtype(opset, dtype):
    x = np.arange(6, dtype=np.float32)
    y, mask = call("Dropout", {"x": x}, opset, 2)
    np.testing.assert_array_equal(y, x)
    assert mask.dtype == dtype
    assert mask.all()


@pytest.mark.parametrize("opset", [9, 10])
def test_sizes_grow_by_repetition_and_shrink_upwards_before_opset_11(opset):
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 2, 4)
    scales = np.float32([1, 1, 2, 0.6])
    y = call("Upsample" if opset == 9 else "Resize", {"x": x, "scales": scales}, opset)
    np.testing.assert_array_equal(y[0, 0], x[0, 0][[0, 0, 1, 1]][:, [0, 2]])  # 1 / .6 = 1.67
    if opset == 9:
        np.testing.assert_array_equal(call("Upsample", {"x": x}, 7, scales=[1.0, 1.0, 2.0, 0.6]), y)


def test_tf_half_pixel_for_nn_does_not_shift_back():
    x = np.arange(4, dtype=np.float32).reshape(1, 1, 1, 4)
    given = {"x": x, "roi": np.zeros(0, np.float32), "scales": np.float32([1, 1, 1, 0.5])}
    mode = {"coordinate_transformation_mode": "tf_half_pixel_for_nn", "nearest_mode": "floor"}
    np.testing.assert_array_equal(call("Resize", given, 11, **mode), [[[[1, 3]]]])  # .5 / .5 = 1, 1.5 / .5 = 3


def test_boxes_are_pooled_to_the_maxima_of_their_bins():
    x = np.arange(60, dtype=np.float32).reshape(1, 2, 5, 6)
    boxes = np.float32([[0, 0, 0, 3, 3], [0, 1.6, 0, 4, 9], [0, 7, 7, 9, 9]])
    y = call("MaxRoiPool", {"x": x, "boxes": boxes}, 7, pooled_shape=[2, 2])
    np.testing.assert_array_equal(y[0, 0], [[7, 9], [19, 21]])  # pixels 0 to 3, in halves
    np.testing.assert_array_equal(y[1, 0], [[27, 28], [0, 0]])  # columns 2 to 4 share one; rows 5 to 9 are not there
    np.testing.assert_array_equal(y[1, 1], [[57, 58], [0, 0]])
    assert not y[2].any()
