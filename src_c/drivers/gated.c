/* gated.c: one direction of a recurrent layer whose gates and activations are any rows of activations.def, with learned scales,
 * peepholes and layer norm.  A step is made of several passes over a gate's values, where recurrent.c has one.  That costs little:
 * the values lie in the first-level cache, and most of the time goes to the functions and the products.
 *
 * A learned slope of a function's argument does not appear here, because it multiplies the weights. */
#ifndef REAL
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"
#include "drivers/recurrent.h"

#define ROOM(kind) (fnn_gates(kind) + 6) /* scratch vectors of `size` values for each sequence */

ptrdiff_t fnn_gated_work(ptrdiff_t kind, ptrdiff_t n, ptrdiff_t size, ptrdiff_t p)
{
    return fnn_packed_size_f64(p, fnn_gates(kind) * size) + fnn_packed_size_f64(p, size) + fnn_packed_size_f64(size, p) +
           n * ROOM(kind) * size;
}

ptrdiff_t fnn_gated_back_work(ptrdiff_t kind, ptrdiff_t n, ptrdiff_t size, ptrdiff_t p)
{
    return fnn_packed_size_f64(fnn_gates(kind) * size, p) + fnn_packed_size_f64(size, p) + fnn_packed_size_f64(p, size) +
           n * ROOM(kind) * size;
}

#define FNN_SELF "drivers/gated.c"
#include "each_real.h"
#else
#include "drivers/recurrent.h"

/* -- forward ---------------------------------------------------------------------------------------------------------- */

struct FN(gated_job)
{
    const struct FN(fnn_gated) *o;
    const REAL *packed, *packed_n, *packed_r; /* U without a GRU's U_n, unless U h is normalized; U_n; the projection */
    REAL *room;
    const ptrdiff_t *first;
};

/* The argument of the function of c: c or its norm, times the slope if there is one; it is written to u, if it is not c itself */
static const REAL *FN(cell_argument)(REAL *u, const REAL *cell, const REAL *gain, const REAL *shift, const REAL *slope,
                                     ptrdiff_t size, double eps)
{
    double mean, rstd;
    if (gain)
        TIER->group_norm(u, &mean, &rstd, cell, size, 1, gain, shift, eps, 1);
    if (slope)
        TIER->multiply(u, gain ? u : cell, slope, size);
    return gain || slope ? u : cell;
}

/* Applies a function to `count` vectors from z on; copies its arguments to `entered` if backward needs them */
static void FN(through)(REAL *z, REAL *entered, ptrdiff_t act, ptrdiff_t count, double a, double b)
{
    if (entered)
        memcpy(entered, z, (size_t)count * sizeof(REAL));
    TIER->act[act](z, z, count, a, b);
}

static void FN(lstm_parts)(const struct FN(fnn_gated) *o, REAL *hidden, REAL *gates, REAL *entered, REAL *c, REAL *cell, REAL *room)
{
    const ptrdiff_t size = o->size;
    REAL *out = gates + 3 * size, *t = room;
    if (o->peephole)
    {
        TIER->accumulate(gates, o->peephole, c, size);
        TIER->accumulate(gates + size, o->peephole + size, c, size);
    }
    FN(through)(gates, entered, o->gate, 2 * size, o->gate_a, o->gate_b);
    FN(through)(gates + 2 * size, entered ? entered + 2 * size : NULL, o->act, size, o->act_a, o->act_b);
    TIER->lstm_next(c, cell, gates, o->scale, size);
    if (o->peephole)
        TIER->accumulate(out, o->peephole + 2 * size, cell, size);
    FN(through)(out, entered ? entered + 3 * size : NULL, o->gate, size, o->gate_a, o->gate_b);
    const REAL *u = FN(cell_argument)(t, cell, o->gain_c, o->shift_c, o->act_learns ? o->scale + 5 * size : NULL, size, o->eps);
    TIER->act[o->act](t, u, size, o->act_a, o->act_b);
    if (o->act_learns)
        TIER->multiply(t, t, o->scale + 4 * size, size);
    if (o->gate_learns)
        TIER->multiply(t, t, o->scale + 3 * size, size);
    TIER->multiply(hidden, out, t, size);
}

static void FN(gru_parts)(const struct FN(fnn_gated) *o, REAL *h, REAL *gates, REAL *entered, const REAL *inner, REAL *room)
{
    const ptrdiff_t size = o->size;
    FN(through)(gates, entered, o->gate, 2 * size, o->gate_a, o->gate_b);
    if (o->gate_learns)
        TIER->multiply(room, gates, o->scale, size);
    TIER->accumulate(gates + 2 * size, o->gate_learns ? room : gates, inner, size);
    FN(through)(gates + 2 * size, entered ? entered + 2 * size : NULL, o->act, size, o->act_a, o->act_b);
    TIER->gru_next(h, gates, o->scale, size);
}

/* Adds U h of m sequences, normalized if there is a gain, to the gates; a GRU's U_n h goes to `inner` instead */
static void FN(add_products)(const struct FN(gated_job) *d, REAL *gates, REAL *inner, REAL *product, const REAL *h, REAL *room,
                             ptrdiff_t m)
{
    const struct FN(fnn_gated) *o = d->o;
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size, apart = o->kind == FNN_GRU ? size : 0;
    if (!o->gain)
    {
        FN(times)(gates, width, h, p, d->packed, NULL, m, width - apart, p, 1);
        if (apart)
            FN(times)(inner, size, h, p, d->packed_n, o->b_hn, m, size, p, 0);
        return;
    }
    FN(times)(product, width, h, p, d->packed, NULL, m, width, p, 0);
    for (ptrdiff_t i = 0; i < m; i++)
    {
        double mean, rstd;
        TIER->group_norm(room, &mean, &rstd, product + i * width, width, 1, o->gain, o->shift, o->eps, 1);
        TIER->add(gates + i * width, gates + i * width, room, width - apart);
        if (apart)
            memcpy(inner + i * size, room + 2 * size, (size_t)size * sizeof(REAL));
    }
}

static void FN(gated_step)(const struct FN(gated_job) *d, ptrdiff_t row, ptrdiff_t first, ptrdiff_t m)
{
    const struct FN(fnn_gated) *o = d->o;
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size;
    REAL *h = o->h + first * p, *gates = o->gates + row * width, *entered = o->entered ? o->entered + row * width : NULL;
    REAL *inner = o->inner ? o->inner + row * size : NULL, *hidden = o->hidden ? o->hidden + row * size : h;
    REAL *room = d->room + first * ROOM(o->kind) * size;
    FN(add_products)(d, gates, inner, o->product ? o->product + row * width : NULL, h, room, m);
    for (ptrdiff_t i = 0; i < m; i++)
    {
        REAL *own = gates + i * width, *given = entered ? entered + i * width : NULL;
        if (o->kind == FNN_LSTM)
            FN(lstm_parts)(o, hidden + i * size, own, given, o->c + (first + i) * size, inner + i * size, room);
        else if (o->kind == FNN_GRU)
            FN(gru_parts)(o, h + i * p, own, given, inner + i * size, room);
        else
        {
            FN(through)(own, given, o->act, size, o->act_a, o->act_b);
            TIER->multiply(h + i * p, own, o->scale, size);
        }
    }
    if (o->hidden)
        FN(times)(h, p, hidden, size, d->packed_r, NULL, m, p, size, 0);
    memcpy(o->y + row * p, h, (size_t)(m * p) * sizeof(REAL));
}

static void FN(gated_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(gated_job) *d = job;
    const ptrdiff_t first = d->first[begin], last = d->first[end];
    for (struct walk w = walk_of(d->o->batch_sizes, d->o->steps, d->o->rows, !d->o->reverse); walk_on(&w);)
        if (w.n > first)
            FN(gated_step)(d, w.row + first, first, fnn_min(w.n, last) - first);
}

void FN(fnn_gated)(const struct FN(fnn_gated) *o)
{
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size;
    const ptrdiff_t apart = o->kind == FNN_GRU && !o->gain ? size : 0;
    ptrdiff_t first[MOST_PARTS + 1];
    REAL *packed = (REAL *)o->work, *packed_n = packed + FN(fnn_packed_size)(p, width);
    REAL *packed_r = packed_n + FN(fnn_packed_size)(p, size), *room = packed_r + FN(fnn_packed_size)(size, p);
    FN(fnn_pack)(packed, o->w_hh, 1, p, p, width - apart);
    if (apart)
        FN(fnn_pack)(packed_n, o->w_hh + (width - apart) * p, 1, p, p, apart);
    if (o->w_hr)
        FN(fnn_pack)(packed_r, o->w_hr, 1, size, size, p);
    const ptrdiff_t parts = share_out(first, o->batch_sizes, o->steps, o->rows, o->n);
    const struct FN(gated_job) d = {o, packed, packed_n, packed_r, room, first};
    if (parts > 0)
        fnn_parallel(parts, FN(row_cost)(o->kind, size, p) * (double)(o->rows / parts), FN(gated_body), &d);
}

/* -- backward --------------------------------------------------------------------------------------------------------- */

struct FN(gated_back_job)
{
    const struct FN(fnn_gated_backward) *o;
    const REAL *packed, *packed_n, *packed_r;
    REAL *room;
    const ptrdiff_t *first;
};

/* One row in the backward pass: its number, its sequence, the state it began with, and scratch memory */
struct FN(back_row)
{
    REAL *dgates, *dh, *dc, *dscale, *room;
    const REAL *gates, *entered, *inner, *before_c, *before_h;
    ptrdiff_t sequence;
};

/* dz of `count` values of y = a s(z): the gradient passes the scale a, if that is learned, and then the function s */
static void FN(back_through)(REAL *dz, REAL *dscale, const REAL *s, const REAL *entered, const REAL *scale, ptrdiff_t learns,
                             ptrdiff_t act, ptrdiff_t count, double a, double b)
{
    if (learns)
        TIER->dscaled(dz, dscale, dz, s, scale, count);
    TIER->dact[act](dz, dz, fnn_acts[act].saves_y ? s : entered, count, a, b);
}

/* The same for the row's vectors from `first` on: gates, or the activation */
static void FN(back_gates)(const struct FN(fnn_gated_backward) *o, const struct FN(back_row) *r, ptrdiff_t first, ptrdiff_t count)
{
    const ptrdiff_t at = first * o->size;
    FN(back_through)(r->dgates + at, r->dscale + at, r->gates + at, r->entered ? r->entered + at : NULL, o->scale + at,
                     o->gate_learns, o->gate, count * o->size, o->gate_a, o->gate_b);
}

static void FN(back_activation)(const struct FN(fnn_gated_backward) *o, const struct FN(back_row) *r, ptrdiff_t first)
{
    const ptrdiff_t at = first * o->size;
    FN(back_through)(r->dgates + at, r->dscale + at, r->gates + at, r->entered ? r->entered + at : NULL, o->scale + at,
                     o->act_learns, o->act, o->size, o->act_a, o->act_b);
}

/* Adds to dc the gradient that passes the function of c; writes the gradient of the output gate's value to `dout` */
static void FN(back_cell)(const struct FN(fnn_gated_backward) *o, const struct FN(back_row) *r, REAL *dout, const REAL *dhidden)
{
    const ptrdiff_t size = o->size;
    const REAL *a_out = o->scale + 3 * size, *a_c = o->scale + 4 * size, *slope = o->scale + 5 * size, *cell = r->inner;
    REAL *t = r->room + size, *d = t + size, *v = d + size;
    double mean, rstd;
    const REAL *u = FN(cell_argument)(r->room, cell, o->gain_c, o->shift_c, o->act_learns ? slope : NULL, size, o->eps);
    TIER->act[o->act](t, u, size, o->act_a, o->act_b);
    if (o->act_learns)
        TIER->multiply(d, t, a_c, size);
    TIER->multiply(dout, dhidden, o->act_learns ? d : t, size);
    TIER->multiply(d, dhidden, r->gates + 3 * size, size);
    if (o->gate_learns)
        TIER->multiply(d, d, a_out, size);
    FN(back_through)(d, r->dscale + 4 * size, t, u, a_c, o->act_learns, o->act, size, o->act_a, o->act_b);
    if (o->gain_c)
        TIER->group_norm(v, &mean, &rstd, cell, size, 1, o->gain_c, o->shift_c, o->eps, 1);
    if (o->act_learns)
        TIER->dscaled(d, r->dscale + 5 * size, d, o->gain_c ? v : cell, slope, size);
    if (o->gain_c)
        TIER->dlayer_rows(d, o->dgain_c + r->sequence * size, o->dshift_c + r->sequence * size, d, cell, 1, size, &mean, &rstd,
                          o->gain_c, 1);
    TIER->add(r->dc, r->dc, d, size);
}

static void FN(back_lstm_parts)(const struct FN(fnn_gated_backward) *o, const struct FN(back_row) *r, const REAL *dhidden)
{
    const ptrdiff_t size = o->size;
    REAL *dout = r->dgates + 3 * size, *dpeephole = o->peephole ? o->dpeephole + r->sequence * 3 * size : NULL;
    FN(back_cell)(o, r, dout, dhidden);
    FN(back_gates)(o, r, 3, 1);
    if (dpeephole)
    {
        TIER->accumulate(r->dc, o->peephole + 2 * size, dout, size);
        TIER->accumulate(dpeephole + 2 * size, dout, r->inner, size);
    }
    TIER->dlstm_next(r->dgates, r->dc, r->gates, o->scale, r->before_c, size);
    FN(back_gates)(o, r, 0, 2);
    FN(back_activation)(o, r, 2);
    for (ptrdiff_t g = 0; dpeephole && g < 2; g++)
    {
        TIER->accumulate(r->dc, o->peephole + g * size, r->dgates + g * size, size);
        TIER->accumulate(dpeephole + g * size, r->dgates + g * size, r->before_c, size);
    }
}

static void FN(back_gru_parts)(const struct FN(fnn_gated_backward) *o, const struct FN(back_row) *r, REAL *dinner)
{
    const ptrdiff_t size = o->size;
    REAL *dr = r->dgates, *dn = dr + 2 * size;
    TIER->dgru_next(r->dgates, r->dh, r->gates, o->scale, r->before_h, size);
    FN(back_activation)(o, r, 2);
    TIER->multiply(dr, dn, r->inner, size);
    TIER->multiply(dinner, r->gates, o->scale, size);
    TIER->multiply(dinner, dinner, dn, size);
    FN(back_gates)(o, r, 0, 2);
}

/* Adds to dh the gradient that passes U h */
static void FN(back_products)(const struct FN(gated_back_job) *d, ptrdiff_t row, ptrdiff_t first, ptrdiff_t m)
{
    const struct FN(fnn_gated_backward) *o = d->o;
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size, apart = o->kind == FNN_GRU ? size : 0;
    const int more = o->kind == FNN_GRU; /* dh already has the part that passes no gate */
    REAL *dh = o->dh + first * p, *dgates = o->dgates + row * width;
    if (!o->gain)
    {
        FN(times)(dh, p, dgates, width, d->packed, NULL, m, p, width - apart, more);
        if (apart)
            FN(times)(dh, p, o->dinner + row * size, size, d->packed_n, NULL, m, p, size, 1);
        return;
    }
    for (ptrdiff_t i = 0; i < m; i++)
    {
        const REAL *product = o->product + (row + i) * width;
        const ptrdiff_t at = (first + i) * width;
        REAL *dnorm = o->dnorm + (row + i) * width;
        double mean, rstd;
        memcpy(dnorm, dgates + i * width, (size_t)(width - apart) * sizeof(REAL));
        if (apart)
            memcpy(dnorm + width - apart, o->dinner + (row + i) * size, (size_t)size * sizeof(REAL));
        TIER->group_norm(NULL, &mean, &rstd, product, width, 1, NULL, NULL, o->eps, 1);
        TIER->dlayer_rows(dnorm, o->dgain + at, o->dshift + at, dnorm, product, 1, width, &mean, &rstd, o->gain, 1);
    }
    FN(times)(dh, p, o->dnorm + row * width, width, d->packed, NULL, m, p, width, more);
}

static void FN(gated_back_step)(const struct FN(gated_back_job) *d, ptrdiff_t row, ptrdiff_t first, ptrdiff_t m, ptrdiff_t earlier,
                                ptrdiff_t known)
{
    const struct FN(fnn_gated_backward) *o = d->o;
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size;
    const int fused = o->kind == FNN_LSTM && o->gate == FNN_ACT_sigmoid && o->act == FNN_ACT_tanh && o->gate_learns &&
                      !o->act_learns && !o->peephole && !o->gain_c;
    const REAL *dhidden = o->dh + first * p;
    for (ptrdiff_t i = 0; i < m; i++)
    {
        REAL *dh = o->dh + (first + i) * p;
        memcpy(o->before + (row + i) * p, i < known ? o->y + (earlier + i) * p : o->h0 + (first + i) * p, (size_t)p * sizeof(REAL));
        TIER->add(dh, dh, o->dy + (row + i) * p, p);
    }
    if (o->w_hr)
    {
        REAL *all = d->room + o->n * ROOM(o->kind) * size - o->n * size + first * size; /* the last vector of each sequence */
        memcpy(o->dout + row * p, dhidden, (size_t)(m * p) * sizeof(REAL));
        FN(times)(all, size, dhidden, p, d->packed_r, NULL, m, size, p, 0);
        dhidden = all;
    }
    for (ptrdiff_t i = 0; i < m; i++)
    {
        const ptrdiff_t n = first + i;
        const struct FN(back_row) r = {
            o->dgates + (row + i) * width, o->dh + n * p, o->dc ? o->dc + n * size : NULL,
            o->dscale + n * fnn_scales(o->kind) * size, d->room + n * (ROOM(o->kind) - 1) * size, o->gates + (row + i) * width,
            o->entered ? o->entered + (row + i) * width : NULL, o->inner ? o->inner + (row + i) * size : NULL,
            !o->c0 ? NULL : i < known ? o->inner + (earlier + i) * size : o->c0 + n * size, o->before + (row + i) * p, n};
        if (fused)
            TIER->dlstm_scaled(r.dgates, r.dc, r.dscale, dhidden + i * size, r.gates, o->scale, r.inner, r.before_c, size);
        else if (o->kind == FNN_LSTM)
            FN(back_lstm_parts)(o, &r, dhidden + i * size);
        else if (o->kind == FNN_GRU)
            FN(back_gru_parts)(o, &r, o->dinner + (row + i) * size);
        else
        {
            memcpy(r.dgates, r.dh, (size_t)size * sizeof(REAL));
            FN(back_activation)(o, &r, 0);
        }
    }
    FN(back_products)(d, row, first, m);
}

static void FN(gated_back_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(gated_back_job) *d = job;
    const ptrdiff_t first = d->first[begin], last = d->first[end];
    for (struct walk w = walk_of(d->o->batch_sizes, d->o->steps, d->o->rows, (int)d->o->reverse); walk_on(&w);)
    {
        ptrdiff_t earlier;
        const ptrdiff_t m = fnn_min(w.n, last) - first, known = step_before(&w, &earlier) - first;
        if (m > 0)
            FN(gated_back_step)(d, w.row + first, first, m, earlier + first, fnn_min(known, m));
    }
}

void FN(fnn_gated_backward)(const struct FN(fnn_gated_backward) *o)
{
    const ptrdiff_t size = o->size, p = o->p, width = fnn_gates(o->kind) * size;
    const ptrdiff_t apart = o->kind == FNN_GRU && !o->gain ? size : 0;
    ptrdiff_t first[MOST_PARTS + 1];
    REAL *packed = (REAL *)o->work, *packed_n = packed + FN(fnn_packed_size)(width, p);
    REAL *packed_r = packed_n + FN(fnn_packed_size)(size, p), *room = packed_r + FN(fnn_packed_size)(p, size);
    FN(fnn_pack)(packed, o->w_hh, p, 1, width - apart, p);
    if (apart)
        FN(fnn_pack)(packed_n, o->w_hh + (width - apart) * p, p, 1, apart, p);
    if (o->w_hr)
        FN(fnn_pack)(packed_r, o->w_hr, size, 1, p, size);
    const ptrdiff_t parts = share_out(first, o->batch_sizes, o->steps, o->rows, o->n);
    const struct FN(gated_back_job) d = {o, packed, packed_n, packed_r, room, first};
    if (parts > 0)
        fnn_parallel(parts, 2 * FN(row_cost)(o->kind, size, p) * (double)(o->rows / parts), FN(gated_back_body), &d);
}
#endif
