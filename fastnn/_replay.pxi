# A training step's calls, written down while they run, and carried out again as a plan; graph/_recording.py makes the one of the other.

cdef extern from "fastnn.h" nogil:
    int FNN_RECORD, FNN_TYPE_uint8_t
    ctypedef struct op_t "const struct fnn_op":
        const char *name
        fnn_field_t *(*fields)() noexcept nogil
        ptrdiff_t (*lengths)(const void *, ptrdiff_t *) noexcept nogil
        void (*run[2])(const void *) noexcept nogil
    ctypedef struct step_t "struct fnn_plan_step":
        op_t *op
        void (*run)(const void *) noexcept nogil
        void *record[1]
    void fnn_distinct_start()
    ptrdiff_t fnn_distinct_stop(intptr_t, ptrdiff_t)
    void *fnn_distinct_malloc(void *, size_t)
    void *fnn_distinct_calloc(void *, size_t, size_t)
    void *fnn_distinct_realloc(void *, void *, size_t)
    void fnn_distinct_free(void *, void *, size_t)
    int fnn_log_start()
    void fnn_log_stop()
    void fnn_log_keep(int)
    ptrdiff_t fnn_log_kept(intptr_t)

cdef cnp.PyDataMem_Handler distinct_handler
strcpy(distinct_handler.name, b"fastnn_distinct")
distinct_handler.version = 1
distinct_handler.allocator = cnp.PyDataMemAllocator(NULL, fnn_distinct_malloc, fnn_distinct_calloc, fnn_distinct_realloc, fnn_distinct_free)
cdef object distinct_capsule = PyCapsule_New(&distinct_handler, "mem_handler", NULL)
Py_INCREF(distinct_capsule)

KEPT_STEP = np.dtype([
    ("op", np.uintp), ("run", np.uintp), ("patches", np.int32), ("padding", np.int32), ("patch", np.int64, (FNN_PLAN_PATCHES, 3)),
    ("record", np.int64, FNN_RECORD // 8),
])  # struct fnn_plan_step


def keep_calls(function):
    """Call a function; what it returns, its ops as KEPT_STEPs, and (address, size) of each array's memory that was made meanwhile.

    One thread at a time.
    """
    global memory_capsule
    cdef ptrdiff_t count
    assert KEPT_STEP.itemsize == sizeof(step_t)
    if fnn_log_start():
        raise MemoryError
    large, memory_capsule = memory_capsule, distinct_capsule
    fnn_distinct_start()
    fnn_log_keep(True)
    before = cnp.PyDataMem_SetHandler(distinct_capsule)
    try:
        result = function()
    finally:
        cnp.PyDataMem_SetHandler(before)
        memory_capsule = large
        steps = np.zeros(fnn_log_kept(0), KEPT_STEP)
        fnn_log_kept(<intptr_t>data(steps))
        fnn_log_keep(False)
        fnn_log_stop()
        blocks = np.zeros((0, 2), np.uintp)
        count = fnn_distinct_stop(0, 0)
        while count > len(blocks):  # other threads' arrays may come meanwhile
            blocks = np.zeros((count, 2), np.uintp)
            count = fnn_distinct_stop(<intptr_t>data(blocks), count)
    if count < 0:
        raise MemoryError
    return result, steps, blocks


def kept_arrays(cnp.ndarray steps not None):
    """Of each KEPT_STEP: its Op, and of each of its fields that is an array whether it is written, the bytes of a value, and how many
    values there are, 0 where strides say that, or nobody.
    """
    cdef step_t *at = <step_t *>data(steps)
    cdef fnn_field_t *field
    cdef ptrdiff_t[FNN_ARRAYS] lengths
    cdef ptrdiff_t i, j
    cdef bint single
    found = []
    for i in range(cnp.PyArray_DIM(steps, 0)):
        at[i].op.lengths(at[i].record, lengths)
        fields, field, j, single = [], at[i].op.fields(), 0, at[i].run == at[i].op.run[0]
        while field[j].kind < FNN_SIZE:
            item = 1 if field[j].type == FNN_TYPE_uint8_t else 4 if field[j].type == FNN_TYPE_real and single else 8
            fields.append((field[j].written, item, lengths[j]))
            j += 1
        found.append((getattr(ops, at[i].op.name), fields))
    return found


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


def same_values(list tables):
    """Whether dicts hold what they held: pairs of a dict and the list of its values then, compared by identity."""
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
    return True


def same_parameters(parameters):
    """Whether each (parameter, array, requires_grad) is as it was, and has no gradient yet."""
    for parameter, array, tracked in parameters:
        if (<TensorBase>parameter)._array is not array or (<TensorBase>parameter)._requires_grad is not tracked:
            return False
        if (<TensorBase>parameter)._grad is not None:
            return False
    return True
