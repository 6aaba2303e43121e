"""Number of nearest neighbours in bulk: the first coordination shell of g(r).

    n = 4 pi rho integral from 0 to r_1 of g(r) r^2 dr

with r_1 the first minimum of the reference's g(r) behind its highest peak. Of two curves of one
density the ratio of n is that of the integrals, so that rho drops out of a relative error.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats

# The minimum is looked for this far behind the peak, in A: half of the distance between two shells
# of a liquid is less, and noise of g(r) further out cannot be taken for it.
BEHIND_PEAK_A = 1.5


def coordination_error(g: Floats, g_ref: Floats, bin_width: float) -> float:
    """|n - n_ref| / n_ref in %; NaN where the reference has no neighbours.

    Args:
        g: (B,) values on bins of equal width from 0 on.
        g_ref: (B,) values on the same bins.
        bin_width: in A.
    """
    until = first_minimum(g_ref, bin_width)
    weight = (np.arange(until) + 0.5) ** 2
    own, expected = (float(curve[:until] @ weight) for curve in (g, g_ref))
    return 100 * abs(own - expected) / expected if expected > 0 else float("nan")


def first_minimum(g: Floats, bin_width: float) -> int:
    """Number of bins (B,) up to and with the first minimum behind the highest peak."""
    peak = int(np.argmax(g))
    behind = g[peak : peak + 1 + round(BEHIND_PEAK_A / bin_width)]
    return peak + int(np.argmin(behind)) + 1
