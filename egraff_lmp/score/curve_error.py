"""Mean absolute error of a curve over the distance, as Fu et al. define it (appendix C, eq. 3).

    MAE = integral |g(r) - g_ref(r)| dr

"Mean" is the paper's word: it is an integral. For g(r), which has no unit, it is in A and grows
with r_max where the noise does not vanish; for h(r), in 1/A and of integral 1, it has no unit and
lies between 0 and 2.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats


def curve_error(curve: Floats, reference: Floats, bin_width: float) -> float:
    """Integral of the absolute difference over the bins, unit of the curve times A.

    Args:
        curve: (..., B) values on bins of equal width.
        reference: (B,) values on the same bins.
        bin_width: in A.
    """
    return float(np.abs(curve - reference).sum() * bin_width)
