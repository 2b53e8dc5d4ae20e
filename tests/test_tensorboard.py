"""TensorBoard's files: their content, and values that do not fit into them."""

from pathlib import Path

import numpy as np
import pytest
from training import RNG, X, Y, loader, make

from fastnn import nn
from fastnn.training import TensorBoard


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    images = RNG.random((4, 3, 8, 8)).astype(np.float32)
    trainer = make(callbacks=[TensorBoard(tmp_path / "runs", images=images)])
    history = trainer.fit(loader(), 2, [(X, Y)])
    (file,) = Path(tmp_path / "runs").glob("events*")
    raw, at, values = file.read_bytes(), 0, {}
    while at < len(raw):  # records: length, its checksum, data, its checksum
        size = int.from_bytes(raw[at : at + 8], "little")
        event = Event.FromString(raw[at + 12 : at + 12 + size])
        at += size + 16
        for value in event.summary.value:
            values.setdefault(value.tag, []).append((event.step, value))
    assert [step for step, _ in values["loss/training"]] == [1, 2]
    np.testing.assert_allclose([v.simple_value for _, v in values["loss/validation"]], history["val_loss"], rtol=1e-6)
    assert values["parameters/0.weight"][0][1].histo.num == 96
    assert "gradients/4.bias" in values
    assert values["images"][0][1].image.height >= 8
    assert b"BatchNorm1d" in values["model/text_summary"][0][1].tensor.string_val[0]
    assert {"lr", "seconds", "accuracy/training"} <= set(values)


def test_tensorboard_of_an_empty_parameter_and_odd_images(tmp_path):
    pytest.importorskip("tensorboardX")
    trainer = make(callbacks=[TensorBoard(tmp_path)])
    trainer.model.empty = nn.Parameter(np.zeros((0, 3), np.float32))
    trainer.fit(loader(), 1)
    for shape in ((2, 5, 5, 5), (0, 3, 4, 4), (3, 4, 4)):
        with pytest.raises(ValueError, match="expected images"):
            TensorBoard(tmp_path, images=np.zeros(shape))


def test_tensorboard_of_values_that_are_not_finite(tmp_path):
    pytest.importorskip("tensorboardX")
    seen = {}

    class Writer:
        def __getattr__(self, name):
            return lambda tag="", value=None, *rest, **options: seen.setdefault(tag, value)

    values = np.float32([np.nan, np.inf, 1, 2])
    for writer in (None, Writer()):
        trainer = make(callbacks=[TensorBoard(tmp_path, writer=writer)])
        for name, array in {
            "nan": values * np.nan, "some": values, "large": np.float32([-3e38, 2e20]), "wide": np.array([1e300, -1.0]),
        }.items():  # fmt: skip
            trainer.model.register_parameter(name, nn.Parameter(array))
        trainer.fit(loader(), 2)
    assert seen["nonfinite/parameters/nan"] == 4
    assert "parameters/nan" not in seen
    assert seen["nonfinite/parameters/some"] == 2
    assert seen["parameters/some"].tolist() == [1, 2]
    assert "nonfinite/parameters/0.weight" not in seen


def test_pictures_that_would_wrap_around(tmp_path):
    pytest.importorskip("tensorboardX")
    images = np.linspace(-2, 3, 2 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    shown = TensorBoard(tmp_path, images=images).images
    assert (shown.min(), shown.max()) == (0, 1)
    np.testing.assert_array_equal(TensorBoard(tmp_path, images=np.clip(images, 0, 1)).images, np.clip(images, 0, 1))
    for wrong, got in ((images.astype(int), "dtype int64"), (images * np.nan, "NaN or inf")):
        with pytest.raises(ValueError, match=f"expected images of bytes or finite floats, got {got}"):
            TensorBoard(tmp_path, images=wrong)
