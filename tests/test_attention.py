"""Attention: PyTorch's numbers, decoding with a cache, masks, memory, bits."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import fastnn
from fastnn import functional as F

rng = np.random.default_rng(0)


def waves(shape, a, b):
    """Numbers that any program can make: sin(a i + b)."""
    return np.sin(a * np.arange(np.prod(shape)) + b).reshape(shape)


def checksum(array):
    return float((np.ravel(array) * np.cos(0.37 * np.arange(np.size(array)))).sum())


Q, K, V = waves((2, 2, 3, 4), 1, 0), waves((2, 2, 5, 4), 0.7, 1), waves((2, 2, 5, 4), 0.4, 2)
FLAGS = np.add.outer(np.arange(3), 2 * np.arange(5)) % 3 != 0
ONE_ROW_OUT = FLAGS & (np.arange(3) != 1)[:, None]


@pytest.mark.parametrize(
    ("query", "options", "expected"),
    [
        (Q, {}, (-0.109258022777, -0.470831039902, -0.639267796080, 1.171669933618)),
        (Q, {"is_causal": True}, (3.259500206786, -2.068504530097, -2.300703638881, 3.787863923854)),
        (Q, {"attn_mask": FLAGS}, (-3.846693026303, -1.014394854057, 0.162089095118, -2.107854349269)),
        (Q, {"attn_mask": ONE_ROW_OUT}, (-3.530931537628, -1.452306974110, 0.681925717177, -0.835195727408)),
        (
            Q,
            {"attn_mask": waves((3, 5), 0.6, 0.2)},
            (-1.462035827656, -0.473755110841, -0.627550853667, 0.386281831408, 0.474766282148),
        ),
        (
            waves((2, 4, 3, 4), 1, 0),
            {"enable_gqa": True, "scale": 0.25},
            (-0.161731866582, 0.365760164474, 0.195671197726, 0.143020788276),
        ),
    ],
)
def test_pytorch_s_numbers(query, options, expected):
    y = F.scaled_dot_product_attention(query, K, V, **options)
    dy = waves(y.shape, 0.3, 0.5)
    gradients = F.scaled_dot_product_attention_backward(dy, query, K, V, **options)
    got = [checksum(each) for each in (y, *gradients) if each is not None]
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


# -- decoding ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cuts", [range(1, 301), [1, 7, 255, 257, 258, 300], [256, 300]], ids=["steps", "odd", "tile"])
def test_decoding_in_parts_gives_the_bits_of_the_whole(dtype, cuts):
    q, k = (rng.normal(size=(2, 3, 300, 20)).astype(dtype) for _ in range(2))
    v = rng.normal(size=(2, 3, 300, 35)).astype(dtype)
    whole = F.scaled_dot_product_attention(q, k, v, is_causal=True)
    past, parts, begin = (k[:, :, :0], v[:, :, :0]), [], 0
    for end in cuts:
        new = (each[:, :, begin:end] for each in (q, k, v))
        y, past = F.scaled_dot_product_attention(*new, is_causal=True, past=past)
        parts.append(y)
        begin = end
    assert np.concatenate(parts, 2).tobytes() == np.ascontiguousarray(whole).tobytes()
    np.testing.assert_array_equal(past[0], k)
    np.testing.assert_array_equal(past[1], v)


def test_gradients_reach_the_past():
    k0, v0, q, k, v = (fastnn.tensor(rng.normal(size=(n, 4)), requires_grad=True) for n in (3, 3, 2, 2, 2))
    y, (keys, values) = F.scaled_dot_product_attention(q, k, v, is_causal=True, past=(k0, v0))
    (y.sum() + keys.sum() + values.sum()).backward()
    seen = np.arange(5) <= np.arange(2)[:, None] + 3
    whole = [np.concatenate([a.numpy(), b.numpy()]) for a, b in ((k0, k), (v0, v))]
    dq, dk, dv, _ = F.scaled_dot_product_attention_backward(np.ones((2, 4)), q.numpy(), *whole, seen)
    np.testing.assert_allclose(q.grad, dq, atol=1e-12)
    np.testing.assert_allclose(np.concatenate([k0.grad, k.grad]), dk + 1, atol=1e-12)
    np.testing.assert_allclose(np.concatenate([v0.grad, v.grad]), dv + 1, atol=1e-12)


# -- masks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mask", ["bool", "-inf", "no keys"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_query_without_keys_gives_zeros(mask, dtype):
    """And no gradient, to itself or to anything else."""
    keys = 0 if mask == "no keys" else 300
    q, k, v = (rng.normal(size=(2, n, 8)).astype(dtype) for n in (5, keys, keys))
    flags = np.ones((5, keys), bool)
    flags[2] = False
    given = flags if mask == "bool" else np.where(flags, 0, -np.inf).astype(dtype)
    y = F.scaled_dot_product_attention(q, k, v, given)
    alone = slice(None) if mask == "no keys" else 2
    assert not y[:, alone].any()
    assert not np.isnan(y).any()
    dy = np.zeros_like(y)
    dy[:, alone] = 1
    for gradient in F.scaled_dot_product_attention_backward(dy, q, k, v, given):
        assert gradient is None or not gradient.any()


@pytest.mark.parametrize("value", [-1e9, np.finfo(np.float32).min])
def test_large_finite_masks_keep_the_sum(value):
    """In their log-sum-exp the sum would be lost, and gradients would be as many times too large as there are keys."""
    q, k, v = (np.zeros((2, n, 4), np.float32) + rng.normal(size=(2, n, 4)).astype(np.float32) for n in (3, 40, 40))
    mask = np.full((3, 40), value, np.float32)
    y = F.scaled_dot_product_attention(q, k, v, mask)
    np.testing.assert_allclose(y, np.broadcast_to(v.mean(1, keepdims=True), y.shape), atol=1e-5)
    _, _, dv, _ = F.scaled_dot_product_attention_backward(np.ones_like(y), q, k, v, mask)
    np.testing.assert_allclose(dv, np.full_like(v, 3 / 40), rtol=1e-5)


@pytest.mark.parametrize("shape", [(6, 5), (1, 5), (6, 1), (5,), (), (3, 1, 1, 5), (1, 2, 6, 1), (3, 2, 6, 5)])
@pytest.mark.parametrize("floats", [False, True])
def test_masks_broadcast(shape, floats):
    q, k, v = (rng.normal(size=(3, 2, n, 4)) for n in (6, 5, 5))
    mask = rng.normal(size=shape) if floats else rng.random(shape) < 0.7
    wide = np.ascontiguousarray(np.broadcast_to(mask, (3, 2, 6, 5)))
    y = F.scaled_dot_product_attention(q, k, v, mask)
    np.testing.assert_array_equal(y, F.scaled_dot_product_attention(q, k, v, wide))
    if floats:
        dy = rng.normal(size=y.shape)
        *_, dmask = F.scaled_dot_product_attention_backward(dy, q, k, v, mask)
        *_, dwide = F.scaled_dot_product_attention_backward(dy, q, k, v, wide)
        assert dmask.shape == shape
        axes = tuple(range(4 - len(shape))) + tuple(
            4 - len(shape) + i for i, n in enumerate(shape) if n == 1 and wide.shape[4 - len(shape) + i] > 1
        )
        np.testing.assert_allclose(dmask, dwide.sum(axes, keepdims=True).reshape(shape), atol=1e-12)


def test_a_mask_and_is_causal_both_hold():
    q, k, v = (rng.normal(size=(2, 6, 4)) for _ in range(3))
    mask = rng.random((6, 6)) < 0.6
    both = F.scaled_dot_product_attention(q, k, v, mask & np.tri(6, dtype=bool))
    np.testing.assert_array_equal(F.scaled_dot_product_attention(q, k, v, mask, is_causal=True), both)


def test_masks_of_another_float_type_keep_it():
    q = fastnn.tensor(rng.normal(size=(3, 4)), requires_grad=True)
    mask = fastnn.tensor(rng.normal(size=(3, 3)).astype(np.float32), requires_grad=True)
    y = F.scaled_dot_product_attention(q, q, q, mask)
    y.sum().backward()
    assert y.dtype == np.float64
    assert mask.grad.dtype == np.float32


# -- batches and heads ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("q", "k", "v"),
    [
        ((), (), ()),
        ((2,), (1,), ()),
        ((), (2,), (3, 1)),
        ((2, 1, 3), (4, 1), (3,)),
        ((2, 2, 3, 2), (3, 1), (2, 1, 1, 1)),
    ],
)
def test_leading_dimensions_broadcast(q, k, v):
    arrays = [rng.normal(size=(*lead, n, w)) for lead, n, w in ((q, 6, 4), (k, 5, 4), (v, 5, 3))]
    lead = np.broadcast_shapes(q, k, v)
    wide = [np.ascontiguousarray(np.broadcast_to(each, (*lead, *each.shape[-2:]))) for each in arrays]
    y = F.scaled_dot_product_attention(*arrays)
    np.testing.assert_array_equal(y, F.scaled_dot_product_attention(*wide))
    dy = rng.normal(size=y.shape)
    got = F.scaled_dot_product_attention_backward(dy, *arrays)[:3]
    whole = F.scaled_dot_product_attention_backward(dy, *wide)[:3]
    for gradient, full, array in zip(got, whole, arrays, strict=True):
        assert gradient.shape == array.shape
        np.testing.assert_allclose(gradient, fastnn.autograd.unbroadcast(full, array.shape), atol=1e-12)


def test_keys_and_values_may_have_different_heads():
    q, k, v = (rng.normal(size=(2, heads, 7, 4)) for heads in (12, 2, 3))
    repeated = [np.repeat(each, 12 // each.shape[1], 1) for each in (k, v)]
    y = F.scaled_dot_product_attention(q, k, v, enable_gqa=True)
    np.testing.assert_array_equal(y, F.scaled_dot_product_attention(q, *repeated))
    _, dk, dv, _ = F.scaled_dot_product_attention_backward(np.ones_like(y), q, k, v, enable_gqa=True)
    _, wide_k, wide_v, _ = F.scaled_dot_product_attention_backward(np.ones_like(y), q, *repeated)
    np.testing.assert_allclose(dk, wide_k.reshape(2, 2, 6, 7, 4).sum(2), atol=1e-12)
    np.testing.assert_allclose(dv, wide_v.reshape(2, 3, 4, 7, 4).sum(2), atol=1e-12)


def test_transposed_heads_are_read_as_they_lie():
    """The (N, T, H, D) views of multi-head attention: the same bits, and results that lie as the queries do."""
    rows = [rng.normal(size=(2, 40, 3, 16)).astype(np.float32) for _ in range(3)]
    views = [each.swapaxes(1, 2) for each in rows]
    y = F.scaled_dot_product_attention(*views)
    assert y.swapaxes(1, 2).flags.c_contiguous
    np.testing.assert_array_equal(y, F.scaled_dot_product_attention(*map(np.ascontiguousarray, views)))
    for gradient in F.scaled_dot_product_attention_backward(y, *views)[:3]:
        assert gradient.swapaxes(1, 2).flags.c_contiguous


# -- dropout ----------------------------------------------------------------------------------------------------------


def test_dropout_is_that_of_the_mask():
    q, k, v = (rng.normal(size=(2, 3, n, 4)) for n in (6, 300, 300))
    y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.3, rng=7)
    kept = F.dropout_mask((2, 3, 6, 300), 0.3, rng=7)
    weights = F.softmax(q @ k.swapaxes(-1, -2) / 2, -1) * kept / 0.7
    np.testing.assert_allclose(y, weights @ v, atol=1e-12)
    dy = rng.normal(size=y.shape)
    *_, dv, _ = F.scaled_dot_product_attention_backward(dy, q, k, v, dropout_p=0.3, rng=7)
    np.testing.assert_allclose(dv, weights.swapaxes(-1, -2) @ dy, atol=1e-12)
    tracked = [fastnn.tensor(each, requires_grad=True) for each in (q, k, v)]
    for i, each in enumerate(tracked):
        F.scaled_dot_product_attention(*tracked, dropout_p=0.3, rng=7).backward(dy)
        step = np.zeros_like(each.numpy())
        step[0, 1, 2, 3] = 1e-5
        moved = [
            F.scaled_dot_product_attention(
                *(o.numpy() + sign * step if j == i else o.numpy() for j, o in enumerate(tracked)), dropout_p=0.3, rng=7
            )
            for sign in (1, -1)
        ]
        slope = ((moved[0] - moved[1]) * dy).sum() / 2e-5
        np.testing.assert_allclose(each.grad[0, 1, 2, 3], slope, rtol=1e-5, atol=1e-7)
        for other in tracked:
            other.grad = None
    assert not F.scaled_dot_product_attention(q, k, v, dropout_p=1.0).any()


# -- edges ------------------------------------------------------------------------------------------------------------


def test_empty_sizes():
    for q, k, v in (((0, 4), (5, 4), (5, 3)), ((2, 4), (5, 4), (5, 0)), ((0, 2, 4), (0, 5, 4), (0, 5, 3))):
        arrays = [np.ones(shape) for shape in (q, k, v)]
        y = F.scaled_dot_product_attention(*arrays)
        assert y.shape == (*q[:-1], v[-1])
        gradients = F.scaled_dot_product_attention_backward(y, *arrays)[:3]
        assert [each.shape for each in gradients] == [q, k, v]
        assert not any(each.any() for each in gradients)
    y = F.scaled_dot_product_attention(np.ones((2, 0)), np.ones((3, 0)), np.arange(3.0)[:, None])
    np.testing.assert_allclose(y, [[1], [1]])


def test_infinite_scores_are_nan_as_softmax_has_it():
    q, k = np.array([[1.0], [0.0]]), np.array([[1.0], [np.inf]])
    with np.errstate(all="ignore"):
        y = F.scaled_dot_product_attention(q, k, np.ones((2, 1)))
    assert np.isnan(y).all()
    assert np.isnan(F.scaled_dot_product_attention(q, q, np.array([[np.nan], [1.0]]))).all()


def test_sizes_without_end_are_refused():
    """Broadcast views promise more than any machine has."""
    huge = np.broadcast_to(np.ones((1, 1)), (2**40, 1))
    with pytest.raises((MemoryError, ValueError)):
        F.scaled_dot_product_attention(np.broadcast_to(huge, (2**10, 2**40, 1)), np.ones((1, 1)), np.ones((1, 1)))


def test_memory_does_not_grow_with_the_matrix_of_scores():
    """8,192 queries and keys of 2 heads: their scores would take 512 MB."""
    program = """
    import resource, numpy as np, fastnn
    from fastnn import functional as F
    fastnn.set_num_threads(2)
    q, k, v = (np.ones((2, 8192, 64), np.float32) for _ in range(3))
    F.scaled_dot_product_attention(q[:, :64], k[:, :64], v[:, :64])
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    before = peak()
    F.scaled_dot_product_attention(q, k, v, is_causal=True)
    forward = peak()
    F.scaled_dot_product_attention_backward(v, q, k, v, is_causal=True)
    print(forward - before, peak() - before)
    """
    printed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    ).stdout
    forward, both = (int(each) / 1024 for each in printed.split())
    assert forward < 4 + 2 + 4  # the result takes 4 MB, what belongs to each row 1/4, a thread's tiles 1/2
    assert both < 5 * 4 + 2 + 6


def test_bits_do_not_depend_on_threads():
    q, k, v = (rng.normal(size=(1, 300, 40)).astype(np.float32) for _ in range(3))
    found = []
    for threads in (1, 2, 5):
        with fastnn.threads(threads):
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            found.append([y, *F.scaled_dot_product_attention_backward(y, q, k, v, is_causal=True)[:3]])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            assert a.tobytes() == b.tobytes()
