"""Checkpoints of PyTorch's: real ones give the arrays that PyTorch gives, hostile ones run nothing and are refused."""

import collections
import contextlib
import io
import os
import pickle
import struct
import warnings
import zipfile

import numpy as np
import pytest

import fastnn
from fastnn import nn

OLD = (0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True})


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.pt"


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


def values(torch, tensor):
    tensor = tensor.detach().resolve_conj().resolve_neg()
    narrow = tensor.dtype in (torch.bfloat16, torch.float8_e5m2, torch.float8_e4m3fn)
    return tensor.float().numpy() if narrow else tensor.numpy()


def agree(torch, found, saved):
    """A loaded value is what was saved, down to the keys' order."""
    if isinstance(saved, torch.Tensor):
        expected = values(torch, saved)
        assert found.shape == expected.shape
        np.testing.assert_array_equal(np.asarray(found, expected.dtype), expected)
    elif isinstance(saved, dict):
        assert list(found) == list(saved)
        for key in saved:
            agree(torch, found[key], saved[key])
    elif isinstance(saved, (list, tuple)):
        assert isinstance(found, tuple if isinstance(saved, tuple) else list)
        for one, other in zip(found, saved, strict=True):
            agree(torch, one, other)
    else:
        assert type(found) is type(saved)
        assert found == saved


@pytest.mark.parametrize("widen", [False, True])
@pytest.mark.parametrize("new", [False, True])
def test_what_was_saved_is_loaded(torch, path, new, widen):
    if not widen:
        pytest.importorskip("ml_dtypes")
    x = torch.arange(24.0).reshape(2, 3, 4)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    types = [getattr(torch, f"{kind}{bits}") for kind in ("int", "float") for bits in (16, 32, 64)]
    types += [torch.uint8, torch.int8, torch.bool, torch.complex64, torch.complex128, torch.bfloat16]
    saved = {
        "arrays": [torch.arange(3).to(each) for each in types],
        "views": (x, x.transpose(0, 2), x[1, 1:], x[:, ::2], torch.ones(1).expand(3), torch.tensor(3), x[:0]),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "numbers": [1, 2**70, -1.5, 1j, True, None, "text", b"bytes", np.float64(2.5), np.int32(3)],
        7: {"set": {1, 2}, "counts": collections.Counter("aab")},
    }
    if new:
        saved["bits"] = [(torch.ones(2) * 1j).conj(), (torch.ones(2) * 1j).conj().imag]
        saved["untyped"] = [torch.arange(3).to(torch.float8_e5m2), torch.arange(3).to(torch.uint16)]
    torch.save(saved, path, _use_new_zipfile_serialization=new)
    agree(torch, fastnn.load(path, widen=widen), saved)


def test_what_shared_memory_shares_it(torch, path):
    x = torch.arange(6.0)
    for new in (False, True):
        torch.save({"a": x, "b": x[2:]}, path, _use_new_zipfile_serialization=new)
        found = fastnn.load(path)
        found["b"][0] = 9
        assert found["a"][2] == 9


def test_types_are_named(torch, path):
    torch.save({"type": torch.float32, "device": torch.device("cuda", 1), "size": torch.Size([2, 3])}, path)
    assert fastnn.load(path) == {"type": "float32", "device": "cuda:1", "size": (2, 3)}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_script_gives_its_weights(torch, path):
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Sequential(torch.nn.BatchNorm1d(3), torch.nn.ReLU()))
    for script in (torch.jit.script(model), torch.jit.trace(model.eval(), torch.ones(3, 2))):
        torch.jit.save(script, path)
        agree(torch, fastnn.load(path), dict(model.state_dict()))


def test_a_checkpoint_trains_on(torch, path):
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.ReLU())
    ours = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    torch.save(theirs.state_dict(), path)
    ours.load_state_dict(fastnn.load(path))
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.testing.assert_allclose(ours(x).numpy(), theirs(torch.from_numpy(x)).detach().numpy(), rtol=1e-6)


def test_what_is_no_state_is_refused_with_the_way_out(torch, path):
    for new in (False, True):
        torch.save(torch.nn.Linear(2, 2), path, _use_new_zipfile_serialization=new)
        with pytest.raises(ValueError, match=r"it names torch\..*torch.save\(model.state_dict\(\), path\)"):
            fastnn.load(path)


@pytest.mark.parametrize("new", [True, False])
def test_what_stands_beside_weights_in_checkpoints(torch, path, new):
    import argparse

    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    arrays = np.arange(6, dtype=np.int16).reshape(2, 3), np.array([1.5], ">f8"), np.zeros((0, 2)), np.array(True)
    checkpoint = {
        "model": network.state_dict(), "optimizer": optimizer.state_dict(), "args": argparse.Namespace(lr=0.1, sizes=[1]),
        "arrays": list(arrays), "random": ("MT19937", arrays[0], 3), "last": collections.deque([1, 2]),
        "size": torch.Size([2, 3]), "loss": np.float32(0.5), "none": None, "by step": {1: {"a": arrays[1]}},
    }  # fmt: skip
    torch.save(checkpoint, path, _use_new_zipfile_serialization=new)
    found = fastnn.load(path)
    assert list(found) == list(checkpoint)
    assert found["args"] == {"lr": 0.1, "sizes": [1]}
    assert (found["last"], found["size"], found["loss"], found["none"]) == ([1, 2], (2, 3), 0.5, None)
    assert found["optimizer"]["param_groups"] == checkpoint["optimizer"]["param_groups"]
    others = found["random"][1], found["by step"][1]["a"]
    for got, saved in zip([*found["arrays"], *others], [*arrays, *arrays[:2]], strict=True):
        assert (type(got), got.shape, got.dtype.kind) == (np.ndarray, saved.shape, saved.dtype.kind)
        np.testing.assert_array_equal(got, saved)


def test_tensors_of_other_kinds_are_refused_with_what_to_do(torch, path):
    one = torch.ones(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        quantized = torch.quantize_per_tensor(one, 0.1, 2, torch.qint8)
    kinds = {
        "to_dense": one.to_sparse(), "dequantize": quantized,
        "no values": torch.empty(2, device="meta"), "storage by itself": torch.ones(2).untyped_storage(),
    }  # fmt: skip
    for words, value in kinds.items():
        torch.save({"weight": one, "other": value}, path)
        with pytest.raises(ValueError, match=words):
            fastnn.load(path)


def test_prefixes_are_told():
    model = nn.Linear(2, 3)
    with pytest.raises(ValueError, match=r"2 of these fit by {key.removeprefix\('module.'\): value for"):
        model.load_state_dict({"module." + key: value for key, value in model.state_dict().items()})
    outer = nn.Sequential(model)
    with pytest.raises(ValueError, match=r"2 of these fit by {'0.' \+ key: value for"):
        outer.load_state_dict(model.state_dict())
    with pytest.raises(ValueError, match=r"unexpected key 'c'$"):
        model.load_state_dict({**model.state_dict(), "c": np.ones(1)})


# -- without PyTorch: files made by hand ------------------------------------------------------------------------------


def as_zip(content, storages=(), compression=zipfile.ZIP_STORED, folder="archive/"):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        file.writestr(folder + "data.pkl", content)
        for key, data in enumerate(storages):
            file.writestr(f"{folder}data/{key}", data)
    return stream.getvalue()


def as_old(content, storages=()):
    keys = pickle.dumps([str(key) for key in range(len(storages))], 2)
    numbers = b"".join(struct.pack("<q", len(data) // 4) + data for data in storages)
    return b"".join(pickle.dumps(each, 2) for each in OLD) + content + keys + numbers


def tensor(size=b"K\x03\x85", stride=b"K\x01\x85", offset=b"K\x00", count=b"K\x03", kind=b"FloatStorage", old=False):
    """The pickle of a tensor of three numbers, or of something that only claims so."""
    pid = (
        b"(X\x07\0\0\0storagectorch\n"
        + kind
        + b"\nX\x01\0\0\x000X\x03\0\0\0cpu"
        + count
        + (b"N" if old else b"")
        + b"tQ"
    )
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + pid + offset + size + stride + b"\x89}tR."


NUMBERS = np.arange(3, dtype="<f4").tobytes()


def test_both_formats_by_hand(path):
    for content in (
        as_zip(tensor(), [NUMBERS]),
        as_old(tensor(old=True), [NUMBERS]),
        as_zip(tensor(), [NUMBERS], folder=""),
    ):
        path.write_bytes(content)
        np.testing.assert_array_equal(fastnn.load(path), [0, 1, 2])


def test_numbers_of_the_other_byte_order(path):
    swapped = np.arange(3, dtype=">f4").tobytes()
    data = io.BytesIO(as_zip(tensor(), [swapped]))
    with zipfile.ZipFile(data, "a") as file:
        file.writestr("archive/byteorder", "big")
    path.write_bytes(data.getvalue())
    np.testing.assert_array_equal(fastnn.load(path), [0, 1, 2])


class Call:
    """Pickled as a call of a function, as hostile files do it."""

    def __init__(self, function, *arguments):
        self.made = function, arguments

    def __reduce__(self):
        return self.made


def hostile(flag):
    """Pickles that would make a file if anything in them were called."""
    make = f"open({str(flag)!r}, 'w')"
    calls = {
        "open": Call(open, str(flag), "w"),
        "eval": Call(eval, make),
        "exec": Call(exec, make),
        "system": Call(os.system, f"touch {flag}"),
        "getattr": Call(getattr, "a", "upper"),
        "import": Call(__import__, "os"),
        "bytearray": Call(bytearray, 2**40),
    }
    pickles = {name: pickle.dumps({"a": call}, 2) for name, call in calls.items()}
    pickles |= {f"{name}, later protocol": pickle.dumps([call], 4) for name, call in calls.items()}
    line = f"S'{make}'\n".encode()
    pickles["old instruction"] = b"(" + line + b"ibuiltins\neval\n."
    pickles["object of a class"] = b"(cbuiltins\neval\n" + line + b"o."
    pickles["registry"] = b"\x80\x02\x82\x01."
    pickles["dotted"] = b"\x80\x04\x8c\x05torch\x8c\x0bhub.os.open\x93."
    pickles["changes a function"] = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x0c\0\0\0__defaults__)sb."
    pickles["changes a function by slots"] = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x05\0\0\0_callNs\x86b."
    pickles["changes a class"] = b"\x80\x02c__torch__\nA\n}X\x01\0\0\0aK\x01sb."
    pickles["changes options' class"] = b"\x80\x02cargparse\nNamespace\n}X\x01\0\0\0aK\x01sb."
    pickles["options of a list"] = b"\x80\x02cargparse\nNamespace\n)\x81]K\x01ab."
    pickles["an array of objects"] = pickle.dumps(np.array([None]), 2)
    begin, _, end = pickle.dumps(np.arange(4.0), 2).rpartition(b"b.")
    state = begin[begin.index(b"(", begin.index(b"R")) :]
    pickles["an array, twice"] = begin + b"b" + state + b"b." + end
    pickles["an array of 2^40"] = pickle.dumps(np.arange(4.0), 2).replace(b"K\x04\x85", b"\x8a\x06\0\0\0\0\0\x01\x85")
    pickles["a place of the memo"] = b"\x80\x02Nr\xff\xff\xff\xff."
    pickles["a length"] = b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x00."
    pickles["deep"] = b"\x80\x02" + b"(" * 10 + b"c__torch__\nA\n)\x81b."
    return pickles


@pytest.mark.parametrize("name", hostile("flag"))
@pytest.mark.parametrize("form", [as_zip, as_old])
def test_hostile_pickles_run_nothing(name, form, path, tmp_path):
    flag = tmp_path / "flag"
    path.write_bytes(form(hostile(flag)[name]))
    with pytest.raises(ValueError, match=r"^load: .* is a PyTorch checkpoint that cannot be read: .+"):
        fastnn.load(path)
    assert not flag.exists()


@pytest.mark.parametrize(
    "options",
    [
        {"size": b"K\x04\x85"},
        {"offset": b"K\x01"},
        {"offset": b"J\xff\xff\xff\xff"},
        {"stride": b"K\x02\x85"},
        {"stride": b"J\xff\xff\xff\xff\x85"},
        {"size": b"\x8a\x09\xff\xff\xff\xff\xff\xff\xff\xff\x00\x85"},
        {"size": b"K\x03K\x03\x86"},
        {"size": b"X\x01\0\0\0a\x85"},
        {"kind": b"DoubleStorage"},
        {"kind": b"QInt8Storage"},
        {"kind": b"float32"},
    ],
)
def test_tensors_stay_inside_their_storage(options, path):
    for content in (as_zip(tensor(**options), [NUMBERS]), as_old(tensor(old=True, **options), [NUMBERS])):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is a PyTorch checkpoint that cannot be read"):
            fastnn.load(path)


def test_damaged_files_are_refused(path):
    old = as_old(tensor(old=True, count=b"\x8a\x06\0\0\0\0\0\x01"), [NUMBERS])
    for content, message in (
        (as_zip(tensor()), "data/0' is missing"),
        (as_zip(tensor(), [NUMBERS], zipfile.ZIP_DEFLATED), "compressed"),
        (as_old(tensor(old=True), [NUMBERS])[:-1], "cannot be read"),
        (as_old(tensor(old=True)), "ends before the storage"),
        (old, "a storage of 1099511627776 elements"),
    ):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=message):
            fastnn.load(path)


def test_bytes_changed_at_random_do_no_harm(path):
    rng = np.random.default_rng(0)
    for whole in (as_zip(tensor(), [NUMBERS]), as_old(tensor(old=True), [NUMBERS])):
        for _ in range(1000):
            data = bytearray(whole)
            for at in rng.integers(len(data), size=rng.integers(1, 4)):
                data[at] = rng.integers(256)
            path.write_bytes(data[: rng.integers(len(data) // 2, len(data) + 1)])
            with contextlib.suppress(ValueError):
                fastnn.load(path)
