"""Thread numbers, the team, fork, quota, many callers, neighbours."""

import concurrent.futures
import multiprocessing
import os
import sys
import threading
import time

import numpy as np
import pytest
import scripts

import fastnn
from fastnn import _core, _threads

BIG = 2_000_000
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")


@pytest.fixture
def two_threads():
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(2)
    yield
    fastnn.set_num_threads(before)


def os_threads():
    return len(os.listdir("/proc/self/task"))


def python(code, **environment):
    return scripts.python("-c", code, **environment).split()


def test_numbers():
    before = fastnn.get_num_threads()
    fastnn.set_num_threads(3)
    assert fastnn.get_num_threads() == 3
    with fastnn.threads(7):
        assert fastnn.get_num_threads() == 7
        with fastnn.threads(1):
            assert fastnn.get_num_threads() == 1
        assert fastnn.get_num_threads() == 7
        seen = []
        thread = threading.Thread(target=lambda: seen.append(fastnn.get_num_threads()))
        thread.start()
        thread.join()
        assert seen == [3]  # the limit belongs to the thread that set it
    assert fastnn.get_num_threads() == 3
    fastnn.set_num_threads(before)
    for wrong, error in (
        (0, ValueError),
        (257, ValueError),
        (-1, ValueError),
        (1.5, TypeError),
        ("2", TypeError),
        (True, TypeError),
    ):
        with pytest.raises(error, match="set_num_threads: expected n"):
            fastnn.set_num_threads(wrong)
        with pytest.raises(error, match="threads: expected n"), fastnn.threads(wrong):
            pass
    assert fastnn.get_num_threads() == before


def test_order_of_authority():
    code = "import fastnn; from fastnn import _threads; print(fastnn.get_num_threads(), _threads.reason().replace(' ', '_'))"
    assert python(code, FASTNN_NUM_THREADS="5", OMP_NUM_THREADS="3") == ["5", "FASTNN_NUM_THREADS"]
    assert python(code, OMP_NUM_THREADS="3,2") == ["3", "OMP_NUM_THREADS"]
    assert python("import fastnn; fastnn.set_num_threads(4); " + code, OMP_NUM_THREADS="3") == ["4", "set_num_threads"]
    if hasattr(os, "sched_setaffinity"):
        number, reason = python("import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + code)
        assert (number, reason) == ("1", "CPU_affinity")


def fake_tree(root, groups, files):
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 1.5),
        ("0::/\n", {"cpu.max": "max 100000\n"}, None),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "a/cpu.max": "50000 100000\n"}, 0.5),
        ("0::/a\n", {"a/cpu.max": "400000 100000\n", "cpu.max": "200000 100000\n"}, 2.0),
        ("0::/outside/of/the/mount\n", {"cpu.max": "100000 100000\n"}, 1.0),
        (
            "4:cpu,cpuacct:/a\n0::/\n",
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "250000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"},
            2.5,
        ),
        ("4:cpu:/a\n", {"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, None),
        ("4:memory:/a\n", {"cpu/a/cpu.cfs_quota_us": "100000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, None),
        ("nonsense\n", {"cpu.max": "what is this\n"}, None),
        ("0::/\n", {"cpu.max": "100000 0\n"}, None),
    ],
)
def test_container_quota(tmp_path, groups, files, quota, monkeypatch):
    fake_tree(tmp_path, groups, files)
    assert _threads.cpu_quota(tmp_path) == quota
    for variable in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    number, reason = _threads.default_num_threads(tmp_path)
    assert number == (8 if quota is None else max(1, int(quota)))
    assert reason == ("CPU affinity" if quota is None else f"CPU quota of {quota:g}")


def test_threadpoolctl_sees_and_limits_us():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    fastnn.set_num_threads(2)

    def ours():
        return [lib for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "fastnn"]

    (lib,) = ours()
    assert (lib["num_threads"], lib["threading_layer"], lib["architecture"]) == (2, _core.team(), fastnn.isa())
    for limits in (1, {"fastnn": 1}):
        with threadpoolctl.threadpool_limits(limits):
            assert fastnn.get_num_threads() == 1
            assert "threadpoolctl" in fastnn.show_config()
        assert fastnn.get_num_threads() == 2


def test_no_quota_without_files(tmp_path):
    assert _threads.cpu_quota(tmp_path) is None


@linux
def test_workers_start_late_and_stay_few():
    code = """if True:
        import os, numpy as np, fastnn
        count = lambda: len(os.listdir('/proc/self/task'))
        start = count()
        fastnn.relu(np.ones(100)); print(count() - start)
        fastnn.relu(np.ones(2_000_000)); print(count() - start)
        with fastnn.threads(1): fastnn.relu(np.ones(2_000_000))
        print(count() - start)
        fastnn.set_num_threads(7)
        for _ in range(50): fastnn.relu(np.ones(2_000_000))
        print(count() - start)"""
    assert python(code, FASTNN_NUM_THREADS="2", OPENBLAS_NUM_THREADS="1") == ["0", "1", "1", "6"]


@linux
def test_idle_workers_use_no_processor(two_threads):
    fastnn.gelu(np.ones(BIG))
    time.sleep(0.05)
    before = time.process_time()
    time.sleep(0.5)
    assert time.process_time() - before < 0.1


def test_many_callers_share_one_team(two_threads):
    xs = [np.random.default_rng(i).normal(size=300_000).astype(np.float32) for i in range(8)]
    expected = [fastnn.gelu(x) for x in xs]
    before = os_threads() if sys.platform.startswith("linux") else 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(20):
            for y, e in zip(pool.map(fastnn.gelu, xs), expected, strict=True):
                np.testing.assert_array_equal(y, e)
        if before and _core.team() == "own":  # libgomp starts a team for every caller
            assert os_threads() <= before + 8
    assert _core.team_size() <= 6


def test_the_lock_is_released_while_kernels_run():
    """Another Python thread gets on while a kernel runs; tried again, for a busy machine may not let it."""
    x = np.ones(5_000_000, np.float32)
    ticks, stop = [], threading.Event()

    def tick():
        while not stop.is_set():
            ticks.append(time.perf_counter())
            time.sleep(0.0002)

    thread = threading.Thread(target=tick)
    thread.start()
    seen = False
    with fastnn.threads(1):
        for _ in range(200):
            start = time.perf_counter()
            fastnn.gelu(x, out=x)
            end = time.perf_counter()
            seen = any(start < t < end for t in ticks[-100:])
            if seen:
                break
    stop.set()
    thread.join()
    assert seen


def child_result(queue, size):
    queue.put(fastnn.sigmoid(np.linspace(-5, 5, size)).sum())


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_forked_children_compute(two_threads):
    expected = fastnn.sigmoid(np.linspace(-5, 5, BIG)).sum()
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        queue = context.Queue()
        children = [context.Process(target=child_result, args=(queue, BIG)) for _ in range(3)]
        for child in children:
            child.start()
        for _ in children:
            assert queue.get(timeout=60) == expected
        for child in children:
            child.join(60)
            assert child.exitcode == 0
    assert fastnn.sigmoid(np.linspace(-5, 5, BIG)).sum() == expected


FORK_STORM = """if True:
    import os, threading, numpy as np, fastnn
    x = np.linspace(-5, 5, 500_000)
    expected = fastnn.sigmoid(x).sum()
    stop = threading.Event()
    def busy():
        while not stop.is_set(): fastnn.sigmoid(x)
    threads = [threading.Thread(target=busy) for _ in range(2)]
    for t in threads: t.start()
    bad = 0
    for _ in range(60):
        pid = os.fork()
        if pid == 0: os._exit(0 if fastnn.sigmoid(x).sum() == expected else 1)
        bad += os.waitpid(pid, 0)[1] != 0
    stop.set()
    for t in threads: t.join()
    print(bad)"""


@forks
@pytest.mark.parametrize("team", ["own", "openmp"])
def test_forking_while_other_threads_compute(team):
    if team == "openmp" and not scripts.has_openmp():
        pytest.skip("no OpenMP runtime here")
    assert python(FORK_STORM, FASTNN_NUM_THREADS="2", FASTNN_THREADING=team, PYTHONWARNINGS="ignore") == ["0"]


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@forks
def test_other_start_methods(method):
    context = multiprocessing.get_context(method)
    with context.Pool(1) as pool:
        np.testing.assert_array_equal(pool.apply(fastnn.relu, ([-1.0, 2.0],)), [0, 2])


NEIGHBOURS = """if True:
    import numpy as np
    {first}
    {second}
    import torch, fastnn
    a = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
    for _ in range(5):
        y = fastnn.relu(a @ a)
        z = torch.relu(torch.from_numpy(a) @ torch.from_numpy(a)).numpy()
        big = fastnn.gelu(np.repeat(a, 20))
    np.testing.assert_allclose(y, z, rtol=1e-3, atol=1e-3)
    model = torch.nn.Linear(300, 10)
    model(torch.from_numpy(a)).sum().backward()
    print(torch.get_num_threads(), fastnn.get_num_threads())"""


@pytest.mark.parametrize(
    "order", [("import torch", "import fastnn"), ("import fastnn", "import torch")], ids=["torch first", "fastnn first"]
)
def test_beside_pytorch(order):
    pytest.importorskip("torch")
    threads = python("import torch; print(torch.get_num_threads())")
    code = NEIGHBOURS.format(first=order[0], second=order[1])
    assert python(code)[0] == threads[0]
