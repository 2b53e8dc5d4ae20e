"""Files: other kinds are recognized, types that NumPy lacks are read through ml_dtypes or widened, save is safe."""

import io
import os
import pickle
import stat
import sys
import zipfile

import numpy as np
import pytest
from test_io import container

import fastnn


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


def zipped(*names):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(name, b"0")
    return stream.getvalue()


def written(function, *arguments, **options):
    stream = io.BytesIO()
    function(stream, *arguments, **options)
    return stream.getvalue()


INDEX = b'{\n "metadata": {},\n "weight_map": {"a": "model-00001-of-00002.safetensors"}\n}'
FOREIGN = {
    "nothing": (b"", "it is empty"),
    "oldest PyTorch": (b"storages" + bytes(500), "it is a checkpoint of PyTorch before 0.2"),
    "cut PyTorch": (
        zipped("archive/data.pkl")[:40],
        "it is a zip archive that is damaged, such as a PyTorch checkpoint",
    ),
    "pickle": (pickle.dumps({"a": 1}), "it is a pickle, which can carry code"),
    "pickle 2": (pickle.dumps({"a": 1}, 2), "it is a pickle"),
    "NPZ": (written(np.savez, a=np.ones(3)), "it is an NPZ file; numpy.load"),
    "NPY": (written(np.save, np.ones(3)), "it is an array of NumPy's; numpy.load"),
    "Keras": (zipped("metadata.json", "config.json", "model.weights.h5"), "it is a Keras model"),
    "zip": (zipped("a.txt"), "it is a zip archive$"),
    "HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "it is an HDF5 file, as Keras writes"),
    "GGUF": (b"GGUF\x03\0\0\0" + bytes(40), "it is a GGUF file"),
    "ONNX": (b"\x08\x09\x12\x07pytorch\x1a\x052.4.0", "it is an ONNX model"),
    "TFLite": (b"\x1c\0\0\0TFL3" + bytes(40), "it is a TensorFlow Lite model"),
    "gzip": (b"\x1f\x8b\x08\0" + bytes(40), "it is compressed by gzip"),
    "LFS": (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "it is a pointer of Git LFS"),
    "HTML": (b"<!DOCTYPE html>\n<html>", "it is a page of HTML"),
    "index": (INDEX, "it is the index of a model in several files"),
    "text": ("Größe,Wert\n1,2\n".encode() * 400, "it is text, beginning with 'Größe,Wert'"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_other_kinds_of_files_are_named(kind, path):
    content, message = FOREIGN[kind]
    path.write_bytes(content)
    for each in (path, str(path).encode()):
        with pytest.raises(
            ValueError, match=r"^load: .*model' is not a safetensors file that NumPy can hold: " + message
        ):
            fastnn.load(each)


def test_real_onnx_files_are_named(path):
    onnx = pytest.importorskip("onnx")
    value = onnx.helper.make_tensor_value_info("x", 1, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [value], [value])
    for options in ({}, {"producer_name": "somebody"}):
        onnx.save(onnx.helper.make_model(graph, **options), path)
        with pytest.raises(ValueError, match="it is an ONNX model"):
            fastnn.load(path)


def test_a_cut_file_is_no_other_kind(path):
    fastnn.save({"a": np.arange(1000.0)}, path)
    whole = path.read_bytes()
    for n in range(1, len(whole), 37):
        path.write_bytes(whole[:n])
        with pytest.raises(ValueError, match="is not a safetensors file") as caught:
            fastnn.load(path)
        assert "it is a" not in str(caught.value)


# -- types that NumPy has not -----------------------------------------------------------------------------------------

NARROW = {"BF16": ("bfloat16", 2), "F8_E4M3": ("float8_e4m3fn", 1), "F8_E5M2": ("float8_e5m2", 1), "F8_E8M0": ("float8_e8m0fnu", 1)}  # fmt: skip


def every_number(kind):
    """A file of all the numbers that a type has."""
    size = NARROW[kind][1]
    count = 256**size
    data = np.arange(count, dtype=f"<u{size}").tobytes()
    return container({"a": {"dtype": kind, "shape": [2, count // 2], "data_offsets": [0, len(data)]}}, data)


@pytest.mark.parametrize("kind", NARROW)
def test_narrow_floats(kind, path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    path.write_bytes(every_number(kind))
    array = fastnn.load(path)["a"]
    assert array.dtype == getattr(ml_dtypes, NARROW[kind][0])
    wide = fastnn.load(path, widen=True)["a"]
    assert (wide.dtype, wide.flags.writeable, array.flags.writeable) == (np.float32, True, True)
    np.testing.assert_array_equal(wide, array.astype(np.float32))
    np.testing.assert_array_equal(np.signbit(wide), np.signbit(array.astype(np.float32)))
    fastnn.save({"a": array.T, "step": 3}, path)
    again = fastnn.load(path)["a"]
    assert again.dtype == array.dtype
    np.testing.assert_array_equal(again.view(f"u{NARROW[kind][1]}"), array.T.view(f"u{NARROW[kind][1]}"))

    if kind == "F8_E8M0":
        np.testing.assert_array_equal(wide.ravel()[:-1].astype(float), 2.0 ** (np.arange(255) - 127))


def test_narrow_floats_without_ml_dtypes(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_dtypes", None)
    path.write_bytes(every_number("BF16"))
    with pytest.raises(ModuleNotFoundError, match="holds BF16: pip install ml_dtypes, or give widen=True for float32"):
        fastnn.load(path)
    assert fastnn.load(path, widen=True)["a"][0, 0x3FC0] == 1.5


def test_pytorch_s_bfloat16(path):
    torch = pytest.importorskip("torch")
    safetensors_torch = pytest.importorskip("safetensors.torch")
    weight = torch.randn(5, 3).to(torch.bfloat16)
    safetensors_torch.save_file({"weight": weight}, path)
    np.testing.assert_array_equal(fastnn.load(path, widen=True)["weight"], weight.float().numpy())


def test_other_types_are_named(path):
    path.write_bytes(container({"layer.w": {"dtype": "F4", "shape": [4], "data_offsets": [0, 2]}}, bytes(2)))
    with pytest.raises(ValueError, match=r"'layer.w' is of type 'F4', which neither NumPy nor ml_dtypes has"):
        fastnn.load(path)


# -- what save must keep ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nest", [lambda x: {"w": x}, lambda x: {"a": {"w": x}}, lambda x: {"a": [1, x]}])
def test_masks_are_not_dropped(nest, path):
    masked = np.ma.masked_array([1.0, 2.0], [False, True])
    for value in (masked, np.ma.masked_array([1.0]), np.ma.masked):
        with pytest.raises(TypeError, match=r"save: expected arrays without a mask, got a masked array for '.*'; save"):
            fastnn.save(nest(value), path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.array([None, 1]), "of dtype object"),
        (np.zeros(2, [("x", "f4"), ("y", "i4")]), "of dtype "),
        (np.array(["a"]), "of dtype <U1"),
        (np.array(["2020-01-01"], "M8[D]"), "of dtype datetime64"),
        (np.datetime64("2020-01-01"), "of dtype datetime64"),
        (np.array([1], "m8[s]"), "of dtype timedelta64"),
        (np.ones(2, np.longdouble), "of dtype (float128|longdouble|float96)"),
        (np.ones(2, complex), "of dtype complex128"),
        ({1, 2}, "got set for 'w'"),
        (b"bytes", "got bytes for 'w'"),
        (len, "got builtin_function_or_method for 'w'"),
        (1j, "got complex for 'w'"),
    ],
    ids=str,
)
def test_what_cannot_be_saved_is_refused(value, kind, path):
    with pytest.raises(TypeError, match=f"save: expected arrays of numbers.*{kind}"):
        fastnn.save({"w": value}, path)
    assert not path.exists()


def test_memory_of_every_kind(path):
    base = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    readonly = base.copy()
    readonly.flags.writeable = False
    unaligned = np.frombuffer(b"x" + base.tobytes(), np.float32, offset=1)
    mapped = np.memmap(path.with_suffix(".map"), np.float32, "w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    state = {"tied": base, "also": base, "view": base[:, ::2, ::-1], "repeated": np.broadcast_to(base[0, 0], (5, 4)), "big": base.astype(">f4"),
             "scalar": np.array(2.5), "empty": np.zeros((0, 3), np.int8), "readonly": readonly, "unaligned": unaligned, "mapped": mapped,
             "": base, "ü.ключ": base}  # fmt: skip
    before = {key: np.array(value) for key, value in state.items()}
    fastnn.save(state, path)
    loaded = fastnn.load(path)
    assert set(loaded) == set(state)
    for key, value in loaded.items():
        np.testing.assert_array_equal(value, before[key])
        assert (value.shape, value.flags.writeable, value.flags.owndata) == (
            before[key].shape,
            True,
            value.base is None,
        )
        assert value.dtype == before[key].dtype.newbyteorder("=")
        np.testing.assert_array_equal(np.asarray(state[key]), before[key])


def test_loaded_arrays_do_not_follow_the_file(path):
    fastnn.save({"a": np.ones(10_000)}, path)
    first = fastnn.load(path)["a"]
    mapped = np.memmap(path, np.uint8, "r")
    fastnn.save({"a": np.zeros(10_000)}, path)
    assert first.sum() == 10_000
    assert mapped[-1] == 0x3F  # the old file, whole, for who had it open
    with path.open("r+b") as file:
        file.truncate(50)
    assert first.sum() == 10_000


@pytest.mark.skipif(os.name == "nt", reason="permissions and links of POSIX")
def test_a_replaced_file_keeps_its_permissions_and_its_link(path):
    link = path.with_suffix(".link")
    link.symlink_to(path)
    fastnn.save({"a": np.ones(1)}, link)
    assert link.is_symlink()
    assert fastnn.load(path)["a"] == [1]
    path.chmod(0o600)
    fastnn.save({"a": np.zeros(1)}, path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    loop = path.with_suffix(".loop")
    loop.symlink_to(loop)
    with pytest.raises(OSError, match=r"model\.loop"):
        fastnn.save({"a": np.ones(1)}, loop)


@pytest.mark.skipif(os.name == "nt", reason="special files of POSIX")
def test_what_is_no_regular_file_is_not_replaced(path):
    path.mkdir()
    pipe = path / "pipe"
    os.mkfifo(pipe)
    for each in (path, pipe):
        with pytest.raises(OSError, match="expected a regular file, or none, to replace"):
            fastnn.save({"a": np.ones(1)}, each)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_paths_are_names():
    for wrong in (0, 3.5, None):
        with pytest.raises(TypeError, match=r"expected str, bytes or os.PathLike object, not"):
            fastnn.load(wrong)
        with pytest.raises(TypeError, match=r"expected str, bytes or os.PathLike object, not"):
            fastnn.save({}, wrong)
