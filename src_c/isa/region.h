/* region.h: what every tier includes before its region opens: a header must not be compiled for a wider machine. */
#include <math.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include "../kernels.h"
