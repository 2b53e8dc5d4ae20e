"""Every function, by its record: values, gradients, layouts, dtypes, `out`, NaN, empty arrays, refusals; no record is missing."""

import inspect

import numpy as np
import pytest
from numeric import slope
from records import ACTIVATIONS, BY_NAME, COMPANIONS, LEARNED, LOSSES, OPTIMIZERS, RECORDS, is_float

import fastnn
from fastnn import functional, optim
from fastnn._records._record import signature_of

both = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
every = pytest.mark.parametrize("record", RECORDS, ids=[record.name for record in RECORDS])
with_gradient = [record for record in RECORDS if record.gradients]
every_derivative = pytest.mark.parametrize("record", with_gradient, ids=[record.name for record in with_gradient])
with_out = [record for record in RECORDS if "out" in record.parameters]
every_out = pytest.mark.parametrize("record", with_out, ids=[record.name for record in with_out])


def missing_records(names):
    """Functions that belong to no record, by their own name or that of the function whose companion they are."""
    owners = {name: next((name.removesuffix(end) for end in COMPANIONS if name.endswith(end)), name) for name in names}
    return sorted({owner for owner in owners.values() if owner not in BY_NAME})


def test_every_function_has_a_record():
    missing = missing_records(functional.__all__)
    assert not missing, (
        f"no record for {', '.join(missing)}: add to the file of its family in tests/records a Record with the names and draws "
        "of its arguments, small shapes, a reference in NumPy, the arguments that have a gradient, calls that must be refused, "
        "large shapes for the hashes, shapes to be timed and the C calls of its kernels"
    )
    assert missing_records([*functional.__all__, "grid_sample", "grid_sample_backward"]) == ["grid_sample"]
    unknown = [record.name for record in RECORDS if record.name not in functional.__all__]
    assert not unknown, f"records of functions that are not there: {unknown}"
    assert len(BY_NAME) == len(RECORDS)


@every
def test_a_record_says_all_that_its_readers_need(record):
    assert record.reference is not None, "a formula in NumPy, `reference`"
    assert record.shapes, "small shapes, `shapes`"
    assert record.large, "shapes that are cut among threads, `large`"
    assert record.wrong or record.name in {each.name for each in [*ACTIVATIONS, *LEARNED]}, (
        "calls to be refused, `wrong`"
    )
    twin = hasattr(functional, record.name + "_backward")
    assert twin == bool(record.gradients), (
        "`gradients` name the arguments with a derivative where there is a _backward function"
    )
    assert set(record.gradients) <= set(record.parameters)
    if twin:
        assert record.bench, "shapes to be timed, `bench`"


def test_every_loss_and_optimizer_of_the_tables_has_a_record():
    classes = {each for each in vars(optim).values() if isinstance(each, type)} - {optim.Optimizer}
    missing = sorted(each.__name__ for each in classes - {rule.optimizer for rule in OPTIMIZERS})
    assert not missing, f"no record for {', '.join(missing)}: add a Rule to tests/records/optimizers.py"
    assert {loss.name for loss in LOSSES} <= set(BY_NAME)


def error_of(got, expected):
    """The largest difference beside the largest value."""
    expected = np.asarray(expected)
    assert np.shape(got) == expected.shape
    known = np.isfinite(expected)
    np.testing.assert_array_equal(np.asarray(got)[~known], expected[~known])
    scale = max(1.0, abs(expected[known]).max(initial=0))
    return abs(np.asarray(got, np.float64) - expected)[known].max(initial=0) / scale


@both
@every
def test_values(record, dtype):
    for call in record.calls(dtype):
        got, before = call.value(), {name: np.copy(value) for name, value in call.arguments.items() if is_float(value)}
        assert error_of(got, call.reference()) <= record.bounds[dtype == np.float64], call.arguments
        assert got.dtype == (dtype if any(map(is_float, call.arguments.values())) else np.int64)
        for name, value in before.items():
            np.testing.assert_array_equal(call.arguments[name], value)


@every
def test_half_precision_is_computed_in_single(record):
    """And rounded once."""
    for call in record.calls(np.float16):
        if not is_float(call.input):
            continue
        single = call.mapped(lambda array: array.astype(np.float32) if is_float(array) else array)
        got = call.value()
        assert got.dtype == np.float16
        np.testing.assert_array_equal(got, single.value().astype(np.float16))


@every_derivative
def test_gradients_are_the_slopes(record):
    """Against fourth-order differences, of every argument that has a derivative; the tape gives the bits of the twin."""
    for call in record.calls():
        names = call.with_gradient
        value = call.value()
        dy = np.random.default_rng(7).normal(size=np.shape(value))
        twin = call.gradients(dy)
        tracked = {name: fastnn.tensor(call.arguments[name], requires_grad=True) for name in names}
        call.replaced(**tracked).value().backward(dy)
        for name in names:
            array = call.arguments[name]
            numeric = slope(lambda v, call=call, name=name: call.replaced(**{name: v}).value(), array, dy, record.step)
            got = tracked[name].grad
            if np.isnan(value).any():  # the mean of nothing
                continue
            if not is_conventional(call, name):
                np.testing.assert_allclose(got, numeric, rtol=1e-6, atol=1e-7, err_msg=f"{name} of {call.arguments}")
            if name in twin:
                np.testing.assert_array_equal(got, np.reshape(twin[name], array.shape))


def is_conventional(call, name):
    """Options of `embedding` change its gradient alone, and that of `ctc_loss` is for what log_softmax makes, as PyTorch has it.

    tests/test_torch.py compares them; tests/test_ctc_loss.py has the slopes through log_softmax.
    """
    options = {"padding_idx", "scale_grad_by_freq"} & set(call.arguments)
    return call.record.name == "ctc_loss" or (call.record.name == "embedding" and bool(options))


@every_derivative
def test_gradients_in_single_precision(record):
    for call, wide in zip(record.calls(np.float32), record.calls(np.float64), strict=True):
        dy = np.random.default_rng(7).normal(size=np.shape(call.value()))
        expected = wide.gradients(dy)
        for name, got in call.gradients(dy.astype(np.float32)).items():
            assert got.dtype == np.float32
            scale = max(1.0, abs(np.nan_to_num(expected[name])).max(initial=0))
            np.testing.assert_allclose(
                got, expected[name], rtol=1e-4, atol=2e-5 * scale, err_msg=f"{name} of {call.arguments}"
            )


def gaps(array):
    wide = np.zeros(tuple(2 * n for n in array.shape), array.dtype)
    view = wide[tuple(slice(None, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def misaligned(array):
    view = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    return view


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


STATE = ("running_mean", "running_var")  # arrays that a call may write to
LAYOUTS = {
    "F": lambda a: np.array(a, order="F"),
    "channels last": lambda a: np.moveaxis(np.ascontiguousarray(np.moveaxis(a, 1, -1)), -1, 1) if a.ndim > 1 else a,
    "gaps": lambda a: gaps(a) if a.ndim else a,
    "reversed": lambda a: np.flip(np.flip(a).copy()) if a.ndim else a,
    "misaligned": misaligned,
    "foreign": lambda a: a.astype(a.dtype.newbyteorder()),
    "read-only": read_only,
}


@both
@every
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_give_the_same_bits(record, layout, dtype):
    """Of values and gradients, whatever the memory of every array argument."""
    for call in record.calls(dtype):
        other = call.mapped(LAYOUTS[layout], lambda name: name not in STATE)
        value = call.value()
        got = other.value()
        assert got.dtype.isnative
        np.testing.assert_array_equal(got, value)
        if record.gradients and not np.isnan(value).any():
            dy = np.asarray(np.random.default_rng(7).normal(size=np.shape(value)), dtype)
            expected = call.gradients(dy)
            for name, gradient in other.gradients(LAYOUTS[layout](dy)).items():
                np.testing.assert_array_equal(gradient, expected[name], err_msg=name)


@every
def test_lists_are_arrays(record):
    for call in record.calls():
        if np.size(call.input):
            listed = call.mapped(lambda array: array.tolist(), lambda name: name not in STATE)
            np.testing.assert_array_equal(listed.value(), call.value())


@both
@every_out
def test_out(record, dtype):
    for call in record.calls(dtype):
        expected = call.value()
        for make in (
            np.zeros_like,
            *(
                lambda a, f=f: f(np.zeros_like(a))
                for name, f in LAYOUTS.items()
                if name not in ("foreign", "read-only")
            ),
        ):
            out = make(expected)
            assert call.value(out=out) is out
            np.testing.assert_array_equal(out, expected)
        if is_float(call.input) and call.input.shape == expected.shape:
            again = call.mapped(np.copy)
            assert again.value(out=again.input) is again.input
            np.testing.assert_array_equal(again.input, expected)
        if "out" in signature_of(record.name + "_backward").parameters:
            dy = np.asarray(np.random.default_rng(7).normal(size=expected.shape), dtype)
            (gradient,) = call.gradients(dy).values()
            out = np.zeros_like(gradient)
            (got,) = call.gradients(dy, out=out).values()
            assert got is out
            np.testing.assert_array_equal(out, gradient)


@every_out
def test_wrong_out_is_refused_and_stays_as_it_is(record):
    call = record.call(record.shapes[-1])
    result = call.value()
    frozen = read_only(np.full_like(result, 7))
    for wrong, error in (
        (np.full((*result.shape, 2), 7.0), ValueError),
        (np.full(result.shape, 7, np.float32), TypeError),
        (np.full(result.shape, 7), TypeError),
        (result.tolist(), TypeError),
        (frozen, ValueError),
    ):
        with pytest.raises(error, match=rf"^{record.name}: .*out"):
            call.value(out=wrong)
        assert not isinstance(wrong, np.ndarray) or (wrong == 7).all()


@both
@every
def test_a_sample_of_nan_touches_no_other(record, dtype):
    for variant in record.variants:
        call = record.call(record.batch, variant, dtype)
        if call.joins or not is_float(call.input):
            continue
        hurt = call.replaced(**{call.first: np.concatenate([np.full_like(call.input[:1], np.nan), call.input[1:]])})
        try:
            got = hurt.value()
        except ValueError as error:  # probabilities, which NaN is not
            assert str(error).startswith(record.name)  # noqa: PT017
            assert "nan" in str(error)  # noqa: PT017
            continue
        np.testing.assert_array_equal(got[1:], call.value()[1:])
        assert np.isnan(got[0]).any() or record.name == "cross_entropy"  # ignored classes


@both
@every
def test_empty_batches(record, dtype):
    """An array of the right shape; a mean over nothing is NaN."""
    shape = (0, *record.batch[1:])
    for variant in record.variants:
        call = record.call(shape, variant, dtype)
        got = call.value()
        whole = record.call(record.batch, variant, dtype).value()
        if whole.ndim:
            assert got.shape[1:] == whole.shape[1:]
            assert 0 in got.shape
        else:
            assert got == 0 or np.isnan(got)
        if record.gradients:
            for name, gradient in call.gradients(np.zeros(got.shape, dtype)).items():
                assert gradient.shape == call.arguments[name].shape
                assert not gradient.any()


@every
def test_wrong_arguments(record):
    """Refused in one line that names the function, before anything has changed."""
    for wrong in record.wrong:
        call = record.call(record.shapes[-1] if wrong.shape is None else wrong.shape, wrong.arguments)
        with pytest.raises(wrong.error, match=rf"^{record.name}: .*{wrong.text.lstrip('^')}"):
            call.value()


@every
def test_arguments_of_wrong_kinds(record):
    call = record.call(record.shapes[-1])
    for name, value in call.arguments.items():
        if not is_float(value):
            continue
        for nonsense in ("text", [1, "a"], object(), [1j], np.array(["2020-01-01"], "M8[D]")):
            with pytest.raises(TypeError, match=rf"^{record.name}: expected {name}"):
                call.replaced(**{name: nonsense}).value()
    with pytest.raises(TypeError, match="bogus"):
        record.function(call.input, bogus=1)


@every_derivative
def test_a_gradient_of_another_shape_is_refused(record):
    call = record.call(record.shapes[-1])
    shape = np.shape(call.value())
    if not any(map(call.twin_takes, ("x", "y", "input", "input1", "query"))):
        pytest.skip("it reads nothing but dy")
    with pytest.raises(ValueError, match=rf"^{record.name}_backward: expected d[yh] "):
        call.gradients(np.zeros((*shape, 3)))


def test_calls_by_name_and_by_position_are_the_same():
    for record in RECORDS:
        call = record.call(record.shapes[-1])
        assert list(call.arguments) == [
            name for name in inspect.signature(record.function).parameters if name in call.arguments
        ]
        (first, value), *others = call.arguments.items()
        np.testing.assert_array_equal(record.function(value, **dict(others)), call.value())
        np.testing.assert_array_equal(record.function(**{first: value}, **dict(others)), call.value())
