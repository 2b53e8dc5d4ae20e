# One step of an optimizer over all its parameters.

cdef object addresses(list columns):
    """Where each array of each column begins, then how many values each of the first column has, as all others have."""
    cdef Py_ssize_t i = 0, count = len(<list>columns[0])
    cdef cnp.npy_intp size = (len(columns) + 1) * count
    cdef cnp.ndarray each, table = cnp.PyArray_EMPTY(1, &size, cnp.NPY_INTP, False)
    cdef ptrdiff_t *at = <ptrdiff_t *>cnp.PyArray_DATA(table)
    cdef ptrdiff_t *sizes = at + size - count
    for column in columns:
        for each in <list>column:
            at[i] = <ptrdiff_t>cnp.PyArray_DATA(each)
            if i < count:
                sizes[i] = cnp.PyArray_SIZE(each)
            assert sizes[i % count] == cnp.PyArray_SIZE(each)
            i += 1
    return table


def are_alike(list arrays):
    """Whether all are plain arrays, writable, of one type, shape and order."""
    cdef object first = arrays[0], each
    if not is_plain(first):
        return False
    for each in arrays:
        if not is_alike(<cnp.ndarray>first, each) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>each):
            return False
    return True


def usual_columns(list params, dict states, tuple names, tuple numbers):
    """Columns, numbers and states of the parameters with gradients, for the usual step; else None.

    The usual: there are such, each has its plain arrays of these names already, all of one type, and all have the same
    numbers.
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


cdef Op OPTIMIZER_STEP = ops.optimizer_step, ALL_FINITE = ops.all_finite


def optimizer_step(int rule, list columns, cnp.ndarray hyper, double sign, double weight_decay, double keep, double l1):
    """One step over dense arrays (parameters, gradients, states) of one type and, tensor by tensor, one layout."""
    cdef ptrdiff_t count = len(<list>columns[0])
    table = addresses(columns)
    cdef void **at = <void **>data(table)
    run(OPTIMIZER_STEP, type_of(columns[0][0]), [at, at + count, at + 2 * count, at + len(columns) * count, data(hyper)],
        [rule, count], [sign, weight_decay, keep, l1])


def all_finite(list arrays):
    """Whether all values of these plain arrays are known to be finite; False where it takes a closer look to tell."""
    cdef double finite = 1
    cdef int type = type_of(arrays[0]) if arrays else -1
    for each in arrays:
        if type < 0 or type_of(each) != type:
            return False
    if arrays:
        table = addresses([arrays])
        run(ALL_FINITE, type, [&finite, data(table), <void **>data(table) + len(arrays)], [len(arrays)], NULL)
    return finite != 0
