/* AVX-512, whole registers: gcc would prefer halves. */
#include "region.h"
#ifdef __x86_64__
#ifdef __clang__
#define FNN_TARGET     "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"
#else
#define FNN_TARGET     "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,prefer-vector-width=512"
#endif
#define FNN_TIER       fnn_tier_avx512
#define FNN_TIER_BORROWS /* what waits for memory or is rare: learned parameters, and for double losses, optimizers, recurrence, resizing */
#define FNN_TILE_ROWS  12
#define FNN_TILE_BYTES 128
#include "target.h"
#endif
