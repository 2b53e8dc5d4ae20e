"""Train a small language model on the standard library's documentation, character by character, and let it write.

    python examples/write_text.py [--steps 2000] [--length 600] [--prompt "Return the "]

The text is on any machine that has Python.  Every 250 steps the loss on text that was kept back is printed, in
bits for each character (a uniform guess needs 6.6), at the end what the model writes.
"""

import argparse
import ast
import sysconfig
import time
from pathlib import Path

import numpy as np

import fastnn
from fastnn import models, optim

BLOCK = 64  # characters that the model sees


def documentation() -> str:
    """The documentation strings of the standard library, one after the other."""
    texts = []
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        texts += [ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, documented)]
    return "\n\n".join(text for text in texts if len(text) > 40)


parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--length", type=int, default=600)
parser.add_argument("--prompt", default="Return the ")
options = parser.parse_args()

fastnn.manual_seed(0)
rng = np.random.default_rng(0)
text = documentation().encode("ascii", "replace")
alphabet, codes = np.unique(np.frombuffer(text, np.uint8), return_inverse=True)
train, kept = np.split(codes, [len(codes) * 9 // 10])
print(f"{len(codes):,} characters, {len(alphabet)} of them different")

model = models.gpt(len(alphabet), BLOCK, num_layers=4, num_heads=4, width=128, dropout=0.0)
optimizer = optim.AdamW(model.parameters(), 1e-3, (0.9, 0.95), weight_decay=0.01)
schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, max(options.steps, 1), 1e-4)
print(f"{sum(each.size for each in model.parameters()):,} parameters")


def loss_of(source: np.ndarray, count: int):
    """The mean loss on `count` pieces of a text, from random places."""
    places = rng.integers(0, len(source) - BLOCK, count)
    pieces = source[places[:, None] + np.arange(BLOCK + 1)]
    scores = model(pieces[:, :-1])
    return fastnn.cross_entropy(scores.reshape(-1, len(alphabet)), pieces[:, 1:].reshape(-1))


def measure(step: int) -> None:
    """Print the loss on the text kept back."""
    with fastnn.no_grad():
        bits = np.mean([float(loss_of(kept, 32)) for _ in range(8)]) / np.log(2)
    print(f"step {step:5}  {bits:.3f} bits a character  {time.perf_counter() - begun:6.1f} s")


begun = time.perf_counter()
for step in range(options.steps):
    if step % 250 == 0:
        measure(step)
    optimizer.zero_grad()
    loss_of(train, 32).backward()
    optimizer.step()
    schedule.step()
measure(options.steps)

prompt = np.searchsorted(alphabet, np.frombuffer(options.prompt.encode("ascii"), np.uint8))  # of characters in the text
written = model.generate(prompt[None], options.length, temperature=0.7, rng=1)
print(alphabet[written[0]].astype(np.uint8).tobytes().decode("ascii"))
