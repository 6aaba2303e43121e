"""Root-mean-square deviation of two trajectories of the same atoms.

    RMSD(t) = sqrt( sum_i m_i |x_i(t) - x^ref_i(t)|^2 / sum_i m_i )

with unwrapped coordinates relative to the centre of mass of each frame. Molecules, which may turn
as a whole, can be superposed by the rotation that makes it smallest (Kabsch, Acta Cryst. A 32
(1976) 922).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def rmsd(
    positions: NDArray[np.float64],
    reference: NDArray[np.float64],
    masses: NDArray[np.float64],
    superpose: bool = False,
) -> NDArray[np.float64]:
    """RMSD(t) in A, (T,); NaN where a frame is not finite.

    Args:
        positions: (T, N, 3) in A, unwrapped.
        reference: (T, N, 3) in A, unwrapped, of the same atoms in the same order.
        masses: (N,) weights; ones for the plain mean over atoms.
        superpose: rotate each frame onto the reference first.
    """
    weights = masses / masses.sum()
    values = np.empty(len(positions))
    for t, (x, y) in enumerate(zip(positions, reference, strict=True)):
        # Frame by frame: 100 000 atoms and 100 frames need no further arrays of their size.
        x, y = x - weights @ x, y - weights @ y
        if superpose and np.isfinite(x).all() and np.isfinite(y).all():
            x = x @ rotation_onto(x, y, weights)
        values[t] = np.sqrt(weights @ ((x - y) ** 2).sum(axis=1))
    return np.where(np.isfinite(values), values, np.nan)


def rotation_onto(
    x: NDArray[np.float64], y: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The proper rotation Q, (3, 3), that brings x @ Q closest to y; both (N, 3) and centred."""
    u, _, v = np.linalg.svd((x * weights[:, None]).T @ y)
    # The nearest orthogonal matrix may be a reflection: the least axis is turned back.
    turn = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ v)) or 1.0])
    return np.asarray(u @ turn @ v)
