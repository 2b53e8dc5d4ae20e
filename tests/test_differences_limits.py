"""Deliberate differences from PyTorch at infinities, NaN and overflow; where PyTorch is installed, what it does too."""

import math

import numpy as np
import pytest

import fastnn
from fastnn import nn, optim

try:
    import torch
except ImportError:
    torch = None

INF, NAN = math.inf, math.nan
LOG_2 = math.log(2)
pytestmark = pytest.mark.filterwarnings("ignore")

# function, arrays, other arguments; our values and gradients of the arrays, PyTorch's values and gradients
LIMITS = {
    "an infinite logit and a target against it": (
        ("binary_cross_entropy_with_logits", ([-INF, INF], [1.0, 0.0]), {}),
        ([INF, INF], [-1.0, 1.0], [INF, -INF]),
        ([NAN, INF], [-1.0, 1.0], [INF, -INF]),
    ),
    "an infinite target": (
        ("binary_cross_entropy_with_logits", ([1.0, -1.0], [INF, INF]), {}),
        ([NAN, NAN], [-INF, -INF], [-1.0, 1.0]),
        ([-INF, INF], [-INF, -INF], [-1.0, 1.0]),
    ),
    "a margin loss whose exponential overflows": (
        ("soft_margin_loss", ([-1e3, 1e3, INF],), {"target": [1.0, -1.0, -1.0]}),
        ([1e3, 1e3, INF], [-1.0, 1.0, 1.0]),
        ([INF, INF, INF], [NAN, NAN, NAN]),
    ),
    "a term of probability 0": (
        ("kl_div", ([-INF, INF], [0.0, 0.0]), {}),
        ([0.0, 0.0], [0.0, 0.0], [NAN, -INF]),
        ([NAN, NAN], [0.0, 0.0], [NAN, NAN]),
    ),
    "a term of log probability -inf": (
        ("kl_div", ([-INF, 0.0], [-INF, -INF]), {"log_target": True}),
        ([0.0, 0.0], [0.0, 0.0], [NAN, NAN]),
        ([NAN, NAN], [0.0, 0.0], [NAN, NAN]),
    ),
    "an infinite target of kl_div": (
        ("kl_div", ([0.0, 1.0], [INF, INF]), {}),
        ([INF, INF], [-INF, -INF], [INF, INF]),
        ([NAN, NAN], [-INF, -INF], [NAN, NAN]),
    ),
    "a count of 0, an infinite rate": (
        ("poisson_nll_loss", ([INF], [0.0]), {}),
        ([INF], [INF], [-INF]),
        ([NAN], [INF], [-INF]),
    ),
    "an infinite count and Stirling's estimate; the gradient of counts of 0 and below": (
        ("poisson_nll_loss", ([-1.0, 1.0, 1.0], [INF, 0.0, -2.0]), {"full": True}),
        ([INF, math.e, math.e + 2], [-INF, math.e, math.e + 2], [INF, -1.0, -1.0]),
        ([NAN, math.e, math.e + 2], [-INF, math.e, math.e + 2], [NAN, NAN, NAN]),
    ),
    "beyond a margin": (
        ("margin_ranking_loss", ([INF], [0.0], [1.0]), {}),
        ([0.0], [0.0], [0.0], [0.0]),
        ([0.0], [0.0], [0.0], [NAN]),
    ),
    "a row of logits, some infinite": (
        ("multilabel_soft_margin_loss", ([[INF, INF, 0.0]],), {"target": [[1.0, 1.0, 0.0]]}),
        ([LOG_2 / 3], [[0.0, 0.0, 1 / 6]]),
        ([NAN], [[0.0, 0.0, 1 / 6]]),
    ),
    "NaN among scores": (
        ("multi_margin_loss", ([[NAN, 0.0, 0.0]],), {"target": [1]}),
        ([NAN], [[0.0, -1 / 3, 1 / 3]]),
        ([1 / 3], [[0.0, -1 / 3, 1 / 3]]),
    ),
    "NaN among scores of several labels": (
        ("multilabel_margin_loss", ([[NAN, 0.0, 0.0]],), {"target": [[1, -1, -1]]}),
        ([NAN], [[0.0, -1 / 3, 1 / 3]]),
        ([1 / 3], [[0.0, -1 / 3, 1 / 3]]),
    ),
    "a distance whose squares overflow": (
        ("pairwise_distance", ([[3e200, 0.0]], [[0.0, 4e200]]), {}),
        ([5e200], [[0.6, -0.8]], [[-0.6, 0.8]]),
        ([INF], [[0.0, -0.0]], [[0.0, 0.0]]),
    ),
    "a norm whose powers overflow": (
        ("pairwise_distance", ([[3e200, 0.0]], [[0.0, 0.0]]), {"p": 3.0}),
        ([INF], [[0.0, 0.0]], [[0.0, 0.0]]),
        ([INF], [[NAN, 0.0]], [[NAN, 0.0]]),
    ),
}


@pytest.mark.parametrize("case", LIMITS)
def test_limits_of_losses(case):
    (name, arrays, options), ours, theirs = LIMITS[case]
    options = options | ({} if name == "pairwise_distance" else {"reduction": "none"})
    leaves = [fastnn.tensor(np.float64(x), requires_grad=True) for x in arrays]
    y = getattr(fastnn, name)(*leaves, **options)
    y.backward(np.ones(y.shape))
    for got, expected in zip([y.numpy(), *(x.grad for x in leaves)], ours, strict=True):
        np.testing.assert_allclose(got, expected, 1e-6, 1e-12)
    if torch is not None:
        leaves = [torch.tensor(np.float64(x), requires_grad=True) for x in arrays]
        own = {k: torch.tensor(v) if isinstance(v, list) else v for k, v in options.items()}
        y = getattr(torch.nn.functional, name)(*leaves, **own)
        y.backward(torch.ones_like(y))
        for got, expected in zip([y.detach(), *(x.grad for x in leaves)], theirs, strict=True):
            np.testing.assert_allclose(got, expected, 1e-6, 1e-12)


NORMS = {
    "layer_norm": ((4,), {}),
    "group_norm": (2, {}),
    "instance_norm": (None, {}),
    "batch_norm": (None, {"running_var": None, "training": True}),
}


@pytest.mark.parametrize("name", NORMS)
def test_variances_that_overflow(name):
    """float32 is computed as ever, since its sums are doubles; in float64 NaN is seen, 0 is not."""
    x = np.random.default_rng(0).normal(size=(3, 2, 4))
    given, options = NORMS[name]
    args = () if given is None and name == "instance_norm" else (given,)
    f = getattr(fastnn, name)
    np.testing.assert_allclose(f(np.float32(x * 1e30), *args, **options), f(x, *args, **options), rtol=1e-3)
    assert np.isnan(f(x * 1e300, *args, **options)).all()
    if torch is not None:
        other = getattr(torch.nn.functional, name)(torch.tensor(x * 1e300), *args, **options)
        assert (other.isnan() | (other == 0)).all()


def test_lengths_in_float32():
    """normalize and rms_norm of vectors whose sum of squares overflows in float32."""
    x = np.float32([[1.5e19, 1.5e19]])
    np.testing.assert_allclose(fastnn.normalize(x), [[0.5**0.5, 0.5**0.5]], rtol=1e-6)
    np.testing.assert_allclose(fastnn.rms_norm(x, 2), [[1, 1]], rtol=1e-6)
    if torch is not None:
        assert (torch.nn.functional.normalize(torch.tensor(x)) == 0).all()
        assert (torch.nn.functional.rms_norm(torch.tensor(x), (2,)) == 0).all()


def test_bounds_in_float64():
    """1e-12 is 1e-12, not the float32 next to it."""
    gradients = (
        fastnn.binary_cross_entropy_backward(1.0, [0.0], [1.0]),
        fastnn.cosine_embedding_loss_backward(1.0, [0.0, 0.0], [1.0, 0.0], 1)[0],
    )
    np.testing.assert_allclose(gradients[0], [-1e12], rtol=1e-11)
    np.testing.assert_allclose(gradients[1], [-1e6, 0], rtol=1e-11)
    if torch is not None:
        x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        torch.nn.functional.binary_cross_entropy(x, torch.ones_like(x)).backward()
        assert abs(float(x.grad[0]) / -1e12 - 1) > 1e-9


def nearest(x, **options):
    """Places of PyTorch's nearest interpolation and how often its gradient has read each."""
    x = torch.tensor(x, requires_grad=True)
    y = torch.nn.functional.interpolate(x, mode="nearest", **options)
    y.sum().backward()
    return y.detach().numpy(), x.grad.numpy()


def test_nearest_places_are_one_rule():
    """Forward and backward, in every layout: a size that stays or doubles copies, whatever the factor was."""
    x = np.arange(3.0).reshape(1, 1, 3)
    np.testing.assert_array_equal(fastnn.interpolate(x, scale_factor=1.1), x)
    np.testing.assert_array_equal(
        fastnn.interpolate_backward(np.ones((1, 1, 3)), x, scale_factor=1.1), np.ones((1, 1, 3))
    )
    np.testing.assert_array_equal(fastnn.interpolate(x, scale_factor=2.1)[0, 0], [0, 0, 1, 1, 2, 2])
    if torch is not None:
        y, read = nearest(x, scale_factor=1.1)  # its gradient says that each was read once
        assert y[0, 0].tolist() == [0, 0, 1]
        assert read[0, 0].tolist() == [1, 1, 1]
        assert nearest(x[..., np.newaxis], scale_factor=(1.1, 1.0))[0][0, 0, :, 0].tolist() == [0, 1, 2]


def test_nearest_places_in_float64():
    """The place is a float64 rounded to float32, as PyTorch's value has it; its gradient computes in float32."""
    x = np.arange(65.0).reshape(1, 1, 65)
    y = fastnn.interpolate(x, 810)
    counts = np.bincount(y[0, 0].astype(int), minlength=65)
    np.testing.assert_array_equal(fastnn.interpolate_backward(np.ones_like(y), x, 810)[0, 0], counts)
    if torch is not None:
        value, read = nearest(x, size=810)
        np.testing.assert_array_equal(value, y)
        assert (read[0, 0] != counts).any()


def test_nearest_of_float64_reads_pytorchs_places():
    """460 places to 224: the 57th begins at 115, which a product of two float64 misses by one."""
    y = fastnn.interpolate(np.arange(460.0).reshape(1, 1, 460), 224)
    assert y[0, 0, 56] == 115
    if torch is not None:
        for size in ((460, 224), (672, 285), (692, 1118), (294, 66)):
            x = np.arange(float(size[0])).reshape(1, 1, -1)
            np.testing.assert_array_equal(fastnn.interpolate(x, size[1]), nearest(x, size=size[1])[0])


def test_empty_arrays():
    """What has no channels or classes is a slip where a layer counts on them; else nothing comes of nothing."""
    for layer, shape in (
        (nn.BatchNorm1d(3), (4, 0)),
        (nn.GroupNorm(1, 3), (4, 0, 5)),
        (nn.InstanceNorm1d(3, affine=True), (4, 0, 5)),
    ):
        with pytest.raises(ValueError, match="expected an input of 3 channels, got 0"):
            layer(np.zeros(shape))
    with pytest.raises(ValueError, match="expected sizes of at least 1 but the batch's"):
        nn.AdaptiveAvgPool1d(1)(np.zeros((1, 3, 0)))
    with pytest.raises(ValueError, match="expected at least one class"):
        fastnn.cross_entropy(np.zeros((5, 0)), np.zeros((5, 0)))
    encoder = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0).eval()
    assert nn.ReflectionPad1d(1)(np.zeros((2, 0, 4))).shape == (2, 0, 6)
    assert nn.InstanceNorm1d(3, affine=True)(np.zeros((0, 3, 5))).shape == (0, 3, 5)
    assert encoder(np.zeros((0, 4))).shape == (0, 4)
    assert fastnn.pixel_unshuffle(np.zeros((0, 3, 4, 6)), 2).shape == (0, 12, 2, 3)
    with pytest.raises(ValueError, match="pad: expected dimension 1 to keep a place"):
        fastnn.pad(np.zeros((3, 2, 5)), (0, 0, -1, -1), mode="replicate")
    assert fastnn.avg_pool3d(np.zeros((1, 2, 1, 3, 8)), 3, 4, ceil_mode=True).shape == (1, 2, 1, 1, 2)
    if torch is not None:
        assert torch.nn.BatchNorm1d(3)(torch.zeros(4, 0)).shape == (4, 0)
        assert torch.nn.functional.adaptive_avg_pool1d(torch.zeros(1, 3, 0), 1).shape == (1, 3, 1)
        assert torch.nn.functional.pixel_unshuffle(torch.zeros(0, 3, 4, 6), 2).shape == (0, 3, 4, 6)
        for f in (
            lambda: torch.nn.ReflectionPad1d(1)(torch.zeros(2, 0, 4)),
            lambda: torch.nn.InstanceNorm1d(3, affine=True)(torch.zeros(0, 3, 5)),
        ):
            with pytest.raises((ValueError, RuntimeError, IndexError)):
                f()


def test_gradients_of_activations_at_infinity():
    for x in (1e30, -1e30):
        assert fastnn.gelu_backward(np.float32(1), np.float32(x), "tanh") == (x > 0)
    np.testing.assert_array_equal(fastnn.softsign_backward([1.0, 1.0], [INF, -INF]), [0, 0])
    assert fastnn.sigmoid(np.float32(-100)) == pytest.approx(3.78e-44, rel=0.02)
    assert fastnn.glu(np.float32([INF, -100]))[0] == INF
    if torch is not None:
        x = torch.tensor([1e30, -1e30, INF], requires_grad=True)
        torch.nn.functional.gelu(x, approximate="tanh").sum().backward()
        assert x.grad.isnan().all()
        x = torch.tensor([INF], requires_grad=True)
        torch.nn.functional.softsign(x).backward()
        assert x.grad.isnan().all()
        assert torch.sigmoid(torch.full((16,), -100.0))[0] == 0
        assert torch.nn.functional.glu(torch.tensor([INF, -100.0])).isnan()


def test_attention_of_nan():
    q, k, v = np.random.default_rng(0).normal(size=(3, 1, 2, 3, 4))
    q[0, 0, 2, 1] = NAN
    y = fastnn.scaled_dot_product_attention(q, k, v)
    np.testing.assert_array_equal(np.isnan(y).all(-1), [[[False, False, True], [False] * 3]])
    if torch is not None:
        other = torch.nn.functional.scaled_dot_product_attention(*map(torch.tensor, (q, k, v)))
        assert (other[0, 0, 2] == 0).all()


def test_a_masked_key_has_no_gradient():
    """A value of inf or NaN makes the result NaN; the key beside it was not read by any query."""
    q, k, v = np.random.default_rng(0).normal(size=(3, 1, 1, 3, 4))
    seen = np.array([[True, True, False]] * 3)
    for bad in (INF, NAN):
        v[0, 0, 2, 1] = bad
        dk = fastnn.scaled_dot_product_attention_backward(np.ones((1, 1, 3, 4)), q, k, v, seen)[1]
        assert not dk[..., 2, :].any()
        if torch is not None:
            leaves = [torch.tensor(x, requires_grad=True) for x in (q, k, v)]
            torch.nn.functional.scaled_dot_product_attention(*leaves, attn_mask=torch.tensor(seen)).sum().backward()
            assert leaves[1].grad[0, 0, 2].isnan().all()


def test_weights_of_classes_are_constants():
    weight = fastnn.tensor(np.ones(3), requires_grad=True)
    for name, target in (("cross_entropy", np.full((2, 3), 1 / 3)), ("multilabel_soft_margin_loss", np.ones((2, 3)))):
        with pytest.raises(TypeError, match=rf"{name}: no derivative with respect to weight; use .numpy\(\)"):
            getattr(fastnn, name)(np.zeros((2, 3)), target, weight)
        if torch is not None:
            own = torch.ones(3, dtype=torch.float64, requires_grad=True)
            f = getattr(torch.nn.functional, name)
            assert f(torch.zeros(2, 3, dtype=torch.float64), torch.tensor(target), own).requires_grad


def test_infinite_gradients_of_radam():
    for rule, options, gradients in (("RAdam", {}, [INF, INF]), ("NAdam", {"eps": 0.0}, [1e-200, 0.0])):
        p = nn.Parameter(np.zeros(1))
        optimizer = getattr(optim, rule)([p], **options)
        for g in gradients:
            p.grad = np.array([g])
            optimizer.step()
        assert p.data[0] == -INF
        if torch is not None:
            q = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
            other = getattr(torch.optim, rule)([q], **options)
            for g in gradients:
                q.grad = torch.tensor([g], dtype=torch.float64)
                other.step()
            assert q.isnan().all()


@pytest.mark.parametrize(("p", "length"), [(2.0, 2**0.5), (3.0, 2 ** (1 / 3))])
def test_clipping_of_large_gradients(p, length):
    parameter = nn.Parameter(np.zeros(2, np.float32))
    parameter.grad = np.full(2, 1e30, np.float32)
    assert nn.utils.clip_grad_norm_([parameter], 1.0, p) == pytest.approx(length * 1e30, rel=1e-6)
    np.testing.assert_allclose(parameter.grad, 1 / length, rtol=1e-5)
    if torch is not None:
        other = torch.nn.Parameter(torch.zeros(2))
        other.grad = torch.full((2,), 1e30)
        assert torch.nn.utils.clip_grad_norm_([other], 1.0, p) == INF
        assert not other.grad.any()


def test_float16_is_computed_in_float32():
    x, t = np.float16([-12.0]), np.float16([1.0])
    assert fastnn.soft_margin_loss(x, t, reduction="none")[0] == 12
    if torch is not None:
        other = torch.nn.functional.soft_margin_loss(torch.tensor(x), torch.tensor(t), reduction="none")
        assert other[0] == INF
