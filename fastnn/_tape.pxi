# What the tape does at every call: tell whether it is to be recorded, record it, and walk back.  autograd/_tensor.py has the Tensor.

cdef class TensorBase:
    """The fields of a Tensor."""
    cdef public object _data, _grad
    cdef public Node _node
    cdef public bint _requires_grad
    cdef object __weakref__


@cython.final
cdef class Node:
    """One recorded step: what it was computed from, None where no gradient goes, and the function from dy to theirs.

    Nodes are numbered as they come, so parents always have smaller numbers.
    """
    cdef readonly tuple parents
    cdef readonly object backward, number
    cdef object origin  # where it was recorded, while a watcher looks; else None


class Mode(threading.local):
    """Of each thread: whether calls are recorded, who is told of those that are not, who looks at results."""
    enabled = True
    tracer = None
    watcher = None


mode = Mode()
cdef int watchers = 0  # in all threads: while there is none, nobody asks for the thread's own
cdef object numbers = itertools.count()
cdef object tensor_class = None  # what `make` makes
cdef dict recorded_versions = {}
cdef frozenset NO_TENSORS = frozenset({np.ndarray, float, int, bool, str, type(None)})  # neither are nor hold one


def set_tape(tensor, versions):
    """Name the class of Tensors, and the recorded version (a Recorded) of each function."""
    global tensor_class, recorded_versions
    tensor_class, recorded_versions = tensor, versions


cdef inline bint wants_gradient(object value) noexcept:
    return isinstance(value, TensorBase) and (<TensorBase>value)._requires_grad


def watch(int change):
    """Count watchers; how many there are now."""
    global watchers
    watchers += change
    return watchers


cdef object free_watcher():
    """This thread's watcher, if it has one that looks at no function already."""
    watcher = mode.watcher
    return watcher if watcher is not None and watcher.free else None


def wants(value):
    """Whether a gradient goes to this argument."""
    return wants_gradient(value)


def value_of(value):
    """The array of a Tensor; anything else as it is."""
    return (<TensorBase>value)._data if isinstance(value, TensorBase) else value


def tracks(*values):
    """Whether a call on these values is recorded."""
    for value in values:
        if wants_gradient(value):
            return mode.enabled
    return False


def make(data, parents, backward):
    """Record a step: its result, what it was computed from, and the function from dy to the parents' gradients."""
    cdef TensorBase result = TensorBase.__new__(tensor_class)
    cdef Node node = Node.__new__(Node)
    node.parents = tuple([parent if wants_gradient(parent) else None for parent in parents])
    node.backward = backward
    node.number = next(numbers)
    if watchers and mode.watcher is not None:
        node.origin = mode.watcher.origin
    result._data = data if cnp.PyArray_CheckExact(data) else np.asarray(data)
    result._requires_grad = True
    result._node = node
    return result


# -- calls ------------------------------------------------------------------------------------------------------------

def differentiable(function, respelled):
    """Make a function of arrays take Tensors too; `respelled` makes the best of a TypeError."""

    def call(*args, **kwargs):
        if watchers:
            watcher = free_watcher()
            if watcher is not None:
                return watcher.run(function.__name__, functools.partial(call, *args, **kwargs), (*args, *kwargs.values()))
        try:
            for value in (*args, *kwargs.values()) if kwargs else args:
                if isinstance(value, TensorBase):
                    return record(call, args, kwargs)
            return function(*args, **kwargs)
        except TypeError as error:
            raise respelled(error, function, kwargs)

    return functools.wraps(function)(call)


cdef object record(object function, tuple args, dict kwargs):
    """Run a function of `fastnn.functional` on Tensors, and record it if one of them tracks gradients."""
    out = kwargs.pop("out", None)
    if not tracks(*args, *kwargs.values(), out):
        if mode.tracer is not None:
            return mode.tracer(function, args, kwargs if out is None else {**kwargs, "out": out})
        options = {name: value_of(value) for name, value in kwargs.items()}
        return function(*map(value_of, args), **options, **({} if out is None else {"out": value_of(out)}))
    if out is not None:
        raise TypeError(f"{function.__name__}: a recorded call writes no out=; use no_grad()")
    return recorded_call(function.__name__, recorded_versions[function], args, kwargs)


def recorded_call(str name, rule, tuple args, dict kwargs):
    """Run a recorded version; tracked arguments without a derivative are refused, untracked ones unwrapped."""
    cdef Py_ssize_t i
    names, known, positions = rule.takes
    if len(args) > positions:
        raise TypeError(f"{name}: expected at most {positions} positional arguments, got {len(args)}")
    arguments = []
    for i in range(len(args)):
        value = args[i]
        if i in rule.positions or type(value) in NO_TENSORS:
            arguments.append(value)
        elif tracks(*flat((value,))):
            raise TypeError(f"{name}: no derivative with respect to argument {i + 1}; use .numpy() or no_grad()")
        else:
            arguments.append(value_of(value))
    if not kwargs:
        return rule.version(*arguments)
    options = {}
    for key, value in kwargs.items():
        if key not in known:
            raise TypeError(f"{name}: got an unexpected argument {key!r}")
        if key not in names:
            raise TypeError(f"{name} with {key}= has no derivative here; use .numpy() or no_grad() to compute without one")
        if key not in rule.differentiable and tracks(*flat((value,))):
            raise TypeError(f"{name}: no derivative with respect to {key}; use .numpy() or no_grad()")
        options[key] = value if key in rule.differentiable else value_of(value)
    return rule.version(*arguments, **options)


def flat(values):
    """The values, those in lists and tuples too, as a list."""
    found = []
    for value in values:
        if isinstance(value, (list, tuple)):
            found += flat(value)
        else:
            found.append(value)
    return found


# -- the way back -----------------------------------------------------------------------------------------------------

def run_backward(TensorBase root, grad):
    """Walk the graph from the last step to the first; every node runs once, with its whole gradient."""
    cdef dict pending = {root: grad}  # of the steps
    cdef dict leaves = {} if root._node is not None else pending
    cdef dict received
    cdef TensorBase tensor, leaf
    cdef Node node
    for tensor in steps_of(root):
        dy = pending.pop(tensor, None)
        if dy is None:
            continue
        node = tensor._node
        gradients = node.backward(dy)
        if node.origin is not None and mode.watcher is not None:
            mode.watcher.back(node.origin, dy, gradients)
        if len(gradients) != len(node.parents):
            raise ValueError(f"backward: expected {len(node.parents)} gradients of a step, got {len(gradients)}")
        for parent, d in zip(node.parents, gradients):
            if parent is None or d is None:
                continue
            if not cnp.PyArray_CheckExact(d) or d.dtype is not (<TensorBase>parent)._data.dtype:
                d = np.asarray(d).astype((<TensorBase>parent)._data.dtype, copy=False)
            received = leaves if (<TensorBase>parent)._node is None else pending
            before = received.get(parent)
            received[parent] = d if before is None else np.asarray(before + d)
    uses = {}
    for d in leaves.values():
        uses[id(d)] = uses.get(id(d), 0) + 1
    for leaf, d in leaves.items():
        if leaf._grad is not None:
            leaf._grad = np.asarray(leaf._grad + d)
        elif d is grad or uses[id(d)] > 1 or not is_own(d):  # somebody else's memory too: the leaf gets its own
            leaf._grad = d.copy(order="K")
        else:
            leaf._grad = d


cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *) noexcept


cdef bint is_own(cnp.ndarray d) noexcept:
    """Whether nobody else has this memory: no base, or one of the same size that nobody else refers to."""
    cdef PyObject *base = cnp.PyArray_BASE(d)
    if base == NULL:
        return True
    return (Py_REFCNT(base) == 1 and cnp.PyArray_ISWRITEABLE(d) and cnp.PyArray_CheckExact(<object>base)
            and cnp.PyArray_NBYTES(<cnp.ndarray>base) == cnp.PyArray_NBYTES(d))


cdef list steps_of(TensorBase root):
    """The computed Tensors that the root was computed from, itself among them, latest first."""
    cdef set seen = set()
    cdef list found = [], stack = [root]
    cdef TensorBase tensor
    while stack:
        tensor = stack.pop()
        if tensor is None or tensor._node is None or tensor in seen:
            continue
        seen.add(tensor)
        found.append((-tensor._node.number, tensor))
        stack.extend(tensor._node.parents)
    found.sort()  # numbers are unique: Tensors are never compared
    return [tensor for _, tensor in found]
