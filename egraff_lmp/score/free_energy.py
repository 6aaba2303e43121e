"""Free energy along the backbone angles phi and psi of alanine dipeptide.

    F(xi) = -k_B T ln p(xi),          MAE = integral over [-pi, pi) of |F(xi) - F_ref(xi)| d xi

(Fu et al., "Forces are not enough", eq. 5-7), phi of C-N-CA-C, psi of N-CA-C-N. F is defined up to
a constant: the lowest bin is the zero. Where a bin was never visited F is not known to be infinite,
only to be above k_B T ln(frames): it is given that value, which is stated, so that the error stays
finite.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from egraff_lmp.score.arrays import Floats, Ints

N_BINS = 60
BOLTZMANN_EV_PER_KELVIN = 8.617333262e-5


def dihedral(positions: Floats, atoms: Sequence[int]) -> Floats:
    """Dihedral angle of four atoms in rad, in (-pi, pi], IUPAC sign, (T,) from (T, N, 3)."""
    a, b, c, d = (positions[:, atom] for atom in atoms)
    axis = c - b
    first, second = np.cross(b - a, axis), np.cross(axis, d - c)
    axis = axis / np.linalg.norm(axis, axis=1, keepdims=True)
    sine = np.einsum("tx,tx->t", np.cross(first, second), axis)
    return np.arctan2(sine, np.einsum("tx,tx->t", first, second))


def angle_counts(angles: Floats, n_bins: int = N_BINS) -> Floats:
    """Histogram of angles in rad over [-pi, pi), (n_bins,)."""
    turns = (angles + np.pi) / (2 * np.pi)
    bins = ((turns - np.floor(turns)) * n_bins).astype(np.intp) % n_bins
    return np.bincount(bins, minlength=n_bins).astype(np.float64)


def surface(counts: Floats, temperature_kelvin: float) -> Floats:
    """F in eV of counts (...), lowest bin 0; empty bins as if half a frame had been seen."""
    energy = BOLTZMANN_EV_PER_KELVIN * temperature_kelvin
    free = -energy * np.log(np.maximum(counts, 0.5) / counts.sum())
    return np.asarray(free - free.min())


def free_energy_error(f: Floats, f_ref: Floats) -> float:
    """Integral of |F - F_ref| over [-pi, pi) in eV rad, from values on bins of equal width.

    Both are aligned at their lowest bin.
    """
    return float(np.abs((f - f.min()) - (f_ref - f_ref.min())).mean() * 2 * np.pi)


def backbone(species: Sequence[str], bonds: Ints) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Atoms of phi (C, N, CA, C) and of psi (N, CA, C, N) of a dipeptide; None if it is none.

    A chain C(=O)-N-CA-C(=O)-N, whose carbonyl carbons bear an oxygen and whose nitrogens a
    hydrogen; one such chain, or it is not clear which angles are meant.
    """
    neighbours: dict[int, list[int]] = {atom: [] for atom in range(len(species))}
    for i, j in bonds.tolist():
        neighbours[i].append(j)
        neighbours[j].append(i)

    def holds(atom: int, element: str) -> bool:
        return any(species[other] == element for other in neighbours[atom])

    chains = [[atom] for atom, element in enumerate(species) if element == "C" and holds(atom, "O")]
    for element in "NCCN":
        chains = [
            [*chain, other]
            for chain in chains
            for other in neighbours[chain[-1]]
            if species[other] == element and other not in chain
        ]
    chains = [
        chain
        for chain in chains
        if holds(chain[3], "O")
        and not holds(chain[2], "O")
        and holds(chain[1], "H")
        and holds(chain[4], "H")
        and all(b in neighbours[a] for a, b in pairwise(chain))
    ]
    if len(chains) != 1:
        return None
    return tuple(chains[0][:4]), tuple(chains[0][1:])
