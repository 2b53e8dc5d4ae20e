/* fastnn.h: everything Cython sees.  No function checks its arguments; all of that is done before it is called.
 *
 * Arguments stand in memcpy's order: outputs, inputs, sizes, parameters.  Arrays are dense and row-major unless said
 * otherwise; sizes count elements; `d` marks a gradient. */
#ifndef FASTNN_H
#define FASTNN_H
#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define FNN_EXPORT __declspec(dllexport)
#else
#define FNN_EXPORT __attribute__((visibility("default")))
#endif

/* -- the build ----------------------------------------------------------------------------------------------------- */
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
int fnn_select_team(const char *name); /* "own", "openmp" or "serial"; 0 if there is none of that name here */
const char *fnn_team(void);
FNN_EXPORT void fnn_set_num_threads(int n); /* these two are threadpoolctl's as well */
FNN_EXPORT int fnn_get_num_threads(void); /* of this thread's next call: its own limit if it has set one, else the process's */
int fnn_set_thread_limit(int n); /* of the calling thread, 0 for none; returns the one before */
int fnn_team_size(void); /* workers alive */

/* -- memory of large results ---------------------------------------------------------------------------------------- */
struct fnn_memory_stats
{
    size_t live, cached, peak, limit; /* bytes: handed out, kept, the most of both together, the most that may be kept */
    uint64_t requests, hits;          /* hits: served from what was kept */
};
void *fnn_memory_alloc(size_t size); /* aligned to a cache line; NULL if there is no memory */
void fnn_memory_free(void *memory);
void *fnn_memory_realloc(void *memory, size_t size);
void fnn_memory_empty(void);
void fnn_memory_limit(size_t bytes);
void fnn_memory_read(struct fnn_memory_stats *out, int reset_peak);

/* -- element-wise functions: activations.def ----------------------------------------------------------------------- */
enum
{
#define ACT(name, saved, value, gradient) FNN_ACT_##name,
#include "tables/activations.def"
#undef ACT
    FNN_ACTS
};
const char *fnn_act_name(int act);
int fnn_act_saves_y(int act);
int fnn_act_learns(int act); /* how many of its parameters can be learned */

/* -- losses of two tensors: losses.def ------------------------------------------------------------------------------ */
enum
{
#define LOSS(name, value, dx, dt) FNN_LOSS_##name,
#include "tables/losses.def"
#undef LOSS
    FNN_LOSSES
};
const char *fnn_loss_name(int loss);
ptrdiff_t fnn_loss_work(ptrdiff_t n); /* values of `work` that fnn_loss_sum needs */

/* -- update rules: optimizers.def ------------------------------------------------------------------------------------ */
enum
{
#define RULE(name, hypers, states, ...) FNN_RULE_##name,
#include "tables/optimizers.def"
#undef RULE
    FNN_RULES
};
const char *fnn_rule_name(int rule);
const char *fnn_rule_hypers(int rule); /* "(lr, eps)": their order in `hyper` */
const char *fnn_rule_states(int rule); /* "(none)" for none */

/* what all rules share */
struct fnn_step
{
    double sign;         /* -1 to maximize */
    double weight_decay; /* added to the gradient, times the parameter */
    double keep;         /* the parameter's factor under decoupled weight decay */
    double l1;           /* how much nearer to 0 the parameter is brought */
};

/* -- the rest ------------------------------------------------------------------------------------------------------- */
struct fnn_dropout
{
    uint32_t threshold;            /* of 65536: how many values of 16 random bits drop */
    double scale, shift, dropped; /* kept: x scale + shift */
};

/* a step of a plan for inference: which of the functions below, on which registers */
enum
{
    FNN_PLAN_LINEAR,      /* n from k features: weight is packed */
    FNN_PLAN_BATCH_NORM,  /* n channels of s values */
    FNN_PLAN_ACT,         /* n values */
    FNN_PLAN_SOFTMAX,     /* of n values; log if `option` */
    FNN_PLAN_LAYER_NORM,  /* of n values, eps in a; without the mean, RMS norm, unless `option` */
    FNN_PLAN_COMBINE,     /* n values of two registers; a product if `option` */
    FNN_PLAN_KINDS
};
struct fnn_plan_step
{
    int kind, option, act; /* act: of FNN_PLAN_ACT, or of a linear step's result, or -1; a and b are its parameters */
    ptrdiff_t to, from, other; /* registers */
    ptrdiff_t rows, n, k, s;   /* sizes; rows for each sample */
    const void *weight, *bias;
    const double *mean, *rstd;
    double a, b;
};

/* values of `work` that the functions below need */
ptrdiff_t fnn_norm_work(ptrdiff_t n, ptrdiff_t c, ptrdiff_t s);
ptrdiff_t fnn_group_norm_work(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s);

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
    /* LEARN rows with parameters a, b (c) of the channels; x (n, c, s), or (n, s, c) in memory if `last` */            \
    void fnn_act_channels_##SFX(int act, REAL *y, const REAL *x, const REAL *a, const REAL *b, ptrdiff_t n,            \
                                ptrdiff_t c, ptrdiff_t s, int last);                                                   \
    void fnn_dact_channels_##SFX(int act, REAL *dx, const REAL *dy, const REAL *x, const REAL *a, const REAL *b,       \
                                 ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last);                                     \
    void fnn_act_params_##SFX(int act, double *da, double *db, double *work, const REAL *dy, const REAL *x,            \
                              const REAL *a, const REAL *b, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last);          \
                                                                                                                       \
    /* x (n, c, s), or (n, s, c) in memory if `last`; statistics and work in double; gamma and beta may be NULL */     \
    void fnn_norm_stats_##SFX(double *mean, double *var, double *work, const REAL *x, ptrdiff_t n, ptrdiff_t c,        \
                              ptrdiff_t s, int last);                                                                  \
    void fnn_norm_forward_##SFX(REAL *y, double *work, const REAL *x, const double *mean, const double *rstd,          \
                                const REAL *gamma, const REAL *beta, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last); \
    void fnn_norm_train_##SFX(REAL *y, double *mean, double *var, double *rstd, double *work, const REAL *x,           \
                              const REAL *gamma, const REAL *beta, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, int last,    \
                              double eps);                                                                             \
    void fnn_norm_backward_##SFX(REAL *dx, REAL *dgamma, REAL *dbeta, double *work, const REAL *dy, const REAL *x,     \
                                 const double *mean, const double *rstd, const REAL *gamma, ptrdiff_t n, ptrdiff_t c,  \
                                 ptrdiff_t s, int last, int training);                                                 \
                                                                                                                       \
    /* dx = scale dy + slope (x - mean) + shift over (c, s), mean in double */                                         \
    void fnn_norm_mix_##SFX(REAL *dx, double *work, const REAL *dy, const REAL *x, const double *mean,                 \
                            const REAL *scale, const REAL *slope, const REAL *shift, ptrdiff_t c, ptrdiff_t s);        \
    /* the rows of (rows, k, s), row r with gamma and beta (g, k) from (r mod g) k on; mean and rstd (rows); y may be x, or  \
     * NULL for the statistics alone; see kernels/group_norm.inc */                                                    \
    void fnn_group_norm_##SFX(REAL *y, double *mean, double *rstd, const REAL *x, const REAL *gamma, const REAL *beta, \
                              ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, double eps, int centre);          \
    void fnn_dgroup_norm_##SFX(REAL *dx, REAL *dgamma, REAL *dbeta, double *work, const REAL *dy, const REAL *x,       \
                               const double *mean, const double *rstd, const REAL *gamma, ptrdiff_t rows, ptrdiff_t g, \
                               ptrdiff_t k, ptrdiff_t s, int centre);                                                  \
                                                                                                                       \
    /* over the rows of (rows, n) */                                                                                   \
    void fnn_softmax_##SFX(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t n, int log);                              \
    void fnn_dsoftmax_##SFX(REAL *dx, const REAL *dy, const REAL *y, ptrdiff_t rows, ptrdiff_t n, int log);            \
    void fnn_unit_rows_##SFX(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t n, double eps);                          \
    void fnn_dunit_rows_##SFX(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t rows, ptrdiff_t n, double eps);       \
    /* one loss a row; targets < 0 are ignored: loss 0, gradient 0.  weight (n) may be NULL */                         \
    void fnn_nll_##SFX(REAL *loss, const REAL *x, const int64_t *target, const REAL *weight, ptrdiff_t rows,           \
                       ptrdiff_t n, double smoothing);                                                                 \
    void fnn_dnll_##SFX(REAL *dx, const REAL *dloss, const REAL *x, const int64_t *target, const REAL *weight,         \
                        ptrdiff_t rows, ptrdiff_t n, double smoothing);                                                \
                                                                                                                       \
    /* -weight[target] x[target] of each row; the gradient is 0 elsewhere */                                            \
    void fnn_pick_##SFX(REAL *loss, const REAL *x, const int64_t *target, const REAL *weight, ptrdiff_t rows,          \
                        ptrdiff_t n);                                                                                  \
    void fnn_dpick_##SFX(REAL *dx, const REAL *dloss, const int64_t *target, const REAL *weight, ptrdiff_t rows,       \
                         ptrdiff_t n);                                                                                 \
                                                                                                                       \
    /* fnn_nll with probabilities t (rows, n); dt: the gradient with respect to them */                                \
    void fnn_soft_nll_##SFX(REAL *loss, const REAL *x, const REAL *t, const REAL *weight, ptrdiff_t rows, ptrdiff_t n, \
                            double smoothing);                                                                         \
    void fnn_dsoft_nll_##SFX(REAL *dx, const REAL *dloss, const REAL *x, const REAL *t, const REAL *weight,            \
                             ptrdiff_t rows, ptrdiff_t n, double smoothing);                                           \
    void fnn_tsoft_nll_##SFX(REAL *dt, const REAL *dloss, const REAL *x, const REAL *weight, ptrdiff_t rows,           \
                             ptrdiff_t n, double smoothing);                                                           \
                                                                                                                       \
    /* x, t (n).  Each element has a parameter, as[i] or, where as is NULL, a, and a weight w[i], or 1.  The gradient is    \
     * that of x, or of t if `of_target`, times scale and dloss[i], unless that is NULL */                             \
    void fnn_loss_##SFX(int loss, REAL *out, const REAL *x, const REAL *t, const REAL *as, const REAL *w, ptrdiff_t n, \
                        double a);                                                                                     \
    double fnn_sum_##SFX(const REAL *x, ptrdiff_t n); /* in the order of reduce.inc */                                 \
    double fnn_loss_sum_##SFX(int loss, double *work, const REAL *x, const REAL *t, const REAL *as, const REAL *w,     \
                              ptrdiff_t n, double a);                                                                  \
    void fnn_dloss_##SFX(int loss, REAL *out, const REAL *dloss, const REAL *x, const REAL *t, const REAL *as,         \
                         const REAL *w, ptrdiff_t n, double a, double scale, int of_target);                           \
                                                                                                                       \
    /* rows of s values that are kept or dropped together */                                                           \
    void fnn_dropout_##SFX(REAL *y, const REAL *x, ptrdiff_t rows, ptrdiff_t s, uint64_t key,                          \
                           const struct fnn_dropout *h);                                                               \
                                                                                                                       \
    /* c (m, n) = a (m, k) b (k, n) + bias (n, may be NULL); a and b with any strides */                               \
    void fnn_gemm_##SFX(REAL *c, const REAL *a, ptrdiff_t a_row, ptrdiff_t a_column, const REAL *b, ptrdiff_t b_row,   \
                        ptrdiff_t b_column, const REAL *bias, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k);                  \
    /* b (k, n) once for many products: `packed` has room for fnn_packed_size values; a (m, k) is dense */             \
    ptrdiff_t fnn_packed_size_##SFX(ptrdiff_t k, ptrdiff_t n);                                                         \
    void fnn_pack_##SFX(REAL *packed, const REAL *b, ptrdiff_t b_row, ptrdiff_t b_column, ptrdiff_t k, ptrdiff_t n);   \
    /* act: a function of activations.def with its parameters, applied to c, or -1 */                                  \
    void fnn_gemm_packed_##SFX(REAL *c, const REAL *a, const REAL *packed, const REAL *bias, ptrdiff_t m, ptrdiff_t n, \
                               ptrdiff_t k, int act, double act_a, double act_b);                                      \
    void fnn_column_sums_##SFX(REAL *sums, const REAL *x, ptrdiff_t rows, ptrdiff_t c);                                \
                                                                                                                       \
    /* one step over `count` tensors of sizes[i] elements; state[k count + i] is the rule's state k of tensor i */        \
    void fnn_optim_step_##SFX(int rule, REAL **p, REAL **grad, REAL **state, const ptrdiff_t *sizes, ptrdiff_t count,  \
                              const double *hyper, const struct fnn_step *h);                                          \
                                                                                                                       \
    /* y = x1 + x2, or x1 x2 */                                                                                        \
    void fnn_combine_##SFX(REAL *y, const REAL *x1, const REAL *x2, ptrdiff_t n, int multiply);                        \
                                                                                                                       \
    /* the gated linear unit: out (rows, n) of x (rows, 2 n) or, with dy (rows, n), dx (rows, 2 n) */                  \
    void fnn_glu_##SFX(REAL *out, const REAL *dy, const REAL *x, ptrdiff_t rows, ptrdiff_t n);                         \
                                                                                                                       \
    /* table[index[i]] += x[i], rows of c values */                                                                    \
    void fnn_scatter_add_##SFX(REAL *table, const int64_t *index, const REAL *x, ptrdiff_t n, ptrdiff_t c);            \
                                                                                                                       \
    /* a plan's steps over m samples; registers[i] holds its values, `work` fnn_plan_work doubles */                     \
    ptrdiff_t fnn_plan_work_##SFX(const struct fnn_plan_step *steps, ptrdiff_t count, ptrdiff_t m);                    \
    void fnn_plan_##SFX(const struct fnn_plan_step *steps, ptrdiff_t count, REAL *const *registers, double *work,      \
                        ptrdiff_t m);
FNN_API(float, f32)
FNN_API(double, f64)
#undef FNN_API

void fnn_dropout_mask(uint8_t *mask, ptrdiff_t n, uint64_t key, uint32_t threshold);

#endif
