"""`fastnn train`, `evaluate` and `predict` with convolutional networks: named datasets, folders of images, signals."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from commands import contents, refused, run, write

import fastnn
from fastnn import data
from fastnn._cli import _train, main

RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_train, "draw", lambda *_: None)  # pictures take longer than all else


def cifar(root="data", count=64):
    """Small files in CIFAR-10's format: classes differ by the brightness of a colour."""
    os.makedirs(f"{root}/cifar-10-batches-bin")
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        records = RNG.integers(0, 60, (count, 3073), np.uint8)
        records[:, 0] = np.arange(count) % 2
        records[:, 1:1025] += 150 * records[:, :1]
        write(f"{root}/cifar-10-batches-bin/{name}.bin", records.tobytes())


def pictures(root="pets", classes=("cat", "dog"), count=12, first=0):
    """Files of several formats, sizes and modes; the class is the colour."""
    image = pytest.importorskip("PIL.Image")
    for i in range(first, first + count * len(classes)):
        name = classes[i % len(classes)]
        os.makedirs(f"{root}/{name}/more", exist_ok=True)
        pixels = RNG.integers(0, 60, (20 + i % 5, 30 - i % 7, 3), np.uint8)
        pixels[..., i % len(classes)] += 150
        file = f"{root}/{name}/{'more/' if i % 3 else ''}{i:03}.{('png', 'jpg', 'bmp')[i % 3]}"
        image.fromarray(pixels).save(file)
    return root


def signals(file="s.npz", count=80, channels=2):
    y = np.arange(count) % 2
    t = np.arange(40)
    x = np.sin(t * (0.3 + 0.5 * y[:, None, None]) + RNG.uniform(0, 6, (count, channels, 1)))
    np.savez(file, x=x.astype(np.float32) * 5 + 3, y=np.array(["slow", "fast"])[y])
    return file


def train(capsys, *options):
    shown = run(capsys, "train", "--quiet", "--json", "--no-augment", *options)
    return json.loads(shown.out), shown.err


def test_a_named_dataset_with_a_convolutional_network(capsys):
    cifar()
    options = "--data", "cifar10", "--model", "resnet20", "--batch-size", 32, "--epochs", 2
    result, _ = train(capsys, *options)
    assert result["model"] == "resnet20, 272,474 parameters"
    assert result["held-out accuracy"] > 0.9
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "cifar10", "--json").out)
    assert measured["accuracy"] == result["held-out accuracy"]
    images = data.CIFAR10("data", train=False, download=False)
    np.savez("x.npz", x=images.data[:5])
    lines = run(capsys, "predict", "run/model.safetensors", "x.npz").out.splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == [images.classes[i] for i in images.targets[:5]]


def test_a_folder_of_images(capsys):
    pictures()
    options = "--data", "pets", "--model", "lenet", "--image-size", 16, "--batch-size", 8, "--epochs", 12
    result, told = train(capsys, *options)
    assert "pets: 24 images, 2 classes" in told
    assert result["held-out accuracy"] == 1
    inputs = fastnn.load("run/model.safetensors")["inputs"]
    assert (inputs["classes"], inputs["shape"]) == (["cat", "dog"], [16, 16, 3])
    assert 0.1 < inputs["mean"][2] < 0.13  # a mean of 29.5 of 255
    pictures("later", count=4, first=100)
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "later", "--json").out)
    assert (measured["samples"], measured["accuracy"]) == (8, 1)
    shutil.rmtree("later/cat")  # one class alone is measured on by its own name
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "later", "--json").out)
    assert (measured["samples"], measured["accuracy"]) == (4, 1)
    lines = run(capsys, "predict", "run/model.safetensors", "later").out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["label", *["dog"] * 4]
    np.savez("x.npz", x=data.ImageFolder("later", 16).data)
    assert run(capsys, "predict", "run/model.safetensors", "x.npz").out.splitlines() == lines


def test_images_are_moved_and_mirrored_alike_for_one_seed(capsys):
    pictures()
    options = "--data", "pets", "--model", "lenet", "--image-size", 16, "--batch-size", 8, "--epochs", 1, "--quiet"
    losses = []
    for more in ((), (), ("--no-augment",)):
        run(capsys, "train", *options, *more)
        losses.append((Path("run") / "history.csv").read_text().split("\n")[1].split(",")[1:3])
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_signals(capsys, task):
    signals()
    if task == "numbers":
        content = dict(np.load("s.npz"))
        np.savez("s.npz", x=content["x"], y=100 + 1.5 * (np.arange(80) % 2) + 0.001 * np.arange(80))
    result, told = train(capsys, "--data", "s.npz", "--model", "cnn1d", "--epochs", 8, "--batch-size", 16)
    assert result["model"].startswith("cnn1d, ")
    assert "80 rows, inputs 0, 1, target y" in told
    measured = json.loads(run(capsys, "evaluate", "run/model.safetensors", "--data", "s.npz", "--json").out)
    assert measured["samples"] == 80
    assert measured["accuracy" if task == "classes" else "r2"] > (0.9 if task == "classes" else 0.3)
    np.savez("x.npz", x=np.load("s.npz")["x"][:3, :, :25])  # of another length
    lines = run(capsys, "predict", "run/model.safetensors", "x.npz").out.splitlines()
    assert len(lines) == 4
    assert lines[0] == ("label,fast,slow" if task == "classes" else "y")


def test_signals_of_one_channel_may_be_rows(capsys):
    signals(channels=1)
    content = dict(np.load("s.npz"))
    first, _ = train(capsys, "--data", "s.npz", "--model", "cnn1d", "--epochs", 1, "--batch-size", 16)
    weights = contents()["model.safetensors"]
    np.savez("s.npz", x=content["x"][:, 0], y=content["y"])
    assert train(capsys, "--data", "s.npz", "--model", "cnn1d", "--epochs", 1, "--batch-size", 16)[0] == {
        **first, "seconds": pytest.approx(first["seconds"], abs=1e3),
    }  # fmt: skip
    assert contents()["model.safetensors"] == weights


@pytest.mark.parametrize("kind", ["cifar10", "pets", "s.npz"])
def test_going_on_is_the_same_bit_by_bit(capsys, monkeypatch, kind):
    {"cifar10": cifar, "pets": pictures, "s.npz": signals}[kind]()
    model = {"cifar10": "lenet", "pets": "lenet", "s.npz": "cnn1d"}[kind]
    options = ("train", "--data", kind, "--model", model, "--image-size", 16, "--batch-size", 16, "--quiet")
    options = (*options, "--epochs", 3)
    run(capsys, *options, "--out", "whole")
    with monkeypatch.context() as patch:
        write_row = fastnn.training.CSVLogger.on_epoch_end

        def killed(self, trainer, *args):
            if trainer.epoch == 2:
                raise KeyboardInterrupt
            return write_row(self, trainer, *args)

        patch.setattr(fastnn.training.CSVLogger, "on_epoch_end", killed)
        assert main([str(each) for each in (*options, "--out", "parts")]) == 130
    capsys.readouterr()
    run(capsys, *options, "--out", "parts", "--resume")
    assert contents("parts")["model.safetensors"] == contents("whole")["model.safetensors"]
    other = ("--model", "mlp") if kind != "s.npz" else ("--activation", "silu")
    with pytest.raises(SystemExit):
        main([str(each) for each in (*options, "--out", "parts", "--resume", *other)])
    assert f"began with {other[0]} {'relu' if kind == 's.npz' else model}, not {other[1]}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--data", "t.csv", "--model", "resnet20"), "--model: expected images for resnet20, got t.csv"),
        (("--data", "t.csv", "--model", "cnn1d"), "--model: expected signals for cnn1d, got t.csv"),
        (("--data", "pets", "--model", "cnn1d"), "--model: expected signals for cnn1d, got pets"),
        (("--data", "pets", "--model", "lenet", "--layers", "4"), "--layers: expected it with --model mlp alone"),
        (("--data", "pets", "--model", "lenet", "--dropout", 0.2), "--dropout: expected it with --model mlp alone"),
        (("--data", "pets", "--target", "y"), "--target: expected a table, got pets"),
        (("--data", "pets", "--task", "regression"), "--task: expected classification of pets"),
        (("--data", "pets", "--model", "mobilenet_v2", "--activation", "silu"), "whose functions are its own"),
        (("--data", "s.npz", "--model", "cnn1d", "--header", "no"), "expected a table, got signals in s.npz"),
        (("--data", "pets", "--image-size", 0), "--image-size: expected at least 1, got 0"),
        (("--data", "nowhere", "--model", "lenet"), "or a folder of folders of images, got 'nowhere'"),
    ],
)
def test_options_that_cannot_be_honoured(capsys, options, match):
    pictures(count=3)
    signals()
    write("t.csv", "a,b,y\n" + "".join(f"{i},{i},{i % 2}\n" for i in range(20)))
    with pytest.raises(SystemExit):
        main([str(each) for each in ("train", "--quiet", *options)])
    assert match in capsys.readouterr().err
    assert not os.path.exists("run")


def test_damaged_and_missing_images_are_named(capsys):
    os.makedirs("empty/a")
    assert "found no image in" in refused(capsys, "train", "--data", "empty")
    os.makedirs("none")
    assert "expected a folder for each class in none, got none" in refused(capsys, "train", "--data", "none")
    pictures(count=3)
    write("pets/cat/new.png", b"\x89PNG\r\n\x1a\n and then nothing")
    assert f"{Path('pets/cat/new.png')} cannot be read as an image" in refused(capsys, "train", "--data", "pets")
    write("pets/cat/new.png", Path("pets/cat/000.png").read_bytes()[:-40])
    assert f"{Path('pets/cat/new.png')} cannot be read as an image" in refused(capsys, "train", "--data", "pets")


def test_signals_that_do_not_fit_are_refused(capsys):
    signals()
    content = dict(np.load("s.npz"))
    common = "train", "--data", "s.npz", "--model", "cnn1d", "--quiet", "--epochs", 1
    np.savez("s.npz", x=content["x"][..., None], y=content["y"])
    assert "expected signals x (N, C, T) or (N, T), got shape (80, 2, 40, 1)" in refused(capsys, *common)
    np.savez("s.npz", x=content["x"], y=content["y"][:-1])
    assert "expected y of shape (80,), one for each signal, got (79,)" in refused(capsys, *common)
    np.savez("s.npz", x=np.where(np.arange(40) == 7, np.nan, content["x"]), y=content["y"])
    assert "expected finite numbers in x, got nan" in refused(capsys, *common)
    np.savez("s.npz", **content)
    run(capsys, *common)
    np.savez("x.npz", x=content["x"][:, :1])
    assert "expected signals x (N, 2, T), got shape (80, 1, 40)" in refused(
        capsys, "predict", "run/model.safetensors", "x.npz"
    )


@pytest.mark.parametrize(
    ("part", "name", "value", "match"),
    [
        ("config", "outputs", 10**12, "take more weights than"),
        ("config", "shape", [3, 10**9, 10**9], "take more weights than"),
        ("config", "shape", [10**12, 16, 16], "take more weights than"),
        ("config", "shape", [3, 16], "expected samples that are images, got shape [3, 16]"),
        ("config", "shape", "3", "expected shape and outputs of positive integers"),
        ("config", "outputs", 2.0, "expected shape and outputs of positive integers"),
        ("config", "activation", "rellu", "expected activation to be one of"),
        ("inputs", "shape", [8, 8, 3], "expected square images (H, W, 3) of the network's 768 numbers"),
    ],
)
def test_settings_are_compared_with_the_arrays(capsys, part, name, value, match):
    pictures(count=3)
    run(capsys, "train", "--data", "pets", "--model", "lenet", "--image-size", 16, "--quiet", "--epochs", 1)
    content = fastnn.load("run/model.safetensors")
    content[part][name] = value
    fastnn.save(content, "lies.safetensors")
    assert match in refused(capsys, "predict", "lies.safetensors", "pets")
