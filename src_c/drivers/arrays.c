/* arrays.c: moves values, looks up rows of tables, and converts types. */
#ifndef REAL
#define FNN_HOT_DRIVER
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_BYTE 0.05
#define NS_ITEM 0.6  /* nanoseconds for one value that is moved by itself */
#define NS_ROW  5.0
#define GRAIN   512  /* values of one item of a conversion */
#define EXACT   0x1p53

/* These ops do not depend on the record's type, so the float's struct serves for both */
static void move_body(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct fnn_move_f32 *o = job;
    const ptrdiff_t *to = o->y_strides, *from = o->x_strides;
    for (ptrdiff_t row = begin; row < end; row++)
    {
        const ptrdiff_t i3 = row % o->n3, i2 = row / o->n3 % o->n2, i1 = row / (o->n3 * o->n2) % o->n1, i0 = row / (o->n3 * o->n2 * o->n1);
        uint8_t *y = o->y + i0 * to[0] + i1 * to[1] + i2 * to[2] + i3 * to[3];
        const uint8_t *x = o->x + i0 * from[0] + i1 * from[1] + i2 * from[2] + i3 * from[3];
        if (to[4] == o->item && from[4] == o->item)
            memcpy(y, x, (size_t)(o->n4 * o->item));
        else if (o->item == 4)
            for (ptrdiff_t i = 0; i < o->n4; i++)
                memcpy(y + i * to[4], x + i * from[4], 4);
        else if (o->item == 8)
            for (ptrdiff_t i = 0; i < o->n4; i++)
                memcpy(y + i * to[4], x + i * from[4], 8);
        else
            for (ptrdiff_t i = 0; i < o->n4; i++)
                y[i * to[4]] = x[i * from[4]];
    }
}

static void take_body(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct fnn_take_f32 *o = job;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const ptrdiff_t row = o->index[i] < 0 && o->wrap ? o->index[i] + o->rows : o->index[i];
        if ((uint64_t)row >= (uint64_t)o->rows)
        {
            __atomic_store_n(o->wrong, 1, __ATOMIC_RELAXED);
            return;
        }
        memcpy(o->y + i * o->bytes, o->table + row * o->bytes, (size_t)o->bytes);
    }
}

#define LOAD(code, type)                                                                                               \
    case code:                                                                                                         \
        for (ptrdiff_t i = 0; i < n; i++)                                                                              \
            to[i] = (double)((const type *)x)[from + i];                                                               \
        break;
static void load(double *to, const void *x, ptrdiff_t from, ptrdiff_t n, ptrdiff_t type)
{
    switch (type)
    {
        LOAD(FNN_INT8, int8_t)
        LOAD(FNN_INT16, int16_t)
        LOAD(FNN_INT32, int32_t)
        LOAD(FNN_UINT16, uint16_t)
        LOAD(FNN_UINT32, uint32_t)
        LOAD(FNN_INT64, int64_t)
        LOAD(FNN_FLOAT, float)
        LOAD(FNN_DOUBLE, double)
    default:
        LOAD(FNN_BOOL, uint8_t)
    }
}
#undef LOAD

/* Whether all values, rounded towards 0, are integers that a double holds exactly */
static int all_exact(double *x, ptrdiff_t n)
{
    int exact = 1;
    for (ptrdiff_t i = 0; i < n; i++)
        exact &= fabs(x[i]) <= EXACT;
    return exact;
}

/* Serial, because only indices and masks are converted, and so `wrong` has one writer */
static void convert(const struct fnn_convert_f32 *o)
{
    double x[GRAIN];
    for (ptrdiff_t from = 0; from < o->n; from += GRAIN)
    {
        const ptrdiff_t n = fnn_min(GRAIN, o->n - from);
        load(x, o->x, from, n, o->from);
        if ((o->from == FNN_INT64 || o->to == FNN_INT64) && !all_exact(x, n))
        {
            *o->wrong = 1;
            return;
        }
        switch (o->to)
        {
        case FNN_FLOAT:
            for (ptrdiff_t i = 0; i < n; i++)
                ((float *)(void *)o->y)[from + i] = (float)x[i];
            break;
        case FNN_DOUBLE:
            memcpy((double *)(void *)o->y + from, x, (size_t)n * sizeof(double));
            break;
        case FNN_INT64:
            for (ptrdiff_t i = 0; i < n; i++)
                ((int64_t *)(void *)o->y)[from + i] = (int64_t)x[i];
            break;
        default:
            for (ptrdiff_t i = 0; i < n; i++)
                o->y[from + i] = x[i] != 0;
        }
    }
}

#define FNN_SELF "drivers/arrays.c"
#include "each_real.h"
#else

void FN(fnn_move)(const struct FN(fnn_move) *o)
{
    struct fnn_move_f32 as;
    memcpy(&as, o, sizeof as);
    const int dense = as.y_strides[4] == as.item && as.x_strides[4] == as.item;
    if (!dense && as.n4 < as.n3) /* the longer of the last two dimensions is one row, or rows would take all the time */
    {
        as.n3 = o->n4, as.n4 = o->n3;
        as.y_strides[3] = o->y_strides[4], as.y_strides[4] = o->y_strides[3];
        as.x_strides[3] = o->x_strides[4], as.x_strides[4] = o->x_strides[3];
    }
    const double ns = (double)as.n4 * (dense ? NS_BYTE * (double)as.item : NS_ITEM) + NS_ROW;
    fnn_parallel(as.n0 * as.n1 * as.n2 * as.n3, ns, move_body, &as);
}

void FN(fnn_take)(const struct FN(fnn_take) *o) { fnn_parallel(o->n, NS_BYTE * (double)o->bytes + NS_ROW, take_body, o); }

void FN(fnn_convert)(const struct FN(fnn_convert) *o) { convert((const void *)o); }
#endif
