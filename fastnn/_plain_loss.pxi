# Whole calls for plain arrays: softmax, its loss, dropout, learned activations.

# -- softmax and cross-entropy ----------------------------------------------------------------------------------------

cdef Op SOFTMAX = ops.softmax, SOFTMAX_BACKWARD = ops.softmax_backward
cdef Op CLASSES = ops.classes, NLL = ops.nll, NLL_BACKWARD = ops.nll_backward, SUM = ops.sum


cdef bint last_rows(object x, object dim, ptrdiff_t *rows, ptrdiff_t *n) noexcept:
    """The sizes of dense x as rows along `dim`, if that is its last dimension."""
    cdef int ndim = cnp.PyArray_NDIM(<cnp.ndarray>x)
    if not PyLong_CheckExact(dim) or ndim < 1 or not (dim == ndim - 1 or dim == -1):
        return False
    n[0] = cnp.PyArray_DIM(<cnp.ndarray>x, ndim - 1)
    rows[0] = cnp.PyArray_SIZE(<cnp.ndarray>x) // n[0]
    return True


def plain_softmax(x, dim, bint log):
    cdef int type = type_of(x)
    cdef ptrdiff_t rows, n
    if type < 0 or not is_dense(x, type) or not last_rows(x, dim, &rows, &n):
        return None
    y = new_like(x, cnp.NPY_CORDER)
    run(SOFTMAX, type, [data(y), data(x)], [rows, n, log], NULL)
    return y


def plain_softmax_backward(dy, y, dim, bint log):
    cdef int type = type_of(y)
    cdef ptrdiff_t rows, n
    if type < 0 or not is_dense(y, type) or not is_shaped_as(dy, <cnp.ndarray>y) or not last_rows(y, dim, &rows, &n):
        return None
    dx = new_like(y, cnp.NPY_CORDER)
    run(SOFTMAX_BACKWARD, type, [data(dx), data(dy), data(y)], [rows, n, log], NULL)
    return dx


def plain_classes(x, target):
    """A copy of the N int64 targets, each a class of dense x (N, C), or None; what is given may change later."""
    cdef int type = type_of(x)
    cdef ptrdiff_t rows
    cdef int64_t wrong = 0
    if type < 0 or not is_dense(x, type) or cnp.PyArray_NDIM(<cnp.ndarray>x) != 2 or not cnp.PyArray_CheckExact(target):
        return None
    rows = cnp.PyArray_DIM(<cnp.ndarray>x, 0)
    if (cnp.PyArray_TYPE(<cnp.ndarray>target) != cnp.NPY_INT64 or cnp.PyArray_NDIM(<cnp.ndarray>target) != 1
            or cnp.PyArray_DIM(<cnp.ndarray>target, 0) != rows or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>target)):
        return None
    classes = new_vector(rows, cnp.NPY_INT64)
    run(CLASSES, type, [data(classes), &wrong, data(target)], [rows, cnp.PyArray_DIM(<cnp.ndarray>x, 1)], NULL)
    return None if wrong else classes  # no class, or ignore_index: the general function refuses or handles it


def plain_cross_entropy(cnp.ndarray x not None, classes):
    """The mean over all rows; the classes are those of `plain_classes`."""
    cdef int type = cnp.PyArray_TYPE(x)
    cdef ptrdiff_t rows = cnp.PyArray_DIM(x, 0)
    cdef double total
    losses = new_vector(rows, type)
    run(NLL, type, [data(losses), data(x), data(classes), NULL], [rows, cnp.PyArray_DIM(x, 1)], [0])
    run(SUM, type, [&total, data(losses)], [rows], NULL)
    return total / rows


def plain_cross_entropy_backward(double dy, cnp.ndarray x not None, classes):
    cdef int type = cnp.PyArray_TYPE(x)
    cdef ptrdiff_t rows = cnp.PyArray_DIM(x, 0)
    dx = new_like(x, cnp.NPY_CORDER)
    run(NLL_BACKWARD, type, [data(dx), NULL, data(x), data(classes), NULL], [rows, cnp.PyArray_DIM(x, 1)], [0, dy / rows])
    return dx


# -- dropout ----------------------------------------------------------------------------------------------------------

cdef Op DROPOUT = ops.dropout


def plain_dropout(x, uint64_t key, uint32_t threshold, double scale, double shift, double dropped):
    """Dropout that decides for each element separately."""
    cdef int type = type_of(x)
    if type < 0 or not is_dense(x, type) or cnp.PyArray_NDIM(<cnp.ndarray>x) == 0:
        return None
    y = new_like(x, cnp.NPY_CORDER)
    run(DROPOUT, type, [data(y), data(x)], [cnp.PyArray_SIZE(<cnp.ndarray>x), 1, <int64_t>key, threshold, 0, 0, 0], [scale, shift, dropped])
    return y


# -- learned activations ----------------------------------------------------------------------------------------------

cdef Op CHANNELS = ops.activation_channels, CHANNELS_BACKWARD = ops.activation_channels_backward
cdef Op PARAMETERS_BACKWARD = ops.activation_parameters_backward


cdef class Learned:
    """A call with the parameters of one channel or of all, in the kernels' terms; `taken` if it is a plain one."""
    cdef int act, type
    cdef bint taken, last
    cdef ptrdiff_t n, c, s
    cdef void *x
    cdef void *a
    cdef void *b
    cdef object fixed  # holds the array of b where the caller gave none

    def __cinit__(self, str row, x, tuple params, double fixed):
        cdef ptrdiff_t channels
        self.act, self.type, self.taken = ACTS[row], type_of(x), False
        if self.type < 0 or not is_dense(x, self.type) or cnp.PyArray_NDIM(<cnp.ndarray>x) == 0:
            return
        channels = cnp.PyArray_DIM(<cnp.ndarray>x, 1) if cnp.PyArray_NDIM(<cnp.ndarray>x) > 1 else 1
        self.c = cnp.PyArray_SIZE(<cnp.ndarray>params[0]) if is_plain(params[0]) else 0
        if self.c != 1 and self.c != channels:
            return
        for param in params:
            if not is_vector(param, self.type, self.c):
                return
        self.n = cnp.PyArray_DIM(<cnp.ndarray>x, 0) if self.c > 1 else 1
        self.s = cnp.PyArray_SIZE(<cnp.ndarray>x) // (self.n * self.c)
        self.last = self.c > 1 and cnp.PyArray_NDIM(<cnp.ndarray>x) == 2
        if len(params) < 2:
            self.fixed = new_vector(self.c, self.type)
            self.fixed.fill(fixed)
        self.x, self.a, self.b = data(x), data(params[0]), data(self.fixed if len(params) < 2 else params[1])
        self.taken = True


def plain_learned(str row, x, tuple params, double fixed):
    """The row's function of x and one or two parameters; `fixed` is the second one's value where there is one."""
    cdef Learned d = Learned(row, x, params, fixed)
    if not d.taken:
        return None
    y = new_like(x, cnp.NPY_CORDER)
    run(CHANNELS, d.type, [data(y), d.x, d.a, d.b], [d.act, d.n, d.c, d.s, d.last], NULL)
    return y


def plain_learned_backward(str row, dy, x, tuple params, double fixed, bint of_input, bint of_params):
    """The gradients of x and of each parameter, None for those that are not asked for."""
    cdef Learned d = Learned(row, x, params, fixed)
    if not d.taken or not is_shaped_as(dy, x):
        return None
    dx = new_like(x, cnp.NPY_CORDER) if of_input else None
    if of_input:
        run(CHANNELS_BACKWARD, d.type, [data(dx), data(dy), d.x, d.a, d.b], [d.act, d.n, d.c, d.s, d.last], NULL)
    if not of_params:
        return (dx, *[None] * len(params))
    sums = new_vector(2 * d.c, cnp.NPY_DOUBLE)
    cdef double *da = <double *>data(sums)
    run(PARAMETERS_BACKWARD, d.type, [da, da + d.c, data(dy), d.x, d.a, d.b], [d.act, d.n, d.c, d.s, d.last], NULL)
    narrow = sums.astype(x.dtype)
    return (dx, *[narrow[i * d.c : (i + 1) * d.c] for i in range(len(params))])
