# What Cython uses of src_c/fastnn.h.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, intptr_t, uint8_t, uint32_t, uint64_t

cdef extern from "fastnn.h" nogil:
    const char *FNN_COMPILER
    const char *FNN_FLAGS
    bint FNN_SIMD
    const char *fnn_isa()
    int fnn_isa_count()
    const char *fnn_isa_name(int i)
    bint fnn_isa_runs(int i)

    ctypedef struct fnn_entry_t "const struct fnn_entry":
        const char *name
        const char *parameters
        const char *states
        bint saves_y
        int learns
    fnn_entry_t *fnn_acts
    fnn_entry_t *fnn_losses
    fnn_entry_t *fnn_rules
    fnn_entry_t *fnn_pointwises

    enum:
        FNN_ACTS, FNN_LOSSES, FNN_RULES, FNN_POINTWISES
        FNN_MEMORY_LEAST, FNN_ARRAYS, FNN_SIZES, FNN_NUMBERS, FNN_PLAN_PATCHES, FNN_PLAN_REGISTERS, FNN_PLAN_WRONG
    int FNN_ARRAY, FNN_TABLE, FNN_TABLE_SIZES, FNN_WORK, FNN_RESULT, FNN_SIZE, FNN_FLAG, FNN_KEY, FNN_NUMBER, FNN_END
    int FNN_TYPE_real
    ctypedef struct fnn_field_t "const struct fnn_field":
        const char *name
        int kind, type, written, optional, dimensions, offset
    ctypedef struct fnn_op_t "const struct fnn_op":
        const char *name
        fnn_field_t *(*fields)() noexcept nogil
    fnn_op_t *fnn_ops
    int fnn_op_count
    int fnn_run(fnn_op_t *op, int is_double, void **arrays, const int64_t *sizes, const double *numbers, const ptrdiff_t *given)
    int fnn_run_record(fnn_op_t *op, int is_double, void *record)

    ctypedef struct fnn_patch_t "struct fnn_patch":
        pass
    ctypedef struct fnn_plan_step_t "struct fnn_plan_step":
        pass
    ctypedef struct fnn_plan_t "struct fnn_plan":
        fnn_plan_step_t *steps
        ptrdiff_t count
        int inputs, outputs, registers, uncut
        ptrdiff_t size[1]
    void fnn_plan_step_fill(fnn_plan_step_t *, fnn_op_t *, int, void **, const int64_t *, const double *, const fnn_patch_t *, int)
    int fnn_plan_run(const fnn_plan_t *, void **, ptrdiff_t)
