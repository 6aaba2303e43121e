"""Divergence time: how long a rollout stays close to a reference with the same initial state.

    t_div = min { t : RMSD(t) > threshold }

Chaos separates any two force fields in the end, with RMSD ~ exp(lambda t), so t_div grows with the
logarithm of the accuracy only, and means something only where positions AND velocities are shared.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats

THRESHOLD_A = 0.5


def divergence_time(
    rmsd: Floats, step_fs: float, threshold: float = THRESHOLD_A
) -> tuple[float, bool]:
    """Time in fs of the first frame beyond the threshold, and whether there was one.

    Args:
        rmsd: (T,) in A from the shared frame on; a value that is not finite counts as beyond.
        step_fs: time between frames.
        threshold: in A.

    Returns:
        The time, and True; without such a frame the length of the series (a lower bound), and
        False.
    """
    # Not (rmsd <= threshold), so that NaN is beyond.
    beyond = np.flatnonzero(~(rmsd <= threshold))
    if beyond.size:
        return float(beyond[0]) * step_fs, True
    return (len(rmsd) - 1) * step_fs, False
