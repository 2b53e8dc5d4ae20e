"""The pickle inside a PyTorch checkpoint, read without PyTorch and without running what it names.

A pickle is a program: it names functions and classes and calls them.  Here each name that PyTorch writes for tensors
stands for a function of this file that only builds arrays; any other name ends the reading.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from .._check import Array

# NumPy's names of PyTorch's types, or those of `_narrow_floats.NAMES`.
TYPES = {
    "float64": "<f8", "double": "<f8", "float32": "<f4", "float": "<f4", "float16": "<f2", "half": "<f2",
    "int64": "<i8", "long": "<i8", "int32": "<i4", "int": "<i4", "int16": "<i2", "short": "<i2", "int8": "i1",
    "uint8": "u1", "uint16": "<u2", "uint32": "<u4", "uint64": "<u8", "bool": "?", "complex64": "<c8",
    "complex128": "<c16", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2",
    "float8_e8m0fnu": "F8_E8M0",
}  # fmt: skip
STORAGES = {
    "DoubleStorage": "<f8", "FloatStorage": "<f4", "HalfStorage": "<f2", "LongStorage": "<i8", "IntStorage": "<i4",
    "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?", "ComplexFloatStorage": "<c8",
    "ComplexDoubleStorage": "<c16", "BFloat16Storage": "BF16", "UntypedStorage": "u1",
}  # fmt: skip


class Storage(NamedTuple):
    """The memory of one or several tensors: its array in one dimension, made for a type when that type is known."""

    kind: str  # "" for bytes whose type the tensor tells
    typed: Callable[[str], Array]
    filled: bool = True  # whether the numbers are there already


class Named:
    """A name of the pickle that may be called; it has no attributes, so that the pickle cannot change it."""

    __slots__ = ("_call", "_name")
    _name: str
    _call: Callable[..., Any]

    def __init__(self, name: str, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_name", name)
        object.__setattr__(self, "_call", call)

    def __setattr__(self, name: str, value: Any) -> None:
        raise pickle.UnpicklingError(f"it changes {self._name}")

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError(f"it changes {self._name}")

    def __call__(self, *arguments: Any) -> Any:
        return self._call(*arguments)


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = None, hooks: Any = None, *more: Any
) -> Array:
    """`_rebuild_tensor`, `_rebuild_tensor_v2` (a dict of bits follows) and `_v3` (a type, then that dict)."""
    kind = next((TYPES[each] for each in more if isinstance(each, TypeName)), None)
    bits = next((each for each in more if isinstance(each, dict)), {})
    if not isinstance(storage, Storage) or not (storage.kind or kind):
        raise pickle.UnpicklingError("it makes a tensor of something that is no storage")
    array = _strided(storage.typed(kind or storage.kind), offset, size, stride)
    if not bits.get("conj") and not bits.get("neg"):
        return array
    if not storage.filled:
        raise pickle.UnpicklingError(
            "a conjugated or negated tensor in the older format; save it after torch.resolve_conj, resolve_neg"
        )
    array = np.conj(array) if bits.get("conj") else array
    return -array if bits.get("neg") else array


def _strided(memory: Array, offset: Any, size: Any, stride: Any) -> Array:
    """Elements at offset + sum of index times stride, as a view: what shares memory in the file shares it here."""
    numbers = (offset, *size, *stride)
    if len(size) != len(stride) or len(size) > 32 or not all(type(n) is int and 0 <= n < 2**62 for n in numbers):
        raise pickle.UnpicklingError(f"a tensor of size {size}, strides {stride} at {offset}")
    if 0 in size:
        return np.empty(size, memory.dtype)
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if last >= memory.size:
        raise pickle.UnpicklingError(f"a tensor ends at {last}, its storage has {memory.size} elements")
    strides = [step * memory.itemsize if n > 1 else memory.itemsize for n, step in zip(size, stride, strict=True)]
    return np.ndarray(size, memory.dtype, memory.view(np.uint8), offset * memory.itemsize, strides)


class TypeName(str):
    """A type of PyTorch's, where the pickle names one; elsewhere its name."""

    __slots__ = ()


class _NumpyType:
    """NumPy's type of a number, whose byte order the pickle sets after making it."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_: Any) -> None:
        if not isinstance(code, str) or code.lstrip("<>=|") not in {"f2", "f4", "f8", "i1", "i2", "i4", "i8",
                                                                    "u1", "u2", "u4", "u8", "b1"}:  # fmt: skip
            raise pickle.UnpicklingError(f"a NumPy type {code!r}")
        self.code, self.order = code.lstrip("<>=|"), "<"

    def __setstate__(self, state: Any) -> None:
        self.order = ">" if state[1] == ">" else "<"


def _numpy_scalar(kind: Any, data: Any) -> Any:
    if not isinstance(kind, _NumpyType):
        raise pickle.UnpicklingError("a NumPy number without its type")
    data = data if isinstance(data, bytes) else str(data).encode("latin1")
    return np.frombuffer(data, kind.order + kind.code, count=1)[0]


class _NumpyArray(np.ndarray[Any, Any]):
    """An array of NumPy's: the pickle makes an empty one, and then says what it is."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _NumpyType):
            raise pickle.UnpicklingError("a NumPy array of a type that is no number")
        if self.size:  # which would free memory that others may see
            raise pickle.UnpicklingError("it changes a NumPy array")
        _, shape, kind, columns, data = state
        whole: Any = (1, shape, np.dtype(kind.order + kind.code), bool(columns), data)
        super().__setstate__(whole)


def _numpy_array(*_: Any) -> Array:
    return np.empty(0, np.uint8).view(_NumpyArray).copy()


class Namespace(dict[str, Any]):
    """The options of a program: what argparse.Namespace holds."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict):
            raise pickle.UnpicklingError("an argparse.Namespace whose state is no mapping")
        self.update(state)


def _of_type(rebuild: Any, kind: Any, arguments: Any, _: Any) -> Any:
    """A Parameter, or a tensor with attributes of its own."""
    if not isinstance(rebuild, Named) or kind != "tensor":
        raise pickle.UnpicklingError(f"a tensor of a class of its own, {kind!r}")
    return rebuild(*arguments)


def _encoded(text: Any, encoding: Any) -> bytes:
    """How protocol 2 writes bytes."""
    if not isinstance(text, str) or encoding != "latin1":
        raise pickle.UnpicklingError(f"bytes of encoding {encoding!r}")
    return text.encode("latin1")


def _first(value: Any, *_: Any) -> Any:
    return value


BUILTINS = ("builtins", "__builtin__")  # by protocol
CALLS: dict[tuple[str, str], Callable[..., Any]] = {
    **{("torch._utils", name): _tensor for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")},
    **{("torch._utils", name): _first for name in ("_rebuild_parameter", "_rebuild_parameter_with_state")},
    ("torch._tensor", "_rebuild_from_type_v2"): _of_type,
    ("torch", "Size"): tuple,
    ("torch.nn.parameter", "Parameter"): _first,
    ("torch", "device"): lambda *parts: ":".join(map(str, parts)),
    ("collections", "OrderedDict"): OrderedDict,
    ("collections", "Counter"): Counter,
    ("collections", "defaultdict"): lambda *_: defaultdict(),  # its factory may be any function
    **{(module, kind.__name__): kind for module in BUILTINS for kind in (set, frozenset, complex, list, tuple, dict)},
    **{(module, "bytes"): lambda: b"" for module in BUILTINS},  # how protocol 2 writes none
    ("_codecs", "encode"): _encoded,
    **{(f"numpy.{module}.multiarray", "scalar"): _numpy_scalar for module in ("core", "_core")},
    **{(f"numpy.{module}.multiarray", "_reconstruct"): _numpy_array for module in ("core", "_core")},
    ("numpy", "dtype"): _NumpyType,
    ("collections", "deque"): lambda *_: [],
    **{("torch.jit._pickle", f"build_{kind}list"): list for kind in ("int", "double", "bool", "tensor")},
    ("torch.jit._pickle", "restore_type_tag"): _first,
}
VALUES = {
    **{("torch", name): TypeName(name) for name in TYPES},
    **{("torch", name): name for name in ("strided", "preserve_format", "contiguous_format", "channels_last")},
    **{(module, name): name for name in STORAGES for module in ("torch", "torch.storage")},
    **{(module, "Tensor"): "tensor" for module in ("torch", "torch._tensor")},
    ("numpy", "ndarray"): "array",
}
OTHER_TENSORS = {
    "_rebuild_qtensor": "a quantized tensor; save it after .dequantize()",
    "_rebuild_sparse_tensor": "a sparse tensor; save it after .to_dense()",
    "_rebuild_nested_tensor": "a nested tensor; save its parts, .unbind()",
    "_rebuild_meta_tensor_no_storage": "a tensor of the device meta, which has no values",
}
WAY_OUT = "where PyTorch is, save the weights alone: torch.save(model.state_dict(), path)"


class Unpickler(pickle.Unpickler):
    """Python's own, which asks here for each name and each storage.

    Parameters
    ----------
    file : binary file
        At the pickle's first byte.
    storage : callable
        (kind, key, number of elements, view) -> Storage.
    """

    def __init__(self, file: Any, storage: Callable[[str, str, int, Any], Storage]) -> None:
        super().__init__(file, encoding="utf-8")
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in CALLS:
            return "tensor" if name == "Parameter" else Named(f"{module}.{name}", CALLS[module, name])
        if (module, name) in VALUES:
            return VALUES[module, name]
        if (module, name) == ("argparse", "Namespace"):
            return type(name, (Namespace,), {})
        if module == "torch._utils" and name in OTHER_TENSORS:
            raise pickle.UnpicklingError(f"it holds {OTHER_TENSORS[name]}")
        if module.startswith("__torch__"):  # a class of TorchScript: a new one for each file, which holds attributes
            return type(name, (ScriptObject,), {})
        raise pickle.UnpicklingError(f"it names {module}.{name}, which is called nowhere here; {WAY_OUT}")

    def persistent_load(self, pid: Any) -> Storage:
        if isinstance(pid, tuple) and len(pid) in (5, 6) and pid[0] == "storage":
            _, kind, key, _, count, *view = pid
            if kind in STORAGES and isinstance(key, (str, int)) and type(count) is int and count >= 0:
                return self._storage(
                    "" if kind == "UntypedStorage" else STORAGES[kind], str(key), count, (view or [None])[0]
                )
        if isinstance(pid, tuple) and pid and pid[0] == "module":
            raise pickle.UnpicklingError(f"it holds a whole module, which is code; {WAY_OUT}")
        raise pickle.UnpicklingError(f"a storage of an unknown kind, {str(pid)[:80]}")


def read_pickle(file: BinaryIO, storage: Callable[[str, str, int, Any], Storage]) -> Any:
    """The value of the pickle that begins at the file's position.

    Its instructions are checked first: one that stores a value at a huge index would make Python allocate that much.
    """
    start, count, furthest = file.tell(), 0, 0
    for operation, argument, _ in pickletools.genops(file):
        count += 1
        if operation.name in ("PUT", "BINPUT", "LONG_BINPUT") and isinstance(argument, int):
            furthest = max(furthest, argument)
    if furthest > count:
        raise pickle.UnpicklingError(f"it keeps value {furthest}, and has {count} instructions")
    end = file.tell()
    file.seek(start)
    return _finished(Unpickler(io.BytesIO(file.read(end - start)), storage).load())


def _finished(value: Any) -> Any:
    """Dicts and lists, changed in place, and tuples with plain arrays in them; storages by themselves are refused."""
    seen: set[int] = set()
    left: list[Any] = []

    def plain(each: Any) -> Any:
        if isinstance(each, Storage):
            raise pickle.UnpicklingError("it holds a storage by itself; save tensors")
        if isinstance(each, _NumpyArray):
            return each.view(np.ndarray)
        if type(each) is tuple and any(isinstance(part, (_NumpyArray, Storage)) for part in each):
            each = tuple(map(plain, each))
        if isinstance(each, (dict, list, tuple)):
            left.append(each)
        return each

    value = plain(value)
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, tuple):
            left += [part for part in each if isinstance(part, (dict, list, tuple))]
            continue
        for key, part in each.items() if isinstance(each, dict) else enumerate(each):
            each[key] = plain(part)  # of the same keys: a dict may be changed so while it is looped over
    return value


class ScriptObject:
    """An object of a TorchScript module: attributes, of which tensors and further modules are read."""

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            raise pickle.UnpicklingError("an object of TorchScript whose state is no mapping")
        self.__dict__.update(state)


def weights_of(script: ScriptObject) -> dict[str, Array]:
    """The tensors of a TorchScript module under the names that state_dict gives them."""
    found: dict[str, Array] = {}
    open_objects: list[tuple[str, ScriptObject]] = [("", script)]
    seen = {id(script)}
    while open_objects:
        prefix, each = open_objects.pop()
        inner = []
        for name, value in vars(each).items():
            if isinstance(value, np.ndarray):
                found[prefix + name] = value
            elif isinstance(value, ScriptObject) and id(value) not in seen:
                seen.add(id(value))
                inner.append((f"{prefix}{name}.", value))
        open_objects.extend(reversed(inner))  # depth first, as state_dict goes
    return found
