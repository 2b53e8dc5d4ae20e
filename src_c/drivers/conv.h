/* conv.h: how a convolution is cut into boxes of output places.  The input of a box is gathered with its padding, channels-last, in a
 * part of scratch memory ("slot"), which a thread takes and gives back.  Scratch memory does not grow with the input: a box has at
 * most BOX_VALUES values of input, or as many as BOX_COLUMNS output places of one row need. */
#ifndef FNN_CONV_H
#define FNN_CONV_H
#include "kernels.h"
#include "runtime/parallel.h"

#define BOX_VALUES     65536 /* 256 KB of floats, which leaves room in the second-level cache */
#define BOX_COLUMNS    12    /* the rows of the largest tile */
#define BOX_CHANNELS   32    /* channels that the boxes of a depthwise weight's gradient are cut for in every tier, because boxes decide its bits */
#define BOX_PLACES     2048  /* how many products one sum of a weight's gradient has */
#define NS_PER_PRODUCT 0.012 /* nanoseconds for one multiply-add with AVX-512 */

enum conv_padding
{
    CONV_ZEROS, CONV_REFLECT, CONV_REPLICATE, CONV_CIRCULAR
};

struct conv_axis
{
    ptrdiff_t in, out, kernel, stride, pad, dilation;
    ptrdiff_t most, boxes;     /* most: output places of a box; boxes: how many boxes the axis has */
    ptrdiff_t step, hop, span; /* step: distance in the input between places of a box; hop: places between output places; span: places of a box */
};

struct conv_plan
{
    struct conv_axis axis[3];
    ptrdiff_t each;                   /* 1 for a depthwise convolution, in which NR groups of one channel are computed side by side */
    ptrdiff_t wide;                   /* 1 if a box has the channels of all groups */
    ptrdiff_t width;                  /* NR, the columns of a panel of weights */
    ptrdiff_t blocks, c, k, panels;   /* blocks: groups, or blocks of NR groups, each with c channels in, k channels out, and so many panels */
    ptrdiff_t line, runs, flushes;    /* line: products of a run; runs: runs of a sum; flushes: how often a sum is added to the result */
    ptrdiff_t depth, boxes, values;   /* depth: products of a sum; boxes: of one sample and group; values: of a box */
};

#define CONV_AXES(o)                                                                                                   \
    {                                                                                                                  \
        {.in = (o)->id, .out = (o)->od, .kernel = (o)->kd, .stride = (o)->sd, .pad = (o)->pd, .dilation = (o)->ed},    \
        {.in = (o)->ih, .out = (o)->oh, .kernel = (o)->kh, .stride = (o)->sh, .pad = (o)->ph, .dilation = (o)->eh},    \
        {.in = (o)->iw, .out = (o)->ow, .kernel = (o)->kw, .stride = (o)->sw, .pad = (o)->pw, .dilation = (o)->ew},    \
    }

static inline ptrdiff_t conv_up(ptrdiff_t a, ptrdiff_t b) { return (a + b - 1) / b; }

/* How a convolution is cut; weight: for its gradient, whose boxes never depend on the number of threads; wide: a depthwise one
 * of channels-last arrays, which computes all channels of a few pixels */
struct conv_plan fnn_conv_plan(const struct conv_axis *axis, ptrdiff_t width, ptrdiff_t n, ptrdiff_t g, ptrdiff_t c, ptrdiff_t k,
                               ptrdiff_t slots, int weight, int wide);

/* The first output place of the box with this number along each axis, and how many it has */
void fnn_conv_box(const struct conv_plan *p, ptrdiff_t number, ptrdiff_t first[3], ptrdiff_t count[3]);

/* Gathers a box of x (c, d, h, w), which has any strides; x has `channels` channels, and the plan's others are 0 */
void fnn_gather_box_f32(float *box, const float *x, const ptrdiff_t *strides, ptrdiff_t channels, const struct conv_plan *p,
                        const ptrdiff_t *first, const ptrdiff_t *count, ptrdiff_t mode);
void fnn_gather_box_f64(double *box, const double *x, const ptrdiff_t *strides, ptrdiff_t channels, const struct conv_plan *p,
                        const ptrdiff_t *first, const ptrdiff_t *count, ptrdiff_t mode);

/* The beginning of a part of scratch memory: the number of the box that it holds, or -1 */
struct conv_slot
{
    struct fnn_part part;
    ptrdiff_t held;
};

/* Copies one row of outputs, `width` values for each pixel, from scratch memory to the result; residual may be NULL */
void fnn_conv_finish_f32(const struct fnn_conv_f32 *o, int bounded, float *y, ptrdiff_t channel, const float *residual, float *row,
                         ptrdiff_t width, ptrdiff_t pixels, ptrdiff_t channels);
/* Whether the function only limits its argument, as relu does; then `end` gets the two limits */
int fnn_conv_bounds_f32(const struct fnn_conv_f32 *o, struct fnn_conv_end_f32 *end);
/* A convolution by Winograd's algorithm (conv_winograd.c) */
void fnn_winograd_f32(const struct fnn_conv_f32 *o);
void fnn_conv_finish_f64(const struct fnn_conv_f64 *o, int bounded, double *y, ptrdiff_t channel, const double *residual, double *row,
                         ptrdiff_t width, ptrdiff_t pixels, ptrdiff_t channels);
int fnn_conv_bounds_f64(const struct fnn_conv_f64 *o, struct fnn_conv_end_f64 *end);
void fnn_winograd_f64(const struct fnn_conv_f64 *o);
ptrdiff_t fnn_winograd_work(const struct fnn_conv_f32 *o);

/* Scratch memory is counted in doubles, and each of its parts begins a cache line */
static inline ptrdiff_t conv_line(ptrdiff_t doubles) { return conv_up(doubles, 8) * 8; }
static inline double *conv_aligned(double *work) { return (double *)(((uintptr_t)work + 63) & ~(uintptr_t)63); }

#endif
