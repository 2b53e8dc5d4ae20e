"""save and load: round trips, the safetensors library's own readers, damaged files."""

import sys

import numpy as np
import pytest
from safetensors.numpy import load_file

import fastnn
from fastnn import nn


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.safetensors"


def test_round_trip(path):
    model = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    fastnn.save(model.state_dict(), path)
    loaded = fastnn.load(path)
    for reader in (loaded, load_file(path)):
        assert list(reader) == sorted(model.state_dict()) or set(reader) == set(model.state_dict())
        for key, value in model.state_dict().items():
            np.testing.assert_array_equal(reader[key], value)
            assert reader[key].dtype == value.dtype
            assert reader[key].shape == value.shape
    assert all(value.flags.writeable for value in loaded.values())
    other = nn.Sequential(nn.Linear(5, 3), nn.BatchNorm1d(3))
    other.load_state_dict(loaded)
    x = np.ones((4, 5), np.float32)
    np.testing.assert_array_equal(other.eval()(x).numpy(), model.eval()(x).numpy())


def test_kinds_of_arrays(path):
    base = np.arange(12.0).reshape(3, 4)
    state = {"F": np.asfortranarray(base), "gaps": base[::2, ::3], "reversed": base[::-1], "foreign": base.astype(">f8"), "half": base.astype("f2"),
             "scalar": np.array(3, np.int64), "bool": base > 3, "empty": np.zeros((0, 3)), "tensor": fastnn.tensor(base), "parameter": nn.Parameter(base)}  # fmt: skip
    fastnn.save(state, path)
    for key, value in fastnn.load(path).items():
        np.testing.assert_array_equal(value, np.asarray(state[key]))
        assert value.shape == np.asarray(state[key]).shape


def test_a_failed_save_leaves_the_old_file(path):
    fastnn.save({"a": np.ones(1)}, path)
    for wrong in ({"a": object()}, {(1,): np.ones(1)}, {True: 1}, {"a": np.ones(1, complex)}, {"a": [np.array("x")]}):
        with pytest.raises(TypeError, match=r"save: expected (names that are|arrays of numbers)"):
            fastnn.save(wrong, path)
    assert fastnn.load(path)["a"] == [1]
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    with pytest.raises(OSError, match="No such file"):
        fastnn.save({"a": np.ones(1)}, path.parent / "missing" / "file")


def test_names_that_cannot_be_saved(path):
    fastnn.save({"a": np.ones(1)}, str(path).encode())
    for name in ("__metadata__", "\ud800"):
        with pytest.raises(ValueError, match="cannot be a name in a safetensors file"):
            fastnn.save({name: np.ones(1)}, path)
    with pytest.raises(TypeError, match=r"expected a mapping such as model.state_dict\(\), got Linear"):
        fastnn.save(nn.Linear(1, 1), path)
    assert fastnn.load(path)["a"] == [1]


def test_damaged_files(path):
    fastnn.save({"a": np.arange(1000.0)}, path)
    whole = path.read_bytes()
    for bad in (b"", b"short", whole[:-1], whole[:100], b"\xff" * 16 + whole, whole + b"x", b"{}" + whole[2:]):
        path.write_bytes(bad)
        with pytest.raises(ValueError, match="is not a safetensors file that NumPy can hold"):
            fastnn.load(path)
    with pytest.raises(FileNotFoundError):
        fastnn.load(path.parent / "missing")


def test_the_library_is_imported_when_first_used():
    import subprocess

    code = "import sys, fastnn; print('safetensors' in sys.modules, 'numpy.random' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split()[0] == "False"


def same(a, b):
    """Equal values, kinds and types, all the way down."""
    if isinstance(a, np.ndarray):
        assert isinstance(b, np.ndarray)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, (list, tuple)):
        assert type(a) is type(b)
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            same(x, y)
    else:
        assert type(a) is type(b)
        assert a == b or a != a


def test_checkpoints(path):
    checkpoint = {
        "model": {"0.weight": np.ones((2, 3), np.float32)},
        "nested": {0: {"step": 3.0, "exp_avg": np.zeros(2)}, 7: None},
        "options": {"betas": (0.9, 0.999), "milestones": [1, 2], "name": "Grüße", "on": True, "nan": float("nan")},
        "a": {"b": np.ones(1)},
        "a.b": np.zeros(1),
        "empty": {},
    }
    fastnn.save(checkpoint, path)
    same(checkpoint, fastnn.load(path))
    assert set(load_file(path)) == {"model.0.weight", "nested.0.exp_avg", "a.b", "a.b~"}
    fastnn.save({1: np.ones(2)}, path)
    assert list(fastnn.load(path)) == [1]
    fastnn.save({}, path)
    assert fastnn.load(path) == {}


def test_a_file_of_arrays_alone_has_no_metadata(path):
    fastnn.save({"a": np.ones(1)}, path)
    assert b"__metadata__" not in path.read_bytes()


def test_numpy_s_numbers_are_numbers(path):
    fastnn.save({"epoch": np.int64(3), np.int64(4): np.bool_(True), "loss": np.float64(0.25)}, path)
    same(fastnn.load(path), {"epoch": 3, 4: True, "loss": 0.25})
