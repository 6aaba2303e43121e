"""Wright's factor: the relative difference of two radial distributions.

A. C. Wright, J. Non-Cryst. Solids 159 (1993) 264; Grimley, Wright and Sinclair, ibid. 119 (1990)
49. The acceptance rule of 9 % (Bauchy, 2014) belongs to the rooted form.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats

ACCEPTED_BELOW = 9.0  # %, rooted form


def wright_factor(g: Floats, g_ref: Floats) -> float:
    """R_chi = 100 sqrt( sum (g - g_ref)^2 / sum g_ref^2 ) in %, the rooted form.

    Args:
        g: (B,) values on the bins of `g_ref`.
        g_ref: (B,) reference; NaN is returned if it is zero everywhere.
    """
    return float(100 * np.sqrt(_ratio(g, g_ref)))


def wright_factor_unrooted(g: Floats, g_ref: Floats) -> float:
    """100 sum (g - g_ref)^2 / sum g_ref^2 in %, eq. 2 of EGraFFBench, as its script computed it.

    Not to be held against the 9 % rule: 9 % here is 30 % in the rooted form.
    """
    return 100 * _ratio(g, g_ref)


def _ratio(g: Floats, g_ref: Floats) -> float:
    norm = float(np.sum(g_ref**2))
    return float(np.sum((g - g_ref) ** 2)) / norm if norm > 0 else float("nan")
