"""Sequences of several lengths: packed, without padding, or padded."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ... import _check
from ..._check import Array
from ...autograd import Tensor

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Packed(NamedTuple):
    data: Any
    batch_sizes: Array
    sorted_indices: Array | None
    unsorted_indices: Array | None


class PackedSequence(_Packed):
    """Sequences of several lengths without padding, step by step, the longest first.

    Parameters
    ----------
    data : ndarray or Tensor, (rows, *)
        The first batch_sizes[0] rows are the sequences' first steps, and so on.
    batch_sizes : array_like of int
        How many sequences reach each step; the numbers never grow.
    sorted_indices : array_like of int, optional
        The original number of each sequence, in the order of `data`; None where that is the order.
    unsorted_indices : array_like of int, optional
        The permutation that undoes it.

    Examples
    --------
    >>> packed = pack_sequence([np.array([1, 2, 3]), np.array([4, 5])])
    >>> packed.data, packed.batch_sizes
    (array([1, 4, 2, 5, 3]), array([2, 2, 1]))
    """

    __slots__ = ()

    def __new__(
        cls, data: Any, batch_sizes: Any = None, sorted_indices: Any = None, unsorted_indices: Any = None
    ) -> PackedSequence:
        """Check that the sizes are those of the data."""
        name = "PackedSequence"
        data = data if isinstance(data, Tensor) else _check.as_array(name, data, "data")
        sizes = _integers(name, "batch_sizes", () if batch_sizes is None else batch_sizes)
        if not sizes.size or (sizes < 1).any() or (np.diff(sizes) > 0).any():
            raise ValueError(f"{name}: expected batch_sizes from 1 on that never grow, got {sizes.tolist()}")
        if data.ndim < 1 or len(data) != sizes.sum():
            raise ValueError(f"{name}: expected data of {sizes.sum()} rows, the sum of batch_sizes, got {data.shape}")
        order = None if sorted_indices is None else _permutation(name, "sorted_indices", sorted_indices, sizes[0])
        if unsorted_indices is None:
            back = None if order is None else np.argsort(order)
        else:
            back = _permutation(name, "unsorted_indices", unsorted_indices, sizes[0])
            order = np.argsort(back) if order is None else order
        if order is not None and not np.array_equal(order[back], np.arange(sizes[0])):
            raise ValueError(f"{name}: expected unsorted_indices to undo sorted_indices, got {back} and {order}")
        return super().__new__(cls, data, sizes, order, back)


def _integers(name: str, argument: str, value: Any) -> Array:
    array = _check.as_array(name, value, argument)
    if array.size and array.dtype.kind not in "iu":
        raise TypeError(f"{name}: expected {argument} to be integers, got dtype {array.dtype}")
    if array.ndim != 1:
        raise ValueError(f"{name}: expected {argument} of 1 dimension, got shape {array.shape}")
    return array.astype(np.int64)


def _permutation(name: str, argument: str, value: Any, n: int) -> Array:
    array = _integers(name, argument, value)
    if not np.array_equal(np.sort(array), np.arange(n)):
        raise ValueError(f"{name}: expected {argument} to be a permutation of {n} numbers, got {array.tolist()}")
    return array


def invert_permutation(permutation: Any) -> Array | None:
    """The permutation that undoes this one; None for None.

    Examples
    --------
    >>> invert_permutation([2, 0, 1])
    array([1, 2, 0])
    """
    if permutation is None:
        return None
    return np.argsort(_permutation("invert_permutation", "permutation", permutation, len(permutation)))


def checked_lengths(name: str, lengths: Any, steps: int, n: int) -> Array:
    """The number of steps of each of n sequences, from 1 to `steps`."""
    found = _integers(name, "lengths", lengths)
    if len(found) != n:
        raise ValueError(f"{name}: expected {n} lengths, one for each sequence, got {len(found)}")
    if not n:
        raise ValueError(f"{name}: expected at least one sequence, got none")
    if found.min() < 1 or found.max() > steps:
        raise ValueError(f"{name}: expected lengths from 1 to {steps}, the steps given, got {found.tolist()}")
    return found


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Leave out the padding of a batch of sequences.

    Parameters
    ----------
    input : array_like or Tensor, (T, N, *), or (N, T, *) if batch_first
    lengths : array_like of int, (N,)
        From 1 to T.
    batch_first : bool
    enforce_sorted : bool
        Expect the sequences from the longest to the shortest; if False they are sorted, equal ones in their order.

    Returns
    -------
    PackedSequence

    Raises
    ------
    ValueError
        If a length is not in 1 to T, their number is not N, N is 0, or the order is not the expected one.

    Examples
    --------
    >>> packed = pack_padded_sequence([[1, 2, 0], [3, 4, 5]], [2, 3], batch_first=True, enforce_sorted=False)
    >>> packed.data, packed.batch_sizes, packed.sorted_indices
    (array([3, 1, 4, 2, 5]), array([2, 2, 1]), array([1, 0]))
    """
    name = "pack_padded_sequence"
    x = input if isinstance(input, Tensor) else _check.as_array(name, input)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected an input of 2 or more dimensions, got shape {x.shape}")
    x = np.swapaxes(x, 0, 1) if batch_first else x
    steps, n = x.shape[:2]
    known = checked_lengths(name, lengths, steps, n)
    if enforce_sorted and (np.diff(known) > 0).any():
        raise ValueError(
            f"{name}: expected lengths from the longest to the shortest, got {known.tolist()}; "
            "give enforce_sorted=False"
        )
    order = np.argsort(-known, kind="stable")
    reached = known[order] > np.arange(known.max())[:, np.newaxis]  # (T, N)
    step, place = np.nonzero(reached)
    rows = x.reshape(steps * n, *x.shape[2:])[step * n + order[place]]
    return PackedSequence(rows, reached.sum(1), None if enforce_sorted else order)


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Any, Array]:
    """The inverse of `pack_padded_sequence`: a batch with padding, in the original order, and its lengths.

    Parameters
    ----------
    sequence : PackedSequence
    batch_first : bool
        Return (N, T, *) instead of (T, N, *).
    padding_value : float
    total_length : int, optional
        T, at least the longest length; by default that.

    Returns
    -------
    x : ndarray or Tensor
    lengths : ndarray of int64

    Raises
    ------
    ValueError
        If total_length is smaller than the longest length.

    Examples
    --------
    >>> pad_packed_sequence(pack_sequence([[1, 2, 3], [4]]), batch_first=True, padding_value=-1)
    (array([[ 1,  2,  3],
           [ 4, -1, -1]]), array([3, 1]))
    """
    name = "pad_packed_sequence"
    if not isinstance(sequence, PackedSequence):
        raise TypeError(f"{name}: expected a PackedSequence, got {type(sequence).__name__}")
    data, sizes, _, back = sequence
    steps, n = len(sizes), int(sizes[0])
    if total_length is not None and _check.count(name, "total_length", total_length) < steps:
        raise ValueError(f"{name}: expected total_length of at least {steps}, the longest length, got {total_length}")
    places = np.full((total_length or steps, n), len(data))  # the row after the last: padding
    reached = np.arange(n) < sizes[:, np.newaxis]
    places[:steps][reached] = np.arange(len(data))
    lengths = reached.sum(0)
    if back is not None:
        places, lengths = places[:, back], lengths[back]
    if places.size > len(data):
        padding = np.full((1, *data.shape[1:]), _check.real(name, "padding_value", padding_value)).astype(data.dtype)
        data = np.concatenate([data, padding])
    places = places.T if batch_first else places
    return data[places.ravel()].reshape(*places.shape, *data.shape[1:]), lengths


def _sequences(name: str, sequences: Any) -> list[Any]:
    found = [each if isinstance(each, Tensor) else _check.as_array(name, each, "each sequence") for each in sequences]
    if not found:
        raise ValueError(f"{name}: expected at least one sequence, got none")
    for i, each in enumerate(found):
        if each.ndim < 1 or each.shape[1:] != found[0].shape[1:]:
            raise ValueError(
                f"{name}: expected sequences alike but for their lengths, got shapes {found[0].shape} and, "
                f"as number {i}, {each.shape}"
            )
    return found


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Make one array of sequences of several lengths.

    Parameters
    ----------
    sequences : list of array_like or Tensor, (length, *)
    batch_first : bool
        Return (N, T, *) instead of (T, N, *).
    padding_value : float
    padding_side : "right" or "left"

    Returns
    -------
    ndarray or Tensor

    Raises
    ------
    ValueError
        If there is no sequence, or they differ in more than their lengths.

    Examples
    --------
    >>> pad_sequence([[1, 2, 3], [4]], batch_first=True, padding_side="left")
    array([[1, 2, 3],
           [0, 0, 4]])
    """
    name = "pad_sequence"
    found = _sequences(name, sequences)
    _check.choice(name, "padding_side", padding_side, ("left", "right"))
    value, longest = _check.real(name, "padding_value", padding_value), max(map(len, found))
    rows = []
    for each in found:
        padding = np.full((longest - len(each), *each.shape[1:]), value).astype(each.dtype)
        rows.append(np.concatenate([each, padding] if padding_side == "right" else [padding, each]))
    return np.stack(rows, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """The sequences of a padded batch, each of its own length.

    Examples
    --------
    >>> unpad_sequence([[1, 2, 3], [4, 0, 0]], [3, 1], batch_first=True)
    [array([1, 2, 3]), array([4])]
    """
    name = "unpad_sequence"
    x = padded_sequences if isinstance(padded_sequences, Tensor) else _check.as_array(name, padded_sequences)
    if x.ndim < 2:
        raise ValueError(f"{name}: expected padded_sequences of 2 or more dimensions, got shape {x.shape}")
    x = x if batch_first else np.swapaxes(x, 0, 1)
    return [x[i, :length] for i, length in enumerate(checked_lengths(name, lengths, x.shape[1], len(x)).tolist())]


def pack_sequence(sequences: Any, enforce_sorted: bool = True) -> PackedSequence:
    """`pack_padded_sequence` of a list of sequences.

    Examples
    --------
    >>> pack_sequence([[1], [2, 3]], enforce_sorted=False).data
    array([2, 1, 3])
    """
    found = _sequences("pack_sequence", sequences)
    return pack_padded_sequence(pad_sequence(found), [len(each) for each in found], enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Any]:
    """The inverse of `pack_sequence`.

    Examples
    --------
    >>> unpack_sequence(pack_sequence([[1], [2, 3]], enforce_sorted=False))
    [array([1]), array([2, 3])]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences))
