# A network's inference as one call of plan.c.

cdef class Program:
    """Steps over samples of fixed shapes, any number of them; graph/_program.py says what it is made of."""
    cdef fnn_plan_t plan
    cdef const char *isa  # the tier that the weights are packed for
    cdef int types[FNN_PLAN_REGISTERS]  # NumPy's numbers for those of inputs and outputs
    cdef list held  # what is kept alive: the memory of the steps, and their arrays
    cdef bint whole  # the samples' shapes are those of whole arrays, without a batch in front
    cdef readonly tuple inputs, outputs
    cdef readonly size_t key  # what the log's events call it
    cdef public ptrdiff_t only  # the number of samples that it is for, or 0 for any

    def __cinit__(self, inputs, outputs, types, sizes, list steps, bint whole):
        cdef cnp.ndarray arrays, integers, numbers, patches
        self.key = <size_t>&self.plan
        self.isa, self.inputs, self.outputs, self.whole = fnn_isa(), inputs, outputs, whole
        self.plan.inputs, self.plan.outputs, self.plan.registers = len(inputs), len(outputs), len(sizes)
        assert self.plan.registers <= FNN_PLAN_REGISTERS
        for i, each in enumerate(sizes):
            self.plan.size[i] = each
        for i, each in enumerate(types):
            self.types[i] = each
        self.plan.count = len(steps)
        self.held = [np.zeros(len(steps) * sizeof(fnn_plan_step_t), np.uint8), steps]
        self.plan.steps = <fnn_plan_step_t *>data(self.held[0])
        for i, (op, is_double, arrays, integers, numbers, patches, _) in enumerate(steps):
            assert cnp.PyArray_DIM(patches, 0) <= FNN_PLAN_PATCHES
            self.plan.uncut |= (<Op?>op).name == "recurrent"  # sequences share the work of a step, and time may lead
            fnn_plan_step_fill(
                &self.plan.steps[<ptrdiff_t>i], (<Op?>op).op, is_double, <void **>data(arrays), <int64_t *>data(integers),
                <double *>data(numbers), <fnn_patch_t *>data(patches), <int>cnp.PyArray_DIM(patches, 0))

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
        ys = [self.output(i, m) for i in range(self.plan.outputs)]
        for i in range(self.plan.outputs):
            arrays[given + i] = data(ys[i])
        with nogil:
            status = fnn_plan_run(&self.plan, arrays, m)
        if status == FNN_PLAN_WRONG:
            return None
        if status:
            raise MemoryError
        return ys[0] if self.plan.outputs == 1 else tuple(ys)

    cdef object output(self, Py_ssize_t place, ptrdiff_t m):
        cdef cnp.npy_intp[64] shape  # as many dimensions as NumPy has
        cdef tuple sample = <tuple>self.outputs[place]
        cdef int i, lead = not self.whole
        shape[0] = m
        for i in range(len(sample)):
            shape[i + lead] = sample[i]
        return new_array(<int>len(sample) + lead, shape, self.types[self.plan.inputs + place])
