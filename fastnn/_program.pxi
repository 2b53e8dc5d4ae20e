# A network's inference as one call of plan.c.

cdef enum:
    MAX_REGISTERS = 64
    PLAN_BYTES = 1 << 20  # of the values between the steps, for the samples worked on at a time: they stay in the cache


cdef class Program:
    """Steps over samples of fixed shapes, any number of them.

    inputs : the shapes of one sample of each input; they are registers 0, 1, ...
    sizes : bytes of one sample in each register after the inputs; the last step's is the output
    output : the shape of one sample of the output
    steps : of (op's name, arrays, integers, numbers), each in the order of the op's fields; an array is one that is kept
        alive, the number of a register, or None; an integer in a tuple is of one sample
    """
    cdef fnn_plan_step_t *steps
    cdef ptrdiff_t count, registers
    cdef ptrdiff_t[MAX_REGISTERS] sizes
    cdef list held
    cdef int type
    cdef const char *isa  # the tier that the weights are packed for
    cdef readonly tuple inputs, output

    def __cinit__(self, dtype, inputs, sizes, output, steps):
        self.isa = fnn_isa()
        self.type = np.dtype(dtype).num
        assert self.type == cnp.NPY_FLOAT or self.type == cnp.NPY_DOUBLE
        self.inputs, self.output, self.held = tuple(inputs), tuple(output), []
        self.registers, self.count = len(self.inputs) + len(sizes), len(steps)
        if self.registers > MAX_REGISTERS:
            raise ValueError(f"Program: expected at most {MAX_REGISTERS} registers, got {self.registers}")
        for i, size in enumerate([math.prod(shape) * np.dtype(dtype).itemsize for shape in self.inputs] + list(sizes)):
            self.sizes[i] = size
        self.steps = <fnn_plan_step_t *>PyMem_Calloc(self.count, sizeof(fnn_plan_step_t))
        if self.steps == NULL:
            raise MemoryError
        for i, (name, arrays, integers, numbers) in enumerate(steps):
            self.fill(&self.steps[<ptrdiff_t>i], name, arrays, integers, numbers)

    cdef fill(self, fnn_plan_step_t *step, str name, arrays, integers, values):
        cdef void *pointers[MOST_ARRAYS]
        cdef int registers[MOST_ARRAYS]
        cdef int64_t sizes[MOST_SIZES]
        cdef uint8_t scaled[MOST_SIZES]
        cdef double numbers[MOST_NUMBERS]
        cdef Py_ssize_t i, strides = len(integers) - sum([kind in ("int", "bool", "key") for _, kind in getattr(ops, name).arguments])
        for i, value in enumerate(arrays):
            registers[i] = value if isinstance(value, int) else -1
            pointers[i] = data(value) if isinstance(value, cnp.ndarray) else NULL
            assert pointers[i] == NULL or cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>value)
            self.held.append(value)
        for i, value in enumerate(integers):
            sizes[i] = value[0] if isinstance(value, tuple) else value
            if i >= strides:
                scaled[i - strides] = isinstance(value, tuple)
        for i, value in enumerate(values):
            numbers[i] = value
        if not fnn_plan_step_fill(step, (<Op>getattr(ops, name)).op, self.type == cnp.NPY_DOUBLE, pointers, sizes, numbers, registers, scaled):
            raise ValueError(f"Program: expected fewer arrays and sizes of samples in {name}")

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
        cdef ptrdiff_t m, chunk, i, total = 0, done = 0, given = len(self.inputs)
        cdef int status = 0
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
            total += self.sizes[i]
        chunk = m if total * m <= PLAN_BYTES else max(1, PLAN_BYTES // total)
        memory = <char *>fnn_memory_alloc(chunk * total + 64 * self.registers)  # each begins a cache line
        if memory == NULL:
            raise MemoryError
        total = 0
        for i in range(given, self.registers - 1):
            at[i] = memory + total
            total += (self.sizes[i] * chunk + 63) // 64 * 64
        base[self.registers - 1] = data(y)
        with nogil:
            while done < m and status == 0:
                for i in range(given):
                    at[i] = <char *>base[i] + done * self.sizes[i]
                at[self.registers - 1] = <char *>base[self.registers - 1] + done * self.sizes[self.registers - 1]
                status = fnn_plan(self.steps, self.count, at, m - done if m - done < chunk else chunk)
                done += chunk
            fnn_memory_free(memory)
        if status:
            raise MemoryError
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
