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
        const ptrdiff_t need = t->kind == FNN_PLAN_BATCH_NORM   ? fnn_norm_work(m, t->n, t->s)
                               : t->kind == FNN_PLAN_LAYER_NORM ? 2 * m * t->rows
                                                                : 0;
        most = need > most ? need : most;
    }
    return most;
}

void FN(fnn_plan)(const struct fnn_plan_step *steps, ptrdiff_t count, REAL *const *registers, double *work, ptrdiff_t m)
{
    for (const struct fnn_plan_step *t = steps; t < steps + count; t++)
    {
        REAL *y = registers[t->to];
        const REAL *x = registers[t->from];
        const ptrdiff_t rows = m * t->rows;
        if (t->kind == FNN_PLAN_LINEAR)
            FN(fnn_gemm_packed)(y, x, t->weight, t->bias, rows, t->n, t->k, t->act, t->a, t->b);
        else if (t->kind == FNN_PLAN_BATCH_NORM)
            FN(fnn_norm_forward)(y, work, x, t->mean, t->rstd, t->weight, t->bias, m, t->n, t->s, t->s == 1);
        else if (t->kind == FNN_PLAN_ACT)
            FN(fnn_act_forward)(t->act, y, x, rows * t->n, t->a, t->b);
        else if (t->kind == FNN_PLAN_SOFTMAX)
            FN(fnn_softmax)(y, x, rows, t->n, t->option);
        else if (t->kind == FNN_PLAN_LAYER_NORM)
            FN(fnn_group_norm)(y, work, work + rows, x, t->weight, t->bias, rows, 1, t->n, 1, t->a, t->option);
        else
            FN(fnn_combine)(y, x, registers[t->other], rows * t->n, t->option);
    }
}
#endif
