"""Pair distances of a frame; the one place that knows about periodic images.

Positions are reduced to the cell in float64 before MDAnalysis turns them into float32, so an atom
that diffused a thousand A away in unwrapped coordinates is as exact as one that stayed.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.graph import find_edges

# Up to here all N(N-1)/2 distances at once are faster than a cell list.
DENSE_ATOMS = 1000


def cell_heights(cell: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances between opposite faces of the cells (..., 3, 3), in A, (..., 3)."""
    normals = np.cross(np.roll(cell, -1, axis=-2), np.roll(cell, -2, axis=-2))
    volume = np.abs(np.linalg.det(cell))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(volume[..., None] / np.linalg.norm(normals, axis=-1))


def is_periodic(frames: Frames) -> bool:
    """True where all three directions are periodic, False where none is.

    Raises:
        EgraffError: some are; a radial distribution then has no number density to be divided by.
    """
    if any(frames.pbc) and not all(frames.pbc):
        raise EgraffError(
            f"{frames.source}: expected periodicity along all three lattice vectors or none, got "
            f"{frames.pbc}: radial distributions of slabs and wires are not defined here."
        )
    return all(frames.pbc)


def finite_frames(frames: Frames) -> NDArray[np.bool_]:
    """Which frames have finite positions and a finite cell (of non-zero volume if periodic)."""
    good = np.atleast_1d(
        np.isfinite(frames.positions).all(axis=(1, 2)) & np.isfinite(frames.cell).all(axis=(1, 2))
    )
    if all(frames.pbc):
        good[good] = np.abs(np.linalg.det(frames.cell[good])) > 0
    return good


def pair_names(species: tuple[str, ...]) -> tuple[str, ...]:
    """Names of the pairs of elements that occur, "Ge-Te", elements in alphabetical order."""
    return tuple(
        f"{a}-{b}"
        for a, b in combinations_with_replacement(sorted(set(species)), 2)
        if a != b or species.count(a) > 1
    )


def pair_numbers(species: tuple[str, ...]) -> NDArray[np.float64]:
    """Number of unordered pairs of atoms behind each of `pair_names`."""
    numbers = []
    for name in pair_names(species):
        a, b = (species.count(element) for element in name.split("-"))
        first, second = name.split("-")
        numbers.append(a * (a - 1) / 2 if first == second else a * b)
    return np.array(numbers, dtype=np.float64)


def label_table(species: tuple[str, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Element index of each atom, and the pair label of two element indices."""
    elements = sorted(set(species))
    names = {name: label for label, name in enumerate(pair_names(species))}
    table = np.zeros((len(elements), len(elements)), dtype=np.intp)
    for (i, a), (j, b) in combinations_with_replacement(enumerate(elements), 2):
        # An element with one atom has no pair with itself, except with its own images.
        table[i, j] = table[j, i] = names.get(f"{a}-{b}", 0)
    return np.array([elements.index(element) for element in species], dtype=np.intp), table


def pair_distances(
    frames: Frames, r_max: float, all_images: bool = False
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.float64], float]]:
    """For each frame, pair label, distance and weight of its pairs of atoms.

    Args:
        frames: finite frames only.
        r_max: distances beyond it may be left out, in A.
        all_images: count every periodic image within r_max, also those beyond the minimum image
            (for cells with a height below 2 r_max). Both directions are listed, weight 1/2.

    Yields:
        labels (M,) into `pair_names`, distances (M,) in A, weight of each.
    """
    periodic = is_periodic(frames)
    if not len(frames):
        return
    kinds, table = label_table(frames.species)
    if needs_images(frames, r_max, all_images):
        yield from _image_distances(frames, r_max, kinds, table)
    elif frames.n_atoms <= DENSE_ATOMS:
        yield from _dense_distances(frames, periodic, kinds, table)
    else:
        for index in range(len(frames)):
            yield *capped_distances(frames, index, r_max), 1.0


def needs_images(frames: Frames, r_max: float, all_images: bool) -> bool:
    """Whether more than the nearest image of an atom lies within r_max and is to be counted."""
    return all_images and is_periodic(frames) and bool(2 * r_max > cell_heights(frames.cell).min())


def _reduced(
    positions: NDArray[np.float64], cell: NDArray[np.float64], periodic: bool, source: str
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Float32 positions and box (lengths and angles) as MDAnalysis takes them.

    MDAnalysis has the first lattice vector along x and the second in the xy plane; other
    orientations are rotated there by way of fractional coordinates.
    """
    if not periodic:
        return (positions - positions.mean(axis=0)).astype(np.float32), None
    from MDAnalysis.lib.mdamath import triclinic_box, triclinic_vectors  # an optional package

    box = triclinic_box(*cell)
    if not box.any():
        raise EgraffError(
            f"{source}: expected a cell of three lattice vectors in general position, got "
            f"{cell.tolist()}: check the cell."
        )
    fractional = positions @ np.linalg.inv(cell)
    fractional -= np.floor(fractional)
    return (fractional @ triclinic_vectors(box, dtype=np.float64)).astype(np.float32), box


def _dense_distances(frames, periodic, kinds, table):  # type: ignore[no-untyped-def]
    from MDAnalysis.lib.distances import self_distance_array  # an optional package

    n_atoms = frames.n_atoms
    first, second = np.triu_indices(n_atoms, 1)  # the order of self_distance_array
    labels = table[kinds[first], kinds[second]]
    distances = np.empty(labels.size, dtype=np.float64)
    for positions, cell in zip(frames.positions, frames.cell, strict=True):
        coordinates, box = _reduced(positions, cell, periodic, frames.source)
        if n_atoms > 1:
            self_distance_array(coordinates, box=box, result=distances)
        yield labels, distances, 1.0


def capped_distances(
    frames: Frames, index: int, r_max: float
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Pair labels and distances (M,) in A of the pairs within r_max of one frame, by cell list.

    Args:
        frames: see `pair_distances`.
        index: of the frame.
        r_max: in A, at most half the smallest cell height.
    """
    from vesin import NeighborList  # an optional package

    periodic = is_periodic(frames)
    kinds, table = label_table(frames.species)
    positions, cell = frames.positions[index], frames.cell[index]
    if periodic:
        # Into the cell: atoms that diffused far away cost a cell list its speed.
        fractional = positions @ np.linalg.inv(cell)
        fractional -= np.floor(fractional)
        positions = fractional @ cell
    first, second, distances = NeighborList(cutoff=r_max, full_list=False).compute(
        points=np.ascontiguousarray(positions), box=cell, periodic=periodic, quantities="ijd"
    )
    return table[kinds[first], kinds[second]], distances


def _image_distances(frames, r_max, kinds, table):  # type: ignore[no-untyped-def]
    for positions, cell in zip(frames.positions, frames.cell, strict=True):
        edges = find_edges(positions, cell, frames.pbc, r_max)
        distances = np.linalg.norm(edges.vectors(positions, cell), axis=1)
        yield table[kinds[edges.index[0]], kinds[edges.index[1]]], distances, 0.5
