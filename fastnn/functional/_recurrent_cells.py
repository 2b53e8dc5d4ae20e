"""One step of recurrent layers as functions: PyTorch's `rnn_tanh_cell`, `rnn_relu_cell`, `lstm_cell`, `gru_cell`."""

from __future__ import annotations

from typing import Any

from ._recurrence import cell, cell_backward, described

__all__ = [
    "gru_cell",
    "gru_cell_backward",
    "lstm_cell",
    "lstm_cell_backward",
    "rnn_relu_cell",
    "rnn_relu_cell_backward",
    "rnn_tanh_cell",
    "rnn_tanh_cell_backward",
]


@described("cell")
def rnn_tanh_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of Elman's network: tanh(W_ih x + b_ih + W_hh h + b_hh).

    SHARED

    Returns
    -------
    h : ndarray, (N, H) or (H,)
        The next state.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> rnn_tanh_cell([1.0], [0.0], [[1.0]], [[1.0]]).round(4)
    array([0.7616])
    """
    return cell("rnn_tanh_cell", "RNN_TANH", hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)


@described("cell")
def rnn_tanh_cell_backward(
    dy: Any,
    input: Any,
    hx: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
) -> tuple[Any, ...]:
    """Gradients of `rnn_tanh_cell`, which is computed anew.

    SHARED

    Returns
    -------
    dinput, dhx, dw_ih, dw_hh, db_ih, db_hh : ndarray
        Of the arguments' shapes; the last two None where there are no biases.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> dx, dhx, *dweights = rnn_tanh_cell_backward([1.0], [0.0], [0.0], [[2.0]], [[3.0]])
    >>> dx, dhx
    (array([2.]), array([3.]))
    """
    back = {"dy": dy}
    return cell_backward(
        "rnn_tanh_cell_backward", "RNN_TANH", back, hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh
    )


@described("cell")
def rnn_relu_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of Elman's network: relu(W_ih x + b_ih + W_hh h + b_hh).

    SHARED

    Returns
    -------
    h : ndarray, (N, H) or (H,)
        The next state.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> rnn_relu_cell([1.0], [2.0], [[1.0]], [[1.0]])
    array([3.])
    """
    return cell("rnn_relu_cell", "RNN_RELU", hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)


@described("cell")
def rnn_relu_cell_backward(
    dy: Any,
    input: Any,
    hx: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
) -> tuple[Any, ...]:
    """Gradients of `rnn_relu_cell`, which is computed anew.

    SHARED

    Returns
    -------
    dinput, dhx, dw_ih, dw_hh, db_ih, db_hh : ndarray
        Of the arguments' shapes; the last two None where there are no biases.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> dx, dhx, *dweights = rnn_relu_cell_backward([1.0], [1.0], [0.0], [[2.0]], [[3.0]])
    >>> dx, dhx
    (array([2.]), array([3.]))
    """
    back = {"dy": dy}
    return cell_backward(
        "rnn_relu_cell_backward", "RNN_RELU", back, hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh
    )


@described("lstm_cell")
def lstm_cell(
    input: Any, hx: tuple[Any, Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, Any]:
    """One step of an LSTM; `nn.LSTM` has the formulas.

    SHARED

    Returns
    -------
    h, c : ndarray, (N, H) or (H,)
        The next state.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> h, c = lstm_cell([1.0], ([0.0], [0.0]), np.ones((4, 1)), np.ones((4, 1)))
    >>> h.round(4), c.round(4)
    (array([0.3696]), array([0.5568]))
    """
    return cell("lstm_cell", "LSTM", hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)


@described("lstm_cell")
def lstm_cell_backward(
    dh: Any | None,
    dc: Any | None,
    input: Any,
    hx: tuple[Any, Any],
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
) -> tuple[Any, ...]:
    """Gradients of `lstm_cell`, which is computed anew.

    SHARED

    Returns
    -------
    dinput, dhx, dw_ih, dw_hh, db_ih, db_hh : ndarray
        Of the arguments' shapes, dhx a tuple of two; the last two None where there are no biases.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> w = np.ones((4, 1))
    >>> dx, (dh, dc), *dweights = lstm_cell_backward(None, [1.0], [1.0], ([0.0], [2.0]), w, w)
    >>> dx.round(4), dc.round(4)
    (array([0.85]), array([0.7311]))
    """
    back = {"dh": dh, "dc": dc}
    return cell_backward(
        "lstm_cell_backward", "LSTM", back, hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh
    )


@described("cell")
def gru_cell(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """One step of a GRU; `nn.GRU` has the formulas.

    SHARED

    Returns
    -------
    h : ndarray, (N, H) or (H,)
        The next state.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> gru_cell([1.0], [0.0], np.ones((3, 1)), np.ones((3, 1))).round(4)
    array([0.2048])
    """
    return cell("gru_cell", "GRU", hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)


@described("cell")
def gru_cell_backward(
    dy: Any,
    input: Any,
    hx: Any,
    w_ih: Any,
    w_hh: Any,
    b_ih: Any = None,
    b_hh: Any = None,
) -> tuple[Any, ...]:
    """Gradients of `gru_cell`, which is computed anew.

    SHARED

    Returns
    -------
    dinput, dhx, dw_ih, dw_hh, db_ih, db_hh : ndarray
        Of the arguments' shapes; the last two None where there are no biases.

    Raises
    ------
    ValueError
        If shapes do not fit.

    Examples
    --------
    >>> dx, dhx, *dweights = gru_cell_backward([1.0], [0.0], [1.0], np.ones((3, 1)), np.ones((3, 1)))
    >>> dx.round(4), dhx.round(4)
    (array([0.2706]), array([0.9575]))
    """
    back = {"dy": dy}
    return cell_backward("gru_cell_backward", "GRU", back, hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)
