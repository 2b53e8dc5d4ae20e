"""What PyTorch's samples lack: NaN in losses and distances, its compositions.  Values and gradients are its own."""

import itertools

import numpy as np
import pytest

import fastnn
from fastnn.nn import functional

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore")
NAN = float("nan")


def every(values, number):
    """Each choice of that many of the values, one array for each place."""
    return np.array(list(itertools.product(values, repeat=number))).T


def pairs(vectors, number):
    """Each choice of that many of the vectors."""
    at = every(range(len(vectors)), number)
    return [vectors[each] for each in at]


NUMBERS = [NAN, 0.0, 1.0, -1.0, 2.5]
VECTORS = every([NAN, 0.5, 1.0, 2.0], 2).T
THREE = every([NAN, 0.5, 2.0], 2).T
SCORES = every([NAN, 0.0, 1.0], 3).T
CLASSES = {"target": np.arange(len(SCORES)) % 3}
# name: the arrays that have a gradient, the others
CASES = {
    "mse_loss": (every(NUMBERS, 2), [{}]),
    "l1_loss": (every(NUMBERS, 2), [{}]),
    "smooth_l1_loss": (every(NUMBERS, 2), [{}, {"beta": 0.0}]),
    "huber_loss": (every(NUMBERS, 2), [{}, {"delta": 2.0}]),
    "soft_margin_loss": (every(NUMBERS, 2)[:1], [{"target": every(NUMBERS, 2)[1]}]),
    "hinge_embedding_loss": (every(NUMBERS, 2)[:1], [{"target": every(NUMBERS, 2)[1]}]),
    "poisson_nll_loss": (every(NUMBERS, 2), [{}, {"log_input": False}]),
    "binary_cross_entropy_with_logits": (every(NUMBERS, 2), [{}]),
    "kl_div": (every([NAN, -1.0, 0.25, 2.5], 2), [{}, {"log_target": True}]),
    "margin_ranking_loss": (every(NUMBERS, 3), [{"margin": 0.5}]),
    "gaussian_nll_loss": (every(NUMBERS, 2), [{"var": np.resize([NAN, 0.5, 1.0], 25)}]),
    "pairwise_distance": (pairs(VECTORS, 2), [{"p": p} for p in (2.0, 1.0, 3.0, np.inf, 0.5, 0.0)]),
    "normalize": ([VECTORS], [{"p": p} for p in (2.0, 1.0, 3.0, np.inf)]),
    "cosine_similarity": (pairs(VECTORS, 2), [{}]),
    "cosine_embedding_loss": (pairs(VECTORS, 2), [{"target": np.full(256, t)} for t in (1.0, -1.0, 0.0)]),
    "triplet_margin_loss": (pairs(THREE, 3), [{"p": p, "swap": swap} for p in (2.0, 1.0) for swap in (True, False)]),
    "cross_entropy": ([SCORES], [CLASSES, CLASSES | {"label_smoothing": 0.1}]),
    "nll_loss": ([SCORES], [CLASSES]),
    "multi_margin_loss": ([SCORES], [CLASSES | {"p": p} for p in (1, 2)]),
    "multilabel_margin_loss": ([SCORES], [{"target": np.tile(t, (27, 1))} for t in ([2, 1, -1], [0, -1, 1])]),
    "multilabel_soft_margin_loss": ([SCORES], [{"target": np.tile([0.0, 1.0, 1.0], (27, 1))}]),
    "softmax": ([SCORES], [{"dim": 1}]),
    "log_softmax": ([SCORES], [{"dim": 1}]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", CASES)
def test_nan(name, dtype):
    arrays, variants = CASES[name]
    seen = False
    for variant in variants:
        options = variant | ({"reduction": "none"} if name.endswith(("loss", "kl_div", "logits", "entropy")) else {})
        floats = {
            k: np.asarray(v, dtype) for k, v in options.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f"
        }
        mine = [fastnn.tensor(np.ascontiguousarray(x, dtype), requires_grad=True) for x in arrays]
        theirs = [torch.tensor(x.numpy(), requires_grad=True) for x in mine]
        own = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in (options | floats).items()}
        y, expected = getattr(functional, name)(*mine, **options), getattr(torch.nn.functional, name)(*theirs, **own)
        y.backward(np.ones(y.shape, dtype))
        expected.backward(torch.ones_like(expected))
        tolerance = 2e-5 if dtype is np.float32 else 1e-10
        if name in ("multi_margin_loss", "multilabel_margin_loss"):  # there NaN counts as no loss: docs/differences.md
            assert np.isnan(y.numpy()[np.isnan(mine[0].numpy()).any(1)]).all()
        else:
            np.testing.assert_allclose(y.numpy(), expected.detach(), tolerance, tolerance)
        for a, b in zip(mine, theirs, strict=True):
            gradient = np.zeros(a.shape) if b.grad is None else b.grad  # a norm of p = 0 has none
            np.testing.assert_allclose(a.grad, gradient, tolerance, tolerance)
        seen |= bool(np.isnan(y.numpy()).any())
    assert seen


def test_nan_without_weight():
    """A probability of 0 hides an infinity, never NaN."""
    x, t = (fastnn.tensor([value], requires_grad=True) for value in (NAN, 0.0))
    for options, target in (({}, t), ({"log_target": True}, np.array([-np.inf]))):
        own = torch.tensor(target.numpy() if target is t else target)
        y = functional.kl_div(x, target, reduction="sum", **options)
        assert np.isnan(y.numpy())
        assert torch.nn.functional.kl_div(torch.tensor([NAN]), own, reduction="sum", **options).isnan()
    functional.kl_div(x, t, reduction="sum").backward()
    assert x.grad[0] == 0
    assert np.isnan(t.grad[0])


@pytest.mark.parametrize("p", [2.0, 1.0, 3.0])
def test_distances_of_all_pairs(p):
    """pdist and cdist as docs/from_pytorch.md writes them."""
    rng = np.random.default_rng(0)
    x, y = (fastnn.tensor(rng.normal(size=size), requires_grad=True) for size in ((5, 3), (2, 3)))
    a, b = (torch.tensor(each.numpy(), requires_grad=True) for each in (x, y))
    i, j = np.triu_indices(5, 1)
    own = functional.pairwise_distance(x[i], x[j], p, eps=0)
    between = functional.pairwise_distance(x[:, None], y[None], p, eps=0)
    pdist, cdist = torch.nn.functional.pdist(a, p), torch.cdist(a, b, p)
    np.testing.assert_allclose(own.numpy(), pdist.detach(), rtol=1e-12)
    np.testing.assert_allclose(between.numpy(), cdist.detach(), rtol=1e-12)
    (own.sum() + 2 * between.sum()).backward()
    (pdist.sum() + 2 * cdist.sum()).backward()
    np.testing.assert_allclose(x.grad, a.grad, rtol=1e-11)
    np.testing.assert_allclose(y.grad, b.grad, rtol=1e-11)


def test_gumbel_softmax():
    """The straight-through draw of docs/from_pytorch.md: PyTorch's, with the same noise."""
    rng = np.random.default_rng(0)
    logits, noise, dy = rng.normal(size=(5, 3)), rng.gumbel(size=(5, 3)), rng.normal(size=(5, 3))
    x = fastnn.tensor(logits, requires_grad=True)
    soft = functional.softmax((x + noise) / 0.5, -1)
    hard = soft + (functional.one_hot(soft.argmax(-1), 3) - soft.numpy())
    hard.backward(dy)
    a = torch.tensor(logits, requires_grad=True)
    expected = torch.softmax((a + torch.tensor(noise)) / 0.5, -1)
    expected.backward(torch.tensor(dy))
    np.testing.assert_array_equal(hard.numpy().round(12), np.eye(3)[expected.argmax(-1)])
    np.testing.assert_allclose(x.grad, a.grad, rtol=1e-10, atol=1e-12)
