# A network's inference as one call of plan.c.

LAST = -3  # in place of a register's number: the one that says that something is wrong


cdef enum:
    MOST_REGISTERS = 512  # FNN_PLAN_REGISTERS


cdef class Program:
    """Steps over samples of fixed shapes, any number of them.

    inputs, outputs : (dtype, the shape of one sample) of each; they are registers 0, 1, ...
    sizes : bytes of one sample in each register after these
    steps : of (op's name, whether it computes in double, arrays, integers, numbers), each in the order of the op's fields; an
        array is one that is kept alive, the number of a register, or a pair of it and bytes from where it begins, or None;
        an integer in a tuple is of one sample
    """
    cdef fnn_plan_t plan
    cdef list held
    cdef const char *isa  # the tier that the weights are packed for
    cdef int types[MOST_REGISTERS]  # NumPy's numbers for those of inputs and outputs
    cdef readonly tuple inputs, outputs

    def __cinit__(self, inputs, outputs, sizes, steps):
        given = [*inputs, *outputs]
        self.isa = fnn_isa()
        self.inputs, self.outputs = tuple([tuple(shape) for _, shape in inputs]), tuple([tuple(shape) for _, shape in outputs])
        self.held = []
        if len(given) + len(sizes) + 1 > MOST_REGISTERS:
            raise ValueError(f"Program: expected at most {MOST_REGISTERS} registers, got {len(given) + len(sizes) + 1}")
        self.plan.inputs, self.plan.outputs, self.plan.registers = len(inputs), len(outputs), len(given) + len(sizes) + 1
        for i, size in enumerate([math.prod(shape) * np.dtype(dtype).itemsize for dtype, shape in given] + list(sizes)):
            self.plan.size[i] = size
        for i, (dtype, _) in enumerate(given):
            self.types[i] = np.dtype(dtype).num
        self.plan.count = len(steps)
        self.plan.steps = <fnn_plan_step_t *>PyMem_Calloc(self.plan.count, sizeof(fnn_plan_step_t))
        if self.plan.steps == NULL:
            raise MemoryError
        for i, (name, is_double, arrays, integers, numbers) in enumerate(steps):
            self.fill(&self.plan.steps[<ptrdiff_t>i], name, is_double, arrays, integers, numbers)

    cdef fill(self, fnn_plan_step_t *step, str name, bint is_double, arrays, integers, values):
        cdef void *pointers[MOST_ARRAYS]
        cdef int registers[MOST_ARRAYS]
        cdef int64_t add[MOST_ARRAYS]
        cdef int64_t sizes[MOST_SIZES]
        cdef uint8_t scaled[MOST_SIZES]
        cdef double numbers[MOST_NUMBERS]
        cdef Py_ssize_t i, strides = len(integers) - sum([kind in ("int", "bool", "key") for _, kind in getattr(ops, name).arguments])
        for i, value in enumerate(arrays):
            registers[i], add[i] = value if isinstance(value, tuple) else (value, 0) if isinstance(value, int) else (-1, 0)
            pointers[i] = data(value) if isinstance(value, cnp.ndarray) else NULL
            assert pointers[i] == NULL or cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>value)
            if registers[i] == LAST:
                registers[i] = self.plan.registers - 1
            self.held.append(value)
        for i, value in enumerate(integers):
            sizes[i] = value[0] if isinstance(value, tuple) else value
            if i >= strides:
                scaled[i - strides] = isinstance(value, tuple)
        for i, value in enumerate(values):
            numbers[i] = value
        if not fnn_plan_step_fill(step, (<Op>getattr(ops, name)).op, is_double, pointers, sizes, numbers, registers, add, scaled):
            raise ValueError(f"Program: expected fewer arrays and sizes of samples in {name}")

    def __dealloc__(self):
        PyMem_Free(self.plan.steps)

    cdef bint takes(self, object x, Py_ssize_t place, object first) noexcept:
        cdef int i
        cdef tuple shape = <tuple>(<tuple>self.inputs)[place]
        if type(x) is not cnp.ndarray or not cnp.PyArray_ISCARRAY_RO(<cnp.ndarray>x) or cnp.PyArray_SIZE(<cnp.ndarray>x) == 0:
            return False
        if cnp.PyArray_TYPE(<cnp.ndarray>x) != self.types[place] or cnp.PyArray_NDIM(<cnp.ndarray>x) != len(shape) + 1:
            return False
        for i in range(len(shape)):
            if cnp.PyArray_DIM(<cnp.ndarray>x, i + 1) != <ptrdiff_t>shape[i]:
                return False
        return cnp.PyArray_DIM(<cnp.ndarray>x, 0) == cnp.PyArray_DIM(<cnp.ndarray>first, 0)

    def __call__(self, *xs):
        """The output, or the tuple of several; None if the inputs are not as many contiguous arrays of these types and shapes.

        None also where another instruction set has been chosen meanwhile, and where a step refuses values: an index beyond
        its table, an integer that double does not hold.
        """
        cdef void *arrays[MOST_REGISTERS]
        cdef ptrdiff_t m, i, given = self.plan.inputs
        cdef int status
        if len(xs) != given or self.isa != fnn_isa():
            return None
        for i in range(given):
            if not self.takes(xs[i], i, xs[0]):
                return None
            arrays[i] = data(xs[i])
        m = cnp.PyArray_DIM(<cnp.ndarray>xs[0], 0)
        y = self.output(0, m)
        arrays[given] = data(y)
        if self.plan.outputs > 1:
            y = [y]
            for i in range(1, self.plan.outputs):
                y.append(self.output(i, m))
                arrays[given + i] = data(y[i])
            y = tuple(y)
        with nogil:
            status = fnn_plan_run(&self.plan, arrays, m)
        if status == FNN_PLAN_WRONG:
            return None
        if status:
            raise MemoryError
        return y

    cdef object output(self, Py_ssize_t place, ptrdiff_t m):
        cdef cnp.npy_intp[64] shape  # as many dimensions as NumPy has
        cdef tuple sample = <tuple>(<tuple>self.outputs)[place]
        cdef int i, type = self.types[self.plan.inputs + place]
        shape[0] = m
        for i in range(len(sample)):
            shape[i + 1] = sample[i]
        if type == cnp.NPY_FLOAT or type == cnp.NPY_DOUBLE:
            return new_array(<int>len(sample) + 1, shape, type)
        return cnp.PyArray_EMPTY(<int>len(sample) + 1, shape, type, False)


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
