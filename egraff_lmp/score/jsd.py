"""Jensen-Shannon divergence of two distributions of pair distances."""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats


def jensen_shannon(p: Floats, q: Floats) -> float:
    """JSD = (KL(p | m) + KL(q | m))/2 with m = (p + q)/2 and log base 2: in [0, 1].

    0 for equal distributions, 1 for disjoint ones (Lin, IEEE Trans. Inf. Theory 37 (1991) 145).

    Args:
        p: (B,) not negative; normalised here.
        q: (B,) on the same bins; normalised here. NaN is returned if either is zero everywhere.
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
