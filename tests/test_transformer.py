"""Attention of several heads and transformers: PyTorch's numbers, masks, keys, initial values."""

import numpy as np
import pytest
from test_attention import checksum, waves

import fastnn
from fastnn import nn

rng = np.random.default_rng(0)


def filled(module):
    """Every parameter from numbers that any program can make."""
    module = module.double()
    for k, parameter in enumerate(module.parameters()):
        parameter.data[...] = 0.5 * waves(parameter.shape, 0.7, k)
    return module


def tracked(shape, a, b):
    return fastnn.tensor(waves(shape, a, b), requires_grad=True)


PADDING = np.zeros((2, 5), bool)
PADDING[0, -3:] = PADDING[1, -1:] = True
HIDDEN = (np.arange(5) > 0) & (np.add.outer(np.arange(3), np.arange(5)) % 3 == 0)


@pytest.mark.parametrize(
    ("options", "masks", "expected"),
    [
        (
            {},
            {},
            (
                -0.193466991800, -0.001913620123, -0.078219798492, 0.076904305690, 0.025814213525, -0.217519507090,
                0.512219100239, -0.479713270475, 1.527190273415,
            ),
        ),
        (
            {},
            {"key_padding_mask": PADDING, "attn_mask": HIDDEN},
            (
                -0.231913330560, 0.062966183063, -0.010841234324, 0.013366885366, 0.177658907461, -0.738525012328,
                0.499126973355, -0.236607841812, 1.527190273415,
            ),
        ),
        (
            {"kdim": 3, "vdim": 5, "add_bias_kv": True, "add_zero_attn": True},
            {},
            (
                0.837297738050, 0.184033689890, -0.023071375434, 0.139176556592, 0.011594479966, 0.045137713177,
                -0.092517882756, 0.053425298121, -0.226952215253, 0.001631968259, 0.052857935111, 0.010652380310,
                1.527190273415,
            ),
        ),
    ],
)  # fmt: skip
def test_multi_head_attention_has_pytorch_s_numbers(options, masks, expected):
    layer = filled(nn.MultiheadAttention(4, 2, **options))
    inputs = [
        tracked(*each) for each in (((3, 2, 4), 1, 0), ((5, 2, layer.kdim), 0.7, 1), ((5, 2, layer.vdim), 0.4, 2))
    ]
    y, weights = layer(*inputs, **masks)
    y.backward(waves(y.shape, 0.3, 0.5))
    got = [y.data, weights.data, *(each.grad for each in (*inputs, *layer.parameters()))]
    np.testing.assert_allclose(list(map(checksum, got)), expected, rtol=0, atol=1e-9)


LAST = np.array([[False, False, True], [False, False, False]])
LATER = ~np.tri(3, dtype=bool)


@pytest.mark.parametrize(
    ("layer", "inputs", "options", "expected"),
    [
        (nn.TransformerEncoderLayer(4, 2, 6, 0.0), "x", {}, (-1.225632733145, -0.011428285404, 2.084376346037)),
        (
            nn.TransformerEncoderLayer(4, 2, 6, 0.0, "gelu", norm_first=True),
            "x",
            {},
            (2.479877415455, -1.846899343845, 3.257688904550),
        ),
        (
            nn.TransformerEncoderLayer(4, 2, 6, 0.0),
            "x",
            {"src_mask": LATER, "src_key_padding_mask": LAST},
            (-1.361649624109, -0.097221939344, 1.855990196729),
        ),
        (
            nn.TransformerDecoderLayer(4, 2, 6, 0.0),
            "xm",
            {},
            (-1.069306922382, -0.104355485342, 0.029070050329, 4.441144443101),
        ),
        (
            nn.TransformerDecoderLayer(4, 2, 6, 0.0, norm_first=True),
            "xm",
            {"tgt_is_causal": True},
            (0.620131138295, -1.918194289182, 0.047226364933, 5.086423507982),
        ),
        (
            nn.Transformer(4, 2, 1, 1, 6, 0.0),
            "mx",
            {},
            (0.435127153525, -0.000163836968, -0.011086234078, 1.321434122797),
        ),
    ],
)
def test_layers_have_pytorch_s_numbers(layer, inputs, options, expected):
    filled(layer)
    known = {"x": tracked((3, 2, 4), 1, 0), "m": tracked((5, 2, 4), 0.7, 1)}
    layer.zero_grad()
    y = layer(*(known[each] for each in inputs), **options)
    y.backward(waves(y.shape, 0.3, 0.5))
    got = [checksum(each) for each in (y.data, *(known[each].grad for each in inputs))]
    got.append(sum(checksum(each.grad) for each in layer.parameters()))
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-9)


# -- several heads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_first", [False, True])
def test_the_batch_may_stand_first_or_be_missing(batch_first):
    layer = nn.MultiheadAttention(12, 3, batch_first=batch_first)
    x = rng.normal(size=(7, 12)).astype(np.float32)
    y, weights = layer(x, x, x)
    batch = np.stack([x, 2 * x], 0 if batch_first else 1)
    whole, all_weights = layer(batch, batch, batch)
    np.testing.assert_array_equal(y.numpy(), whole.numpy()[0] if batch_first else whole.numpy()[:, 0])
    np.testing.assert_array_equal(weights.numpy(), all_weights.numpy()[0])


def test_asking_for_weights_changes_no_bit():
    layer = nn.MultiheadAttention(16, 4, batch_first=True, dropout=0.3)
    x = rng.normal(size=(3, 300, 16)).astype(np.float32)
    padding = rng.random((3, 300)) < 0.3
    padding[1] = True
    for mode in (False, True):
        layer.train(mode)
        fastnn.manual_seed(3)
        y, weights = layer(x, x, x, padding, attn_mask=~np.tri(300, dtype=bool))
        fastnn.manual_seed(3)
        again, nothing = layer(x, x, x, padding, need_weights=False, attn_mask=~np.tri(300, dtype=bool))
        assert nothing is None
        assert y.numpy().tobytes() == again.numpy().tobytes()
        v = layer.project(x, x, x)[2]
        apart = layer(x, x, x, padding, attn_mask=~np.tri(300, dtype=bool), average_attn_weights=False)[1]
        if not mode:
            np.testing.assert_allclose(layer.combine(np.matmul(apart, v)).numpy(), y.numpy(), atol=1e-5)
            np.testing.assert_allclose(apart.numpy().mean(1), weights.numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", ["bool", "float", "mixed"])
def test_a_query_that_sees_no_key_has_no_weights(kind):
    layer = filled(nn.MultiheadAttention(4, 2, batch_first=True))
    x = fastnn.tensor(rng.normal(size=(2, 5, 4)), requires_grad=True)
    flags = np.zeros((2, 5), bool)
    flags[0] = True
    padding = np.where(flags, -np.inf, 0.0) if kind == "float" else flags
    mask = np.zeros((5, 5)) if kind == "mixed" else None
    y, weights = layer(x, x, x, padding, attn_mask=mask)
    assert not weights.numpy()[0].any()
    np.testing.assert_array_equal(y.numpy()[0], np.broadcast_to(layer.out_proj.bias.numpy(), (5, 4)))
    np.testing.assert_allclose(weights.numpy()[1].sum(-1), 1)
    (y.sum() + weights.sum()).backward()
    assert not x.grad[0].any()
    assert np.isfinite(x.grad).all()
    assert all(np.isfinite(each.grad).all() for each in layer.parameters())


def test_masks_of_several_kinds_are_one():
    """Of flags and of numbers, of the keys and of each query and key, for all heads or for each."""
    layer = nn.MultiheadAttention(6, 2, batch_first=True)
    x = rng.normal(size=(3, 4, 6)).astype(np.float32)
    padding, mask = rng.random((3, 4)) < 0.3, ~np.tri(4, dtype=bool)
    padding[:, 0] = False
    expected = layer(x, x, x, padding, attn_mask=mask)
    every = np.broadcast_to(mask, (6, 4, 4))

    def number(flags):
        return np.where(flags, -np.inf, 0).astype(np.float32)

    for one, other in (
        (padding, every),
        (number(padding), mask),
        (padding, number(every)),
        (number(padding), number(mask)),
    ):
        for a, b in zip(expected, layer(x, x, x, one, attn_mask=other), strict=True):
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    for a, b in zip(expected, layer(x, x, x, padding, is_causal=True), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())


def test_keys_beside_the_others_are_seen_by_every_query():
    """Those that add_bias_kv and add_zero_attn append, whatever the masks."""
    layer = filled(nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, batch_first=True))
    x, later = rng.normal(size=(2, 5, 4)), ~np.tri(5, dtype=bool)
    y, weights = layer(x, x, x, is_causal=True)
    for a, b in zip(layer(x, x, x, attn_mask=later), (y, weights), strict=True):
        np.testing.assert_array_equal(a.numpy(), b.numpy())
    assert (weights.numpy()[..., 5:] > 0).all()
    assert not weights.numpy()[..., :5][:, later].any()
    hidden = layer(x, x, x, np.ones((2, 5), bool), is_causal=True)[1].numpy()
    np.testing.assert_allclose(hidden[..., 5:].sum(-1), 1)


def test_a_mask_of_numbers_has_a_gradient():
    layer = filled(nn.MultiheadAttention(4, 2, batch_first=True))
    x = rng.normal(size=(2, 5, 4))
    mask = fastnn.tensor(rng.normal(size=(5, 5)), requires_grad=True)
    y, weights = layer(x, x, x, attn_mask=mask)
    (y.sum() + (weights * weights).sum()).backward()
    step = np.zeros((5, 5))
    step[2, 3] = 1e-5

    def value(shift):
        y, weights = layer(x, x, x, attn_mask=mask.numpy() + shift)
        return (y.numpy().sum() + (weights.numpy() ** 2).sum()) / 2e-5

    np.testing.assert_allclose(mask.grad[2, 3], value(step) - value(-step), rtol=1e-5)


def test_decoding_through_the_layer_s_halves():
    layer = nn.MultiheadAttention(12, 3, batch_first=True)
    x = rng.normal(size=(2, 300, 12)).astype(np.float32)
    with fastnn.no_grad():
        whole, _ = layer(x, x, x, need_weights=False, is_causal=True)
        parts, past = [], tuple(each[:, :, :0] for each in layer.project(x, x, x)[1:])
        for step in np.split(x, 300, 1):
            heads, past = fastnn.scaled_dot_product_attention(
                *layer.project(step, step, step), is_causal=True, past=past
            )
            parts.append(layer.combine(heads))
    assert np.concatenate(parts, 1).tobytes() == np.ascontiguousarray(whole).tobytes()


def test_parameters_and_their_initial_values():
    layer = nn.MultiheadAttention(64, 4, add_bias_kv=True)
    keys = ["in_proj_weight", "in_proj_bias", "bias_k", "bias_v", "out_proj.weight", "out_proj.bias"]
    assert list(layer.state_dict()) == keys
    bound = np.sqrt(6 / (4 * 64))  # of the packed matrix, (3 E, E)
    assert 0.99 * bound < abs(layer.in_proj_weight.data).max() <= bound
    assert 0.9 / 8 < abs(layer.out_proj.weight.data).max() <= 1 / 8
    assert not layer.in_proj_bias.data.any()
    assert not layer.out_proj.bias.data.any()
    assert 0.08 < layer.bias_k.data.std() < 0.18
    other = nn.MultiheadAttention(64, 4, kdim=32, vdim=64, bias=False)
    assert list(other.state_dict()) == ["q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"]
    bound = np.sqrt(6 / (64 + 32))
    assert 0.99 * bound < abs(other.k_proj_weight.data).max() <= bound


def test_wrong_calls_are_refused():
    with pytest.raises(ValueError, match="embed_dim to be a multiple of num_heads, got 5 and 2"):
        nn.MultiheadAttention(5, 2)
    layer = nn.MultiheadAttention(4, 2, kdim=3)
    x = np.ones((5, 2, 4))
    for inputs, text in (
        ((x, x, x), "expected key of 3 features"),
        ((x[..., :3], x[..., :3], x), "expected a query of 4 features"),
        ((x, x[:3, ..., :3], x), "expected key and value of one length"),
        ((x, x[0, ..., :3], x[0]), "all of 2-D or all of 3-D"),
        ((x, x[:, :1, :3], x[:, :1]), "of one batch"),
    ):
        with pytest.raises(ValueError, match=text):
            layer(*inputs)
    own = nn.MultiheadAttention(4, 2)
    for masks, error, text in (
        ({"key_padding_mask": np.ones((2, 4), bool)}, ValueError, r"key_padding_mask of shape \(2, 5\), got \(2, 4\)"),
        ({"attn_mask": np.ones((3, 5, 5), bool)}, ValueError, r"attn_mask of shape \(5, 5\) or \(4, 5, 5\)"),
        ({"attn_mask": np.ones((5, 5), int)}, TypeError, "attn_mask of bool"),
    ):
        with pytest.raises(error, match=text):
            own(x, x, x, **masks)


# -- transformers -----------------------------------------------------------------------------------------------------


def test_layers_begin_as_copies():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16), 2, nn.LayerNorm(8))
    state = encoder.state_dict()
    assert list(state)[:3] == ["layers.0.self_attn.in_proj_weight", "layers.0.self_attn.in_proj_bias",
                               "layers.0.self_attn.out_proj.weight"]  # fmt: skip
    assert list(state)[-2:] == ["norm.weight", "norm.bias"]
    for key, value in state.items():
        if key.startswith("layers.0"):
            other = state[key.replace("layers.0", "layers.1")]
            np.testing.assert_array_equal(value, other)
            assert not np.shares_memory(value, other)


def test_a_transformer_is_drawn_anew():
    model = nn.Transformer(64, 4, 1, 1, 32)
    assert abs(model.encoder.layers[0].self_attn.out_proj.weight.data).max() > 0.99 * np.sqrt(6 / 128)
    assert isinstance(model.encoder.norm, nn.LayerNorm)
    assert isinstance(model.decoder.norm, nn.LayerNorm)


def test_bias_false_takes_all_biases():
    layer = nn.TransformerDecoderLayer(8, 2, 16, bias=False)
    assert not [key for key in layer.state_dict() if "bias" in key]


def test_evaluation_is_training_without_dropout():
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=True)
    x, padding = rng.normal(size=(3, 6, 8)).astype(np.float32), np.arange(6) >= np.array([[6], [4], [0]])
    trained = layer(x, src_key_padding_mask=padding).numpy()
    with fastnn.no_grad():
        np.testing.assert_array_equal(layer.eval()(x, src_key_padding_mask=padding), trained)
    assert np.isfinite(trained).all()
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.5)
    assert (layer(x).numpy() != layer(x).numpy()).any()


def test_activations_are_named_or_called():
    layer = nn.TransformerEncoderLayer(8, 2, 16, activation=nn.SiLU())
    assert layer(np.ones((3, 2, 8))).shape == (3, 2, 8)
    with pytest.raises(ValueError, match="expected activation to be one of 'relu', 'gelu', got 'tanh'"):
        nn.TransformerEncoderLayer(8, 2, activation="tanh")


def test_the_mask_of_later_keys():
    mask = nn.Transformer.generate_square_subsequent_mask(3)
    np.testing.assert_array_equal(mask, np.float32([[0, -np.inf, -np.inf], [0, 0, -np.inf], [0, 0, 0]]))
    layer = nn.TransformerEncoderLayer(8, 2, 16, 0.0)
    x = rng.normal(size=(3, 2, 8))
    np.testing.assert_array_equal(layer(x, mask).numpy(), layer(x, is_causal=True).numpy())


def test_a_batch_or_width_of_another_size_is_refused():
    model = nn.Transformer(8, 2, 1, 1, 16)
    with pytest.raises(ValueError, match=r"of one batch, got shapes \(3, 2, 8\) and \(3, 4, 8\)"):
        model(np.ones((3, 2, 8)), np.ones((3, 4, 8)))
    with pytest.raises(ValueError, match="expected src and tgt of 8 features"):
        model(np.ones((3, 2, 7)), np.ones((3, 2, 8)))
    with pytest.raises(TypeError, match="expected a layer to copy"):
        nn.TransformerEncoder("layer", 2)


def test_a_transformer_learns():
    """To repeat a sequence backwards, which needs attention."""
    fastnn.manual_seed(0)
    source = np.random.default_rng(1)
    table, places = nn.Embedding(6, 16), nn.Embedding(5, 16)
    body = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, 0.0, batch_first=True), 2)
    head = nn.Linear(16, 6)
    model = nn.ModuleList([table, places, body, head])
    optimizer = fastnn.optim.Adam(model.parameters(), 3e-3)
    for _ in range(300):
        words = source.integers(0, 6, (32, 5))
        scores = head(body(table(words) + places(np.arange(5))))
        loss = fastnn.cross_entropy(scores.reshape(160, 6), words[:, ::-1].reshape(160))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize("options", [{}, {"norm_first": True}, {"activation": "gelu", "bias": False}])
def test_a_frozen_encoder_is_one_program_of_the_same_bits(options):
    layer = nn.TransformerEncoderLayer(24, 3, 40, batch_first=True, **options)
    model = nn.TransformerEncoder(layer, 2).eval()
    frozen = fastnn.freeze(model)
    for n in (1, 3, 5):
        x = rng.normal(size=(n, 20, 24)).astype(np.float32)
        with fastnn.no_grad():
            np.testing.assert_array_equal(frozen(x), model(x))
    assert not frozen.unplanned
    (kept,) = frozen._plans.values()
    assert kept.plan.program is not None


def test_frozen_attention_of_other_kinds_has_the_same_bits():
    """What the program's step does not do is called as it is: several inputs, masks, a batch that stands second."""
    x, memory = (rng.normal(size=(3, n, 24)).astype(np.float32) for n in (20, 30))

    class Causal(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(24, 3, batch_first=True)

        def forward(self, x):
            return self.attention(x, x, x, need_weights=False, is_causal=True)[0] + x

    for model, given in (
        (Causal(), (x,)),
        (nn.TransformerDecoderLayer(24, 3, 40, batch_first=True), (x, memory)),
        (nn.TransformerEncoderLayer(24, 3, 40), (x,)),
        (nn.MultiheadAttention(24, 3, batch_first=True), (x, memory, memory)),
        (nn.MultiheadAttention(24, 3, batch_first=True, add_bias_kv=True), (x, memory, memory)),
    ):
        frozen = fastnn.freeze(model.eval())
        with fastnn.no_grad():
            expected, got = model(*given), frozen(*given)
        both = zip(*(each if isinstance(each, tuple) else (each,) for each in (expected, got)), strict=True)
        for i, (a, b) in enumerate(both):
            if i == 0:
                np.testing.assert_array_equal(a, b)
            else:  # weights averaged over heads: the plan's mean adds in double
                np.testing.assert_allclose(a, b, rtol=1e-6)


@pytest.mark.parametrize("mask", ["flags", "floats", "given", "none"])
@pytest.mark.parametrize("turned", [True, False])
def test_attention_with_masks_is_one_step_of_a_plan(mask, turned):
    class Attention(nn.Module):
        def forward(self, x, given):
            masks = {
                "flags": np.tri(5, dtype=bool),
                "floats": np.log(np.tri(5, dtype=np.float32) + 0.1),
                "given": given,
            }
            y = fastnn.scaled_dot_product_attention(x, x, x, attn_mask=masks.get(mask))
            return np.swapaxes(y, 1, 2) if turned else y

    rng = np.random.default_rng(0)
    predict, model = fastnn.freeze(Attention()), Attention()
    for n in (1, 3):
        x, given = rng.normal(size=(n, 2, 5, 4)).astype(np.float32), rng.random((n, 1, 1, 5)) > 0.5
        given[:, ..., 0] = True
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(predict(x, given), model(x, given), rtol=1e-5, atol=1e-6)
    assert str(predict.plan).startswith(f"{1 + turned} calls: 1 steps in C, 0 calls")
