"""The networks of `fastnn.models`: keys, outputs and gradients beside the same networks written in PyTorch."""

import cifar
import numpy as np
import pytest

import fastnn
from fastnn import models, nn

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel lengths")  # PyTorch's

# model, its PyTorch twin in this file, the shape of a batch
CASES = {
    "lenet": (models.lenet, (4, 1, 28, 28)),
    "lenet_colour": (lambda: models.lenet(7, 3, 32, nn.Tanh), (4, 3, 32, 32)),
    "resnet20": (models.resnet20, (2, 3, 32, 32)),
    "resnet56": (models.resnet56, (2, 3, 20, 24)),
    "resnet18": (models.resnet18, (2, 3, 64, 48)),
    "mobilenet_v2": (models.mobilenet_v2, (2, 3, 64, 64)),
    "mobilenet_v2_narrow": (lambda: models.mobilenet_v2(10, 1, 0.35), (4, 1, 96, 96)),
    "cnn1d": (models.cnn1d, (3, 1, 50)),
}


def twin(name):
    torch = pytest.importorskip("torch")
    from torch import nn as tnn
    from torch.nn import functional as F

    class LeNet(tnn.Module):
        def __init__(self, classes, channels, flat, act):
            super().__init__()
            self.conv1, self.conv2 = tnn.Conv2d(channels, 6, 5), tnn.Conv2d(6, 16, 5)
            self.fc1, self.fc2, self.fc3 = tnn.Linear(flat, 120), tnn.Linear(120, 84), tnn.Linear(84, classes)
            self.act = act

        def forward(self, x):
            x = F.max_pool2d(self.act(self.conv1(x)), 2)
            x = F.max_pool2d(self.act(self.conv2(x)), 2).flatten(1)
            return self.fc3(self.act(self.fc2(self.act(self.fc1(x)))))

    class Block(tnn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = tnn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.bn1 = tnn.BatchNorm2d(outputs)
            self.conv2 = tnn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn2 = tnn.BatchNorm2d(outputs)
            self.downsample = None
            if stride != 1 or inputs != outputs:
                shortcut = tnn.Conv2d(inputs, outputs, 1, stride, bias=False)
                self.downsample = tnn.Sequential(shortcut, tnn.BatchNorm2d(outputs))

        def forward(self, x):
            y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
            return F.relu(y + (x if self.downsample is None else self.downsample(x)))

    class ResNet(tnn.Module):
        def __init__(self, stem, blocks, widths, classes):
            super().__init__()
            self.conv1, self.bn1, self.large = stem, tnn.BatchNorm2d(widths[0]), stem.kernel_size == (7, 7)
            before, self.stages = widths[0], len(widths)
            for i, (count, width) in enumerate(zip(blocks, widths, strict=True)):
                first = Block(before, width, 2 if i else 1)
                setattr(
                    self, f"layer{i + 1}", tnn.Sequential(first, *(Block(width, width, 1) for _ in range(count - 1)))
                )
                before = width
            self.fc = tnn.Linear(before, classes)

        def forward(self, x):
            x = F.relu(self.bn1(self.conv1(x)))
            x = F.max_pool2d(x, 3, 2, 1) if self.large else x
            for i in range(self.stages):
                x = getattr(self, f"layer{i + 1}")(x)
            return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))

    def cna(inputs, outputs, size=1, stride=1, groups=1):
        conv = tnn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups, bias=False)
        return tnn.Sequential(conv, tnn.BatchNorm2d(outputs), tnn.ReLU6())

    class Inverted(tnn.Module):
        def __init__(self, inputs, outputs, stride, expand):
            super().__init__()
            inside, self.added = inputs * expand, stride == 1 and inputs == outputs
            wider = [cna(inputs, inside)] if expand != 1 else []
            narrow = tnn.Conv2d(inside, outputs, 1, bias=False)
            self.conv = tnn.Sequential(*wider, cna(inside, inside, 3, stride, inside), narrow, tnn.BatchNorm2d(outputs))

        def forward(self, x):
            return x + self.conv(x) if self.added else self.conv(x)

    class MobileNetV2(tnn.Module):
        def __init__(self, classes, channels, widths):
            super().__init__()
            first, *widths, last = widths
            layers, before = [cna(channels, first, 3, 2)], first
            for width, (expand, count, stride) in zip(
                widths, [(1, 1, 1), (6, 2, 2), (6, 3, 2), (6, 4, 2), (6, 3, 1), (6, 3, 2), (6, 1, 1)], strict=True
            ):
                for i in range(count):
                    layers.append(Inverted(before, width, 1 if i else stride, expand))
                    before = width
            self.features = tnn.Sequential(*layers, cna(before, last))
            self.classifier = tnn.Sequential(tnn.Dropout(0.2), tnn.Linear(last, classes))

        def forward(self, x):
            return self.classifier(F.adaptive_avg_pool2d(self.features(x), 1).flatten(1))

    class CNN1d(tnn.Module):
        def __init__(self):
            super().__init__()
            layers, before = [], 1
            for width, size in ((128, 8), (256, 5), (128, 3)):
                conv = tnn.Conv1d(before, width, size, padding="same", bias=False)
                layers += [conv, tnn.BatchNorm1d(width), tnn.ReLU()]
                before = width
            self.features, self.fc = tnn.Sequential(*layers), tnn.Linear(128, 2)

        def forward(self, x):
            return self.fc(self.features(x).mean(2))

    def small(blocks):
        return ResNet(tnn.Conv2d(3, 16, 3, 1, 1, bias=False), blocks, (16, 32, 64), 10)

    stem = tnn.Conv2d(3, 64, 7, 2, 3, bias=False)
    return {
        "lenet": lambda: LeNet(10, 1, 256, F.relu),
        "lenet_colour": lambda: LeNet(7, 3, 400, torch.tanh),
        "resnet20": lambda: small((3, 3, 3)),
        "resnet56": lambda: small((9, 9, 9)),
        "resnet18": lambda: ResNet(stem, (2, 2, 2, 2), (64, 128, 256, 512), 1000),
        "mobilenet_v2": lambda: MobileNetV2(1000, 3, (32, 16, 24, 32, 64, 96, 160, 320, 1280)),
        "mobilenet_v2_narrow": lambda: MobileNetV2(10, 1, (16, 8, 8, 16, 24, 32, 56, 112, 1280)),
        "cnn1d": CNN1d,
    }[name]()


def pair(name):
    """A model and its twin with one set of weights, and a batch."""
    torch = pytest.importorskip("torch")
    make, shape = CASES[name]
    fastnn.manual_seed(0)
    ours, theirs = make(), twin(name)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(0)
    state = ours.state_dict()
    for key in state:  # statistics as training leaves them, not those of a new layer
        if key.endswith("running_mean"):
            state[key] = rng.normal(0, 0.1, state[key].shape).astype(np.float32)
        elif key.endswith("running_var"):
            state[key] = rng.uniform(0.5, 1.5, state[key].shape).astype(np.float32)
    ours.load_state_dict(state)
    theirs.load_state_dict({key: torch.as_tensor(np.ascontiguousarray(value)) for key, value in state.items()})
    return ours, theirs, rng.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("name", CASES)
def test_keys_and_outputs_are_those_of_the_twin(name):
    torch = pytest.importorskip("torch")

    ours, theirs, x = pair(name)
    with torch.no_grad():
        expected = theirs.double().eval()(torch.as_tensor(x).double()).numpy()
    y = ours.eval()(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, expected, rtol=0, atol=2e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("resnet56", "mobilenet_v2")])
def test_a_training_step_is_the_twins(name):
    """Loss, gradients, running statistics and what a step of SGD makes of the weights, in double on both sides."""
    torch = pytest.importorskip("torch")

    ours, theirs, x = pair(name)
    ours, theirs = ours.double().train(), theirs.double().train()
    for model in (ours, theirs):  # masks differ
        for module in model.modules():
            if type(module).__name__ == "Dropout":
                module.p = 0.0
    target = np.arange(len(x)) % 2
    loss = nn.CrossEntropyLoss()(ours(x.astype(np.float64)), target)
    expected = torch.nn.CrossEntropyLoss()(theirs(torch.as_tensor(x).double()), torch.as_tensor(target))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    loss.backward()
    expected.backward()
    fastnn.optim.SGD(ours.parameters(), lr=0.1).step()
    torch.optim.SGD(theirs.parameters(), lr=0.1).step()
    gradients = {key: p.grad.numpy() for key, p in theirs.named_parameters()}
    top = max(np.abs(each).max() for each in gradients.values())
    for key, p in ours.named_parameters():
        np.testing.assert_allclose(p.grad, gradients[key], rtol=1e-6, atol=1e-9 * top, err_msg=key)
    after = theirs.state_dict()
    for key, value in ours.state_dict().items():
        np.testing.assert_allclose(value, after[key].numpy(), rtol=1e-6, atol=1e-9 * top, err_msg=key)


def test_fifty_steps_on_cifar_are_the_twins():
    """ResNet-20 from the same weights over the same batches of real images.

    In float64: in float32 some unit of ReLU sees 0 within rounding at every other step, and whether it fires there moves
    the losses of either library by 1e-2 within 50 steps.
    """
    torch = pytest.importorskip("torch")
    images, labels = cifar.images(400)
    images = ((images - images.mean()) / images.std())[:, :, ::2, ::2].astype(np.float64)  # smaller ones take less time
    fastnn.manual_seed(0)
    ours, theirs = CASES["resnet20"][0]().double(), twin("resnet20").double()
    theirs.load_state_dict({k: torch.as_tensor(np.ascontiguousarray(v)) for k, v in ours.state_dict().items()})
    contestants = [
        (model, library.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4), criterion, convert, [])
        for library, model, criterion, convert in (
            (fastnn, ours, nn.CrossEntropyLoss(), np.asarray),
            (torch, theirs, torch.nn.CrossEntropyLoss(), torch.as_tensor),
        )
    ]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # whose team would disturb ours
    for step in range(50):
        rows = (np.arange(16) + 16 * step) % len(images)
        for model, optimizer, criterion, convert, losses in contestants:
            optimizer.zero_grad()
            loss = criterion(model(convert(images[rows])), convert(labels[rows]))
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    torch.set_num_threads(threads)
    (*_, losses), (*_, expected) = contestants
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-6)
    assert len(set(losses)) == 50


def test_activations_can_be_learned():
    model = models.resnet20(activation=nn.PReLU)
    assert sum(key.endswith("act1.weight") or key.endswith("act2.weight") for key in model.state_dict()) == 18
    fastnn.nn.CrossEntropyLoss()(model(np.ones((2, 3, 8, 8), np.float32)), [0, 1]).backward()
    assert all(p.grad is not None for p in model.parameters())


def test_weights_are_drawn_by_the_fan_of_the_outputs():
    fastnn.manual_seed(1)
    weight = np.asarray(models.resnet18().layer4[1].conv2.weight)
    assert weight.std() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.01)
    classifier = models.mobilenet_v2().classifier[1]
    assert np.asarray(classifier.weight).std() == pytest.approx(0.01, rel=0.01)
    assert not np.asarray(classifier.bias).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: models.lenet(size=15), "lenet: expected size of at least 16, got 15"),
        (
            lambda: models.cnn1d(widths=(8,)),
            "cnn1d: expected as many kernel_sizes as widths, at least one, got 3 and 1",
        ),
        (lambda: models.mobilenet_v2(width_mult=0.0), "mobilenet_v2: expected width_mult"),
        (lambda: models.mobilenet_v2(dropout=2.0), "Dropout: expected p"),
        (lambda: models.resnet20(in_channels=-1), "in_channels"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ValueError, match=message):
        make()
