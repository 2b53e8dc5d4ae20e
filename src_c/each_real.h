/* each_real.h: instantiates a driver file for float and for double.  The file defines FNN_SELF as its own name and
 * includes this; it is then included twice with REAL, FN(name) = name_f32 or name_f64, and TIER = that type's kernels. */
#define REAL     float
#define FN(name) name##_f32
#define TIER     (&fnn_tier->f32)
#define KERNELS  fnn_kernels_f32
#include FNN_SELF
#undef REAL
#undef FN
#undef TIER
#undef KERNELS
#define REAL     double
#define FN(name) name##_f64
#define TIER     (&fnn_tier->f64)
#define KERNELS  fnn_kernels_f64
#include FNN_SELF
