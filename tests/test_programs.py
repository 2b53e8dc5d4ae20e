"""The programs that texts teach PyTorch with: the same classes and calls, NumPy arrays in place of tensors."""

import numpy as np
import pytest
from cifar import images, root

import fastnn as torch_like
from fastnn import data, nn, optim
from fastnn.nn import functional as F


def test_simple_net_with_batch_norm():
    class SimpleNet(nn.Module):
        def __init__(self):
            super(SimpleNet, self).__init__()  # noqa: UP008  (as texts write it)
            self.fc1 = nn.Linear(784, 256)
            self.bn1 = nn.BatchNorm1d(256)
            self.fc2 = nn.Linear(256, 10)

        def forward(self, x):
            x = self.fc1(x)
            x = self.bn1(x)
            x = F.relu(x)
            x = self.fc2(x)
            return x

    torch_like.manual_seed(0)
    model = SimpleNet()
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(64, 784)), rng.integers(0, 10, 64)
    criterion, optimizer = nn.CrossEntropyLoss(), optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert outputs.shape == (64, 10)
    assert losses[-1] < 0.05 < 2 < losses[0]
    assert model.bn1.num_batches_tracked == 20
    model.eval()
    with torch_like.no_grad():
        accuracy = (model(inputs).argmax(1) == labels).mean()
        np.testing.assert_allclose(model(inputs[:1]), model(inputs)[:1], rtol=1e-5, atol=1e-6)
    assert accuracy > 0.9


def test_dropout_net():
    class DropoutNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1 = nn.Linear(20, 50)
            self.dropout = nn.Dropout(p=0.5)
            self.fc2 = nn.Linear(50, 2)

        def forward(self, x):
            x = torch_like.relu(self.fc1(x))
            x = self.dropout(x)
            return self.fc2(x)

    model = DropoutNet()
    x = np.random.default_rng(0).normal(size=(4, 20))
    model.train()
    assert not np.array_equal(model(x).numpy(), model(x).numpy())
    model.eval()
    np.testing.assert_array_equal(model(x).numpy(), model(x).numpy())
    seen = []
    model.dropout.register_forward_hook(lambda module, args, output: seen.append((args[0].numpy(), output.numpy())))
    model.train()
    model(x)
    before, after = seen[0]
    alive = before > 0
    assert set(np.unique(after[alive] / before[alive])) == {0, 2}  # scaled up in training, not down in evaluation


def test_learnable_activation():
    class LearnableActivation(nn.Module):
        def __init__(self):
            super().__init__()
            self.alpha = nn.Parameter(np.ones(1))
            self.beta = nn.Parameter(np.zeros(1))

        def forward(self, x):
            return self.alpha * torch_like.relu(x) + self.beta * torch_like.tanh(x)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.act, self.fc2 = nn.Linear(1, 16), LearnableActivation(), nn.Linear(16, 1)

        def forward(self, x):
            return self.fc2(self.act(self.fc1(x)))

    torch_like.manual_seed(1)
    model = Net()
    assert [name for name, _ in model.named_parameters()][2:4] == ["act.alpha", "act.beta"]
    x = np.linspace(-2, 2, 64).reshape(-1, 1)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    first = None
    for _ in range(200):
        optimizer.zero_grad()
        loss = nn.MSELoss()(model(x), np.sin(2 * x))
        loss.backward()
        optimizer.step()
        first = first or loss.item()
    assert loss.item() < first / 10
    assert model.act.alpha.data[0] != 1
    assert model.act.beta.data[0] != 0


def test_sigmoid_module_on_image_batches():
    class Sigmoid(nn.Module):
        def forward(self, x):
            return 1 / (1 + np.exp(-x))

    batch, _ = images(8)
    ours, theirs = Sigmoid()(batch), nn.Sigmoid()(batch)
    assert ours.shape == theirs.shape == (8, 3, 32, 32)
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    assert theirs.min() >= 0.5
    tracked = torch_like.tensor(batch, requires_grad=True)
    Sigmoid()(tracked).sum().backward()
    np.testing.assert_allclose(tracked.grad, theirs * (1 - theirs), rtol=1e-5)


def test_linear_on_a_flattened_batch():
    batch, labels = images(64)
    flat = batch.reshape(batch.shape[0], -1)
    torch_like.manual_seed(0)
    layer = nn.Linear(3 * 32 * 32, 10)
    assert flat.shape == (64, 3072)
    assert layer(flat).shape == (64, 10)
    model = nn.Sequential(nn.Flatten(), layer)
    np.testing.assert_array_equal(model(batch).numpy(), layer(flat).numpy())
    optimizer = optim.SGD(model.parameters(), lr=0.01)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_loader_through_a_sigmoid_module_to_tensorboard(tmp_path):
    tensorboard = pytest.importorskip("tensorboardX")
    pytest.importorskip("PIL")
    dataset = data.CIFAR10(root(), train=False, transform=data.transforms.ToTensor(), download=False)
    loader = data.DataLoader(dataset, batch_size=64)

    class Sig(nn.Module):
        def __init__(self):
            super().__init__()
            self.sigmoid = nn.Sigmoid()

        def forward(self, input):
            return self.sigmoid(input)

    model, writer = Sig(), tensorboard.SummaryWriter(str(tmp_path))
    for step, (imgs, _) in enumerate(loader):
        if step == 3:
            break
        output = model(imgs)
        assert output.shape == (64, 3, 32, 32)
        writer.add_images("input", imgs, global_step=step)
        writer.add_images("output", output, step)
    writer.close()
    (file,) = tmp_path.iterdir()
    assert file.read_bytes().count(b"output") == 3
    assert output.min() >= 0.5  # pixels are not negative


def test_linear_on_the_flattened_batches_of_a_loader():
    dataset = data.CIFAR10(root(), train=False, transform=data.transforms.ToTensor(), download=False)
    loader = data.DataLoader(dataset, batch_size=64, drop_last=True)
    assert len(loader) == 156

    class Lin(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear1 = nn.Linear(196608, 10)

        def forward(self, input):
            return self.linear1(input)

    model = Lin()
    for imgs, _ in loader:
        output = imgs.reshape(-1)
        assert output.shape == (196608,)
        assert model(output).shape == (10,)
        assert model(output.reshape(1, 1, 1, -1)).shape == (1, 1, 1, 10)
        break


# The weights that PyTorch draws after torch.manual_seed(42), and what it prints for them (2.13).
TWO_CLASS = [[0.4414065182209015, 0.47920528054237366, -0.1352572739124298]], [0.5303604602813721]
MANY_CLASS = (
    [
        [0.441407, 0.479205, -0.135257],
        [0.53036, -0.1265, 0.116504],
        [-0.281086, 0.339068, 0.508959],
        [-0.42356, 0.501831, 0.108056],
    ],
    [0.42655149102211, 0.078190878033638, 0.27839142084121704, -0.08151666074991226],
)
INPUTS = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 2.0], [0.0, 0.0, 0.0]])


class MyModel(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.linear = nn.Linear(3, classes)
        self.activation = nn.Sigmoid() if classes == 1 else nn.Softmax(dim=1)

    def forward(self, x):
        return self.activation(self.linear(x))


def my_model(weight, bias):
    model = MyModel(len(bias))
    model.load_state_dict({"linear.weight": weight, "linear.bias": bias})
    return model


def test_two_class_model():
    model = my_model(*TWO_CLASS)
    output = model(INPUTS)
    np.testing.assert_allclose(output.numpy(), [[0.8212], [0.5145], [0.6296]], atol=5e-5)
    loss = nn.BCELoss()(output, np.array([[1.0], [0.0], [1.0]]))
    assert loss.item() == pytest.approx(0.4608, abs=5e-5)
    loss.backward()
    np.testing.assert_allclose(model.linear.weight.grad, [[-0.2311, -0.0335, 0.1642]], atol=5e-5)
    np.testing.assert_allclose(model.linear.bias.grad, [-0.0116], atol=5e-5)
    assert (output.numpy() > 0.5).all()


def test_many_class_model():
    model = my_model(*MANY_CLASS)
    output = model(INPUTS)
    expected = [[0.2367, 0.1157, 0.5173, 0.1302], [0.0986, 0.0778, 0.5919, 0.2317], [0.3155, 0.2227, 0.2720, 0.1898]]
    np.testing.assert_allclose(output.numpy(), expected, atol=5e-5)
    np.testing.assert_allclose(output.numpy().sum(1), 1, rtol=1e-6)
    loss = nn.CrossEntropyLoss()(model.linear(INPUTS), np.array([0, 3, 1]))
    assert loss.item() == pytest.approx(1.4684, abs=5e-5)
    loss.backward()
    expected = [[-0.2873, -0.4924, -0.6976], [0.0127, 0.0901, 0.1676], [-0.0249, 0.4435, 0.9119], [0.2995, -0.0412, -0.3820]]  # fmt: skip
    np.testing.assert_allclose(model.linear.weight.grad, expected, atol=5e-5)


def test_softmax_rows_sum_to_one():
    scores = np.array([[2.0, 5.0, 0.0, 7.0], [1.0, 1.0, 1.0, 1.0]], np.float32)
    output = nn.Softmax(dim=1)(scores)
    np.testing.assert_allclose(output[0].round(4), [0.0059, 0.1184, 0.0008, 0.8749], rtol=1e-6)
    np.testing.assert_allclose(output[1], 0.25)
    np.testing.assert_allclose(output.sum(1), 1, rtol=1e-6)
    assert output.argmax(1)[0] == 3
