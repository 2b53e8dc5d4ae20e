"""Recurrent layers as functions: PyTorch's `rnn_tanh`, `rnn_relu`, `lstm`, `gru`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._check import Array
from ._recurrence import described, layer, layer_backward

__all__ = [
    "gru",
    "gru_backward",
    "lstm",
    "lstm_backward",
    "rnn_relu",
    "rnn_relu_backward",
    "rnn_tanh",
    "rnn_tanh_backward",
]


@described("layer")
def rnn_tanh(
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    dropout: float = 0.0,
    train: bool = False,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Any, Any]:
    """Elman's network with tanh: h' = tanh(W_ih x + b_ih + W_hh h + b_hh).

    SHARED

    Returns
    -------
    y : ndarray, (T, N, directions * H), (N, T, *) or (T, *), as the input
    h_n : ndarray, (layers * directions, N, H), or without N
        The states after the last step, which `hx` of another call takes; `nn.RNN` returns the same.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> y, h_n = rnn_tanh([[[1.0]], [[0.0]]], [[[0.0]]], [[[1.0]], [[1.0]]], has_biases=False)
    >>> y.ravel().round(4), h_n.ravel().round(4)
    (array([0.7616, 0.642 ]), array([0.642]))
    """
    return layer(
        "rnn_tanh", "RNN_TANH", input, hx, params, dropout, train=train, has_biases=has_biases, num_layers=num_layers,
        bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip


@described("layer")
def rnn_tanh_backward(
    dy: Any | None,
    dh_n: Any | None,
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Array, Array, list[Array]]:
    """Gradients of `rnn_tanh`, which is computed anew, without dropout.

    SHARED

    Returns
    -------
    dinput : ndarray, of the input's shape
    dhx : ndarray, of the shape of `hx`
    dparams : list of ndarray, of the shapes of `params`

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> dx, dhx, dparams = rnn_tanh_backward([[[1.0]]], None, [[[0.0]]], [[[0.0]]], [[[2.0]], [[3.0]]], False)
    >>> dx.item(), dhx.item(), [each.item() for each in dparams]
    (2.0, 3.0, [0.0, 0.0])
    """
    return layer_backward(
        "rnn_tanh_backward", "RNN_TANH", {"dy": dy, "dh_n": dh_n}, input, hx, params,
        has_biases=has_biases, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip


@described("layer")
def rnn_relu(
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    dropout: float = 0.0,
    train: bool = False,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Any, Any]:
    """Elman's network with relu: h' = relu(W_ih x + b_ih + W_hh h + b_hh).

    SHARED

    Returns
    -------
    y : ndarray, (T, N, directions * H), (N, T, *) or (T, *), as the input
    h_n : ndarray, (layers * directions, N, H), or without N
        The states after the last step, which `hx` of another call takes; `nn.RNN` returns the same.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> y, h_n = rnn_relu([[[1.0]], [[2.0]]], [[[0.0]]], [[[1.0]], [[1.0]]], has_biases=False)
    >>> y.ravel(), h_n.ravel()
    (array([1., 3.]), array([3.]))
    """
    return layer(
        "rnn_relu", "RNN_RELU", input, hx, params, dropout, train=train, has_biases=has_biases, num_layers=num_layers,
        bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip


@described("layer")
def rnn_relu_backward(
    dy: Any | None,
    dh_n: Any | None,
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Array, Array, list[Array]]:
    """Gradients of `rnn_relu`, which is computed anew, without dropout.

    SHARED

    Returns
    -------
    dinput : ndarray, of the input's shape
    dhx : ndarray, of the shape of `hx`
    dparams : list of ndarray, of the shapes of `params`

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> dx, dhx, dparams = rnn_relu_backward([[[1.0]]], None, [[[1.0]]], [[[0.0]]], [[[2.0]], [[3.0]]], False)
    >>> dx.item(), dhx.item(), [each.item() for each in dparams]
    (2.0, 3.0, [1.0, 0.0])
    """
    return layer_backward(
        "rnn_relu_backward", "RNN_RELU", {"dy": dy, "dh_n": dh_n}, input, hx, params,
        has_biases=has_biases, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip


@described("lstm")
def lstm(
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    dropout: float = 0.0,
    train: bool = False,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Any, Any, Any]:
    """Long short-term memory; `nn.LSTM` has the formulas.

    SHARED

    Returns
    -------
    y : ndarray, (T, N, directions * P), (N, T, *) or (T, *), as the input
    h_n : ndarray, (layers * directions, N, P), or without N
    c_n : ndarray, (layers * directions, N, H), or without N
        The states after the last step, which `hx` of another call takes; `nn.LSTM` returns (y, (h_n, c_n)).

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> w = np.ones((4, 1))
    >>> y, h_n, c_n = lstm([[[1.0]], [[0.0]]], ([[[0.0]]], [[[0.0]]]), [w, w], has_biases=False)
    >>> y.ravel().round(4), c_n.ravel().round(4)
    (array([0.3696, 0.2908]), array([0.5384]))
    """
    return layer(
        "lstm", "LSTM", input, hx, params, dropout, train=train, has_biases=has_biases, num_layers=num_layers,
        bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip


@described("lstm")
def lstm_backward(
    dy: Any | None,
    dh_n: Any | None,
    dc_n: Any | None,
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Array, tuple[Array, Array], list[Array]]:
    """Gradients of `lstm`, which is computed anew, without dropout.

    SHARED

    Returns
    -------
    dinput : ndarray, of the input's shape
    dhx : tuple of ndarray, of the shapes of `hx`
    dparams : list of ndarray, of the shapes of `params`

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> w = np.ones((4, 1))
    >>> dx, (dh, dc), dparams = lstm_backward(None, None, [[[1.0]]], [[[0.0]]], ([[[0.0]]], [[[2.0]]]), [w, w], False)
    >>> dx.ravel().round(4), dc.ravel().round(4)
    (array([1.]), array([0.5]))
    """
    return layer_backward(
        "lstm_backward", "LSTM", {"dy": dy, "dh_n": dh_n, "dc_n": dc_n}, input, hx, params,
        has_biases=has_biases, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip


@described("layer")
def gru(
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    dropout: float = 0.0,
    train: bool = False,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Any, Any]:
    """Gated recurrent unit; `nn.GRU` has the formulas.

    SHARED

    Returns
    -------
    y : ndarray, (T, N, directions * H), (N, T, *) or (T, *), as the input
    h_n : ndarray, (layers * directions, N, H), or without N
        The states after the last step, which `hx` of another call takes; `nn.GRU` returns the same.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> w = np.ones((3, 1))
    >>> y, h_n = gru([[[1.0]], [[0.0]]], [[[0.0]]], [w, w], has_biases=False)
    >>> y.ravel().round(4)
    array([0.2048, 0.1633])
    """
    return layer(
        "gru", "GRU", input, hx, params, dropout, train=train, has_biases=has_biases, num_layers=num_layers,
        bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip


@described("layer")
def gru_backward(
    dy: Any | None,
    dh_n: Any | None,
    input: Any,
    hx: Any | None,
    params: Sequence[Any],
    has_biases: bool = True,
    num_layers: int = 1,
    bidirectional: bool = False,
    batch_first: bool = False,
) -> tuple[Array, Array, list[Array]]:
    """Gradients of `gru`, which is computed anew, without dropout.

    SHARED

    Returns
    -------
    dinput : ndarray, of the input's shape
    dhx : ndarray, of the shape of `hx`
    dparams : list of ndarray, of the shapes of `params`

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> w = np.ones((3, 1))
    >>> dx, dhx, dparams = gru_backward([[[1.0]]], None, [[[0.0]]], [[[1.0]]], [w, w], has_biases=False)
    >>> dx.ravel().round(4), dhx.ravel().round(4)
    (array([0.2706]), array([0.9575]))
    """
    return layer_backward(
        "gru_backward", "GRU", {"dy": dy, "dh_n": dh_n}, input, hx, params,
        has_biases=has_biases, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first,
    )  # fmt: skip
