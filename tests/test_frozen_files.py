"""Frozen models in files: they predict without the model's code, share one copy, and other files are refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
from test_freeze import PLANNED, batch, mlp, trained
from test_graph import EACH_BATCH, Model
from test_steps import STEPS, agree

import fastnn
from fastnn import _core, nn
from fastnn.graph import _files

SAVED = [name for name in STEPS if name not in ("take",)]


@pytest.mark.parametrize("name", SAVED)
def test_every_step_is_saved(name, tmp_path):
    frozen = fastnn.freeze(trained(Model(STEPS[name])))
    x = np.random.default_rng(0).uniform(-9, 9, (5, 3, 4, 6)).astype(np.float32)
    frozen(x)
    frozen.save(tmp_path / "model.safetensors")
    loaded = fastnn.load_frozen(tmp_path / "model.safetensors")
    for n in (5, 1, 300):
        agree(loaded(x[:1].repeat(n, 0)), frozen(x[:1].repeat(n, 0)))


@pytest.mark.parametrize("name", sorted(set(PLANNED) - {"other layers"}))
def test_models_are_saved_with_the_same_bits(name, tmp_path):
    make, shape = PLANNED[name]
    dtype = np.float64 if name == "float64" else np.float32
    x = batch(7, *shape, dtype=dtype)
    frozen = fastnn.freeze(trained(make()), x)
    frozen.save(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(fastnn.load_frozen(tmp_path / "model.safetensors")(x), frozen(x))


def test_several_kinds_and_batch_sizes(tmp_path):
    frozen = fastnn.freeze(trained(Model(EACH_BATCH["more than 64"])))
    given = [batch(n, 6) for n in (3, 64, 65)]
    expected = [frozen(x) for x in given]
    frozen.save(tmp_path / "model.safetensors")
    loaded = fastnn.load_frozen(tmp_path / "model.safetensors")
    for x, y in zip(given, expected, strict=True):
        np.testing.assert_array_equal(loaded(x), y)
    with pytest.raises(ValueError, match=r"holds no plan for float32\(4, 6\)"):
        loaded(batch(4, 6))
    with pytest.raises(ValueError, match=r"holds no plan for float32\(3, 7\)"):
        loaded(batch(3, 7))


def saved(tmp_path):
    x = batch(4, 10)
    frozen = fastnn.freeze(trained(mlp(nn.BatchNorm1d(24), nn.ReLU(), b=24)), x)
    frozen.save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors", x, frozen(x)


def test_packed_weights_are_mapped_and_other_tiers_pack_anew(tmp_path):
    path, x, expected = saved(tmp_path)
    loaded, before = fastnn.load_frozen(path), _core.isa()
    loaded(x)
    used = [name for name in loaded._arrays if "pack(" in name]
    assert len(used) == 2
    assert not any(array.flags.owndata or array.flags.writeable for array in loaded._arrays.values())
    try:
        for name, runs in _core.ISA_TIERS:
            if runs:
                _core.select_isa(name)
                np.testing.assert_allclose(loaded(x), expected, atol=1e-6)
    finally:
        _core.select_isa(before)


def test_another_process_needs_no_code_of_the_model(tmp_path):
    path, x, expected = saved(tmp_path)
    np.save(tmp_path / "x.npy", x)
    code = f"import sys, numpy as np, fastnn; np.save({str(tmp_path / 'y.npy')!r}, fastnn.load_frozen({str(path)!r})(np.load({str(tmp_path / 'x.npy')!r})))"
    subprocess.run([sys.executable, "-c", code], check=True)
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)


def test_what_a_file_cannot_hold(tmp_path):
    class Looks(nn.Module):
        def forward(self, x):
            return x * float(x.sum())

    with pytest.raises(ValueError, match=r"save: a file cannot hold %\d+ = Looks"):
        fastnn.freeze(Looks(), batch(3, 2)).save(tmp_path / "no.safetensors")
    with pytest.raises(ValueError, match="expected a model that has predicted"):
        fastnn.freeze(Looks()).save(tmp_path / "no.safetensors")
    assert not list(tmp_path.iterdir())


def rewritten(path, change):
    """The file with another header: `change` gets the metadata's content and the entries."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    content = json.loads(header["__metadata__"][_files.KEY])
    change(content, header)
    header["__metadata__"][_files.KEY] = json.dumps(content)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[8 + length :])


def call(content):
    return content["kinds"][0]["calls"][0]


HOSTILE = {
    "offsets beyond the file": lambda c, h: h["0.weight"].update(data_offsets=[0, 1 << 40], shape=[1 << 38]),
    "a shape of another size": lambda c, h: h["0.weight"].update(shape=[24, 11]),
    "a negative size": lambda c, h: h["0.weight"].update(shape=[-24, -10]),
    "an unknown dtype": lambda c, h: h["0.weight"].update(dtype="V8"),
    "no kinds": lambda c, h: c.pop("kinds"),
    "a list of kinds that is none": lambda c, h: c.update(kinds=3),
    "a function of another library": lambda c, h: call(c).__setitem__(0, "os.system"),
    "a function of NumPy that reads files": lambda c, h: call(c).__setitem__(0, "numpy.load"),
    "a constant that is not there": lambda c, h: call(c)[1]["tuple"].__setitem__(1, {"constant": "no"}),
    "a value that is not there": lambda c, h: call(c)[1]["tuple"].__setitem__(0, {"ref": 77}),
    "an unknown kind of value": lambda c, h: call(c)[1]["tuple"].__setitem__(0, {"pickle": "x"}),
    "an input of 2^40 values": lambda c, h: c["kinds"][0]["inputs"][0].__setitem__(1, [{"times": 1}, 1 << 40]),
    "an input of objects": lambda c, h: c["kinds"][0]["inputs"][0].__setitem__(0, "|O"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line(name, tmp_path):
    path, x, _ = saved(tmp_path)
    rewritten(path, HOSTILE[name])
    with pytest.raises(ValueError, match="load_frozen: ") as error:
        fastnn.load_frozen(path)(x)
    assert "\n" not in str(error.value)


def test_a_packed_weight_of_another_size_is_not_used(tmp_path):
    path, x, expected = saved(tmp_path)

    def shorten(content, header):
        for name, entry in header.items():
            if "pack(" in name:
                begin, _ = entry["data_offsets"]
                entry.update(shape=[4], data_offsets=[begin, begin + 16])

    rewritten(path, shorten)
    np.testing.assert_array_equal(fastnn.load_frozen(path)(x), expected)


@pytest.mark.parametrize(
    "data", [b"", b"abc", b"\xff" * 100, (2).to_bytes(8, "little") + b"{}", b"\x05\0\0\0\0\0\0\0hello"]
)
def test_other_files_are_refused(data, tmp_path):
    path = tmp_path / "other.safetensors"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="is no frozen model"):
        fastnn.load_frozen(path)
    with pytest.raises(OSError, match="missing"):
        fastnn.load_frozen(tmp_path / "missing")
