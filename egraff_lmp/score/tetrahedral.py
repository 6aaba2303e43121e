"""Tetrahedral order of atoms with four bonds: germanium, silicon, carbon.

With the angles theta_jk at an atom between its four nearest neighbours j and k,

    q = 1 - 3/8 sum over the six pairs j < k of ( cos(theta_jk) + 1/3 )^2

(Errington and Debenedetti, Nature 409 (2001) 318): 1 in a regular tetrahedron, 0 on average where
the directions are independent; of four of the six neighbours in an octahedron 1/2 in a plane, else
5/8. An atom is tetrahedral where it has four bonds and q > 0.8 (Caravati et al., Appl. Phys. Lett.
91 (2007) 171906).
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.neighbours import Neighbours

GROUP_14 = ("C", "Ge", "Si")  # Sn and Pb have six neighbours as often as four
NEAREST = 4
TETRAHEDRAL_ABOVE = 0.8


def tetrahedral_order(vectors: Floats) -> Floats:
    """q of atoms from the vectors to their four nearest neighbours, (C,) from (C, 4, 3)."""
    units = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    cosines = np.einsum("cjx,ckx->cjk", units, units)
    j, k = np.triu_indices(NEAREST, 1)
    return np.asarray(1 - 3 / 8 * ((cosines[:, j, k] + 1 / 3) ** 2).sum(axis=1))


def nearest_vectors(near: Neighbours, centres: Ints) -> Floats:
    """Vectors from some atoms, (C,) in ascending order, to their four nearest, (C, 4, 3)."""
    chosen = np.zeros(near.n_atoms, dtype=bool)
    chosen[centres] = True
    four = near.where((near.ranks < NEAREST) & chosen[near.i])
    return four.vectors.reshape(len(centres), NEAREST, 3)
