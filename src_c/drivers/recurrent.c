/* recurrent.c: one direction of a recurrent layer, there and back.  Threads take sequences, each through all its steps, so that
 * nobody waits inside of one; the recurrent weights are packed once.
 *
 * A product's bits depend on its depth alone and the gates' on nothing beside them: results do not depend on how the sequences
 * are shared out, nor on whether the steps come in one call or in several that hand the states on. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_PER_PRODUCT 0.02 /* one multiply-add: the rows of a step are few */
#define NS_PER_GATE    1.0
#define MOST_PARTS     64

/* Weights are packed for float and for double alike: the room that double takes is enough for both */
ptrdiff_t fnn_recurrent_work(ptrdiff_t kind, ptrdiff_t size, ptrdiff_t p)
{
    const ptrdiff_t last = kind == FNN_GRU ? 1 : 0; /* gates that are multiplied apart */
    return fnn_packed_size_f64(p, (fnn_gates(kind) - last) * size) + last * fnn_packed_size_f64(p, size) +
           fnn_packed_size_f64(size, p);
}

ptrdiff_t fnn_recurrent_back_work(ptrdiff_t kind, ptrdiff_t n, ptrdiff_t size, ptrdiff_t p)
{
    return fnn_packed_size_f64(fnn_gates(kind) * size, p) + fnn_packed_size_f64(p, size) + n * size;
}

/* How many rows belong to the first n sequences */
static ptrdiff_t rows_of(const int64_t *batch_sizes, ptrdiff_t steps, ptrdiff_t n)
{
    ptrdiff_t rows = 0;
    for (ptrdiff_t t = 0; t < steps; t++)
        rows += fnn_min((ptrdiff_t)batch_sizes[t], n);
    return rows;
}

/* Sequences for each thread, about as many rows in each part: part i has first[i] .. first[i + 1] - 1; returns the parts */
static ptrdiff_t share_out(ptrdiff_t *first, const int64_t *batch_sizes, ptrdiff_t steps, ptrdiff_t rows, ptrdiff_t n)
{
    const ptrdiff_t parts = fnn_min(fnn_min(fnn_get_num_threads(), MOST_PARTS), n);
    first[0] = 0;
    for (ptrdiff_t i = 1; i < parts; i++)
    {
        ptrdiff_t low = first[i - 1], high = n;
        while (low < high)
        {
            const ptrdiff_t middle = low + (high - low) / 2;
            if (rows_of(batch_sizes, steps, middle) < rows / parts * i)
                low = middle + 1;
            else
                high = middle;
        }
        first[i] = low;
    }
    first[parts] = n;
    return parts;
}

#define FNN_SELF "drivers/recurrent.c"
#include "each_real.h"
#else

/* c (m, n) = or += a b + bias, rows of all dense; b (k, n) is packed */
static void FN(times)(REAL *c, ptrdiff_t ldc, const REAL *a, ptrdiff_t lda, const REAL *packed, const REAL *bias, ptrdiff_t m,
                      ptrdiff_t n, ptrdiff_t k, int accumulate)
{
    const struct FN(fnn_product) o = {.c = c, .c_strides = {0, ldc, 1}, .a = a, .a_strides = {0, lda, 1}, .packed = packed,
                                      .bias = bias, .batch = 1, .m = m, .n = n, .k = k, .accumulate = accumulate, .act = -1};
    for (ptrdiff_t j = 0; j < n; j += TIER->tile_columns)
        TIER->product_panel(&o, 0, m, j);
}

/* What one sequence's step takes, in nanoseconds */
static double FN(row_cost)(ptrdiff_t kind, ptrdiff_t size, ptrdiff_t p)
{
    const double gates = (double)(fnn_gates(kind) * size), type = (double)(sizeof(REAL) / sizeof(float));
    return type * (gates * ((double)p * NS_PER_PRODUCT + NS_PER_GATE));
}

/* -- there ------------------------------------------------------------------------------------------------------------ */

struct FN(recurrent_job)
{
    const struct FN(fnn_recurrent) *o;
    const REAL *packed, *packed_n, *packed_r; /* U, without a GRU's U_n; that; the projection */
    const ptrdiff_t *first;
};

/* One step of the m sequences from `first` on, whose rows begin at `row` */
static void FN(recurrent_step)(const struct FN(recurrent_job) *d, ptrdiff_t row, ptrdiff_t first, ptrdiff_t m)
{
    const struct FN(fnn_recurrent) *o = d->o;
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size;
    REAL *h = o->h + first * p, *gates = o->gates + row * width;
    if (o->kind == FNN_GRU)
    {
        REAL *inner = o->inner + row * size;
        FN(times)(gates, width, h, p, d->packed, NULL, m, 2 * size, p, 1);
        FN(times)(inner, size, h, p, d->packed_n, o->b_hn, m, size, p, 0);
        for (ptrdiff_t i = 0; i < m; i++)
            TIER->gru(h + i * p, gates + i * width, inner + i * size, size);
    }
    else
    {
        FN(times)(gates, width, h, p, d->packed, NULL, m, width, p, 1);
        if (o->kind == FNN_LSTM)
        {
            REAL *hidden = o->hidden ? o->hidden + row * size : h;
            for (ptrdiff_t i = 0; i < m; i++)
                TIER->lstm(hidden + i * size, o->c + (first + i) * size, o->inner + (row + i) * size, gates + i * width, size);
            if (o->hidden)
                FN(times)(h, p, hidden, size, d->packed_r, NULL, m, p, size, 0);
        }
        else
            TIER->act[o->kind == FNN_RNN_RELU ? FNN_ACT_relu : FNN_ACT_tanh](h, gates, m * size, 0, 0);
    }
    for (ptrdiff_t i = 0; i < m; i++)
        memcpy(o->y + (row + i) * o->y_strides[0], h + i * p, (size_t)p * sizeof(REAL));
}

static void FN(recurrent_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(recurrent_job) *d = job;
    const struct FN(fnn_recurrent) *o = d->o;
    const ptrdiff_t first = d->first[begin], last = d->first[end];
    ptrdiff_t row = o->reverse ? o->rows : 0;
    for (ptrdiff_t s = 0; s < o->steps; s++)
    {
        const ptrdiff_t n = (ptrdiff_t)o->batch_sizes[o->reverse ? o->steps - 1 - s : s], m = fnn_min(n, last) - first;
        row -= o->reverse ? n : 0;
        if (m > 0)
            FN(recurrent_step)(d, row + first, first, m);
        row += o->reverse ? 0 : n;
    }
}

void FN(fnn_recurrent)(const struct FN(fnn_recurrent) *o)
{
    const ptrdiff_t size = o->size, p = o->p, joint = (fnn_gates(o->kind) - (o->kind == FNN_GRU)) * size;
    ptrdiff_t first[MOST_PARTS + 1];
    REAL *packed = (REAL *)o->work, *packed_n = packed + FN(fnn_packed_size)(p, joint);
    REAL *packed_r = packed_n + (o->kind == FNN_GRU ? FN(fnn_packed_size)(p, size) : 0);
    FN(fnn_pack)(packed, o->w_hh, 1, p, p, joint);
    if (o->kind == FNN_GRU)
        FN(fnn_pack)(packed_n, o->w_hh + joint * p, 1, p, p, size);
    if (o->w_hr)
        FN(fnn_pack)(packed_r, o->w_hr, 1, size, size, p);
    const ptrdiff_t parts = share_out(first, o->batch_sizes, o->steps, o->rows, o->n);
    const struct FN(recurrent_job) d = {o, packed, packed_n, packed_r, first};
    if (parts > 0)
        fnn_parallel(parts, FN(row_cost)(o->kind, size, p) * (double)(o->rows / parts), FN(recurrent_body), &d);
}

/* -- back ------------------------------------------------------------------------------------------------------------- */

struct FN(back_job)
{
    const struct FN(fnn_recurrent_backward) *o;
    const REAL *packed, *packed_n, *packed_r;
    REAL *room; /* (n, size): the gradient before the projection */
    const ptrdiff_t *first;
};

/* Rows i .. of the step began where the sequences' rows from `earlier` on ended, the first `known` of them; the others began with
 * the first states */
static void FN(look_back)(const struct FN(fnn_recurrent_backward) *o, ptrdiff_t row, ptrdiff_t first, ptrdiff_t m,
                          ptrdiff_t earlier, ptrdiff_t known)
{
    for (ptrdiff_t i = 0; i < m; i++)
    {
        const REAL *h = i < known ? o->y + (earlier + i) * o->y_strides[0] : o->h0 + (first + i) * o->p;
        REAL *dh = o->dh + (first + i) * o->p;
        memcpy(o->before + (row + i) * o->p, h, (size_t)o->p * sizeof(REAL));
        TIER->add(dh, dh, o->dy + (row + i) * o->dy_strides[0], o->p);
    }
}

static void FN(back_lstm)(const struct FN(back_job) *d, ptrdiff_t row, ptrdiff_t first, ptrdiff_t m, ptrdiff_t earlier,
                          ptrdiff_t known)
{
    const struct FN(fnn_recurrent_backward) *o = d->o;
    const ptrdiff_t size = o->size, p = o->p, width = 4 * size;
    REAL *dh = o->dh + first * p, *dgates = o->dgates + row * width;
    const REAL *dhidden = dh;
    if (o->w_hr)
    {
        memcpy(o->dout + row * p, dh, (size_t)(m * p) * sizeof(REAL));
        FN(times)(d->room + first * size, size, dh, p, d->packed_r, NULL, m, size, p, 0);
        dhidden = d->room + first * size;
    }
    for (ptrdiff_t i = 0; i < m; i++)
    {
        const REAL *c = i < known ? o->inner + (earlier + i) * size : o->c0 + (first + i) * size;
        TIER->dlstm(dgates + i * width, o->dc + (first + i) * size, dhidden + i * size, o->gates + (row + i) * width,
                    o->inner + (row + i) * size, c, size);
    }
    FN(times)(dh, p, dgates, width, d->packed, NULL, m, p, width, 0);
}

static void FN(back_step)(const struct FN(back_job) *d, ptrdiff_t row, ptrdiff_t first, ptrdiff_t m, ptrdiff_t earlier,
                          ptrdiff_t known)
{
    const struct FN(fnn_recurrent_backward) *o = d->o;
    const ptrdiff_t size = o->size, width = fnn_gates(o->kind) * size;
    REAL *dh = o->dh + first * o->p, *dgates = o->dgates + row * width;
    FN(look_back)(o, row, first, m, earlier, known);
    if (o->kind == FNN_LSTM)
        FN(back_lstm)(d, row, first, m, earlier, known);
    else if (o->kind == FNN_GRU)
    {
        REAL *dinner = o->dinner + row * size;
        for (ptrdiff_t i = 0; i < m; i++)
            TIER->dgru(dgates + i * width, dinner + i * size, dh + i * size, o->gates + (row + i) * width,
                       o->inner + (row + i) * size, o->before + (row + i) * size, size);
        FN(times)(dh, size, dgates, width, d->packed, NULL, m, size, 2 * size, 1);
        FN(times)(dh, size, dinner, size, d->packed_n, NULL, m, size, size, 1);
    }
    else
    {
        const int act = o->kind == FNN_RNN_RELU ? FNN_ACT_relu : FNN_ACT_tanh;
        for (ptrdiff_t i = 0; i < m; i++)
            TIER->dact[act](dgates + i * size, dh + i * size, o->y + (row + i) * o->y_strides[0], size, 0, 0);
        FN(times)(dh, size, dgates, size, d->packed, NULL, m, size, size, 0);
    }
}

static void FN(back_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(back_job) *d = job;
    const struct FN(fnn_recurrent_backward) *o = d->o;
    const ptrdiff_t first = d->first[begin], last = d->first[end];
    ptrdiff_t row = o->reverse ? 0 : o->rows;
    for (ptrdiff_t s = 0; s < o->steps; s++)
    {
        const ptrdiff_t t = o->reverse ? s : o->steps - 1 - s, n = (ptrdiff_t)o->batch_sizes[t], m = fnn_min(n, last) - first;
        row -= o->reverse ? 0 : n;
        if (m > 0)
        {
            const ptrdiff_t from = o->reverse ? t + 1 : t - 1; /* the step walked before this one */
            const ptrdiff_t others = from >= 0 && from < o->steps ? (ptrdiff_t)o->batch_sizes[from] : 0;
            const ptrdiff_t earlier = o->reverse ? row + n : row - others;
            FN(back_step)(d, row + first, first, m, earlier + first, fnn_min(others - first, m));
        }
        row += o->reverse ? n : 0;
    }
}

void FN(fnn_recurrent_backward)(const struct FN(fnn_recurrent_backward) *o)
{
    const ptrdiff_t size = o->size, p = o->p, joint = (fnn_gates(o->kind) - (o->kind == FNN_GRU)) * size;
    ptrdiff_t first[MOST_PARTS + 1];
    REAL *packed = (REAL *)o->work, *packed_n = packed + FN(fnn_packed_size)(joint, p);
    REAL *packed_r = packed_n + (o->kind == FNN_GRU ? FN(fnn_packed_size)(size, p) : 0);
    FN(fnn_pack)(packed, o->w_hh, p, 1, joint, p);
    if (o->kind == FNN_GRU)
        FN(fnn_pack)(packed_n, o->w_hh + joint * p, p, 1, size, p);
    if (o->w_hr)
        FN(fnn_pack)(packed_r, o->w_hr, size, 1, p, size);
    const ptrdiff_t parts = share_out(first, o->batch_sizes, o->steps, o->rows, o->n);
    const struct FN(back_job) d = {o, packed, packed_n, packed_r, packed_r + FN(fnn_packed_size)(p, size), first};
    if (parts > 0)
        fnn_parallel(parts, 2 * FN(row_cost)(o->kind, size, p) * (double)(o->rows / parts), FN(back_body), &d);
}
#endif
