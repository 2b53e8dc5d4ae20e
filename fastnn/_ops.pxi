# The ops of src_c/tables/ops.def: one call for all of them, which knows each by its table of fields alone.

cdef enum:
    SMALL = 16384  # operations that take less time than letting other threads of Python run meanwhile and coming back
    MOST_ARRAYS = 32
    MOST_SIZES = 64
    MOST_NUMBERS = 16

cdef dict TYPE_NUMBERS = {
    FNN_TYPE_double: cnp.NPY_DOUBLE, FNN_TYPE_int64_t: cnp.NPY_INT64, FNN_TYPE_uint8_t: cnp.NPY_UINT8,
    FNN_TYPE_ptrdiff_t: cnp.NPY_INTP}  # addresses
cdef dict KINDS = {
    FNN_OUT: "array", FNN_MAYBE_OUT: "array or None", FNN_IN: "array", FNN_MAYBE: "array or None", FNN_VIEW_OUT: "view",
    FNN_VIEW: "view", FNN_TABLE: "table", FNN_MAYBE_TABLE: "addresses or None", FNN_RESULT: "result", FNN_SIZE: "int",
    FNN_FLAG: "bool", FNN_KEY: "key", FNN_NUMBER: "float",
}


cdef struct Values:
    # The arguments of one call by kind, each kind in the order of the op's fields, and how many of each are filled in
    void *arrays[MOST_ARRAYS]
    ptrdiff_t lengths[MOST_ARRAYS]
    int64_t sizes[MOST_SIZES]
    double numbers[MOST_NUMBERS]
    double result
    int array, size, number
    int type  # of the arrays of the op's own type, or -1


@cython.final
cdef class Op:
    """A driver in C, called with its fields in order: arrays, then integers, then numbers.

    Arrays are checked for type, alignment, contiguity and length; what they mean is the caller's business.
    """
    cdef fnn_op_t *op
    cdef fnn_field_t *fields
    cdef readonly str name
    cdef readonly tuple arguments  # name and kind of each
    cdef int sizes  # how many integers describe its work: sizes, strides, flags; none if tables hold further ones
    cdef readonly dict dimensions  # of its views

    def __call__(self, *args):
        cdef Values v
        cdef fnn_field_t *field = self.fields
        cdef Py_ssize_t i = 0
        cdef int status
        if len(args) != len(self.arguments):
            raise TypeError(f"{self.name}: expected {len(self.arguments)} arguments, got {len(args)}")
        v.array = v.size = v.number = 0
        v.type = -1
        while field.kind != FNN_END:
            if field.kind == FNN_RESULT:
                v.arrays[v.array], v.lengths[v.array] = &v.result, 1
                v.array += 1
            elif field.kind != FNN_WORK:
                self.take(&v, field, args[i])
                i += 1
            field += 1
        status = call(self, v.type, v.arrays, v.sizes, v.numbers, v.lengths)
        if status < 0:
            raise MemoryError(f"{self.name}: no memory for intermediate values")
        if status > 0:
            raise ValueError(f"{self.name}: {self.fields[status - 1].name.decode()} is shorter than the sizes say")
        if self.fields[0].kind == FNN_RESULT:
            return v.result

    cdef int take(self, Values *v, fnn_field_t *field, object value) except -1:
        """Put one argument where its kind goes."""
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
        elif value is None and (field.kind == FNN_MAYBE or field.kind == FNN_MAYBE_OUT or field.kind == FNN_MAYBE_TABLE):
            v.arrays[v.array], v.lengths[v.array] = NULL, (<size_t>-1) >> 1
            v.array += 1
            for i in range(field.dimensions):
                v.sizes[v.size] = 0
                v.size += 1
        else:
            self.take_array(v, field, value)
        return 0

    cdef int take_array(self, Values *v, fnn_field_t *field, object value) except -1:
        cdef cnp.ndarray array
        cdef int type, i
        if not isinstance(value, cnp.ndarray) or field.kind == FNN_TABLE:
            raise TypeError(f"{self.name}: expected {field.name.decode()} to be an array, got {type_name(value)}")
        array = value
        type = cnp.PyArray_TYPE(array)
        if field.type != FNN_TYPE_real:
            fits = type == TYPE_NUMBERS[field.type]
        elif v.type < 0:
            v.type, fits = type, type == cnp.NPY_FLOAT or type == cnp.NPY_DOUBLE
        else:
            fits = type == v.type
        if not fits or not cnp.PyArray_ISBEHAVED_RO(array):
            raise ValueError(f"{self.name}: {field.name.decode()} has dtype {array.dtype}, or lies askew in memory")
        if (field.kind == FNN_OUT or field.kind == FNN_MAYBE_OUT or field.kind == FNN_VIEW_OUT) and not cnp.PyArray_ISWRITEABLE(array):
            raise ValueError(f"{self.name}: {field.name.decode()} is read-only")
        if field.dimensions == 0:
            if not cnp.PyArray_IS_C_CONTIGUOUS(array):
                raise ValueError(f"{self.name}: {field.name.decode()} is not contiguous")
        elif cnp.PyArray_NDIM(array) != field.dimensions:
            raise ValueError(f"{self.name}: expected {field.name.decode()} of {field.dimensions} dimensions, got {cnp.PyArray_NDIM(array)}")
        for i in range(field.dimensions):
            v.sizes[v.size] = cnp.PyArray_STRIDE(array, i) // cnp.PyArray_ITEMSIZE(array)
            v.size += 1
        v.arrays[v.array], v.lengths[v.array] = cnp.PyArray_DATA(array), cnp.PyArray_SIZE(array)
        v.array += 1
        return 0


cdef str type_name(object value):
    return type(value).__name__


cdef Op make_op(fnn_op_t *op):
    cdef Op made = Op.__new__(Op)
    cdef fnn_field_t *field = op.fields()
    cdef bint tables = False
    made.op, made.fields, made.name = op, field, op.name.decode()
    arguments, made.dimensions = [], {}
    while field.kind != FNN_END:
        made.sizes += field.dimensions if field.dimensions else FNN_SIZE <= field.kind <= FNN_KEY
        tables |= field.kind == FNN_TABLE or field.kind == FNN_MAYBE_TABLE
        if field.kind in KINDS and field.kind != FNN_RESULT:
            arguments.append((field.name.decode(), "view" if field.dimensions else KINDS[field.kind]))
            if field.dimensions:
                made.dimensions[field.name.decode()] = field.dimensions
        field += 1
    made.arguments = tuple(arguments)
    made.sizes = 0 if tables else made.sizes
    return made


cdef dict every_op():
    """The ops by name."""
    cdef fnn_op_t *op = fnn_ops
    found = {}
    while op.name != NULL:
        found[op.name.decode()] = make_op(op)
        op += 1
    return found


ops = types.SimpleNamespace(**every_op())


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
