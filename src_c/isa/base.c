/* The tier that runs everywhere: what the compiler's default target has (SSE2 on x86-64), without FMA. */
#include "region.h"
#define FNN_TIER       fnn_tier_base
#define FNN_TIER_IS_SMALL
#define FNN_TILE_ROWS  4
#define FNN_TILE_BYTES 32
#include "../kernels/kernels.inc"
