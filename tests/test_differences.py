"""Every deliberate difference from PyTorch that docs/differences.md lists; where PyTorch is installed, what it does too."""

import math
import re
import warnings
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest

import fastnn
from fastnn import data, nn, optim
from fastnn.training import Trainer

try:
    import torch
except ImportError:
    torch = None

INF, NAN = math.inf, math.nan


def theirs(f):
    """What PyTorch gives, for comparison; None where it is not installed."""
    if torch is None:
        return None
    result = f(torch.nn.functional)
    return result.detach().numpy() if isinstance(result, torch.Tensor) else result


def t32(*values):
    return torch.tensor(values, dtype=torch.float32)


def differs(ours, expected, other, others_value):
    """Ours is as expected; PyTorch's, if it is here, is the other value."""
    np.testing.assert_allclose(ours, np.asarray(expected, np.asarray(ours).dtype), rtol=1e-6)
    assert (np.signbit(ours) == np.signbit(expected)).all()
    got = theirs(other)
    if got is not None:
        np.testing.assert_allclose(got, others_value, rtol=1e-5)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish", "hardswish"])
def test_limits_at_minus_infinity(name):
    differs(getattr(fastnn, name)(np.float32([-INF])), [-0.0], lambda F: getattr(F, name)(t32(-INF)), [NAN])


def test_limits_elsewhere():
    assert fastnn.gelu(INF) == INF
    differs(fastnn.softsign(np.float32([INF, -INF])), [1, -1], lambda F: F.softsign(t32(INF, -INF)), [NAN, NAN])
    for name in ("gelu", "silu", "mish"):
        backward = getattr(fastnn, name + "_backward")
        np.testing.assert_array_equal(backward([1.0, 1.0], [INF, -INF]), [1, 0])


def test_tails_and_cancellation():
    with mp.workdps(40):
        gelu = float(mp.mpf(-5.5) * mp.erfc(mp.mpf(5.5) / mp.sqrt(2)) / 2)
        shrink = float(mp.mpf(float(np.float32(1e-3))) - mp.tanh(mp.mpf(float(np.float32(1e-3)))))
    assert fastnn.gelu(np.float32(-5.5)) == pytest.approx(gelu, rel=2e-7)
    assert fastnn.tanhshrink(np.float32(1e-3)) == pytest.approx(shrink, rel=2e-7)
    if torch is not None:
        assert abs(float(theirs(lambda F: F.gelu(t32(-5.5)))[0]) / gelu - 1) > 0.4
        assert abs(float(theirs(lambda F: F.tanhshrink(t32(1e-3)))[0]) / shrink - 1) > 0.02


def test_hard_functions():
    differs(fastnn.hardswish(np.float32([3e38])), [3e38], lambda F: F.hardswish(t32(3e38)), [INF])
    assert fastnn.hardsigmoid_backward(1.0, 0.0) == 1 / 6
    if torch is not None:
        x = torch.zeros(1, dtype=torch.float64, requires_grad=True)
        torch.nn.functional.hardsigmoid(x).backward()
        assert x.grad[0] == float(np.float32(1 / 6))


def test_constants_in_float64():
    with mp.workdps(40):
        exact = float(mp.exp(mp.mpf(-1) / mp.mpf(0.3)))
    assert fastnn.celu_backward(1.0, -1.0, 0.3) == pytest.approx(exact, rel=1e-15)
    if torch is not None:
        x = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
        torch.nn.functional.celu(x, 0.3).backward()
        assert abs(float(x.grad[0]) / exact - 1) > 1e-10


def test_gradients_at_nan():
    for name, slope in (
        ("elu", 1),
        ("celu", 1),
        ("hardtanh", 1),
        ("relu6", 1),
        ("hardshrink", 1),
        ("selu", 1.0507009873554805),
    ):
        backward = getattr(fastnn, name + "_backward")
        for n in (1, 40):
            np.testing.assert_array_equal(backward(np.ones(n), np.full(n, NAN)), np.full(n, slope))


def test_kl_div_at_0():
    x, t = fastnn.tensor([-1.0]), fastnn.tensor([0.0], requires_grad=True)
    fastnn.kl_div(x, t, reduction="sum").backward()
    assert t.grad == [-INF]


def test_in_place_on_the_tape():
    x = fastnn.tensor([-1.0, 2.0], requires_grad=True)
    y = fastnn.relu(x, inplace=True)
    np.testing.assert_array_equal(x.numpy(), [-1, 2])
    np.testing.assert_array_equal(y.numpy(), [0, 2])


def test_optimizers_refuse_what_they_cannot_go_on_with():
    a, b = nn.Parameter([1.0]), nn.Parameter([1.0])
    optimizer = optim.Adam([{"params": a}, {"params": b}])
    a.grad, b.grad = [1.0], [1.0]
    optimizer.step()
    state = optimizer.state_dict()
    del state["state"][0]["step"]
    with pytest.raises(ValueError, match="expected step in a parameter's state"):
        optimizer.load_state_dict(state)
    optimizer.param_groups[1]["lr"] = np.inf
    before = a.data.copy()
    with pytest.raises(ValueError, match="expected lr in"):
        optimizer.step()
    assert a.data == before
    for rule, options in ((optim.SGD, {"momentum": 0.9, "dampening": np.nan}), (optim.RMSprop, {"alpha": 2.0}), (optim.ASGD, {"lambd": -1.0}),
                          (optim.Rprop, {"step_sizes": (5, 1)})):  # fmt: skip
        with pytest.raises(ValueError, match=f"{rule.__name__}: expected {list(options)[-1]}"):
            rule([a], **options)


def rates_of(scheduler, count):
    found = []
    for _ in range(count):
        found.append(scheduler.get_last_lr()[0])
        scheduler.step()
    return found


def test_schedules_go_on_where_they_were():
    first = optim.lr_scheduler.ConstantLR(optim.SGD([nn.Parameter([1.0])], lr=1.0), 0.1, 9)
    first.step()
    second = optim.SGD([nn.Parameter([1.0])], lr=1.0)
    second.load_state_dict(first.optimizer.state_dict())
    scheduler = optim.lr_scheduler.ConstantLR(second, 0.1, 9)
    scheduler.load_state_dict(first.state_dict())
    assert rates_of(scheduler, 2) == [0.1, 0.1]
    second.load_state_dict(first.optimizer.state_dict())
    assert rates_of(optim.lr_scheduler.StepLR(second, 1, 0.5, last_epoch=0), 2) == [0.1, 0.05]


def test_schedules_of_groups_sequences_and_edges():
    def schedule(name, *args, rule=optim.SGD, **options):
        return getattr(optim.lr_scheduler, name)(rule([nn.Parameter([1.0])], lr=1.0), *args, **options)

    inner = schedule("ExponentialLR", 0.5)
    sequence = optim.lr_scheduler.SequentialLR(inner.optimizer, [inner], [])
    assert rates_of(optim.lr_scheduler.SequentialLR(inner.optimizer, [sequence, inner], [2]), 4) == [1, 0.5, 1, 0.5]
    late = schedule("LambdaLR", lambda epoch: 0.5**epoch)
    late.optimizer.add_param_group({"params": nn.Parameter([1.0]), "lr": 3.0})
    late.step()
    assert late.get_last_lr() == [0.5, 1.5]
    plateau = schedule("ReduceLROnPlateau", patience=0)
    for _ in range(2):
        plateau.step(-1.0)
    assert plateau.get_last_lr() == [0.1]
    assert rates_of(schedule("ConstantLR", 0.0, 2), 3) == [0, 0, 1]
    assert rates_of(schedule("ConstantLR", 0.1, 0), 2) == [1, 1]
    assert rates_of(schedule("LinearLR", 0.1, 0.5, 0), 2) == [0.5, 0.5]
    with pytest.raises(ValueError, match="PolynomialLR: expected total_iters of at least 1"):
        schedule("PolynomialLR", 0)
    assert rates_of(schedule("OneCycleLR", 1.0, 3, pct_start=1.0, rule=optim.Adam), 3)[-1] == 1.0
    with pytest.raises(ValueError, match="to be finite, got nan"):
        schedule("LambdaLR", lambda epoch: float("nan"))


def test_names_move_and_arrays_stay():
    x = fastnn.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    before = y
    y += 3
    np.testing.assert_array_equal(before.numpy(), [1, 2])
    assert y is not before
    with pytest.raises(RuntimeError, match="cannot be changed in place"):
        x += 1
    z = (x * x).sum()
    x.data[...] = [5, 6]
    z.backward()
    np.testing.assert_array_equal(x.grad, [10, 12])


def test_functions_of_the_user_get_arrays_and_exact_shapes():
    class Wide(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            assert type(x) is np.ndarray
            return x * np.ones(3)

        @staticmethod
        def backward(ctx, dy):
            return dy

    x = fastnn.tensor(np.ones((1,)), requires_grad=True)
    with pytest.raises(ValueError, match=r"Wide\.backward: expected gradient 1 of shape \(1,\)"):
        Wide.apply(x).sum().backward()


def test_async_functions_are_refused():
    async def f():
        pass

    with pytest.raises(TypeError, match="no_grad: f is async"):
        fastnn.no_grad()(f)


def test_schedules_keep_their_own_state():
    scheduler = optim.lr_scheduler.StepLR(optim.SGD([nn.Parameter([1.0])]), 3)
    assert "_step_count" not in scheduler.state_dict()
    with pytest.raises(ValueError, match=r"StepLR\.load_state_dict: unexpected keys"):
        scheduler.load_state_dict({"_step_count": 1})


def test_constant_channels():
    x = np.full((64, 1, 30, 30), 1e6, np.float32) + np.float32(0.3)
    assert not fastnn.batch_norm(x, None, None, training=True).any()
    if torch is not None:
        assert abs(theirs(lambda F: F.batch_norm(torch.tensor(x), None, None, training=True))).max() > 1
    row = np.full((1, 1000), np.float32(1e6) + np.float32(0.3))
    assert not fastnn.layer_norm(row, 1000).any()
    assert not fastnn.group_norm(row[..., np.newaxis], 10).any()
    assert not fastnn.instance_norm(row[np.newaxis]).any()


def test_dropped_values():
    x = np.float32([INF, NAN, -1])
    np.testing.assert_array_equal(fastnn.dropout(x, 1.0), [0, 0, 0])
    if torch is not None:
        assert np.isnan(theirs(lambda F: F.dropout(t32(INF, NAN, -1), 1.0))[:2]).all()


def test_losses_at_infinity():
    x, t = np.float32([INF, -INF]), np.float32([1, 0])
    differs(
        fastnn.binary_cross_entropy_with_logits(x, t, reduction="none"),
        [0, 0],
        lambda F: F.binary_cross_entropy_with_logits(t32(INF, -INF), t32(1, 0), reduction="none"),
        [NAN, NAN],
    )
    logits, p = np.float32([[0, -INF]]), np.float32([[1, 0]])
    assert fastnn.cross_entropy(logits, p) == 0
    assert np.isfinite(fastnn.cross_entropy(logits, [0], [1.0, 0.0], label_smoothing=0.1))
    if torch is not None:
        assert np.isnan(theirs(lambda F: F.cross_entropy(torch.tensor(logits), torch.tensor(p))))


def test_centered_rmsprop():
    p = nn.Parameter(np.ones(1))
    optimizer = optim.RMSprop([p], centered=True)
    p.grad = [0.1]
    optimizer.step()
    optimizer.state[p]["square_avg"][...] = 0  # as if rounding had brought it below the mean's square
    optimizer.step()
    assert np.isfinite(p.data).all()


def test_numbers_beside_parameters_are_float64():
    p = nn.Parameter(np.ones(1, np.float32))
    optimizer = optim.NAdam([p])
    p.grad = [0.5]
    optimizer.step()
    product = optimizer.state[p]["mu_product"]
    assert product == 0.9 * (1 - 0.5 * 0.96**4e-3)
    assert product != float(np.float32(product))
    if torch is not None:
        q = torch.nn.Parameter(torch.ones(1, dtype=torch.float64))
        other = torch.optim.NAdam([q])
        q.grad = torch.ones_like(q)
        other.step()
        assert other.state[q]["mu_product"].dtype == torch.float32


def test_dropout_probability():
    kept = fastnn.dropout_mask(1 << 20, 2.0**-18, rng=0)
    assert kept.all()  # round(65536 p) is 0
    assert fastnn.dropout(np.ones(8), 2.0**-18, rng=0)[0] == 1 / (1 - 2.0**-18)


def test_integer_targets():
    x = np.zeros((2, 3))
    for kind in (np.int8, np.int32, np.uint64):
        assert fastnn.cross_entropy(x, np.array([0, 2], kind)) == pytest.approx(math.log(3))
    if torch is not None:
        with pytest.raises(RuntimeError):
            torch.nn.functional.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 2], dtype=torch.int32))


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss", "kl_div"])
def test_shapes_are_not_broadcast(name):
    with pytest.raises(ValueError, match=rf"{name}: expected target of input's shape \(3, 1\), got \(3,\)"):
        getattr(fastnn, name)(np.zeros((3, 1)), np.zeros(3))
    if torch is not None:
        other = getattr(torch.nn.functional, name)(torch.zeros(3, 1), torch.ones(3), reduction="none")
        assert other.shape == (3, 3)


def test_lengths_of_vectors():
    x = [[3e30, 4e30]]
    differs(
        fastnn.cosine_similarity(np.float32(x), np.float32(x)),
        [1],
        lambda F: F.cosine_similarity(t32(*x), t32(*x)),
        [0],
    )
    x1, x2 = np.array([[3e-9, 4e-9]]), np.array([[1.0, 0.0]])
    np.testing.assert_allclose(fastnn.cosine_similarity_backward([1.0], x1, x2)[0], [[1e8, 0]])
    if torch is not None:
        other = torch.tensor(x1, requires_grad=True)
        torch.nn.functional.cosine_similarity(other, torch.tensor(x2)).backward()
        assert not np.allclose(other.grad.numpy(), [[1e8, 0]])


def test_labels_of_ctc_are_classes():
    log_p = fastnn.log_softmax(np.zeros((4, 1, 3)), 2)
    for labels, error in (([3], ValueError), ([-1], ValueError), ([0], ValueError), ([1.0], TypeError)):
        with pytest.raises(error, match=r"ctc_loss: expected (labels|targets)"):
            fastnn.ctc_loss(log_p, [labels], 4, 1)
    if torch is not None:
        for labels in ([0], [1.0]):
            torch.nn.functional.ctc_loss(torch.tensor(log_p), torch.tensor([labels]), [4], [1])


def test_no_event_of_no_rate():
    differs(fastnn.poisson_nll_loss([-INF], [0.0]), 0.0, lambda F: F.poisson_nll_loss(t32([-INF]), t32([0.0])), NAN)
    differs(
        fastnn.poisson_nll_loss([0.0], [0.0], False, eps=0.0),
        0.0,
        lambda F: F.poisson_nll_loss(t32([0.0]), t32([0.0]), False, eps=0.0),
        NAN,
    )


def test_softmax_of_many_dimensions_names_its_own():
    x = np.random.default_rng(0).normal(size=(2, 3, 4))
    with pytest.raises(ValueError, match="softmax: expected dim for an input of more than 2 dimensions"):
        fastnn.softmax(x)
    if torch is not None:
        with pytest.warns(UserWarning, match="Implicit dimension choice"):
            theirs = torch.nn.functional.softmax(torch.tensor(x))
        np.testing.assert_allclose(fastnn.softmax(x, 0), theirs.numpy(), rtol=1e-12)


def test_kinds_of_input():
    for f in (fastnn.relu, fastnn.sigmoid, fastnn.gelu):
        assert f(np.arange(3)).dtype == np.float64
    assert nn.Linear(3, 2)(np.ones((2, 3))).dtype == np.float32
    assert nn.Linear(3, 2)(np.ones((2, 3), int)).dtype == np.float32


def test_reductions_by_name():
    with pytest.raises(TypeError):
        fastnn.mse_loss([1.0], [1.0], None, None, "sum")
    with pytest.raises(TypeError):
        nn.MSELoss(None, None, "sum")


def test_dropout_without_effect():
    x = np.ones(3)
    for y in (fastnn.dropout(x, 0.0), fastnn.dropout(x, 0.5, training=False)):
        assert not np.shares_memory(x, y)
    assert nn.Dropout(0.5).eval()(x) is x


def test_dropout_of_odd_shapes():
    assert fastnn.dropout2d(np.ones((2, 3, 4)), rng=0).shape == (2, 3, 4)
    with pytest.raises(ValueError, match="dropout3d: expected an input of 4-D or 5-D"):
        fastnn.dropout3d(np.ones((2, 3)))


def test_buffers():
    module = nn.Module()
    module.register_buffer("count", [1, 2])
    assert module.count.tolist() == [1, 2]


def test_sparse_gradients_are_dense():
    layer = nn.Embedding(3, 2, sparse=True)
    layer([1]).sum().backward()
    assert layer.weight.grad.tolist() == [[0, 0], [1, 1], [0, 0]]


def test_batch_norm_that_raises_changes_nothing():
    layer = nn.BatchNorm1d(3)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(np.ones((1, 3)))
    assert layer.num_batches_tracked == 0
    if torch is not None:
        other = torch.nn.BatchNorm1d(3)
        with pytest.raises(ValueError, match="more than 1 value"):
            other(torch.ones(1, 3))
        assert other.num_batches_tracked == 1


def test_state_dicts_load_as_a_whole():
    layer = nn.Linear(2, 2)
    before = layer.weight.data.copy()
    with pytest.raises(nn.StateDictError):
        layer.load_state_dict({"weight": np.ones((2, 2)), "bias": np.ones(3)})
    np.testing.assert_array_equal(layer.weight.data, before)
    assert issubclass(nn.StateDictError, ValueError)
    assert issubclass(nn.StateDictError, RuntimeError)


def test_looking_at_tensors():
    x = fastnn.tensor([1.0], requires_grad=True)
    assert type(x.numpy()) is np.ndarray
    with fastnn.no_grad():
        assert type(fastnn.relu(x)) is np.ndarray
    fastnn.relu(x).sum().backward()
    assert type(x.grad) is np.ndarray


def test_lists_of_tensors():
    t = fastnn.tensor([1.0, 2.0], requires_grad=True)
    for values in (np.asarray(t)[None], np.array([t]), np.abs([t])):
        np.testing.assert_array_equal(values, [[1, 2]])
    for call in (lambda: np.sum([t, t]), lambda: np.r_[t, t], lambda: np.ma.masked_array(t)):
        with pytest.raises(TypeError, match="expected arrays, got a Tensor that would lose its gradient"):
            call()


def test_random_numbers():
    assert fastnn.dropout_mask(8, 0.5, rng=1).tolist() == fastnn.dropout_mask(8, 0.5, rng=1).tolist()
    np.testing.assert_array_equal(nn.init.normal_(np.empty(3), rng=5), np.random.default_rng(5).normal(size=3))


def test_data_refuses_what_would_be_other_samples():
    dataset = data.TensorDataset(np.arange(4.0), np.arange(4))
    for call, kind in (
        (lambda: data.DataLoader(dataset, sampler=iter([0, 1])), TypeError),
        (lambda: data.Subset(dataset, [0, 4]), IndexError),
        (lambda: data.Subset(dataset, [True, False, True, True]), TypeError),
        (lambda: dataset[True], TypeError),
        (lambda: data.default_collate([{"a": 1}, {"a": 1, "b": 2}]), ValueError),
    ):
        with pytest.raises(kind):
            call()


def test_data_gives_batches_where_it_can():
    dataset, empty = data.TensorDataset(np.arange(4.0)), data.TensorDataset(np.empty(0))
    assert list(data.DataLoader(empty, shuffle=True)) == []
    np.testing.assert_array_equal(data.ConcatDataset([dataset, dataset])[[0, 5]][0], [0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [len(part) for part in data.random_split(dataset, [0.9, 0.1], rng=0)] == [4, 0]
    once, fourfold = (
        [batch[0] for batch in data.DataLoader(dataset, 2, shuffle=True, num_workers=n, rng=3)] for n in (0, 4)
    )
    np.testing.assert_array_equal(once, fourfold)


def test_training_goes_on_from_finite_numbers_alone():
    model = nn.Linear(2, 1)
    optimizer, before = optim.Adam(model.parameters()), model.weight.data.copy()
    trainer = Trainer(model, nn.MSELoss(), optimizer, progress=False)
    with pytest.raises(FloatingPointError):
        trainer.fit([(np.array([[np.nan, 1]]), np.ones((1, 1)))], 1)
    np.testing.assert_array_equal(model.weight.data, before)
    plateau = optim.lr_scheduler.ReduceLROnPlateau(optimizer)
    assert not plateau.is_better(np.nan)


def test_recurrent_arguments_are_refused_at_once():
    pack = nn.utils.rnn.pack_padded_sequence
    with pytest.raises(ValueError, match="lengths from 1 to 3, the steps given, got"):
        pack(np.ones((3, 2)), [4, 2])
    with pytest.raises(TypeError, match="lengths to be integers"):
        pack(np.ones((3, 2)), [3.0, 2.0])
    with pytest.raises(ValueError, match="nonlinearity"):
        nn.RNNCell(3, 4, nonlinearity="gelu")
    if torch is not None:
        utils = torch.nn.utils.rnn
        assert utils.pack_padded_sequence(torch.ones(3, 2), [4, 2]).batch_sizes.tolist() == [2, 2, 1, 1]
        torch.nn.RNNCell(3, 4, nonlinearity="gelu")


def test_pooling_at_the_edges():
    x = np.float32([[[1, 2, 2]]])
    edge = {"norm_type": 2.0, "kernel_size": 2, "ceil_mode": True}
    root = np.sqrt([5.0, 4.0, 8.0])
    differs(fastnn.lp_pool1d(x, **edge), [[root[:2]]], lambda F: F.lp_pool1d(torch.tensor(x), **edge), [[root[[0, 2]]]])
    values, places = fastnn.max_pool1d([[1.0, 2.0]], 2, 1, 1, 3, return_indices=True)
    assert values.tolist() == [[-INF]]
    assert places.tolist() == [[-1]]
    assert fastnn.max_unpool1d(values, places, 2).tolist() == [[0, 0]]
    cube = np.ones((1, 1, 2, 2, 2), np.float32)
    np.testing.assert_allclose(fastnn.avg_pool3d(cube, 3, padding=1), [[[[[8 / 27]]]]], rtol=1e-6)
    if torch is not None:
        with pytest.raises(RuntimeError, match="smaller than kernel size"):
            torch.nn.functional.avg_pool3d(torch.tensor(cube), 3, padding=1)


def test_weights_over_padding():
    w = np.ones((1, 1, 3, 3))
    w[0, 0, 0] = np.inf
    y = fastnn.conv2d(np.ones((1, 1, 3, 4)), w, padding=1)[0, 0]
    assert np.isfinite(y[0]).all()
    assert np.isnan(y[1:, [0, -1]]).all()
    assert np.isinf(y[1:, 1:-1]).all()
    dw = fastnn.conv2d_backward(np.full((1, 1, 3, 4), np.inf), np.ones((1, 1, 3, 4)), w, padding=1)[1]
    np.testing.assert_array_equal(np.isnan(dw[0, 0]), np.pad([[False]], 1, constant_values=True))


def test_circular_padding_crops_then_wraps():
    assert fastnn.pad([[0, 1, 2, 3]], (-1, 2), mode="circular").tolist() == [[1, 2, 3, 1, 2]]
    with pytest.raises(ValueError, match="pad"):
        fastnn.pad([[1, 2, 3, 4]], (3, -4), mode="circular")


def test_weight_norm_of_zeros():
    layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    layer.parametrizations.weight.original1.data[0] = 0
    assert not layer.weight.numpy()[0].any()
    if torch is not None:
        theirs = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 2))
        theirs.parametrizations.weight.original1.data[0] = 0
        assert theirs.weight[0].isnan().all()


def test_attention():
    q = np.random.default_rng(0).normal(size=(1, 1, 40, 4)).astype(np.float32)
    mask = np.full((40, 40), -1e9, np.float32)
    *_, dv, _ = fastnn.scaled_dot_product_attention_backward(np.ones_like(q), q, q, q, mask)
    np.testing.assert_allclose(dv, np.ones_like(q), rtol=1e-5)
    flags, tri = np.arange(40) % 3 != 1, np.tri(40, dtype=bool)
    both = fastnn.scaled_dot_product_attention(q, q, q, flags & tri)
    np.testing.assert_array_equal(fastnn.scaled_dot_product_attention(q, q, q, flags, is_causal=True), both)
    if torch is not None:
        attention = torch.nn.functional.scaled_dot_product_attention
        t, v = torch.tensor(q), torch.tensor(q, requires_grad=True)
        attention(t, t, v, torch.tensor(mask)).sum().backward()
        assert v.grad.max() > 30
        with pytest.raises(RuntimeError, match="is_causal"):
            attention(t[0], t[0], t[0], torch.tensor(tri), is_causal=True)


def test_heads():
    layer, x = nn.MultiheadAttention(4, 2, batch_first=True), np.random.default_rng(0).normal(size=(2, 5, 4))
    padding, tri = np.array([[True], [False]]).repeat(5, 1), np.tri(5, dtype=bool)
    for needed in (True, False):
        y, weights = layer(x, x, x, padding, need_weights=needed)
        np.testing.assert_array_equal(y.numpy()[0], np.zeros((5, 4)))  # the output's bias
        assert weights is None or not weights.numpy()[0].any()
        causal = layer(x, x, x, is_causal=True, need_weights=needed)[0].numpy()
        np.testing.assert_array_equal(layer(x, x, x, attn_mask=~tri, need_weights=needed)[0].numpy(), causal)
        both = layer(x, x, x, attn_mask=tri & ~np.eye(5, dtype=bool), is_causal=True, need_weights=needed)[0]
        assert both.shape == causal.shape
    encoder = nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True)
    trained = encoder(x, src_key_padding_mask=padding).numpy()
    with fastnn.no_grad():
        np.testing.assert_array_equal(encoder.eval()(x, src_key_padding_mask=padding), trained)
    if torch is not None:
        theirs, t = torch.nn.MultiheadAttention(4, 2, batch_first=True), torch.tensor(x, dtype=torch.float32)
        assert theirs(t, t, t, torch.tensor(padding))[0][0].isnan().all()
        assert not theirs(t, t, t, torch.tensor(padding), need_weights=False)[0].isnan().any()
        with pytest.raises(RuntimeError, match="attn_mask"):
            theirs(t, t, t, is_causal=True)
        layer = torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0, batch_first=True).eval()
        with torch.no_grad():
            assert layer(t, src_key_padding_mask=torch.tensor(padding))[0].isnan().all()


def test_bags():
    table = np.ones((5, 3), np.float32)
    with pytest.raises(ValueError, match="offsets that grow"):
        fastnn.embedding_bag([0, 1, 2], table, [0, 2, 1])
    assert not fastnn.embedding_bag(np.zeros((4, 0), int), table).any()
    if torch is not None:
        bag = torch.nn.functional.embedding_bag
        with pytest.raises(RuntimeError, match="nonzero"):
            bag(torch.zeros((4, 0), dtype=torch.int64), torch.tensor(table))


def test_the_page_is_whole():
    """Each of its rows is accounted for: more rows need more tests."""
    page = Path(__file__).parent.parent / "docs" / "differences.md"
    if not page.is_file():
        pytest.skip("needs the source tree")
    rows = [line for line in page.read_text().splitlines() if re.match(r"\| (?!case|---)", line)]
    assert len(rows) == 113
