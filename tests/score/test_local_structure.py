"""One pass over frames: what it counts in crystals, blocks, skipped and broken frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from crystals import crystal, frames_of, rattled

from egraff_lmp.score.bond_angles import triples
from egraff_lmp.score.local_structure import local_structure
from egraff_lmp.score.neighbours import Shells

DIAMOND = Shells(("Ge",), np.array([[3.0]]), np.array([[True]]))
EXACT = 1e-12


def test_diamond() -> None:
    """Four neighbours at 109.47 degrees, q = 1, all tetrahedral."""
    frames = frames_of(crystal("Ge", "diamond", 5.66))
    found = local_structure(frames, DIAMOND)
    assert (found.angles[0, 0, 54], found.angles.sum()) == (6 * 64, 6 * 64)
    assert (found.numbers[0, 0, 0, 4], found.numbers.sum()) == (64, 64)
    np.testing.assert_array_equal(found.bonds, found.numbers[:, 0, 0])
    np.testing.assert_allclose(found.tetrahedral, [[64, 64, 64]], atol=EXACT)
    assert found.units.tolist() == [[0, 0]]


def test_rocksalt_with_bonds_of_unlike_atoms_alone() -> None:
    """Six bonds at 90 and 180 degrees; neighbours of one's own kind are counted, but no bonds.

    Germanium has four of the six around it as the nearest, so that it is not tetrahedral.
    """
    frames = frames_of(crystal("GeTe", "rocksalt", 6.0))
    cutoffs, bonded = np.array([[4.5, 3.3], [3.3, 4.5]]), np.array([[False, True], [True, False]])
    found = local_structure(frames, Shells(("Ge", "Te"), cutoffs, bonded))
    assert found.numbers[0, :, :, 6].tolist() == [[0, 32], [32, 0]]
    assert found.numbers[0, :, :, 12].tolist() == [[32, 0], [0, 32]]
    assert found.bonds[0, 6] == found.bonds.sum() == 64
    rows = triples(2).tolist()
    for kind in ([1, 0, 1], [0, 1, 0]):
        row = found.angles[0, rows.index(kind)]
        assert (row[45], row[89], row.sum()) == (12 * 32, 3 * 32, 15 * 32)
    assert found.tetrahedral[0, 1:].tolist() == [0, 32]


def test_blocks_skipped_frames_and_those_that_are_not_finite() -> None:
    frames = rattled(crystal("Ge", "diamond", 5.66, 1), 0.1, 20)
    frames.positions[7] = np.nan
    found = local_structure(frames, DIAMOND, n_blocks=4, skip=4)
    assert found.n_frames.tolist() == [4, 4, 4, 3]
    assert (found.numbers.sum(axis=(1, 2, 3)) == 8 * found.n_frames).all()
    whole = local_structure(frames, DIAMOND)
    first = local_structure(frames.select(slice(0, 4)), DIAMOND)
    np.testing.assert_allclose(
        found.angles.sum(axis=0) + first.angles.sum(axis=0), whole.angles.sum(axis=0)
    )
    nothing = replace(frames, positions=np.full_like(frames.positions, np.nan))
    assert local_structure(nothing, DIAMOND, n_blocks=4).n_frames.tolist() == [0]


def test_neither_images_nor_the_order_of_atoms_matter() -> None:
    frames = rattled(crystal("GeTe", "rocksalt", 6.0, 1), 0.2, 3)
    cutoffs = np.array([[4.5, 3.6], [3.6, 4.5]])
    shells = Shells(("Ge", "Te"), cutoffs, cutoffs > 0)
    order = np.random.default_rng(0).permutation(8)
    moved = replace(
        frames,
        species=tuple(np.array(frames.species)[order]),
        positions=frames.positions[:, order] + np.array([60.0, -0.7, 6.0]),
    )
    one, other = local_structure(frames, shells), local_structure(moved, shells)
    for name in ("angles", "numbers", "bonds", "tetrahedral"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-9)


@pytest.mark.parametrize(("skip", "expected"), [(0, [3, 4]), (2, [1, 2])])
def test_units_are_compared_with_the_first_frame_skipped_or_not(skip, expected) -> None:
    """A P that loses a sulphur in the last frame is not intact, wherever counting begins."""
    x = np.array([[0, 0, 0], [2.05, 0, 0], [-2.05, 0, 0]], dtype=float)
    frames = frames_of(Atoms("PS2", x, cell=15 * np.eye(3), pbc=True), np.tile(x, (4, 1, 1)))
    frames.positions[3, 1] = [4.0, 0, 0]
    shells = Shells(("P", "S"), np.full((2, 2), 2.5), np.ones((2, 2), dtype=bool))
    assert local_structure(frames, shells, skip=skip).units.sum(axis=0).tolist() == expected
