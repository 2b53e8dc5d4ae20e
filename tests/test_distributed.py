"""Training by shards: the same bits for any number of workers, and what is refused."""

from concurrent.futures import Future

import numpy as np
import pytest
from shards import CASES, Pipes, hashes, on_workers, trained

import fastnn
from fastnn import distributed, nn, optim

STEPS = 22  # two passes
SHARDS = 16  # the last batch of a pass has 10 samples, so that some shards are empty


@pytest.fixture(scope="module")
def alone():
    """The hashes of one worker."""
    return {case: trained(case, distributed.local(SHARDS), STEPS) for case in CASES}


@pytest.mark.parametrize(("workers", "threads", "overlap"), [(2, 1, True), (4, 2, True), (2, 2, False)])
def test_any_number_of_workers_gives_the_same_bits(alone, workers, threads, overlap):
    found = on_workers(workers, hashes, list(CASES), SHARDS, STEPS, None, threads, overlap=overlap)
    assert found == [alone] * workers
    assert len(set(alone.values())) == len(CASES)


def test_threads_do_not_matter(alone):
    with fastnn.threads(2):
        assert trained("mixed", distributed.local(SHARDS), STEPS) == alone["mixed"]


@pytest.mark.parametrize("case", CASES)
def test_one_shard_is_no_group(case):
    """The bits of the plain loop."""
    assert trained(case, distributed.local(1), steps=12) == trained(case, None, steps=12)


def test_clipping_follows_the_join():
    bits = trained("mixed", distributed.local(8), STEPS, clip=0.05)
    assert bits != trained("mixed", distributed.local(8), STEPS)
    assert bits != trained("mixed", distributed.local(4), STEPS, clip=0.05)  # the number of shards does matter
    assert on_workers(2, hashes, ["mixed"], 8, STEPS, 0.05) == [{"mixed": bits}] * 2


# -- what is computed, beside one batch --------------------------------------------------------------------------------


def gradients(model, loss, x, y, group):
    model.zero_grad()
    if group is None:
        value = loss(model(x), y)
        value.backward()
    else:
        value = group.backward(model, loss, (x, y))
    return float(value), [each.grad for each in model.parameters()]


@pytest.mark.parametrize("size", [1, 3, 8, 13, 64])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_gradients_are_those_of_the_batch(size, reduction):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(size, 5)), rng.integers(0, 3, size)
    y[::3] = -100 if size > 1 else 0
    model = nn.Sequential(nn.Linear(5, 7, dtype=np.float64), nn.Tanh(), nn.Linear(7, 3, dtype=np.float64))
    criterion = nn.CrossEntropyLoss(np.array([0.5, 1.0, 3.0]), reduction=reduction)

    def loss(output, target):
        return criterion(output, target) + nn.utils.l1_penalty(model.parameters(), 0.1)  # which counts once

    expected = gradients(model, loss, x, y, None)
    found = gradients(model, loss, x, y, distributed.local(8))
    assert found[0] == pytest.approx(expected[0], rel=1e-12)
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("layout", ["first", "last"])
def test_batch_norm_sees_the_whole_batch(layout):
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(11, 4, 3, 5)) + 1e4).astype(np.float32)
    x = x if layout == "first" else np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    y = rng.normal(size=x.shape).astype(np.float32)
    models = [nn.BatchNorm2d(4, nonfinite="skip"), nn.BatchNorm2d(4)]
    expected = gradients(models[0], nn.MSELoss(), x, y, None)
    found = gradients(models[1], nn.MSELoss(), x, y, distributed.local(8))
    assert found[0] == pytest.approx(expected[0], rel=1e-6)
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    for a, b in zip(models[0].buffers(), models[1].buffers(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    assert models[1].num_batches_tracked == 1


def test_input_gradients_pass_batch_norm_between_shards():
    """By a layer before it: what a sample does to others' statistics."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    model = nn.Sequential(nn.Linear(3, 2, dtype=np.float64), nn.BatchNorm1d(2, dtype=np.float64))
    expected = gradients(model, nn.MSELoss(), x, y, None)
    for a, b in zip(gradients(model, nn.MSELoss(), x, y, distributed.local(4))[1], expected[1], strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-13)


def test_masks_are_those_of_the_whole_batch():
    """A loss that is linear in the input of dropout has the mask as its gradient."""
    weight = nn.Parameter(np.ones(7, np.float32))

    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = weight
            self.dropout = nn.Dropout(0.5)

        def forward(self, input):
            return self.dropout(self.weight * input)

    model, x = Masked(), np.ones((10, 7), np.float32)
    fastnn.manual_seed(3)
    found = gradients(model, lambda output, target: distributed.mean(output * target), x, x, distributed.local(8))
    fastnn.manual_seed(3)
    mask = fastnn.dropout_mask((10, 7), 0.5)
    np.testing.assert_allclose(found[1][0], 2 * mask.sum(0) / 70, rtol=1e-6)


def test_gradients_add_up_and_frozen_parameters_have_none():
    x, y = np.ones((4, 2), np.float32), np.zeros((4, 1), np.float32)
    model, group = nn.Linear(2, 1), distributed.local(2)
    model.bias.requires_grad = False
    once = gradients(model, nn.MSELoss(), x, y, group)[1][0].copy()
    group.backward(model, nn.MSELoss(), (x, y))
    np.testing.assert_array_equal(model.weight.grad, once + once)
    assert model.bias.grad is None


def test_nested_batches_and_mean_outside_of_a_group():
    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 1)

        def forward(self, input):
            return {"y": self.layer(input["a"] + input["b"][0])}

    x, y = np.ones((5, 2), np.float32), np.zeros((5, 1), np.float32)
    model = Sum()
    loss = distributed.local(4).backward(
        model, lambda output, target: fastnn.functional.mse_loss(output["y"], target), ({"a": x, "b": [x]}, y)
    )
    assert loss == pytest.approx(float(np.mean(model({"a": x, "b": [x]})["y"].data ** 2)))
    a = fastnn.tensor([1.0, 3.0], requires_grad=True)
    distributed.mean(a).backward()
    np.testing.assert_array_equal(a.grad, [0.5, 0.5])


def test_buckets_travel_while_others_are_computed(monkeypatch):
    """From the last layer to the first, each as soon as all shards have its gradients."""
    monkeypatch.setattr(distributed._gradients, "BUCKET", 90)
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 1))
    parameters, sent = list(model.parameters()), []

    def submit(run, bucket, flat):
        sent.append([each.shape for each in bucket.parameters])
        future = Future()
        future.set_result(run(bucket, flat))
        return future

    gradients = distributed._gradients.Gradients(parameters, 2, distributed._engine.Alone(), submit)
    seen = []
    for shard in (0, 1):
        loss = nn.functional.mse_loss(model(np.ones((1, 4), np.float32)), np.zeros((1, 1), np.float32))
        distributed._leaves.backward(loss, np.ones_like(loss.data), lambda leaf, d, i=shard: (gradients.add(i, leaf, d), seen.append(len(sent))))  # fmt: skip
    assert sent == [[(1,), (1, 4), (4,)], [(4, 4), (4,)], [(4, 4)]]
    assert max(seen[:6]) == 0  # nothing before the second shard
    assert seen[6:] == sorted(seen[6:])
    assert 0 < seen[-3] < seen[-1] == 3
    assert [len(each.grad or ()) for each in parameters] == [0] * 6
    assert len(gradients.joined()) == 6


def test_observers_see_all_shards():
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Softplus())
    x = np.arange(24, dtype=np.float32).reshape(8, 3)
    with fastnn.profile() as report:
        distributed.local(4).backward(model, nn.MSELoss(), (x, np.zeros((8, 2), np.float32)))
    calls = {row.name: row.calls for row in report.rows() if row.name == "softplus"}
    assert calls == {"softplus": 4}
    x[5, 0] = np.nan
    with pytest.raises(fastnn.AnomalyError, match="0"), fastnn.detect_anomaly():
        distributed.local(4).backward(model, nn.MSELoss(), (x, np.zeros((8, 2), np.float32)))


# -- refusals -----------------------------------------------------------------------------------------------------------


def test_numbers_of_shards_and_workers():
    with pytest.raises(ValueError, match="Group: expected shards to be a power of two, got 6"):
        distributed.local(6)
    with pytest.raises(ValueError, match="Group: expected a number of workers that divides shards=4, got 8 workers"):
        distributed.Group(Pipes(0, [None] * 8), 4)
    with pytest.raises(ValueError, match="Group: expected a number of workers that divides shards=8, got 3 workers"):
        distributed.Group(Pipes(0, [None] * 3), 8)


X, Y = np.ones((6, 3), np.float32), np.zeros((6, 2), np.float32)


def refused(error, match, model=None, loss=None, batch=(X, Y)):
    model = model or nn.Linear(3, 2)
    with pytest.raises(error, match=match):
        distributed.local(4).backward(model, loss or nn.MSELoss(), batch)
    assert all(each.grad is None for each in model.parameters())
    assert fastnn.get_rng_state()  # the thread computes no shard any more


class Kept(nn.Module):
    """A module with a function of one's own as its forward."""

    def __init__(self, function):
        super().__init__()
        self.layer, self.function = nn.Linear(3, 2), function
        self.register_buffer("seen", np.zeros(3, np.float32))

    def forward(self, input):
        return self.function(self, input)


def _remember(module, input):
    module.seen[...] = input.max(0)
    return module.layer(input)


def test_losses_that_are_not_joined():
    rng = np.random.default_rng(0)
    batch = (rng.normal(size=(6, 3)).astype(np.float32), Y)
    refused(ValueError, "expected the same loss, joined by", loss=lambda y, t: ((y - t) ** 2).mean(), batch=batch)
    refused(TypeError, "one number that tracks gradients, got a Tensor of shape", loss=lambda y, t: y - t)
    refused(TypeError, "got a float", loss=lambda y, t: 1.0)


def test_state_that_depends_on_samples():
    batch = (np.arange(18, dtype=np.float32).reshape(6, 3), Y)
    refused(ValueError, "expected the same running statistics", Kept(_remember), batch=batch)


def test_what_is_not_joined():
    refused(ValueError, "batch statistics", nn.Sequential(nn.Linear(3, 2), nn.SwitchableNorm1d(2)))
    refused(ValueError, "random slopes", nn.Sequential(nn.Linear(3, 2), nn.RReLU()))
    embedding = nn.Sequential(nn.Embedding(4, 2, max_norm=1.0))
    refused(ValueError, "embedding: expected no max_norm", embedding, batch=(np.ones(6, int), Y))


def test_places_that_are_not_known():
    flat = Kept(lambda module, input: fastnn.dropout(module.layer(input).reshape(1, -1)).reshape(-1, 2))
    refused(ValueError, r"dropout: expected dimension 0 to hold 2 samples.*sample_axis says", flat, batch=(np.ones((8, 3), np.float32), np.zeros((8, 2), np.float32)))  # fmt: skip


def test_batches():
    refused(TypeError, r"expected a batch \(input, target\), got a ndarray", batch=X)
    refused(ValueError, r"same number of samples in dimension 0, at least 1, got shapes", batch=(X, Y[:5]))
    refused(ValueError, "at least 1, got shapes", batch=(X[:0], Y[:0]))
    refused(TypeError, "expected arrays, or tuples, lists and mappings of arrays, got a str", batch=("a", Y))


def test_other_leaves():
    outside = fastnn.tensor(np.ones(2, np.float32), requires_grad=True)
    model = Kept(lambda module, input: module.layer(input) * outside)
    refused(ValueError, "parameters alone, got one of shape", model)


def test_shards_that_call_others():
    def first_alone(module, input):
        return (
            nn.functional.batch_norm(module.layer(input), None, None, training=True)
            if input[0, 0]
            else module.layer(input)
        )

    batch = (np.concatenate([np.zeros_like(X), X]), np.concatenate([Y, Y]))
    refused(ValueError, "expected the same calls for every shard, got", Kept(first_alone), batch=batch)

    def ends(output, target):
        return nn.functional.mse_loss(output, target) if output.data[0, 0] else output.sum()

    model = Kept(lambda module, input: module.layer(input) * input[:, :1])
    refused((ValueError, RuntimeError), "same calls for every shard", model, ends, batch)


def test_an_error_of_one_shard_ends_all():
    target = np.array([0, 1, 0, 9, 1, 0])
    refused(IndexError, r"expected targets in \[0, 1\], got 9", loss=nn.CrossEntropyLoss(), batch=(X, target))


# -- between workers ------------------------------------------------------------------------------------------------------


def differing(engine, what):
    """A job whose worker 1 has something else; the group can be used afterwards."""
    group, other = distributed.Group(engine, 4), engine.rank == 1
    fastnn.manual_seed(7 + (other and what == "seed"))
    model = nn.Linear(3, 2 + (other and what == "model"))
    model.weight.data[...], model.bias.data[...] = other and what == "weights", 0
    optimizer = optim.SGD(model.parameters(), 0.1 + (other and what == "lr"))
    x, y = np.arange(24, dtype=np.float32).reshape(8, 3), np.zeros(8, int)
    if other and what == "data":
        x = x + 1
    if what == "class":  # of a sample of worker 1 alone
        y[7] = 5
    if other and what == "version":
        distributed._group.__version__ = "0"
    if other and what == "tier":
        distributed._group._core.isa = lambda: "base"
    try:
        group.step(model, nn.CrossEntropyLoss(), (x, y), optimizer)
    except Exception as error:
        assert all(each.grad is None for each in model.parameters())
        y[7] = 0
        if what == "class":
            group.step(model, nn.CrossEntropyLoss(), (x, y), optimizer)
        return f"{type(error).__name__}: {error}"
    return "trained"


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("nothing", "trained"),
        ("seed", "expected the same random numbers on all 2 workers, got"),
        ("model", "expected the same model on all 2 workers, got Linear of 8 parameters on worker 0 and Linear of 12"),
        ("weights", "expected the same weights on all 2 workers, got"),
        ("lr", "expected the same optimizer's options on all 2 workers, got SGD"),
        ("data", "expected the same whole batch on all 2 workers, got others"),
        ("version", "expected the same fastnn on all 2 workers, got"),
        (
            "tier",
            "expected the same instruction set on all 2 workers, got one with FMA on worker 0 and base on worker 1",
        ),
    ],
)
def test_what_workers_must_have_alike(what, said):
    found = on_workers(2, differing, what)
    assert found[0] == found[1]
    assert said in found[0]
    assert "\n" not in found[0]


def test_an_error_of_one_worker_is_told_to_all():
    found = on_workers(2, differing, "class")
    assert "IndexError: cross_entropy: expected targets in [0, 1], got 5 at index 1" in found[1]
    assert found[0] == f"WorkerError: distributed: worker 1 failed: {found[1]}"
