/* target.h: the kernels inside a region compiled for FNN_TARGET; the including file names the tier first. */
#define FNN_TIER_HAS_FMA 1
#define FNN_PRAGMA(text) _Pragma(#text)
#define FNN_PRAGMA_OF(text) FNN_PRAGMA(text)
#ifdef __clang__
FNN_PRAGMA_OF(clang attribute push(__attribute__((target(FNN_TARGET))), apply_to = function))
#include "../kernels/kernels.inc"
#pragma clang attribute pop
#else
#pragma GCC push_options
FNN_PRAGMA_OF(GCC target(FNN_TARGET))
#include "../kernels/kernels.inc"
#pragma GCC pop_options
#endif
