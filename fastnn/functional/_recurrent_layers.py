"""Recurrent layers as functions: PyTorch's `rnn_tanh`, `rnn_relu`, `lstm`, `gru`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .._check import Array
from ._recurrence import layer, layer_backward
from ._text import written

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

Layer = Callable[..., tuple[Any, Any]]
Twin = Callable[..., tuple[Array, Array, list[Array]]]


def _layer(name: str, formula: str, module: str, examples: str, twin_examples: str) -> tuple[Layer, Twin]:
    """A layer whose state is h alone, and its gradients."""
    twin, kind = f"{name}_backward", name.upper()

    @written(name, formula=formula, module=module, examples=examples)
    def forward(
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
        """{formula}.

        Parameters
        ----------
        input : array_like, (T, N, in), (N, T, in) if `batch_first`, or (T, in)
        hx : array_like, (layers * directions, N, H) or (layers * directions, H), or None for zeros
        params : list of array_like
            Of each layer, and of each of its directions, w_ih (gates H, in), w_hh (gates H, H), b_ih and b_hh
            (gates H,), in the order in which `nn.{module}` has them.  A later layer's input is the output before it.
        has_biases : bool
            False: no b_ih, no b_hh.
        num_layers : int
        dropout : float
            In [0, 1]: the share that is dropped of each layer's output but the last one's, if `train`.
        train : bool
        bidirectional : bool
            Run each layer over the reversed sequence as well; both outputs stand side by side.
        batch_first : bool
            Whether the batch is the first dimension of the input and the output; it never is that of the states.

        Returns
        -------
        y : ndarray, (T, N, directions * H), (N, T, *) or (T, *), as the input
        h_n : ndarray, (layers * directions, N, H), or without N
            The states after the last step, which `hx` of another call takes; `nn.{module}` returns the same.

        Raises
        ------
        ValueError
            If shapes do not fit.

        Examples
        --------
        {examples}
        """
        return layer(
            name, kind, input, hx, params, dropout, train=train, has_biases=has_biases, num_layers=num_layers,
            bidirectional=bidirectional, batch_first=batch_first,
        )  # fmt: skip

    @written(twin, name=name, examples=twin_examples)
    def backward(
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
        """Gradients of `{name}`, which is computed anew, without dropout.

        Parameters
        ----------
        dy, dh_n : array_like or None
            The gradients of y and h_n; None is taken as zeros.
        input, hx, params, has_biases, num_layers, bidirectional, batch_first
            As they were given to `{name}`.

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
        {examples}
        """
        return layer_backward(
            twin, kind, {"dy": dy, "dh_n": dh_n}, input, hx, params,
            has_biases=has_biases, num_layers=num_layers, bidirectional=bidirectional, batch_first=batch_first,
        )  # fmt: skip

    return forward, backward


rnn_tanh, rnn_tanh_backward = _layer(
    "rnn_tanh",
    "Elman's network with tanh: h' = tanh(W_ih x + b_ih + W_hh h + b_hh)",
    "RNN",
    """
    >>> y, h_n = rnn_tanh([[[1.0]], [[0.0]]], [[[0.0]]], [[[1.0]], [[1.0]]], has_biases=False)
    >>> y.ravel().round(4), h_n.ravel().round(4)
    (array([0.7616, 0.642 ]), array([0.642]))
    """,
    """
    >>> dx, dhx, dparams = rnn_tanh_backward([[[1.0]]], None, [[[0.0]]], [[[0.0]]], [[[2.0]], [[3.0]]], False)
    >>> dx.item(), dhx.item(), [each.item() for each in dparams]
    (2.0, 3.0, [0.0, 0.0])
    """,
)
rnn_relu, rnn_relu_backward = _layer(
    "rnn_relu",
    "Elman's network with relu: h' = relu(W_ih x + b_ih + W_hh h + b_hh)",
    "RNN",
    """
    >>> y, h_n = rnn_relu([[[1.0]], [[2.0]]], [[[0.0]]], [[[1.0]], [[1.0]]], has_biases=False)
    >>> y.ravel(), h_n.ravel()
    (array([1., 3.]), array([3.]))
    """,
    """
    >>> dx, dhx, dparams = rnn_relu_backward([[[1.0]]], None, [[[1.0]]], [[[0.0]]], [[[2.0]], [[3.0]]], False)
    >>> dx.item(), dhx.item(), [each.item() for each in dparams]
    (2.0, 3.0, [1.0, 0.0])
    """,
)
gru, gru_backward = _layer(
    "gru",
    "Gated recurrent unit; `nn.GRU` has the formulas",
    "GRU",
    """
    >>> w = np.ones((3, 1))
    >>> y, h_n = gru([[[1.0]], [[0.0]]], [[[0.0]]], [w, w], has_biases=False)
    >>> y.ravel().round(4)
    array([0.2048, 0.1633])
    """,
    """
    >>> w = np.ones((3, 1))
    >>> dx, dhx, dparams = gru_backward([[[1.0]]], None, [[[0.0]]], [[[1.0]]], [w, w], has_biases=False)
    >>> dx.ravel().round(4), dhx.ravel().round(4)
    (array([0.2706]), array([0.9575]))
    """,
)


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

    Parameters
    ----------
    input : array_like, (T, N, in), (N, T, in) if `batch_first`, or (T, in)
    hx : tuple of array_like, or None for zeros
        h (layers * directions, N, P) and c (layers * directions, N, H), or without N.
    params : list of array_like
        As in `gru`, and, of a projection, w_hr (P, H) as the last of each direction; P = H without one, else w_hh is
        (gates H, P).
    has_biases, num_layers, dropout, train, bidirectional, batch_first
        As in `gru`.

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

    Parameters
    ----------
    dy, dh_n, dc_n : array_like or None
        The gradients of y, h_n and c_n; None is taken as zeros.
    input, hx, params, has_biases, num_layers, bidirectional, batch_first
        As they were given to `lstm`.

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
