/* pointwise.c: the rows of pointwise.def over arrays that repeat along some dimensions, and over one dimension of an array. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.15
#define NS_ROW  10.0 /* nanoseconds for one row: its place is computed, or the lanes of its vectors are added */
#define GRAIN   1024 /* values of one item; an operand that is not dense is copied in pieces of this size */
#define LONG    64   /* values of a row that is an item of its own; of shorter ones an item has several */

static const struct
{
    uint8_t compares, less, equal, otherwise;
} functions[] = {
#define POINTWISE_1(name, ...)                        {0, 0, 0, 0},
#define POINTWISE_2                                   POINTWISE_1
#define POINTWISE_3                                   POINTWISE_1
#define POINTWISE_KERNEL                              POINTWISE_1
#define POINTWISE_TRUTH(name, less, equal, otherwise) {1, less, equal, otherwise},
#include "tables/pointwise.def"
#undef POINTWISE_1
#undef POINTWISE_2
#undef POINTWISE_3
#undef POINTWISE_KERNEL
#undef POINTWISE_TRUTH
};

static ptrdiff_t place_of(ptrdiff_t row, ptrdiff_t n1, ptrdiff_t n2, const ptrdiff_t *strides)
{
    return row / (n1 * n2) * strides[0] + row / n2 % n1 * strides[1] + row % n2 * strides[2];
}

static ptrdiff_t rows_of_item(ptrdiff_t n) { return n == 0 || n >= LONG ? 1 : GRAIN / n; }

static const uint8_t *dense_bytes(uint8_t *copy, const uint8_t *x, const ptrdiff_t *strides, ptrdiff_t rows, ptrdiff_t n)
{
    if (!x || (strides[3] == 1 && (rows == 1 || strides[2] == n)))
        return x;
    for (ptrdiff_t r = 0; r < rows; r++)
        for (ptrdiff_t i = 0; i < n; i++)
            copy[r * n + i] = x[r * strides[2] + i * strides[3]];
    return copy;
}

#define FNN_SELF "drivers/pointwise.c"
#include "each_real.h"
#else

/* n values of each of some rows side by side: where they are, if they lie so, else in `copy`.  Of short rows columns are copied,
 * since a loop over the few values of a row costs more than they do. */
static const REAL *FN(dense)(REAL *copy, const REAL *x, const ptrdiff_t *strides, ptrdiff_t rows, ptrdiff_t n)
{
    if (!x || (strides[3] == 1 && (rows == 1 || strides[2] == n)))
        return x;
    const ptrdiff_t turned = rows > n, inner = turned ? rows : n, near = turned ? n : 1, step = strides[3 - turned];
    for (ptrdiff_t i = 0; i < rows + n - inner; i++)
    {
        const REAL *value = x + i * strides[2 + turned];
        REAL *to = copy + i * (1 + n - near);
        for (ptrdiff_t j = 0; j < inner; j++, to += near, value += step)
            memcpy(to, value, sizeof *to); /* not through vector registers, whose upper halves a kernel may have left in use */
    }
    return copy;
}

/* n values of a function of pointwise.def */
static void FN(apply)(void *y, const REAL *a, const REAL *b, const uint8_t *c, ptrdiff_t n, ptrdiff_t function)
{
    if (function == FNN_POINTWISE_add)
        TIER->add(y, a, b, n);
    else if (function == FNN_POINTWISE_multiply)
        TIER->multiply(y, a, b, n);
    else if (functions[function].compares)
        TIER->compare(y, a, b, n, functions[function].less, functions[function].equal, functions[function].otherwise);
    else
        TIER->pointwise[function](y, a, b, c, n);
}

/* An item is a part of a row of n3 values, or several short rows that lie in one of the n0 * n1 planes */
static void FN(pointwise_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_pointwise) *o = job;
    const ptrdiff_t parts = (o->n3 + GRAIN - 1) / GRAIN, most = rows_of_item(o->n3), pieces = (o->n2 + most - 1) / most * parts;
    const ptrdiff_t item = functions[o->function].compares ? 1 : (ptrdiff_t)sizeof(REAL);
    REAL as[GRAIN], bs[GRAIN];
    uint8_t cs[GRAIN];
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const ptrdiff_t first = i % pieces / parts * most, row = i / pieces * o->n2 + first, from = i % parts * GRAIN;
        const ptrdiff_t rows = fnn_min(most, o->n2 - first), n = fnn_min(GRAIN, o->n3 - from);
        const REAL *a = o->a + place_of(row, o->n1, o->n2, o->a_strides) + from * o->a_strides[3];
        const REAL *b = o->b ? o->b + place_of(row, o->n1, o->n2, o->b_strides) + from * o->b_strides[3] : NULL;
        const uint8_t *c = o->c ? o->c + place_of(row, o->n1, o->n2, o->c_strides) + from * o->c_strides[3] : NULL;
        FN(apply)(o->y + (row * o->n3 + from) * item, FN(dense)(as, a, o->a_strides, rows, n),
                  FN(dense)(bs, b, o->b_strides, rows, n), dense_bytes(cs, c, o->c_strides, rows, n), rows * n, o->function);
    }
}

void FN(fnn_pointwise)(const struct FN(fnn_pointwise) *o)
{
    const ptrdiff_t parts = (o->n3 + GRAIN - 1) / GRAIN, rows = rows_of_item(o->n3);
    fnn_parallel(o->n0 * o->n1 * ((o->n2 + rows - 1) / rows) * parts,
                 NS_EACH * (double)(fnn_min(rows, o->n2) * fnn_min(GRAIN, o->n3)) + NS_ROW, FN(pointwise_body), o);
}

/* The largest or smallest of n values that lie side by side: first lane by lane, then over the lanes */
static REAL FN(extreme)(const REAL *x, ptrdiff_t n, ptrdiff_t function)
{
    enum { WIDTH = 64 };
    REAL lanes[WIDTH];
    ptrdiff_t width = fnn_min(n, WIDTH);
    memcpy(lanes, x, (size_t)width * sizeof(REAL));
    for (ptrdiff_t i = width; i < n; i += WIDTH)
        TIER->pointwise[function](lanes, lanes, x + i, NULL, fnn_min(WIDTH, n - i));
    for (; width > 1; width = (width + 1) / 2)
        TIER->pointwise[function](lanes, lanes, lanes + (width + 1) / 2, NULL, width / 2);
    return lanes[0];
}

static void FN(reduce_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_reduce) *o = job;
    const int sum = o->function == FNN_POINTWISE_add;
    const int64_t zero = 0;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        REAL *y = o->y + i * o->inner;
        const REAL *x = o->x + i * o->n * o->inner;
        if (o->inner == 1)
            *y = sum ? (REAL)(TIER->row_dot(x, NULL, o->n) / o->divisor) : FN(extreme)(x, o->n, o->function);
        else if (sum)
            TIER->sum_rows(y, x, o->inner, &zero, 0, o->n, o->inner, o->divisor);
        else
        {
            memcpy(y, x, (size_t)o->inner * sizeof(REAL));
            for (ptrdiff_t r = 1; r < o->n; r++)
                TIER->pointwise[o->function](y, y, x + r * o->inner, NULL, o->inner);
        }
    }
}

void FN(fnn_reduce)(const struct FN(fnn_reduce) *o)
{
    fnn_parallel(o->outer, NS_EACH * (double)(o->n * o->inner) + NS_ROW, FN(reduce_body), o);
}

static void FN(sum_taken_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_sum_taken) *o = job;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const int64_t *index = o->index + i * o->n;
        int wrong = 0;
        for (ptrdiff_t r = 0; r < o->n; r++)
            wrong |= (uint64_t)index[r] >= (uint64_t)o->rows;
        if (wrong)
            __atomic_store_n(o->wrong, 1, __ATOMIC_RELAXED);
        else
            TIER->sum_rows(o->y + i * o->c, o->table, 0, index, 1, o->n, o->c, o->divisor);
    }
}

void FN(fnn_sum_taken)(const struct FN(fnn_sum_taken) *o)
{
    fnn_parallel(o->outer, NS_EACH * (double)(o->n * o->c) + NS_ROW, FN(sum_taken_body), o);
}
#endif
