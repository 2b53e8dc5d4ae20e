"""One step of recurrent layers as functions: PyTorch's `rnn_tanh_cell`, `rnn_relu_cell`, `lstm_cell`, `gru_cell`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._recurrence import cell, cell_backward
from ._text import written

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


def _cell(
    name: str, formula: str, examples: str, twin_examples: str
) -> tuple[Callable[..., Any], Callable[..., tuple[Any, ...]]]:
    """A cell whose state is h alone, and its gradients."""
    twin, kind = f"{name}_backward", name.removesuffix("_cell").upper()

    @written(name, formula=formula, examples=examples)
    def forward(input: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
        """One step of {formula}.

        Parameters
        ----------
        input : array_like, (N, in) or (in,)
        hx : array_like, (N, H) or (H,)
        w_ih, w_hh : array_like, (gates H, in), (gates H, H)
        b_ih, b_hh : array_like, (gates H,), optional
            Both or neither.

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
        {examples}
        """
        return cell(name, kind, hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)

    @written(twin, name=name, examples=twin_examples)
    def backward(
        dy: Any,
        input: Any,
        hx: Any,
        w_ih: Any,
        w_hh: Any,
        b_ih: Any = None,
        b_hh: Any = None,
    ) -> tuple[Any, ...]:
        """Gradients of `{name}`, which is computed anew.

        Parameters
        ----------
        dy : array_like or None
            The gradient of h; None is taken as zeros.
        input, hx, w_ih, w_hh, b_ih, b_hh
            As they were given to `{name}`.

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
        {examples}
        """
        return cell_backward(twin, kind, {"dy": dy}, hx, input=input, w_ih=w_ih, w_hh=w_hh, b_ih=b_ih, b_hh=b_hh)

    return forward, backward


rnn_tanh_cell, rnn_tanh_cell_backward = _cell(
    "rnn_tanh_cell",
    "Elman's network: tanh(W_ih x + b_ih + W_hh h + b_hh)",
    """
    >>> rnn_tanh_cell([1.0], [0.0], [[1.0]], [[1.0]]).round(4)
    array([0.7616])
    """,
    """
    >>> dx, dhx, *dweights = rnn_tanh_cell_backward([1.0], [0.0], [0.0], [[2.0]], [[3.0]])
    >>> dx, dhx
    (array([2.]), array([3.]))
    """,
)
rnn_relu_cell, rnn_relu_cell_backward = _cell(
    "rnn_relu_cell",
    "Elman's network: relu(W_ih x + b_ih + W_hh h + b_hh)",
    """
    >>> rnn_relu_cell([1.0], [2.0], [[1.0]], [[1.0]])
    array([3.])
    """,
    """
    >>> dx, dhx, *dweights = rnn_relu_cell_backward([1.0], [1.0], [0.0], [[2.0]], [[3.0]])
    >>> dx, dhx
    (array([2.]), array([3.]))
    """,
)
gru_cell, gru_cell_backward = _cell(
    "gru_cell",
    "a GRU; `nn.GRU` has the formulas",
    """
    >>> gru_cell([1.0], [0.0], np.ones((3, 1)), np.ones((3, 1))).round(4)
    array([0.2048])
    """,
    """
    >>> dx, dhx, *dweights = gru_cell_backward([1.0], [0.0], [1.0], np.ones((3, 1)), np.ones((3, 1)))
    >>> dx.round(4), dhx.round(4)
    (array([0.2706]), array([0.9575]))
    """,
)


def lstm_cell(
    input: Any, hx: tuple[Any, Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None
) -> tuple[Any, Any]:
    """One step of an LSTM; `nn.LSTM` has the formulas.

    Parameters
    ----------
    input : array_like, (N, in) or (in,)
    hx : tuple of array_like, h and c (N, H) or (H,)
    w_ih, w_hh : array_like, (4 H, in), (4 H, H)
    b_ih, b_hh : array_like, (4 H,), optional
        Both or neither.

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

    Parameters
    ----------
    dh, dc : array_like or None
        The gradients of h and c; None is taken as zeros.
    input, hx, w_ih, w_hh, b_ih, b_hh
        As they were given to `lstm_cell`.

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
