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

static const struct fnn_tier *const tiers[] = { /* the best first */
#if defined(__x86_64__)
    &fnn_tier_avx512, &fnn_tier_avx2,
#elif defined(__aarch64__)
    &fnn_tier_neon,
#endif
    &fnn_tier_base,
};
#define TIERS ((int)(sizeof tiers / sizeof *tiers))

#if defined(__x86_64__) && defined(_WIN32) /* clang-cl links no compiler-rt, which __builtin_cpu_supports needs */
#include <cpuid.h>

static int has(int avx512)
{
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx2 = 1u << 5, f_dq_bw_vl = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31;
    unsigned a, b, c, d, saved, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (fma | osxsave)) != (fma | osxsave))
        return 0;
    __asm__ volatile("xgetbv" : "=a"(saved), "=d"(high) : "c"(0)); /* which registers the system saves for each thread */
    const unsigned registers = avx512 ? 0xE6 : 0x06, features = avx512 ? avx2 | f_dq_bw_vl : avx2;
    return (saved & registers) == registers && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & features) == features;
}
#elif defined(__x86_64__)
static int has(int avx512)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           (!avx512 || (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")));
}
#endif

static int runs_here(const struct fnn_tier *tier)
{
#if defined(__x86_64__)
    return tier == &fnn_tier_base || has(tier == &fnn_tier_avx512);
#else
    (void)tier;
    return 1;
#endif
}

/* A tier with what it borrows: where AVX-512's table of double has no kernel, AVX2's stands, whose bits are the same. */
static const struct fnn_tier *complete(const struct fnn_tier *tier)
{
#if defined(__x86_64__)
    static struct fnn_tier whole;
    void *kernels[sizeof whole.f64 / sizeof(void *)], *lent[sizeof whole.f64 / sizeof(void *)];
    if (tier != &fnn_tier_avx512)
        return tier;
    memcpy(kernels, &tier->f64, sizeof kernels);
    memcpy(lent, &fnn_tier_avx2.f64, sizeof lent);
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++)
        kernels[i] = kernels[i] ? kernels[i] : lent[i];
    whole = *tier;
    memcpy(&whole.f64, kernels, sizeof kernels);
    return &whole;
#else
    return tier;
#endif
}

int fnn_select_isa(const char *name)
{
    ask_cache_size();
    for (int i = 0; i < TIERS; i++)
        if (runs_here(tiers[i]) && (!*name || !strcmp(name, tiers[i]->name)))
        {
            fnn_tier = complete(tiers[i]);
            return 1;
        }
    return 0;
}

const char *fnn_isa(void) { return fnn_tier->name; }

int fnn_isa_count(void) { return TIERS; }

const char *fnn_isa_name(int i) { return tiers[i]->name; }

int fnn_isa_runs(int i) { return runs_here(tiers[i]); }
