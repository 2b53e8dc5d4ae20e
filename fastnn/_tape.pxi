# What the tape does at every call: tell whether it is to be recorded, record it, and walk back.  autograd/_tensor.py has the Tensor.

cdef class TensorBase:
    """The fields of a Tensor, none called `_data`, which `numpy.ma` would take; a leaf is no call's result."""
    cdef public object _array, _grad
    cdef public Result _result
    cdef public bint _requires_grad
    cdef object __weakref__


@cython.final
cdef class Node:
    """One recorded call: the leaves and the results of other calls that it read (None where no gradient goes), and the
    function from the gradients of its `count` results (None for a result that nothing was computed from) to theirs.

    Nodes are numbered as they come, so parents always have smaller numbers.
    """
    cdef readonly tuple parents
    cdef public object backward
    cdef readonly object number, function  # the function that was called, where that is known
    cdef readonly Py_ssize_t count
    cdef object origin  # the description that an observer got of the call; else None


@cython.final
cdef class Result:
    """A call's result number `place` without its values: those that no gradient needs are free when their Tensor is gone."""
    cdef readonly Node node
    cdef readonly Py_ssize_t place
    cdef readonly object shape, dtype


class Mode(threading.local):
    """Each thread's own: whether calls are recorded, their observer (_observe.py), the last call it saw, and the keys drawn."""
    enabled = True
    observer = origin = draws = None


mode = Mode()
cdef list watching = []  # the observers of all threads; while there are none, a call need not look for its thread's
observers = watching
cdef object numbers = itertools.count()
cdef object tensor_class = None  # what `make` makes
cdef dict derivatives = {}
cdef object unusual = None  # the module autograd._unusual: conversions and refusals, which need no speed
cdef frozenset NO_TENSORS = frozenset({np.ndarray, float, int, bool, str, type(None)})  # an argument of these types is no Tensor and holds none


def set_tape(tensor, declared, module):
    """Name the class of Tensors, the Derivative of each function, and the module of unusual cases."""
    global tensor_class, derivatives, unusual
    tensor_class, derivatives, unusual = tensor, declared, module


cpdef inline bint wants(object value) noexcept:
    """Whether a gradient goes to this argument."""
    return isinstance(value, TensorBase) and (<TensorBase>value)._requires_grad


def value_of(value):
    """The array of a Tensor; anything else as it is."""
    return (<TensorBase>value)._array if isinstance(value, TensorBase) else value


def tracks(*values):
    """Whether a call on these values is recorded."""
    for value in values:
        if wants(value):
            return mode.enabled
    return False


def make(data, parents, backward, function=None):
    """Record a call: its result or tuple of results, what it was computed from, and the function from their gradients to
    the parents'.  A result of integers comes back as an array; `function` is named where something is refused.
    """
    cdef Node node = Node.__new__(Node)
    node.parents = tuple([source_of(<TensorBase>parent) if wants(parent) else None for parent in parents])
    node.backward = backward
    node.number = next(numbers)
    node.function = function
    if watching:
        node.origin = mode.origin
    if type(data) is not tuple:
        node.count = 1
        return result_of(node, 0, data)
    node.count = len(<tuple>data)
    return tuple([result_of(node, i, each) for i, each in enumerate(<tuple>data)])


cdef object result_of(Node node, Py_ssize_t place, object data):
    cdef TensorBase tensor
    if not cnp.PyArray_CheckExact(data):
        data = np.asarray(data)
    if not cnp.PyTypeNum_ISFLOAT(cnp.PyArray_TYPE(<cnp.ndarray>data)):
        return unusual.untracked(node, data)
    tensor = TensorBase.__new__(tensor_class)
    tensor._array = data
    tensor._requires_grad = True
    tensor._result = Result.__new__(Result)
    tensor._result.node = node
    tensor._result.place = place
    tensor._result.shape = data.shape
    tensor._result.dtype = data.dtype
    return tensor


cdef inline object source_of(TensorBase tensor):
    """Where its gradient goes: to a leaf itself, or to a result of a call."""
    return tensor if tensor._result is None else tensor._result


# -- calls ------------------------------------------------------------------------------------------------------------

def differentiable(function, respelled):
    """Make a function of arrays take Tensors too; `respelled` makes the best of a TypeError."""

    def call(*args, **kwargs):
        if watching and mode.observer is not None:
            return mode.observer.tell(function.__name__, call, args, kwargs)
        try:
            for value in args:
                if isinstance(value, TensorBase):
                    return record(call, args, kwargs)
            if kwargs:
                for value in kwargs.values():
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
        options = {name: value_of(value) for name, value in kwargs.items()}
        return function(*map(value_of, args), **options, **({} if out is None else {"out": value_of(out)}))
    if out is not None:
        raise TypeError(f"{function.__name__}: a recorded call writes no out=; use no_grad()")
    return recorded_call(function.__name__, derivatives[function], args, kwargs)


def recorded_call(str name, declared, tuple args, dict kwargs):
    """Run a function that has a Derivative on the arrays of its arguments, and record the call."""
    cdef Py_ssize_t i
    cdef list values = [], parents = [None] * len(declared.names)
    cdef dict options = {}
    positions, names = declared.arguments
    if len(args) > len(positions):
        raise TypeError(f"{name}: expected at most {len(positions)} positional arguments, got {len(args)}")
    for i in range(len(args)):
        value = args[i]
        values.append(value if type(value) in NO_TENSORS else array_of(name, declared, positions[i], value, parents))
    for key, value in kwargs.items():
        if key not in names:
            unusual.refuse_keyword(name, declared, key)
        options[key] = value if type(value) in NO_TENSORS else array_of(name, declared, key, value, parents)
    wanted = tuple([parent is not None for parent in parents])
    results, backward = declared.run(wanted, *values, **options)
    if backward is None:
        return results
    recorded = make(tuple(results) if type(results) is list else results, parents, backward, declared.function)
    return list(recorded) if type(results) is list else recorded


cdef object array_of(str name, object declared, str argument, object value, list parents):
    """The array of an argument; a Tensor that a gradient goes to takes its place among the parents."""
    place = declared.places.get(argument)
    if place is None or declared.takes_list or not isinstance(value, TensorBase):
        return unusual.argument(name, declared, argument, value, parents)
    parents[place] = value if wants(value) else None
    return (<TensorBase>value)._array


# -- the way back -----------------------------------------------------------------------------------------------------

def run_backward(TensorBase root, grad, bint retain_graph):
    """Walk the graph from the last call to the first; every node runs once, with the whole gradients of its results.

    Afterwards the nodes let go of all that they kept, unless the graph is to be retained: the next forward pass then has
    their memory.
    """
    cdef dict pending = {}  # for each node, the gradients of its results so far; for each leaf, its own
    cdef list dys, nodes = nodes_of(source_of(root))
    cdef Py_ssize_t i
    cdef Node node
    for node in nodes:
        if node.backward is None:
            unusual.refuse_walk()
    add_gradient(source_of(root), grad, pending)
    for node in nodes:
        dys = pending.pop(node, None)
        if dys is None:
            continue
        if watching and node.origin is not None and mode.observer is not None:
            gradients = mode.observer.back(node.origin, node.backward, dys)
        else:
            gradients = node.backward(dys[0]) if node.count == 1 else node.backward(*dys)
        if len(gradients) != len(node.parents):
            unusual.refuse_number(node, gradients)
        for i, (parent, d) in enumerate(zip(node.parents, gradients)):
            if parent is not None and d is not None:
                if not fits(parent, d):
                    d = unusual.fitted(node, i, parent, d)
                add_gradient(parent, d, pending)
    unusual.give(pending, grad)  # nodes have given theirs away
    if not retain_graph:
        for node in nodes:
            node.backward, node.parents = None, ()


cdef int add_gradient(object source, object d, dict pending) except -1:
    """Add to what came back to a leaf, or to one of a node's results."""
    cdef bint is_leaf = type(source) is not Result
    cdef object of = source if is_leaf else (<Result>source).node
    cdef Py_ssize_t place = 0 if is_leaf else (<Result>source).place
    cdef list dys = pending.get(of)
    if dys is None:
        dys = pending[of] = [None] * (1 if is_leaf else (<Node>of).count)
    before = dys[place]
    dys[place] = d if before is None else add(before, d)
    return 0


cdef inline bint fits(object source, object d):
    """Whether this is an array of the source's shape and dtype: another shape would be broadcast into a grad."""
    cdef object like = source if type(source) is Result else (<TensorBase>source)._array
    return cnp.PyArray_CheckExact(d) and d.dtype is like.dtype and d.shape == like.shape


def is_own(cnp.ndarray d not None):
    """Whether nobody else has this memory: no base, or one of the same size that nobody else refers to."""
    cdef PyObject *base = cnp.PyArray_BASE(d)
    if base == NULL:
        return True
    return (_Py_REFCNT(base) == 1 and cnp.PyArray_ISWRITEABLE(d) and cnp.PyArray_CheckExact(<object>base)
            and cnp.PyArray_NBYTES(<cnp.ndarray>base) == cnp.PyArray_NBYTES(d))


cdef list nodes_of(object last):
    """The nodes that a result was computed from, latest first; none for a leaf."""
    cdef dict found = {}  # by number
    cdef list stack = [last]
    cdef Node node
    while stack:
        source = stack.pop()
        if type(source) is Result and (<Result>source).node.number not in found:
            node = (<Result>source).node
            found[node.number] = node
            stack += node.parents
    return [found[number] for number in sorted(found, reverse=True)]


def same_state(list tables, list parameters):
    """Whether each (dict, values) still holds those very objects, and each (parameter, array, requires_grad) is unchanged and
    has no gradient.
    """
    cdef list values
    cdef dict table
    cdef Py_ssize_t i
    for table, values in tables:
        if len(table) != len(values):
            return False
        i = 0
        for value in table.values():
            if value is not values[i]:
                return False
            i += 1
    for parameter, array, tracked in parameters:
        if ((<TensorBase>parameter)._array is not array or (<TensorBase>parameter)._requires_grad is not tracked
                or (<TensorBase>parameter)._grad is not None):
            return False
    return True
