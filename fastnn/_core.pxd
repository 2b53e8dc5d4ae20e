# What Cython uses of src_c/fastnn.h.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "ops.h" nogil:
    ctypedef struct product_record "struct fnn_product_f64":  # that of floats has the same layout
        void *c
        void *a
        void *b
        void *bias
        ptrdiff_t[3] c_strides, a_strides, b_strides
        ptrdiff_t batch, m, n, k, act

cdef extern from "fastnn.h" nogil:
    int FNN_PLAN_REGISTERS, FNN_PLAN_WRONG
    ctypedef struct fnn_plan_step_t "struct fnn_plan_step":
        pass
    ctypedef struct fnn_plan_t "struct fnn_plan":
        fnn_plan_step_t *steps
        ptrdiff_t count
        int inputs, outputs, registers
        ptrdiff_t size[1]
    ctypedef struct fnn_memory_stats_t "struct fnn_memory_stats":
        size_t live, cached, peak, limit
        uint64_t requests, hits
    void *fnn_memory_alloc(size_t)
    void fnn_memory_free(void *)
    void *fnn_memory_realloc(void *, size_t)
    void fnn_memory_empty()
    void fnn_memory_limit(size_t)
    void fnn_memory_read(fnn_memory_stats_t *, int)
    int FNN_ACTS
    const char *FNN_COMPILER
    const char *FNN_FLAGS
    int FNN_SIMD
    int fnn_select_isa(const char *name)
    const char *fnn_isa()
    const char *fnn_isa_name(int i, int *supported)
    int fnn_select_team(const char *name)
    const char *fnn_team()
    void fnn_set_num_threads(int n)
    int fnn_get_num_threads()
    int fnn_set_thread_limit(int n)
    int fnn_team_size()
    const char *fnn_act_name(int act)
    const char *fnn_act_parameters(int act)
    int fnn_act_saves_y(int act)
    int fnn_act_learns(int act)
    int FNN_LOSSES
    const char *fnn_loss_name(int loss)
    int FNN_POINTWISES
    const char *fnn_pointwise_name(int function)
    int FNN_RULES
    const char *fnn_rule_name(int rule)
    const char *fnn_rule_hypers(int rule)
    const char *fnn_rule_states(int rule)
    int FNN_OUT, FNN_MAYBE_OUT, FNN_IN, FNN_MAYBE, FNN_VIEW_OUT, FNN_VIEW, FNN_TABLE, FNN_MAYBE_TABLE, FNN_WORK, FNN_RESULT
    int FNN_SIZE, FNN_FLAG, FNN_KEY, FNN_NUMBER, FNN_END
    int FNN_TYPE_real, FNN_TYPE_double, FNN_TYPE_int64_t, FNN_TYPE_uint8_t, FNN_TYPE_ptrdiff_t
    ctypedef struct fnn_field_t "const struct fnn_field":
        const char *name
        unsigned char kind, type, dimensions
    ctypedef struct fnn_op_t "const struct fnn_op":
        const char *name
        fnn_field_t *(*fields)() noexcept nogil
        void (*run[2])(const void *record) noexcept nogil
    fnn_op_t *fnn_ops
    int fnn_run(fnn_op_t *op, int is_double, void **arrays, const int64_t *sizes, const double *numbers, const ptrdiff_t *given)
    int fnn_plan_step_fill(fnn_plan_step_t *, fnn_op_t *, int, void **, const int64_t *, const double *, const int *, const int64_t *, const uint8_t *)
    int fnn_plan_run(const fnn_plan_t *, void **, ptrdiff_t)
    ptrdiff_t fnn_packed_size_f32(ptrdiff_t, ptrdiff_t)
    void fnn_pack_f32(float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t)
    ptrdiff_t fnn_packed_size_f64(ptrdiff_t, ptrdiff_t)
    void fnn_pack_f64(double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t)
