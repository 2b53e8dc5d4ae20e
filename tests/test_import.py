"""Modules that `import fastnn` loads, those that it loads later, and its errors where it cannot work."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import python

import fastnn

PACKAGE = Path(fastnn.__file__).parent
LOADED = """if True:
    import sys, numpy
    before = set(sys.modules)
    import fastnn
    fastnn.gelu(numpy.ones(3))
    print(*sorted(set(sys.modules) - before))"""


def test_import_loads_few_modules():
    """Each module costs a start some tenths of a millisecond; one that is needed later can be imported there."""
    loaded = python("-c", LOADED).split()
    own = [name for name in loaded if name.startswith("fastnn")]
    others = {name for name in loaded if name not in own and not name.startswith(("_cython", "cython_runtime"))}
    machinery = {"importlib", "importlib._bootstrap", "importlib._bootstrap_external"}  # most Pythons start with it
    assert others - machinery <= {"__future__", "threading"}
    assert len(own) <= 32, own
    parts = {name.split(".")[1] for name in own if "." in name}
    later = "data distributed graph inference io metrics models nn optim plot sklearn tables training"
    assert not parts & set(later.split())


def test_without_docstrings():
    """Python's -OO leaves them out, also those that other docstrings are made of."""
    code = "from fastnn import data, graph, nn, optim, training; print(nn.Conv2d.__doc__, nn.ReLU.__doc__, optim.Adam.__doc__)"
    assert python("-OO", "-c", code) == "None None None\n"


def test_every_name_that_comes_later_comes():
    code = """if True:
        import fastnn
        names = [name for name in fastnn.__all__ if name not in vars(fastnn)]
        assert set(names) <= set(dir(fastnn)), names
        print(*names)
        print(*(getattr(fastnn, name).__name__ for name in names if name != 'sklearn'))"""
    names, found = (line.split() for line in python("-c", code).splitlines())
    assert {"nn", "optim", "inference", "freeze", "load", "save", "Trainer", "detect_anomaly"} <= set(names)
    expected = [name for name in names if name != "sklearn"]
    assert [name.removeprefix("fastnn.") for name in found] == expected


def test_a_name_that_is_none():
    with pytest.raises(AttributeError, match="module 'fastnn' has no attribute 'gelo'"):
        fastnn.gelo  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'gelo'"):
        from fastnn import gelo  # noqa: F401


def test_threads_may_import_what_comes_later_at_once():
    code = """if True:
        import threading, fastnn
        found, start = [], threading.Barrier(8)
        def work(i):
            start.wait()
            found.append((fastnn.freeze, fastnn.nn.Linear, fastnn.optim.Adam)[i % 3])
        threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
        for each in threads: each.start()
        for each in threads: each.join()
        print(len(found), len(set(found)))"""
    assert python("-c", code) == "8 3\n"


# -- threadpoolctl, which is entered when somebody imports it ---------------------------------------------------------

ENTERED = "print([lib['num_threads'] for lib in threadpoolctl.threadpool_info() if lib['user_api'] == 'fastnn'])"


@pytest.mark.parametrize("order", ["fastnn, threadpoolctl", "threadpoolctl, fastnn"])
def test_threadpoolctl_knows_the_team_whoever_comes_first(order):
    pytest.importorskip("threadpoolctl")
    code = f"import {order}\nfastnn.set_num_threads(3)\n{ENTERED}\nimport threadpoolctl; {ENTERED}"
    assert python("-c", code) == "[3]\n[3]\n"


def test_an_older_threadpoolctl_is_left_alone(tmp_path):
    (tmp_path / "threadpoolctl.py").write_text("threadpool_info = list")
    code = "import fastnn, threadpoolctl; print(threadpoolctl.threadpool_info())"
    assert python("-c", code, PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path])) == "[]\n"


def test_without_threadpoolctl():
    code = """if True:
        import sys, fastnn
        sys.meta_path[:] = [each for each in sys.meta_path if 'fastnn' in type(each).__module__]
        assert len(sys.meta_path) == 1
        try:
            import threadpoolctl
        except ModuleNotFoundError as error:
            print(error)"""
    assert python("-c", code) == "No module named 'threadpoolctl'\n"


# -- where there is nothing compiled ----------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path):
    """The package's Python files alone, as in a clone."""
    shutil.copytree(PACKAGE, tmp_path / "clone/fastnn", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__", "_core.c"))  # fmt: skip
    (tmp_path / "clone/src_c").mkdir()
    return tmp_path / "clone"


def refused(tree):
    """The last line of an import there; without site's packages, whose editable installs would step in."""
    numpy = Path(sys.modules["numpy"].__file__).parent.parent
    path = os.pathsep.join([str(tree), str(numpy)])
    done = subprocess.run([sys.executable, "-S", "-c", "import fastnn"], env=os.environ | {"PYTHONPATH": path}, cwd=tree, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 1
    assert "circular import" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_in_a_clone(tree):
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    expected = (
        f"ImportError: fastnn: {tree} is the source tree, where nothing is compiled for this Python {version}; start "
        "Python in another folder to import an installed fastnn, or run 'pip install -e .' in this one"
    )
    assert refused(tree) == expected
    (tree / "fastnn/_core.cpython-27-none.so").touch()
    assert refused(tree) == expected.replace(version, version + " (only _core.cpython-27-none.so)")


def test_an_installation_for_another_python(tree):
    (tree / "src_c").rmdir()
    (tree / "fastnn/_core.cpython-27-none.so").touch()
    assert "has no compiled part for this Python" in refused(tree)
    assert "install fastnn-cpu for this Python again" in refused(tree)


def test_a_compiled_part_that_cannot_be_loaded(tree):
    from importlib.machinery import EXTENSION_SUFFIXES

    (tree / f"fastnn/_core{EXTENSION_SUFFIXES[0]}").write_bytes(b"\x7fELF")
    assert f"cannot load the compiled part in {tree / 'fastnn'}" in refused(tree)
