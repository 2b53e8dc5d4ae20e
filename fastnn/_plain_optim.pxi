# Whole calls for plain arrays: what an optimizer's step works on.

def are_alike(list arrays):
    """Whether all are plain arrays, writable, of one type, shape and order."""
    cdef object first = arrays[0], each
    if not is_plain(first):
        return False
    for each in arrays:
        if not is_alike(<cnp.ndarray>first, each) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>each):
            return False
    return True


def plain_columns(list params, dict states, tuple names, tuple numbers):
    """Columns (parameters, gradients, states), numbers and states of the parameters with gradients.

    None unless there are such parameters, each has its plain arrays of these names already, all are of one type, and all have
    the same numbers.
    """
    cdef TensorBase param
    cdef dict state
    cdef list row, own, values = None, columns = [[] for _ in range(2 + len(names))], chosen = []
    cdef Py_ssize_t i
    for param in params:
        if param._grad is None:
            continue
        state = states.get(param)
        if state is None:
            return None
        row, own = [param._array, param._grad], [type_of(param._array)]
        for name in names:
            row.append(state.get(name))
        for name in numbers:
            own.append(state.get(name))
        values = own if values is None else values
        if own != values or not are_alike(row):
            return None
        for i in range(len(row)):
            (<list>columns[i]).append(row[i])
        chosen.append(state)
    return None if values is None or None in values else (columns, values[1:], chosen)
