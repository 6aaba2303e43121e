"""Where the atoms are: crowded, lonely, in slivers of boxes, under all boundaries."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from ase.data import atomic_masses, atomic_numbers
from numpy.typing import NDArray

from random_decks.chooser import Chooser

# Room between atoms and fixed faces: no draw moves its atoms as far.
MARGIN = 8.0  # A
CORNER = 5.5  # A
BOUNDARIES = ("p", "f", "s", "m", "fs", "sm")
# Elements of the LAMMPS types; several types may be one element.
TYPES: Mapping[tuple[str, ...], float] = {
    ("Ge", "Te"): 3,
    ("Te", "S", "Ge"): 2,
    ("Ge", "Te", "Ge"): 2,
    ("S", "S", "Ge", "Te"): 1,
    ("Ge",): 1,
}


@dataclass(frozen=True)
class Shape:
    """Ranges to draw a system from: edges of the box in A, atoms, and their smallest distance."""

    edges: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    atoms: tuple[int, int]
    apart: float
    corner: bool = False


WIDE, THIN = (9.5, 14.0), (2.4, 3.8)
SHAPES: Mapping[str, Shape] = {
    "dense": Shape(((6.0, 10.0),) * 3, (12, 50), 2.0),
    "sparse": Shape(((12.0, 26.0),) * 3, (5, 30), 2.0),
    "flat": Shape((WIDE, WIDE, THIN), (5, 20), 2.0),
    "needle": Shape(((25.0, 60.0), THIN, THIN), (4, 25), 2.0),
    "below the cutoff": Shape(((2.3, 3.9),) * 3, (1, 4), 1.7),
    "corner": Shape(((20.0, 150.0),) * 3, (2, 15), 1.9, corner=True),
    "isolated": Shape(((16.0, 40.0),) * 3, (2, 8), 6.0),
    "single": Shape(((2.6, 20.0),) * 3, (1, 1), 1.0),
    "islands": Shape(((50.0, 90.0), (6.0, 9.0), (6.0, 9.0)), (4, 20), 1.9),
}


@dataclass(frozen=True)
class System:
    """Atoms in a box of LAMMPS' form.

    Attributes:
        kind: key of SHAPES.
        low: (3,) lower corner in A.
        matrix: (3, 3) in A, rows are the edges a, b, c.
        boundary: words of LAMMPS' `boundary`.
        positions: (N, 3) in A.
        types: (N,) from 1.
        ids: (N,), any positive numbers.
        charges: (N,)
        directions: (N, 3), no longer than 1: velocities are multiples of them.
        elements: of each type.
    """

    kind: str
    low: NDArray[np.float64]
    matrix: NDArray[np.float64]
    boundary: tuple[str, str, str]
    positions: NDArray[np.float64]
    types: NDArray[np.int64]
    ids: NDArray[np.int64]
    charges: NDArray[np.float64]
    directions: NDArray[np.float64]
    elements: tuple[str, ...]

    @property
    def periodic(self) -> tuple[bool, bool, bool]:
        """Along each edge."""
        x, y, z = (word == "p" for word in self.boundary)
        return x, y, z

    @property
    def is_tilted(self) -> bool:
        """Whether the box is written with tilts."""
        return bool(np.count_nonzero(self.matrix - np.diag(np.diag(self.matrix))))

    @property
    def shortest_period(self) -> float:
        """A; the shortest edge along which the box repeats, infinite without one."""
        return min(
            (self.matrix[k, k] for k in range(3) if self.periodic[k]),
            default=float("inf"),
        )

    @property
    def masses(self) -> tuple[float, ...]:
        """Of each type, in amu."""
        return tuple(float(atomic_masses[atomic_numbers[e]]) for e in self.elements)


def draw_system(choose: Chooser) -> System:
    """Atoms, box and boundaries."""
    weights = {"dense": 5, "sparse": 2, "flat": 2, "needle": 2, "below the cutoff": 2}
    weights |= {"corner": 2, "isolated": 1, "single": 1, "islands": 2}
    kind = choose.pick("system", weights)
    shape, rng = SHAPES[kind], choose.rng("box")
    edges = np.array([rng.uniform(*pair) for pair in shape.edges])[rng.permutation(3)]
    boundary = _boundary(choose)
    periodic = [word == "p" for word in boundary]
    matrix = np.diag(edges) + _tilts(choose, edges, periodic)
    rng = choose.rng("atoms")
    wanted = int(rng.integers(shape.atoms[0], shape.atoms[1] + 1))
    region = np.minimum(1.0, CORNER / edges) if shape.corner else np.ones(3)
    positions = scatter(rng, wanted, matrix, periodic, region, shape.apart)
    n = len(positions)
    elements = choose.pick("types", TYPES)
    # Atoms outside of a box that repeats are put back into it by read_data.
    whole = rng.integers(-1, 2, (n, 3)) * (rng.random((n, 1)) < 0.1) * periodic
    room = np.array([0.0 if p else MARGIN for p in periodic])
    outer = matrix + np.diag(2 * room)
    low = rng.uniform(-20, 20, 3)
    spread = n if choose.maybe("scattered ids", 0.5) is False else 10 * n
    return System(
        kind,
        low,
        outer,
        boundary,
        positions + whole @ matrix + room + low,
        rng.integers(1, len(elements) + 1, n),
        rng.permutation(spread)[:n] + 1,
        rng.uniform(-1, 1, n),
        _directions(rng, n),
        elements,
    )


def scatter(
    rng: np.random.Generator,
    wanted: int,
    matrix: NDArray[np.float64],
    periodic: list[bool],
    region: NDArray[np.float64],
    apart: float,
) -> NDArray[np.float64]:
    """At most `wanted` positions, no two nearer than `apart`, images of them included."""
    inverse = np.linalg.inv(matrix)
    heights = 1.0 / np.linalg.norm(inverse, axis=0)
    # A vector shorter than half of every height has fractions below 1/2: rounding finds the image.
    tiny = any(p and h < 2 * apart for p, h in zip(periodic, heights, strict=True))
    steps = [range(-2, 3) if p and tiny else (0,) for p in periodic]
    shifts = np.array(list(itertools.product(*steps)), dtype=float)
    found = np.zeros((0, 3))  # fractions
    for new in rng.random((20 * wanted, 3)) * region:
        apart_by = found - new
        apart_by -= np.round(apart_by) * periodic
        vectors = (apart_by[:, None] + shifts) @ matrix
        if (vectors * vectors).sum(-1).min(initial=np.inf) >= apart**2:
            found = np.vstack([found, new])
            if len(found) == wanted:
                break
    return found @ matrix


def _boundary(choose: Chooser) -> tuple[str, str, str]:
    if not choose.maybe("other boundaries", 0.4):
        return "p", "p", "p"
    x, y, z = (choose.pick(f"boundary {axis}", BOUNDARIES) for axis in "xyz")
    return x, y, z


def _tilts(
    choose: Chooser, edges: NDArray[np.float64], periodic: list[bool]
) -> NDArray[np.float64]:
    """LAMMPS wants both edges of a tilt periodic, and tilts of at most half the first one."""
    tilts = np.zeros((3, 3))
    largest = choose.pick("tilt", {0.0: 0.65, 0.1: 0.15, 0.49: 0.2})
    rng = choose.rng("tilts")
    for row, column in ((1, 0), (2, 0), (2, 1)):
        share = largest * rng.uniform(-1, 1)
        if periodic[row] and periodic[column]:
            tilts[row, column] = share * edges[column]
    return tilts


def _directions(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    directions = rng.normal(size=(n, 3)) + rng.normal(size=3)
    lengths = np.linalg.norm(directions, axis=1)
    return directions / lengths.max(initial=1e-9)
