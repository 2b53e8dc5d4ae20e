/* dispatch.c: chooses the table of kernels once, at import. */
#include <string.h>
#ifndef _WIN32
#include <unistd.h>
#endif
#include "kernels.h"

const struct fnn_tier *fnn_tier;
ptrdiff_t fnn_cache_bytes = 32 << 20;

static void ask_cache_size(void)
{
#ifdef _SC_LEVEL3_CACHE_SIZE
    long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (bytes > 0)
        fnn_cache_bytes = bytes;
#endif
}

static const struct fnn_tier *const tiers[] = { /* best first */
#if defined(__x86_64__)
    &fnn_tier_avx512, &fnn_tier_avx2,
#elif defined(__aarch64__)
    &fnn_tier_neon,
#endif
    &fnn_tier_base,
};
#define TIERS ((int)(sizeof tiers / sizeof *tiers))

static int runs_here(const struct fnn_tier *tier)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (tier == &fnn_tier_avx512)
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("fma");
    if (tier == &fnn_tier_avx2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    (void)tier;
    return 1;
}

int fnn_select_isa(const char *name)
{
    ask_cache_size();
    for (int i = 0; i < TIERS; i++)
        if (runs_here(tiers[i]) && (!name || !strcmp(name, tiers[i]->name)))
        {
            fnn_tier = tiers[i];
            return 1;
        }
    return 0;
}

const char *fnn_isa(void) { return fnn_tier->name; }

const char *fnn_isa_name(int i, int *supported)
{
    if (i >= TIERS)
        return NULL;
    *supported = runs_here(tiers[i]);
    return tiers[i]->name;
}
