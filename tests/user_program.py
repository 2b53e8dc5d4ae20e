"""A program as users write it: it runs on an installed wheel, and mypy --strict has nothing to say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import fastnn
from fastnn import data, metrics, nn, optim
from fastnn.nn import functional as F
from fastnn.training import EarlyStopping


class Net(nn.Module):
    """Two layers."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(8, width)
        self.norm = nn.BatchNorm1d(width)
        self.last = nn.Linear(width, 2)

    def forward(self, input: fastnn.Tensor) -> fastnn.Tensor:
        """Scores of two classes."""
        hidden: fastnn.Tensor = fastnn.gelu(self.norm(self.first(input)))
        scores: fastnn.Tensor = self.last(hidden)
        return scores


def root_mean_square(x: fastnn.Tensor) -> fastnn.Tensor:
    """What comes of a Tensor is one."""
    return (x**2 + abs(-x[0]).reshape(1, -1)).sum(axis=0).mean().sqrt()


def functions(x: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> None:
    """Arrays come out where arrays go in, Tensors where one of the arguments is a Tensor."""
    plain: npt.NDArray[np.float32] = fastnn.gelu(x, approximate="tanh", out=np.empty_like(x))
    assert float(fastnn.softmax([0.0, 0.0], 0).sum()) == 1.0
    assert F.cross_entropy(plain, y).shape == ()
    assert fastnn.relu_backward(plain, plain).dtype == np.float32
    tracked = fastnn.tensor(x, requires_grad=True)
    weight, bias = nn.Parameter(np.ones((2, 8), np.float32)), nn.Parameter(np.zeros(2, np.float32))
    scores: fastnn.Tensor = F.linear(x, weight, bias)
    F.cross_entropy(scores, y, label_smoothing=0.1).backward()
    F.mse_loss(input=F.relu(input=tracked), target=x).backward()
    fastnn.layer_norm(x, 8, bias=nn.Parameter(np.zeros(8, np.float32))).sum().backward()
    F.cross_entropy(Net(4)(x), y).backward()
    root_mean_square(tracked * 2 - 1 / (1 + tracked)).backward()
    assert weight.grad is not None
    assert weight.grad.shape == weight.shape
    assert tracked.grad is not None


def main() -> None:
    """Train and predict."""
    fastnn.manual_seed(0)
    rng = np.random.default_rng(0)
    x: npt.NDArray[np.float32] = rng.normal(size=(256, 8)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.int64)
    functions(x, y)
    model = Net(32)
    trainer = fastnn.Trainer(
        model,
        nn.CrossEntropyLoss(),
        optim.AdamW(model.parameters(), lr=1e-2),
        metrics={"accuracy": metrics.Accuracy()},
        callbacks=[EarlyStopping("loss")],
        progress=False,
    )
    history = trainer.fit(data.DataLoader(data.TensorDataset(x, y), 32, shuffle=True, rng=0), epochs=20)
    predict = fastnn.freeze(model)
    scores = predict(x)
    assert history["accuracy"][-1] > 0.9
    assert float((scores.argmax(1) == y).mean()) > 0.9
    print("trained and predicted with", fastnn.__version__)


if __name__ == "__main__":
    main()
