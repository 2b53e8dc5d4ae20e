/* recurrent.c: one direction of a recurrent layer, forward and backward.  A thread takes some sequences and goes through all of
 * their steps, so that threads never wait for each other; the recurrent weights are packed once.
 *
 * A product's bits depend on its depth alone, and a gate's on its own values.  So results depend neither on how the sequences are
 * shared out among threads, nor on whether the steps come in one call or in several that pass the states on. */
#ifndef REAL
#define FNN_HOT_DRIVER
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"
#include "drivers/recurrent.h"

#define FEW_ROWS     8         /* rows of a step and a thread up to which the inputs of several steps are multiplied at once: weights are read less often */
#define FEW_PANELS   4         /* panels of weights that one row meets at a time */
#define BLOCK_VALUES (1 << 16) /* gates of such steps: 256 KB of float stay in the second-level cache */

/* Steps whose inputs are multiplied at a time, if they are few rows each */
static ptrdiff_t block_steps(ptrdiff_t n, ptrdiff_t width, ptrdiff_t steps)
{
    const ptrdiff_t most = BLOCK_VALUES / fnn_min(n * width + 1, BLOCK_VALUES);
    return fnn_min(most, steps);
}

/* Counted in doubles for both types: float needs half of it */
static ptrdiff_t packed_work(ptrdiff_t kind, ptrdiff_t features, ptrdiff_t size, ptrdiff_t p)
{
    const ptrdiff_t last = kind == FNN_GRU ? 1 : 0; /* 1 if the last gate has a product of its own */
    return fnn_packed_size_f64(features, fnn_gates(kind) * size) + fnn_packed_size_f64(p, (fnn_gates(kind) - last) * size) +
           last * fnn_packed_size_f64(p, size) + fnn_packed_size_f64(size, p);
}

ptrdiff_t fnn_recurrent_work(const struct fnn_recurrent_f32 *o)
{
    const ptrdiff_t width = fnn_gates(o->kind) * o->size, row = width + o->features + 2 * o->size;
    return o->n * (o->p + o->size) + (o->packed ? 0 : packed_work(o->kind, o->features, o->size, o->p)) +
           (o->gates ? 0 : block_steps(o->n, width, o->steps) * o->n * row);
}

ptrdiff_t fnn_recurrent_back_work(ptrdiff_t kind, ptrdiff_t n, ptrdiff_t size, ptrdiff_t p)
{
    return fnn_packed_size_f64(fnn_gates(kind) * size, p) + fnn_packed_size_f64(p, size) + n * size;
}

#define FNN_SELF "drivers/recurrent.c"
#include "each_real.h"
#else

#include "drivers/recurrent.h"

/* -- forward ---------------------------------------------------------------------------------------------------------- */

struct FN(recurrent_job)
{
    const struct FN(fnn_recurrent) *o;
    const REAL *packed_x, *packed, *packed_n, *packed_r; /* W; U (of a GRU without U_n); U_n; the projection */
    REAL *h, *c;
    REAL *room; /* of the steps that one product begins */
    ptrdiff_t block;
    const ptrdiff_t *first;
};

/* The rows of a step.  Rows of x lie x_row values apart, rows of y y_row; those of the others follow each other.  x is NULL if W x
 * stands in gates already. */
struct FN(step_rows)
{
    REAL *gates, *inner, *hidden, *y;
    const REAL *x;
    ptrdiff_t x_row, y_row;
    int turned; /* whether the weights' last panels come first: after the step before, these are in the first-level cache */
};

/* gates = or += W x, bias and U h of m sequences, but for a GRU's U_n, panel by panel: the first sums are in the first-level cache
 * when the second ones are added */
static void FN(gate_products)(const struct FN(recurrent_job) *d, const struct FN(step_rows) *at, const REAL *h, ptrdiff_t m)
{
    const struct FN(fnn_recurrent) *o = d->o;
    const ptrdiff_t width = fnn_gates(o->kind) * o->size, joint = width - (o->kind == FNN_GRU) * o->size;
    const struct FN(fnn_product) x = {.c = at->gates, .c_strides = {0, width, 1}, .a = at->x, .a_strides = {0, at->x_row, 1},
                                      .packed = d->packed_x, .bias = o->bias, .batch = 1, .m = m, .n = width,
                                      .k = o->features, .act = -1};
    const struct FN(fnn_product) u = {.c = at->gates, .c_strides = {0, width, 1}, .a = h, .a_strides = {0, o->p, 1},
                                      .packed = d->packed, .batch = 1, .m = m, .n = joint, .k = o->p, .accumulate = 1, .act = -1};
    const ptrdiff_t wide = TIER->tile_columns * (m == 1 ? FEW_PANELS : 1), last = (width - 1) / wide * wide;
    for (ptrdiff_t done = 0; done < width; done += wide)
    {
        const ptrdiff_t j = at->turned ? last - done : done;
        if (at->x)
            TIER->product_panels(&x, 0, m, j, fnn_min(j + wide, width));
        TIER->product_panels(&u, 0, m, j, fnn_min(j + wide, joint));
    }
}

/* One step of the m sequences from `first` on */
static void FN(recurrent_step)(const struct FN(recurrent_job) *d, struct FN(step_rows) at, ptrdiff_t first, ptrdiff_t m)
{
    const struct FN(fnn_recurrent) *o = d->o;
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size;
    REAL *h = d->h + first * p, *hidden = d->packed_r ? at.hidden : h;
    FN(gate_products)(d, &at, h, m);
    if (o->kind == FNN_GRU)
        FN(times)(at.inner, size, h, p, d->packed_n, o->b_hn, m, size, p, 0);
    for (ptrdiff_t i = 0; i < m; i++)
    {
        REAL *gates = at.gates + i * width, *c = d->c + (first + i) * size;
        if (o->kind == FNN_GRU)
            TIER->gru(h + i * p, gates, at.inner + i * size, size);
        else if (o->kind == FNN_LSTM)
            TIER->lstm(hidden + i * size, c, o->gates ? at.inner + i * size : c, gates, size);
        else
            TIER->act[o->kind == FNN_RNN_RELU ? FNN_ACT_relu : FNN_ACT_tanh](h + i * p, gates, size, 0, 0);
    }
    if (d->packed_r)
        FN(times)(h, p, hidden, size, d->packed_r, NULL, m, p, size, 0);
    for (ptrdiff_t i = 0; i < m; i++)
        memcpy(at.y + i * at.y_row, h + i * p, (size_t)p * sizeof(REAL));
}

/* The row of the sequence `first` at the walk's step, counted among all rows of the layer */
static ptrdiff_t FN(row_of)(const struct FN(fnn_recurrent) *o, const struct walk *w, ptrdiff_t first)
{
    return o->batch_first ? first * o->steps + w->t : w->row + first;
}

/* W x of the steps that `w` comes to next, at most a block's, for sequences first .. last - 1; `x` has room for their rows of x
 * side by side.  Returns where the walk has come to. */
static struct walk FN(begin_block)(const struct FN(recurrent_job) *d, REAL *gates, REAL *x, struct walk w, ptrdiff_t first,
                                   ptrdiff_t last)
{
    const struct FN(fnn_recurrent) *o = d->o;
    const ptrdiff_t width = fnn_gates(o->kind) * o->size, k = o->features, next = o->batch_first ? o->steps : 1;
    ptrdiff_t rows = 0;
    for (ptrdiff_t s = 0; s < d->block && walk_on(&w); s++)
    {
        const REAL *from = o->x + FN(row_of)(o, &w, first) * k;
        for (ptrdiff_t i = 0; i < fnn_min(w.n, last) - first; i++, rows++)
            memcpy(x + rows * k, from + i * next * k, (size_t)k * sizeof(REAL));
    }
    const struct FN(fnn_product) product = {.c = gates, .c_strides = {0, width, 1}, .a = x, .a_strides = {0, k, 1},
                                            .packed = d->packed_x, .bias = o->bias, .batch = 1, .m = rows, .n = width, .k = k,
                                            .act = -1};
    FN(fnn_product)(&product);
    return w;
}

/* All steps of sequences first .. last - 1 */
static void FN(run_sequences)(const struct FN(recurrent_job) *d, ptrdiff_t first, ptrdiff_t last)
{
    const struct FN(fnn_recurrent) *o = d->o;
    const ptrdiff_t size = o->size, width = fnn_gates(o->kind) * size, next = o->batch_first ? o->steps : 1;
    const ptrdiff_t all = o->n * d->block, own = first * d->block; /* rows of scratch memory, and the first of them here */
    REAL *gates = d->room + own * width, *inner = d->room + all * width + own * size, *hidden = inner + all * size;
    REAL *x = d->room + all * (width + 2 * size) + own * o->features;
    struct walk w = walk_of(o->batch_sizes, o->steps, o->rows, !o->reverse), reached = w;
    ptrdiff_t done = 0; /* rows of the block */
    for (ptrdiff_t s = 0; walk_on(&w); s++)
    {
        const ptrdiff_t m = fnn_min(w.n, last) - first, row = FN(row_of)(o, &w, first);
        struct FN(step_rows) at = {.y = o->y + row * o->y_strides[0], .y_row = next * o->y_strides[0], .turned = s % 2 != 0};
        if (s % d->block == 0)
            done = 0;
        if (d->block > 1 && s % d->block == 0)
            reached = FN(begin_block)(d, gates, x, reached, first, last);
        if (m <= 0)
            continue;
        at.gates = o->gates ? o->gates + row * width : gates + done * width;
        at.inner = !o->gates ? inner + done * size : o->inner ? o->inner + row * size : NULL;
        at.hidden = !o->gates ? hidden + done * size : o->hidden ? o->hidden + row * size : NULL;
        if (o->x && d->block == 1)
            at.x = o->x + row * o->features, at.x_row = next * o->features;
        FN(recurrent_step)(d, at, first, m);
        done += m;
    }
}

static void FN(first_state)(REAL *state, const REAL *given, ptrdiff_t n)
{
    if (!given)
        memset(state, 0, (size_t)n * sizeof(REAL));
    else if (given != state)
        memcpy(state, given, (size_t)n * sizeof(REAL));
}

static void FN(recurrent_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(recurrent_job) *d = job;
    FN(run_sequences)(d, d->first[begin], d->first[end]);
}

void FN(fnn_recurrent)(const struct FN(fnn_recurrent) *o)
{
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size;
    const ptrdiff_t joint = width - (o->kind == FNN_GRU) * size;
    ptrdiff_t first[MOST_PARTS + 1];
    const int few = !o->gates && o->n < FEW_ROWS * fnn_get_num_threads();
    REAL *room = (REAL *)o->work; /* packed weights come first, because they then begin cache lines */
    struct FN(recurrent_job) d = {.o = o, .packed_x = o->packed_x, .packed = o->packed, .packed_n = o->packed_n,
                                  .packed_r = o->packed_r, .first = first,
                                  .block = few ? block_steps(o->n, width, o->steps) : 1};
    if (!o->packed)
    {
        REAL *packed_x = room, *packed = packed_x + FN(fnn_packed_size)(o->features, width);
        REAL *packed_n = packed + FN(fnn_packed_size)(p, joint);
        REAL *packed_r = packed_n + FN(fnn_packed_size)(p, width - joint);
        room = packed_r + FN(fnn_packed_size)(size, p);
        if (o->w_ih)
            FN(fnn_pack)(packed_x, o->w_ih, 1, o->features, o->features, width);
        FN(fnn_pack)(packed, o->w_hh, 1, p, p, joint);
        FN(fnn_pack)(packed_n, o->w_hh + joint * p, 1, p, p, width - joint);
        if (o->w_hr)
            FN(fnn_pack)(packed_r, o->w_hr, 1, size, size, p);
        d.packed_x = packed_x, d.packed = packed, d.packed_n = packed_n, d.packed_r = o->w_hr ? packed_r : NULL;
    }
    d.room = room;
    room += o->gates ? 0 : fnn_min(d.block, o->steps) * o->n * (width + o->features + 2 * size);
    d.h = o->h ? o->h : room;
    d.c = o->c ? o->c : room + o->n * p;
    FN(first_state)(d.h, o->h0, o->n * p);
    if (o->kind == FNN_LSTM)
        FN(first_state)(d.c, o->c0, o->n * size);
    const ptrdiff_t parts = share_out(first, o->batch_sizes, o->steps, o->rows, o->n);
    const double cost = FN(row_cost)(o->kind, size, p + (o->gates ? 0 : o->features));
    if (parts > 0)
        fnn_parallel(parts, cost * (double)(o->rows / parts), FN(recurrent_body), &d);
}

/* -- backward --------------------------------------------------------------------------------------------------------- */

struct FN(back_job)
{
    const struct FN(fnn_recurrent_backward) *o;
    const REAL *packed, *packed_n, *packed_r;
    REAL *room; /* (n, size): the gradient before the projection */
    const ptrdiff_t *first;
};

/* Copies the states that the rows of a step began with: for the first `known` sequences those of the rows from `earlier` on, for the
 * others the first states */
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
    for (struct walk w = walk_of(o->batch_sizes, o->steps, o->rows, (int)o->reverse); walk_on(&w);)
    {
        ptrdiff_t earlier;
        const ptrdiff_t m = fnn_min(w.n, last) - first, known = step_before(&w, &earlier) - first;
        if (m > 0)
            FN(back_step)(d, w.row + first, first, m, earlier + first, fnn_min(known, m));
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
