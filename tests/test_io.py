"""save and load: round trips, the safetensors library's own readers, damaged files."""

import errno
import json
import os
import subprocess
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


# -- hostile files ----------------------------------------------------------------------------------------------------


def container(header, data=b"", length=None):
    """The bytes of a safetensors file with any header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


ONE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HOSTILE = {
    "a header longer than the file": container({"a": ONE}, bytes(8), 10**15),
    "a header of 2^64 - 1 bytes": b"\xff" * 8 + b"{}",
    "a header of 100 MB and more": container(b" " * 100_000_001),
    "no JSON": container(b"not json at all!"),
    "a list for a header": container([1, 2, 3]),
    "deep nesting": container(b"[" * 100_000 + b"]" * 100_000),
    "offsets beyond the end": container({"a": {**ONE, "data_offsets": [0, 800]}}, bytes(8)),
    "offsets backwards": container({"a": {**ONE, "data_offsets": [8, 0]}}, bytes(8)),
    "negative offsets": container({"a": {**ONE, "data_offsets": [-8, 0]}}, bytes(8)),
    "overlapping tensors": container({"a": ONE, "b": {**ONE, "data_offsets": [4, 12]}}, bytes(12)),
    "a hole between tensors": container({"a": ONE, "b": {**ONE, "data_offsets": [12, 20]}}, bytes(20)),
    "a shape that does not fit": container({"a": {**ONE, "shape": [3]}}, bytes(8)),
    "a shape of 2^63": container({"a": {**ONE, "shape": [2**32, 2**32]}}, bytes(8)),
    "a negative shape": container({"a": {**ONE, "shape": [-2, -1]}}, bytes(8)),
    "an unknown dtype": container({"a": {**ONE, "dtype": "X9"}}, bytes(8)),
    "a dtype NumPy has not": container({"a": {"dtype": "F4", "shape": [16], "data_offsets": [0, 8]}}, bytes(8)),
    "no offsets": container({"a": {"dtype": "F32", "shape": [2]}}, bytes(8)),
    "a name twice": container(
        b'{"a":' + json.dumps(ONE).encode() + b',"a":' + json.dumps(ONE).encode() + b"}", bytes(8)
    ),
    "bytes after the end": container({"a": ONE}, bytes(9)),
    "metadata that are no strings": container({"a": ONE, "__metadata__": {"x": 1}}, bytes(8)),
    "a tree that is no JSON": container({"a": ONE, "__metadata__": {"fastnn.tree": "{"}}, bytes(8)),
    "a tree of strangers": container({"a": ONE, "__metadata__": {"fastnn.tree": '{"eval": "1"}'}}, bytes(8)),
    "a tree that names what is not there": container({"a": ONE, "__metadata__": {"fastnn.tree": '"b"'}}, bytes(8)),
    "a tree without end": container({"a": ONE, "__metadata__": {"fastnn.tree": '{"list": [' * 20_000}}, bytes(8)),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_files_are_refused(kind, path):
    path.write_bytes(HOSTILE[kind])
    with pytest.raises(ValueError, match=r"load: .* is not a safetensors file that NumPy can hold"):
        fastnn.load(path)


def test_every_truncation_and_many_flips_load_or_are_refused(path):
    """Nothing but ValueError, and never an array that the header does not describe."""
    model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    fastnn.save({"model": model.state_dict(), "epoch": 3}, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    damaged = [whole[:n] for n in range(0, len(whole), 3)]
    for _ in range(2000):
        data = bytearray(whole)
        for _ in range(rng.integers(1, 4)):
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
        damaged.append(bytes(data))
    refused = 0
    for data in damaged:
        path.write_bytes(data)
        try:
            fastnn.load(path)
        except ValueError:
            refused += 1
    assert refused > len(damaged) // 3


def test_loading_never_touches_pickle(path, tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "boom"), "w"))

    path.write_bytes(pickle.dumps({"weight": Bomb()}))
    with pytest.raises(ValueError, match="is not a safetensors file"):
        fastnn.load(path)
    assert not (tmp_path / "boom").exists()
    code = """if True:
        import sys, numpy as np, fastnn
        fastnn.save({'a': np.ones(3), 'b': {'c': 1}}, sys.argv[1])
        class Refused:
            def __getattr__(self, name): raise AssertionError('pickle was used')
        sys.modules['pickle'] = sys.modules['_pickle'] = Refused()
        print(fastnn.load(sys.argv[1])['b']['c'])"""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize("fault", ["write", "fsync", "replace", "chmod"])
def test_a_disk_that_fails_leaves_the_old_file(path, fault, monkeypatch):
    fastnn.save({"a": np.ones(3)}, path)
    old = path.read_bytes()

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    if fault == "write":
        monkeypatch.setattr("builtins.open", full)
    else:
        monkeypatch.setattr(os, fault, full)
    with pytest.raises(OSError, match="No space left"):
        fastnn.save({"a": np.zeros(3)}, path)
    monkeypatch.undo()
    assert path.read_bytes() == old
    assert [each.name for each in path.parent.iterdir()] == [path.name]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disk(tmp_path):
    """A file system of its own, where there is right to mount one; else the limit on file sizes."""
    code = """if True:
        import resource, signal, sys, numpy as np, fastnn
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        path = sys.argv[1]
        fastnn.save({'a': np.ones(10)}, path)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            fastnn.save({'a': np.zeros(100_000)}, path)
        except OSError as error:
            print('refused', fastnn.load(path)['a'].sum())"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "w")], capture_output=True, text=True)
    assert done.stdout == "refused 10.0\n", done.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["w"]


def test_another_architecture_loads_nothing(path):
    small, large = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2)), nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 5))
    before = {key: value.copy() for key, value in large.state_dict().items()}
    fastnn.save(small.state_dict(), path)
    with pytest.raises(nn.StateDictError) as caught:
        large.load_state_dict(fastnn.load(path))
    assert isinstance(caught.value, ValueError)
    for key, value in large.state_dict().items():
        np.testing.assert_array_equal(value, before[key])
