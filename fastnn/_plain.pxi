# Whole calls for the usual case, plain arrays: contiguous, native, float32 or float64, all of one type and fitting shapes.
#
# The general functions in Python check, convert, copy and explain; that costs several microseconds, more than a small
# layer's arithmetic.  Each function here does the same work by pointers and returns None for whatever it does not take,
# an empty array and anything illegal among them; the caller then goes the general way.

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


# -- linear -----------------------------------------------------------------------------------------------------------

cdef void product(int type, void *c, const void *a, ptrdiff_t a_row, ptrdiff_t a_column, const void *b, ptrdiff_t b_row,
                  ptrdiff_t b_column, const void *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) noexcept nogil:
    if type == cnp.NPY_FLOAT:
        fnn_gemm_f32(<float *>c, <const float *>a, a_row, a_column, <const float *>b, b_row, b_column, <const float *>bias, m, n, k)
    else:
        fnn_gemm_f64(<double *>c, <const double *>a, a_row, a_column, <const double *>b, b_row, b_column, <const double *>bias, m, n, k)


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
    cdef void *py = data(y)
    cdef void *px = data(x)
    cdef void *pw = data(w)
    cdef void *pb = data(bias)
    with nogil:
        product(type, py, px, k, 1, pw, column, row, pb, m, n, k)
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
    cdef void *px = data(x)
    cdef void *pdy = data(dy)
    cdef void *pw = data(w)
    cdef void *pdx = data(dx)
    cdef void *pdw = data(dw)
    cdef void *pdb = data(db)
    with nogil:
        if pdx != NULL:
            product(type, pdx, pdy, n, 1, pw, row, column, NULL, m, k, n)
        if pdw != NULL and order:  # its transpose, as W's lies: x^T dy
            product(type, pdw, px, 1, k, pdy, n, 1, NULL, k, n, m)
        elif pdw != NULL:
            product(type, pdw, pdy, 1, n, px, k, 1, NULL, n, k, m)
        if pdb != NULL and type == cnp.NPY_FLOAT:
            fnn_column_sums_f32(<float *>pdb, <float *>pdy, m, n)
        elif pdb != NULL:
            fnn_column_sums_f64(<double *>pdb, <double *>pdy, m, n)
    return dx, dw, db


# -- batch normalization ----------------------------------------------------------------------------------------------

cdef void follow(int type, void *running, const double *batch, ptrdiff_t c, double momentum, double factor) noexcept nogil:
    """running = (1 - momentum) running + momentum (factor batch), in double."""
    cdef ptrdiff_t j
    if running == NULL:
        return
    for j in range(c):
        if type == cnp.NPY_FLOAT:
            (<float *>running)[j] = <float>((1 - momentum) * <double>(<float *>running)[j] + momentum * (factor * batch[j]))
        else:
            (<double *>running)[j] = (1 - momentum) * (<double *>running)[j] + momentum * (factor * batch[j])


cdef bint channels_of(object x, ptrdiff_t *n, ptrdiff_t *c, ptrdiff_t *s) noexcept:
    """The sizes of dense x (N, C, *); more than one value a channel."""
    cdef int i
    if cnp.PyArray_NDIM(<cnp.ndarray>x) < 2:
        return False
    n[0], c[0], s[0] = cnp.PyArray_DIM(<cnp.ndarray>x, 0), cnp.PyArray_DIM(<cnp.ndarray>x, 1), 1
    for i in range(2, cnp.PyArray_NDIM(<cnp.ndarray>x)):
        s[0] *= cnp.PyArray_DIM(<cnp.ndarray>x, i)
    return n[0] * s[0] > 1


def plain_batch_norm(x, weight, bias, running_mean, running_var, bint training, double momentum, double eps):
    """y, mean and rstd; in training the running statistics, where there are any, follow the batch's."""
    cdef int type = type_of(x)
    cdef ptrdiff_t n, c, s, j
    cdef double factor
    cdef bint last
    if type < 0 or not is_dense(x, type) or not channels_of(x, &n, &c, &s) or not (eps > 0):
        return None
    for each in (weight, bias):
        if each is not None and not is_vector(each, type, c):
            return None
    for each in (running_mean, running_var):
        if each is None and training:
            continue
        if not is_vector(each, type, c) or (training and not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>each)):
            return None
    last = cnp.PyArray_NDIM(<cnp.ndarray>x) == 2
    y = new_like(x, cnp.NPY_CORDER)
    mean, rstd = new_vector(c, cnp.NPY_DOUBLE), new_vector(c, cnp.NPY_DOUBLE)
    cdef double *work = <double *>PyMem_Malloc((fnn_norm_work(n, c, s) + c) * sizeof(double))
    if work == NULL:
        raise MemoryError
    cdef void *py = data(y)
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef void *pb = data(bias)
    cdef void *pm = data(running_mean)
    cdef void *pv = data(running_var)
    cdef double *mu = <double *>data(mean)
    cdef double *r = <double *>data(rstd)
    cdef double *var = work + fnn_norm_work(n, c, s)
    with nogil:
        if training:
            if type == cnp.NPY_FLOAT:
                fnn_norm_train_f32(<float *>py, mu, var, r, work, <float *>px, <float *>pw, <float *>pb, n, c, s, last, eps)
            else:
                fnn_norm_train_f64(<double *>py, mu, var, r, work, <double *>px, <double *>pw, <double *>pb, n, c, s, last, eps)
            factor = <double>(n * s) / <double>(n * s - 1)
            follow(type, pm, mu, c, momentum, 1)
            follow(type, pv, var, c, momentum, factor)
        else:
            for j in range(c):
                mu[j] = (<float *>pm)[j] if type == cnp.NPY_FLOAT else (<double *>pm)[j]
                r[j] = 1 / sqrt(((<float *>pv)[j] if type == cnp.NPY_FLOAT else (<double *>pv)[j]) + eps)
            if type == cnp.NPY_FLOAT:
                fnn_norm_forward_f32(<float *>py, work, <float *>px, mu, r, <float *>pw, <float *>pb, n, c, s, last)
            else:
                fnn_norm_forward_f64(<double *>py, work, <double *>px, mu, r, <double *>pw, <double *>pb, n, c, s, last)
    PyMem_Free(work)
    return y, mean, rstd


def plain_batch_norm_backward(dy, x, mean, rstd, weight, bint training):
    """dx, dweight, dbias."""
    cdef int type = type_of(x)
    cdef ptrdiff_t n, c, s
    cdef bint last
    if type < 0 or not is_dense(x, type) or not channels_of(x, &n, &c, &s) or not is_shaped_as(dy, <cnp.ndarray>x):
        return None
    if not is_vector(mean, cnp.NPY_DOUBLE, c) or not is_vector(rstd, cnp.NPY_DOUBLE, c):
        return None
    if weight is not None and not is_vector(weight, type, c):
        return None
    last = cnp.PyArray_NDIM(<cnp.ndarray>x) == 2
    dx = new_like(x, cnp.NPY_CORDER)
    dw, db = new_vector(c, type), new_vector(c, type)
    cdef double *work = <double *>PyMem_Malloc(fnn_norm_work(n, c, s) * sizeof(double))
    if work == NULL:
        raise MemoryError
    cdef void *pdx = data(dx)
    cdef void *pdw = data(dw)
    cdef void *pdb = data(db)
    cdef void *pdy = data(dy)
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef double *mu = <double *>data(mean)
    cdef double *r = <double *>data(rstd)
    with nogil:
        if type == cnp.NPY_FLOAT:
            fnn_norm_backward_f32(<float *>pdx, <float *>pdw, <float *>pdb, work, <float *>pdy, <float *>px, mu, r, <float *>pw,
                                  n, c, s, last, training)
        else:
            fnn_norm_backward_f64(<double *>pdx, <double *>pdw, <double *>pdb, work, <double *>pdy, <double *>px, mu, r,
                                  <double *>pw, n, c, s, last, training)
    PyMem_Free(work)
    return dx, dw, db


# -- layer normalization ----------------------------------------------------------------------------------------------

cdef bint rows_of(object x, ptrdiff_t *rows, ptrdiff_t *k) noexcept:
    """The sizes of dense x as rows along its last dimension."""
    cdef int ndim = cnp.PyArray_NDIM(<cnp.ndarray>x)
    if ndim < 1:
        return False
    k[0] = cnp.PyArray_DIM(<cnp.ndarray>x, ndim - 1)
    rows[0] = cnp.PyArray_SIZE(<cnp.ndarray>x) // k[0]
    return True


cdef bint are_statistics(object values, object x) noexcept:
    """Dense doubles of x's shape without its last dimension."""
    cdef int i, ndim = cnp.PyArray_NDIM(<cnp.ndarray>x) - 1
    if not is_dense(values, cnp.NPY_DOUBLE) or cnp.PyArray_NDIM(<cnp.ndarray>values) != ndim:
        return False
    for i in range(ndim):
        if cnp.PyArray_DIM(<cnp.ndarray>values, i) != cnp.PyArray_DIM(<cnp.ndarray>x, i):
            return False
    return True


def plain_layer_norm(x, normalized_shape, weight, bias, double eps, bint centre):
    """y, mean and rstd over the last dimension; without `centre` those of RMS norm."""
    cdef int type = type_of(x)
    cdef ptrdiff_t rows, k
    if type < 0 or not is_dense(x, type) or not rows_of(x, &rows, &k) or not eps >= 0:
        return None
    if isinstance(normalized_shape, tuple) and len(<tuple>normalized_shape) == 1:
        normalized_shape = (<tuple>normalized_shape)[0]
    if not PyLong_CheckExact(normalized_shape) or normalized_shape != k:
        return None
    for each in (weight, bias):
        if each is not None and not is_vector(each, type, k):
            return None
    y = new_like(x, cnp.NPY_CORDER)
    mean = new_array(cnp.PyArray_NDIM(<cnp.ndarray>x) - 1, cnp.PyArray_DIMS(<cnp.ndarray>x), cnp.NPY_DOUBLE)
    rstd = new_array(cnp.PyArray_NDIM(<cnp.ndarray>x) - 1, cnp.PyArray_DIMS(<cnp.ndarray>x), cnp.NPY_DOUBLE)
    cdef void *py = data(y)
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef void *pb = data(bias)
    cdef double *mu = <double *>data(mean)
    cdef double *r = <double *>data(rstd)
    with nogil:
        if type == cnp.NPY_FLOAT:
            fnn_group_norm_f32(<float *>py, mu, r, <float *>px, <float *>pw, <float *>pb, rows, 1, k, 1, eps, centre)
        else:
            fnn_group_norm_f64(<double *>py, mu, r, <double *>px, <double *>pw, <double *>pb, rows, 1, k, 1, eps, centre)
    return y, mean, rstd


def plain_layer_norm_backward(dy, x, mean, rstd, weight, bint centre):
    """dx, dweight, dbias; the mean is read with `centre` alone."""
    cdef int type = type_of(x)
    cdef ptrdiff_t rows, k
    if type < 0 or not is_dense(x, type) or not rows_of(x, &rows, &k) or not is_shaped_as(dy, <cnp.ndarray>x):
        return None
    if not are_statistics(rstd, x) or (centre and not are_statistics(mean, x)):
        return None
    if weight is not None and not is_vector(weight, type, k):
        return None
    dx = new_like(x, cnp.NPY_CORDER)
    dw, db = new_vector(k, type), new_vector(k, type)
    cdef ptrdiff_t size = fnn_group_norm_work(rows, 1, k, 1)
    cdef double *work = <double *>PyMem_Calloc(size + (0 if centre else rows), sizeof(double))
    if work == NULL:
        raise MemoryError
    cdef void *pdx = data(dx)
    cdef void *pdw = data(dw)
    cdef void *pdb = data(db)
    cdef void *pdy = data(dy)
    cdef void *px = data(x)
    cdef void *pw = data(weight)
    cdef double *mu = <double *>data(mean) if centre else work + size
    cdef double *r = <double *>data(rstd)
    with nogil:
        if type == cnp.NPY_FLOAT:
            fnn_dgroup_norm_f32(<float *>pdx, <float *>pdw, <float *>pdb, work, <float *>pdy, <float *>px, mu, r, <float *>pw,
                                rows, 1, k, 1, centre)
        else:
            fnn_dgroup_norm_f64(<double *>pdx, <double *>pdw, <double *>pdb, work, <double *>pdy, <double *>px, mu, r, <double *>pw,
                                rows, 1, k, 1, centre)
    PyMem_Free(work)
    return dx, dw, db


# -- softmax and cross-entropy ----------------------------------------------------------------------------------------

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
    cdef void *py = data(y)
    cdef void *px = data(x)
    with nogil:
        if type == cnp.NPY_FLOAT:
            fnn_softmax_f32(<float *>py, <float *>px, rows, n, log)
        else:
            fnn_softmax_f64(<double *>py, <double *>px, rows, n, log)
    return y


def plain_softmax_backward(dy, y, dim, bint log):
    cdef int type = type_of(y)
    cdef ptrdiff_t rows, n
    if type < 0 or not is_dense(y, type) or not is_shaped_as(dy, <cnp.ndarray>y) or not last_rows(y, dim, &rows, &n):
        return None
    dx = new_like(y, cnp.NPY_CORDER)
    cdef void *pdx = data(dx)
    cdef void *pdy = data(dy)
    cdef void *py = data(y)
    with nogil:
        if type == cnp.NPY_FLOAT:
            fnn_dsoftmax_f32(<float *>pdx, <float *>pdy, <float *>py, rows, n, log)
        else:
            fnn_dsoftmax_f64(<double *>pdx, <double *>pdy, <double *>py, rows, n, log)
    return dx


cdef object classes_of(object x, object target, ptrdiff_t *rows, ptrdiff_t *n):
    """A copy of the N int64 targets, each a class of dense x (N, C), or None; another thread may change the original."""
    cdef ptrdiff_t i
    cdef int64_t *t
    if not is_dense(x, type_of(x)) or cnp.PyArray_NDIM(<cnp.ndarray>x) != 2 or not cnp.PyArray_CheckExact(target):
        return None
    rows[0], n[0] = cnp.PyArray_DIM(<cnp.ndarray>x, 0), cnp.PyArray_DIM(<cnp.ndarray>x, 1)
    if (cnp.PyArray_TYPE(<cnp.ndarray>target) != cnp.NPY_INT64 or cnp.PyArray_NDIM(<cnp.ndarray>target) != 1
            or cnp.PyArray_DIM(<cnp.ndarray>target, 0) != rows[0] or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>target)):
        return None
    target = target.copy()
    t = <int64_t *>data(target)
    for i in range(rows[0]):
        if t[i] < 0 or t[i] >= n[0]:  # illegal, or an ignore_index: not the usual case
            return None
    return target


def plain_cross_entropy(x, target):
    """The mean over all rows."""
    cdef int type = type_of(x)
    cdef ptrdiff_t rows, n
    cdef double total
    target = classes_of(x, target, &rows, &n) if type >= 0 else None
    if target is None:
        return None
    losses = new_vector(rows, type)
    cdef void *pl = data(losses)
    cdef void *px = data(x)
    cdef int64_t *pt = <int64_t *>data(target)
    with nogil:
        if type == cnp.NPY_FLOAT:
            fnn_nll_f32(<float *>pl, <float *>px, pt, NULL, rows, n, 0)
        else:
            fnn_nll_f64(<double *>pl, <double *>px, pt, NULL, rows, n, 0)
    return ordered_sum(losses) / rows


def plain_cross_entropy_backward(double dy, x, target):
    cdef int type = type_of(x)
    cdef ptrdiff_t rows, n, i
    target = classes_of(x, target, &rows, &n) if type >= 0 else None
    if target is None:
        return None
    dx = new_like(x, cnp.NPY_CORDER)
    dloss = new_vector(rows, type)
    cdef void *pdx = data(dx)
    cdef void *pd = data(dloss)
    cdef void *px = data(x)
    cdef int64_t *pt = <int64_t *>data(target)
    with nogil:
        if type == cnp.NPY_FLOAT:
            for i in range(rows):
                (<float *>pd)[i] = <float>(dy / rows)
            fnn_dnll_f32(<float *>pdx, <float *>pd, <float *>px, pt, NULL, rows, n, 0)
        else:
            for i in range(rows):
                (<double *>pd)[i] = dy / rows
            fnn_dnll_f64(<double *>pdx, <double *>pd, <double *>px, pt, NULL, rows, n, 0)
    return dx


# -- dropout ----------------------------------------------------------------------------------------------------------

def plain_dropout(x, uint64_t key, uint32_t threshold, double scale, double shift, double dropped):
    """Each element for itself."""
    cdef int type = type_of(x)
    cdef fnn_dropout_t h = fnn_dropout_t(threshold, scale, shift, dropped)
    cdef ptrdiff_t n
    if type < 0 or not is_dense(x, type):
        return None
    y = new_like(x, cnp.NPY_CORDER)
    n = cnp.PyArray_SIZE(<cnp.ndarray>x)
    cdef void *py = data(y)
    cdef void *px = data(x)
    with nogil:
        if type == cnp.NPY_FLOAT:
            fnn_dropout_f32(<float *>py, <float *>px, n, 1, key, &h)
        else:
            fnn_dropout_f64(<double *>py, <double *>px, n, 1, key, &h)
    return y


# -- learned activations ----------------------------------------------------------------------------------------------

cdef class Learned:
    """A call with the parameters of one channel or of all, in the kernels' terms; `taken` if it is a plain one."""
    cdef int act, type
    cdef bint taken, last
    cdef ptrdiff_t n, c, s
    cdef void *x
    cdef void *a
    cdef void *b
    cdef object fixed  # keeps b where it is not a caller's

    def __cinit__(self, str row, x, tuple params, double fixed):
        cdef ptrdiff_t channels
        self.act, self.type, self.taken = ACTS[row], type_of(x), False
        if self.type < 0 or not is_dense(x, self.type):
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
    cdef void *py = data(y)
    with nogil:
        if d.type == cnp.NPY_FLOAT:
            fnn_act_channels_f32(d.act, <float *>py, <float *>d.x, <float *>d.a, <float *>d.b, d.n, d.c, d.s, d.last)
        else:
            fnn_act_channels_f64(d.act, <double *>py, <double *>d.x, <double *>d.a, <double *>d.b, d.n, d.c, d.s, d.last)
    return y


def plain_learned_backward(str row, dy, x, tuple params, double fixed):
    """The gradients of x and of each parameter."""
    cdef Learned d = Learned(row, x, params, fixed)
    if not d.taken or not is_shaped_as(dy, x):
        return None
    dx = new_like(x, cnp.NPY_CORDER)
    sums = new_vector(2 * d.c, cnp.NPY_DOUBLE)
    work = new_vector(fnn_norm_work(d.n, d.c, d.s), cnp.NPY_DOUBLE)
    cdef void *pdx = data(dx)
    cdef void *pdy = data(dy)
    cdef double *da = <double *>data(sums)
    cdef double *pwork = <double *>data(work)
    with nogil:
        if d.type == cnp.NPY_FLOAT:
            fnn_dact_channels_f32(d.act, <float *>pdx, <float *>pdy, <float *>d.x, <float *>d.a, <float *>d.b, d.n, d.c, d.s, d.last)
            fnn_act_params_f32(d.act, da, da + d.c, pwork, <float *>pdy, <float *>d.x, <float *>d.a, <float *>d.b, d.n, d.c, d.s,
                               d.last)
        else:
            fnn_dact_channels_f64(d.act, <double *>pdx, <double *>pdy, <double *>d.x, <double *>d.a, <double *>d.b, d.n, d.c, d.s,
                                  d.last)
            fnn_act_params_f64(d.act, da, da + d.c, pwork, <double *>pdy, <double *>d.x, <double *>d.a, <double *>d.b, d.n, d.c,
                               d.s, d.last)
    narrow = sums.astype(x.dtype)
    return (dx, *[narrow[i * d.c : (i + 1) * d.c] for i in range(len(params))])
