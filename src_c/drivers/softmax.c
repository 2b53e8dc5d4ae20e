/* softmax.c: softmax and its logarithm, row by row. */
#ifndef REAL
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EXP  0.3  /* nanoseconds for one value with an exponential */
#define NS_EACH 0.08 /* and without */
#define NS_ROW  10.0 /* for one row: the lanes of its vectors are added */

#define FNN_SELF "drivers/softmax.c"
#include "each_real.h"
#else

static void FN(forward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_softmax) *o = job;
    for (ptrdiff_t at = begin * o->n; at < end * o->n; at += o->n)
        (o->log ? TIER->log_softmax : TIER->softmax)(o->y + at, o->x + at, o->n);
}

void FN(fnn_softmax)(const struct FN(fnn_softmax) *o)
{
    fnn_parallel(o->rows, NS_EXP * (double)o->n + NS_ROW, FN(forward_body), o);
}

static void FN(backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_softmax_backward) *o = job;
    for (ptrdiff_t at = begin * o->n; at < end * o->n; at += o->n)
        (o->log ? TIER->dlog_softmax : TIER->dsoftmax)(o->dx + at, o->dy + at, o->y + at, o->n);
}

void FN(fnn_softmax_backward)(const struct FN(fnn_softmax_backward) *o)
{
    fnn_parallel(o->rows, (o->log ? NS_EXP : NS_EACH) * (double)o->n + NS_ROW, FN(backward_body), o);
}
#endif
