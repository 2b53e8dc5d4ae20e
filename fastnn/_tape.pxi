# What the tape does at every call: tell whether it is to be recorded, record it, and walk back.  autograd/_tensor.py has the Tensor.

cdef class TensorBase:
    """The fields of a Tensor; `_place` says which of its node's results it is."""
    cdef public object _data, _grad
    cdef public Node _node
    cdef public Py_ssize_t _place
    cdef public bint _requires_grad
    cdef object __weakref__


@cython.final
cdef class Node:
    """One recorded call: the Tensors it read (None where no gradient goes), and the function from the gradients of its
    `count` results to theirs.

    Nodes are numbered as they come, so parents always have smaller numbers.  The function is called with one gradient
    for each result, None for a result that nothing was computed from.
    """
    cdef readonly tuple parents
    cdef readonly object backward, number
    cdef readonly Py_ssize_t count
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


def arrays_of(tuple values, call):
    """The arrays of a ufunc's arguments; a list of Tensors that track gradients is refused, since it would lose them."""
    return tuple([array_of(value, call) for value in values])


cdef object array_of(object value, object call):
    if isinstance(value, TensorBase):
        return (<TensorBase>value)._data
    if isinstance(value, (list, tuple)):
        refuse_nested(f"np.{call.__name__}", value)
        return np.asarray(value)
    return value


cdef int refuse_nested(str name, object values) except -1:
    """Refuse a list that holds Tensors with gradients where one array is expected."""
    if tracks(*flat(values)):
        raise TypeError(f"{name}: expected an array, got a list of Tensors, which would lose its gradient; use np.stack")
    return 0


def make(data, parents, backward, function=None):
    """Record a call: its result or its tuple of results, what it was computed from, and the function from the results'
    gradients to those of the parents.

    A result of integers or bools carries no gradient: it comes back as an array.  NumPy's function, if given, is named
    where a result is refused; else the one that `backward` was written in is.
    """
    cdef Node node = Node.__new__(Node)
    node.parents = tuple([parent if wants_gradient(parent) else None for parent in parents])
    node.backward = backward
    node.number = next(numbers)
    if watchers and mode.watcher is not None:
        node.origin = mode.watcher.origin
    if type(data) is not tuple:
        node.count = 1
        return result_of(node, 0, data, function)
    node.count = len(<tuple>data)
    return tuple([result_of(node, i, each, function) for i, each in enumerate(<tuple>data)])


cdef object result_of(Node node, Py_ssize_t place, object data, object function):
    cdef TensorBase result
    if not cnp.PyArray_CheckExact(data):
        data = np.asarray(data)
    if not cnp.PyTypeNum_ISFLOAT(cnp.PyArray_TYPE(<cnp.ndarray>data)):
        return untracked(node, data, function)
    result = TensorBase.__new__(tensor_class)
    result._data = data
    result._requires_grad = True
    result._node = node
    result._place = place
    return result


cdef object untracked(Node node, cnp.ndarray data, object function):
    """A result that no gradient goes through; one that should have a gradient, but cannot have it here, is refused."""
    if data.dtype.kind in "cO":
        name = name_of(node) if function is None else f"np.{function.__name__}"
        raise TypeError(
            f"{name}: a result of dtype {data.dtype} has no derivative here; use .numpy() or no_grad() to compute without one"
        )
    return data


cdef str name_of(Node node):
    """The recorded function that the node's backward was written in."""
    return getattr(node.backward, "__qualname__", "a recorded call").split(".<locals>")[0].lstrip("_")


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
        if type(value) in NO_TENSORS:
            arguments.append(value)
        elif i in rule.positions:
            arguments.append(differentiable_argument(name, rule, value))
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
        options[key] = differentiable_argument(name, rule, value) if key in rule.differentiable else value_of(value)
    return rule.version(*arguments, **options)


cdef object differentiable_argument(str name, object rule, object value):
    """The argument; lists of Tensors inside it are refused, but for the one list that some functions take."""
    if isinstance(value, (list, tuple)):
        for each in value if rule.takes_list else (value,):
            if isinstance(each, (list, tuple)):
                refuse_nested(name, each)
    return value


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
    """Walk the graph from the last call to the first; every node runs once, with the whole gradients of its results."""
    cdef dict pending = {}  # for each node, a list: the gradients of its results so far
    cdef dict leaves = {}
    cdef list dys
    cdef Py_ssize_t i
    cdef Node node
    add_gradient(root, grad, pending, leaves)
    for node in nodes_of(root._node):
        dys = pending.pop(node, None)
        if dys is None:
            continue
        gradients = node.backward(dys[0]) if node.count == 1 else node.backward(*dys)
        if node.origin is not None and mode.watcher is not None:
            mode.watcher.back(node.origin, dys, gradients)
        if len(gradients) != len(node.parents):
            raise ValueError(
                f"backward of {name_of(node)}: expected {len(node.parents)} gradients, got {len(gradients)}"
            )
        i = 0
        for parent, d in zip(node.parents, gradients):
            if parent is not None and d is not None:
                add_gradient(parent, fitting(node, i, parent, d), pending, leaves)
            i += 1
    give(leaves, grad)


cdef int add_gradient(TensorBase tensor, object d, dict pending, dict leaves) except -1:
    """Add to what came back to a leaf, or to one of a node's results."""
    cdef Node node = tensor._node
    cdef list dys
    if node is None:
        before = leaves.get(tensor)
        leaves[tensor] = d if before is None else np.asarray(before + d)
        return 0
    dys = pending.get(node)
    if dys is None:
        dys = pending[node] = [None] * node.count
    before = dys[tensor._place]
    dys[tensor._place] = d if before is None else np.asarray(before + d)
    return 0


cdef inline bint same_shape(cnp.ndarray a, cnp.ndarray b) noexcept:
    return cnp.PyArray_NDIM(a) == cnp.PyArray_NDIM(b) and cnp.PyArray_CompareLists(
        cnp.PyArray_DIMS(a), cnp.PyArray_DIMS(b), cnp.PyArray_NDIM(a))


cdef object fitting(Node node, Py_ssize_t i, TensorBase parent, object d):
    """The gradient as an array of its Tensor's dtype; one of another shape is refused, it would be broadcast."""
    if not cnp.PyArray_CheckExact(d) or d.dtype is not parent._data.dtype:
        d = np.asarray(d)
        if d.dtype.kind not in "fiub":
            raise TypeError(f"backward of {name_of(node)}: expected a real gradient, got dtype {d.dtype}")
        d = d.astype(parent._data.dtype, copy=False)
    if not same_shape(d, parent._data):
        raise ValueError(
            f"backward of {name_of(node)}: expected a gradient of shape {parent._data.shape} for argument {i + 1}, "
            f"got {d.shape}"
        )
    return d


cdef int give(dict leaves, object grad) except -1:
    """Add the leaves' gradients to their `grad`; nothing has changed where one does not fit."""
    cdef TensorBase leaf
    cdef dict uses = {}
    for leaf, d in leaves.items():
        uses[id(d)] = uses.get(id(d), 0) + 1
        if leaf._grad is not None and not same_shape(leaf._grad, d):
            raise ValueError(
                f"backward: expected a grad of shape {d.shape} to add to, got one of shape {leaf._grad.shape}"
            )
    for leaf, d in leaves.items():
        if leaf._grad is not None:
            leaf._grad = np.asarray(leaf._grad + d)
        elif d is grad or uses[id(d)] > 1 or not is_own(d):  # somebody else's memory too: the leaf gets its own
            leaf._grad = d.copy(order="K")
        else:
            leaf._grad = d
    return 0


cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *) noexcept


cdef bint is_own(cnp.ndarray d) noexcept:
    """Whether nobody else has this memory: no base, or one of the same size that nobody else refers to."""
    cdef PyObject *base = cnp.PyArray_BASE(d)
    if base == NULL:
        return True
    return (Py_REFCNT(base) == 1 and cnp.PyArray_ISWRITEABLE(d) and cnp.PyArray_CheckExact(<object>base)
            and cnp.PyArray_NBYTES(<cnp.ndarray>base) == cnp.PyArray_NBYTES(d))


cdef list nodes_of(Node last):
    """The nodes that a node was computed from, itself among them, latest first; none for None."""
    cdef set seen = set()
    cdef list found = [], stack = [last]
    cdef Node node
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        found.append((-node.number, node))
        for parent in node.parents:
            if parent is not None:
                stack.append((<TensorBase>parent)._node)
    found.sort()  # numbers are unique: nodes are never compared
    return [node for _, node in found]
