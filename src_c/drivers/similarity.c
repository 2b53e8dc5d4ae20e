/* similarity.c: cosines and distances of rows, and their gradients.  If the squares of a row would overflow or vanish,
 * its values are divided by a power of two first, which is its unit; for all other rows the unit is 1. */
#ifndef REAL
#include <math.h>
#include <string.h>
#include "kernels.h"
#include "runtime/parallel.h"

#define NS_EACH 0.3
#define NS_ROW  20.0

/* The power of two near `most`, the largest value of a row; 1 for 0, infinity and NaN */
static double unit_of(double most)
{
    int exponent;
    frexp(most, &exponent);
    return most > 0 && most < (double)INFINITY ? ldexp(1, exponent > -1000 ? -exponent : 1000) : 1;
}

#define FNN_SELF "drivers/similarity.c"
#include "each_real.h"
#else

/* Whether a sum of squares has all its digits: it is far from the type's largest and smallest numbers */
static int FN(is_safe)(double square)
{
    return sizeof(REAL) == 4 ? square > 0x1p-80 && square < 0x1p120 : square > 0x1p-900 && square < 0x1p1000;
}

static double FN(largest)(const REAL *x, ptrdiff_t n)
{
    double most = 0;
    for (ptrdiff_t i = 0; i < n; i++)
    {
        const double size = fabs((double)x[i]);
        most = size > most || size != size ? size : most;
    }
    return most;
}

static void FN(times)(REAL *y, const REAL *x, ptrdiff_t n, double unit)
{
    for (ptrdiff_t i = 0; i < n; i++)
        y[i] = (REAL)((double)x[i] * unit);
}

/* sum a b of rows divided by their units, block by block */
static double FN(scaled_dot)(const REAL *a, double unit_a, const REAL *b, double unit_b, ptrdiff_t n)
{
    REAL u[REDUCE_BLOCK], v[REDUCE_BLOCK];
    double sum = 0;
    for (ptrdiff_t at = 0; at < n; at += REDUCE_BLOCK)
    {
        const ptrdiff_t count = fnn_min(REDUCE_BLOCK, n - at);
        FN(times)(u, a + at, count, unit_a);
        FN(times)(v, b + at, count, unit_b);
        sum += TIER->row_dot(u, v, count);
    }
    return sum;
}

/* -- cosines ---------------------------------------------------------------------------------------------------------- */

/* Two rows: their units; in these units the lengths that they are divided by, and the squares of the true lengths; the cosine */
struct FN(two_rows)
{
    double unit1, unit2, length1, length2, cosine;
    int short1, short2; /* whether eps takes the place of the length */
};

static double FN(divisor)(double square, double unit, double eps, int added, int *is_short)
{
    const double length = sqrt(added ? square + eps * unit * unit : square), least = eps * unit;
    *is_short = !added && length < least;
    return *is_short ? least : length;
}

static struct FN(two_rows) FN(measured)(const REAL *x1, const REAL *x2, ptrdiff_t n, double eps, int added)
{
    struct FN(two_rows) p = {.unit1 = 1, .unit2 = 1};
    double square1 = TIER->row_dot(x1, x1, n), square2 = TIER->row_dot(x2, x2, n), dot;
    if (FN(is_safe)(square1) && FN(is_safe)(square2))
        dot = TIER->row_dot(x1, x2, n);
    else
    {
        p.unit1 = unit_of(FN(largest)(x1, n)), p.unit2 = unit_of(FN(largest)(x2, n));
        square1 = FN(scaled_dot)(x1, p.unit1, x1, p.unit1, n), square2 = FN(scaled_dot)(x2, p.unit2, x2, p.unit2, n);
        dot = FN(scaled_dot)(x1, p.unit1, x2, p.unit2, n);
    }
    p.length1 = FN(divisor)(square1, p.unit1, eps, added, &p.short1);
    p.length2 = FN(divisor)(square2, p.unit2, eps, added, &p.short2);
    p.cosine = dot == 0 ? 0 : dot / p.length1 / p.length2;
    return p;
}

static void FN(cosine_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_cosine) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
        o->y[r] = (REAL)FN(measured)(o->x1 + r * o->n, o->x2 + r * o->n, o->n, o->eps, (int)o->added).cosine;
}

void FN(fnn_cosine)(const struct FN(fnn_cosine) *o)
{
    fnn_parallel(o->rows, NS_EACH * (double)o->n + NS_ROW, FN(cosine_body), o);
}

/* da = across b + along a, a and b in their units */
static void FN(mixed)(REAL *da, const REAL *a, double unit_a, double along, const REAL *b, double unit_b, double across, ptrdiff_t n)
{
    if (unit_a == 1 && unit_b == 1)
        TIER->mix_first(da, b, a, n, 0, 0, (REAL)across, (REAL)along, 0);
    else
        for (ptrdiff_t i = 0; i < n; i++)
            da[i] = (REAL)((double)b[i] * unit_b * across + (double)a[i] * unit_a * along);
}

static void FN(cosine_backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_cosine_backward) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * o->n;
        const struct FN(two_rows) p = FN(measured)(o->x1 + at, o->x2 + at, o->n, o->eps, (int)o->added);
        const double dy = (double)o->dy[r], both = dy / p.length1 / p.length2;
        const double along1 = p.short1 || p.length1 == 0 ? 0 : -dy * p.cosine / p.length1 / p.length1;
        const double along2 = p.short2 || p.length2 == 0 ? 0 : -dy * p.cosine / p.length2 / p.length2;
        if (o->dx1)
            FN(mixed)(o->dx1 + at, o->x1 + at, p.unit1, p.unit1 * along1, o->x2 + at, p.unit2, p.unit1 * both, o->n);
        if (o->dx2)
            FN(mixed)(o->dx2 + at, o->x2 + at, p.unit2, p.unit2 * along2, o->x1 + at, p.unit1, p.unit2 * both, o->n);
    }
}

void FN(fnn_cosine_backward)(const struct FN(fnn_cosine_backward) *o)
{
    fnn_parallel(o->rows, 2 * NS_EACH * (double)o->n + NS_ROW, FN(cosine_backward_body), o);
}

/* -- distances -------------------------------------------------------------------------------------------------------- */

static void FN(difference)(REAL *d, const REAL *x1, const REAL *x2, ptrdiff_t n, REAL eps)
{
    for (ptrdiff_t i = 0; i < n; i++)
        d[i] = x1[i] - x2[i] + eps;
}

/* The sum of the squares of (x1 - x2 + eps) / unit; `most` becomes the largest difference if that sum is not safe */
static double FN(square_of)(const REAL *x1, const REAL *x2, ptrdiff_t n, REAL eps, double unit, double *most)
{
    REAL d[REDUCE_BLOCK];
    double sum = 0;
    *most = 0;
    for (ptrdiff_t at = 0; at < n; at += REDUCE_BLOCK)
    {
        const ptrdiff_t count = fnn_min(REDUCE_BLOCK, n - at);
        FN(difference)(d, x1 + at, x2 + at, count, eps);
        if (unit != 1)
            FN(times)(d, d, count, unit);
        sum += TIER->row_dot(d, d, count);
        if (!FN(is_safe)(sum) && unit == 1)
            *most = fmax(*most, FN(largest)(d, count));
    }
    return sum;
}

static double FN(length_of)(const REAL *x1, const REAL *x2, ptrdiff_t n, REAL eps)
{
    double most, square = FN(square_of)(x1, x2, n, eps, 1, &most), unit = 1;
    if (!FN(is_safe)(square))
    {
        unit = unit_of(most);
        square = FN(square_of)(x1, x2, n, eps, unit, &most);
    }
    return sqrt(square) / unit;
}

static void FN(distance_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_distance) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
        o->y[r] = (REAL)FN(length_of)(o->x1 + r * o->n, o->x2 + r * o->n, o->n, (REAL)o->eps);
}

void FN(fnn_distance)(const struct FN(fnn_distance) *o)
{
    fnn_parallel(o->rows, NS_EACH * (double)o->n + NS_ROW, FN(distance_body), o);
}

static void FN(distance_backward_body)(const void *job, ptrdiff_t begin, ptrdiff_t end)
{
    const struct FN(fnn_distance_backward) *o = job;
    for (ptrdiff_t r = begin; r < end; r++)
    {
        const ptrdiff_t at = r * o->n;
        const double length = FN(length_of)(o->x1 + at, o->x2 + at, o->n, (REAL)o->eps);
        const double slope = length == 0 ? 0 : (double)o->dy[r] / length; /* a length of 0 has the gradient 0 */
        FN(difference)(o->dx + at, o->x1 + at, o->x2 + at, o->n, (REAL)o->eps);
        FN(times)(o->dx + at, o->dx + at, o->n, slope);
    }
}

void FN(fnn_distance_backward)(const struct FN(fnn_distance_backward) *o)
{
    fnn_parallel(o->rows, 2 * NS_EACH * (double)o->n + NS_ROW, FN(distance_backward_body), o);
}
#endif
