"""Root-mean-square deviation of two trajectories of the same atoms, and when it gets large.

    RMSD(t) = sqrt( sum_i m_i |x_i(t) - x^ref_i(t)|^2 / sum_i m_i )

with unwrapped coordinates relative to the centre of mass of each frame. Molecules, which may turn
as a whole, can be superposed by the rotation that makes it smallest. MDAnalysis works it out; its
quaternions lose digits where frames agree: a deviation of 0 may come out as 1e-7 A.

    t_div = min { t : RMSD(t) > threshold }

Chaos separates any two force fields in the end, with RMSD ~ exp(lambda t), so t_div grows with the
logarithm of the accuracy only, and means something only where positions AND velocities are shared.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats

THRESHOLD_A = 0.5


def rmsd(positions: Floats, reference: Floats, masses: Floats, superpose: bool = False) -> Floats:
    """RMSD(t) in A, (T,); NaN where a frame is not finite.

    Args:
        positions: (T, N, 3) in A, unwrapped.
        reference: (T, N, 3) in A, unwrapped, of the same atoms in the same order.
        masses: (N,) weights; ones for the plain mean over atoms.
        superpose: rotate each frame onto the reference first.
    """
    from MDAnalysis.analysis.rms import rmsd as of_frame  # an optional package

    with np.errstate(invalid="ignore"):
        values = np.array([
            of_frame(x, y, weights=masses, center=True, superposition=superpose)
            for x, y in zip(positions, reference, strict=True)
        ])  # fmt: skip
    return np.where(np.isfinite(values), values, np.nan)


def divergence_time(
    rmsd: Floats, step_fs: float, threshold: float = THRESHOLD_A
) -> tuple[float, bool]:
    """Time in fs of the first frame beyond the threshold, and whether there was one.

    Without such a frame it is the length of the series, a lower bound.

    Args:
        rmsd: (T,) in A from the shared frame on; a value that is not finite counts as beyond.
        step_fs: time between frames.
        threshold: in A.
    """
    # Not (rmsd <= threshold), so that NaN is beyond.
    beyond = np.flatnonzero(~(rmsd <= threshold))
    if beyond.size:
        return float(beyond[0]) * step_fs, True
    return (len(rmsd) - 1) * step_fs, False
