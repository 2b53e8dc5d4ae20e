"""Trainings whose bits are compared between numbers of workers, and an engine of pipes that runs them in processes.

As a script, under mpiexec: python tests/shards.py case… prints each case's hash on worker 0.
"""

import hashlib
import multiprocessing
import sys

import numpy as np

import fastnn
from fastnn import data, distributed, nn, optim

SAMPLES, BATCH, STEPS = 650, 64, 50


def batches(x, y, steps=STEPS):
    """Global batches, the tenth and last of a pass of 10 samples: some of 16 shards are empty then."""
    starts = range(0, len(x), BATCH)
    for step in range(steps):
        at = starts[step % len(starts)]
        yield x[at : at + BATCH], y[at : at + BATCH]


def mixed(rng):
    """Batch norm, dropout, cross-entropy with weights and ignored targets."""
    x, y = rng.normal(size=(SAMPLES, 12)).astype(np.float32), rng.integers(0, 5, SAMPLES)
    y[::7] = -100
    model = nn.Sequential(
        nn.Linear(12, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 32),
        nn.BatchNorm1d(32, momentum=None), nn.GELU(), nn.Dropout(0.1, rng=5), nn.Linear(32, 5),
    )  # fmt: skip
    loss = nn.CrossEntropyLoss(np.linspace(0.5, 2, 5).astype(np.float32))
    return model, loss, x, y


class Tagger(nn.Module):
    """A class for each step of a sequence."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.lstm = nn.LSTM(8, 10, num_layers=2, batch_first=True, dropout=0.4, bidirectional=True)
        self.linear = nn.Linear(20, 4)

    def forward(self, input):
        return np.moveaxis(self.linear(self.lstm(self.embedding(input))[0]), -1, 1)


def sequence(rng):
    """A batch_first LSTM with dropout; every third target is ignored."""
    x, y = rng.integers(0, 20, (SAMPLES, 9)), rng.integers(0, 4, (SAMPLES, 9))
    y[rng.random(y.shape) < 1 / 3] = 3
    return Tagger(), nn.CrossEntropyLoss(ignore_index=3), x, y


def image(rng):
    """Convolutions, channels that are dropped as a whole, batch norm of images, an unweighted regression."""
    x, y = rng.normal(size=(SAMPLES, 3, 8, 8)), rng.normal(size=(SAMPLES, 2))
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout2d(0.2), nn.MaxPool2d(2),
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(6, 4, 3)), nn.Flatten(), nn.Linear(16, 2),
    )  # fmt: skip
    return model, nn.HuberLoss(), x.astype(np.float32), y.astype(np.float32)


class TimeMajor(nn.Module):
    """A transformer over (T, N, E): the samples are dimension 1."""

    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2)
        self.gru = nn.GRU(8, 8, num_layers=2, dropout=0.3)
        self.linear = nn.Linear(8, 1)

    def forward(self, input):
        x = self.gru(self.layer(np.swapaxes(input, 0, 1)))[0]
        with distributed.sample_axis(1):
            x = fastnn.dropout(x, 0.1, self.training)
        return self.linear(x[-1])


def attention(rng):
    """Dropout of attention's weights and of time-major arrays; a loss of one's own."""
    x, y = rng.normal(size=(SAMPLES, 5, 8)).astype(np.float32), rng.normal(size=(SAMPLES, 1)).astype(np.float32)
    return TimeMajor(), lambda output, target: distributed.mean((output - target) ** 2) * 0.5, x, y


CASES = {each.__name__: each for each in (mixed, sequence, image, attention)}


def trained(case, group, steps=STEPS, clip=None):
    """The hash of weights, running statistics and losses after some steps, with this group or with none."""
    fastnn.manual_seed(1)
    model, loss, x, y = CASES[case](np.random.default_rng(2))
    optimizer = optim.Adam(model.parameters(), 0.01)
    found = hashlib.sha256()
    for batch in batches(x, y, steps):
        optimizer.zero_grad()
        if group is None:
            value = loss(model(batch[0]), batch[1])
            value.backward()
            value = float(value)
        else:
            value = group.backward(model, loss, batch)
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        found.update(np.float64(value).tobytes())
    for array in model.state_dict().values():
        found.update(array.tobytes())
    return found.hexdigest()


# -- an engine of pipes -----------------------------------------------------------------------------------------------


class Pipes:
    """Workers that are processes of one machine, with pipes between them, of two kinds if `both`."""

    def __init__(self, rank, ways, beside=None):
        self.rank, self.size, self.ways, self.beside = rank, len(ways), ways, beside

    def exchange(self, buffer, peer):
        """The lower one sends first: a pipe holds little."""
        way = self.ways[peer]
        if self.rank < peer:
            way.send_bytes(buffer.tobytes())
        found = np.frombuffer(bytearray(way.recv_bytes()), buffer.dtype)
        if self.rank > peer:
            way.send_bytes(buffer.tobytes())
        return found

    def broadcast(self, buffer):
        if self.rank:
            return np.frombuffer(self.ways[0].recv_bytes(), buffer.dtype)
        for way in self.ways[1:]:
            way.send_bytes(buffer.tobytes())
        return buffer

    def apart(self):
        return None if self.beside is None else Pipes(self.rank, self.beside)


def _ways(context, size):
    """For each worker its ends of pipes to the others."""
    ends = [[None] * size for _ in range(size)]
    for a in range(size):
        for b in range(a):
            ends[a][b], ends[b][a] = context.Pipe()
    return ends


def _work(rank, job, arguments, ways, beside, results):
    try:
        results.put((rank, job(Pipes(rank, ways, beside), *arguments)))
    except BaseException as error:
        results.put((rank, error))


def on_workers(size, job, *arguments, overlap=True, timeout=120):
    """job(engine, *arguments) in as many processes; each one's result, or error."""
    context = multiprocessing.get_context("spawn")
    ways, beside = _ways(context, size), _ways(context, size)
    results = context.Queue()
    processes = [
        context.Process(
            target=_work,
            args=(rank, job, arguments, ways[rank], beside[rank] if overlap else None, results),
            daemon=True,
        )
        for rank in range(size)
    ]
    for each in processes:
        each.start()
    try:
        found = dict(results.get(timeout=timeout) for _ in processes)
    finally:
        for each in processes:
            each.join(5)
            each.kill()
    return [found[rank] for rank in range(size)]


def hashes(engine, cases, shards, steps, clip=None, threads=1):
    """A job: the hashes of cases."""
    fastnn.set_num_threads(threads)
    group = distributed.Group(engine, shards)
    return {case: trained(case, group, steps, clip) for case in cases}


def loader(size=200):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(size, 6)).astype(np.float32)
    return data.DataLoader(data.TensorDataset(x, (x[:, 0] > x[:, 1]).astype(int)), 32, shuffle=True, rng=4)


if __name__ == "__main__":
    group = distributed.mpi(shards=int(sys.argv[1]))
    for case in sys.argv[2:]:
        value = trained(case, group)
        if group.rank == 0:
            print(case, value, flush=True)
