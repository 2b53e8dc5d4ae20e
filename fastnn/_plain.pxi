# Whole calls for the usual case, plain arrays: contiguous, native, float32 or float64, all of one type and fitting shapes.
#
# The general functions in Python check, convert, copy and explain; that costs several microseconds, more than a small
# layer's arithmetic.  Each function here does the same work by pointers and returns None for whatever it does not take,
# an empty array and anything illegal among them; the caller then goes the general way.

# -- what is plain ----------------------------------------------------------------------------------------------------

cdef inline bint is_plain(object x) noexcept:
    """A float32 or float64 array, native, aligned and in C or Fortran order."""
    return (cnp.PyArray_CheckExact(x)
            and (cnp.PyArray_TYPE(<cnp.ndarray>x) == cnp.NPY_FLOAT or cnp.PyArray_TYPE(<cnp.ndarray>x) == cnp.NPY_DOUBLE)
            and cnp.PyArray_ISBEHAVED_RO(<cnp.ndarray>x)
            and (cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>x) or cnp.PyArray_IS_F_CONTIGUOUS(<cnp.ndarray>x)))


cdef inline bint is_alike(cnp.ndarray x, object y) noexcept:
    """y: a plain array of x's type, shape and order, either x's own memory or apart from it."""
    cdef int i
    cdef char *px
    cdef char *py
    if not is_plain(y) or cnp.PyArray_TYPE(<cnp.ndarray>y) != cnp.PyArray_TYPE(x):
        return False
    if cnp.PyArray_NDIM(<cnp.ndarray>y) != cnp.PyArray_NDIM(x):
        return False
    for i in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_DIM(<cnp.ndarray>y, i) != cnp.PyArray_DIM(x, i):
            return False
    if not (cnp.PyArray_IS_C_CONTIGUOUS(x) and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>y)
            or cnp.PyArray_IS_F_CONTIGUOUS(x) and cnp.PyArray_IS_F_CONTIGUOUS(<cnp.ndarray>y)):
        return False
    px = <char *>cnp.PyArray_DATA(x)
    py = <char *>cnp.PyArray_DATA(<cnp.ndarray>y)
    return px == py or px + cnp.PyArray_NBYTES(x) <= py or py + cnp.PyArray_NBYTES(x) <= px


cdef inline bint is_dense(object x, int type) noexcept:
    """A C-contiguous array of this type that is not empty."""
    return (is_plain(x) and cnp.PyArray_TYPE(<cnp.ndarray>x) == type and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>x)
            and cnp.PyArray_SIZE(<cnp.ndarray>x) > 0)


cdef inline bint is_vector(object x, int type, ptrdiff_t n) noexcept:
    return is_dense(x, type) and cnp.PyArray_NDIM(<cnp.ndarray>x) == 1 and cnp.PyArray_DIM(<cnp.ndarray>x, 0) == n


cdef inline bint is_shaped_as(object x, cnp.ndarray like) noexcept:
    """Dense, and of the type and shape of another."""
    cdef int i
    if not is_dense(x, cnp.PyArray_TYPE(like)) or cnp.PyArray_NDIM(<cnp.ndarray>x) != cnp.PyArray_NDIM(like):
        return False
    for i in range(cnp.PyArray_NDIM(like)):
        if cnp.PyArray_DIM(<cnp.ndarray>x, i) != cnp.PyArray_DIM(like, i):
            return False
    return True


cdef inline void *data(object x) noexcept:
    return NULL if x is None else cnp.PyArray_DATA(<cnp.ndarray>x)


cdef inline int type_of(object x) noexcept:
    """The type number of a plain array, else -1."""
    return cnp.PyArray_TYPE(<cnp.ndarray>x) if is_plain(x) else -1


cdef inline cnp.ndarray new_vector(ptrdiff_t n, int type):
    cdef cnp.npy_intp size = n
    return new_array(1, &size, type)


# -- element-wise functions -------------------------------------------------------------------------------------------

cdef object general_unary = None
cdef object general_unary_backward = None

def set_general(forward, backward):
    """Name the functions that take over where an argument is no plain array or number: lists, Tensors, views with gaps."""
    global general_unary, general_unary_backward
    general_unary, general_unary_backward = forward, backward


cdef inline object output_like(cnp.ndarray x, object out):
    """A new array of x's type, shape and order, or `out` if it will do, else None."""
    if out is None:
        return new_like(x, cnp.NPY_KEEPORDER)
    if is_alike(x, out) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        return out
    return None


cdef inline object scalar(object y, object out):
    """y; a new array without dimensions as a scalar, as NumPy's functions return it."""
    return y[()] if cnp.PyArray_NDIM(<cnp.ndarray>y) == 0 and out is None else y


cdef inline bint is_number(object value) noexcept:
    return PyFloat_CheckExact(value) or PyLong_CheckExact(value)


cdef Op ACTIVATION = ops.activation, ACTIVATION_BACKWARD = ops.activation_backward


def unary(int act, x, out=None, a=0.0, b=0.0):
    """y = f(x; a, b)."""
    y = None
    if watching and mode.observer is not None:
        return mode.observer.tell(fnn_acts[act].name, functools.partial(unary, act), (x, out, a, b), {})
    if is_plain(x) and is_number(a) and is_number(b):
        y = output_like(<cnp.ndarray>x, out)
    if y is None:
        return general_unary(act, x, out, a, b)
    run(ACTIVATION, cnp.PyArray_TYPE(<cnp.ndarray>x), [cnp.PyArray_DATA(<cnp.ndarray>y), cnp.PyArray_DATA(<cnp.ndarray>x)],
        [act, cnp.PyArray_SIZE(<cnp.ndarray>x)], [a, b])
    return scalar(y, out)


def unary_backward(int act, dy, saved, out=None, a=0.0, b=0.0):
    """dx of dy and the saved tensor."""
    dx = None
    if is_plain(dy) and is_alike(<cnp.ndarray>dy, saved) and is_number(a) and is_number(b):
        dx = output_like(<cnp.ndarray>dy, out)
        if out is not None and dx is not None and not is_alike(<cnp.ndarray>saved, dx):
            dx = None
    if dx is None:
        return general_unary_backward(act, dy, saved, out, a, b)
    run(ACTIVATION_BACKWARD, cnp.PyArray_TYPE(<cnp.ndarray>dy),
        [cnp.PyArray_DATA(<cnp.ndarray>dx), cnp.PyArray_DATA(<cnp.ndarray>dy), cnp.PyArray_DATA(<cnp.ndarray>saved)],
        [act, cnp.PyArray_SIZE(<cnp.ndarray>dy)], [a, b])
    return scalar(dx, out)


cdef Op POINTWISE_OP = ops.pointwise
cdef int ADD = POINTWISE["add"]


cdef inline bint lies_like(cnp.ndarray x, cnp.ndarray y) noexcept:
    """Whether arrays of floats have one type, one shape and one order in memory, without gaps."""
    cdef int i, type = cnp.PyArray_TYPE(x)
    if type != cnp.NPY_FLOAT and type != cnp.NPY_DOUBLE or not fills_memory(x, type):
        return False
    if cnp.PyArray_TYPE(y) != type or not cnp.PyArray_ISBEHAVED_RO(y) or cnp.PyArray_NDIM(y) != cnp.PyArray_NDIM(x):
        return False
    for i in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_DIM(x, i) != cnp.PyArray_DIM(y, i):
            return False
        if cnp.PyArray_STRIDE(x, i) != cnp.PyArray_STRIDE(y, i) and cnp.PyArray_DIM(x, i) != 1:
            return False
    return cnp.PyArray_NDIM(x) > 0 and cnp.PyArray_SIZE(x) > 0


cpdef object add(a, b):
    """a + b, of arrays that lie alike in memory by the threads of this library."""
    if not (cnp.PyArray_CheckExact(a) and cnp.PyArray_CheckExact(b) and lies_like(<cnp.ndarray>a, <cnp.ndarray>b)):
        return np.asarray(a + b)
    y = new_like(<cnp.ndarray>a, cnp.NPY_KEEPORDER)
    run(POINTWISE_OP, cnp.PyArray_TYPE(<cnp.ndarray>a), [data(y), data(a), data(b), NULL],
        [0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 1, cnp.PyArray_SIZE(<cnp.ndarray>a), ADD], NULL)
    return y


# -- linear -----------------------------------------------------------------------------------------------------------

cdef Op COLUMN_SUMS = ops.column_sums


cdef inline bint is_weight(object w, int type, ptrdiff_t k) noexcept:
    """(out, in) of either order, not empty."""
    return (is_plain(w) and cnp.PyArray_TYPE(<cnp.ndarray>w) == type and cnp.PyArray_NDIM(<cnp.ndarray>w) == 2
            and cnp.PyArray_DIM(<cnp.ndarray>w, 1) == k and cnp.PyArray_SIZE(<cnp.ndarray>w) > 0)


def plain_linear(x, w, bias):
    """x W^T + bias for x (*, in)."""
    cdef int type = type_of(x), ndim, i
    cdef ptrdiff_t k, n, m, row, column
    cdef cnp.npy_intp[32] shape
    if type < 0 or not is_dense(x, type) or cnp.PyArray_NDIM(<cnp.ndarray>x) < 1:
        return None
    ndim = cnp.PyArray_NDIM(<cnp.ndarray>x)
    k = cnp.PyArray_DIM(<cnp.ndarray>x, ndim - 1)
    if ndim > 32 or not is_weight(w, type, k):
        return None
    n = cnp.PyArray_DIM(<cnp.ndarray>w, 0)
    if bias is not None and not is_vector(bias, type, n):
        return None
    for i in range(ndim - 1):
        shape[i] = cnp.PyArray_DIM(<cnp.ndarray>x, i)
    shape[ndim - 1] = n
    y = new_array(ndim, shape, type)
    m = cnp.PyArray_SIZE(<cnp.ndarray>x) // k
    row = cnp.PyArray_STRIDE(<cnp.ndarray>w, 0) // cnp.PyArray_ITEMSIZE(<cnp.ndarray>w)
    column = cnp.PyArray_STRIDE(<cnp.ndarray>w, 1) // cnp.PyArray_ITEMSIZE(<cnp.ndarray>w)
    product(type, data(y), data(x), k, 1, data(w), column, row, data(bias), m, n, k)
    return y


def plain_linear_backward(dy, x, w, wanted):
    """The gradients of x, W and the bias that are wanted, None in place of the others."""
    cdef int type = type_of(x), ndim, i
    cdef ptrdiff_t k, n, m, row, column
    cdef bint order
    cdef cnp.npy_intp[2] shape
    if type < 0 or not is_dense(x, type) or not is_dense(dy, type):
        return None
    ndim = cnp.PyArray_NDIM(<cnp.ndarray>x)
    if ndim < 1 or cnp.PyArray_NDIM(<cnp.ndarray>dy) != ndim or not is_weight(w, type, cnp.PyArray_DIM(<cnp.ndarray>x, ndim - 1)):
        return None
    for i in range(ndim - 1):
        if cnp.PyArray_DIM(<cnp.ndarray>dy, i) != cnp.PyArray_DIM(<cnp.ndarray>x, i):
            return None
    k = cnp.PyArray_DIM(<cnp.ndarray>x, ndim - 1)
    n = cnp.PyArray_DIM(<cnp.ndarray>w, 0)
    if cnp.PyArray_DIM(<cnp.ndarray>dy, ndim - 1) != n:
        return None
    m = cnp.PyArray_SIZE(<cnp.ndarray>x) // k
    row = cnp.PyArray_STRIDE(<cnp.ndarray>w, 0) // cnp.PyArray_ITEMSIZE(<cnp.ndarray>w)
    column = cnp.PyArray_STRIDE(<cnp.ndarray>w, 1) // cnp.PyArray_ITEMSIZE(<cnp.ndarray>w)
    order = not cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>w)
    want_x, want_w, want_b = wanted
    dx = new_like(x, cnp.NPY_CORDER) if want_x else None
    shape[0], shape[1] = n, k
    dw = new_array(2, shape, type, order) if want_w else None
    db = new_vector(n, type) if want_b else None
    if want_x:
        product(type, data(dx), data(dy), n, 1, data(w), row, column, NULL, m, k, n)
    if want_w and order:  # W is stored transposed, so its gradient is too: x^T dy
        product(type, data(dw), data(x), 1, k, data(dy), n, 1, NULL, k, n, m)
    elif want_w:
        product(type, data(dw), data(dy), 1, n, data(x), k, 1, NULL, n, k, m)
    if want_b:
        run(COLUMN_SUMS, type, [data(db), data(dy)], [m, n], NULL)
    return dx, dw, db


