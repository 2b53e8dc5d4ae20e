# A network's inference as one call of plan.c.

PLAN_KINDS = {
    "linear": FNN_PLAN_LINEAR, "batch_norm": FNN_PLAN_BATCH_NORM, "act": FNN_PLAN_ACT, "softmax": FNN_PLAN_SOFTMAX,
    "layer_norm": FNN_PLAN_LAYER_NORM, "combine": FNN_PLAN_COMBINE,
}
cdef enum:
    MAX_REGISTERS = 64
    PLAN_BYTES = 1 << 20  # of the values between the steps, for the samples worked on at a time: they stay in the cache


cdef class Program:
    """Steps over samples of fixed shapes, any number of them.

    inputs : the shapes of one sample of each input; they are registers 0, 1, ...
    sizes : values of one sample in each register after the inputs; the last step's is the output
    output : the shape of one sample of the output
    steps : of (kind, options), which name struct fnn_plan_step's members; weights are arrays, kept alive
    """
    cdef fnn_plan_step_t *steps
    cdef ptrdiff_t count, registers
    cdef ptrdiff_t[MAX_REGISTERS] sizes
    cdef list held
    cdef int type
    cdef const char *isa  # the tier that the weights are packed for
    cdef readonly tuple inputs, output

    def __cinit__(self, dtype, inputs, sizes, output, steps):
        cdef fnn_plan_step_t *step
        self.isa = fnn_isa()
        self.type = np.dtype(dtype).num
        assert self.type == cnp.NPY_FLOAT or self.type == cnp.NPY_DOUBLE
        self.inputs, self.output, self.held = tuple(inputs), tuple(output), []
        self.registers, self.count = len(self.inputs) + len(sizes), len(steps)
        if self.registers > MAX_REGISTERS:
            raise ValueError(f"Program: expected at most {MAX_REGISTERS} registers, got {self.registers}")
        for i, size in enumerate([math.prod(shape) for shape in self.inputs] + list(sizes)):
            self.sizes[i] = size
        self.steps = <fnn_plan_step_t *>PyMem_Calloc(self.count, sizeof(fnn_plan_step_t))
        if self.steps == NULL:
            raise MemoryError
        for i, (kind, options) in enumerate(steps):
            step = &self.steps[<ptrdiff_t>i]
            step.kind, step.rows, step.s, step.act = PLAN_KINDS[kind], 1, 1, -1
            for name, value in options.items():
                self.set(step, name, value)

    cdef set(self, fnn_plan_step_t *step, str name, value):
        if name == "to": step.to = value
        elif name == "source": step.source = value
        elif name == "other": step.other = value
        elif name == "rows": step.rows = value
        elif name == "n": step.n = value
        elif name == "k": step.k = value
        elif name == "s": step.s = value
        elif name == "act": step.act = value
        elif name == "option": step.option = value
        elif name == "a": step.a = value
        elif name == "b": step.b = value
        elif value is not None:
            assert cnp.PyArray_ISCARRAY_RO(<cnp.ndarray?>value)
            self.held.append(value)
            if name == "weight": step.weight = data(value)
            elif name == "bias": step.bias = data(value)
            elif name == "mean": step.mean = <double *>data(value)
            else: step.rstd = <double *>data(value)

    def __dealloc__(self):
        PyMem_Free(self.steps)

    cdef bint takes(self, object x, object shape, object first) noexcept:
        cdef int i
        if not is_dense(x, self.type) or cnp.PyArray_NDIM(<cnp.ndarray>x) != len(<tuple>shape) + 1:
            return False
        for i in range(len(<tuple>shape)):
            if cnp.PyArray_DIM(<cnp.ndarray>x, i + 1) != <ptrdiff_t>(<tuple>shape)[i]:
                return False
        return cnp.PyArray_DIM(<cnp.ndarray>x, 0) == cnp.PyArray_DIM(<cnp.ndarray>first, 0)

    def __call__(self, *xs):
        """The output, or None if the inputs are not as many contiguous arrays of this type and these shapes, or empty.

        None also where another instruction set has been chosen meanwhile.
        """
        cdef void *base[MAX_REGISTERS]
        cdef void *at[MAX_REGISTERS]
        cdef ptrdiff_t m, chunk, i, work, total = 0, done = 0, given = len(self.inputs)
        cdef ptrdiff_t item = sizeof(float) if self.type == cnp.NPY_FLOAT else sizeof(double)
        cdef cnp.npy_intp[64] shape  # as many dimensions as NumPy has
        cdef char *memory
        if len(xs) != given or self.isa != fnn_isa():
            return None
        for i in range(given):
            if not self.takes(xs[i], self.inputs[i], xs[0]):
                return None
            base[i] = data(xs[i])
        m = shape[0] = cnp.PyArray_DIM(<cnp.ndarray>xs[0], 0)
        for i in range(len(self.output)):
            shape[i + 1] = self.output[i]
        y = new_array(<int>len(self.output) + 1, shape, self.type)
        for i in range(given, self.registers - 1):
            total += self.sizes[i] * item
        chunk = m if total * m <= PLAN_BYTES else max(1, PLAN_BYTES // total)
        total = chunk * total + 64 * self.registers  # each begins a cache line
        with nogil:
            work = (fnn_plan_work_f32(self.steps, self.count, chunk) if item == 4 else fnn_plan_work_f64(self.steps, self.count, chunk))
            memory = <char *>fnn_memory_alloc(total + work * sizeof(double))
        if memory == NULL:
            raise MemoryError
        total = 0
        for i in range(given, self.registers - 1):
            at[i] = memory + total
            total += (self.sizes[i] * chunk * item + 63) // 64 * 64
        base[self.registers - 1] = data(y)
        with nogil:
            while done < m:
                for i in range(given):
                    at[i] = <char *>base[i] + done * self.sizes[i] * item
                at[self.registers - 1] = <char *>base[self.registers - 1] + done * self.sizes[self.registers - 1] * item
                if item == 4:
                    fnn_plan_f32(self.steps, self.count, <float **>at, <double *>(memory + total), m - done if m - done < chunk else chunk)
                else:
                    fnn_plan_f64(self.steps, self.count, <double **>at, <double *>(memory + total), m - done if m - done < chunk else chunk)
                done += chunk
            fnn_memory_free(memory)
        return y


def pack(w):
    """The weight (n, k) as `linear` steps read it."""
    cdef cnp.ndarray weight = w
    cdef ptrdiff_t k = weight.shape[1], n = weight.shape[0], item = cnp.PyArray_ITEMSIZE(weight)
    cdef ptrdiff_t row = cnp.PyArray_STRIDE(weight, 1) // item, column = cnp.PyArray_STRIDE(weight, 0) // item
    cdef int type = cnp.PyArray_TYPE(weight)
    assert is_plain(weight)
    packed = new_vector(fnn_packed_size_f32(k, n) if type == cnp.NPY_FLOAT else fnn_packed_size_f64(k, n), type)
    if type == cnp.NPY_FLOAT:
        fnn_pack_f32(<float *>data(packed), <float *>data(weight), row, column, k, n)
    else:
        fnn_pack_f64(<double *>data(packed), <double *>data(weight), row, column, k, n)
    return packed
