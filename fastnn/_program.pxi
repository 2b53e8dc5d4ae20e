# A network's inference, or a training step, as one call of plan.c.

def fill_step(
    cnp.ndarray step not None, Op op not None, bint is_double, cnp.ndarray arrays not None, cnp.ndarray integers not None,
    cnp.ndarray numbers not None, cnp.ndarray patches not None,
):
    """Write one call of an op into memory for a step: its addresses, integers and numbers, and what each run fills in."""
    assert cnp.PyArray_DIM(patches, 0) <= FNN_PLAN_PATCHES and cnp.PyArray_NBYTES(step) == sizeof(fnn_plan_step_t)
    fnn_plan_step_fill(
        <fnn_plan_step_t *>data(step), op.op, is_double, <void **>data(arrays), <int64_t *>data(integers),
        <double *>data(numbers), <fnn_patch_t *>data(patches), <int>cnp.PyArray_DIM(patches, 0))


cdef class Program:
    """Steps over samples of fixed shapes, any number of them; graph/_program.py says what it is made of."""
    cdef fnn_plan_t plan
    cdef const char *isa  # the tier that the weights are packed for
    cdef int types[FNN_PLAN_REGISTERS]  # NumPy's type numbers of the inputs and outputs
    cdef object held  # keeps alive the steps and the memory that they point into
    cdef str caller  # the name that error messages begin with
    cdef bint whole  # the shapes below are whole: no batch stands in front
    cdef readonly tuple inputs, outputs  # the samples' shapes; for an output also an array with the wanted strides
    cdef readonly size_t key  # its number in the log's events
    cdef public ptrdiff_t only  # the one number of samples that it takes; 0: any

    def __cinit__(
        self, tuple inputs, tuple outputs, types, sizes, cnp.ndarray steps not None, held, str caller, bint whole, bint uncut
    ):
        assert len(sizes) <= FNN_PLAN_REGISTERS and cnp.PyArray_ITEMSIZE(steps) == sizeof(fnn_plan_step_t)
        self.key = <size_t>&self.plan
        self.isa, self.inputs, self.outputs, self.whole, self.caller = fnn_isa(), inputs, outputs, whole, caller
        self.plan.inputs, self.plan.outputs, self.plan.registers = len(inputs), len(outputs), len(sizes)
        for i, each in enumerate(sizes):
            self.plan.size[i] = each
        for i, each in enumerate(types):
            self.types[i] = each
        self.held = steps, held
        self.plan.steps, self.plan.count, self.plan.uncut = <fnn_plan_step_t *>data(steps), cnp.PyArray_DIM(steps, 0), uncut

    cdef bint takes(self, object x, Py_ssize_t place, object first) noexcept:
        cdef int i, lead = not self.whole
        cdef tuple shape = <tuple>self.inputs[place]
        if type(x) is not cnp.ndarray or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>x) or cnp.PyArray_SIZE(<cnp.ndarray>x) == 0:
            return False
        if cnp.PyArray_TYPE(<cnp.ndarray>x) != self.types[place] or cnp.PyArray_NDIM(<cnp.ndarray>x) != len(shape) + lead:
            return False
        for i in range(len(shape)):
            if cnp.PyArray_DIM(<cnp.ndarray>x, i + lead) != <ptrdiff_t>shape[i]:
                return False
        return self.whole or cnp.PyArray_DIM(<cnp.ndarray>x, 0) == cnp.PyArray_DIM(<cnp.ndarray>first, 0)

    def __call__(self, *xs):
        """The output, or the tuple of several; None if the inputs are not as many contiguous arrays of these types and shapes.

        None also where another instruction set has been chosen meanwhile, and where a step refuses values: an index beyond
        its table, an integer that double does not hold.
        """
        cdef void *arrays[FNN_PLAN_REGISTERS]
        cdef ptrdiff_t m, i, given = self.plan.inputs
        cdef int status
        if len(xs) != given or self.isa != fnn_isa():
            return None
        for i in range(given):
            if not self.takes(xs[i], i, xs[0]):
                return None
            arrays[i] = data(xs[i])
        m = 1 if self.whole else cnp.PyArray_DIM(<cnp.ndarray>xs[0], 0)
        if self.only and m != self.only:
            return None
        ys = [new_shaped(<tuple>like, self.types[given + i], -1 if self.whole else m) if type(like) is tuple
              else new_like(like, cnp.NPY_KEEPORDER) for i, like in enumerate(self.outputs)]
        for i in range(self.plan.outputs):
            arrays[given + i] = data(ys[i])
        with nogil:
            status = fnn_plan_run(&self.plan, arrays, m)
        if status == FNN_PLAN_WRONG:
            return None
        if status:
            raise MemoryError(f"{self.caller}: no memory for intermediate values")
        return ys[0] if self.plan.outputs == 1 else tuple(ys)
