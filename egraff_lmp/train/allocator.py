"""Memory that the C library keeps for the next step of a training."""

from __future__ import annotations

import ctypes
from functools import cache

# Numbers of glibc's mallopt (malloc.h).
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
LARGEST = 2**30  # bytes; tensors of a step are smaller


@cache
def keep_freed_memory() -> bool:
    """Have what a step frees kept for the next one; whether the C library can.

    A step frees and asks again for tensors of some ten MB. By default glibc takes each of them from
    the kernel and gives it back, so that every page is cleared and mapped anew at every step: a
    sixth of the time of a step of NequIP on the kernels. The process keeps the most that it ever
    took at one time. Only for networks on kernels: the many tensors of the reference networks fit
    each other's gaps so badly that they would take up to 40 % more memory.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library
        return False
    options = ((_M_MMAP_THRESHOLD, LARGEST), (_M_TRIM_THRESHOLD, 2**31 - 1))
    return min(mallopt(name, value) for name, value in options) == 1  # 1 where it was done
