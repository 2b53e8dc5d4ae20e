# Large arrays from memory.c: NumPy asks the handler that is set while an array is made, and gives the memory back to it.

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewLikeArray(cnp.ndarray prototype, cnp.NPY_ORDER order, cnp.PyArray_Descr *dtype, int subok)

cdef cnp.PyDataMem_Handler memory_handler
strcpy(memory_handler.name, b"fastnn_memory")
memory_handler.version = 1
memory_handler.allocator = cnp.PyDataMemAllocator(NULL, fnn_numpy_malloc, fnn_numpy_calloc, fnn_numpy_realloc, fnn_numpy_free)
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


def empty(tuple shape, dtype, order="C"):
    """Uninitialized."""
    if math.prod(shape) * dtype.itemsize < FNN_MEMORY_LEAST:
        return np.empty(shape, dtype, order)
    before = cnp.PyDataMem_SetHandler(memory_capsule)
    try:
        return np.empty(shape, dtype, order)
    finally:
        cnp.PyDataMem_SetHandler(before)
