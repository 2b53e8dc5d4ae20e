/* recurrent.h: what the drivers of recurrent layers share: who takes which sequences, and a step's products.  Included by
 * recurrent.c and gated.c, once before `each_real.h` and once for each type. */
#ifndef REAL
#define MOST_PARTS 64

/* How many rows belong to the first n sequences; without batch_sizes they have all steps */
static ptrdiff_t rows_of(const int64_t *batch_sizes, ptrdiff_t steps, ptrdiff_t n)
{
    ptrdiff_t rows = batch_sizes ? 0 : steps * n;
    for (ptrdiff_t t = 0; batch_sizes && t < steps; t++)
        rows += fnn_min((ptrdiff_t)batch_sizes[t], n);
    return rows;
}

/* Shares the sequences out in parts with about as many rows each: part i has sequences first[i] .. first[i + 1] - 1; returns the
 * number of parts */
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

/* A walk over the steps, in the order of time or against it: the step's first row, and the number of its sequences */
struct walk
{
    const int64_t *batch_sizes;
    ptrdiff_t steps, t, row, n;
    ptrdiff_t forth; /* 1 or -1 */
    ptrdiff_t all;   /* of each step, without batch_sizes */
};

static struct walk walk_of(const int64_t *batch_sizes, ptrdiff_t steps, ptrdiff_t rows, int forth)
{
    return (struct walk){batch_sizes, steps, forth ? -1 : steps, forth ? 0 : rows, 0, forth ? 1 : -1,
                         steps ? rows / steps : 0};
}

static int walk_on(struct walk *w)
{
    w->t += w->forth;
    if (w->t < 0 || w->t >= w->steps)
        return 0;
    w->row += w->forth > 0 ? w->n : 0;
    w->n = w->batch_sizes ? (ptrdiff_t)w->batch_sizes[w->t] : w->all;
    w->row -= w->forth > 0 ? 0 : w->n;
    return 1;
}

/* The backward walk `w` goes against the layer's own walk: returns how many sequences have a step before this one in the layer's
 * walk, and where that step's rows begin */
static ptrdiff_t step_before(const struct walk *w, ptrdiff_t *earlier)
{
    const ptrdiff_t from = w->t + w->forth, others = from >= 0 && from < w->steps ? (ptrdiff_t)w->batch_sizes[from] : 0;
    *earlier = w->forth > 0 ? w->row + w->n : w->row - others;
    return others;
}
#else

/* c (m, n) = or += a b + bias, rows of all dense; b (k, n) is packed */
static void FN(times)(REAL *c, ptrdiff_t ldc, const REAL *a, ptrdiff_t lda, const REAL *packed, const REAL *bias, ptrdiff_t m,
                      ptrdiff_t n, ptrdiff_t k, int accumulate)
{
    const struct FN(fnn_product) o = {.c = c, .c_strides = {0, ldc, 1}, .a = a, .a_strides = {0, lda, 1}, .packed = packed,
                                      .bias = bias, .batch = 1, .m = m, .n = n, .k = k, .accumulate = accumulate, .act = -1};
    TIER->product_panels(&o, 0, m, 0, n);
}

#define NS_PER_PRODUCT 0.02 /* nanoseconds for one multiply-add, with the few rows of a step */
#define NS_PER_GATE    1.0

/* Nanoseconds that a step of one sequence takes */
static double FN(row_cost)(ptrdiff_t kind, ptrdiff_t size, ptrdiff_t p)
{
    const double gates = (double)(fnn_gates(kind) * size), type = (double)(sizeof(REAL) / sizeof(float));
    return type * (gates * ((double)p * NS_PER_PRODUCT + NS_PER_GATE));
}
#endif
