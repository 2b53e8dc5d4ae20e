"""Pictures: the numbers that are drawn, the files that are written, errors."""

import math
import re
import sys

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")

import fastnn  # noqa: E402
from fastnn import models, nn, plot  # noqa: E402
from fastnn.metrics import ConfusionMatrix  # noqa: E402

RNG = np.random.default_rng(0)


def network():
    return nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.5), nn.Linear(16, 3))


def written(figure, tmp_path):
    path = tmp_path / "picture.png"
    figure.savefig(path, dpi=50)
    assert path.read_bytes()[:4] == b"\x89PNG"
    return figure.axes


def test_activation_draws_value_and_slope(tmp_path):
    figure = plot.activation("tanh", "leaky_relu", nn.Softplus(2.0), nn.PReLU(), "SiLU")
    axes = written(figure, tmp_path)
    assert [a.get_title() for a in axes[:4]] == [
        "tanh",
        "leaky_relu",
        "Softplus(beta=2.0, threshold=20.0)",
        "PReLU(num_parameters=1)",
    ]
    value, slope = axes[0].lines[-2:]
    x = value.get_xdata()
    np.testing.assert_allclose(value.get_ydata(), np.tanh(x), rtol=1e-12)
    np.testing.assert_allclose(slope.get_ydata(), 1 - np.tanh(x) ** 2, rtol=1e-9, atol=1e-12)
    leaky = axes[1].lines[-1].get_ydata()
    assert np.isnan(leaky).sum() == 1  # the jump
    assert set(np.round(leaky[~np.isnan(leaky)], 6)) == {0.01, 1.0}
    bottom, top = axes[0].get_ylim()
    assert bottom < -1 < 1 < top
    with pytest.raises(ValueError, match=r"plot.activation: expected activations or their names, got 'rellu'"):
        plot.activation("rellu")


def test_history(tmp_path):
    history = {
        "loss": [2.0, 1.0, 0.5],
        "val_loss": [2.1, 1.2, 0.9],
        "accuracy": [0.1, 0.2, 0.3],
        "lr": [1, 1, 1],
        "seconds": [1, 1, 1],
    }
    axes = written(plot.history(history), tmp_path)
    assert [a.get_title() for a in axes] == ["loss", "accuracy"]
    assert axes[0].lines[1].get_ydata().tolist() == history["val_loss"]
    assert [t.get_text() for t in axes[0].texts] == ["training 0.5", "validation 0.9"]
    written(plot.history({"loss": [1.0]}), tmp_path)
    with pytest.raises(ValueError, match="expected values of epochs"):
        plot.history({})


def test_confusion_matrix(tmp_path):
    counts = ConfusionMatrix(3)(RNG.normal(size=(50, 3)), RNG.integers(0, 3, 50))
    (axes,) = written(plot.confusion_matrix(counts, ["one", "two", "three"]), tmp_path)
    assert sum(int(text.get_text()) for text in axes.texts) == 50
    assert [t.get_text() for t in axes.get_xticklabels()] == ["one", "two", "three"]
    written(plot.confusion_matrix(np.zeros((2, 2), int)), tmp_path)
    with pytest.raises(ValueError, match=r"expected a square of counts, got shape \(2, 3\)"):
        plot.confusion_matrix(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="expected 3 classes, got 2"):
        plot.confusion_matrix(counts, ["a", "b"])


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 8, 8, 3), (5, 3, 8, 8), (5, 1, 8, 8), (5, 8, 8, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_predictions(tmp_path, shape, dtype):
    images = (RNG.random(shape) * 255).astype(dtype)
    output = np.eye(3)[[0, 1, 2, 0, 1]] * 5
    axes = written(plot.predictions(images, output, [0, 1, 2, 2, 1], ["a", "b", "c"]), tmp_path)
    assert [a.get_title() for a in axes[:5]] == ["a 99 %", "b 99 %", "c 99 %", "a 99 %, is c", "b 99 %"]
    assert plot.predictions(images, output).axes[0].get_title() == "0 99 %"
    with pytest.raises(ValueError, match="expected images"):
        plot.predictions(images, output[:3])


def test_weights_and_activations(tmp_path):
    model = network().train()
    assert [a.get_title() for a in written(plot.weights(model), tmp_path)][:2] == ["0.weight (16, 6)", "0.bias (16,)"]
    x = RNG.normal(size=(40, 6))
    axes = written(plot.activations(model, x), tmp_path)
    assert [a.get_title() for a in axes] == ["0 Linear", "1 ReLU", "2 Dropout", "3 Linear"]
    assert model.training
    assert model[2].training
    model[0].weight.data[0, 0] = np.nan
    assert "1 not finite" in plot.weights(model).axes[0].get_xlabel()
    with pytest.raises(ValueError, match="expected a model with parameters, got ReLU"):
        plot.weights(nn.ReLU())


def test_dead_relus(tmp_path):
    model = network()
    model[0].bias.data[:5] = -1e3
    (axes,) = written(plot.dead_relus(model, RNG.normal(size=(200, 6))), tmp_path)
    assert axes.get_title().startswith("1 ReLU: 5 of 16 dead")
    with pytest.raises(ValueError, match="expected a model with ReLU layers, got Linear"):
        plot.dead_relus(nn.Linear(2, 2), np.ones((1, 2)))


def test_global_state_is_left_alone():
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    plot.activation("relu")
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_a_layer_that_is_called_twice():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.relu, self.last = nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3)

        def forward(self, input):
            return self.relu(self.last(self.relu(self.first(input))))

    model = Twice()
    model.first.bias.data[...] = -99
    model.last.bias.data[...] = 99
    titles = [axes.get_title() for axes in plot.dead_relus(model, np.ones((5, 4))).axes if axes.get_title()]
    assert titles == ["relu ReLU: 3 of 3 dead (100 %)", "relu ReLU (2): 0 of 3 dead (0 %)"]
    with pytest.raises(ValueError, match="at least one sample"):
        plot.dead_relus(model, np.ones((0, 4)))


def test_history_of_validation_that_came_late():
    axes = plot.history({"loss": [3.0, 2.0, 1.0], "val_loss": [math.nan, 2.5, math.nan]}).axes[0]
    assert [text.get_text() for text in axes.texts] == ["training 1", "validation 2.5"]
    assert axes.texts[1].xy == (2, 2.5)


@pytest.mark.parametrize(
    ("target", "classes"), [([0, 2], ()), ([0], ()), ([0, -1], ()), ([0.0, 1.0], ()), (None, ["a"])]
)
def test_predictions_refuse_what_does_not_fit(target, classes):
    with pytest.raises(ValueError, match=r"plot\.predictions: expected"):
        plot.predictions(np.zeros((2, 4, 4)), np.zeros((2, 2)), target, classes)


def test_names_may_be_numbers():
    plot.confusion_matrix(np.eye(2, dtype=int), [0, 1])
    plot.predictions(np.zeros((2, 4, 5, 5), np.float32), np.zeros((2, 2)), [0, 1], [7, 8])


def test_a_confusion_matrix_of_many_classes_stays_a_picture():
    figure = plot.confusion_matrix(np.eye(300, dtype=int))
    assert max(figure.get_size_inches()) < 30
    assert not figure.axes[0].texts


def test_filters_in_colour_and_one_by_one(tmp_path):
    model = models.resnet20()
    axes = written(plot.filters(model), tmp_path)
    weight = np.asarray(model.conv1.weight)
    assert [a.get_title() for a in axes] == [str(k) for k in range(16)]
    shown = np.asarray(axes[3].images[0].get_array())
    np.testing.assert_allclose(shown, 0.5 + 0.5 * weight[3].transpose(1, 2, 0) / np.abs(weight[3]).max(), atol=1e-6)
    axes = written(plot.filters(model, "layer2.0.conv1"), tmp_path)
    weight = np.asarray(model.layer2[0].conv1.weight)
    assert len(axes) == 64  # of 512
    assert axes[17].get_title() == "1 from 1"
    np.testing.assert_array_equal(axes[17].images[0].get_array(), weight[1, 1])
    assert axes[17].images[0].get_clim() == pytest.approx((-np.abs(weight).max(), np.abs(weight).max()))
    axes = written(plot.filters(models.cnn1d(widths=(5,), kernel_sizes=(8,))), tmp_path)
    assert axes[0].images[0].get_array().shape == (1, 8)
    with pytest.raises(ValueError, match=r"plot.filters: expected a model with a Conv1d or Conv2d, got Sequential"):
        plot.filters(network())
    with pytest.raises(ValueError, match=r"plot.filters: expected layer to be one of 'conv1', 'layer1.0.conv1'"):
        plot.filters(model, "conv2")


def test_feature_maps_are_the_layers_output(tmp_path):
    model, image = models.resnet20(), RNG.normal(size=(3, 8, 10)).astype(np.float32)
    running = model.bn1.running_mean.copy()
    model.eval()
    expected = np.asarray(model.act(model.bn1(model.conv1(image[None]))).data)[0]
    model.train()
    axes = written(plot.feature_maps(model, image, "act"), tmp_path)
    np.testing.assert_allclose(axes[5].images[0].get_array(), expected[5], atol=1e-6)
    assert model.training
    np.testing.assert_array_equal(model.bn1.running_mean, running)
    assert len(written(plot.feature_maps(model, image[None], "layer3"), tmp_path)) == 64
    assert len(plot.feature_maps(model, image).axes) == 16
    for given, layer, match in [
        (image[0], None, r"expected one image \(C, H, W\) or \(1, C, H, W\), got shape \(8, 10\)"),
        (np.stack([image] * 2), None, r"got shape \(2, 3, 8, 10\)"),
        (image, "layer9", r"expected layer to be the path of a layer, such as 'layer1.0', got 'layer9'"),
        (image, "fc", r"expected an output \(1, channels, H, W\) of 'fc', got shape \(1, 10\)"),
    ]:
        with pytest.raises(ValueError, match=match):
            plot.feature_maps(model, given, layer)
    model.spare = nn.Conv2d(3, 3, 1)
    with pytest.raises(ValueError, match="of 'spare', got it is not called"):
        plot.feature_maps(model, image, "spare")


def test_profile(tmp_path):
    model = network()
    with fastnn.profile() as prof:
        model(np.ones((4, 6), np.float32)).sum().backward()
    (axis,) = written(plot.profile(prof), tmp_path)
    rows = sorted(prof.rows(), key=lambda row: -row.own)
    assert [label.get_text() for label in axis.get_yticklabels()] == [
        f"{row.name}  {row.module}".strip() for row in rows
    ]
    count = len(rows)
    widths = [patch.get_width() for patch in axis.patches]
    assert np.allclose(
        [a + b for a, b in zip(widths[:count], widths[count:], strict=True)], [1e3 * r.own for r in rows]
    )
    (few,) = written(plot.profile(prof, rows=3), tmp_path)
    assert len(few.get_yticklabels()) == 3
    assert not written(plot.profile(fastnn.profile()), tmp_path)[0].patches


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 6)

    def forward(self, x, y):
        return fastnn.relu(x + self.second(fastnn.gelu(self.first(x)))), np.cumsum(y, axis=1)


def test_graph(tmp_path):
    frozen = fastnn.freeze(Residual())
    with pytest.raises(
        ValueError, match=r"plot.graph: expected a frozen model that has predicted, or a graph, got Fro"
    ):
        plot.graph(frozen)
    frozen(np.ones((2, 6), np.float32), np.ones((2, 3), np.float32))
    figure = plot.graph(frozen)
    (axis,) = written(figure, tmp_path)
    boxes = {text.get_text().split("\n")[0]: text.get_position() for text in axis.texts if text.get_text()}
    assert list(boxes) == [
        "input 0", "input 1", "linear  first", "gelu", "linear  second", "add", "relu", "cumsum", "result",
    ]  # fmt: skip
    heights = [
        boxes[name][1] for name in ("input 0", "linear  first", "gelu", "linear  second", "add", "relu", "result")
    ]
    assert heights == [0, -1, -2, -3, -4, -5, -6]
    assert len(set(boxes.values())) == len(boxes)
    # an arrow for each value that is read; the sum's input passes the three ranks between in pieces of its own
    arrows = [text for text in axis.texts if not text.get_text()]
    assert len(arrows) == 9 + 3 + 4
    head, *lines = str(frozen.plan).splitlines()
    assert head == "6 calls: 2 steps in C, 1 calls of Python"
    assert [re.split("  +", line.strip()) for line in lines] == [
        ["linear + gelu", "first", "product", "float32(6,)"],
        ["linear + add + relu", "second", "product", "float32(6,)"],
        ["cumsum", "Python", "float32(N, 3)"],
    ]
