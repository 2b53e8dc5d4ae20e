# Whole calls for plain arrays: normalization.

# -- batch normalization ----------------------------------------------------------------------------------------------

cdef Op BATCH_NORM_TRAIN = ops.batch_norm_train, BATCH_NORM_EVAL = ops.batch_norm_eval
cdef Op BATCH_NORM_BACKWARD = ops.batch_norm_backward


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
    cdef ptrdiff_t n, c, s
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
    if training:
        run(BATCH_NORM_TRAIN, type,
            [data(y), data(mean), data(rstd), data(running_mean), data(running_var), data(x), data(weight), data(bias)],
            [n, c, s, last], [eps, momentum])
    else:
        run(BATCH_NORM_EVAL, type,
            [data(y), data(mean), data(rstd), data(x), data(running_mean), data(running_var), data(weight), data(bias)],
            [n, c, s, last], [eps])
    return y, mean, rstd


def plain_batch_norm_backward(dy, x, mean, rstd, weight, bint training, bint of_input, bint of_params):
    """dx, dweight, dbias, None for what is neither asked for nor made on the way."""
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
    dx = new_like(x, cnp.NPY_CORDER) if of_input else None
    dw = db = None
    if training or of_params:
        dw, db = new_vector(c, type), new_vector(c, type)
    run(BATCH_NORM_BACKWARD, type, [data(dx), data(dw), data(db), data(dy), data(x), data(mean), data(rstd), data(weight)],
        [n, c, s, last, training], NULL)
    return dx, dw, db


# -- layer normalization ----------------------------------------------------------------------------------------------

cdef Op GROUP_NORM = ops.group_norm, GROUP_NORM_BACKWARD = ops.group_norm_backward


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
    run(GROUP_NORM, type, [data(y), data(mean), data(rstd), data(x), data(weight), data(bias)], [rows, 1, k, 1, centre], [eps])
    return y, mean, rstd


def plain_layer_norm_backward(dy, x, mean, rstd, weight, bint centre, bint of_input):
    """dx, None if it is not asked for, dweight, dbias; the mean is read with `centre` alone."""
    cdef int type = type_of(x)
    cdef ptrdiff_t rows, k
    if type < 0 or not is_dense(x, type) or not rows_of(x, &rows, &k) or not is_shaped_as(dy, <cnp.ndarray>x):
        return None
    if not are_statistics(rstd, x) or (centre and not are_statistics(mean, x)):
        return None
    if weight is not None and not is_vector(weight, type, k):
        return None
    dx = new_like(x, cnp.NPY_CORDER) if of_input else None
    dw, db = new_vector(k, type), new_vector(k, type)
    run(GROUP_NORM_BACKWARD, type, [data(dx), data(dw), data(db), data(dy), data(x), data(mean), data(rstd), data(weight)],
        [rows, 1, k, 1, centre], NULL)
    return dx, dw, db


