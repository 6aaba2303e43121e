"""Diffusivity from the mean squared displacement.

Einstein's relation: for times long against every correlation time

    MSD(t) = 6 D t + c,

so D is a sixth of the slope of a straight line, fitted by least squares in a stated window of lags;
the offset c takes up what happens before atoms diffuse. Whether they do so within the window tells
the exponent d log MSD / d log t: 2 for ballistic motion, 0 for vibrations, 1 for diffusion. Without
diffusion there is no D, see `paths`.

The form of Fu et al. ("Forces are not enough", eq. 4) is MSD/(6 t) at the last frame from the first
one, a single time origin and no offset: it counts the ballistic start and vibrations as diffusion.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.arrays import Floats, Ints

# Window of lags as fractions of the trajectory: beyond a third there are too few independent
# origins, and below a tenth atoms may not have left their cages.
FIT_WINDOW = (0.1, 0.3)
N_LAGS = 20
MIN_FRAMES = 20
# Within this of 1 the exponent of the MSD is called diffusive. Of 27 ions (LiPS) in lags of up to
# 0.3 of one trajectory it scatters by about 0.1.
EXPONENT_TOLERANCE = 0.2
# Of the distance between neighbours, that the r.m.s. displacement at the longest lag must exceed.
# Atoms of a solid at its melting point are displaced by 0.15 to 0.2 of it (Lindemann's 0.1 to 0.15
# for each of the two ends), and a flight ends in the cage of a liquid at about as much.
NEIGHBOUR_PART = 0.5
A2_PER_FS_TO_A2_PER_PS = 1000.0
A2_PER_PS_TO_M2_PER_S = 1e-8


def fit_lags(n_frames: int, window: tuple[float, float] = FIT_WINDOW) -> Ints:
    """At most `N_LAGS` lags in frames, evenly spread over the window, (L,).

    Raises:
        EgraffError: a window that is none, or fewer than `MIN_FRAMES` frames.
    """
    low, high = window
    if not 0 <= low < high < 1:
        raise EgraffError(
            f"expected a window of lags 0 <= low < high < 1 of the trajectory, got {low:g} to "
            f"{high:g}: change the window of the fit."
        )
    if n_frames < MIN_FRAMES:
        raise EgraffError(
            f"expected at least {MIN_FRAMES} frames to fit a diffusivity, got {n_frames}: write "
            "frames more often or run longer."
        )
    lags = np.linspace(max(1, low * n_frames), max(3, high * n_frames), N_LAGS)
    return np.unique(np.round(lags).astype(np.int64))


def diffusivity(msd: Floats, time_fs: Floats) -> float:
    """D = slope / 6 of the least-squares line through MSD(t), in A^2/ps (1e-8 m^2/s).

    Of (L,) in A^2 at lags in fs, of which at least two differ.
    """
    centred = time_fs - time_fs.mean()
    return float(A2_PER_FS_TO_A2_PER_PS * (centred @ msd) / (centred @ centred) / 6)


def exponent(msd: Floats, time_fs: Floats) -> float:
    """d log MSD / d log t over the window; NaN if nothing moves."""
    if not (msd > 0).all():
        return float("nan")
    x = np.log(time_fs) - np.log(time_fs).mean()
    return float(x @ np.log(msd) / (x @ x))


def diffusivity_eq4(positions: Floats, step_fs: float) -> float:
    """Eq. 4 of Fu et al.: |x(T) - x(0)|^2 / (6 T), mean over atoms, in A^2/ps.

    Of positions (T, N, 3) in A, unwrapped.
    """
    squared = ((positions[-1] - positions[0]) ** 2).sum(axis=1).mean()
    return float(A2_PER_FS_TO_A2_PER_PS * squared / (6 * step_fs * (len(positions) - 1)))
