"""Energy and force violation along a trajectory, EV(t) and FV(t), and their geometric means.

EGraFFBench, eq. 4:

    EV(t) = (E^ - E)^2 / (E^^2 + E^2)            FV(t) = |F^ - F| / (|F^| + |F|)

E^ and F^ are the model's. EV on total energies is as small as the arbitrary zero of the energies is
large, so the `egraff` form takes energies relative to the mean of the reference first; there EV
lies in [0, 2] (2 for opposite signs), not in [0, 1] as for energies of one sign. FV lies in [0, 1]
by the triangle inequality; two uncorrelated force vectors of equal norm give 1/sqrt(2).
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats

UNCORRELATED = 0.5**0.5  # FV of two independent force vectors of equal norm
# Norms of unrelated forces that differ by a third give 0.714, by a half 0.721.
UNCORRELATED_TOLERANCE = 0.02


def relative_energies(energy: Floats, mean_energy: float, n_atoms: int) -> Floats:
    """Energies in eV/atom relative to the mean of the reference, (T,)."""
    return (energy - mean_energy) / n_atoms


def energy_violation(truth: Floats, model: Floats) -> Floats:
    """EV(t) of eq. 4, (T,) from energies (T,); 0 where both are zero, NaN where not finite."""
    return _divide((model - truth) ** 2, model**2 + truth**2)


def energy_violation_released(truth: Floats, model: Floats) -> Floats:
    """|E^ - E| / (|E^| + |E|), (T,): what the paper's tables hold (times 1e5), not its eq. 4."""
    return _divide(np.abs(model - truth), np.abs(model) + np.abs(truth))


def force_violation(truth: Floats, model: Floats) -> Floats:
    """FV(t) of eq. 4, (T,) from forces (T, N, 3); the norm runs over all atoms and components."""
    # Frame by frame: the difference of whole trajectories would be a third one in memory.
    pairs, norm = list(zip(model, truth, strict=True)), np.linalg.norm
    with np.errstate(invalid="ignore", over="ignore"):
        difference = np.array([norm(a - b) for a, b in pairs])
        norms = np.array([norm(a) + norm(b) for a, b in pairs])
    return _divide(difference, norms)


def log_terms(values: Floats) -> Floats:
    """Terms (T, 3) of the geometric mean of a series: logarithm, whether positive, whether finite.

    What is not finite takes no part in it, nor does what is zero (exact agreement, as in a shared
    first frame): one zero would make the mean zero.
    """
    finite = np.isfinite(values)
    positive = finite & (values > 0)
    logs = np.log(values, out=np.zeros(len(values)), where=positive)
    return np.column_stack([logs, positive, finite])


def mean_of_logs(sums: Floats, own: Floats | None = None) -> float:
    """Geometric mean of the sums (3,) of `log_terms`; 0 if all are zero, NaN if none is finite."""
    logs, positive, finite = sums
    if positive:
        return float(np.exp(logs / positive))
    return 0.0 if finite else float("nan")


def geometric_mean(values: Floats) -> float:
    """Geometric mean of the positive entries of a series (T,)."""
    return mean_of_logs(log_terms(values).sum(axis=0))


def is_uncorrelated(value: float, uncorrelated: float) -> bool:
    """Whether the mean over a trajectory is what unrelated frames give, and so tells nothing."""
    return abs(value - uncorrelated) <= UNCORRELATED_TOLERANCE


def _divide(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        ratio = numerator / denominator
    return np.where((numerator == 0) & (denominator == 0), 0.0, ratio)
