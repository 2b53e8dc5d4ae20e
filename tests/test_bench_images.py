"""The same networks and batches for fastnn and PyTorch in the comparisons on images."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from fastnn import models

if not (Path(__file__).parent.parent / "bench").is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)


def test_the_networks_of_pytorchs_layers_are_ours():
    torch = pytest.importorskip("torch")
    from bench.twins import load, networks

    x = np.random.default_rng(0).normal(size=(2, 3, 32, 32))
    for name in ("resnet20", "mobilenet_v2"):
        ours, theirs = getattr(models, name)(), getattr(networks("torch"), name)()
        assert isinstance(theirs, torch.nn.Module)
        load(theirs, ours.state_dict())
        y = ours.double().eval()(x).data
        found = theirs.double().eval()(torch.as_tensor(x)).detach()
        np.testing.assert_allclose(found, y, rtol=0, atol=1e-9 * np.abs(y).max())


def test_both_libraries_learn_the_same_batches(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    rng, folder = np.random.default_rng(0), tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for file in ("data_batch_1.bin", "test_batch.bin"):
        records = rng.integers(0, 256, (600, 3073)).astype(np.uint8)
        records[:, 0] %= 10
        records.tofile(folder / file)
    options = ["--epochs", "2", "--seeds", "1", "--out", str(tmp_path / "rows")]
    done = subprocess.run(
        [sys.executable, "-m", "bench.cifar", str(tmp_path), *options],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    assert [(row["library"], row["epoch"]) for row in rows] == [
        ("fastnn", 1),
        ("torch", 1),
        ("torch", 2),
        ("fastnn", 2),
    ]
    assert all(len(row["losses"]) == 4 and 0 <= row["accuracy"] < 0.3 for row in rows)
    np.testing.assert_allclose(rows[0]["losses"], rows[1]["losses"], rtol=0, atol=1e-3)
    assert (tmp_path / "rows.png").read_bytes().startswith(b"\x89PNG")
    assert "seed 0: 4 of the first 50 losses within 1e-3" in done.stdout


def test_batches_are_moved_and_mirrored():
    from bench.cifar import batches, scaled

    images = np.random.default_rng(0).integers(0, 256, (256, 32, 32, 3)).astype(np.uint8)
    labels = np.arange(256)
    first, again, other = (list(batches(images, labels, 3, epoch)) for epoch in (0, 0, 1))
    assert all((x == y).all() for a, b in zip(first, again, strict=True) for x, y in zip(a, b, strict=True))
    assert (first[0][1] != other[0][1]).any()
    x, t = (np.concatenate(each) for each in zip(*first, strict=True))
    assert sorted(t) == list(labels)
    assert first[0][0].transpose(0, 2, 3, 1).flags.c_contiguous
    middle = scaled(images)[t][:, :, 8:24, 8:24]  # is somewhere in the image, as it was or from right to left
    found = {False: 0, True: 0}
    for image, part in zip(x, middle, strict=True):
        for mirrored in found:
            turned = part[..., ::-1] if mirrored else part
            windows = np.lib.stride_tricks.sliding_window_view(image, (16, 16), (1, 2))[:, 4:13, 4:13]
            found[mirrored] += bool((windows == turned[:, None, None]).all((0, 3, 4)).any())
    assert sum(found.values()) == 256
    assert min(found.values()) > 90
