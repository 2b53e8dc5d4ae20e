/* dispatch.c: chooses the table of kernels once, at import. */
#include <string.h>
#ifndef _WIN32
#include <unistd.h>
#endif
#include "kernels.h"

static struct fnn_tier table;
static int chosen;
const struct fnn_tier *fnn_tier = &table;
ptrdiff_t fnn_cache_bytes = 32 << 20;

static void ask_cache_size(void)
{
#ifdef _SC_LEVEL3_CACHE_SIZE
    long bytes = sysconf(_SC_LEVEL3_CACHE_SIZE);
    if (bytes > 0)
        fnn_cache_bytes = bytes;
#endif
}

static const struct
{
    const char *name;
    void (*fill)(struct fnn_tier *table);
} tiers[] = { /* the best first; each may borrow kernels from the one after it */
#if defined(__x86_64__)
    {"avx512", fnn_tier_avx512}, {"avx2", fnn_tier_avx2},
#elif defined(__aarch64__)
    {"neon", fnn_tier_neon},
#endif
    {"base", fnn_tier_base},
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

static int runs_here(int tier)
{
#if defined(__x86_64__)
    return tier == TIERS - 1 || has(tier == 0);
#else
    (void)tier;
    return 1;
#endif
}

int fnn_select_isa(const char *name)
{
    ask_cache_size();
    for (int i = 0; i < TIERS; i++)
        if (runs_here(i) && (!*name || !strcmp(name, tiers[i].name)))
        {
            if (i + 1 < TIERS)
                tiers[i + 1].fill(&table);
            tiers[i].fill(&table);
            chosen = i;
            return 1;
        }
    return 0;
}

const char *fnn_isa(void) { return tiers[chosen].name; }

int fnn_isa_count(void) { return TIERS; }

const char *fnn_isa_name(int i) { return tiers[i].name; }

int fnn_isa_runs(int i) { return runs_here(i); }
