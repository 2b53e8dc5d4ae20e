/* AVX2 with FMA: x86-64 since 2013. */
#include "region.h"
#ifdef __x86_64__
#define FNN_TARGET     "avx2,fma"
#define FNN_TIER       fnn_tier_avx2
#define FNN_TILE_ROWS  6
#define FNN_TILE_BYTES 64
#include "target.h"
#endif
