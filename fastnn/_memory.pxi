# Large arrays from memory.c: NumPy asks the handler that is set while an array is made, and gives the memory back to it.

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyDataMemAllocator:
        void *ctx
        void *(*malloc)(void *, size_t) noexcept
        void *(*calloc)(void *, size_t, size_t) noexcept
        void *(*realloc)(void *, void *, size_t) noexcept
        void (*free)(void *, void *, size_t) noexcept
    ctypedef struct PyDataMem_Handler:
        char name[127]
        uint8_t version
        PyDataMemAllocator allocator
    PyObject *PyDataMem_SetHandler(PyObject *) except NULL

cdef enum:
    MEMORY_LEAST = 65536  # bytes: malloc itself keeps smaller blocks for reuse


cdef void *memory_malloc(void *_, size_t size) noexcept:
    return fnn_memory_alloc(size)


cdef void *memory_calloc(void *_, size_t count, size_t size) noexcept:
    cdef void *memory = NULL
    if size == 0 or count <= <size_t>-1 // size:
        memory = fnn_memory_alloc(count * size)
    if memory != NULL:
        memset(memory, 0, count * size)
    return memory


cdef void *memory_realloc(void *_, void *memory, size_t size) noexcept:
    return fnn_memory_realloc(memory, size)


cdef void memory_free(void *_, void *memory, size_t size) noexcept:
    fnn_memory_free(memory)


cdef PyDataMem_Handler memory_handler
strcpy(memory_handler.name, b"fastnn_memory")
memory_handler.version = 1
memory_handler.allocator = PyDataMemAllocator(NULL, memory_malloc, memory_calloc, memory_realloc, memory_free)
cdef object memory_capsule = PyCapsule_New(&memory_handler, "mem_handler", NULL)
Py_INCREF(memory_capsule)  # arrays may outlive the module


cdef object new_array(int ndim, const cnp.npy_intp *shape, int type, bint fortran=False):
    """An uninitialized array."""
    cdef ptrdiff_t bytes = 4 if type == cnp.NPY_FLOAT else 8
    cdef PyObject *before
    cdef int i
    for i in range(ndim):
        bytes *= shape[i]
    if bytes < MEMORY_LEAST:
        return cnp.PyArray_EMPTY(ndim, <cnp.npy_intp *>shape, type, fortran)
    before = PyDataMem_SetHandler(<PyObject *>memory_capsule)
    try:
        return cnp.PyArray_EMPTY(ndim, <cnp.npy_intp *>shape, type, fortran)
    finally:
        restore(before)


cdef object new_like(object array, cnp.NPY_ORDER order):
    """The same in the type and shape of another array, and in its order or C."""
    cdef PyObject *before
    if cnp.PyArray_NBYTES(<cnp.ndarray>array) < MEMORY_LEAST:
        return PyArray_NewLikeArray(<cnp.ndarray>array, order, NULL, 0)
    before = PyDataMem_SetHandler(<PyObject *>memory_capsule)
    try:
        return PyArray_NewLikeArray(<cnp.ndarray>array, order, NULL, 0)
    finally:
        restore(before)


cdef int restore(PyObject *before) except -1:
    """Set the handler that was set before; both calls return a reference."""
    Py_DECREF(<object>PyDataMem_SetHandler(before))
    Py_DECREF(<object>before)
    return 0


def empty_like(cnp.ndarray array not None):
    """Uninitialized, of the array's type, shape and order."""
    return new_like(array, cnp.NPY_KEEPORDER)


def empty(tuple shape, dtype, order="C"):
    """Uninitialized."""
    cdef PyObject *before
    if math.prod(shape) * dtype.itemsize < MEMORY_LEAST:
        return np.empty(shape, dtype, order)
    before = PyDataMem_SetHandler(<PyObject *>memory_capsule)
    try:
        return np.empty(shape, dtype, order)
    finally:
        restore(before)


def memory_stats(bint reset_peak=False):
    cdef fnn_memory_stats_t stats
    fnn_memory_read(&stats, reset_peak)
    return stats


def memory_empty():
    fnn_memory_empty()


def memory_limit(size_t bytes):
    fnn_memory_limit(bytes)
