"""Is a line of text documentation, an error message or a licence?  Recurrent layers read it character by character.

The text is what any machine with Python carries: docstrings and messages of the standard library's sources, licences of
the packages installed.  LSTM, GRU, both with learned gates, and a small transformer are trained with three seeds each;
curves are drawn if matplotlib is there.

python examples/lines_of_text.py           # two minutes
python examples/lines_of_text.py --short   # some seconds, too few to learn much
"""

import ast
import importlib.metadata
import random
import re
import sys
import sysconfig
import time
from pathlib import Path

import numpy as np

import fastnn
from fastnn import nn, optim

SHORT = "--short" in sys.argv
LONGEST = 60  # characters of a line
CLASSES = ["documentation", "error", "licence"]
EACH = 120 if SHORT else 1000  # lines of each class
EPOCHS = 1 if SHORT else 15
SEEDS = range(1 if SHORT else 3)


def texts_of_sources():
    """Lines of docstrings, and messages of exceptions, in the standard library."""
    documentation, errors = [], []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module)):
                documentation += (ast.get_docstring(node) or "").splitlines()
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
                errors += [each.value for each in ast.walk(node.exc.args[0]) if isinstance(each, ast.Constant)]
    return documentation, [each for each in errors if isinstance(each, str)]


def texts_of_licences():
    found = []
    for distribution in importlib.metadata.distributions():
        for file in distribution.files or []:
            if re.search(r"LICEN[CS]E|COPYING", file.name):
                try:
                    found += Path(distribution.locate_file(file)).read_text(encoding="utf-8").splitlines()
                except (OSError, UnicodeDecodeError):
                    continue
    return found


def lines():
    """Numbers of characters (N, LONGEST) with 0 after a line's end, lengths and classes, in random order."""
    documentation, errors = texts_of_sources()
    rng, rows = random.Random(0), []
    for label, texts in enumerate((documentation, errors, texts_of_licences())):
        clean = {" ".join(text.split())[:LONGEST] for text in texts if text.isascii()}
        chosen = rng.sample(sorted(each for each in clean if len(each) >= 15), EACH)
        rows += [(text, label) for text in chosen]
    rng.shuffle(rows)
    x = np.zeros((len(rows), LONGEST), np.int64)
    for i, (text, _) in enumerate(rows):
        x[i, : len(text)] = np.frombuffer(text.encode(), np.uint8) - 31
    return x, np.array([len(text) for text, _ in rows]), np.array([label for _, label in rows])


class Reader(nn.Module):
    """The last state of a recurrent layer tells."""

    def __init__(self, layer, width=64, **options):
        super().__init__()
        self.embed = nn.Embedding(97, 16)
        self.rnn = layer(16, width, batch_first=True, **options)
        self.head = nn.Linear(width, len(CLASSES))

    def forward(self, input, lengths):
        _, states = self.rnn(self.embed(input), lengths=lengths)
        return self.head(states[0][-1] if isinstance(states, tuple) else states[-1])


class Attentive(nn.Module):
    """The mean over a line of what an encoder makes of its characters."""

    def __init__(self, width=48):
        super().__init__()
        self.embed, self.place = nn.Embedding(97, width), nn.Parameter(np.zeros((LONGEST, width), np.float32))
        layer = nn.TransformerEncoderLayer(width, 4, 96, dropout=0.0, batch_first=True, norm_first=True)
        self.encoder, self.head = (
            nn.TransformerEncoder(layer, 2, enable_nested_tensor=False),
            nn.Linear(width, len(CLASSES)),
        )

    def forward(self, input, lengths):
        padding = np.arange(input.shape[1]) >= lengths[:, None]
        y = self.encoder(self.embed(input) + self.place[: input.shape[1]], src_key_padding_mask=padding)
        return self.head((y * ~padding[:, :, None]).sum(1) / lengths[:, None])


MODELS = {
    "LSTM": lambda: Reader(nn.LSTM),
    "LSTM, learned gates": lambda: Reader(nn.LSTM, gates="parametric_sigmoid"),
    "GRU": lambda: Reader(nn.GRU),
    "GRU, learned gates": lambda: Reader(nn.GRU, gates="parametric_sigmoid"),
    "transformer": Attentive,
}


def accuracy(model, x, lengths, labels):
    model.eval()
    with fastnn.no_grad():
        outputs = [model(x[i : i + 256], lengths[i : i + 256]) for i in range(0, len(x), 256)]
    model.train()
    return (np.concatenate(outputs).argmax(1) == labels).mean()


def train(make, seed, learn, held_out):
    """Accuracies on held-out lines after each epoch."""
    fastnn.manual_seed(seed)
    model, rng, found = make(), np.random.default_rng(seed), []
    optimizer = optim.Adam(model.parameters(), 3e-3)
    for _ in range(EPOCHS):
        order = rng.permutation(len(learn[0]))
        for batch in np.array_split(order, max(1, len(order) // 32)):
            x, lengths, labels = (each[batch] for each in learn)
            optimizer.zero_grad()
            fastnn.cross_entropy(model(x[:, : lengths.max()], lengths), labels).backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        found.append(accuracy(model, *held_out))
    return found, model


def main():
    data = lines()
    cut = len(data[0]) * 4 // 5
    learn, held_out = tuple(each[:cut] for each in data), tuple(each[cut:] for each in data)
    print(f"{cut} lines to learn from, {len(held_out[0])} held out; a guess is right for a third")
    curves = {}
    for name, make in MODELS.items():
        start = time.perf_counter()
        runs = [train(make, seed, learn, held_out) for seed in SEEDS]
        curves[name] = np.array([found for found, _ in runs])
        last = 100 * curves[name][:, -1]
        seconds = (time.perf_counter() - start) / len(SEEDS)
        print(f"{name:20} {last.mean():5.1f} % ± {last.std():.1f}   {seconds:.1f} s")
        for layer in [each for _, model in runs[-1:] for each in model.modules() if hasattr(each, "gate_a_l0")]:
            a, b = layer.gate_a_l0.data, layer.gate_b_l0.data
            print(f"{'':20} a from {a.min():.2f} to {a.max():.2f}, b from {b.min():.2f} to {b.max():.2f}")
    draw(curves)


def draw(curves):
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return
    axes = Figure(figsize=(7, 4), layout="constrained").subplots()
    for name, found in curves.items():
        epochs = np.arange(1, found.shape[1] + 1)
        (line,) = axes.plot(epochs, 100 * found.mean(0), label=name)
        axes.fill_between(epochs, 100 * found.min(0), 100 * found.max(0), color=line.get_color(), alpha=0.15, lw=0)
    axes.set(xlabel="epoch", ylabel="held-out lines told right, %", title="Lines of text, character by character")
    axes.legend(frameon=False)
    axes.figure.savefig("lines_of_text.png", dpi=120)


if __name__ == "__main__":
    main()
