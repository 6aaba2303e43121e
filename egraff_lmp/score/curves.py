"""Values of two curves over the distance: Wright's factor, JSD, absolute error, neighbours.

Curves are (B,) values on the same bins of equal width from 0 on, g of the rollouts and g_ref of
the reference. What is not defined for them is NaN.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats

ACCEPTED_BELOW = 9.0  # %, of Wright's factor in its rooted form
# The minimum is looked for this far behind the peak, in A: half of the distance between two shells
# of a liquid is less, and noise of g(r) further out cannot be taken for it.
BEHIND_PEAK_A = 1.5


def wright_factor(g: Floats, g_ref: Floats) -> float:
    """R_chi = 100 sqrt( sum (g - g_ref)^2 / sum g_ref^2 ) in %, the rooted form.

    A. C. Wright, J. Non-Cryst. Solids 159 (1993) 264; Grimley, Wright and Sinclair, ibid. 119
    (1990) 49. The acceptance rule of 9 % (Bauchy, 2014) belongs to this form.
    """
    return float(100 * np.sqrt(_squared_difference(g, g_ref)))


def wright_factor_unrooted(g: Floats, g_ref: Floats) -> float:
    """100 sum (g - g_ref)^2 / sum g_ref^2 in %, eq. 2 of EGraFFBench, as its script computed it.

    Not to be held against the 9 % rule: 9 % here is 30 % in the rooted form.
    """
    return 100 * _squared_difference(g, g_ref)


def _squared_difference(g: Floats, g_ref: Floats) -> float:
    norm = float(np.sum(g_ref**2))
    return float(np.sum((g - g_ref) ** 2)) / norm if norm > 0 else float("nan")


def jensen_shannon(p: Floats, q: Floats) -> float:
    """JSD = (KL(p | m) + KL(q | m))/2 with m = (p + q)/2 and log base 2: in [0, 1].

    0 for equal distributions, 1 for disjoint ones (Lin, IEEE Trans. Inf. Theory 37 (1991) 145). p
    and q, of pair distances, are not negative, and normalised here.
    """
    from scipy.special import rel_entr  # an optional package

    if not (p.sum() > 0 and q.sum() > 0):
        return float("nan")
    p, q = p / p.sum(), q / q.sum()
    mean = (p + q) / 2
    value = (rel_entr(p, mean).sum() + rel_entr(q, mean).sum()) / 2
    return float(np.clip(value / np.log(2), 0.0, 1.0))  # rounding leaves it by 1e-16


def jensen_shannon_paper(g: Floats, g_ref: Floats) -> float:
    """Eq. 3 of EGraFFBench on raw g(r), as its tables were made: mean over bins, natural log.

    g is no probability, so the value scales with V/N^2 and with r_max: set it beside the paper's
    tables, and beside nothing else.
    """
    from scipy.special import rel_entr  # an optional package

    mean = (g + g_ref) / 2
    return float((rel_entr(g, mean).mean() + rel_entr(g_ref, mean).mean()) / 2)


def curve_error(g: Floats, g_ref: Floats, bin_width: float) -> float:
    """MAE = integral |g(r) - g_ref(r)| dr of Fu et al. (appendix C, eq. 3), bin width in A.

    "Mean" is the paper's word: it is an integral. For g(r), which has no unit, it is in A and grows
    with r_max where the noise does not vanish; for h(r), in 1/A and of integral 1, it has no unit
    and lies between 0 and 2.
    """
    return float(np.abs(g - g_ref).sum() * bin_width)


def coordination_error(g: Floats, g_ref: Floats, bin_width: float) -> float:
    """|n - n_ref| / n_ref in % of numbers of nearest neighbours in bulk, bin width in A.

        n = 4 pi rho integral from 0 to r_1 of g(r) r^2 dr

    with r_1 the first minimum of g_ref behind its highest peak. Of two curves of one density the
    ratio of n is that of the integrals, so that rho drops out of a relative error.
    """
    until = first_minimum(g_ref, bin_width)
    weight = (np.arange(until) + 0.5) ** 2
    own, expected = (float(curve[:until] @ weight) for curve in (g, g_ref))
    return 100 * abs(own - expected) / expected if expected > 0 else float("nan")


def first_minimum(g: Floats, bin_width: float) -> int:
    """Number of bins up to and with the first minimum behind the highest peak."""
    peak = int(np.argmax(g))
    behind = g[peak : peak + 1 + round(BEHIND_PEAK_A / bin_width)]
    return peak + int(np.argmin(behind)) + 1
