"""Turns the calls in C of one recorded pass into steps that repeat them for other inputs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import numpy as np

from .. import _core
from .._check import CONSTANTS, Array
from ._program import KEY, MOST_PATCHES, STEP

R = TypeVar("R")
_NO_MEMORY = "compile_step: no memory to write the calls down"
SUMS = {"sum", "pair_loss_sum"}  # ops whose number becomes the loss
# For each op and each of its arrays with strides, the fields that hold the array's sizes
VIEWS = {
    "product": {"c": "batch m n", "a": "batch m k", "b": "batch k n"},
    "conv": {"y": "n g k od oh ow", "x": "n g c id ih iw", "weight": "g k c kd kh kw"},
    "conv_weight": {"dweight": "g k c kd kh kw", "dy": "n g k od oh ow", "x": "n g c id ih iw"},
    "activation_rows": {"y": "rows n", "x": "rows n"},
    "activation_rows_backward": {"dx": "rows n", "dy": "rows n", "saved": "rows n"},
    "recurrent": {"y": "rows p"},
    "recurrent_backward": {"dy": "rows p", "y": "rows p"},
    "pack_weight": {"w": "n k"},
    "pointwise": {"a": "n0 n1 n2 n3", "b": "n0 n1 n2 n3"},
}
# Arrays declared as bytes, by op, and the field whose type their values have (comparisons give truth values)
TYPED_LIKE = {"pointwise": {"y": "a"}}
# Arrays that an op reads although it writes them
UPDATED = {
    "scatter_add": {"table"},
    "recurrent": {"gates", "h", "c"},
    "recurrent_backward": {"dgates", "dinner", "dh", "dc"},
}


def keep_calls(function: Callable[[], R]) -> tuple[R, Array, Array]:
    """Call a function; return its result, its ops as STEPs, and address and size of each array made meanwhile.

    One thread at a time.
    """
    if _core.log_start():
        raise MemoryError(_NO_MEMORY)
    _core.distinct_start()
    _core.log_keep(True)
    _core.swap_memory()
    try:
        result = function()
    finally:
        _core.swap_memory()
        steps, blocks = np.zeros(_core.log_kept(0), STEP), np.zeros((0, 2), np.uintp)
        _core.log_kept(steps.ctypes.data)
        _core.log_keep(False)
        _core.log_stop()
        while (count := _core.distinct_stop(blocks.ctypes.data, len(blocks))) > len(blocks):
            blocks = np.zeros((count, 2), np.uintp)  # other threads' arrays may come meanwhile
    if count < 0:
        raise MemoryError(_NO_MEMORY)
    return result, steps, blocks


class Unplanned(Exception):
    """A pass that is no list of calls in C; the text says why."""


class Region(NamedTuple):
    """Known memory: its address, bytes, kind, and number among those of its kind."""

    start: int
    size: int
    kind: str  # "input", "parameter", "buffer", "constant", "made"
    number: int


class _Made:
    """An array that the pass made: which of its bytes ops have written, and the first and last op that used it."""

    def __init__(self, size: int, step: int):
        self.size, self.written, self.first, self.last = size, np.zeros(size, bool), step, step
        self.register: int | None = None
        self.offset = 0

    def part(self, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], item: int) -> Array:
        """The marks of an array's bytes, whichever way its strides run."""
        lowest = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True) if stride < 0)
        return np.lib.stride_tricks.as_strided(self.written[lowest:], (*shape, item), (*map(abs, strides), 1))


class Recording:
    """A pass's calls in C, and what each of their addresses means.

    Parameters
    ----------
    steps, blocks : ndarray
        From `keep_calls`.
    inputs, parameters, buffers : lists of ndarray
        What the calls may read beside what they wrote themselves; buffers they may write.
    """

    def __init__(self, steps: Array, blocks: Array, inputs: list[Array], parameters: list[Array], buffers: list[Array]):
        self.steps, self.made = steps, dict[int, _Made]()
        constants = list(CONSTANTS.values())
        known = {"input": inputs, "parameter": parameters, "buffer": buffers, "constant": constants}
        self.held = [*parameters, *buffers, *constants]  # kept alive: steps hold addresses in them
        regions = [
            Region(array.ctypes.data, array.nbytes, kind, i)
            for kind, arrays in known.items()
            for i, array in enumerate(arrays)
        ]
        regions += [Region(int(start), int(size), "made", i) for i, (start, size) in enumerate(blocks)]
        self.regions = sorted({each.start: each for each in reversed(regions) if each.size}.values())
        self.starts = [each.start for each in self.regions]
        self.pointers: list[tuple[int, int, Region, int]] = []  # step, offset in its record, region, offset in that
        self.flags: list[tuple[int, int]] = []  # step and offset of the address of the flag for refused values
        self.results: list[tuple[int, int]] = []  # step and offset of the address of a number that goes to Python
        self.keys: list[tuple[int, int, int]] = []  # step, offset, key
        found = np.zeros((len(steps), 97), np.int64)  # the op's number, then 3 numbers for each of at most 32 arrays
        _core.kept_arrays(steps.ctypes.data, len(steps), found.ctypes.data)
        every = list(vars(_core.ops).values())
        self.ops = [every[number] for number in found[:, 0]]
        for i, op in enumerate(self.ops):
            self._read(i, op, found[i, 1:].reshape(-1, 3).tolist())

    def _read(self, i: int, op: _core.Op, arrays: list[list[int]]) -> None:
        """Find what one call reads and writes."""
        record = self.steps[i]["record"]
        value = {name: int(record[at // 8]) for name, _, _, at in op.fields}
        updated = UPDATED.get(op.name, {"c"} if value.get("accumulate") else ())
        like = TYPED_LIKE.get(op.name, {})
        items = {name: item for (name, *_), (_, item, _) in zip(op.fields, arrays, strict=False)}
        written = []
        for (name, kind, dimensions, at), (writes, _, length) in zip(op.fields, arrays, strict=False):
            address = int(record[at // 8].view(np.uint64))
            if kind in ("int", "bool", "key", "float"):
                break
            if kind == "work" or not address:
                continue
            if kind == "result" and op.name in SUMS:
                self.results.append((i, at))
            elif op.name == "classes" and name == "wrong":
                self.flags.append((i, at))
            elif kind != "array" or name == "wrong":
                raise Unplanned(f"the values of {op.name} decide what follows")
            else:
                region, offset = self._find(op, name, address)
                item = items[like.get(name, name)]
                shape, strides = self._extent(op, name, dimensions, record[at // 8 + 1 :], value, item)
                if shape is None:
                    shape, strides = (length or (region.size - offset) // item,), (item,)
                if not writes or name in updated:
                    self._check_read(op, name, region, offset, shape, strides, item, i)
                if writes:
                    written.append((region, offset, shape, strides, item))
                    if region.kind not in ("made", "buffer"):
                        raise Unplanned(f"{op.name} writes into what is {region.kind}")
                elif op.name == "classes" and region.kind != "input":
                    raise Unplanned("the targets are computed")
                self.pointers.append((i, at, region, offset))
        for region, offset, shape, strides, item in written:
            if region.kind == "made":
                first = 0 if op.name == "classes" else i  # a check of classes runs before all other ops
                made = self.made.setdefault(region.start, _Made(region.size, first))
                made.part(offset, shape, strides, item)[...] = True
                made.last = i
        self.keys += [(i, at, value[name] % 2**64) for name, kind, _, at in op.fields if kind == "key"]

    def _find(self, op: _core.Op, name: str, address: int) -> tuple[Region, int]:
        place = bisect_right(self.starts, address) - 1
        if place < 0 or address >= self.starts[place] + self.regions[place].size:
            raise Unplanned(f"{op.name} reads {name} from an array that is no input, parameter or buffer")
        return self.regions[place], address - self.starts[place]

    @staticmethod
    def _extent(op: _core.Op, name: str, dimensions: int, after: Array, value: dict[str, int], item: int) -> Any:
        """Shape and strides in bytes of an array with strides; None, None for one without."""
        if not dimensions:
            return None, None
        if name not in VIEWS.get(op.name, {}):
            raise Unplanned(f"compiled steps do not know the op {op.name}")
        shape = tuple(value[size] for size in VIEWS[op.name][name].split())
        strides = tuple(int(each) * item for each in after[:dimensions])
        return shape, strides

    def _check_read(
        self, op: _core.Op, name: str, region: Region, offset: int, shape: Any, strides: Any, item: int, i: int
    ) -> None:
        """Refuse an array that anything but ops has written: a replay would not write it."""
        reach = [(n - 1) * stride for n, stride in zip(shape, strides, strict=True)]
        before, after = sum(each for each in reach if each < 0), sum(each for each in reach if each > 0)
        if offset + before < 0 or offset + after + item > region.size:
            raise Unplanned(f"{op.name} reads {name} beyond an array")
        if region.kind == "made":
            made = self.made.get(region.start)
            if made is None or not made.part(offset, shape, strides, item).all():
                raise Unplanned(f"NumPy computes what {op.name} reads as {name}")
            made.last = i

    def output(self, array: Array, register: int) -> None:
        """Give a register to an array that ops have written."""
        made = self.made.get(array.ctypes.data)
        if made is None or made.size != array.nbytes or not made.written.all() or made.register is not None:
            raise Unplanned("computed by NumPy")
        made.register = register

    def lay_out(self) -> int:
        """Place the arrays between steps in one block, by their lifetimes; returns the block's bytes."""
        placed: list[_Made] = []
        for each in sorted((made for made in self.made.values() if made.register is None), key=lambda made: made.first):
            beside = sorted((p.offset, p.offset + p.size) for p in placed if p.last >= each.first)
            for start, end in beside:
                if each.offset + each.size <= start:
                    break
                each.offset = max(each.offset, -(-end // 64) * 64)
            placed.append(each)
        return max((each.offset + each.size for each in placed), default=0)

    @property
    def result(self) -> tuple[str, dict[str, int]]:
        """The op that computes the loss, and its integers."""
        i = self.results[0][0]
        op = self.ops[i]
        return op.name, {
            name: int(self.steps[i]["record"][at // 8]) for name, kind, _, at in op.fields if kind == "int"
        }

    def patched(self, arena: int, result: int, keys: list[int], last: int) -> Array:
        """The steps, with addresses of memory that stays, and patches for arrays that each run brings.

        Parameters
        ----------
        arena, result : int
            Addresses of the memory between steps, and of the number that goes to Python.
        keys : list of int
            Keys that each run draws anew, in the order of register 0; other keys stay as recorded.
        last : int
            The register of the flag for refused values.  The inputs have registers 1 and 2.
        """
        steps = self.steps.copy()

        def patch(i: int, at: int, register: int, add: int) -> None:
            count = steps["patches"][i]
            if count == MOST_PATCHES:
                raise Unplanned("a call has too many arrays")
            steps["patch"][i, count] = at, register, add
            steps["patches"][i] += 1

        def put(i: int, at: int, address: int) -> None:
            steps["record"][i, at // 8] = np.uint64(address).astype(np.int64)

        for i, at, region, offset in self.pointers:
            made = self.made.get(region.start)
            if region.kind == "input":
                patch(i, at, 1 + region.number, offset)
            elif made is not None and made.register is not None:
                patch(i, at, made.register, offset)
            elif made is not None:
                put(i, at, arena + made.offset + offset)
        for i, at in self.flags:
            patch(i, at, last, 0)
        for i, at in self.results:
            put(i, at, result)
        for i, at, key in self.keys:
            if key in keys:
                patch(i, at, KEY, keys.index(key))
        if not set(keys) <= {key for _, _, key in self.keys}:
            raise Unplanned("random numbers are drawn that go to no kernel")
        first = [i for i, _ in self.flags]  # values are refused before anything has changed
        return steps[[*first, *(i for i in range(len(steps)) if i not in first)]]
