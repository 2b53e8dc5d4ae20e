# The ops of src_c/tables/ops.def: one call for all of them, which knows each by its table of fields alone.

cdef enum:
    SMALL = 16384  # fewer operations take less time than releasing and taking back the lock of Python

cdef int[5] TYPE_NUMBERS = [-1, cnp.NPY_DOUBLE, cnp.NPY_INT64, cnp.NPY_UINT8, cnp.NPY_INTP]  # by FNN_TYPE_…; the last: addresses
KINDS = ("array", "table", "table sizes", "work", "result", "int", "bool", "key", "float")  # by FNN_ARRAY, …


cdef struct Values:
    # The arguments of one call by kind, each kind in the order of the op's fields, and how many of each are filled in
    void *arrays[FNN_ARRAYS]
    ptrdiff_t lengths[FNN_ARRAYS]
    int64_t sizes[FNN_SIZES]
    double numbers[FNN_NUMBERS]
    double result
    int array, size, number
    int type  # of the arrays of the op's own type, or -1
    ptrdiff_t *table_sizes  # of the first table's arrays, and how many they are
    ptrdiff_t table_count


@cython.final
cdef class Op:
    """A driver in C, called with its fields in order: arrays, then integers, then numbers.

    Arrays are checked for type, alignment, contiguity and length; what they mean is the caller's business.
    """
    cdef fnn_op_t *op
    cdef readonly str name
    cdef readonly tuple fields  # name, kind, dimensions and offset of each
    cdef int arguments  # how many fields are given: all but results and scratch memory
    cdef int sizes  # how many integers describe its work: sizes, strides, flags; none if tables hold further ones

    def __call__(self, *args):
        cdef Values v
        cdef fnn_field_t *field = self.op.fields()
        cdef bint has_result = field.kind == FNN_RESULT
        cdef Py_ssize_t i = 0
        cdef int status
        if len(args) != self.arguments:
            raise TypeError(f"{self.name}: expected {self.arguments} arguments, got {len(args)}")
        v.array = v.size = v.number = 0
        v.type, v.table_sizes = -1, NULL
        held = []  # tables that exist for this call alone
        while field.kind != FNN_END:
            if field.kind == FNN_RESULT:
                v.arrays[v.array], v.lengths[v.array] = &v.result, 1
                v.array += 1
            elif field.kind == FNN_TABLE:
                held.append(self.take_table(&v, field, args[i]))
                i += 1
            elif field.kind != FNN_TABLE_SIZES and field.kind != FNN_WORK:
                self.take(&v, field, args[i])
                i += 1
            field += 1
        status = call(self, v.type, v.arrays, v.sizes, v.numbers, v.lengths)
        if status > 0:
            raise ValueError(f"{self.name}: {self.fields[status - 1][0]} is shorter than the sizes say")
        if status < 0:
            raise MemoryError(f"{self.name}: no memory for intermediate values")
        return v.result if has_result else None

    cdef int take(self, Values *v, fnn_field_t *field, object value) except -1:
        """Put one argument where its kind goes."""
        cdef bint given = value is not None or not field.optional
        cdef int i
        if field.kind == FNN_NUMBER:
            v.numbers[v.number] = value
            v.number += 1
        elif field.kind == FNN_KEY:
            v.sizes[v.size] = <int64_t><uint64_t>value
            v.size += 1
        elif field.kind >= FNN_SIZE:
            v.sizes[v.size] = value
            v.size += 1
        else:
            if given:
                self.check(v, field, value)
            for i in range(field.dimensions):
                v.sizes[v.size] = cnp.PyArray_STRIDE(<cnp.ndarray>value, i) // cnp.PyArray_ITEMSIZE(<cnp.ndarray>value) if given else 0
                v.size += 1
            v.arrays[v.array] = data(value)
            v.lengths[v.array] = cnp.PyArray_SIZE(<cnp.ndarray>value) if given else (<size_t>-1) >> 1
            v.array += 1
        return 0

    cdef object take_table(self, Values *v, fnn_field_t *field, list arrays):
        """A table of where these arrays begin, and then of how many values they have."""
        cdef ptrdiff_t i, n = len(arrays)
        table = np.empty(2 * n, np.intp)
        cdef ptrdiff_t *at = <ptrdiff_t *>data(table)
        if v.table_sizes == NULL:
            v.table_sizes, v.table_count = at + n, n
            v.type = cnp.NPY_FLOAT if n and cnp.PyArray_CheckExact(arrays[0]) and arrays[0].dtype == np.float32 else cnp.NPY_DOUBLE
        for i in range(n):
            if not cnp.PyArray_CheckExact(arrays[i]) or not fills_memory(<cnp.ndarray>arrays[i], v.type):
                raise ValueError(f"{self.name}: expected {field.name} to hold dense arrays of one type, float32 or float64")
            at[i], at[n + i] = <ptrdiff_t>data(arrays[i]), cnp.PyArray_SIZE(<cnp.ndarray>arrays[i])
            if v.table_count == 0 or at[n + i] != v.table_sizes[i % v.table_count]:
                raise ValueError(f"{self.name}: {field.name} has other sizes than the table before")
        v.arrays[v.array], v.arrays[v.array + 1], v.lengths[v.array], v.lengths[v.array + 1] = at, at + n, n, n
        v.array += 2
        return table

    cdef int check(self, Values *v, fnn_field_t *field, object value) except -1:
        """Refuse a value that is no array of the field's type and size."""
        if not isinstance(value, cnp.ndarray):
            raise TypeError(f"{self.name}: expected {field.name} to be an array, got {type(value).__name__}")
        cdef cnp.ndarray array = value
        cdef int number = cnp.PyArray_TYPE(array)
        if field.type != FNN_TYPE_real:
            fits = number == TYPE_NUMBERS[field.type]
        elif v.type < 0:
            v.type, fits = number, number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE
        else:
            fits = number == v.type
        if not fits or not cnp.PyArray_ISBEHAVED_RO(array):
            raise ValueError(f"{self.name}: {field.name} has dtype {array.dtype}, or lies askew in memory")
        if field.written and not cnp.PyArray_ISWRITEABLE(array):
            raise ValueError(f"{self.name}: {field.name} is read-only")
        if field.dimensions and cnp.PyArray_NDIM(array) != field.dimensions:
            raise ValueError(f"{self.name}: expected {field.name} of {field.dimensions} dimensions, got {cnp.PyArray_NDIM(array)}")
        if not field.dimensions and not cnp.PyArray_IS_C_CONTIGUOUS(array):
            raise ValueError(f"{self.name}: {field.name} is not contiguous")
        return 0


cdef bint fills_memory(cnp.ndarray x, int type) noexcept:
    """Whether an array is of this type and has its values one after another, in any order of its dimensions."""
    cdef ptrdiff_t last = cnp.PyArray_ITEMSIZE(x)
    cdef int i
    for i in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_STRIDE(x, i) < 0:
            return False
        last += (cnp.PyArray_DIM(x, i) - 1) * cnp.PyArray_STRIDE(x, i)
    return (cnp.PyArray_TYPE(x) == type and cnp.PyArray_ISBEHAVED_RO(x)
            and (cnp.PyArray_IS_C_CONTIGUOUS(x) or last == cnp.PyArray_NBYTES(x)))


cdef Op make_op(fnn_op_t *op):
    cdef Op made = Op.__new__(Op)
    cdef fnn_field_t *field = op.fields()
    fields = []
    while field.kind != FNN_END:
        fields.append((field.name, KINDS[field.kind], field.dimensions, field.offset))
        field += 1
    kinds = [kind for _, kind, _, _ in fields]
    made.op, made.name, made.fields = op, op.name, tuple(fields)
    made.arguments = len(kinds) - sum(map(kinds.count, ("table sizes", "work", "result")))
    if "table" not in kinds:
        made.sizes = sum([dimensions for _, _, dimensions, _ in fields]) + sum([kind in ("int", "bool", "key") for kind in kinds])
    return made


ops = types.SimpleNamespace(**{fnn_ops[i].name: make_op(&fnn_ops[i]) for i in range(fnn_op_count)})


cdef int call(Op op, int type, void **arrays, int64_t *sizes, double *numbers, ptrdiff_t *lengths) noexcept:
    """Fill the record and run it.  Other threads of Python run meanwhile, unless the product of all sizes is small."""
    cdef bint is_double = type == cnp.NPY_DOUBLE
    cdef double work = 1
    cdef int i, status
    for i in range(op.sizes):
        work *= sizes[i] if sizes[i] > 1 else 1
    if op.sizes and work < SMALL:
        return fnn_run(op.op, is_double, arrays, sizes, numbers, lengths)
    with nogil:
        status = fnn_run(op.op, is_double, arrays, sizes, numbers, lengths)
    return status


cdef int run(Op op, int type, void **arrays, int64_t *sizes, double *numbers) except -1:
    """Run an op on what has been checked: arrays of this type, and all they need."""
    if call(op, type, arrays, sizes, numbers, NULL):
        raise MemoryError(f"{op.name}: no memory for intermediate values")
    return 0
