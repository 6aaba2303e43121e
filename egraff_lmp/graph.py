"""From atoms to edges: the neighbour list in the form that every network here takes.

Row 0 of the edge index is the centre i, row 1 the neighbour j, and the edge vector is r_j - r_i
of the periodic image that is meant. Edges are directed (both i->j and j->i are listed) and sorted
by centre. Cells smaller than the cutoff give several edges between the same two atoms, and edges
from an atom to its own images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase.geometry import complete_cell
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError

SAME_PLACE_ANGSTROM = 1e-6  # two atoms closer than this are one atom twice


@dataclass(frozen=True)
class Edges:
    """Directed edges shorter than the cutoff.

    Attributes:
        index: (2, E) int64, centres and neighbours.
        shifts: (E, 3) float64, whole lattice vectors added to the neighbour's position.
    """

    index: NDArray[np.int64]
    shifts: NDArray[np.float64]

    def vectors(
        self, positions: NDArray[np.float64], cell: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Edge vectors r_j + shift @ cell - r_i in A, (E, 3)."""
        i, j = self.index
        return positions[j] - positions[i] + self.shifts @ cell


def find_edges(
    positions: NDArray[np.float64],
    cell: NDArray[np.float64],
    pbc: tuple[bool, bool, bool] | NDArray[np.bool_],
    r_max: float,
) -> Edges:
    """All directed edges with |r| < r_max, every periodic image counted.

    Args:
        positions: (N, 3) in A.
        cell: (3, 3) in A, rows are lattice vectors (zero where not periodic).
        pbc: periodicity along each lattice vector.
        r_max: cutoff in A.

    Raises:
        EgraffError: positions or a cell that are not finite, or two atoms at the same place,
            for which a network has an energy, but no direction.
    """
    # vesin ends the whole process (SIGFPE) at a cell that is not finite.
    if not (np.isfinite(positions).all() and np.isfinite(cell).all()):
        raise EgraffError(
            "expected finite positions and cell, got NaN or infinity: see what made them so."
        )
    try:
        i, j, shifts = _vesin_edges(positions, cell, pbc, r_max)
    except ImportError:
        i, j, shifts = _ase_edges(positions, cell, pbc, r_max)
    order = np.lexsort((j, i))
    index = np.stack([i[order], j[order]]).astype(np.int64)
    edges = Edges(index, np.asarray(shifts, dtype=np.float64)[order])
    _require_apart(edges, positions, cell)
    return edges


def _require_apart(edges: Edges, positions: NDArray[np.float64], cell: NDArray[np.float64]) -> None:
    lengths = np.linalg.norm(edges.vectors(positions, cell), axis=1)
    if lengths.size and lengths.min() < SAME_PLACE_ANGSTROM:
        i, j = edges.index[:, int(lengths.argmin())]
        raise EgraffError(
            f"expected atoms apart from each other, got atoms {i} and {j} (counted from 0) in the "
            "same place: remove one of them, or see whether the cell fits the positions."
        )


def _vesin_edges(positions, cell, pbc, r_max):  # type: ignore[no-untyped-def]
    from vesin import NeighborList

    pbc = np.asarray(pbc, dtype=bool)
    calculator = NeighborList(cutoff=r_max, full_list=True)
    i, j, shifts = calculator.compute(
        points=np.ascontiguousarray(positions, dtype=np.float64),
        box=np.ascontiguousarray(cell, dtype=np.float64),
        periodic=pbc if pbc.any() else False,
        quantities="ijS",
    )
    return i.astype(np.int64), j.astype(np.int64), shifts


def _ase_edges(positions, cell, pbc, r_max):  # type: ignore[no-untyped-def]
    from ase.neighborlist import primitive_neighbor_list

    return primitive_neighbor_list("ijS", pbc, complete_cell(cell), positions, r_max)
