# A training step's calls, written down while they run, and carried out again as a plan; graph/_recording.py makes the one of the other.

cdef extern from "fastnn.h" nogil:
    void *fnn_distinct_malloc(void *, size_t)
    void *fnn_distinct_calloc(void *, size_t, size_t)
    void *fnn_distinct_realloc(void *, void *, size_t)
    void fnn_distinct_free(void *, void *, size_t)
cdef extern from "fastnn.h":
    cpdef void log_keep "fnn_log_keep"(int on)
    cpdef ptrdiff_t log_kept "fnn_log_kept"(ptrdiff_t address)
    cpdef void kept_arrays "fnn_kept_arrays"(ptrdiff_t steps, ptrdiff_t count, ptrdiff_t address)
    cpdef void distinct_start "fnn_distinct_start"()
    cpdef ptrdiff_t distinct_stop "fnn_distinct_stop"(ptrdiff_t address, ptrdiff_t most)

cdef cnp.PyDataMem_Handler distinct_handler
strcpy(distinct_handler.name, b"fastnn_distinct")
distinct_handler.version = 1
distinct_handler.allocator = cnp.PyDataMemAllocator(NULL, fnn_distinct_malloc, fnn_distinct_calloc, fnn_distinct_realloc, fnn_distinct_free)
cdef list capsules = [PyCapsule_New(&distinct_handler, "mem_handler", NULL)] * 2  # of large and small arrays, while they are not in use
Py_INCREF(capsules[0])


def swap_memory():
    """Have this thread's arrays, and all large ones, made by distinct.c, or, the second time, no longer."""
    global memory_capsule
    memory_capsule, capsules[0] = capsules[0], memory_capsule
    capsules[1] = cnp.PyDataMem_SetHandler(capsules[1])


@cython.final
cdef class Replay:
    """KEPT_STEPs as a plan: registers of keys, input, target, results laid out like these arrays, and of the flag for refused values.

    `held` is what its other addresses point into.
    """
    cdef fnn_plan_t plan
    cdef list like
    cdef object held

    def __cinit__(self, cnp.ndarray steps, int registers, list like, held):
        assert registers == 4 + len(like) and registers <= FNN_PLAN_REGISTERS
        self.like, self.held = like, (steps, held)
        self.plan.steps, self.plan.count = <fnn_plan_step_t *>data(steps), cnp.PyArray_DIM(steps, 0)
        self.plan.inputs, self.plan.registers, self.plan.uncut = registers - 1, registers, True

    def __call__(self, cnp.ndarray keys not None, cnp.ndarray x not None, cnp.ndarray t not None):
        """The results; None if an input does not lie dense, or a step refuses its values."""
        cdef void *at[FNN_PLAN_REGISTERS]
        cdef Py_ssize_t i
        cdef int status
        cdef list made = []
        if not cnp.PyArray_ISCARRAY_RO(x) or not cnp.PyArray_ISCARRAY_RO(t):
            return None
        at[0], at[1], at[2] = data(keys), data(x), data(t)
        for i in range(len(self.like)):
            made.append(new_like(<cnp.ndarray>self.like[i], cnp.NPY_KEEPORDER))
            at[3 + i] = data(made[i])
        with nogil:
            status = fnn_plan_run(&self.plan, at, 1)
        if status == FNN_PLAN_WRONG:
            return None
        if status:
            raise MemoryError("compile_step: no memory for intermediate values")
        return made


def same_state(list tables, list parameters):
    """Whether dicts, each beside the list of its values, hold the same objects as ever, and each (parameter, array, requires_grad) is
    as it was and has no gradient.
    """
    cdef list values
    cdef dict table
    cdef Py_ssize_t i
    for table, values in tables:
        if len(table) != len(values):
            return False
        i = 0
        for value in table.values():
            if value is not values[i]:
                return False
            i += 1
    for parameter, array, tracked in parameters:
        if ((<TensorBase>parameter)._array is not array or (<TensorBase>parameter)._requires_grad is not tracked
                or (<TensorBase>parameter)._grad is not None):
            return False
    return True
