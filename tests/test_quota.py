"""A real control group with a quota of processor time, and the other processes in it: no more threads than it grants."""

import contextlib
import json
import os
import subprocess
import sys

import pytest
from control_group import NoControlGroups, control_group, entering

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="control groups are Linux's")


@pytest.fixture
def group():
    """A function that runs Python code in a group of its own with a quota of one processor; it returns what it printed."""
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(control_group(1))
        except NoControlGroups as error:
            pytest.skip(str(error))

        def run(code, **environment):
            keep = {k: v for k, v in os.environ.items() if not k.startswith(("FASTNN_", "OMP_"))}
            done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], preexec_fn=entering(folder), env=keep | environment, capture_output=True, text=True, timeout=240)  # fmt: skip
            assert done.returncode == 0, done.stderr
            return done.stdout.strip()

        yield run


THREADS = """if True:
    import json, os, numpy as np, fastnn
    x = np.linspace(-5, 5, 500_000).astype(np.float32)
    for _ in range(20):
        fastnn.gelu(x)
    print(json.dumps([fastnn.get_num_threads(), 'CPU quota of 1' in str(fastnn.show_config()), len(os.listdir('/proc/self/task'))]))"""


def test_a_quota_of_one_processor_means_one_thread(group):
    threads, said, tasks = json.loads(group(THREADS, OPENBLAS_NUM_THREADS="1"))
    if len(os.sched_getaffinity(0)) > 1:
        assert said
    assert (threads, tasks) == (1, 1)
    threads, said, _ = json.loads(group(THREADS, FASTNN_NUM_THREADS="2", OPENBLAS_NUM_THREADS="1"))
    assert (threads, said) == (2, False)  # the caller's word counts


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_under_the_quota_have_one_thread_each(group, method, tmp_path):
    program = tmp_path / "workers.py"
    program.write_text(f"""
import multiprocessing, os, numpy as np, fastnn
def work(i):
    fastnn.gelu(np.linspace(-5, 5, 500_000).astype(np.float32))
    return fastnn.get_num_threads(), len(os.listdir('/proc/self/task'))
if __name__ == '__main__':
    with multiprocessing.get_context('{method}').Pool(2) as pool:
        print(max(pool.map(work, range(4))))
""")
    run = f"import runpy, sys; sys.argv = [{str(program)!r}]; runpy.run_path({str(program)!r}, run_name='__main__')"
    if method == "spawn":  # whose children import the program by its name
        run = f"import subprocess, sys; subprocess.run([sys.executable, {str(program)!r}], check=True)"
    assert group(run, OPENBLAS_NUM_THREADS="1") == "(1, 1)"


def test_beside_pytorch_under_the_quota(group):
    """PyTorch takes as many threads as there are processors, whatever the quota; fastnn's number does not follow it."""
    pytest.importorskip("torch")
    code = """if True:
        import torch, numpy as np, fastnn
        torch.ones(1000, 1000) @ torch.ones(1000, 1000)
        print(fastnn.get_num_threads())"""
    assert group(code) == "1"


def test_joblib_s_workers_under_the_quota(group):
    pytest.importorskip("joblib")
    code = """if True:
        import joblib, fastnn
        def work(i):
            import fastnn
            return fastnn.get_num_threads()
        print(joblib.cpu_count(), max(joblib.Parallel(n_jobs=2)(joblib.delayed(work)(i) for i in range(4))))"""
    assert group(code).split()[1] == "1"
