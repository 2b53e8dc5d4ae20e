"""The functions by family: from this the site makes a page for each, and the table of all of them."""

from __future__ import annotations

from pathlib import Path

from fastnn import functional

# page: (title, what its functions have in common, the functions; their twins and statistics follow them)
FAMILIES: dict[str, tuple[str, str, str]] = {
    "activation": (
        "Activations",
        "Element by element, on arrays of any shape and layout; the picture shows the function and its derivative.",
        "relu relu6 leaky_relu elu selu celu gelu silu mish softplus softsign sigmoid logsigmoid hardsigmoid hardswish "
        "hardtanh hardshrink softshrink tanh tanhshrink threshold rrelu glu",
    ),
    "learned": (
        "Activations with learned parameters",
        "One value of each parameter for all elements, or one for each channel (dimension 1). The twins return the "
        "gradients of the parameters too.",
        "prelu swish parametric_elu parametric_softplus parametric_sigmoid scaled_relu",
    ),
    "softmax": ("Softmax", "Along one dimension, about its maximum.", "softmax log_softmax softmin"),
    "normalization": (
        "Normalization",
        "Statistics are float64, whatever the input. A twin takes those that the function's `_stats` gives.",
        "batch_norm layer_norm group_norm instance_norm rms_norm switchable_norm normalize",
    ),
    "dropout": (
        "Dropout",
        "A mask is a function of its key and the element's place: the twin is given the key and needs no mask.",
        "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout dropout_mask",
    ),
    "linear": ("Linear", "Products, and rows of a table.", "linear bilinear embedding embedding_bag one_hot"),
    "convolution": (
        "Convolution",
        "Inputs are `(N, C, *)` or `(C, *)`, channels first or last in memory; the result lies as the input does.",
        "conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d",
    ),
    "pooling": (
        "Pooling",
        "Windows over space, each reduced to one value; channels may stand first or last in memory, "
        "and the result lies as the input does.",
        "max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d lp_pool1d lp_pool2d lp_pool3d "
        "adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
        "adaptive_avg_pool3d max_unpool1d max_unpool2d max_unpool3d",
    ),
    "image": (
        "Images",
        "Padding, other sizes, blocks and channels; the result lies in memory as the input does.",
        "pad interpolate unfold fold channel_shuffle pixel_shuffle pixel_unshuffle local_response_norm",
    ),
    "recurrence": (
        "Recurrence",
        "Whole layers and single steps; `nn` has layers that keep the parameters, and options beyond these.",
        "rnn_tanh rnn_relu lstm gru rnn_tanh_cell rnn_relu_cell lstm_cell gru_cell",
    ),
    "attention": (
        "Attention",
        "The matrix of weights is never stored; a sequence gives the same bits step by step as in one call.",
        "scaled_dot_product_attention",
    ),
    "similarity": (
        "Similarities",
        "Of pairs of vectors, which are broadcast; `normalize` makes vectors of length 1.",
        "cosine_similarity pairwise_distance",
    ),
    "loss": (
        "Losses",
        '`reduction` is "mean", "sum" or "none". The twins\' `dy` is the gradient of what the loss returned.',
        "cross_entropy nll_loss binary_cross_entropy binary_cross_entropy_with_logits mse_loss l1_loss smooth_l1_loss "
        "huber_loss kl_div poisson_nll_loss gaussian_nll_loss soft_margin_loss hinge_embedding_loss "
        "margin_ranking_loss multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss "
        "cosine_embedding_loss triplet_margin_loss triplet_margin_with_distance_loss ctc_loss",
    ),
}


def members(page: str) -> list[str]:
    """The functions of a page, each before its statistics and its twin."""
    own = [name + suffix for name in FAMILIES[page][2].split() for suffix in ("", "_stats", "_backward")]
    return [name for name in own if name in functional.__all__]


def _summary(page: str, but: str = "\0") -> list[str]:
    names = [name for name in members(page) if not name.endswith(but)]
    return [".. autosummary::", "", *(f"   {name}" for name in names), ""]


def write_pages(folder: Path) -> None:
    """`functional.rst`'s table, included there, and a page for each family."""
    folder.mkdir(exist_ok=True)
    table = []
    for page, (title, text, _) in FAMILIES.items():
        head = [title, "=" * len(title), "", ".. currentmodule:: fastnn.functional", "", text.replace("`", "``"), ""]
        entries = [line for name in members(page) for line in (f".. autofunction:: {name}", "")]
        _write(folder / f"{page}.rst", [*head, *_summary(page), *entries])
        table += [f":doc:`functional/{page}`", "-" * (len(title) + 40), "", *_summary(page, "_backward")]
    _write(folder / "table.inc", table)


def _write(path: Path, lines: list[str]) -> None:
    """Only what is new: a file that is touched is read again."""
    text = "\n".join(lines)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)
