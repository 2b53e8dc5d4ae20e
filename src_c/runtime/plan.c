/* plan.c: the steps of a network's inference, one after another; each uses the team as its driver always does. */
#ifndef REAL
#include "kernels.h"

#define FNN_SELF "runtime/plan.c"
#include "each_real.h"
#else

ptrdiff_t FN(fnn_plan_work)(const struct fnn_plan_step *steps, ptrdiff_t count, ptrdiff_t m)
{
    ptrdiff_t most = 0;
    for (const struct fnn_plan_step *t = steps; t < steps + count; t++)
    {
        const ptrdiff_t need = t->kind == FNN_PLAN_BATCH_NORM   ? fnn_channel_work(m, t->n, t->s)
                               : t->kind == FNN_PLAN_LAYER_NORM ? 2 * m * t->rows
                                                                : 0;
        most = need > most ? need : most;
    }
    return most;
}

static void FN(run_step)(const struct fnn_plan_step *t, REAL *y, const REAL *x, const REAL *other, double *work, ptrdiff_t m)
{
    const ptrdiff_t rows = m * t->rows;
    if (t->kind == FNN_PLAN_LINEAR)
    {
        const struct FN(fnn_product) o = {.c = y, .c_strides = {0, t->n, 1}, .a = x, .a_strides = {0, t->k, 1}, .packed = t->weight,
                                          .bias = t->bias, .batch = 1, .m = rows, .n = t->n, .k = t->k, .act = t->act,
                                          .act_a = t->a, .act_b = t->b};
        FN(fnn_product)(&o);
    }
    else if (t->kind == FNN_PLAN_BATCH_NORM)
    {
        const struct FN(fnn_batch_norm) o = {.y = y, .work = work, .x = x, .mean = t->mean, .rstd = t->rstd, .gamma = t->weight,
                                             .beta = t->bias, .n = m, .c = t->n, .s = t->s, .last = t->s == 1};
        FN(fnn_batch_norm)(&o);
    }
    else if (t->kind == FNN_PLAN_ACT)
    {
        const struct FN(fnn_activation) o = {.y = y, .x = x, .act = t->act, .n = rows * t->n, .a = t->a, .b = t->b};
        FN(fnn_activation)(&o);
    }
    else if (t->kind == FNN_PLAN_SOFTMAX)
    {
        const struct FN(fnn_softmax) o = {.y = y, .x = x, .rows = rows, .n = t->n, .log = t->option};
        FN(fnn_softmax)(&o);
    }
    else if (t->kind == FNN_PLAN_LAYER_NORM)
    {
        const struct FN(fnn_group_norm) o = {.y = y, .mean = work, .rstd = work + rows, .x = x, .gamma = t->weight, .beta = t->bias,
                                             .rows = rows, .g = 1, .k = t->n, .s = 1, .centre = t->option, .eps = t->a};
        FN(fnn_group_norm)(&o);
    }
    else
    {
        const struct FN(fnn_combine) o = {.y = y, .x1 = x, .x2 = other, .n = rows * t->n, .multiply = t->option};
        FN(fnn_combine)(&o);
    }
}

void FN(fnn_plan)(const struct fnn_plan_step *steps, ptrdiff_t count, REAL *const *registers, double *work, ptrdiff_t m)
{
    for (const struct fnn_plan_step *t = steps; t < steps + count; t++)
        FN(run_step)(t, registers[t->to], registers[t->from], registers[t->other], work, m);
}
#endif
