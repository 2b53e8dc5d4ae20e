"""Many forks, pools of every kind, nested parallelism, signals, other interpreters."""

import concurrent.futures
import multiprocessing
import os
import signal
import sys
import threading
import time

import numpy as np
import pytest
import scripts

import fastnn
from fastnn import nn

forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
SEEDING = threading.Lock()
X = np.linspace(-5, 5, 300_000).astype(np.float32)


def python(code, **environment):
    return scripts.python("-W", "ignore", "-c", code, **environment).split()


THOUSAND = """if True:
    import os, numpy as np, fastnn
    x = np.linspace(-5, 5, 300_000).astype(np.float32)
    expected = fastnn.gelu(x).tobytes()
    bad = 0
    for _ in range(1000):
        pid = os.fork()
        if pid == 0:
            os._exit(fastnn.gelu(x).tobytes() != expected)
        bad += os.waitpid(pid, 0)[1] != 0
    print(bad, fastnn.gelu(x).tobytes() == expected)"""


@forks
def test_a_thousand_forks():
    assert python(THOUSAND, FASTNN_NUM_THREADS="2") == ["0", "True"]


FROM_A_THREAD = """if True:
    import os, threading, numpy as np, fastnn
    x = np.linspace(-5, 5, 300_000).astype(np.float32)
    expected = fastnn.gelu(x).tobytes()
    seen = []
    def work():
        fastnn.gelu(x)
        for depth in range(20):
            pid = os.fork()
            if pid == 0:  # and the child forks again
                inner = os.fork()
                if inner == 0:
                    os._exit(fastnn.gelu(x).tobytes() != expected)
                os._exit(os.waitpid(inner, 0)[1] != 0 or fastnn.gelu(x).tobytes() != expected)
            seen.append(os.waitpid(pid, 0)[1])
    threads = [threading.Thread(target=work) for _ in range(3)]
    for t in threads: t.start()
    for t in threads: t.join()
    print(len(seen), sum(s != 0 for s in seen))"""


@forks
def test_forks_from_worker_threads():
    assert python(FROM_A_THREAD, FASTNN_NUM_THREADS="2") == ["60", "0"]


def train(seed):
    """Weights after a few steps, as bytes."""
    with SEEDING:  # the generator that starts the weights is the process's
        fastnn.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(20, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Dropout(0.3, rng=seed), nn.Linear(64, 3)
        )
    optimizer = fastnn.optim.Adam(model.parameters())
    rng = np.random.default_rng(seed)
    for _ in range(5):
        optimizer.zero_grad()
        fastnn.cross_entropy(model(rng.normal(size=(256, 20)).astype(np.float32)), rng.integers(0, 3, 256)).backward()
        optimizer.step()
    return b"".join(value.tobytes() for value in model.state_dict().values())


@forks
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_training_in_pools(method):
    fastnn.gelu(X)
    expected = [train(seed) for seed in range(4)]
    with multiprocessing.get_context(method).Pool(2) as pool:
        assert pool.map(train, range(4)) == expected


def test_training_in_threads():
    """Each thread has a tape of its own; layers with an rng draw from that."""
    expected = [train(seed) for seed in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            assert list(pool.map(train, range(8))) == expected


@linux
def test_no_more_threads_than_callers_and_the_team():
    code = """if True:
        import concurrent.futures, os, numpy as np, fastnn
        x = np.linspace(-5, 5, 500_000).astype(np.float32)
        count = lambda: len(os.listdir('/proc/self/task'))
        start = count()
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            most = max(pool.map(lambda _: (fastnn.gelu(x), count())[1], range(200)))
        print(most - start)"""
    (extra,) = python(code, FASTNN_NUM_THREADS="2", OPENBLAS_NUM_THREADS="1")
    assert int(extra) <= 8 + 1


def test_joblib_s_workers_have_one_thread_each():
    joblib = pytest.importorskip("joblib")
    code = """if True:
        import multiprocessing, os, joblib, numpy as np, fastnn
        if 'fork' in multiprocessing.get_all_start_methods():  # others cannot find a function of this program
            multiprocessing.set_start_method('fork')
        x = np.linspace(-5, 5, 300_000).astype(np.float32)
        def work(i):
            import fastnn
            return fastnn.get_num_threads(), fastnn.gelu(x).tobytes()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()
        for backend in ('loky', 'multiprocessing'):
            with joblib.parallel_config(backend=backend, n_jobs=cores, **({'inner_max_num_threads': 1} if backend == 'loky' else {})):
                found = joblib.Parallel()(joblib.delayed(work)(i) for i in range(2 * cores))
            print(len({y for _, y in found}), max(n for n, _ in found) if backend == 'loky' else 1)
        plain = joblib.Parallel(n_jobs=cores)(joblib.delayed(work)(i) for i in range(2 * cores))
        print(max(n for n, _ in plain))"""
    assert joblib.__version__
    assert python(code) == ["1", "1", "1", "1", "1"]


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="no signals to one thread on this system")
def test_an_interrupt_during_a_call_comes_after_it():
    """Another thread sends the signal as soon as the call has written its first result."""
    main = threading.main_thread()
    if threading.current_thread() is not main:
        pytest.skip("signals reach the main thread alone")
    x = np.full(4_000_000, 2.0, np.float32)
    y = np.zeros_like(x)

    def stop(number, frame):
        raise KeyboardInterrupt

    def interrupt():
        while not y[0]:
            pass
        signal.pthread_kill(main.ident, signal.SIGUSR1)

    def call():
        with fastnn.threads(1):
            fastnn.mish(x, out=y)
        time.sleep(60)  # a signal that came late ends this instead

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        for _ in range(3):
            y[:] = 0
            sender = threading.Thread(target=interrupt, daemon=True)
            sender.start()
            with pytest.raises(KeyboardInterrupt):
                call()
            sender.join()
            np.testing.assert_array_equal(y, fastnn.mish(x))  # the call was whole
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_second_interpreter_is_refused_cleanly():
    try:
        import _interpreters  # noqa: F401
    except ImportError:
        pytest.importorskip("_xxsubinterpreters")
    code = """if True:
        import fastnn, numpy
        try:
            import _interpreters as sub
        except ImportError:
            import _xxsubinterpreters as sub
        number = sub.create()
        text = '''try:
    import fastnn
    print('imported')
except ImportError as error:
    print('refused')
'''
        run = sub.run_string if hasattr(sub, 'run_string') else sub.exec
        run(number, text)
        print(fastnn.relu(numpy.ones(3)).sum())"""
    first, last = python(code)[-2:]
    assert first in ("refused", "imported")
    assert last == "3.0"


@linux
def test_affinity_is_honoured():
    code = """if True:
        import os
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import fastnn
        print(fastnn.get_num_threads(), 'affinity' in str(fastnn.show_config()))"""
    assert python(code) == ["1", "True"]
