/* kernels.h: the tables of kernels, one per instruction set, which the drivers call through. */
#ifndef FNN_KERNELS_H
#define FNN_KERNELS_H
#include "fastnn.h"

#define REDUCE_BLOCK 1024 /* values of one block of a reduction: 4 or 8 KB, well inside the first-level cache */
#define STRIP        256  /* columns whose sums go side by side; the tree's levels stay in the first-level cache */
#define GEMM_DEPTH   256  /* k values summed by one accumulator before they are added to C */
#define GEMM_AHEAD   32   /* rows of a panel that are fetched ahead: 4 KB, the way to the last-level cache */
#define GEMM_WIDE    4    /* panels whose sums one row keeps in registers */

static inline ptrdiff_t fnn_min(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

/* One member per kernel; the kernel's comment is in its .inc file. */
#define FNN_KERNELS(REAL, SFX)                                                                                         \
    typedef void fnn_sums_first_##SFX(double *u, double *v, const REAL *dy, const REAL *x, ptrdiff_t s, ptrdiff_t gap, \
                                      ptrdiff_t from, ptrdiff_t count, REAL a, REAL b, REAL r);                        \
    typedef void fnn_sums_last_##SFX(double *u, double *v, const REAL *dy, const REAL *x, ptrdiff_t c, ptrdiff_t gap,  \
                                     ptrdiff_t count, const REAL *a, const REAL *b, const REAL *r);                    \
    typedef void fnn_loss_loop_##SFX(REAL *out, const REAL *dy, const REAL *x, const REAL *t, const REAL *a,           \
                                     ptrdiff_t n);                                                                     \
    struct fnn_kernels_##SFX                                                                                           \
    {                                                                                                                  \
        void (*act[FNN_ACTS])(REAL *y, const REAL *x, ptrdiff_t n, double a, double b);                                \
        void (*dact[FNN_ACTS])(REAL *dx, const REAL *dy, const REAL *saved, ptrdiff_t n, double a, double b);          \
        /* NULL but for the LEARN rows */                                                                              \
        void (*act_each[FNN_ACTS])(REAL *y, const REAL *x, ptrdiff_t n, const REAL *a, const REAL *b);                 \
        void (*dact_each[FNN_ACTS])(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t n, const REAL *a,               \
                                    const REAL *b);                                                                    \
        fnn_sums_first_##SFX *param_first[FNN_ACTS], *grad_sums_first;                                                 \
        fnn_sums_last_##SFX *param_last[FNN_ACTS], *grad_sums_last;                                                    \
        void (*moments_first)(double *mean, double *m2, const REAL *x, ptrdiff_t s, ptrdiff_t gap, ptrdiff_t from,     \
                              ptrdiff_t count);                                                                        \
        void (*moments_last)(double *mean, double *m2, const REAL *x, ptrdiff_t c, ptrdiff_t gap, ptrdiff_t count);    \
        void (*normalize_first)(REAL *y, const REAL *x, ptrdiff_t n, REAL mean, REAL mean_lo, REAL scale, REAL beta);  \
        void (*normalize_last)(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t c, const REAL *mean,                  \
                               const REAL *mean_lo, const REAL *scale, const REAL *beta);                              \
        void (*dnormalize_first)(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t n, REAL mean, REAL mean_lo,        \
                                 REAL scale, REAL mean_dy, REAL slope);                                                \
        void (*dnormalize_last)(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t rows, ptrdiff_t c,                  \
                                const REAL *mean, const REAL *mean_lo, const REAL *scale, const REAL *mean_dy,         \
                                const REAL *slope);                                                                    \
        void (*mix_first)(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t n, REAL mean, REAL mean_lo, REAL scale,   \
                          REAL slope, REAL shift);                                                                     \
        void (*group_norm)(REAL *y, double *mean, double *rstd, const REAL *x, ptrdiff_t k, ptrdiff_t s,               \
                           const REAL *gamma, const REAL *beta, double eps, int centre);                               \
        void (*dgroup_norm)(REAL *dx, double *dgamma, double *dbeta, const REAL *dy, const REAL *x, ptrdiff_t k,       \
                            ptrdiff_t s, double mean, double rstd, const REAL *gamma, int centre);                     \
        void (*dlayer_rows)(REAL *dx, double *dgamma, double *dbeta, const REAL *dy, const REAL *x, ptrdiff_t rows,            \
                            ptrdiff_t k, const double *mean, const double *rstd, const REAL *gamma, int centre);       \
        void (*unit_row)(REAL *y, const REAL *x, ptrdiff_t n, double eps);                                             \
        void (*dunit_row)(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t n, double eps);                           \
        void (*softmax)(REAL *y, const REAL *x, ptrdiff_t n);                                                          \
        void (*log_softmax)(REAL *y, const REAL *x, ptrdiff_t n);                                                      \
        void (*dsoftmax)(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t n);                                        \
        void (*dlog_softmax)(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t n);                                    \
        double (*nll)(const REAL *x, ptrdiff_t n, ptrdiff_t target, const REAL *weight, double smoothing);             \
        void (*dnll)(REAL *dx, const REAL *x, ptrdiff_t n, ptrdiff_t target, const REAL *weight, double smoothing,     \
                     double dloss);                                                                                    \
        double (*soft_nll)(const REAL *x, const REAL *t, ptrdiff_t n, const REAL *weight, double smoothing);           \
        void (*dsoft_nll)(REAL *dx, const REAL *x, const REAL *t, ptrdiff_t n, const REAL *weight, double smoothing,   \
                          double dloss);                                                                               \
        void (*tsoft_nll)(REAL *dt, const REAL *x, ptrdiff_t n, const REAL *weight, double smoothing, double dloss);   \
        double (*row_dot)(const REAL *a, const REAL *b, ptrdiff_t n);                                                  \
        fnn_loss_loop_##SFX *loss[FNN_LOSSES], *xloss[FNN_LOSSES], *tloss[FNN_LOSSES];                                 \
        void (*dropout)(REAL *y, const REAL *x, ptrdiff_t n, uint64_t first, uint64_t key,                             \
                        const struct fnn_dropout *h);                                                                  \
        void (*dropout_rows)(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t s, uint64_t first, uint64_t key,        \
                             const struct fnn_dropout *h);                                                             \
        void (*gemm_pack)(REAL *panel, const REAL *b, ptrdiff_t row, ptrdiff_t column, ptrdiff_t k,                    \
                          ptrdiff_t columns);                                                                          \
        void (*gemm_panel)(REAL *c, ptrdiff_t ldc, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,  \
                           ptrdiff_t b_row, ptrdiff_t b_column, const REAL *bias, ptrdiff_t m, ptrdiff_t columns,      \
                           ptrdiff_t k, int packed);                                                                   \
        void (*gemm_row)(REAL *c, const REAL *a, ptrdiff_t a_column, const REAL *b, ptrdiff_t b_row, const REAL *bias, \
                         ptrdiff_t k);                                                                                 \
        void (*add)(REAL *y, const REAL *x1, const REAL *x2, ptrdiff_t n);                                             \
        void (*multiply)(REAL *y, const REAL *x1, const REAL *x2, ptrdiff_t n);                                        \
        void (*glu)(REAL *y, const REAL *a, const REAL *b, ptrdiff_t n);                                               \
        void (*dglu)(REAL *da, REAL *db, const REAL *dy, const REAL *a, const REAL *b, ptrdiff_t n);                   \
        void (*column_sums)(REAL *sums, const REAL *x, ptrdiff_t rows, ptrdiff_t c, ptrdiff_t gap);                    \
        void (*step[FNN_RULES])(REAL *p, const REAL *grad, REAL *const *state, ptrdiff_t n, const double *hyper,       \
                                const struct fnn_step *h);                                                             \
        ptrdiff_t tile_columns; /* columns of one gemm panel */                                                        \
    };
FNN_KERNELS(float, f32)
FNN_KERNELS(double, f64)
#undef FNN_KERNELS

struct fnn_tier
{
    const char *name;
    struct fnn_kernels_f32 f32;
    struct fnn_kernels_f64 f64;
    void (*stream)(void *y, const void *x, size_t bytes);
    void (*dropout_mask)(uint8_t *mask, ptrdiff_t n, uint64_t first, uint64_t key, uint32_t threshold);
};

/* Two sums over the values of each channel, in fixed blocks joined in order (drivers/batch_norm.c); u, v, a, b, r (c) */
#define FNN_SUMS(REAL, SFX)                                                                                            \
    void fnn_channel_sums_##SFX(double *u, double *v, double *work, fnn_sums_first_##SFX *first,                       \
                                fnn_sums_last_##SFX *last_kernel, const REAL *dy, const REAL *x, const REAL *a,        \
                                const REAL *b, const REAL *r, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last);
FNN_SUMS(float, f32)
FNN_SUMS(double, f64)
#undef FNN_SUMS

extern const struct fnn_tier *fnn_tier; /* the chosen one */
extern ptrdiff_t fnn_cache_bytes;       /* of the last-level cache */
extern const struct fnn_tier fnn_tier_base, fnn_tier_avx2, fnn_tier_avx512, fnn_tier_neon;

#endif
