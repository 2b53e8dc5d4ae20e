# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
# cython: freethreading_compatible=True
"""The C kernels as Python functions: one per kernel shape, arguments already checked by the callers.

Typed memoryviews carry the arrays.  The one exception is the dense element-wise call, which takes the arrays' pointers:
two memoryviews alone cost more than the whole call.  Functions of a fused type are indexed by the type name where they
are used (`gemm["float"]`), which spares their dispatch at every call.
"""
cimport cython
from cpython.float cimport PyFloat_CheckExact
from cpython.long cimport PyLong_CheckExact
from cpython.pycapsule cimport PyCapsule_New
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.math cimport sqrt
from libc.stddef cimport ptrdiff_t
from libc.string cimport memset, strcpy
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
cimport numpy as cnp

import functools
import itertools
import math
import threading

import numpy as np
from cython cimport floating

cnp.import_array()

cdef extern from "numpy/arrayobject.h":
    object PyArray_NewLikeArray(cnp.ndarray prototype, cnp.NPY_ORDER order, cnp.PyArray_Descr *dtype, int subok)

include "_memory.pxi"
include "_tape.pxi"

# -- instruction sets and threads -------------------------------------------------------------------------------------

def select_isa(name):
    """Choose the kernels by tier name, or the best for None; False if this machine has no such tier."""
    cdef bytes encoded
    if name is None:
        return bool(fnn_select_isa(NULL))
    encoded = name.encode()
    return bool(fnn_select_isa(encoded))


def isa():
    """Name of the instruction-set tier in use: "avx512", "avx2", "neon" or "base"."""
    return fnn_isa().decode()


def isa_tiers():
    """The build's tiers, best first, as (name, runs on this machine)."""
    cdef int i = 0, supported = 0
    tiers = []
    while fnn_isa_name(i, &supported) != NULL:
        tiers.append((fnn_isa_name(i, &supported).decode(), bool(supported)))
        i += 1
    return tiers


def build_config():
    """How the extension was built."""
    return {"compiler": FNN_COMPILER.decode(), "flags": FNN_FLAGS.decode(), "omp_simd": bool(FNN_SIMD)}


def select_team(name):
    cdef bytes encoded
    if name is None:
        return bool(fnn_select_team(NULL))
    encoded = name.encode()
    return bool(fnn_select_team(encoded))


def team():
    """Which threads do the work: "own", "openmp" or "serial"."""
    return fnn_team().decode()


def set_num_threads(int n):
    fnn_set_num_threads(n)


def get_num_threads():
    return fnn_get_num_threads()


def set_thread_limit(int n):
    """Limit the calling thread's work to n threads (0: no limit of its own); returns the limit before."""
    return fnn_set_thread_limit(n)


def team_size():
    """Worker threads alive, the callers not counted."""
    return fnn_team_size()


# -- element-wise functions -------------------------------------------------------------------------------------------

cdef object general_unary = None
cdef object general_unary_backward = None

def set_general(forward, backward):
    """What the calls below hand over to for anything but plain arrays and numbers: lists, Tensors, views with gaps."""
    global general_unary, general_unary_backward
    general_unary, general_unary_backward = forward, backward


ACTS = {fnn_act_name(i).decode(): i for i in range(FNN_ACTS)}
SAVES_Y = tuple(bool(fnn_act_saves_y(i)) for i in range(FNN_ACTS))
LEARNS = tuple(fnn_act_learns(i) for i in range(FNN_ACTS))  # how many of the row's parameters can be learned

cdef inline bint is_plain(object x) noexcept:
    """A float32 or float64 array, native, aligned and in C or Fortran order."""
    return (cnp.PyArray_CheckExact(x)
            and (cnp.PyArray_TYPE(<cnp.ndarray>x) == cnp.NPY_FLOAT or cnp.PyArray_TYPE(<cnp.ndarray>x) == cnp.NPY_DOUBLE)
            and cnp.PyArray_ISBEHAVED_RO(<cnp.ndarray>x)
            and (cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>x) or cnp.PyArray_IS_F_CONTIGUOUS(<cnp.ndarray>x)))


cdef inline bint is_alike(cnp.ndarray x, object y) noexcept:
    """y: a plain array of x's type, shape and order, either x's own memory or apart from it."""
    cdef int i
    cdef char *px
    cdef char *py
    if not is_plain(y) or cnp.PyArray_TYPE(<cnp.ndarray>y) != cnp.PyArray_TYPE(x):
        return False
    if cnp.PyArray_NDIM(<cnp.ndarray>y) != cnp.PyArray_NDIM(x):
        return False
    for i in range(cnp.PyArray_NDIM(x)):
        if cnp.PyArray_DIM(<cnp.ndarray>y, i) != cnp.PyArray_DIM(x, i):
            return False
    if not (cnp.PyArray_IS_C_CONTIGUOUS(x) and cnp.PyArray_IS_C_CONTIGUOUS(<cnp.ndarray>y)
            or cnp.PyArray_IS_F_CONTIGUOUS(x) and cnp.PyArray_IS_F_CONTIGUOUS(<cnp.ndarray>y)):
        return False
    px = <char *>cnp.PyArray_DATA(x)
    py = <char *>cnp.PyArray_DATA(<cnp.ndarray>y)
    return px == py or px + cnp.PyArray_NBYTES(x) <= py or py + cnp.PyArray_NBYTES(x) <= px


cdef inline object output_like(cnp.ndarray x, object out):
    """A new array of x's type, shape and order, or `out` if it will do, else None."""
    if out is None:
        return new_like(x, cnp.NPY_KEEPORDER)
    if is_alike(x, out) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray>out):
        return out
    return None


cdef inline bint is_number(object value) noexcept:
    return PyFloat_CheckExact(value) or PyLong_CheckExact(value)


def unary(int act, x, out=None, a=0.0, b=0.0):
    """y = f(x; a, b)."""
    cdef ptrdiff_t n
    cdef double pa, pb
    cdef void *py
    cdef void *px
    y = None
    if watchers:
        watcher = free_watcher()
        if watcher is not None:
            return watcher.run(fnn_act_name(act).decode(), functools.partial(unary, act, x, out, a, b), (x,))
    if is_plain(x) and is_number(a) and is_number(b):
        y = output_like(<cnp.ndarray>x, out)
    if y is None:
        return general_unary(act, x, out, a, b)
    pa, pb = a, b
    n = cnp.PyArray_SIZE(<cnp.ndarray>x)
    px = cnp.PyArray_DATA(<cnp.ndarray>x)
    py = cnp.PyArray_DATA(<cnp.ndarray>y)
    if cnp.PyArray_TYPE(<cnp.ndarray>x) == cnp.NPY_FLOAT:
        with nogil:
            fnn_act_forward_f32(act, <float *>py, <float *>px, n, pa, pb)
    else:
        with nogil:
            fnn_act_forward_f64(act, <double *>py, <double *>px, n, pa, pb)
    return y


def unary_backward(int act, dy, saved, out=None, a=0.0, b=0.0):
    """dx of dy and the saved tensor."""
    cdef ptrdiff_t n
    cdef double pa, pb
    cdef void *px
    cdef void *pdy
    cdef void *pdx
    dx = None
    if is_plain(dy) and is_alike(<cnp.ndarray>dy, saved) and is_number(a) and is_number(b):
        dx = output_like(<cnp.ndarray>dy, out)
        if out is not None and dx is not None and not is_alike(<cnp.ndarray>saved, dx):
            dx = None
    if dx is None:
        return general_unary_backward(act, dy, saved, out, a, b)
    pa, pb = a, b
    n = cnp.PyArray_SIZE(<cnp.ndarray>dy)
    px = cnp.PyArray_DATA(<cnp.ndarray>saved)
    pdy = cnp.PyArray_DATA(<cnp.ndarray>dy)
    pdx = cnp.PyArray_DATA(<cnp.ndarray>dx)
    if cnp.PyArray_TYPE(<cnp.ndarray>dy) == cnp.NPY_FLOAT:
        with nogil:
            fnn_act_backward_f32(act, <float *>pdx, <float *>pdy, <float *>px, n, pa, pb)
    else:
        with nogil:
            fnn_act_backward_f64(act, <double *>pdx, <double *>pdy, <double *>px, n, pa, pb)
    return dx


def unary_rows(int act, floating[:, :] y, const floating[:, :] x, double a, double b):
    """y = f(x; a, b) over views with any strides; their memory is the same or apart."""
    cdef ptrdiff_t[2] ys = [y.strides[0] // <ptrdiff_t>sizeof(floating), y.strides[1] // <ptrdiff_t>sizeof(floating)]
    cdef ptrdiff_t[2] xs = [x.strides[0] // <ptrdiff_t>sizeof(floating), x.strides[1] // <ptrdiff_t>sizeof(floating)]
    if x.shape[0] == 0 or x.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            fnn_act_forward_rows_f32(act, &y[0, 0], ys, &x[0, 0], xs, x.shape[0], x.shape[1], a, b)
        else:
            fnn_act_forward_rows_f64(act, &y[0, 0], ys, &x[0, 0], xs, x.shape[0], x.shape[1], a, b)


def unary_backward_rows(int act, floating[:, :] dx, const floating[:, :] dy, const floating[:, :] saved, double a, double b):
    cdef ptrdiff_t size = sizeof(floating)
    cdef ptrdiff_t[2] dxs = [dx.strides[0] // size, dx.strides[1] // size]
    cdef ptrdiff_t[2] dys = [dy.strides[0] // size, dy.strides[1] // size]
    cdef ptrdiff_t[2] ss = [saved.strides[0] // size, saved.strides[1] // size]
    if dy.shape[0] == 0 or dy.shape[1] == 0:
        return
    with nogil:
        if floating is float:
            fnn_act_backward_rows_f32(act, &dx[0, 0], dxs, &dy[0, 0], dys, &saved[0, 0], ss, dy.shape[0], dy.shape[1], a, b)
        else:
            fnn_act_backward_rows_f64(act, &dx[0, 0], dxs, &dy[0, 0], dys, &saved[0, 0], ss, dy.shape[0], dy.shape[1], a, b)


# Rows with parameters a, b of each channel; x: (n, c, s) in memory, or (n, s, c) if last, flattened.

def channels(int act, floating[::1] y, const floating[::1] x, const floating[::1] a, const floating[::1] b, ptrdiff_t n,
             ptrdiff_t c, ptrdiff_t s, bint last):
    with nogil:
        if floating is float:
            fnn_act_channels_f32(act, &y[0], &x[0], &a[0], &b[0], n, c, s, last)
        else:
            fnn_act_channels_f64(act, &y[0], &x[0], &a[0], &b[0], n, c, s, last)


def channels_backward(int act, floating[::1] dx, const floating[::1] dy, const floating[::1] x, const floating[::1] a,
                      const floating[::1] b, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, bint last):
    with nogil:
        if floating is float:
            fnn_dact_channels_f32(act, &dx[0], &dy[0], &x[0], &a[0], &b[0], n, c, s, last)
        else:
            fnn_dact_channels_f64(act, &dx[0], &dy[0], &x[0], &a[0], &b[0], n, c, s, last)


def channels_params(int act, double[::1] da, double[::1] db, double[::1] work, const floating[::1] dy, const floating[::1] x,
                    const floating[::1] a, const floating[::1] b, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, bint last):
    with nogil:
        if floating is float:
            fnn_act_params_f32(act, &da[0], &db[0], &work[0], &dy[0], &x[0], &a[0], &b[0], n, c, s, last)
        else:
            fnn_act_params_f64(act, &da[0], &db[0], &work[0], &dy[0], &x[0], &a[0], &b[0], n, c, s, last)


# -- normalization ----------------------------------------------------------------------------------------------------
# x: (n, c, s) in memory, or (n, s, c) if last, flattened.

cdef inline const floating *pointer(const floating[::1] array) noexcept nogil:
    return &array[0] if array is not None and array.shape[0] > 0 else NULL


def norm_work(ptrdiff_t n, ptrdiff_t c, ptrdiff_t s):
    """Doubles of work space that the functions below need."""
    return fnn_norm_work(n, c, s)


def reciprocal_std(const double[::1] var, double eps):
    """1 / sqrt(var + eps); a negative variance gives NaN, and no warning."""
    cdef ptrdiff_t i
    result = new_like(var.base, cnp.NPY_KEEPORDER)
    cdef double[::1] rstd = result
    for i in range(var.shape[0]):
        rstd[i] = 1 / sqrt(var[i] + eps)
    return result


def norm_stats(double[::1] mean, double[::1] var, double[::1] work, const floating[::1] x, ptrdiff_t n, ptrdiff_t c,
               ptrdiff_t s, bint last):
    with nogil:
        if floating is float:
            fnn_norm_stats_f32(&mean[0], &var[0], &work[0], &x[0], n, c, s, last)
        else:
            fnn_norm_stats_f64(&mean[0], &var[0], &work[0], &x[0], n, c, s, last)


def norm_forward(floating[::1] y, double[::1] work, const floating[::1] x, const double[::1] mean, const double[::1] rstd,
                 const floating[::1] gamma, const floating[::1] beta, ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, bint last):
    with nogil:
        if floating is float:
            fnn_norm_forward_f32(&y[0], &work[0], &x[0], &mean[0], &rstd[0], pointer(gamma), pointer(beta), n, c, s, last)
        else:
            fnn_norm_forward_f64(&y[0], &work[0], &x[0], &mean[0], &rstd[0], pointer(gamma), pointer(beta), n, c, s, last)


def norm_backward(floating[::1] dx, floating[::1] dgamma, floating[::1] dbeta, double[::1] work, const floating[::1] dy,
                  const floating[::1] x, const double[::1] mean, const double[::1] rstd, const floating[::1] gamma,
                  ptrdiff_t n, ptrdiff_t c, ptrdiff_t s, bint last, bint training):
    with nogil:
        if floating is float:
            fnn_norm_backward_f32(<float *>pointer(dx), &dgamma[0], &dbeta[0], &work[0], &dy[0], &x[0], &mean[0], &rstd[0],
                                  pointer(gamma), n, c, s, last, training)
        else:
            fnn_norm_backward_f64(<double *>pointer(dx), &dgamma[0], &dbeta[0], &work[0], &dy[0], &x[0], &mean[0], &rstd[0],
                                  pointer(gamma), n, c, s, last, training)


def norm_mix(floating[::1] dx, double[::1] work, const floating[::1] dy, const floating[::1] x, const double[::1] mean,
             const floating[::1] scale, const floating[::1] slope, const floating[::1] shift, ptrdiff_t c, ptrdiff_t s):
    """dx = scale dy + slope (x - mean) + shift over (c, s)."""
    with nogil:
        if floating is float:
            fnn_norm_mix_f32(&dx[0], &work[0], &dy[0], &x[0], &mean[0], &scale[0], &slope[0], &shift[0], c, s)
        else:
            fnn_norm_mix_f64(&dx[0], &work[0], &dy[0], &x[0], &mean[0], &scale[0], &slope[0], &shift[0], c, s)


def group_norm_work(ptrdiff_t rows, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s):
    """Doubles of work space that group_norm_backward needs."""
    return fnn_group_norm_work(rows, g, k, s)


def group_norm(floating[::1] y, double[::1] mean, double[::1] rstd, const floating[::1] x, const floating[::1] gamma,
               const floating[::1] beta, ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, double eps, bint centre):
    with nogil:
        if floating is float:
            fnn_group_norm_f32(<float *>pointer(y), &mean[0], &rstd[0], &x[0], pointer(gamma), pointer(beta), mean.shape[0], g, k, s, eps, centre)
        else:
            fnn_group_norm_f64(<double *>pointer(y), &mean[0], &rstd[0], &x[0], pointer(gamma), pointer(beta), mean.shape[0], g, k, s, eps, centre)


def group_norm_backward(floating[::1] dx, floating[::1] dgamma, floating[::1] dbeta, double[::1] work, const floating[::1] dy,
                        const floating[::1] x, const double[::1] mean, const double[::1] rstd, const floating[::1] gamma,
                        ptrdiff_t g, ptrdiff_t k, ptrdiff_t s, bint centre):
    with nogil:
        if floating is float:
            fnn_dgroup_norm_f32(&dx[0], &dgamma[0], &dbeta[0], &work[0], &dy[0], &x[0], &mean[0], &rstd[0],
                                pointer(gamma), mean.shape[0], g, k, s, centre)
        else:
            fnn_dgroup_norm_f64(&dx[0], &dgamma[0], &dbeta[0], &work[0], &dy[0], &x[0], &mean[0], &rstd[0],
                                pointer(gamma), mean.shape[0], g, k, s, centre)


def unit_rows(floating[:, ::1] y, const floating[:, ::1] x, double eps):
    """y = x / max(|x|, eps), row by row."""
    with nogil:
        if floating is float:
            fnn_unit_rows_f32(&y[0, 0], &x[0, 0], x.shape[0], x.shape[1], eps)
        else:
            fnn_unit_rows_f64(&y[0, 0], &x[0, 0], x.shape[0], x.shape[1], eps)


def unit_rows_backward(floating[:, ::1] dx, const floating[:, ::1] dy, const floating[:, ::1] x, double eps):
    with nogil:
        if floating is float:
            fnn_dunit_rows_f32(&dx[0, 0], &dy[0, 0], &x[0, 0], x.shape[0], x.shape[1], eps)
        else:
            fnn_dunit_rows_f64(&dx[0, 0], &dy[0, 0], &x[0, 0], x.shape[0], x.shape[1], eps)


# -- softmax and its loss ---------------------------------------------------------------------------------------------

def softmax(floating[:, ::1] y, const floating[:, ::1] x, bint log):
    with nogil:
        if floating is float:
            fnn_softmax_f32(&y[0, 0], &x[0, 0], x.shape[0], x.shape[1], log)
        else:
            fnn_softmax_f64(&y[0, 0], &x[0, 0], x.shape[0], x.shape[1], log)


def softmax_backward(floating[:, ::1] dx, const floating[:, ::1] dy, const floating[:, ::1] y, bint log):
    with nogil:
        if floating is float:
            fnn_dsoftmax_f32(&dx[0, 0], &dy[0, 0], &y[0, 0], y.shape[0], y.shape[1], log)
        else:
            fnn_dsoftmax_f64(&dx[0, 0], &dy[0, 0], &y[0, 0], y.shape[0], y.shape[1], log)


def pick(floating[::1] loss, const floating[:, ::1] x, const int64_t[::1] target, const floating[::1] weight):
    with nogil:
        if floating is float:
            fnn_pick_f32(&loss[0], &x[0, 0], &target[0], pointer(weight), x.shape[0], x.shape[1])
        else:
            fnn_pick_f64(&loss[0], &x[0, 0], &target[0], pointer(weight), x.shape[0], x.shape[1])


def pick_backward(floating[:, ::1] dx, const floating[::1] dloss, const int64_t[::1] target, const floating[::1] weight):
    with nogil:
        if floating is float:
            fnn_dpick_f32(&dx[0, 0], &dloss[0], &target[0], pointer(weight), dx.shape[0], dx.shape[1])
        else:
            fnn_dpick_f64(&dx[0, 0], &dloss[0], &target[0], pointer(weight), dx.shape[0], dx.shape[1])


def nll(floating[::1] loss, const floating[:, ::1] x, const int64_t[::1] target, const floating[::1] weight, double smoothing):
    with nogil:
        if floating is float:
            fnn_nll_f32(&loss[0], &x[0, 0], &target[0], pointer(weight), x.shape[0], x.shape[1], smoothing)
        else:
            fnn_nll_f64(&loss[0], &x[0, 0], &target[0], pointer(weight), x.shape[0], x.shape[1], smoothing)


def nll_backward(floating[:, ::1] dx, const floating[::1] dloss, const floating[:, ::1] x, const int64_t[::1] target,
                 const floating[::1] weight, double smoothing):
    with nogil:
        if floating is float:
            fnn_dnll_f32(&dx[0, 0], &dloss[0], &x[0, 0], &target[0], pointer(weight), x.shape[0], x.shape[1], smoothing)
        else:
            fnn_dnll_f64(&dx[0, 0], &dloss[0], &x[0, 0], &target[0], pointer(weight), x.shape[0], x.shape[1], smoothing)


def soft_nll(floating[::1] loss, const floating[:, ::1] x, const floating[:, ::1] t, const floating[::1] weight, double smoothing):
    """nll with probabilities t."""
    with nogil:
        if floating is float:
            fnn_soft_nll_f32(&loss[0], &x[0, 0], &t[0, 0], pointer(weight), x.shape[0], x.shape[1], smoothing)
        else:
            fnn_soft_nll_f64(&loss[0], &x[0, 0], &t[0, 0], pointer(weight), x.shape[0], x.shape[1], smoothing)


def soft_nll_backward(floating[:, ::1] dx, const floating[::1] dloss, const floating[:, ::1] x, const floating[:, ::1] t,
                      const floating[::1] weight, double smoothing):
    with nogil:
        if floating is float:
            fnn_dsoft_nll_f32(&dx[0, 0], &dloss[0], &x[0, 0], &t[0, 0], pointer(weight), x.shape[0], x.shape[1], smoothing)
        else:
            fnn_dsoft_nll_f64(&dx[0, 0], &dloss[0], &x[0, 0], &t[0, 0], pointer(weight), x.shape[0], x.shape[1], smoothing)


def soft_nll_target(floating[:, ::1] dt, const floating[::1] dloss, const floating[:, ::1] x, const floating[::1] weight,
                    double smoothing):
    """The gradient with respect to the probabilities."""
    with nogil:
        if floating is float:
            fnn_tsoft_nll_f32(&dt[0, 0], &dloss[0], &x[0, 0], pointer(weight), x.shape[0], x.shape[1], smoothing)
        else:
            fnn_tsoft_nll_f64(&dt[0, 0], &dloss[0], &x[0, 0], pointer(weight), x.shape[0], x.shape[1], smoothing)


# -- losses of two tensors --------------------------------------------------------------------------------------------
# each: the elements' parameters, or None: all have a.  weight: of each element, or None.

LOSSES = {fnn_loss_name(i).decode(): i for i in range(FNN_LOSSES)}


def loss_work(ptrdiff_t n):
    """Doubles of work space that loss_sum needs."""
    return fnn_loss_work(n)


def loss(int which, floating[::1] out, const floating[::1] x, const floating[::1] t, const floating[::1] each,
         const floating[::1] weight, double a):
    with nogil:
        if floating is float:
            fnn_loss_f32(which, &out[0], &x[0], &t[0], pointer(each), pointer(weight), x.shape[0], a)
        else:
            fnn_loss_f64(which, &out[0], &x[0], &t[0], pointer(each), pointer(weight), x.shape[0], a)


def loss_sum(int which, double[::1] work, const floating[::1] x, const floating[::1] t, const floating[::1] each,
             const floating[::1] weight, double a):
    cdef double total
    with nogil:
        if floating is float:
            total = fnn_loss_sum_f32(which, &work[0], &x[0], &t[0], pointer(each), pointer(weight), x.shape[0], a)
        else:
            total = fnn_loss_sum_f64(which, &work[0], &x[0], &t[0], pointer(each), pointer(weight), x.shape[0], a)
    return total


def loss_backward(int which, floating[::1] out, const floating[::1] dloss, const floating[::1] x, const floating[::1] t,
                  const floating[::1] each, const floating[::1] weight, double a, double scale, bint of_target):
    with nogil:
        if floating is float:
            fnn_dloss_f32(which, &out[0], pointer(dloss), &x[0], &t[0], pointer(each), pointer(weight), x.shape[0], a, scale, of_target)
        else:
            fnn_dloss_f64(which, &out[0], pointer(dloss), &x[0], &t[0], pointer(each), pointer(weight), x.shape[0], a, scale, of_target)


# -- dropout ----------------------------------------------------------------------------------------------------------

def dropout(floating[:, ::1] y, const floating[:, ::1] x, uint64_t key, uint32_t threshold, double scale, double shift,
            double dropped):
    """Rows that are kept, as x scale + shift, or dropped together."""
    cdef fnn_dropout_t h = fnn_dropout_t(threshold, scale, shift, dropped)
    with nogil:
        if floating is float:
            fnn_dropout_f32(&y[0, 0], &x[0, 0], x.shape[0], x.shape[1], key, &h)
        else:
            fnn_dropout_f64(&y[0, 0], &x[0, 0], x.shape[0], x.shape[1], key, &h)


def dropout_mask(uint8_t[::1] mask, uint64_t key, uint32_t threshold):
    with nogil:
        fnn_dropout_mask(&mask[0], mask.shape[0], key, threshold)


# -- linear -----------------------------------------------------------------------------------------------------------

def gemm(floating[:, ::1] c, const floating[:, :] a, const floating[:, :] b, const floating[::1] bias):
    """c = a b + bias; a and b with any strides."""
    cdef ptrdiff_t size = sizeof(floating)
    cdef ptrdiff_t m = c.shape[0], n = c.shape[1], k = a.shape[1]
    with nogil:
        if floating is float:
            fnn_gemm_f32(&c[0, 0], &a[0, 0], a.strides[0] // size, a.strides[1] // size, &b[0, 0],
                         b.strides[0] // size, b.strides[1] // size, pointer(bias), m, n, k)
        else:
            fnn_gemm_f64(&c[0, 0], &a[0, 0], a.strides[0] // size, a.strides[1] // size, &b[0, 0],
                         b.strides[0] // size, b.strides[1] // size, pointer(bias), m, n, k)


def column_sums(floating[::1] sums, const floating[:, ::1] x):
    with nogil:
        if floating is float:
            fnn_column_sums_f32(&sums[0], &x[0, 0], x.shape[0], x.shape[1])
        else:
            fnn_column_sums_f64(&sums[0], &x[0, 0], x.shape[0], x.shape[1])


def scatter_add(floating[:, ::1] table, const int64_t[::1] index, const floating[:, ::1] x):
    """table[index[i]] += x[i] for one i after the other."""
    with nogil:
        if floating is float:
            fnn_scatter_add_f32(&table[0, 0], &index[0], &x[0, 0], x.shape[0], x.shape[1])
        else:
            fnn_scatter_add_f64(&table[0, 0], &index[0], &x[0, 0], x.shape[0], x.shape[1])


def glu(floating[:, ::1] y, const floating[:, ::1] x):
    """y (rows, n) of x (rows, 2 n)."""
    with nogil:
        if floating is float:
            fnn_glu_f32(&y[0, 0], NULL, &x[0, 0], y.shape[0], y.shape[1])
        else:
            fnn_glu_f64(&y[0, 0], NULL, &x[0, 0], y.shape[0], y.shape[1])


def glu_backward(floating[:, ::1] dx, const floating[:, ::1] dy, const floating[:, ::1] x):
    with nogil:
        if floating is float:
            fnn_glu_f32(&dx[0, 0], &dy[0, 0], &x[0, 0], dy.shape[0], dy.shape[1])
        else:
            fnn_glu_f64(&dx[0, 0], &dy[0, 0], &x[0, 0], dy.shape[0], dy.shape[1])


def ordered_sum(const floating[::1] x):
    """The sum in double, its order fixed."""
    cdef double total
    with nogil:
        if floating is float:
            total = fnn_sum_f32(pointer(x), x.shape[0])
        else:
            total = fnn_sum_f64(pointer(x), x.shape[0])
    return total


include "_plain.pxi"
include "_program.pxi"

# -- optimizers -------------------------------------------------------------------------------------------------------

cdef class Tensors:
    """The pointers of one optimizer call: columns of arrays (parameters, states, gradients), flattened and of one type."""
    cdef ptrdiff_t count
    cdef void **table  # column after column
    cdef ptrdiff_t *sizes
    cdef object held

    def __cinit__(self, columns):
        cdef ptrdiff_t i, j
        self.held = columns
        self.count = len(columns[0])
        self.sizes = <ptrdiff_t *>PyMem_Malloc(self.count * sizeof(ptrdiff_t) + 1)
        self.table = <void **>PyMem_Malloc(len(columns) * self.count * sizeof(void *) + 1)
        if self.sizes == NULL or self.table == NULL:
            raise MemoryError
        for i in range(len(columns)):
            for j in range(self.count):
                self.table[i * self.count + j] = cnp.PyArray_DATA(<cnp.ndarray?>columns[i][j])
                if i == 0:
                    self.sizes[j] = cnp.PyArray_SIZE(<cnp.ndarray>columns[0][j])
                assert cnp.PyArray_SIZE(<cnp.ndarray>columns[i][j]) == self.sizes[j]

    def __dealloc__(self):
        PyMem_Free(self.sizes)
        PyMem_Free(self.table)

    cdef void **column(self, int i) noexcept nogil:
        return self.table + i * self.count


def _names(const char *text):
    """The names in "(a, b)"."""
    names = tuple(text.decode().strip("()").split(", "))
    return () if names == ("none",) else names


# Each rule's number, hyperparameters and states
RULES = {fnn_rule_name(i).decode(): (i, _names(fnn_rule_hypers(i)), _names(fnn_rule_states(i))) for i in range(FNN_RULES)}


def are_alike(arrays):
    """Whether all are plain arrays, writable, of one type, shape and order."""
    cdef object first = arrays[0], each
    if not is_plain(first):
        return False
    for each in arrays:
        if not is_alike(<cnp.ndarray>first, each) or not cnp.PyArray_ISWRITEABLE(<cnp.ndarray>each):
            return False
    return True


def gather(list params, dict states, tuple names, tuple numbers):
    """Columns, numbers and states of the parameters with gradients, for the usual step; else None.

    The usual: there are such, each has its plain arrays of these names already, all of one type, and all have the same
    numbers.
    """
    cdef TensorBase param
    cdef list row, values, columns = None, chosen = []
    cdef dict state
    cdef Py_ssize_t i
    cdef int type = -1
    values = None
    for param in params:
        if param._grad is None:
            continue
        state = states.get(param)
        if state is None:
            return None
        row = [param._data, param._grad]
        for name in names:
            row.append(state.get(name))
        if not are_alike(row) or (type >= 0 and type_of(param._data) != type):
            return None
        own = [state.get(name) for name in numbers]
        if columns is None:
            type, values, columns = type_of(param._data), own, [[] for _ in row]
        elif own != values:
            return None
        for i in range(len(row)):
            (<list>columns[i]).append(row[i])
        chosen.append(state)
    if columns is None or None in values:
        return None
    return columns, values, chosen


def optimizer_step(int rule, list params, list grads, list states, const double[::1] hyper, bint single, double sign,
                   double weight_decay, double keep, double l1):
    """One step over dense arrays of one type (single: float) and, tensor by tensor, one layout."""
    cdef fnn_step_t h = fnn_step_t(sign, weight_decay, keep, l1)
    cdef Tensors t = Tensors([params, grads, *states])
    with nogil:
        if single:
            fnn_optim_step_f32(rule, <float **>t.column(0), <float **>t.column(1), <float **>t.column(2), t.sizes, t.count, &hyper[0], &h)
        else:
            fnn_optim_step_f64(rule, <double **>t.column(0), <double **>t.column(1), <double **>t.column(2), t.sizes, t.count, &hyper[0], &h)
