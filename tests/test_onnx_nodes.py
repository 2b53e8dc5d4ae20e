"""The cases that ONNX itself has for its operators, each a small model with inputs and outputs."""

import warnings

import numpy as np
import pytest

import fastnn.onnx

onnx = pytest.importorskip("onnx")
pytest.importorskip("ml_dtypes")

# What is refused when it is loaded: texts, sequences, optional values, images, training, windows, trees.
REFUSED = (
    "string", "strnormalizer", "regex", "tfidf", "sequence", "optional", "opt", "image_decoder", "adagrad", "adam", "momentum", "dft", "stft",
    "blackman", "hamming", "hann", "mel", "tree_ensemble", "label_encoder", "split_to", "flexattention", "loop13_seq",
    "loop16_seq", "if_seq",
)  # fmt: skip
NARROW = {"bfloat16": 2**-6, "float16": 2**-9}  # computed in float32 here and rounded once, there after each step


def cases():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        return sorted(collect_testcases(None), key=lambda case: case.name)


def array(given):
    return onnx.numpy_helper.to_array(given) if isinstance(given, onnx.TensorProto) else np.asarray(given)


CASES = cases()


def test_nothing_else_is_refused():
    refused = []
    for case in CASES:
        try:
            fastnn.onnx.load(case.model.SerializeToString())
        except NotImplementedError:
            refused.append(case.name)
    assert not [name for name in refused if not any(part in name for part in REFUSED)]
    assert len(CASES) - len(refused) >= 1700 * len(CASES) // 1884


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.filterwarnings("ignore")
def test_case(case):
    try:
        model = fastnn.onnx.load(case.model.SerializeToString())
    except NotImplementedError as error:
        pytest.skip(str(error)[:60])
    drawn = {node.op_type for node in case.model.graph.node} & {"RandomUniformLike", "Bernoulli"}
    for inputs, outputs in case.data_sets:
        names = [each.name for each in case.model.graph.input]
        found = model.run(None, dict(zip(names, map(array, inputs), strict=False)))
        for one, expected in zip(found, map(array, outputs), strict=True):
            assert (one.dtype, one.shape) == (expected.dtype, expected.shape)
            if not drawn:
                more = NARROW.get(expected.dtype.name, 0)
                kind = complex if expected.dtype.kind == "c" else float
                np.testing.assert_allclose(
                    one.astype(kind), expected.astype(kind), rtol=max(case.rtol, more), atol=max(case.atol, more / 4)
                )
