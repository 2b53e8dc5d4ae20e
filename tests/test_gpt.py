"""The language model of `fastnn.models`: decoding with a cache, writing, learning, frozen."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastnn
from fastnn import models, nn


def small(**options):
    fastnn.manual_seed(0)
    return models.gpt(**({"vocab_size": 30, "block_size": 40, "num_layers": 2, "num_heads": 3, "width": 24} | options))


@pytest.mark.parametrize("cuts", [range(1, 40), [1, 2, 30], []], ids=["steps", "parts", "at once"])
def test_tokens_in_parts_give_the_bits_of_the_whole(cuts):
    model, tokens = small().eval(), np.random.default_rng(0).integers(0, 30, (3, 40))
    with fastnn.no_grad():
        whole = model(tokens)
        past, parts = (), []
        for part in np.split(tokens, cuts, 1):
            scores, past = model(part, past)
            parts.append(scores)
    assert np.concatenate(parts, 1).tobytes() == np.ascontiguousarray(whole).tobytes()
    assert past[0][0].shape == (3, 3, 40, 8)


def test_a_token_sees_none_after_it():
    model, tokens = small().eval(), np.random.default_rng(0).integers(0, 30, (1, 20))
    other = tokens.copy()
    other[0, 10:] = 5
    with fastnn.no_grad():
        np.testing.assert_array_equal(model(tokens)[:, :10], model(other)[:, :10])


def test_generate():
    model, start = small(), np.array([[1, 2], [3, 4]])
    written = model.generate(start, 100, rng=3)
    assert written.shape == (2, 102)
    assert model.training
    np.testing.assert_array_equal(written[:, :2], start)
    np.testing.assert_array_equal(written, model.generate(start, 100, rng=3))
    assert (written != model.generate(start, 100, rng=4)).any()
    certain = model.generate(start, 30, temperature=0)
    np.testing.assert_array_equal(certain, model.generate(start, 30, top_k=1))
    with fastnn.no_grad():
        np.testing.assert_array_equal(model.eval()(certain[:, :-1]).argmax(-1)[:, 1:], certain[:, 2:])
    np.testing.assert_array_equal(model.generate(start, 0), start)
    long = np.zeros((1, 60), int)
    assert model.generate(long, 3).shape == (1, 63)


def test_draws_have_the_model_s_probabilities():
    model = small(vocab_size=4, width=3, num_heads=1)
    start = np.zeros((20_000, 1), int)
    with fastnn.no_grad():
        model.wte.weight.data *= 50
        scores = model.eval()(start[:1])[0, 0].astype(float)
    for top_k, temperature in ((None, 1.0), (2, 0.5)):
        known = scores if top_k is None else np.where(scores < np.sort(scores)[-top_k], -np.inf, scores)
        shares = fastnn.softmax(known / temperature)
        found = np.bincount(model.generate(start, 1, temperature, top_k, rng=1)[:, 1], minlength=4) / len(start)
        np.testing.assert_allclose(found, shares, atol=0.015)


def test_wrong_calls_are_refused():
    model = small()
    with pytest.raises(ValueError, match="expected at most 40 tokens, got 41"):
        model(np.zeros((1, 41), int))
    with pytest.raises(ValueError, match=r"expected tokens \(N, T\), got shape \(3,\)"):
        model(np.zeros(3, int))
    with pytest.raises(ValueError, match="at least one to begin with"):
        model.generate(np.zeros((1, 0), int), 5)
    with pytest.raises(ValueError, match="expected temperature in"):
        model.generate(np.zeros((1, 1), int), 5, temperature=-1)


def test_it_learns_a_rhythm():
    model, source = small(dropout=0.0), np.random.default_rng(0)
    optimizer = fastnn.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(60):
        tokens = (source.integers(0, 30, (16, 1)) + 7 * np.arange(21)) % 30
        scores = model(tokens[:, :-1])
        loss = fastnn.cross_entropy(scores.reshape(-1, 30), tokens[:, 1:].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    np.testing.assert_array_equal(model.generate([[3]], 12, temperature=0)[0], (3 + 7 * np.arange(13)) % 30)


def test_frozen():
    model, tokens = small().eval(), np.random.default_rng(0).integers(0, 30, (3, 17))
    frozen = fastnn.freeze(model)
    with fastnn.no_grad():
        np.testing.assert_array_equal(frozen(tokens), model(tokens))
        np.testing.assert_array_equal(frozen(tokens[:1]), model(tokens[:1]))
    assert not frozen.unplanned


def test_the_example_learns_and_writes():
    example = Path(__file__).parent.parent / "examples/write_text.py"
    if not example.exists():
        pytest.skip("needs the source tree")
    options = ("--steps", "12", "--length", "70", "--prompt", "Return ")
    text = subprocess.run([sys.executable, example, *options], capture_output=True, text=True, check=True).stdout
    first, last = (float(bits) for bits in re.findall(r"([\d.]+) bits", text))
    assert last < first - 0.5
    assert len(text[text.index("Return ") :].rstrip("\n")) > 60


def test_it_is_a_module_of_its_parts():
    model = models.gpt(50, 16, 2, 2, 8)
    assert isinstance(model, nn.Module)
    assert "blocks.0.attn.in_proj_weight" in model.state_dict()
    assert sum(each.size for each in models.gpt().parameters()) == 10_844_160
