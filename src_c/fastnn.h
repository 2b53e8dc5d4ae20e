/* fastnn.h: everything Cython sees.  No function checks its arguments; all of that is done before it is called.
 *
 * Arguments stand in memcpy's order: outputs, inputs, sizes, parameters.  Arrays are dense and row-major unless said
 * otherwise; sizes count elements; `d` marks a gradient. */
#ifndef FASTNN_H
#define FASTNN_H
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && !defined(_WIN32)
#define FNN_EXPORT __attribute__((visibility("default")))
#else
#define FNN_EXPORT
#endif

/* -- the build ----------------------------------------------------------------------------------------------------- */
#ifdef FNN_HAVE_OPENMP
#define FNN_OPENMP 1
#else
#define FNN_OPENMP 0
#endif
#ifdef FNN_HAVE_OMP_SIMD
#define FNN_SIMD 1
#else
#define FNN_SIMD 0
#endif

/* -- instruction sets ---------------------------------------------------------------------------------------------- */
int fnn_select_isa(const char *name); /* NULL: the best this processor has; 0 if it has no tier of that name */
const char *fnn_isa(void);
const char *fnn_isa_name(int i, int *supported); /* the tiers of this build, best first; NULL after the last */

/* -- threads (parallel.h) ------------------------------------------------------------------------------------------ */
int fnn_select_team(const char *name); /* "own" or "openmp"; 0 if this build has not got it */
const char *fnn_team(void);
FNN_EXPORT void fnn_set_num_threads(int n); /* these two are threadpoolctl's as well */
FNN_EXPORT int fnn_get_num_threads(void); /* of this thread's next call: its own limit if it has set one, else the process's */
int fnn_set_thread_limit(int n); /* of the calling thread, 0 for none; returns the one before */
int fnn_team_size(void); /* workers alive */

/* -- element-wise functions: activations.def ----------------------------------------------------------------------- */
enum
{
#define ACT(name, saved, value, gradient) FNN_ACT_##name,
#include "activations.def"
#undef ACT
    FNN_ACTS
};
const char *fnn_act_name(int act);
int fnn_act_saves_y(int act);

/* -- losses of two tensors: losses.def ------------------------------------------------------------------------------ */
enum
{
#define LOSS(name, value, gradient) FNN_LOSS_##name,
#include "losses.def"
#undef LOSS
    FNN_LOSSES
};
const char *fnn_loss_name(int loss);
ptrdiff_t fnn_loss_work(ptrdiff_t n); /* values of `work` that fnn_loss_sum needs */

/* -- the rest ------------------------------------------------------------------------------------------------------- */
struct fnn_sgd
{
    double lr, momentum, dampening, weight_decay, sign;
    int nesterov, first;
};
struct fnn_adam
{
    double lr, beta1, beta2, eps, weight_decay, sign, step_size, root;
    int decoupled;
};

/* values of `work` that the batch-norm functions need */
ptrdiff_t fnn_norm_work(ptrdiff_t n, ptrdiff_t c, ptrdiff_t s);

#define FNN_API(REAL, SFX)                                                                                             \
    void fnn_act_forward_##SFX(int act, REAL *y, const REAL *x, ptrdiff_t n, double a, double b);                      \
    void fnn_act_backward_##SFX(int act, REAL *dx, const REAL *dy, const REAL *saved, ptrdiff_t n, double a, double b);\
    /* the same over (rows, n) views with any two strides */                                                           \
    void fnn_act_forward_rows_##SFX(int act, REAL *y, const ptrdiff_t ys[2], const REAL *x, const ptrdiff_t xs[2],     \
                                    ptrdiff_t rows, ptrdiff_t n, double a, double b);                                  \
    void fnn_act_backward_rows_##SFX(int act, REAL *dx, const ptrdiff_t dxs[2], const REAL *dy,                        \
                                     const ptrdiff_t dys[2], const REAL *saved, const ptrdiff_t ss[2],                 \
                                     ptrdiff_t rows, ptrdiff_t n, double a, double b);                                 \
                                                                                                                       \
    /* x (n, c, s), or (n, s, c) in memory if `last`; statistics and work in double; gamma and beta may be NULL */     \
    void fnn_norm_stats_##SFX(double *mean, double *var, double *work, const REAL *x, ptrdiff_t n, ptrdiff_t c,        \
                              ptrdiff_t s, int last);                                                                  \
    void fnn_norm_forward_##SFX(REAL *y, double *work, const REAL *x, const double *mean, const double *rstd,          \
                                const REAL *gamma, const REAL *beta, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last); \
    void fnn_norm_backward_##SFX(REAL *dx, REAL *dgamma, REAL *dbeta, double *work, const REAL *dy, const REAL *x,     \
                                 const double *mean, const double *rstd, const REAL *gamma, ptrdiff_t n, ptrdiff_t c,  \
                                 ptrdiff_t s, int last, int training);                                                 \
                                                                                                                       \
    /* over the rows of (rows, n) */                                                                                   \
    void fnn_softmax_##SFX(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t n, int log);                              \
    void fnn_dsoftmax_##SFX(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t rows, ptrdiff_t n, int log);            \
    /* one loss a row; targets < 0 are ignored: loss 0, gradient 0.  weight (n) may be NULL */                         \
    void fnn_nll_##SFX(REAL *loss, const REAL *x, const int64_t *target, const REAL *weight, ptrdiff_t rows,           \
                       ptrdiff_t n, double smoothing);                                                                 \
    void fnn_dnll_##SFX(REAL *dx, const REAL *dloss, const REAL *x, const int64_t *target, const REAL *weight,         \
                        ptrdiff_t rows, ptrdiff_t n, double smoothing);                                                \
                                                                                                                       \
    /* x, t (n); a: the loss's parameter.  dloss (n) may be NULL, dx is scaled anyway */                               \
    void fnn_loss_##SFX(int loss, REAL *out, const REAL *x, const REAL *t, ptrdiff_t n, double a);                     \
    double fnn_loss_sum_##SFX(int loss, double *work, const REAL *x, const REAL *t, ptrdiff_t n, double a);            \
    void fnn_dloss_##SFX(int loss, REAL *dx, const REAL *dloss, const REAL *x, const REAL *t, ptrdiff_t n,             \
                         double a, double scale);                                                                      \
                                                                                                                       \
    void fnn_dropout_##SFX(REAL *y, const REAL *x, ptrdiff_t n, uint64_t key, uint32_t threshold, double scale);       \
                                                                                                                       \
    /* c (m, n) = a (m, k) b (k, n) + bias (n, may be NULL); a and b with any strides */                               \
    void fnn_gemm_##SFX(REAL *c, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b, ptrdiff_t b_row,   \
                        ptrdiff_t b_column, const REAL *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k);                  \
    void fnn_column_sums_##SFX(REAL *sums, const REAL *x, ptrdiff_t rows, ptrdiff_t c);                                \
                                                                                                                       \
    /* `count` tensors of sizes[i] elements; state may be NULL where a rule keeps none */                              \
    void fnn_sgd_##SFX(REAL **p, REAL **buffer, REAL **grad, const ptrdiff_t *sizes, ptrdiff_t count,                  \
                       const struct fnn_sgd *h);                                                                       \
    void fnn_adam_##SFX(REAL **p, REAL **m, REAL **v, REAL **vmax, REAL **grad, const ptrdiff_t *sizes,                \
                        ptrdiff_t count, const struct fnn_adam *h);
FNN_API(float, f32)
FNN_API(double, f64)
#undef FNN_API

void fnn_dropout_mask(uint8_t *mask, ptrdiff_t n, uint64_t key, uint32_t threshold);

#endif
