"""Predict a signal's next value as it comes in: a GRU learns from whole sequences, and is streamed, one value a call.

python examples/stream_prediction.py
python examples/stream_prediction.py --short
"""

import sys
import time

import numpy as np

import fastnn
from fastnn import nn, optim

STEPS = 20 if "--short" in sys.argv else 200


class Predictor(nn.Module):
    """The next value, at each step."""

    def __init__(self, width=32):
        super().__init__()
        self.rnn, self.head = nn.GRU(1, width, batch_first=True), nn.Linear(width, 1)

    def forward(self, input):
        y, _ = self.rnn(input)
        return self.head(y)


def signals(rng, count, length):
    """Two waves of drawn rates and phases, one of them growing and fading, and noise (count, length, 1)."""
    t = np.arange(length)
    rate, phase = rng.uniform(0.1, 0.5, (2, count, 1)), rng.uniform(0, 6.28, (2, count, 1))
    wave = np.sin(rate[0] * t + phase[0]) + np.sin(rate[1] * t + phase[1]) * np.sin(0.02 * t)
    return (wave + rng.normal(0, 0.05, wave.shape)).astype(np.float32)[:, :, None]


fastnn.manual_seed(0)
rng, model = np.random.default_rng(0), Predictor()
optimizer = optim.Adam(model.parameters(), 3e-3)
for _ in range(STEPS):
    x = signals(rng, 32, 120)
    optimizer.zero_grad()
    loss = fastnn.mse_loss(model(x[:, :-1]), x[:, 1:])
    loss.backward()
    optimizer.step()

# One signal comes in.  The stream keeps the state: each call costs one step, however long the signal has become.
signal = signals(np.random.default_rng(1), 1, 2000)
stream = fastnn.freeze(model).stream()
start, guesses = time.perf_counter(), []
for value in signal[0, :-1]:
    guesses.append(stream(value[None])[0])
each = (time.perf_counter() - start) / len(guesses)
with fastnn.no_grad():
    whole = model(signal[:, :-1])[0]
print(f"trained to an error of {loss.item():.4f}")
same = np.array_equal(guesses, whole)
print(f"streamed {len(guesses)} values, {each * 1e6:.0f} µs each; the same bits as at once: {same}")
error, naive = np.square(np.array(guesses) - signal[0, 1:]).mean(), np.square(np.diff(signal[0], axis=0)).mean()
print(f"mean squared error {error:.4f}, of repeating the last value {naive:.4f}")

# A state may be kept, and gone on from elsewhere
state = stream.state
other = fastnn.freeze(model).stream()
other.state = state
assert np.array_equal(other(signal[:, -1]), stream(signal[:, -1]))
