/* kernels_of.h: the table of one tier's kernels for one type, included for float and for double. */
typedef void FN(fnn_sums_first)(double *u, double *v, const REAL *dy, const REAL *x, ptrdiff_t s, ptrdiff_t gap, ptrdiff_t from,
                                ptrdiff_t count, REAL a, REAL b, REAL r);
typedef void FN(fnn_sums_last)(double *u, double *v, const REAL *dy, const REAL *x, ptrdiff_t c, ptrdiff_t gap, ptrdiff_t count,
                               const REAL *a, const REAL *b, const REAL *r);
typedef void FN(fnn_loss_loop)(REAL *out, const REAL *dy, const REAL *x, const REAL *t, const REAL *a, REAL b, ptrdiff_t n);

/* What is done to a convolution's finished sums: min(max(sum + bias + residual, low), high); bias and residual may be NULL */
struct FN(fnn_conv_end)
{
    const REAL *bias, *residual; /* the residual's rows lie as far apart as the result's */
    REAL low, high;
};

struct FN(fnn_kernels)
{
    /* the rows of activations.def; only LEARN rows have those with `each` and the sums of parameters' gradients, others have NULL */
    void (*act[FNN_ACTS])(REAL *y, const REAL *x, ptrdiff_t n, double a, double b);
    void (*dact[FNN_ACTS])(REAL *dx, const REAL *dy, const REAL *saved, ptrdiff_t n, double a, double b);
    void (*act_each[FNN_ACTS])(REAL *y, const REAL *x, ptrdiff_t n, const REAL *a, const REAL *b);
    void (*dact_each[FNN_ACTS])(REAL *dx, const REAL *dy, const REAL *x, ptrdiff_t n, const REAL *a, const REAL *b);
    FN(fnn_sums_first) *param_first[FNN_ACTS];
    FN(fnn_sums_last) *param_last[FNN_ACTS];
    /* the value and the gradients of the rows of losses.def; only LOSS3 rows have aloss, others have NULL */
    FN(fnn_loss_loop) *loss[FNN_LOSSES], *xloss[FNN_LOSSES], *tloss[FNN_LOSSES], *aloss[FNN_LOSSES];
    void (*step[FNN_RULES])(REAL *p, const REAL *grad, REAL *const *state, ptrdiff_t n, const double *hyper,
                            const struct fnn_step *h);
    /* the rows of pointwise.def that have an expression; NULL for the others */
    void (*pointwise[FNN_POINTWISES])(REAL *y, const REAL *a, const REAL *b, const uint8_t *c, ptrdiff_t n);
#define KERNEL(result, name, ...) result (*name)(__VA_ARGS__);
#define SHARED_KERNEL KERNEL
#include "tables/kernels.def"
#undef KERNEL
#undef SHARED_KERNEL
    ptrdiff_t tile_columns; /* columns of one panel of a product */
};

/* Two sums, u and v, over the values of each of c channels: made in fixed blocks, which are joined in order (drivers/batch_norm.c).
 * a, b and r hold constants of the channels. */
void FN(fnn_channel_sums)(double *u, double *v, double *work, FN(fnn_sums_first) *first, FN(fnn_sums_last) *last_kernel,
                          const REAL *dy, const REAL *x, const REAL *a, const REAL *b, const REAL *r, ptrdiff_t n, ptrdiff_t c,
                          ptrdiff_t s, ptrdiff_t last);
