/* kernels_of.h: the table of one tier's kernels for one type, included for float and for double. */
typedef void FN(fnn_sums_first)(double *u, double *v, const REAL *dy, const REAL *x, ptrdiff_t s, ptrdiff_t gap, ptrdiff_t from,
                                ptrdiff_t count, REAL a, REAL b, REAL r);
typedef void FN(fnn_sums_last)(double *u, double *v, const REAL *dy, const REAL *x, ptrdiff_t c, ptrdiff_t gap, ptrdiff_t count,
                               const REAL *a, const REAL *b, const REAL *r);
typedef void FN(fnn_loss_loop)(REAL *out, const REAL *dy, const REAL *x, const REAL *t, const REAL *a, REAL b, ptrdiff_t n);

/* What a convolution's sums end with: min(max(sum + bias + residual, low), high); bias and residual may be NULL */
struct FN(fnn_conv_end)
{
    const REAL *bias, *residual; /* residual: rows as far apart as those of the result */
    REAL low, high;
};

struct FN(fnn_kernels)
{
    /* the rows of activations.def; those with `each`, and the sums of parameters' gradients, are NULL but for the LEARN rows */
    void (*act[FNN_ACTS])(REAL *y, const REAL *x, ptrdiff_t n, double a, double b);
    void (*dact[FNN_ACTS])(REAL *dx, const REAL *dy, const REAL *saved, ptrdiff_t n, double a, double b);
    void (*act_each[FNN_ACTS])(REAL *y, const REAL *x, ptrdiff_t n, const REAL *a, const REAL *b);
    void (*dact_each[FNN_ACTS])(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t n, const REAL *a, const REAL *b);
    FN(fnn_sums_first) *param_first[FNN_ACTS];
    FN(fnn_sums_last) *param_last[FNN_ACTS];
    /* the value, the gradients; aloss is NULL but for the LOSS3 rows */
    FN(fnn_loss_loop) *loss[FNN_LOSSES], *xloss[FNN_LOSSES], *tloss[FNN_LOSSES], *aloss[FNN_LOSSES];
    void (*step[FNN_RULES])(REAL *p, const REAL *grad, REAL *const *state, ptrdiff_t n, const double *hyper,
                            const struct fnn_step *h);
    /* the rows of pointwise.def with an expression; the others are NULL */
    void (*pointwise[FNN_POINTWISES])(REAL *y, const REAL *a, const REAL *b, const uint8_t *c, ptrdiff_t n);
#define KERNEL(result, name, ...) result (*name)(__VA_ARGS__);
#include "tables/kernels.def"
#undef KERNEL
    ptrdiff_t tile_columns; /* columns of one panel of a product */
};

/* Two sums over the values of each channel, in fixed blocks joined in order (drivers/batch_norm.c); u, v, a, b, r (c) */
void FN(fnn_channel_sums)(double *u, double *v, double *work, FN(fnn_sums_first) *first, FN(fnn_sums_last) *last_kernel,
                          const REAL *dy, const REAL *x, const REAL *a, const REAL *b, const REAL *r, ptrdiff_t n, ptrdiff_t c,
                          ptrdiff_t s, ptrdiff_t last);
