"""Ways to call recurrent layers and cells: layouts, lengths, dropout, one step, an empty batch."""

import numpy as np
import pytest
from recurrence import CELLS, every_kind, first_states, flat, made, normal

import fastnn
from fastnn.nn.utils import rnn


@every_kind
@pytest.mark.parametrize("bidirectional", [False, True])
def test_layouts(kind, bidirectional):
    """batch_first and unbatched inputs have the same values; plain arrays those of Tensors; states keep their shape."""
    layer = made(kind, num_layers=2, bidirectional=bidirectional)
    turned = made(kind, num_layers=2, bidirectional=bidirectional, batch_first=True)
    x, hx = normal(5, 2, 3), first_states(layer, 2)
    expected = [each.data for each in flat(layer(x, hx))]
    got = flat(turned(np.swapaxes(x, 0, 1), hx))
    np.testing.assert_array_equal(np.swapaxes(got[0].data, 0, 1), expected[0])
    for a, b in zip(got[1:], expected[1:], strict=True):
        np.testing.assert_array_equal(a.data, b)
    one = tuple(each[:, 1] for each in hx) if isinstance(hx, tuple) else hx[:, 1]
    for model in (layer, turned):
        for a, b in zip(flat(model(x[:, 1], one)), expected, strict=True):
            np.testing.assert_array_equal(a.data, b[:, 1])
    with fastnn.no_grad():
        plain = flat(layer(x.tolist(), hx))
    for a, b in zip(plain, expected, strict=True):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, b)
    frozen = fastnn.freeze(layer)(x)
    for a, b in zip(flat(frozen), flat(layer(x)), strict=True):
        np.testing.assert_array_equal(a, b.data)


@every_kind
def test_lengths_are_packed_sequences(kind):
    """Given states are in the original order in both; dropout's masks are the same."""
    layer = made(kind, num_layers=2, bidirectional=True, dropout=0.4)
    x, lengths, hx = normal(6, 4, 3), [2, 6, 1, 4], first_states(layer, 4)
    fastnn.manual_seed(4)
    expected = flat(layer(x, hx, lengths))
    fastnn.manual_seed(4)
    out, states = layer(rnn.pack_padded_sequence(x, lengths, enforce_sorted=False), hx)
    assert isinstance(out, rnn.PackedSequence)
    y, known = rnn.pad_packed_sequence(out)
    assert known.tolist() == lengths
    for a, b in zip(flat((y, states)), expected, strict=True):
        np.testing.assert_array_equal(a.data, b.data)


@every_kind
def test_dropout_stands_between_layers(kind):
    layer = made(kind, num_layers=2, dropout=0.5)
    x = normal(5, 2, 3)
    results = []
    for seed in (1, 1, 2):
        fastnn.manual_seed(seed)
        results.append(layer(x)[0].data)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()
    without = made(kind, num_layers=2)
    np.testing.assert_array_equal(layer.eval()(x)[0].data, without(x)[0].data)
    silent = made(kind, num_layers=2, dropout=1.0)
    h = flat(silent(x))[1].data
    np.testing.assert_array_equal(h[0], flat(without(x))[1].data[0])
    np.testing.assert_array_equal(silent(x)[0].data, silent(2 * x)[0].data)  # the second layer sees zeros alone
    with pytest.warns(UserWarning, match="dropout=0.5 drops nothing with num_layers=1"):
        made(kind, dropout=0.5)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("bias", [True, False])
def test_cells_are_one_step_of_the_layer(kind, bias):
    layer, (cell_class, options) = made(kind, bias=bias), CELLS[kind]
    cell = cell_class(3, 4, bias=bias, dtype=np.float64, **options)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    x, hx = normal(5, 2, 3), first_states(layer, 2)
    state = tuple(each[0] for each in hx) if isinstance(hx, tuple) else hx[0]
    expected = flat(layer(x, hx))
    for i, step in enumerate(x):
        state = cell(step, state)
        h = state[0] if isinstance(state, tuple) else state
        np.testing.assert_array_equal(h.data, expected[0].data[i])
    if isinstance(state, tuple):
        np.testing.assert_array_equal(state[1].data, expected[2].data[0])
    alone, batch = (cell(each) for each in (x[0, 1], x[0]))
    for a, b in zip(*((each if isinstance(each, tuple) else (each,)) for each in (alone, batch)), strict=True):
        assert a.shape == (4,)
        np.testing.assert_array_equal(a.data, b.data[1])
    h.sum().backward()
    layer.zero_grad()
    flat(layer(x, hx))[1].sum().backward()
    for a, b in zip(cell.parameters(), layer.parameters(), strict=True):
        np.testing.assert_allclose(a.grad, b.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_one_direction_writes_where_it_is_told(dtype):
    from fastnn.functional._recurrent import recurrent

    given = [normal(*shape, dtype=dtype) for shape in ((6, 3), (2, 4), (12, 3), (12, 4))]
    arguments = given[0], given[1], None, *given[2:]
    options = {"batch_sizes": [2, 2, 2], "kind": "GRU"}
    expected, _ = recurrent(*arguments, **options)
    wide = np.zeros((6, 8), dtype)
    for out in (np.zeros((6, 4), dtype), wide[:, 4:], wide[:, ::2], np.zeros((4, 6), dtype).T):
        assert recurrent(*arguments, **options, out=out)[0] is out
        np.testing.assert_array_equal(out, expected)
    with pytest.raises(ValueError, match=r"recurrent: expected out of shape \(6, 4\), got \(6, 5\)"):
        recurrent(*arguments, **options, out=np.zeros((6, 5), dtype))


@every_kind
def test_an_empty_batch(kind):
    layer = made(kind, num_layers=2, bidirectional=True)
    x = fastnn.tensor(np.ones((5, 0, 3)), requires_grad=True)
    outputs = flat(layer(x))
    assert outputs[0].shape[:2] == (5, 0)
    assert all(each.shape[:2] == (4, 0) for each in outputs[1:])
    outputs[0].sum().backward()
    assert x.grad.shape == (5, 0, 3)
    assert all((each.grad == 0).all() for each in layer.parameters())
