"""A program as users write it: it runs on an installed wheel, and mypy --strict has nothing to say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

import fastnn
from fastnn import data, metrics, nn, optim
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


def main() -> None:
    """Train and predict."""
    fastnn.manual_seed(0)
    rng = np.random.default_rng(0)
    x: npt.NDArray[np.float32] = rng.normal(size=(256, 8)).astype(np.float32)
    y = (x[:, 0] > x[:, 1]).astype(np.int64)
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
