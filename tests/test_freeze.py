"""fastnn.freeze: the plan agrees with the model, for every kind of model and any split of the batch."""

import copy
import pickle
import threading

import numpy as np
import pytest

import fastnn
from fastnn import _core, nn
from fastnn.graph._graph import leaves
from fastnn.nn import activation, functional as F, softmax


def trained(model, seed=0):
    """The model with statistics and affine weights that are not those of a fresh one."""
    rng = np.random.default_rng(seed)
    for name, array in model.state_dict().items():
        if array.dtype.kind == "f" and array.size:
            low, high = (0.5, 2) if name.endswith("running_var") else (-1, 1)
            array[...] = rng.uniform(low, high, array.shape) / np.sqrt(array.shape[-1] if array.ndim > 1 else 1)
    return model.eval()


def own(model, x):
    """The model's own output as an array."""
    with fastnn.no_grad():
        y = model(x)
    return y.data if isinstance(y, fastnn.Tensor) else y


def batch(n, *shape, dtype=np.float32):
    return np.random.default_rng(1).normal(size=(n, *shape)).astype(dtype)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.norm = nn.Linear(16, 16), nn.Linear(16, 16), nn.BatchNorm1d(16)

    def forward(self, x):
        h = F.relu(self.first(x))
        return F.gelu(x + self.norm(self.second(h))) * h


class Written(nn.Module):
    """What people write: shapes by hand, functions, constants, concatenation, slices."""

    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(12, 8), nn.Linear(16, 3)
        self.scale = nn.Parameter(np.float32(1.5).reshape(1))

    def forward(self, x):
        x = x.reshape(x.shape[0], -1)
        h = fastnn.tanh(self.hidden(x)) * self.scale
        both = np.concatenate([h, h[:, ::-1]], axis=1)
        return F.log_softmax(self.out(both), dim=-1)


class Looks(nn.Module):
    """Asks for values: no list of calls."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x):
        return self.linear(x) if float(x.sum()) > 0 else -self.linear(x)


def mlp(*middle, a=10, b=24, c=7, **options):
    return nn.Sequential(nn.Linear(a, b, **options), *middle, nn.Linear(b, c, **options))


PLANNED = {
    "linear": (lambda: nn.Linear(10, 3), (10,)),
    "no bias": (lambda: nn.Sequential(nn.Linear(10, 3, bias=False), nn.BatchNorm1d(3), nn.ReLU()), (10,)),
    "mlp": (lambda: mlp(nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.5)), (10,)),
    "norm without affine": (lambda: mlp(nn.BatchNorm1d(24, affine=False), nn.Tanh()), (10,)),
    "norm last": (lambda: mlp(nn.SiLU(), nn.BatchNorm1d(24)), (10,)),
    "two norms": (lambda: mlp(nn.BatchNorm1d(24), nn.BatchNorm1d(24)), (10,)),
    "wide": (lambda: mlp(nn.ELU(0.7), b=300, c=130), (10,)),
    "deep rows": (lambda: mlp(nn.GELU(), a=700), (700,)),
    "three dimensions": (lambda: mlp(nn.LayerNorm(24), nn.Softplus(2.0)), (4, 10)),
    "images": (lambda: nn.Sequential(nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 5)), (3, 4, 4)),
    "sequence norm": (lambda: nn.Sequential(nn.BatchNorm1d(5), nn.Flatten(), nn.Linear(35, 2)), (5, 7)),
    "softmax": (lambda: nn.Sequential(nn.Linear(10, 4), nn.Softmax(dim=1)), (10,)),
    "log softmax": (lambda: nn.Sequential(nn.Linear(10, 4), nn.LogSoftmax(-1)), (10,)),
    "rms norm": (lambda: nn.Sequential(nn.RMSNorm(10), nn.Linear(10, 4)), (10,)),
    "norm of two dimensions": (lambda: nn.Sequential(nn.LayerNorm((4, 10)), nn.Flatten(), nn.Linear(40, 2)), (4, 10)),
    "residual": (lambda: nn.Sequential(Residual(), Residual()), (16,)),
    "other layers": (lambda: mlp(nn.PReLU(24), nn.GroupNorm(4, 24), nn.Dropout1d(0.3)), (10,)),
    "written": (Written, (3, 4)),
    "activation alone": (nn.Mish, (3, 4)),
    "float64": (lambda: mlp(nn.BatchNorm1d(24, dtype=np.float64), nn.ReLU(), dtype=np.float64), (10,)),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANNED)
def test_agrees_with_the_model(name):
    make, shape = PLANNED[name]
    model = trained(make())
    dtype = np.float64 if name == "float64" else np.float32
    frozen = fastnn.freeze(model)
    for n in (1, 2, 13, 64, 1000):
        x = batch(n, *shape, dtype=dtype)
        y, expected = frozen(x), own(model, x)
        assert type(y) is np.ndarray
        assert (y.shape, y.dtype) == (expected.shape, expected.dtype)
        top = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(y, expected, rtol=0, atol=top * (1e-14 if dtype == np.float64 else 4e-6))
    assert frozen.unplanned == ()
    assert frozen._program is not None


@pytest.mark.parametrize("name", ["mlp", "wide", "residual", "three dimensions", "softmax", "written", "images"])
def test_no_bit_depends_on_the_split(name):
    make, shape = PLANNED[name]
    frozen = fastnn.freeze(trained(make()))
    x = batch(2000, *shape)
    whole = frozen(x)
    for size in (1, 7, 128, 959, 961):
        parts = [frozen(x[i : i + size]) for i in range(0, 2000 if size > 1 else 50, size)]
        np.testing.assert_array_equal(np.concatenate(parts), whole[: sum(map(len, parts))])
    for threads in (1, 2, 3):
        with fastnn.threads(threads):
            np.testing.assert_array_equal(frozen(x), whole)


def test_many_threads_at_once():
    make, shape = PLANNED["mlp"]
    frozen = fastnn.freeze(trained(make()))
    x = batch(300, *shape)
    expected, wrong = frozen(x), []

    def work(i):
        for n in range(1, 100):
            part = slice(i, i + n)
            if not np.array_equal(frozen(x[part]), expected[part]):
                wrong.append((i, n))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_inputs_of_all_kinds():
    model = trained(mlp(nn.ReLU()))
    frozen = fastnn.freeze(model)
    x = batch(6, 10)
    expected = frozen(x)
    for other in (np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2], fastnn.tensor(x), x.astype(">f4")):
        np.testing.assert_array_equal(frozen(other), expected)
    read_only = x.copy()
    read_only.flags.writeable = False
    np.testing.assert_array_equal(frozen(read_only), expected)
    for other in (x.tolist(), x.astype(np.float64), x.astype(np.float16), np.arange(60).reshape(6, 10), x[0], x[:0]):
        np.testing.assert_allclose(frozen(other), own(model, other), atol=2e-6)
    np.testing.assert_array_equal(frozen(x), expected)
    with_nan = x.copy()
    with_nan[2, 3] = np.nan
    y = frozen(with_nan)
    assert np.isnan(y[2]).all()
    np.testing.assert_array_equal(np.delete(y, 2, 0), np.delete(expected, 2, 0))


def test_the_model_is_left_alone():
    model = mlp(nn.BatchNorm1d(24), nn.ReLU())
    before = {name: array.copy() for name, array in model.state_dict().items()}
    x = batch(6, 10)
    frozen = fastnn.freeze(model, x)
    expected = frozen(x)
    assert model.training
    for name, array in model.state_dict().items():
        np.testing.assert_array_equal(array, before[name])
    model[0].weight.data[...] = 0
    np.testing.assert_array_equal(frozen(x), expected)


def test_names_what_it_cannot_plan():
    model = trained(nn.Sequential(nn.Linear(10, 6), nn.Sequential(nn.ReLU(), Looks()), nn.Linear(6, 2)))
    frozen = fastnn.freeze(model)
    x = batch(9, 10)
    np.testing.assert_allclose(frozen(x), own(model, x), atol=1e-6)
    assert frozen.unplanned == ("1.1 (Looks): it asks for values",)
    assert "1.1 (Looks)" in repr(frozen)


def test_hooks_are_kept():
    calls = []
    model = trained(nn.Sequential(nn.Linear(10, 6), nn.ReLU()))
    model[1].register_forward_hook(lambda module, args, output: calls.append(len(output)))
    frozen = fastnn.freeze(model)
    x = batch(9, 10)
    np.testing.assert_allclose(frozen(x), own(model, x), atol=1e-6)
    assert frozen.unplanned == ("1 (ReLU): it has hooks",)
    calls.clear()
    frozen(x)
    assert calls == [9]


class Random(nn.Module):
    def forward(self, x):
        return F.dropout(x, 0.5, training=True)


class Mixes(nn.Module):
    """Samples that see each other."""

    def forward(self, x):
        return x - x.mean(axis=0) + len(x)


@pytest.mark.parametrize("module", [Random, Mixes])
def test_what_is_no_function_of_one_sample(module):
    frozen = fastnn.freeze(module())
    x = batch(11, 4)
    y = frozen(x)
    assert y.shape == x.shape
    if module is Mixes:
        np.testing.assert_allclose(y, x - x.mean(axis=0) + 11, atol=1e-6)
    else:
        assert not np.array_equal(y, frozen(x))


class Pair(nn.Module):
    def forward(self, x):
        return x, -x


def test_several_outputs():
    frozen = fastnn.freeze(Pair())
    x = batch(3, 4)
    first, second = frozen(x)
    np.testing.assert_array_equal(first, x)
    np.testing.assert_array_equal(second, -x)
    assert frozen.unplanned == ()


def test_errors_are_the_models():
    frozen = fastnn.freeze(mlp(nn.ReLU()))
    with pytest.raises(ValueError, match=r"linear: expected .* got shape \(3, 9\)"):
        frozen(batch(3, 9))
    assert frozen.unplanned == ()
    assert frozen(batch(3, 10)).shape == (3, 7)
    with pytest.raises(TypeError, match="freeze: expected a Module, got a list"):
        fastnn.freeze([1])


def test_pickle_and_copy():
    frozen = fastnn.freeze(trained(mlp(nn.BatchNorm1d(24), nn.ReLU())), batch(3, 10))
    x = batch(6, 10)
    for other in (pickle.loads(pickle.dumps(frozen)), copy.deepcopy(frozen)):
        np.testing.assert_array_equal(other(x), frozen(x))
        np.testing.assert_array_equal(other.model[0].weight.data, frozen.model[0].weight.data)


def test_another_instruction_set_makes_another_plan():
    """Packed weights fit one tile size."""
    frozen = fastnn.freeze(trained(mlp(nn.ReLU(), b=40, c=33)))
    x = batch(6, 10)
    expected, before = frozen(x), fastnn.isa()
    try:
        for name, runs in _core.ISA_TIERS:
            if runs:
                _core.select_isa(name)
                np.testing.assert_allclose(frozen(x), expected, atol=1e-6)
    finally:
        _core.select_isa(before)
    np.testing.assert_array_equal(frozen(x), expected)


@pytest.mark.parametrize(
    "name", sorted({*activation.__all__, *softmax.__all__} - {"GLU", "RReLU", "Softmax2d", "Softmin", "Threshold"})
)
def test_activations_after_the_product(name):
    model = trained(nn.Sequential(nn.Linear(10, 37), getattr(nn, name)()))
    frozen = fastnn.freeze(model)
    x = batch(40, 10)
    np.testing.assert_allclose(frozen(x), own(model, x), atol=2e-6)
    assert frozen._program is not None


def test_as_many_dimensions_as_numpy_has():
    frozen = fastnn.freeze(nn.Sequential(nn.ReLU(), nn.Tanh()))
    for dimensions in (33, 40, 64):
        x = np.full((1,) * dimensions, 0.5, np.float32)
        for _ in range(2):
            np.testing.assert_allclose(frozen(x), np.tanh(x), rtol=1e-6)


class Adds(nn.Module):
    """A model that changes what it is given."""

    def forward(self, input):
        input += 1
        return input * 2


@pytest.mark.parametrize("inner", [Adds(), nn.Sequential(nn.Identity(), Adds())], ids=["whole", "part"])
def test_a_model_that_changes_its_input_runs_once_a_call(inner):
    frozen, x = fastnn.freeze(inner), np.zeros((3, 2), np.float32)
    for times in (1, 2, 3):
        np.testing.assert_array_equal(frozen(x), np.full((3, 2), 2 * times))
        np.testing.assert_array_equal(x, np.full((3, 2), times))


def test_a_model_that_fails_has_not_touched_the_input():
    class Fails(nn.Module):
        def forward(self, input):
            input += 1
            raise RuntimeError("no")

    x = np.zeros((3, 2))
    with pytest.raises(RuntimeError, match="no"):
        fastnn.freeze(Fails())(x)
    assert not x.any()


class Splits(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(6, 6)

    def forward(self, input):
        gate, value, rest = np.split(self.layer(input), 3, axis=1)
        first, _ = np.array_split(rest, 2, axis=1)
        return fastnn.sigmoid(gate) * value + first


def test_calls_with_several_results_are_planned():
    model = trained(Splits())
    frozen = fastnn.freeze(model)
    for n in (3, 1, 8):
        x = batch(n, 6)
        np.testing.assert_allclose(frozen(x), own(model, x), atol=1e-6)
    assert frozen.unplanned == ()


def test_parts_of_a_batch_may_differ_in_length():
    class Halves(nn.Module):
        def forward(self, input):
            a, b = np.array_split(input, 2)
            return np.concatenate([b, a]) * 2

    frozen = fastnn.freeze(Halves())
    for n in (3, 4, 9):
        x = batch(n, 2)
        np.testing.assert_array_equal(frozen(x), own(Halves(), x))
    assert frozen.unplanned == ()


def test_as_many_results_as_samples():
    class Each(nn.Module):
        def forward(self, input):
            return sum(np.split(input, len(input))) * 1.0

    frozen = fastnn.freeze(Each())
    for n in (3, 4):
        x = batch(n, 2)
        np.testing.assert_allclose(frozen(x), own(Each(), x), rtol=1e-6)
        assert frozen.graph.batch == n
    assert frozen.unplanned == ()


def test_a_part_with_several_results_is_called_as_it_is():
    class Looks(nn.Module):
        def forward(self, input):
            return (input * 2, input + 1) if input.sum() < 1e9 else None

    class Whole(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = Looks()

        def forward(self, input):
            a, b = self.part(input)
            return a * b

    frozen, x = fastnn.freeze(Whole()), batch(4, 3)
    np.testing.assert_array_equal(frozen(x), own(Whole(), x))
    assert frozen.unplanned == ("part (Looks): it asks for values",)


class Shares(nn.Module):
    """Returns its input, its parameter, and views of both."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.ones((2, 4), np.float32))

    def forward(self, x):
        return x, x.reshape(-1, 2, 2), self.weight, self.weight[:1], {"x": x[:, :1]}, x + 1


@pytest.mark.parametrize("loaded", [False, True])
def test_results_are_the_callers_own(loaded, tmp_path):
    frozen, x = fastnn.freeze(Shares()), np.arange(8, dtype=np.float32).reshape(2, 4)
    frozen(x)
    if loaded:
        frozen.save(tmp_path / "frozen.safetensors")
        frozen = fastnn.load_frozen(tmp_path / "frozen.safetensors")
    before = leaves(frozen(x.copy()))
    kept = [each.copy() for each in before]
    for i, each in enumerate(before):
        each[...] = -7
        for j, other in enumerate(before[i + 1 :], i + 1):
            np.testing.assert_array_equal(other, kept[j])
    for got, expected in zip(leaves(frozen(x)), kept, strict=True):
        np.testing.assert_array_equal(got, expected)
    for each in leaves(frozen(x)):
        each[...] = -7
    np.testing.assert_array_equal(x, np.arange(8).reshape(2, 4))
