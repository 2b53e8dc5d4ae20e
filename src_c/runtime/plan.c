/* plan.c: the steps of a network's inference, one after another: records of ops, filled but for what the batch decides. */
#include <string.h>
#include "ops.h"

int fnn_plan_step_fill(struct fnn_plan_step *step, const struct fnn_op *op, int is_double, void *const *arrays,
                       const int64_t *sizes, const double *numbers, const int *registers, const uint8_t *scaled)
{
    fnn_record_fill(step->record, op, arrays, sizes, numbers);
    step->op = op;
    step->run = op->run[is_double];
    for (const struct fnn_field *f = op->fields(); f->kind < FNN_NUMBER; f++)
    {
        const int from = f->kind == FNN_WORK ? -1 : f->kind < FNN_SIZE ? *registers++ : *scaled++ ? FNN_PLAN_SIZE : -1;
        if (from == -1)
            continue;
        if (step->patches == FNN_PLAN_PATCHES)
            return 0;
        step->patch[step->patches++] = (struct fnn_patch){f->offset, (short)from};
    }
    return 1;
}

int fnn_plan(const struct fnn_plan_step *steps, ptrdiff_t count, void *const *registers, ptrdiff_t m)
{
    int status = 0;
    for (const struct fnn_plan_step *t = steps; t < steps + count && !status; t++)
    {
        _Alignas(8) char record[FNN_RECORD];
        memcpy(record, t->record, t->op->size);
        for (int i = 0; i < t->patches; i++)
        {
            char *const at = record + t->patch[i].offset;
            if (t->patch[i].from == FNN_PLAN_SIZE)
                *(ptrdiff_t *)(void *)at *= m;
            else
                *(void **)(void *)at = registers[t->patch[i].from];
        }
        if (t->op->works)
            status = fnn_record_run(t->op, t->run, record);
        else
            t->run(record);
    }
    return status;
}
