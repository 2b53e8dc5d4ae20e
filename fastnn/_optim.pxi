# One step of an optimizer over all its parameters.

cdef class Tensors:
    """The pointers of one optimizer call: columns of arrays (parameters, states, gradients), flattened and of one type."""
    cdef ptrdiff_t count
    cdef void **table  # column after column
    cdef ptrdiff_t *sizes
    cdef object held

    def __cinit__(self, columns):
        cdef ptrdiff_t i, j
        self.held = columns
        self.count = len(columns[0])
        self.sizes = <ptrdiff_t *>PyMem_Malloc(self.count * sizeof(ptrdiff_t) + 1)
        self.table = <void **>PyMem_Malloc(len(columns) * self.count * sizeof(void *) + 1)
        if self.sizes == NULL or self.table == NULL:
            raise MemoryError
        for i in range(len(columns)):
            for j in range(self.count):
                self.table[i * self.count + j] = cnp.PyArray_DATA(<cnp.ndarray?>columns[i][j])
                if i == 0:
                    self.sizes[j] = cnp.PyArray_SIZE(<cnp.ndarray>columns[0][j])
                assert cnp.PyArray_SIZE(<cnp.ndarray>columns[i][j]) == self.sizes[j]

    def __dealloc__(self):
        PyMem_Free(self.sizes)
        PyMem_Free(self.table)

    cdef void **column(self, int i) noexcept nogil:
        return self.table + i * self.count


def are_alike(arrays):
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
    cdef list row, values, columns = None, chosen = []
    cdef dict state
    cdef Py_ssize_t i
    cdef int type = -1
    values = None
    for param in params:
        if param._grad is None:
            continue
        state = states.get(param)
        if state is None:
            return None
        row = [param._array, param._grad]
        for name in names:
            row.append(state.get(name))
        if not are_alike(row) or (type >= 0 and type_of(param._array) != type):
            return None
        own = [state.get(name) for name in numbers]
        if columns is None:
            type, values, columns = type_of(param._array), own, [[] for _ in row]
        elif own != values:
            return None
        for i in range(len(row)):
            (<list>columns[i]).append(row[i])
        chosen.append(state)
    if columns is None or None in values:
        return None
    return columns, values, chosen


cdef Op OPTIMIZER_STEP = ops.optimizer_step, ALL_FINITE = ops.all_finite


def optimizer_step(int rule, list params, list grads, list states, const double[::1] hyper, bint single, double sign,
                   double weight_decay, double keep, double l1):
    """One step over dense arrays of one type (single: float) and, tensor by tensor, one layout."""
    cdef Tensors t = Tensors([params, grads, *states])
    run(OPTIMIZER_STEP, cnp.NPY_FLOAT if single else cnp.NPY_DOUBLE,
        [t.column(0), t.column(1), t.column(2), t.sizes, <void *>&hyper[0]], [rule, t.count], [sign, weight_decay, keep, l1])


def all_finite(list arrays):
    """Whether all values of these plain arrays are known to be finite; False where it takes a closer look to tell."""
    cdef double finite = 1
    if not arrays:
        return True
    cdef int type = type_of(arrays[0])
    for each in arrays:
        if type < 0 or type_of(each) != type:
            return False
    cdef Tensors t = Tensors([arrays])
    run(ALL_FINITE, type, [&finite, t.column(0), t.sizes], [t.count], NULL)
    return finite != 0
