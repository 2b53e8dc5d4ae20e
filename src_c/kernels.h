/* kernels.h: the tables of kernels, one per instruction set, which the drivers call through. */
#ifndef FNN_KERNELS_H
#define FNN_KERNELS_H
#include "fastnn.h"

#define REDUCE_BLOCK 1024 /* values of one block of a reduction: 4 or 8 KB, well inside the first-level cache */
#define GEMM_DEPTH   256  /* k values summed by one accumulator before they are added to C */

/* One member per kernel; the kernel's comment is in its .inc file. */
#define FNN_KERNELS(REAL, SFX)                                                                                         \
    struct fnn_kernels_##SFX                                                                                           \
    {                                                                                                                  \
        void (*act[FNN_ACTS])(REAL *y, const REAL *x, ptrdiff_t n, double a, double b);                                \
        void (*dact[FNN_ACTS])(REAL *dx, const REAL *dy, const REAL *saved, ptrdiff_t n, double a, double b);          \
        void (*moments_first)(double *mean, double *m2, const REAL *x, ptrdiff_t s, ptrdiff_t gap, ptrdiff_t from,     \
                              ptrdiff_t count);                                                                        \
        void (*moments_last)(double *mean, double *m2, const REAL *x, ptrdiff_t c, ptrdiff_t gap, ptrdiff_t count);    \
        void (*normalize_first)(REAL *y, const REAL *x, ptrdiff_t n, REAL mean, REAL mean_lo, REAL scale, REAL beta);  \
        void (*normalize_last)(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t c, const REAL *mean,                  \
                               const REAL *mean_lo, const REAL *scale, const REAL *beta);                              \
        void (*grad_sums_first)(double *dbeta, double *dgamma, const REAL *dy, const REAL *x, ptrdiff_t s,             \
                                ptrdiff_t gap, ptrdiff_t from, ptrdiff_t count, REAL mean, REAL mean_lo, REAL rstd);   \
        void (*grad_sums_last)(double *dbeta, double *dgamma, const REAL *dy, const REAL *x, ptrdiff_t c,              \
                               ptrdiff_t gap, ptrdiff_t count, const REAL *mean, const REAL *mean_lo,                  \
                               const REAL *rstd);                                                                      \
        void (*dnormalize_first)(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t n, REAL mean, REAL mean_lo,        \
                                 REAL scale, REAL mean_dy, REAL slope);                                                \
        void (*dnormalize_last)(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t rows, ptrdiff_t c,                  \
                                const REAL *mean, const REAL *mean_lo, const REAL *scale, const REAL *mean_dy,         \
                                const REAL *slope);                                                                    \
        void (*softmax)(REAL *y, const REAL *x, ptrdiff_t n);                                                          \
        void (*log_softmax)(REAL *y, const REAL *x, ptrdiff_t n);                                                      \
        void (*dsoftmax)(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t n);                                        \
        void (*dlog_softmax)(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t n);                                    \
        double (*nll)(const REAL *x, ptrdiff_t n, ptrdiff_t target, const REAL *weight, double smoothing);             \
        void (*dnll)(REAL *dx, const REAL *x, ptrdiff_t n, ptrdiff_t target, const REAL *weight, double smoothing,     \
                     double dloss);                                                                                    \
        void (*loss[FNN_LOSSES])(REAL *loss, const REAL *x, const REAL *t, ptrdiff_t n, double a);                     \
        double (*loss_sum[FNN_LOSSES])(const REAL *x, const REAL *t, ptrdiff_t n, double a);                           \
        void (*dloss[FNN_LOSSES])(REAL *dx, const REAL *dloss, const REAL *x, const REAL *t, ptrdiff_t n, double a,    \
                                  double scale);                                                                       \
        void (*dropout)(REAL *y, const REAL *x, ptrdiff_t n, uint64_t first, uint64_t key, uint32_t threshold,         \
                        double scale);                                                                                 \
        void (*gemm_panel)(REAL *c, ptrdiff_t ldc, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b,  \
                           ptrdiff_t b_row, ptrdiff_t b_column, const REAL *bias, ptrdiff_t m, ptrdiff_t columns,      \
                           ptrdiff_t k);                                                                               \
        void (*column_sums)(REAL *sums, const REAL *x, ptrdiff_t rows, ptrdiff_t c, ptrdiff_t gap);                    \
        void (*sgd)(REAL *p, REAL *buffer, const REAL *grad, ptrdiff_t n, const struct fnn_sgd *h);                    \
        void (*adam)(REAL *p, REAL *m, REAL *v, REAL *vmax, const REAL *grad, ptrdiff_t n, const struct fnn_adam *h);  \
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

extern const struct fnn_tier *fnn_tier; /* the chosen one */
extern ptrdiff_t fnn_cache_bytes;       /* of the last-level cache */
extern const struct fnn_tier fnn_tier_base, fnn_tier_avx2, fnn_tier_avx512, fnn_tier_neon;

#endif
