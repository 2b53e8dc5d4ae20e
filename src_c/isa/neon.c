/* 64-bit ARM, whose default target has NEON and FMA. */
#include "region.h"
#ifdef __aarch64__
#define FNN_TIER         fnn_tier_neon
#define FNN_TIER_HAS_FMA 1
#define FNN_TILE_ROWS    6
#define FNN_TILE_BYTES   64
#include "../kernels/kernels.inc"
#endif
