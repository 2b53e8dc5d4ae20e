# Large arrays from memory.c: NumPy asks the handler that is set while an array is made, and gives the memory back to it.

cdef extern from "numpy/arrayobject.h":
    """
    #define HANDLER(name, kind) {"fastnn_" #name, 1, {NULL, fnn_##kind##_malloc, fnn_##kind##_calloc, fnn_##kind##_realloc, fnn_##kind##_free}}
    static PyDataMem_Handler memory_handler = HANDLER(memory, numpy), distinct_handler = HANDLER(distinct, distinct);
    """
    cnp.PyDataMem_Handler memory_handler, distinct_handler
    object PyArray_NewLikeArray(cnp.ndarray prototype, cnp.NPY_ORDER order, cnp.PyArray_Descr *dtype, int subok)

cdef object memory_capsule = PyCapsule_New(&memory_handler, "mem_handler", NULL)
Py_INCREF(memory_capsule)  # arrays may outlive the module


cdef object new_array(int ndim, const cnp.npy_intp *shape, int type, bint fortran=False):
    """An uninitialized array."""
    cdef ptrdiff_t bytes = 4 if type == cnp.NPY_FLOAT else 8  # no type has more
    cdef int i
    for i in range(ndim):
        bytes *= shape[i]
    if bytes < FNN_MEMORY_LEAST:
        return cnp.PyArray_EMPTY(ndim, <cnp.npy_intp *>shape, type, fortran)
    before = cnp.PyDataMem_SetHandler(memory_capsule)
    try:
        return cnp.PyArray_EMPTY(ndim, <cnp.npy_intp *>shape, type, fortran)
    finally:
        cnp.PyDataMem_SetHandler(before)


cdef object new_like(cnp.ndarray array, cnp.NPY_ORDER order):
    """The same in the type and shape of another array, and in its order or C."""
    if cnp.PyArray_NBYTES(array) < FNN_MEMORY_LEAST:
        return PyArray_NewLikeArray(array, order, NULL, 0)
    before = cnp.PyDataMem_SetHandler(memory_capsule)
    try:
        return PyArray_NewLikeArray(array, order, NULL, 0)
    finally:
        cnp.PyDataMem_SetHandler(before)


def empty_like(cnp.ndarray array not None):
    """Uninitialized, of the array's type, shape and order."""
    return new_like(array, cnp.NPY_KEEPORDER)


cdef object new_shaped(tuple shape, int type, ptrdiff_t first=-1, bint fortran=False):
    """An uninitialized array of a shape, behind one more dimension if its size is given."""
    cdef cnp.npy_intp[64] sizes  # as many dimensions as NumPy has
    cdef int i, lead = first >= 0
    if len(shape) + lead > 64:
        raise ValueError(f"expected at most 64 dimensions, got {len(shape) + lead}")
    sizes[0] = first
    for i in range(len(shape)):
        sizes[i + lead] = shape[i]
    return new_array(<int>len(shape) + lead, sizes, type, fortran)


def empty(tuple shape, cnp.dtype dtype not None, str order="C"):
    """Uninitialized."""
    return new_shaped(shape, dtype.type_num, -1, order == "F")


cdef list capsules = [PyCapsule_New(&distinct_handler, "mem_handler", NULL)] * 2  # of large and small arrays, while they are not in use
Py_INCREF(capsules[0])


def swap_memory():
    """Have this thread's arrays, and all large ones, made by distinct.c, or, the second time, no longer."""
    global memory_capsule
    memory_capsule, capsules[0] = capsules[0], memory_capsule
    capsules[1] = cnp.PyDataMem_SetHandler(capsules[1])
