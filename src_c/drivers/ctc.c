/* ctc.c: connectionist temporal classification (Graves, Fernandez, Gomez, Schmidhuber 2006), forward and backward in logarithms.
 * Threads take sequences.  Sums over paths are double for either type of input: after hundreds of steps a float would have no
 * correct digit left. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_PLACE 4.0 /* nanoseconds for one place of one step */
#define NS_CLASS 0.4 /* nanoseconds for one class of one step, backward */

#define WIDE     8   /* places are rounded up to whole vectors: the rest alone would take as long, one place after the other */

static ptrdiff_t whole(ptrdiff_t places) { return (places + WIDE - 1) / WIDE * WIDE; }

/* How many places s labels have, with the blanks around them and two more before the first */
ptrdiff_t fnn_ctc_width(ptrdiff_t s) { return 2 + whole(2 * s + 1); }

/* Each sequence needs a row of each array of struct paths, and two rows of places */
ptrdiff_t fnn_ctc_work(ptrdiff_t n, ptrdiff_t s) { return n * 8 * fnn_ctc_width(s); }

/* The places of one sequence: its labels, with blanks before, between and after them.  Backward walks over them in reverse order. */
struct paths
{
    const int64_t *labels;
    ptrdiff_t count, places, blank;
    ptrdiff_t whole; /* the number of places, rounded up to WIDE; no path reaches those beyond the last one */
    int back;
    double *skip;         /* of each place: 0 where paths may come from two places before, else -inf */
    double *emit;         /* the log-probability of each place's label at one step */
    double *before;       /* the sum over the paths that arrive at a place, before it emits */
    double *share, *scale, *at; /* backward only: the share of each place in all paths */
    double *rows[2];
};

static int64_t label_of(const struct paths *p, ptrdiff_t place)
{
    return place % 2 == 0 ? p->blank : p->labels[p->back ? p->count - 1 - place / 2 : place / 2];
}

static void set_out(struct paths *p, double *work, const int64_t *labels, ptrdiff_t s, ptrdiff_t count, ptrdiff_t blank, int back)
{
    const ptrdiff_t width = fnn_ctc_width(s);
    double **const arrays[] = {&p->skip, &p->emit, &p->before, &p->share, &p->scale, &p->at, &p->rows[0], &p->rows[1]};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = work + (ptrdiff_t)i * width;
    p->labels = labels, p->count = count, p->places = 2 * count + 1, p->whole = whole(p->places), p->blank = blank, p->back = back;
    for (ptrdiff_t place = 0; place < p->whole; place++)
        p->skip[place] = p->emit[place] = p->at[place] = -(double)INFINITY;
    for (ptrdiff_t place = 1; place < p->places; place += 2) /* paths may skip the blank between two labels, unless these are the same */
        p->skip[place] = place == 1 || label_of(p, place) != label_of(p, place - 2) ? 0 : -(double)INFINITY;
}

/* The row of places before the first step: all paths begin one place before the first */
static double *start(double *row, ptrdiff_t whole)
{
    for (ptrdiff_t i = 0; i < whole + 2; i++)
        row[i] = i == 1 ? 0 : -(double)INFINITY;
    return row + 2;
}

static double *row_after(double *row)
{
    row[0] = row[1] = -(double)INFINITY;
    return row + 2;
}

/* The logarithm of the probability of all paths that have reached one of the last two places */
static double end_of(const double *row, ptrdiff_t places)
{
    const double never = -(double)INFINITY, nothing = 0;
    double both, unused;
    fnn_tier->ctc_step(&both, &unused, row + places - 1, &never, &nothing, 1);
    return both;
}

#define FNN_SELF "drivers/ctc.c"
#include "each_real.h"
#else

/* Reads each place's log-probability at one step */
static void FN(emit)(const struct paths *p, const REAL *lp)
{
    const double blank = (double)lp[p->blank];
    const ptrdiff_t next = p->back ? -1 : 1;
    ptrdiff_t label = p->back ? p->count - 1 : 0;
    p->emit[0] = blank;
    for (ptrdiff_t place = 1; place < p->places; place += 2, label += next)
    {
        p->emit[place] = (double)lp[p->labels[label]];
        p->emit[place + 1] = blank;
    }
}

static void FN(ctc_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_ctc) *o = job;
    const ptrdiff_t width = fnn_ctc_width(o->s);
    for (ptrdiff_t i = begin; i < end; i++)
    {
        struct paths p;
        double *rows = o->alpha + i * o->kept * width;
        set_out(&p, o->work + fnn_ctc_work(i, o->s), o->targets + i * o->s, o->s, (ptrdiff_t)o->target_lengths[i], o->blank, 0);
        double *row = start(rows, p.whole);
        for (ptrdiff_t t = 0; t < o->input_lengths[i]; t++)
        {
            double *next = row_after(rows + (t + 1) % o->kept * width);
            FN(emit)(&p, o->lp + t * o->lp_strides[0] + i * o->lp_strides[1]);
            fnn_tier->ctc_step(next, p.before, row, p.skip, p.emit, p.whole);
            row = next;
        }
        o->loss[i] = -end_of(row, p.places);
    }
}

void FN(fnn_ctc)(const struct FN(fnn_ctc) *o)
{
    fnn_parallel(o->n, NS_PLACE * (double)(o->t * fnn_ctc_width(o->s)), FN(ctc_body), o);
}

/* dx = g exp(lp): PyTorch adds this term, which the gradient of a log_softmax before the loss removes again */
static void FN(ctc_exp)(REAL *dx, const REAL *lp, ptrdiff_t c, double g)
{
    REAL minus_g[REDUCE_BLOCK];
    for (ptrdiff_t i = 0; i < fnn_min(REDUCE_BLOCK, c); i++)
        minus_g[i] = (REAL)-g;
    for (ptrdiff_t at = 0; at < c; at += REDUCE_BLOCK) /* the gradient of exp(t) (t - x) with respect to x is -exp(t) */
        TIER->xloss[FNN_LOSS_kl_div_log](dx + at, minus_g, lp + at, lp + at, lp + at, 0, fnn_min(REDUCE_BLOCK, c - at));
}

/* dx -= g times the share of the paths that are at each place; `before` is that of the backward walk at this step */
static void FN(ctc_shares)(const struct paths *p, REAL *dx, const double *alpha, double loss)
{
    double blank = 0;
    for (ptrdiff_t place = 0; place < p->places; place++)
        p->at[place] = alpha[place] + p->before[p->places - 1 - place] + loss;
    fnn_tier->f64.xloss[FNN_LOSS_kl_div_log](p->share, p->scale, p->at, p->at, p->at, 0, p->whole);
    for (ptrdiff_t place = 0; place < p->places; place += 2)
        blank += p->share[place];
    dx[p->blank] = (REAL)((double)dx[p->blank] + blank);
    for (ptrdiff_t place = 1; place < p->places; place += 2)
    {
        REAL *d = dx + p->labels[place / 2];
        *d = (REAL)((double)*d + p->share[place]);
    }
}

static void FN(ctc_backward_of)(const struct FN(fnn_ctc_backward) *o, ptrdiff_t i)
{
    struct paths p;
    const ptrdiff_t width = fnn_ctc_width(o->s), steps = (ptrdiff_t)o->input_lengths[i], step = o->n * o->c;
    const double *alpha = o->alpha + i * (o->t + 1) * width + 2;
    set_out(&p, o->work + fnn_ctc_work(i, o->s), o->targets + i * o->s, o->s, (ptrdiff_t)o->target_lengths[i], o->blank, 1);
    double *row = start(p.rows[0], p.whole);
    for (ptrdiff_t place = 0; place < p.whole; place++)
        p.scale[place] = o->dloss[i]; /* the sign is the one of the kernel's own minus */
    for (ptrdiff_t t = steps - 1; t >= 0; t--)
    {
        REAL *dx = o->dx + t * step + i * o->c;
        const REAL *lp = o->lp + t * o->lp_strides[0] + i * o->lp_strides[1];
        double *next = row_after(p.rows[(steps - t) % 2]);
        FN(emit)(&p, lp);
        fnn_tier->ctc_step(next, p.before, row, p.skip, p.emit, p.whole);
        FN(ctc_exp)(dx, lp, o->c, o->dloss[i]);
        FN(ctc_shares)(&p, dx, alpha + (t + 1) * width, o->loss[i]);
        row = next;
    }
}

static void FN(ctc_backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_ctc_backward) *o = job;
    for (ptrdiff_t i = begin; i < end; i++)
    {
        const int live = o->dloss[i] != 0, none = live && isinf(o->loss[i]);
        for (ptrdiff_t t = live && !none ? (ptrdiff_t)o->input_lengths[i] : 0; t < o->t; t++)
            for (ptrdiff_t c = 0; c < o->c; c++)
                o->dx[(t * o->n + i) * o->c + c] = none && t < o->input_lengths[i] ? (REAL)NAN : 0;
        if (live && !none)
            FN(ctc_backward_of)(o, i);
    }
}

void FN(fnn_ctc_backward)(const struct FN(fnn_ctc_backward) *o)
{
    const double each = 2 * NS_PLACE * (double)fnn_ctc_width(o->s) + NS_CLASS * (double)o->c;
    fnn_parallel(o->n, (double)o->t * each, FN(ctc_backward_body), o);
}
#endif
