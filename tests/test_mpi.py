"""Training under mpiexec itself: hashes, a worker that is killed, `fastnn train`."""

import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from shards import trained

from fastnn import distributed

HERE = Path(__file__).parent


@functools.cache
def launcher():
    """mpiexec with its options, of the MPI that mpi4py uses; None where there is none."""
    if importlib.util.find_spec("mpi4py") is None:
        return None
    code = "from mpi4py import MPI; print(MPI.Get_library_version())"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    kind = "Open MPI" if "Open MPI" in asked.stdout else "MPICH"
    for path in (str(Path(sys.executable).parent / "mpiexec"), shutil.which("mpiexec")):
        if asked.returncode or path is None or not os.path.exists(path):
            continue
        own = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
        if ("Open MPI" in own or "OpenRTE" in own) if kind == "Open MPI" else "HYDRA" in own:
            root = ["--allow-run-as-root"] if hasattr(os, "getuid") and os.getuid() == 0 else []
            return [path, *(["--oversubscribe", "--bind-to", "none", *root] if kind == "Open MPI" else [])]
    return None


pytestmark = pytest.mark.skipif(launcher() is None, reason="needs mpi4py and the mpiexec of its MPI")


def started(workers, *arguments, threads=1):
    environment = os.environ | {"FASTNN_NUM_THREADS": str(threads)}
    command = [*launcher(), "-n", str(workers), sys.executable, *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finished(process, timeout=240):
    out, err = process.communicate(timeout=timeout)
    return process.returncode, out, err


SHARDS = 16


@pytest.fixture(scope="module")
def alone():
    return {case: trained(case, distributed.local(SHARDS)) for case in ("mixed", "sequence")}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_bits_of_one_worker(alone, workers, threads):
    """After 50 steps with 650 samples in batches of 64."""
    code, out, err = finished(started(workers, HERE / "shards.py", SHARDS, *alone, threads=threads))
    assert code == 0, err
    assert dict(line.split() for line in out.splitlines()) == alone


def test_workers_that_do_not_divide_the_shards():
    code, _, err = finished(started(4, HERE / "shards.py", 2, "mixed"))
    assert code
    assert err.count("expected a number of workers that divides shards=2, got 4 workers") == 4


FAILING = """if True:
    import sys, fastnn
    group = fastnn.distributed.mpi(4)
    if group.rank == 1:
        raise KeyError("only here")
    group.share(None), group._joint.allgather(b"")"""


def test_an_error_of_one_worker_ends_the_job():
    begin = time.monotonic()
    code, _, err = finished(started(2, "-c", FAILING))
    assert code
    assert "KeyError: 'only here'" in err
    assert time.monotonic() - begin < 120


# -- fastnn train -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "table.csv"
    x = np.random.default_rng(0).normal(size=(330, 5))
    rows = [",".join([*(f"{v:.5f}" for v in row), "yes" if row[0] * row[1] > 0 else "no"]) for row in x]
    path.write_text("a,b,c,d,e,y\n" + "\n".join(rows) + "\n")
    return path


def options(table, out, *more):
    return ["-m", "fastnn", "train", "--data", table, "--model", "mlp", "--epochs", "20", "--batch-size", "52", "--layers", "16,8",
            "--patience", "15", "--quiet", "--out", out, *more]  # fmt: skip


def weights(out):
    return (out / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def whole(table, tmp_path_factory):
    """The weights of a training that nothing interrupts, of one worker."""
    out = tmp_path_factory.mktemp("alone")
    subprocess.run([sys.executable, *map(str, options(table, out, "--shards", 8))], check=True, capture_output=True)
    return weights(out)


def test_fastnn_train(table, whole, tmp_path):
    code, out, err = finished(started(2, *options(table, tmp_path)))
    assert code == 0, err
    assert weights(tmp_path) == whole
    assert out.count("2, of 8 shards of each batch") == 1
    assert err.count("330 rows") == 1


def test_a_worker_is_killed_and_others_go_on(table, whole, tmp_path):
    if not Path("/proc/self/environ").exists():
        pytest.skip("looks for the worker in /proc")
    job = started(4, *options(table, tmp_path))
    deadline = time.monotonic() + 120
    while not (tmp_path / "checkpoint.safetensors").exists():
        assert job.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(worker(2, tmp_path), signal.SIGKILL)
    code, _, _ = finished(job, 60)
    assert code
    assert not (tmp_path / "model.safetensors").exists()
    code, _, err = finished(started(2, *options(table, tmp_path, "--resume")))
    assert code == 0, err
    assert weights(tmp_path) == whole


def worker(rank, folder):
    """The process number of a worker of the job that writes to a folder."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, environment = (path / "cmdline").read_bytes(), (path / "environ").read_bytes().split(b"\0")
        except OSError:  # another's, or gone
            continue
        own = {b"OMPI_COMM_WORLD_RANK=%d" % rank, b"PMI_RANK=%d" % rank}
        if os.fsencode(folder) in command and b"fastnn" in command and own & set(environment):
            return int(path.name)
    raise AssertionError(f"found no worker {rank}")


def test_resuming_with_other_shards_is_refused(table, tmp_path):
    code, _, err = finished(started(2, *options(table, tmp_path, "--epochs", "1")))
    assert code == 0, err
    code, _, err = finished(started(2, *options(table, tmp_path, "--epochs", "1", "--shards", "4", "--resume")))
    assert code
    assert f"--resume: the training in {tmp_path} began with --shards 8, not 4" in err


def test_the_mpiexec_of_another_mpi_is_refused(table, tmp_path):
    """Each process would train for itself, and all write to one folder."""
    other = {"PMI_SIZE": "4"} if "--bind-to" in launcher() else {"OMPI_COMM_WORLD_SIZE": "4"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, options(table, tmp_path))],
        env=os.environ | other,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "mpiexec has started 4 processes, of which mpi4py sees 1" in done.stderr
    assert not list(tmp_path.iterdir())
