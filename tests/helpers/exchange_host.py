"""An exchange of features that is played in Python, in place of the ranks of LAMMPS."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.paths import OPS_LIBRARY, native_dir

Rows = NDArray[np.floating]
_FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_int)


class _Functions(ctypes.Structure):
    _fields_ = (
        ("n_local", ctypes.c_int64),
        ("n_all", ctypes.c_int64),
        ("forward", _FUNCTION),
        ("reverse", _FUNCTION),
    )


@contextlib.contextmanager
def exchange_host(
    n_local: int,
    n_all: int,
    forward: Callable[[Rows], None],
    reverse: Callable[[Rows], None] = lambda rows: None,
) -> Iterator[None]:
    """While it lasts, operators call these with all atoms' rows (n_all, width), to change."""

    def wrapped(function: Callable[[Rows], None]) -> object:
        def call(address: int, width: int, size: int) -> None:
            kind = ctypes.c_double if size == 8 else ctypes.c_float
            if not n_all:
                function(np.zeros((0, width)))
                return
            pointer = ctypes.cast(address, ctypes.POINTER(kind))
            function(np.ctypeslib.as_array(pointer, shape=(n_all, width)))

        return _FUNCTION(call)

    library = ctypes.CDLL(str(native_dir() / OPS_LIBRARY))
    library.egraff_install_exchange.restype = ctypes.c_void_p
    functions = _Functions(n_local, n_all, wrapped(forward), wrapped(reverse))
    installed = library.egraff_install_exchange(ctypes.byref(functions))
    try:
        yield
    finally:
        library.egraff_remove_exchange(ctypes.c_void_p(installed))
