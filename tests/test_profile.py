"""fastnn.profile writes down exactly the calls of a block: how often, how long, how much, on how many threads, and why."""

import json
import threading

import numpy as np
import pytest

import fastnn
from fastnn import _core, nn
from fastnn._profile._events import Event, nested, size_of
from fastnn._profile._table import limits


def normal(*shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


@pytest.fixture(autouse=True)
def two_threads():
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(2)
    yield
    fastnn.set_num_threads(before)
    assert (_core.observers, _core.mode.observer, _core.mode.origin, _core.log_read(0)) == ([], None, None, 0)


@pytest.fixture
def model():
    fastnn.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.Sequential(nn.ReLU(), nn.Linear(16, 16)), nn.Linear(16, 3))


def counted(prof, by="call"):
    return {(row.name, row.module): row.calls for row in prof.rows(by)}


def operations(prof):
    found = {}
    for row in prof.rows("name"):
        if row.operations and row.kind != "module":
            found[row.name] = row.operations
    return found


def test_a_training_step_is_counted(model):
    optimizer = fastnn.optim.Adam(model.parameters())
    x, t = normal(32, 8), np.arange(32) % 3
    with fastnn.profile() as prof:
        for _ in range(3):
            optimizer.zero_grad()
            fastnn.cross_entropy(model(x) * 2, t).backward()
            optimizer.step()
    assert counted(prof) == {
        ("Sequential", ""): 3, ("Linear", "0"): 3, ("linear", "0"): 3, ("Sequential", "1"): 3, ("ReLU", "1.0"): 3,
        ("relu", "1.0"): 3, ("Linear", "1.1"): 3, ("linear", "1.1"): 3, ("Linear", "2"): 3, ("linear", "2"): 3,
        ("np.multiply", ""): 3, ("cross_entropy", ""): 3, ("cross_entropy backward", ""): 3,
        ("np.multiply backward", ""): 3, ("linear backward", "2"): 3, ("linear backward", "1.1"): 3,
        ("relu backward", "1.0"): 3, ("linear backward", "0"): 3, ("Adam.step", ""): 3,
    }  # fmt: skip
    assert counted(prof, "name")["linear", ""] == 9
    sizes = 8 * 16 + 16 * 16 + 16 * 3
    assert operations(prof) == {"linear": 3 * 2 * 32 * sizes, "linear backward": 3 * 2 * 32 * (2 * sizes - 8 * 16)}


def test_times(model):
    with fastnn.profile() as prof:
        for _ in range(2):
            model(normal(64, 8)).sum().backward()
    rows = prof.rows()
    assert all(0 < row.own <= row.total for row in rows)
    assert all(row.kernel <= row.total for row in rows)
    assert 0 < sum(row.own for row in rows) < prof.seconds
    outer = next(row for row in rows if (row.name, row.module) == ("Sequential", ""))
    inner = [row for row in rows if row.name in ("Linear",) or (row.name, row.module) == ("Sequential", "1")]
    assert outer.total == pytest.approx(outer.own + sum(row.total for row in inner if row.module != "1.1"), rel=1e-9)


def padded_conv():
    return nn.Conv2d(4, 6, 3, padding=1, groups=2), normal(2, 4, 8, 9)


def attention():
    class Attention(nn.Module):
        def forward(self, q):
            return fastnn.scaled_dot_product_attention(q, normal(2, 3, 7, 4), normal(2, 3, 7, 5))

    return Attention(), normal(2, 3, 6, 4)


# a module and its input; operations of the forward pass, and of the way back to parameters alone and to all
COUNTED = {
    "linear": (lambda: (nn.Linear(5, 7), normal(3, 4, 5)), 2 * 12 * 5 * 7, (1, 2)),
    "double": (lambda: (nn.Linear(5, 7), normal(3, 4, 5, dtype=np.float64)), 2 * 12 * 5 * 7, (1, 2)),
    "conv2d": (padded_conv, 2 * 2 * 6 * 72 * 2 * 9, (1, 2)),
    "lstm": (lambda: (nn.LSTM(5, 8), normal(6, 3, 5)), 2 * 18 * 32 * (5 + 8), None),
    "gru": (lambda: (nn.GRU(5, 8), normal(6, 3, 5)), 2 * 18 * 24 * (5 + 8), None),
    "attention": (attention, 2 * 6 * 6 * 7 * (4 + 5), (None, (3 * 4 + 2 * 5) / 9)),
}


@pytest.mark.parametrize("name", COUNTED)
def test_operations_are_those_of_the_formula(name):
    make, forward, back = COUNTED[name]
    module, x = make()
    module.to(x.dtype)

    def total(kind):
        return sum(row.operations for row in prof.rows() if row.kind == kind)

    def first(y):
        return y[0] if isinstance(y, tuple) else y

    for tracked in (False, True):
        with fastnn.profile() as prof:
            first(module(fastnn.tensor(x, requires_grad=True) if tracked else x))
        assert total("forward") == forward
        if back is None or back[tracked] is None:
            continue
        with fastnn.profile() as prof:
            first(module(fastnn.tensor(x, requires_grad=True) if tracked else x)).sum().backward()
        assert total("backward") == round(back[tracked] * forward)
        outer = next(row for row in prof.rows() if row.kind == "module")
        assert outer.operations == forward


@pytest.mark.parametrize("name", ["Linear", "Conv2d"])
def test_operations_are_pytorchs(name):
    torch = pytest.importorskip("torch")
    flops = pytest.importorskip("torch.utils.flop_counter")
    given, x = ((5, 7), normal(3, 4, 5)) if name == "Linear" else ((4, 6, 3, 1, 1), normal(2, 4, 8, 9))
    with flops.FlopCounterMode(display=False) as counter:
        getattr(torch.nn, name)(*given)(torch.from_numpy(x).requires_grad_()).sum().backward()
    with fastnn.profile() as prof:
        getattr(nn, name)(*given)(fastnn.tensor(x, requires_grad=True)).sum().backward()
    assert sum(operations(prof).values()) == counter.get_total_flops()


def test_bytes():
    x, y = normal(10, 4), np.empty((10, 4), np.float32)
    tracked = fastnn.tensor(x, requires_grad=True)
    with fastnn.profile() as prof:
        fastnn.relu(x)
        fastnn.gelu(x, out=y)
        fastnn.softmax(x, -1)
        np.add(tracked, 1.0)
        fastnn.sigmoid(tracked).backward(x)
    assert {row.name: row.bytes for row in prof.rows()} == {
        "relu": 320, "gelu": 320, "softmax": 320, "np.add": 320, "sigmoid": 320,
        "sigmoid backward": 480,
    }  # fmt: skip
    assert size_of([x, {"a": (x, tracked)}], None, 3) == 2 * 160  # a Tensor has an array of its own


def test_why_calls_ran_on_one_thread():
    big, row = normal(400, 500), normal(1, 3)
    with fastnn.profile() as prof:
        fastnn.softmax(row, -1)
        fastnn.log_softmax(row.repeat(100, 0), -1)
        with fastnn.threads(1):
            fastnn.gelu(big)
        fastnn.embedding(np.zeros(3, int), big)
    took = {row.name: row.took for row in prof.rows()}
    assert took["softmax"] == "1 one row"
    assert took["log_softmax"] == "1 small"
    assert took["gelu"] == "1 limit"
    fastnn.set_num_threads(3)
    with fastnn.profile() as prof:
        for _ in range(20):
            fastnn.gelu(big.repeat(10, 0))
    (found,) = prof.rows()
    assert sum(found.threads.values()) == 20
    assert {number for number, _ in found.threads} <= {1, 2, 3}
    assert all(why in ("", "late") for _, why in found.threads)
    assert any(number > 1 for number, _ in found.threads)


def test_frozen_models(model):
    residual = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.BatchNorm1d(16), nn.Linear(16, 3), nn.Tanh())
    for each, expected in (
        (model, {("linear + relu", "0"): 8 * 16, ("linear", "1.1"): 16 * 16, ("linear", "2"): 16 * 3}),
        (residual, {("linear + relu", "0"): 8 * 16, ("batch_norm", "2"): 0, ("linear + tanh", "3"): 16 * 3}),
    ):
        frozen = fastnn.freeze(each)
        frozen(normal(2, 8))
        with fastnn.profile() as prof:
            for n in (5, 1):
                frozen(normal(n, 8))
        steps = {(row.name, row.module): row.operations for row in prof.rows() if row.kind == "step"}
        assert steps == {key: 2 * 6 * value for key, value in expected.items()}
        (call,) = [row for row in prof.rows() if row.kind == "forward"]
        assert (call.name, call.calls, call.operations) == ("frozen Sequential", 2, sum(steps.values()))
        assert 0 < call.own < call.total


def test_steps_of_a_batch_that_threads_share(model, tmp_path):
    frozen = fastnn.freeze(model)
    x = normal(40_000, 8)
    frozen(x)
    with fastnn.profile() as prof:
        frozen(x)
    steps = [row for row in prof.rows() if row.kind == "step"]
    assert [row.calls for row in steps] == [1, 1, 1]
    assert sum(row.operations for row in steps) == 2 * 40_000 * (8 * 16 + 16 * 16 + 16 * 3)
    assert sum(row.total for row in steps) <= prof.seconds
    check_trace(prof, tmp_path)


def test_a_saved_frozen_model_knows_its_modules(model, tmp_path):
    frozen = fastnn.freeze(model)
    frozen(normal(2, 8))
    frozen.save(tmp_path / "model.safetensors")
    loaded = fastnn.load_frozen(tmp_path / "model.safetensors")
    with fastnn.profile() as prof:
        loaded(normal(2, 8))
    assert ("linear", "1.1") in counted(prof)


def check_trace(prof, folder):
    prof.save_trace(folder / "trace.json")
    found = json.loads((folder / "trace.json").read_text())["traceEvents"]
    spans = {}
    for each in found:
        if each["ph"] == "X":
            spans.setdefault(each["tid"], []).append((each["ts"], -each["dur"], each["name"]))
    assert {each["tid"] for each in found if each["ph"] == "M"} == set(spans)
    for thread in spans.values():
        stack = []
        for begin, minus, _ in sorted(thread):
            while stack and stack[-1] <= begin:
                stack.pop()
            assert not stack or begin - minus <= stack[-1] + 1e-3
            stack.append(begin - minus)
    return spans


def test_a_trace_nests(model, tmp_path):
    with fastnn.profile() as prof:
        model(normal(4, 8)).sum().backward()
    (thread,) = check_trace(prof, tmp_path).values()
    names = [name for _, _, name in thread]
    assert {"Sequential", "linear", "linear backward", "product"} <= set(names)
    assert len(names) == len(prof.events)


def test_nothing_is_left_on_after_an_error(model):
    with pytest.raises(ValueError, match="expected"), fastnn.profile() as prof:
        model(normal(4, 9))
    assert counted(prof) == {("Sequential", ""): 1, ("Linear", "0"): 1, ("linear", "0"): 1}
    before = len(prof.events)
    model(normal(4, 8))
    assert len(prof.events) == before
    with prof:
        fastnn.relu(normal(3))
    assert counted(prof)["relu", ""] == 1
    with prof, pytest.raises(RuntimeError, match="running already"):
        prof.__enter__()


def test_one_inside_another(model):
    with fastnn.profile() as outer:
        fastnn.relu(normal(3))
        with fastnn.profile() as inner:
            model(normal(4, 8))
        with fastnn.detect_anomaly(), pytest.raises(fastnn.AnomalyError):
            fastnn.gelu(normal(3) * np.nan)
    assert ("relu", "") not in counted(inner)
    assert counted(outer) == {**counted(inner), ("relu", ""): 1, ("gelu", ""): 1}
    assert operations(outer) == operations(inner)


def test_other_threads_are_not_looked_at(model):
    def work(found):
        fastnn.relu(normal(3))
        with fastnn.profile() as prof:
            fastnn.gelu(normal(3))
        found.append(counted(prof))

    found = []
    with fastnn.profile() as prof:
        threads = [threading.Thread(target=work, args=(found,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fastnn.tanh(normal(3))
    assert found == [{("gelu", ""): 1}] * 3
    assert counted(prof) == {("tanh", ""): 1}


def test_results_are_the_same(model):
    x = normal(32, 8)
    lstm = nn.LSTM(8, 4, bidirectional=True)
    plain = model(x).numpy(), lstm(x)[0].numpy()
    with fastnn.profile():
        profiled = model(x).numpy(), lstm(x)[0].numpy()
        with fastnn.no_grad():
            np.testing.assert_array_equal(lstm(x)[0], plain[1])
    for a, b in zip(plain, profiled, strict=True):
        np.testing.assert_array_equal(a, b)


def test_calls_of_twins_and_of_a_function_of_the_users_own():
    class Double(fastnn.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return fastnn.linear(x, 2 * np.eye(3))

        @staticmethod
        def backward(ctx, dy):
            return 2 * dy

    with fastnn.profile() as prof:
        fastnn.relu_backward(normal(3), normal(3))
        Double.apply(fastnn.tensor(np.ones((2, 3)), requires_grad=True)).sum().backward()
    assert counted(prof) == {
        ("activation_backward", ""): 1, ("Double", ""): 1, ("np.sum", ""): 1, ("np.sum backward", ""): 1,
        ("Double backward", ""): 1,
    }  # fmt: skip
    assert operations(prof) == {"Double": 36}


def test_the_table_and_the_dict(model):
    with fastnn.profile() as prof:
        model(normal(64, 8))
        model(normal(64, 8))
    lines = str(prof).splitlines()
    assert lines[0].strip().startswith("module  calls")
    assert lines[0].endswith("GB/s  GFLOP/s  limit  threads")
    assert len(lines) == 1 + 10 + 2
    assert "GB/s" in lines[-1]
    assert prof.table(sort="total").splitlines()[1].startswith("Sequential")
    few = prof.table(sort="operations", by="name", rows=2).splitlines()
    assert len(few) == 1 + 2 + 1 + 2
    assert few[3] == "... and 3 rows more"
    found = json.loads(json.dumps(prof.to_dict()))
    assert found["seconds"] == prof.seconds
    assert found["limits"] == limits()
    assert all(value > 1e8 for value in limits().values())
    assert {row["name"] for row in found["rows"]} == {"Sequential", "Linear", "linear", "ReLU", "relu"}
    assert all(row["limit"] is None or row["limit"] > 0 for row in found["rows"])
    for wrong in ({"sort": "name"}, {"by": "module"}):
        with pytest.raises(ValueError, match="table: expected"):
            prof.table(**wrong)
    assert repr(prof).startswith(f"Profile({len(prof.events)} events")
    assert str(fastnn.profile()).splitlines()[-2].startswith("0 us in all")


def test_own_time_is_what_the_inner_calls_leave():
    def event(kind, begin, end, **more):
        return Event(kind, kind, ("", ""), begin, end, **more)

    (outer,) = nested([
        event("forward", 10, 60), event("kernel", 20, 50), event("module", 0, 100), event("kernel", 70, 80),
        event("kernel", 75, 95, thread=1, share=0.5),
    ])  # fmt: skip
    assert [each.kind for each in outer.inner] == ["forward", "kernel", "kernel"]
    assert outer.own * 1e9 == pytest.approx(100 - 50 - 10 - 10)
    assert outer.inner[0].own * 1e9 == pytest.approx(50)


def test_onnx_models(model, tmp_path):
    import fastnn.onnx

    fastnn.onnx.save(model, tmp_path / "model.onnx", normal(2, 8))
    loaded = fastnn.onnx.load(tmp_path / "model.onnx")
    loaded(normal(5, 8))
    with fastnn.profile() as prof:
        loaded(normal(5, 8))
        loaded.run(None, {loaded.inputs[0].name: normal(5, 8)})
    assert counted(prof) == {("onnx model", ""): 2, ("linear + relu", ""): 2, ("linear", ""): 4}
    for one in (loaded.profile(normal(3, 8)), loaded.profile(input=normal(3, 8)), loaded.profile()):
        assert counted(one) == {("onnx model", ""): 1, ("linear + relu", ""): 1, ("linear", ""): 2}
    with pytest.raises(TypeError, match="'x' is no input"):
        loaded.profile(x=normal(3, 8))
    assert sum(operations(prof).values()) == 2 * 2 * 2 * 5 * (
        8 * 16 + 16 * 16 + 16 * 3
    )  # the call has those of its steps
