"""Datasets of images: official files in every form, damaged ones, and downloads from a server on the loopback."""

import gzip
import hashlib
import http.server
import io
import pickle
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from cifar import root

from fastnn.data import CIFAR10, MNIST, DataLoader, Digits, FashionMNIST, ImageDataset, transforms
from fastnn.data._download import unpack

RNG = np.random.default_rng(0)


def records(n):
    images, labels = RNG.integers(0, 256, (n, 3072), np.uint8), RNG.integers(0, 10, n)
    return images, labels, np.concatenate([labels[:, None].astype(np.uint8), images], 1).tobytes()


def binary_root(tmp_path, files=("data_batch_1.bin", "test_batch.bin"), n=7):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    content = {}
    for name in files:
        images, labels, data = records(n)
        (folder / name).write_bytes(data)
        content[name] = images, labels
    return content


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes() + array.astype(np.uint8).tobytes()


def test_cifar_binary(tmp_path):
    content = binary_root(tmp_path)
    test = CIFAR10(tmp_path, train=False, download=False)
    images, labels = content["test_batch.bin"]
    assert test.data.shape == (7, 32, 32, 3)
    image, label = test[3]
    np.testing.assert_array_equal(image, images[3].reshape(3, 32, 32).transpose(1, 2, 0))
    assert image.flags.c_contiguous
    assert (label, type(label)) == (labels[3], int)
    assert test.classes[test.class_to_idx["frog"]] == "frog"
    with pytest.warns(UserWarning, match=r"found 1 of 5 training files in .*: data_batch_1.bin"):
        assert len(CIFAR10(tmp_path)) == 7
    assert len(CIFAR10(tmp_path / "cifar-10-batches-bin", train=False)) == 7


def test_cifar_all_files(tmp_path):
    content = binary_root(tmp_path, [f"data_batch_{i}.bin" for i in range(1, 6)])
    data = CIFAR10(tmp_path)
    np.testing.assert_array_equal(data.targets, np.concatenate([labels for _, labels in content.values()]))
    with pytest.raises(FileNotFoundError, match=r"found no test_batch.bin in .*; download=True fetches them"):
        CIFAR10(tmp_path, train=False, download=False)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_cifar_python_version(tmp_path, protocol):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    images, labels, _ = records(5)
    for keys in (("data", "labels"), (b"data", b"labels")):
        content = dict(zip(keys, (images, labels.tolist()), strict=True))
        (folder / "test_batch").write_bytes(pickle.dumps(content, protocol))
        data = CIFAR10(tmp_path, train=False)
        np.testing.assert_array_equal(data.targets, labels)
        np.testing.assert_array_equal(data[4][0], images[4].reshape(3, 32, 32).transpose(1, 2, 0))
    binary_root(tmp_path, ["test_batch.bin"], n=3)
    assert len(CIFAR10(tmp_path, train=False)) == 3  # the binary version is preferred


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_pickle_cannot_run_anything(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    mark = tmp_path / "ran"
    (folder / "test_batch").write_bytes(pickle.dumps({"data": Trap(mark), "labels": []}))
    with pytest.raises(ValueError, match="it asks for pathlib"):
        CIFAR10(tmp_path, train=False)
    assert not mark.exists()


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80\x04", pickle.dumps([1]), pickle.dumps({"data": np.zeros((2, 5), np.uint8), "labels": [1, 2]}),
     pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1, 10]}),
     pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "labels": [1]}),
     pickle.dumps({"data": np.zeros((2, 3072), np.uint8)})],
)  # fmt: skip
def test_damaged_python_files(tmp_path, content):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    (folder / "test_batch").write_bytes(content)
    with pytest.raises(ValueError, match="test_batch"):
        CIFAR10(tmp_path, train=False)


@pytest.mark.parametrize("data", [b"", b"\x01" * 3072, b"\x0a" + b"\0" * 3072, records(2)[2][:-1]])
def test_damaged_binary_files(tmp_path, data):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "test_batch.bin").write_bytes(data)
    with pytest.raises(ValueError, match=f"test_batch.bin of {len(data)} bytes is not made of records"):
        CIFAR10(tmp_path, train=False)


@pytest.mark.parametrize("kind", [MNIST, FashionMNIST])
@pytest.mark.parametrize("compressed", [False, True])
def test_mnist(tmp_path, kind, compressed):
    folder = tmp_path / kind.__name__ / "raw"
    folder.mkdir(parents=True)
    images, labels = RNG.integers(0, 256, (6, 28, 28), np.uint8), np.arange(6) % 10
    for name, array in (("t10k-images-idx3-ubyte", images), ("t10k-labels-idx1-ubyte", labels)):
        data = idx(array)
        (folder / (name + ".gz" * compressed)).write_bytes(gzip.compress(data, mtime=0) if compressed else data)
    for place in (tmp_path, folder):
        dataset = kind(place, train=False, download=False)
        np.testing.assert_array_equal(dataset[2][0], images[2][..., None])
        assert dataset[2][1] == 2
    assert len(dataset.classes) == 10
    dataset.transform = transforms.ToTensor()
    assert next(iter(DataLoader(dataset, 4)))[0].shape == (4, 1, 28, 28)
    with pytest.raises(FileNotFoundError, match="found no train-images-idx3-ubyte in"):
        kind(tmp_path, download=False)
    (folder / ("t10k-labels-idx1-ubyte" + ".gz" * compressed)).write_bytes(
        b"\x1f\x8b\0\0" if compressed else idx(labels)[:-1]
    )
    with pytest.raises(ValueError, match="t10k-labels"):
        kind(tmp_path, train=False)


def test_batches_of_images_are_those_of_single_images(tmp_path):
    binary_root(tmp_path)
    for transform in (
        None,
        transforms.ToTensor(),
        transforms.Compose([lambda image: image[:30], transforms.ToTensor()]),
    ):
        data = CIFAR10(tmp_path, False, transform, target_transform=lambda label: label + 1)
        images, labels = next(iter(DataLoader(data, 7)))
        assert images.flags.c_contiguous
        np.testing.assert_array_equal(images, np.stack([data[i][0] for i in range(7)]))
        np.testing.assert_array_equal(labels, data.targets + 1)


def test_augmentation_does_not_depend_on_workers(tmp_path):
    binary_root(tmp_path, n=40)
    train = transforms.Compose(
        [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    )
    data = CIFAR10(tmp_path, False, train)
    passes = []
    for workers in (0, 2, 3):
        loader = DataLoader(data, 8, shuffle=True, num_workers=workers, rng=5)
        passes.append([np.concatenate([x for x, _ in loader]) for _ in range(2)])
    for first, second in passes[1:]:
        np.testing.assert_array_equal(first, passes[0][0])
        np.testing.assert_array_equal(second, passes[0][1])
    slow = CIFAR10(tmp_path, False, transforms.Compose([*train.transforms, lambda image: image]))
    a, b = (np.concatenate([x for x, _ in DataLoader(slow, 8, True, num_workers=n, rng=5)]) for n in (0, 3))
    np.testing.assert_array_equal(a, b)


def test_digits():
    train, test = Digits(), Digits(train=False)
    assert (len(train), len(test)) == (1438, 359)
    assert train.data.min() == 0
    assert train.data.max() == 1
    joined = np.concatenate([train.data, test.data]).reshape(1797, 64)
    assert len(np.unique(joined, axis=0)) == len(np.unique((load_digits() / 16).astype(np.float32), axis=0))


def load_digits():
    from sklearn.datasets import load_digits as load

    return load().data


def test_image_dataset_checks_shapes():
    with pytest.raises(ValueError, match=r"ImageDataset: expected data \(N, H, W, C\) and targets \(N,\), got shapes"):
        ImageDataset(np.zeros((2, 3)), np.zeros(2, int))
    with pytest.raises(TypeError, match="expected integer targets, got dtype float64"):
        ImageDataset(np.zeros((2, 4, 4, 3)), [0.5, 1.5])
    assert "2 images of (4, 4, 3)" in repr(ImageDataset(np.zeros((2, 4, 4, 3)), np.zeros(2, int)))


@pytest.fixture
def server(tmp_path):
    """A folder that is served on the loopback."""
    pytest.importorskip("pooch")
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=str(folder))

        def log_message(self, *args):
            asked.append(self.path)

    asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http_server:
        threading.Thread(target=http_server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{http_server.server_port}/", asked
        http_server.shutdown()


def test_download_of_cifar(tmp_path, server, monkeypatch):
    folder, url, asked = server
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
            data = records(2)[2]
            member = tarfile.TarInfo(f"../../cifar-10-batches-bin/{name}")
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    (folder / "cifar-10-binary.tar.gz").write_bytes(packed.getvalue())
    monkeypatch.setattr(CIFAR10, "url", url + "cifar-10-binary.tar.gz")
    folder = tmp_path / "a" / "root"
    with pytest.raises(ValueError, match="is not the published file"):
        CIFAR10(folder)
    assert not list(folder.rglob("*.bin"))
    monkeypatch.setattr(CIFAR10, "md5", hashlib.md5(packed.getvalue()).hexdigest())
    assert len(CIFAR10(folder)) == 10
    assert sorted(p.name for p in folder.rglob("*.bin"))[0] == "data_batch_1.bin"
    asked.clear()
    assert len(CIFAR10(folder, train=False)) == 2
    (folder / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()  # as if unpacking had been cut off
    assert len(CIFAR10(folder)) == 10
    assert not asked
    assert sorted(p.name for p in folder.iterdir()) == ["cifar-10-batches-bin", "cifar-10-binary.tar.gz"]


def test_an_archive_is_unpacked_whole_or_not_at_all(tmp_path):
    names = ["a.bin", "b.bin"]
    archive, packed = tmp_path / "some.tar.gz", io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in names:
            member = tarfile.TarInfo(f"x/{name}")
            member.size = 50_000
            tar.addfile(member, io.BytesIO(RNG.bytes(50_000)))
    content = packed.getvalue()
    for damaged, wanted, match in (
        (content[:60_000], names, "some.tar.gz is damaged"),
        (b"<html>", names, "some.tar.gz is damaged"),
        (content, [*names, "c.bin"], "some.tar.gz does not hold c.bin"),
    ):
        archive.write_bytes(damaged)
        with pytest.raises(ValueError, match=match):
            unpack(archive, wanted, tmp_path / "out")
        assert [p.name for p in tmp_path.iterdir()] == ["some.tar.gz"]
    unpack(archive, names, tmp_path / "out")
    assert sorted(p.stat().st_size for p in (tmp_path / "out").iterdir()) == [50_000] * 2


def test_download_of_mnist(tmp_path, server, monkeypatch):
    folder, url, _ = server
    arrays = {
        "train-images-idx3-ubyte": RNG.integers(0, 256, (3, 28, 28)),
        "train-labels-idx1-ubyte": np.array([1, 2, 3]),
    }
    sums = {}
    for name, array in arrays.items():
        data = gzip.compress(idx(array), mtime=0)
        (folder / f"{name}.gz").write_bytes(data)
        sums[name] = hashlib.md5(data).hexdigest()
    monkeypatch.setattr(MNIST, "url", url)
    monkeypatch.setattr(MNIST, "md5", sums)
    assert len(MNIST(tmp_path / "root")) == 3
    assert (tmp_path / "root" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz").is_file()


def test_no_connection(tmp_path, monkeypatch):
    pytest.importorskip("pooch")
    monkeypatch.setattr(CIFAR10, "url", "http://127.0.0.1:9/cifar-10-binary.tar.gz")
    with pytest.raises(OSError, match=r"CIFAR10: could not download http://127.0.0.1:9/.*put the file into"):
        CIFAR10(tmp_path)


def test_real_cifar_files():
    data = CIFAR10(root(), train=False)
    assert len(data) == 10_000
    assert (np.bincount(data.targets) == 1000).all()
    images = data.data / 255
    np.testing.assert_allclose(images.mean((0, 1, 2)), (0.4914, 0.4822, 0.4465), atol=0.01)
    np.testing.assert_allclose(images.std((0, 1, 2)), (0.2470, 0.2435, 0.2616), atol=0.01)


def test_a_transform_that_writes_leaves_the_dataset_alone():
    data = RNG.random((6, 5, 5, 1)).astype(np.float32)
    data.setflags(write=False)
    erase = transforms.RandomErasing(1, (0.2, 0.3), (1, 1), value=9, inplace=True)
    for pipeline in (erase, transforms.Compose([transforms.Lambda(lambda image: image), erase])):
        images = ImageDataset(data, np.arange(6), transform=pipeline)
        assert (images[0][0] == 9).any()
        assert (next(iter(DataLoader(images, 6)))[0] == 9).any()
    assert data.max() < 1


def test_files_that_are_damaged_inside(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    packed = bytearray(gzip.compress(idx(RNG.integers(0, 255, (4, 28, 28)))))
    packed[12:20] = b"\xff" * 8
    (raw / "train-images-idx3-ubyte.gz").write_bytes(packed)
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(np.zeros(4)))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.gz is damaged"):
        MNIST(tmp_path, download=False)
    negative = bytes([0, 0, 8, 3]) + np.array([-1, -1, 2], ">i4").tobytes() + bytes(2)
    many = bytes([0, 0, 8, 200]) + np.ones(200, ">i4").tobytes() + bytes(1)
    for header in (b"", b"\0\0\x08", b"\0\0\x08\x03\0\0\0\x01\0\0", b"\0\0\x0d\x01\0\0\0\0", negative, many):
        (raw / "train-images-idx3-ubyte").write_bytes(header)
        with pytest.raises(ValueError, match=r"train-images-idx3-ubyte of \d+ bytes is not a whole IDX file"):
            MNIST(tmp_path, download=False)
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    content = {"data": np.zeros((2, 3072), np.uint8), "labels": [1, [2, 3]]}
    (folder / "test_batch").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(ValueError, match="does not hold a label below 10"):
        CIFAR10(tmp_path, train=False, download=False)


def test_images_by_many_numbers():
    images = ImageDataset(RNG.integers(0, 256, (6, 4, 4, 3), np.uint8), np.arange(6), list("abcdef"))
    for index in ([5, -6], np.array([5, 0]), slice(1, 5, 2), np.arange(6) % 2 == 0):
        batch, labels = images[index]
        np.testing.assert_array_equal(batch, images.data[index])
        np.testing.assert_array_equal(labels, images.targets[index])
    for index, error in ((6, IndexError), ([0, 6], IndexError), (1.0, TypeError), (True, TypeError), (None, TypeError)):
        with pytest.raises(error, match="ImageDataset: expected an in"):
            images[index]


def test_images_that_do_not_fit():
    pictures = np.zeros((4, 2, 2, 3), np.uint8)
    for wrong in ([0, 1, 2, 3], [0, 1, 0, -1]):
        with pytest.raises(ValueError, match="expected targets below 3, the number of classes, got values from"):
            ImageDataset(pictures, wrong, ["a", "b", "c"])
    with pytest.raises(TypeError, match="expected data of numbers, got dtype <U"):
        ImageDataset(pictures.astype(str), np.zeros(4, int))
    with pytest.raises(TypeError, match="expected data without a mask"):
        ImageDataset(np.ma.masked_array(pictures, pictures == 0), np.zeros(4, int))


def test_a_transform_that_loses_images():
    def halve(images):
        return images[::2]

    halve.batched = True
    images = ImageDataset(np.zeros((4, 2, 2, 3), np.uint8), np.zeros(4, int), transform=halve)
    with pytest.raises(ValueError, match=r"as many images as it is given, 4, got shape \(2, 2, 2, 3\)"):
        next(iter(DataLoader(images, 4)))
