/* selftest.c: prints a hash of what each family of kernels computes, for the tier named on the command line or the best.
 *
 * Needs nothing but C, so that it also runs under an emulator of another processor: two tiers with fused multiply-add must
 * print the same lines.  What stands in the tables is run from the tables, the rest by the C calls of the records, which
 * calls.py writes to calls.inc. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ops.h"

static uint64_t state, hash;

static double uniform(void) /* SplitMix64 */
{
    uint64_t z = state += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

static void add_bytes(const void *data, size_t size) /* FNV-1a */
{
    const unsigned char *byte = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ byte[i]) * 0x100000001B3u;
}

static void start(void) { state = 1, hash = 0xCBF29CE484222325u; }
static void finish(const char *family, const char *type) { printf("%s %s %016llx\n", family, type, (unsigned long long)hash); }

#define ROOM 300000
static double work[4 * ROOM], us[ROOM], vs[ROOM], ws[ROOM];
static int64_t targets[ROOM];

/* the arrays of a call: x dy a b are filled, y z are results */
#define BUFFERS                                                                                                        \
    REAL *const x = FN(xs), *const dy = FN(dys), *const y = FN(ys), *const z = FN(zs), *const a = FN(as), *const b = FN(bs); \
    (void)x, (void)dy, (void)y, (void)z, (void)a, (void)b
/* an op by the fields of its record */
#define RUN(op, ...) FN(fnn_##op)(&(const struct FN(fnn_##op)){__VA_ARGS__})
#define FILL(p, n, low, high) FN(fill)(p, n, low, high)
#define ADD(p, n) FN(add)(p, n)
#define ADD_DOUBLES(p, n) add_bytes(p, sizeof(double) * (size_t)(n))
/* a class of n for each row, or -1 */
#define TARGETS(rows, n)                                                                                               \
    for (ptrdiff_t r_ = 0; r_ < (rows); r_++)                                                                          \
    targets[r_] = (int64_t)(uniform() * (double)((n) + 1)) - 1
/* EACH(n, 1, 10): what follows, with n being 1, then 10 */
#define EACH(n, ...)                                                                                                   \
    for (ptrdiff_t i_ = 0, n; n = ((const ptrdiff_t[]){__VA_ARGS__, -1})[i_], n >= 0; i_++)

#define REAL float
#define TYPE "f32"
#define FN(name) name##_f32
#include "families.inc"
#undef REAL
#undef TYPE
#undef FN
#define REAL double
#define TYPE "f64"
#define FN(name) name##_f64
#include "families.inc"

int main(int count, char **arguments)
{
    if (!fnn_select_isa(count > 1 ? arguments[1] : ""))
        return fprintf(stderr, "no tier %s here\n", arguments[1]), 2;
    fnn_select_team("own");
    fnn_set_num_threads(count > 2 ? atoi(arguments[2]) : 2);
    for (size_t i = 0; i < sizeof families_f32 / sizeof *families_f32; i++)
    {
        start(), families_f32[i]();
        start(), families_f64[i]();
    }
    fprintf(stderr, "%s, %d threads\n", fnn_isa(), fnn_get_num_threads());
    return 0;
}
