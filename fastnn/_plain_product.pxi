# Matrix products: the op of that name, filled from arrays.

cdef extern from "ops.h" nogil:
    ctypedef struct product_record "struct fnn_product_f64":  # that of floats has the same layout
        void *c
        void *a
        void *b
        void *bias
        ptrdiff_t[3] c_strides, a_strides, b_strides
        ptrdiff_t batch, m, n, k, act
    ptrdiff_t fnn_packed_size_f32(ptrdiff_t k, ptrdiff_t n)
    ptrdiff_t fnn_packed_size_f64(ptrdiff_t k, ptrdiff_t n)

cdef Op PRODUCT = ops.product


cdef int product(int type, void *c, void *a, ptrdiff_t a_row, ptrdiff_t a_column, void *b, ptrdiff_t b_row, ptrdiff_t b_column,
                 void *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k) except -1:
    """One product c = a b + bias into a dense c.  It is the most frequent op, so its record is filled here and not by the table."""
    cdef product_record record
    memset(&record, 0, sizeof(record))
    record.c, record.c_strides[1], record.c_strides[2] = c, n, 1
    record.a, record.a_strides[1], record.a_strides[2] = a, a_row, a_column
    record.b, record.b_strides[1], record.b_strides[2] = b, b_row, b_column
    record.bias, record.batch, record.m, record.n, record.k, record.act = bias, 1, m, n, k, -1
    cdef bint is_double = type == cnp.NPY_DOUBLE
    cdef int status
    if <double>m * n * k < SMALL:
        status = fnn_run_record(PRODUCT.op, is_double, &record)
    else:
        with nogil:
            status = fnn_run_record(PRODUCT.op, is_double, &record)
    if status:
        raise MemoryError
    return 0


cdef enum:
    MAX_DIMS = 64  # NumPy's own limit


cdef struct Leading:
    # The leading dimensions of c, a and b: their sizes, their strides in bytes, and the index that a walk over them has reached
    ptrdiff_t count
    ptrdiff_t[MAX_DIMS] size, at
    ptrdiff_t[3][MAX_DIMS] stride


cdef void join_dimensions(Leading *dims, cnp.ndarray c, cnp.ndarray a, cnp.ndarray b) noexcept:
    """Leave out dimensions of one value, and make one of those that follow each other in all three arrays."""
    cdef int i
    cdef ptrdiff_t size, sc, sa, sb, last
    dims.count = 0
    for i in range(cnp.PyArray_NDIM(c) - 2):
        size, sc = cnp.PyArray_DIM(c, i), cnp.PyArray_STRIDE(c, i)
        sa, sb = cnp.PyArray_STRIDE(a, i), cnp.PyArray_STRIDE(b, i)
        if size == 1:
            continue
        last = dims.count - 1
        if last >= 0 and dims.stride[0][last] == size * sc and dims.stride[1][last] == size * sa and dims.stride[2][last] == size * sb:
            dims.size[last] *= size
        else:
            last = dims.count
            dims.size[last], dims.at[last] = size, 0
            dims.count += 1
        dims.stride[0][last], dims.stride[1][last], dims.stride[2][last] = sc, sa, sb


cdef bint next_place(Leading *dims, void **arrays) noexcept:
    """Move the three pointers to the next place of the leading dimensions; False after the last."""
    cdef ptrdiff_t i = dims.count - 1
    cdef int each
    while i >= 0:
        dims.at[i] += 1
        for each in range(3):
            arrays[each] = <char *>arrays[each] + dims.stride[each][i]
        if dims.at[i] < dims.size[i]:
            return True
        for each in range(3):
            arrays[each] = <char *>arrays[each] - dims.size[i] * dims.stride[each][i]
        dims.at[i] = 0
        i -= 1
    return False


def matmul(c, a, b, bias=None):
    """c = a b + bias over the last two dimensions, for each place of the leading ones.

    Arrays of one type, aligned and not empty, of as many dimensions; a and b have any strides, 0 included; c's rows are dense.
    """
    cdef cnp.ndarray result = c, left = a, right = b
    cdef int nd = cnp.PyArray_NDIM(result), type = cnp.PyArray_TYPE(result)
    cdef ptrdiff_t item = cnp.PyArray_ITEMSIZE(result), last, batch = 1
    cdef ptrdiff_t[3] stride = [0, 0, 0]  # of the batch
    cdef Leading dims
    cdef void **arrays = [data(c), data(a), data(b), NULL, NULL, data(bias), NULL]
    join_dimensions(&dims, result, left, right)
    if dims.count:
        last = dims.count = dims.count - 1  # the op itself loops over the last leading dimension; this function loops over the others
        batch = dims.size[last]
        stride[0], stride[1], stride[2] = dims.stride[0][last], dims.stride[1][last], dims.stride[2][last]
    cdef int64_t *sizes = [
        stride[0] // item, cnp.PyArray_STRIDE(result, nd - 2) // item, 1,
        stride[1] // item, cnp.PyArray_STRIDE(left, nd - 2) // item, cnp.PyArray_STRIDE(left, nd - 1) // item,
        stride[2] // item, cnp.PyArray_STRIDE(right, nd - 2) // item, cnp.PyArray_STRIDE(right, nd - 1) // item,
        batch, cnp.PyArray_DIM(result, nd - 2), cnp.PyArray_DIM(result, nd - 1), cnp.PyArray_DIM(left, nd - 1),
        0, 0, 0, -1,
    ]
    run(PRODUCT, type, arrays, sizes, [0, 0])
    while next_place(&dims, arrays):
        run(PRODUCT, type, arrays, sizes, [0, 0])


def pack(cnp.ndarray w not None):
    """A weight (n, k), or one of each group (groups, n, k), as products read it most quickly: panels of the chosen instruction set's
    width, the first of which begins a cache line."""
    cdef int type = cnp.PyArray_TYPE(w), nd = cnp.PyArray_NDIM(w)
    cdef ptrdiff_t n = cnp.PyArray_DIM(w, nd - 2), k = cnp.PyArray_DIM(w, nd - 1), i, groups = 1 if nd == 2 else cnp.PyArray_DIM(w, 0)
    cdef ptrdiff_t size = fnn_packed_size_f32(k, n) if type == cnp.NPY_FLOAT else fnn_packed_size_f64(k, n)
    room = new_vector(groups * size + 64 // cnp.PyArray_ITEMSIZE(w), type)
    cdef ptrdiff_t start = (-<intptr_t>cnp.PyArray_DATA(room) & 63) // cnp.PyArray_ITEMSIZE(w)
    for i in range(groups):
        ops.pack_weight(room[start + i * size : start + (i + 1) * size], w if nd == 2 else w[i], n, k)
    return room[start : start + groups * size]
