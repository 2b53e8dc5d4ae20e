# What the C library offers: the declarations of src_c/fastnn.h, once for float and once for double.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t

cdef extern from "fastnn.h" nogil:
    ctypedef struct fnn_step_t "struct fnn_step":
        double sign, weight_decay, keep, l1
    ctypedef struct fnn_dropout_t "struct fnn_dropout":
        uint32_t threshold
        double scale, shift, dropped
    ctypedef struct fnn_plan_step_t "struct fnn_plan_step":
        int kind, option, act
        ptrdiff_t to "to", source "from", other
        ptrdiff_t rows, n, k, s
        const void *weight
        const void *bias
        const double *mean
        const double *rstd
        double a, b
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
    int FNN_PLAN_LINEAR, FNN_PLAN_BATCH_NORM, FNN_PLAN_ACT, FNN_PLAN_SOFTMAX, FNN_PLAN_LAYER_NORM, FNN_PLAN_COMBINE
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
    int fnn_act_saves_y(int act)
    int fnn_act_learns(int act)
    ptrdiff_t fnn_norm_work(ptrdiff_t n, ptrdiff_t c, ptrdiff_t s)
    ptrdiff_t fnn_group_norm_work(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s)
    void fnn_dropout_mask(uint8_t *mask, ptrdiff_t n, uint64_t key, uint32_t threshold)

    void fnn_act_forward_f32(int, float *, const float *, ptrdiff_t, double, double)
    void fnn_act_forward_f64(int, double *, const double *, ptrdiff_t, double, double)
    void fnn_act_backward_f32(int, float *, const float *, const float *, ptrdiff_t, double, double)
    void fnn_act_backward_f64(int, double *, const double *, const double *, ptrdiff_t, double, double)
    void fnn_act_forward_rows_f32(int, float *, const ptrdiff_t *, const float *, const ptrdiff_t *, ptrdiff_t, ptrdiff_t, double, double)
    void fnn_act_forward_rows_f64(int, double *, const ptrdiff_t *, const double *, const ptrdiff_t *, ptrdiff_t, ptrdiff_t, double, double)
    void fnn_act_backward_rows_f32(int, float *, const ptrdiff_t *, const float *, const ptrdiff_t *, const float *, const ptrdiff_t *, ptrdiff_t, ptrdiff_t, double, double)
    void fnn_act_backward_rows_f64(int, double *, const ptrdiff_t *, const double *, const ptrdiff_t *, const double *, const ptrdiff_t *, ptrdiff_t, ptrdiff_t, double, double)
    void fnn_act_channels_f32(int, float *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_act_channels_f64(int, double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_dact_channels_f32(int, float *, const float *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_dact_channels_f64(int, double *, const double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_act_params_f32(int, double *, double *, double *, const float *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_act_params_f64(int, double *, double *, double *, const double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_norm_stats_f32(double *, double *, double *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_norm_stats_f64(double *, double *, double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_norm_forward_f32(float *, double *, const float *, const double *, const double *, const float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_norm_forward_f64(double *, double *, const double *, const double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_norm_backward_f32(float *, float *, float *, double *, const float *, const float *, const double *, const double *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int, int)
    void fnn_norm_backward_f64(double *, double *, double *, double *, const double *, const double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int, int)
    void fnn_softmax_f32(float *, const float *, ptrdiff_t, ptrdiff_t, int)
    void fnn_softmax_f64(double *, const double *, ptrdiff_t, ptrdiff_t, int)
    void fnn_dsoftmax_f32(float *, const float *, const float *, ptrdiff_t, ptrdiff_t, int)
    void fnn_dsoftmax_f64(double *, const double *, const double *, ptrdiff_t, ptrdiff_t, int)
    void fnn_nll_f32(float *, const float *, const int64_t *, const float *, ptrdiff_t, ptrdiff_t, double)
    void fnn_nll_f64(double *, const double *, const int64_t *, const double *, ptrdiff_t, ptrdiff_t, double)
    void fnn_dnll_f32(float *, const float *, const float *, const int64_t *, const float *, ptrdiff_t, ptrdiff_t, double)
    void fnn_dnll_f64(double *, const double *, const double *, const int64_t *, const double *, ptrdiff_t, ptrdiff_t, double)
    void fnn_norm_mix_f32(float *, double *, const float *, const float *, const double *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t)
    void fnn_norm_mix_f64(double *, double *, const double *, const double *, const double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t)
    void fnn_group_norm_f32(float *, double *, double *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, double, int)
    void fnn_group_norm_f64(double *, double *, double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, double, int)
    void fnn_dgroup_norm_f32(float *, float *, float *, double *, const float *, const float *, const double *, const double *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_dgroup_norm_f64(double *, double *, double *, double *, const double *, const double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, int)
    void fnn_unit_rows_f32(float *, const float *, ptrdiff_t, ptrdiff_t, double)
    void fnn_unit_rows_f64(double *, const double *, ptrdiff_t, ptrdiff_t, double)
    void fnn_dunit_rows_f32(float *, const float *, const float *, ptrdiff_t, ptrdiff_t, double)
    void fnn_dunit_rows_f64(double *, const double *, const double *, ptrdiff_t, ptrdiff_t, double)
    void fnn_soft_nll_f32(float *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, double)
    void fnn_soft_nll_f64(double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, double)
    void fnn_dsoft_nll_f32(float *, const float *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, double)
    void fnn_dsoft_nll_f64(double *, const double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, double)
    void fnn_tsoft_nll_f32(float *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, double)
    void fnn_tsoft_nll_f64(double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, double)
    int FNN_LOSSES
    const char *fnn_loss_name(int loss)
    ptrdiff_t fnn_loss_work(ptrdiff_t n)
    void fnn_loss_f32(int, float *, const float *, const float *, const float *, const float *, ptrdiff_t, double)
    void fnn_loss_f64(int, double *, const double *, const double *, const double *, const double *, ptrdiff_t, double)
    double fnn_sum_f32(const float *, ptrdiff_t)
    double fnn_sum_f64(const double *, ptrdiff_t)
    double fnn_loss_sum_f32(int, double *, const float *, const float *, const float *, const float *, ptrdiff_t, double)
    double fnn_loss_sum_f64(int, double *, const double *, const double *, const double *, const double *, ptrdiff_t, double)
    void fnn_dloss_f32(int, float *, const float *, const float *, const float *, const float *, const float *, ptrdiff_t, double, double, int)
    void fnn_dloss_f64(int, double *, const double *, const double *, const double *, const double *, const double *, ptrdiff_t, double, double, int)
    void fnn_dropout_f32(float *, const float *, ptrdiff_t, ptrdiff_t, uint64_t, const fnn_dropout_t *)
    void fnn_dropout_f64(double *, const double *, ptrdiff_t, ptrdiff_t, uint64_t, const fnn_dropout_t *)
    void fnn_gemm_f32(float *, const float *, ptrdiff_t, ptrdiff_t, const float *, ptrdiff_t, ptrdiff_t, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t)
    void fnn_gemm_f64(double *, const double *, ptrdiff_t, ptrdiff_t, const double *, ptrdiff_t, ptrdiff_t, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t)
    void fnn_column_sums_f32(float *, const float *, ptrdiff_t, ptrdiff_t)
    void fnn_column_sums_f64(double *, const double *, ptrdiff_t, ptrdiff_t)
    int FNN_RULES
    const char *fnn_rule_name(int rule)
    const char *fnn_rule_hypers(int rule)
    const char *fnn_rule_states(int rule)
    void fnn_optim_step_f32(int, float **, float **, float **, const ptrdiff_t *, ptrdiff_t, const double *, const fnn_step_t *)
    void fnn_optim_step_f64(int, double **, double **, double **, const ptrdiff_t *, ptrdiff_t, const double *, const fnn_step_t *)
    ptrdiff_t fnn_packed_size_f32(ptrdiff_t, ptrdiff_t)
    void fnn_pack_f32(float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t)
    ptrdiff_t fnn_plan_work_f32(const fnn_plan_step_t *, ptrdiff_t, ptrdiff_t)
    void fnn_plan_f32(const fnn_plan_step_t *, ptrdiff_t, float *const *, double *, ptrdiff_t)
    ptrdiff_t fnn_packed_size_f64(ptrdiff_t, ptrdiff_t)
    void fnn_pack_f64(double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t)
    ptrdiff_t fnn_plan_work_f64(const fnn_plan_step_t *, ptrdiff_t, ptrdiff_t)
    void fnn_plan_f64(const fnn_plan_step_t *, ptrdiff_t, double *const *, double *, ptrdiff_t)
    void fnn_glu_f32(float *, const float *, const float *, ptrdiff_t, ptrdiff_t)
    void fnn_glu_f64(double *, const double *, const double *, ptrdiff_t, ptrdiff_t)
    void fnn_scatter_add_f32(float *, const int64_t *, const float *, ptrdiff_t, ptrdiff_t)
    void fnn_scatter_add_f64(double *, const int64_t *, const double *, ptrdiff_t, ptrdiff_t)
    void fnn_norm_train_f32(float *, double *, double *, double *, double *, const float *, const float *, const float *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int, double)
    void fnn_norm_train_f64(double *, double *, double *, double *, double *, const double *, const double *, const double *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int, double)
    void fnn_pick_f32(float *, const float *, const int64_t *, const float *, ptrdiff_t, ptrdiff_t)
    void fnn_dpick_f32(float *, const float *, const int64_t *, const float *, ptrdiff_t, ptrdiff_t)
    void fnn_pick_f64(double *, const double *, const int64_t *, const double *, ptrdiff_t, ptrdiff_t)
    void fnn_dpick_f64(double *, const double *, const int64_t *, const double *, ptrdiff_t, ptrdiff_t)
