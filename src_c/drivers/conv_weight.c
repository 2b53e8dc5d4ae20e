/* conv_weight.c: the gradient of a convolution's weight (kernels/conv.inc).
 *
 * Each thread computes one share of the weight's gradient, over all pixels of all samples.  The products of one box of one sample are
 * summed first, and the sums of the boxes are added in order.  So the bits depend on the shapes alone, not on the number of threads.
 * For each box, a thread copies the values of x and dy that it needs to channels-last memory.  The sums lie in panels (kernel place,
 * channel, NR) until the end, when they are copied to the gradient. */
#ifndef REAL
#include <string.h>
#include "drivers/conv.h"
#include "runtime/parallel.h"

#define UNIT 12 /* rows of a panel that are given to a thread together: as many as the largest tile of the kernel has */

/* Where the parts of scratch memory begin, in doubles.  First come the sums, then at `slots` one slot of `slot` doubles for each thread.
 * A slot has a box of x, at `dy` the same output places of dy, and at `runs` the runs. */
struct weight_space
{
    ptrdiff_t slots, dy, runs, slot, total;
};

static ptrdiff_t places_of(const struct conv_plan *p) { return p->axis[0].most * p->axis[1].most * p->axis[2].most; }

static struct weight_space space_of(const struct conv_plan *p, ptrdiff_t slots)
{
    struct weight_space s;
    s.slots = conv_line(p->blocks * p->panels * p->depth * p->width);
    s.dy = conv_line(p->values);
    s.runs = s.dy + conv_line(places_of(p) * p->width);
    s.slot = s.runs + conv_line(p->axis[0].most * p->axis[1].most * (ptrdiff_t)(sizeof(struct fnn_stretch) / sizeof(double)));
    s.total = s.slots + slots * s.slot;
    return s;
}

ptrdiff_t fnn_conv_weight_work(const struct fnn_conv_weight_f32 *o)
{
    const struct conv_axis axes[3] = CONV_AXES(o);
    ptrdiff_t most = 0;
    for (ptrdiff_t part = 1; part <= 2; part++) /* the larger one of float and double */
    {
        const struct conv_plan p = fnn_conv_plan(axes, fnn_tier->f32.tile_columns / part, o->n, o->g, o->c, o->k, o->slots, 1, 0);
        const ptrdiff_t total = space_of(&p, o->slots).total;
        most = total > most ? total : most;
    }
    return most;
}

#define FNN_SELF "drivers/conv_weight.c"
#include "each_real.h"
#else

struct FN(weight_job)
{
    const struct FN(fnn_conv_weight) *o;
    struct conv_plan p;
    struct weight_space space;
    double *work;
    REAL *sums;              /* the sums: panels in scratch memory, or the gradient itself (in_place) */
    ptrdiff_t apart;         /* the distance in values between rows of sums */
    ptrdiff_t units, of_run; /* a unit is UNIT rows of a run, or a kernel row if depthwise; units: their number; of_run: those of a run */
    int in_place;
    int dy_ready; /* depthwise: dy is read from the caller's array, without a copy */
};

/* Copies the output places of a box from dy to channels-last memory, with NR values for each place */
static void FN(gather_dy)(REAL *to, const REAL *dy, const ptrdiff_t *strides, ptrdiff_t channel, ptrdiff_t channels,
                          const struct conv_plan *p, const ptrdiff_t *first, const ptrdiff_t *count)
{
    for (ptrdiff_t d = 0; d < count[0]; d++)
        for (ptrdiff_t h = 0; h < count[1]; h++, to += count[2] * p->width)
            TIER->conv_gather(to, p->width, dy + (first[0] + d) * strides[3] + (first[1] + h) * strides[4] + first[2] * strides[5],
                              channel, strides[5], count[2], channels);
}

/* Whether the sums can be kept in the gradient itself: its output channels lie side by side and fill whole panels, and the rows of a run
 * lie at equal distances */
static int FN(lies_ready)(const struct FN(fnn_conv_weight) *o, const struct conv_plan *p)
{
    const ptrdiff_t *s = o->dweight_strides;
    return !p->each && s[1] == 1 && p->k % p->width == 0 && (p->line == p->c || s[5] == p->c * s[2]);
}

/* The first row of sums of a run of the kernel */
static REAL *FN(sums_of)(const struct FN(weight_job) *j, ptrdiff_t panel, ptrdiff_t run)
{
    const struct conv_plan *p = &j->p;
    const ptrdiff_t *s = j->o->dweight_strides, lines = p->runs / (p->axis[0].kernel * p->axis[1].kernel);
    if (!j->in_place)
        return j->sums + (panel * p->depth + run * p->line) * p->width;
    return j->sums + panel / p->panels * s[0] + panel % p->panels * p->width + run / lines / p->axis[1].kernel * s[3] +
           run / lines % p->axis[1].kernel * s[4] + run % lines * s[5];
}

/* Adds what one box of one sample contributes to units from .. to - 1 of one panel.  `pixel` is the distance in values between pixels of
 * dy.  `add` is 0 for the first box, whose sums replace what stands in memory. */
static void FN(add_box)(const struct FN(weight_job) *j, ptrdiff_t panel, const REAL *box, const REAL *dy, ptrdiff_t pixel,
                        const struct fnn_stretch *runs, ptrdiff_t columns, ptrdiff_t from, ptrdiff_t to, int add)
{
    const struct conv_plan *p = &j->p;
    const struct conv_axis *a = p->axis;
    const ptrdiff_t lines = p->runs / (a[0].kernel * a[1].kernel); /* 1 if a run is a whole row of the kernel */
    for (ptrdiff_t run = from, next; p->each && run < to; run = next) /* rows of one depth are taken together */
    {
        const ptrdiff_t d = run / a[1].kernel, h = run % a[1].kernel, line = a[2].span * p->c;
        next = fnn_min((d + 1) * a[1].kernel, to);
        TIER->conv_weight_each(FN(sums_of)(j, panel, run), box + (d * a[0].dilation * a[1].span + h * a[1].dilation) * line,
                               a[1].dilation * line, a[2].dilation * p->c, a[2].hop * p->c, dy, pixel, runs, next - run, p->line, columns, add);
    }
    for (ptrdiff_t unit = from, next; !p->each && unit < to; unit = next)
    {
        const ptrdiff_t run = unit / j->of_run, row = unit % j->of_run * UNIT;
        next = fnn_min((run + 1) * j->of_run, to);
        const ptrdiff_t rows = fnn_min((next - run * j->of_run) * UNIT, p->line) - row;
        const ptrdiff_t d = run / lines / a[1].kernel * a[0].dilation, h = run / lines % a[1].kernel * a[1].dilation;
        const ptrdiff_t w = run % lines * a[2].dilation;
        const REAL *x = box + ((d * a[1].span + h) * a[2].span + w) * p->c + row;
        TIER->conv_rows(FN(sums_of)(j, panel, run) + row * j->apart, j->apart, x, 1, a[2].hop * p->c, dy, runs, NULL, rows, columns, add,
                        dy + PRODUCT_AHEAD * j->p.width, j->p.width);
    }
}

/* Computes one share of the units, out of o->slots equal ones, over all samples */
static void FN(weight_share)(const struct FN(weight_job) *j, ptrdiff_t share)
{
    const struct FN(fnn_conv_weight) *o = j->o;
    const struct conv_plan *p = &j->p;
    const struct conv_axis *a = p->axis;
    const ptrdiff_t begin = share * j->units / o->slots, end = (share + 1) * j->units / o->slots, of_panel = p->runs * j->of_run;
    const ptrdiff_t *s = o->x_strides, *t = o->dy_strides;
    double *slot = j->work + j->space.slots + share * j->space.slot;
    REAL *box = (REAL *)slot, *dy = (REAL *)(slot + j->space.dy);
    struct fnn_stretch *runs = (struct fnn_stretch *)(slot + j->space.runs);
    const ptrdiff_t strides[4] = {p->each ? s[1] : s[2], s[3], s[4], s[5]};
    for (ptrdiff_t item = 0; item < o->n * p->boxes && begin < end; item++)
    {
        const ptrdiff_t sample = item / p->boxes;
        ptrdiff_t first[3], count[3], held = -1, rows = 0;
        fnn_conv_box(p, item % p->boxes, first, count);
        for (ptrdiff_t d = 0; d < count[0]; d++)
            for (ptrdiff_t h = 0; h < count[1]; h++)
            {
                runs[rows] = (struct fnn_stretch){.offset = (d * a[0].hop * a[1].span + h * a[1].hop) * a[2].span * p->c, .row = rows * count[2],
                                                  .length = count[2]};
                rows++;
            }
        runs[rows - 1].flush = 2;
        for (ptrdiff_t panel = begin / of_panel; panel * of_panel < end; panel++)
        {
            const ptrdiff_t block = panel / p->panels, at = panel % p->panels * p->width;
            const ptrdiff_t columns = fnn_min(p->width, p->each ? o->g - block * p->width : p->k - at);
            if (held != block)
                FN(fnn_gather_box)(box, o->x + sample * s[0] + block * (p->each ? p->width : 1) * s[1], strides, p->each ? columns : p->c,
                               p, first, count, o->mode);
            held = block;
            const REAL *there = o->dy + sample * t[0] + block * (p->each ? p->width : 1) * t[1] + at * t[2];
            const int in_place = j->dy_ready && (columns == p->width || columns == p->width / 2);
            if (in_place)
                there += first[0] * t[3] + first[1] * t[4];
            else
                FN(gather_dy)(dy, there, t, p->each ? t[1] : t[2], columns, p, first, count);
            const ptrdiff_t from = begin - panel * of_panel, to = end - panel * of_panel;
            FN(add_box)(j, panel, box, in_place ? there : dy, in_place ? t[5] : p->width, runs, columns, from < 0 ? 0 : from, fnn_min(to, of_panel), item > 0);
        }
    }
}

static void FN(weight_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    for (ptrdiff_t share = begin; share < end; share++)
        FN(weight_share)(job, share);
}

/* Copies the sums from panels to the gradient */
static void FN(unpack)(const struct FN(weight_job) *j)
{
    const struct FN(fnn_conv_weight) *o = j->o;
    const struct conv_plan *p = &j->p;
    const ptrdiff_t *s = o->dweight_strides, one = p->each ? 1 : p->c;
    const REAL *from = (const REAL *)j->work;
    for (ptrdiff_t panel = 0; panel < p->blocks * p->panels; panel++)
        for (ptrdiff_t row = 0; row < p->depth; row++, from += p->width)
        {
            const ptrdiff_t block = panel / p->panels, at = panel % p->panels * p->width, tap = row / one;
            const ptrdiff_t columns = fnn_min(p->width, p->each ? o->g - block * p->width : p->k - at);
            REAL *to = o->dweight + (p->each ? block * p->width * s[0] : block * s[0] + at * s[1]) + row % one * s[2] +
                       tap / (o->kh * o->kw) * s[3] + tap / o->kw % o->kh * s[4] + tap % o->kw * s[5];
            for (ptrdiff_t i = 0; i < columns; i++)
                to[i * (p->each ? s[0] : s[1])] = from[i];
        }
}

void FN(fnn_conv_weight)(const struct FN(fnn_conv_weight) *o)
{
    const struct conv_axis axes[3] = CONV_AXES(o);
    struct FN(weight_job) j = {.o = o, .p = fnn_conv_plan(axes, TIER->tile_columns, o->n, o->g, o->c, o->k, o->slots, 1, 0)};
    const struct conv_plan *p = &j.p;
    j.space = space_of(p, o->slots);
    j.work = o->work;
    j.of_run = p->each ? 1 : conv_up(p->line, UNIT);
    j.units = p->blocks * p->panels * p->runs * j.of_run;
    j.in_place = FN(lies_ready)(o, p);
    const ptrdiff_t *t = o->dy_strides;
    j.dy_ready = p->each && t[1] == 1 && p->axis[2].boxes == 1 && t[4] == o->ow * t[5] && (o->od == 1 || t[3] == o->oh * t[4]) &&
                 (p->axis[0].most == 1 || p->axis[1].boxes == 1);
    j.sums = j.in_place ? o->dweight : (REAL *)j.work;
    j.apart = j.in_place ? o->dweight_strides[2] : p->width;
    const double products = (double)(p->blocks * p->panels * p->depth * p->width) * (double)(o->od * o->oh * o->ow) * (double)o->n;
    fnn_parallel(o->slots, NS_PER_PRODUCT * (double)(sizeof(REAL) / sizeof(float)) * products / (double)o->slots, FN(weight_body), &j);
    if (!j.in_place)
        FN(unpack)(&j);
}
#endif
