/* selftest.c: prints a hash of what each family of kernels computes, for the tier named on the command line or the best.
 *
 * Needs nothing but the C sources, so that it also runs under an emulator of another processor: two tiers with fused
 * multiply-add must print the same lines. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fastnn.h"

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

#define TESTS(REAL, SFX)                                                                                               \
    static REAL x_##SFX[ROOM], dy_##SFX[ROOM], y_##SFX[ROOM], z_##SFX[ROOM], a_##SFX[ROOM], b_##SFX[ROOM];             \
                                                                                                                       \
    static void add_##SFX(const REAL *p, ptrdiff_t n) /* the sign and payload of NaN are nobody's promise */           \
    {                                                                                                                  \
        for (ptrdiff_t i = 0; i < n; i++)                                                                              \
        {                                                                                                              \
            const REAL v = p[i] == p[i] ? p[i] : (REAL)12345;                                                          \
            add_bytes(&v, sizeof v);                                                                                   \
        }                                                                                                              \
    }                                                                                                                  \
    static void fill_##SFX(REAL *p, ptrdiff_t n, double low, double high)                                              \
    {                                                                                                                  \
        for (ptrdiff_t i = 0; i < n; i++)                                                                              \
            p[i] = (REAL)(low + (high - low) * uniform());                                                             \
    }                                                                                                                  \
    static void elementwise_##SFX(void)                                                                                \
    {                                                                                                                  \
        const ptrdiff_t n = 70001;                                                                                     \
        const REAL hard[] = {0, (REAL)-0.0, (REAL)INFINITY, (REAL)-INFINITY, (REAL)NAN, (REAL)1e-40, (REAL)-1e-40,     \
                             (REAL)-88.7, (REAL)-103.9, (REAL)-745.1, 3, -3, 6, 20, (REAL)1e19, (REAL)-1e30};          \
        fill_##SFX(dy_##SFX, n, -2, 2);                                                                                \
        for (int act = 0; act < FNN_ACTS; act++)                                                                       \
            for (int wide = 0; wide < 3; wide++)                                                                       \
            {                                                                                                          \
                fill_##SFX(x_##SFX, n, wide == 2 ? -800 : wide ? -110 : -5, wide == 2 ? 800 : wide ? 110 : 5);         \
                memcpy(x_##SFX + 1000, hard, sizeof hard);                                                             \
                fnn_act_forward_##SFX(act, y_##SFX, x_##SFX, n, 0.75, 20);                                             \
                add_##SFX(y_##SFX, n);                                                                                 \
                fnn_act_backward_##SFX(act, z_##SFX, dy_##SFX, fnn_act_saves_y(act) ? y_##SFX : x_##SFX, n, 0.75, 20); \
                add_##SFX(z_##SFX, n);                                                                                 \
            }                                                                                                          \
        finish("elementwise", #SFX);                                                                                   \
    }                                                                                                                  \
    static void learned_##SFX(void)                                                                                    \
    {                                                                                                                  \
        const ptrdiff_t n = 9, c = 13, s = 101;                                                                        \
        fill_##SFX(x_##SFX, n * c * s, -6, 6), fill_##SFX(dy_##SFX, n * c * s, -2, 2);                                 \
        fill_##SFX(a_##SFX, c, 0.5, 2), fill_##SFX(b_##SFX, c, 0.5, 2);                                                \
        for (int act = 0; act < FNN_ACTS; act++)                                                                       \
            for (int last = 0; last < 2 && fnn_act_learns(act); last++)                                                \
            {                                                                                                          \
                fnn_act_channels_##SFX(act, y_##SFX, x_##SFX, a_##SFX, b_##SFX, n, c, s, last);                        \
                fnn_dact_channels_##SFX(act, z_##SFX, dy_##SFX, x_##SFX, a_##SFX, b_##SFX, n, c, s, last);             \
                fnn_act_params_##SFX(act, us, vs, work, dy_##SFX, x_##SFX, a_##SFX, b_##SFX, n, c, s, last);           \
                add_##SFX(y_##SFX, n * c * s), add_##SFX(z_##SFX, n * c * s), add_bytes(us, 8 * (size_t)c);            \
            }                                                                                                          \
        finish("learned", #SFX);                                                                                       \
    }                                                                                                                  \
    static void norms_##SFX(void)                                                                                      \
    {                                                                                                                  \
        const ptrdiff_t sizes[][3] = {{32, 64, 17}, {300, 70, 1}, {2, 3, 20000}};                                      \
        for (int i = 0; i < 6; i++)                                                                                    \
        {                                                                                                              \
            const ptrdiff_t n = sizes[i / 2][0], c = sizes[i / 2][1], s = sizes[i / 2][2], m = n * c * s;              \
            const int last = i % 2 || s == 1;                                                                          \
            fill_##SFX(x_##SFX, m, 1, 5), fill_##SFX(dy_##SFX, m, -2, 2), fill_##SFX(a_##SFX, c, -1, 1);               \
            fnn_norm_train_##SFX(y_##SFX, us, vs, ws, work, x_##SFX, a_##SFX, NULL, n, c, s, last, 1e-5);              \
            add_##SFX(y_##SFX, m), add_bytes(us, 8 * (size_t)c), add_bytes(vs, 8 * (size_t)c);                         \
            fnn_norm_backward_##SFX(z_##SFX, y_##SFX, b_##SFX, work, dy_##SFX, x_##SFX, us, ws, a_##SFX, n, c, s, last, 1); \
            add_##SFX(z_##SFX, m), add_##SFX(y_##SFX, c), add_##SFX(b_##SFX, c);                                       \
            fnn_group_norm_##SFX(y_##SFX, us, vs, x_##SFX, a_##SFX, NULL, n, 1, c, s, 1e-5, i < 3);                    \
            fnn_dgroup_norm_##SFX(z_##SFX, a_##SFX, b_##SFX, work, dy_##SFX, x_##SFX, us, vs, a_##SFX, n, 1, c, s, i < 3); \
            add_##SFX(y_##SFX, m), add_##SFX(z_##SFX, m), add_##SFX(a_##SFX, c), add_##SFX(b_##SFX, c);                \
        }                                                                                                              \
        finish("norms", #SFX);                                                                                         \
    }                                                                                                                  \
    static void rows_##SFX(void)                                                                                       \
    {                                                                                                                  \
        const ptrdiff_t rows = 37, widths[] = {1, 10, 33, 1000, 1317};                                                 \
        for (int i = 0; i < 5; i++)                                                                                    \
        {                                                                                                              \
            const ptrdiff_t n = widths[i], m = rows * n;                                                               \
            fill_##SFX(x_##SFX, m, -9, 9), fill_##SFX(dy_##SFX, m, -2, 2), fill_##SFX(a_##SFX, n, 0, 1);               \
            for (ptrdiff_t r = 0; r < rows; r++)                                                                       \
                targets[r] = (int64_t)(uniform() * (double)(n + 1)) - 1;                                               \
            for (int log = 0; log < 2; log++)                                                                          \
            {                                                                                                          \
                fnn_softmax_##SFX(y_##SFX, x_##SFX, rows, n, log);                                                     \
                fnn_dsoftmax_##SFX(z_##SFX, dy_##SFX, y_##SFX, rows, n, log);                                          \
                add_##SFX(y_##SFX, m), add_##SFX(z_##SFX, m);                                                          \
                fnn_nll_##SFX(y_##SFX, x_##SFX, targets, log ? a_##SFX : NULL, rows, n, log * 0.1);                    \
                fnn_dnll_##SFX(z_##SFX, dy_##SFX, x_##SFX, targets, log ? a_##SFX : NULL, rows, n, log * 0.1);         \
                add_##SFX(y_##SFX, rows), add_##SFX(z_##SFX, m);                                                       \
            }                                                                                                          \
            fnn_unit_rows_##SFX(y_##SFX, x_##SFX, rows, n, 1e-12);                                                     \
            fnn_dunit_rows_##SFX(z_##SFX, dy_##SFX, x_##SFX, rows, n, 1e-12);                                          \
            add_##SFX(y_##SFX, m), add_##SFX(z_##SFX, m);                                                              \
            fnn_glu_##SFX(y_##SFX, NULL, x_##SFX, rows, n / 2);                                                        \
            fnn_glu_##SFX(z_##SFX, dy_##SFX, x_##SFX, rows, n / 2);                                                    \
            add_##SFX(y_##SFX, rows * (n / 2)), add_##SFX(z_##SFX, rows * (n / 2) * 2);                                \
        }                                                                                                              \
        finish("rows", #SFX);                                                                                          \
    }                                                                                                                  \
    static void losses_##SFX(void)                                                                                     \
    {                                                                                                                  \
        const ptrdiff_t n = 30011;                                                                                     \
        fill_##SFX(x_##SFX, n, 0.01, 0.99), fill_##SFX(dy_##SFX, n, 0.01, 0.99);                                       \
        for (int loss = 0; loss < FNN_LOSSES; loss++)                                                                  \
        {                                                                                                              \
            fnn_loss_##SFX(loss, y_##SFX, x_##SFX, dy_##SFX, NULL, NULL, n, 0.5);                                      \
            double sum = fnn_loss_sum_##SFX(loss, work, x_##SFX, dy_##SFX, NULL, NULL, n, 0.5);                        \
            fnn_dloss_##SFX(loss, z_##SFX, NULL, x_##SFX, dy_##SFX, NULL, NULL, n, 0.5, 0.3, 0);                       \
            add_##SFX(y_##SFX, n), add_##SFX(z_##SFX, n), add_bytes(&sum, sizeof sum);                                 \
        }                                                                                                              \
        finish("losses", #SFX);                                                                                        \
    }                                                                                                                  \
    static void products_##SFX(void)                                                                                   \
    {                                                                                                                  \
        const ptrdiff_t sizes[][3] = {{128, 97, 513}, {1, 300, 600}, {37, 10, 300}, {241, 65, 129}, {5, 5, 0}};        \
        for (int i = 0; i < 10; i++)                                                                                   \
        {                                                                                                              \
            const ptrdiff_t m = sizes[i / 2][0], n = sizes[i / 2][1], k = sizes[i / 2][2];                             \
            fill_##SFX(x_##SFX, m * k, -1, 1), fill_##SFX(dy_##SFX, k * n, -1, 1), fill_##SFX(a_##SFX, n, -1, 1);      \
            fnn_gemm_##SFX(y_##SFX, x_##SFX, k, 1, dy_##SFX, i % 2 ? 1 : n, i % 2 ? k : 1, a_##SFX, m, n, k);          \
            add_##SFX(y_##SFX, m * n);                                                                                 \
            fnn_column_sums_##SFX(z_##SFX, y_##SFX, m, n);                                                             \
            add_##SFX(z_##SFX, n);                                                                                     \
        }                                                                                                              \
        finish("products", #SFX);                                                                                      \
    }                                                                                                                  \
    static void updates_##SFX(void)                                                                                    \
    {                                                                                                                  \
        const ptrdiff_t n = 20011;                                                                                     \
        const double hyper[16] = {0.01, 0.9, 0.99, 1e-8, 0.1, 0.2, 0.5, 0.25, 1, 2, 3, 4, 5, 6, 7, 8};                 \
        const struct fnn_step step = {1, 0.01, 0.999, 1e-4};                                                           \
        for (int rule = 0; rule < FNN_RULES; rule++)                                                                   \
        {                                                                                                              \
            REAL *p = x_##SFX, *g = dy_##SFX, *states[4] = {y_##SFX, z_##SFX, a_##SFX, b_##SFX};                       \
            fill_##SFX(p, n, -1, 1), fill_##SFX(g, n, -1, 1);                                                          \
            for (int i = 0; i < 4; i++)                                                                                \
                fill_##SFX(states[i], n, 0.1, 1);                                                                      \
            fnn_optim_step_##SFX(rule, &p, &g, states, &n, 1, hyper, &step);                                           \
            add_##SFX(p, n);                                                                                           \
            for (int i = 0; i < 4; i++)                                                                                \
                add_##SFX(states[i], n);                                                                               \
        }                                                                                                              \
        finish("updates", #SFX);                                                                                       \
    }                                                                                                                  \
    static void masks_##SFX(void)                                                                                      \
    {                                                                                                                  \
        const struct fnn_dropout h = {20000, 1.5, 0.25, -1};                                                           \
        fill_##SFX(x_##SFX, 40000, -1, 1);                                                                             \
        fnn_dropout_##SFX(y_##SFX, x_##SFX, 40000, 1, 77, &h);                                                         \
        fnn_dropout_##SFX(z_##SFX, x_##SFX, 400, 100, 78, &h);                                                         \
        add_##SFX(y_##SFX, 40000), add_##SFX(z_##SFX, 40000);                                                          \
        finish("masks", #SFX);                                                                                         \
    }

TESTS(float, f32)
TESTS(double, f64)

int main(int count, char **arguments)
{
    if (!fnn_select_isa(count > 1 ? arguments[1] : NULL))
        return fprintf(stderr, "no tier %s here\n", arguments[1]), 2;
    fnn_select_team("own");
    fnn_set_num_threads(count > 2 ? atoi(arguments[2]) : 2);
    void (*const tests[])(void) = {elementwise_f32, elementwise_f64, learned_f32, learned_f64, norms_f32, norms_f64,
                                   rows_f32, rows_f64, losses_f32, losses_f64, products_f32, products_f64, updates_f32,
                                   updates_f64, masks_f32, masks_f64};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
    {
        start();
        tests[i]();
    }
    fprintf(stderr, "%s, %d threads\n", fnn_isa(), fnn_get_num_threads());
    return 0;
}
