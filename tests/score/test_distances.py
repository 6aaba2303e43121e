"""Pair distances: minimum image, all images, orientations of the cell, far-away atoms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import distances
from egraff_lmp.score.distances import (
    cell_heights,
    finite_frames,
    pair_distances,
    pair_names,
    pair_numbers,
)

# MDAnalysis takes positions of up to about 20 A in float32, whose spacing there is 2e-6 A.
FLOAT32_A = 1e-5
TRICLINIC = np.array([[12.05, 0.01, -2.83], [-3.57, 11.15, -3.65], [0.02, 0.08, 12.44]])


def frames_of(positions, cell, species=None, pbc=(True, True, True)):
    positions = np.asarray(positions, dtype=float)
    positions = positions[None] if positions.ndim == 2 else positions
    cells = np.broadcast_to(np.asarray(cell, dtype=float), (len(positions), 3, 3)).copy()
    species = species or ("Ge",) * positions.shape[1]
    return Frames(species, positions, cells, pbc, None, None, None, "test")


def random_frames(n_atoms=20, cell=TRICLINIC, species=None, n_frames=1, seed=0):
    rng = np.random.default_rng(seed)
    positions = rng.random((n_frames, n_atoms, 3)) @ cell
    return frames_of(positions, cell, species)


def brute_force(positions, cell, r_max, reach=2):
    """All distances below r_max between atoms and images of other atoms, each pair once."""
    found = []
    for shift in product(range(-reach, reach + 1), repeat=3):
        for i, j in product(range(len(positions)), repeat=2):
            if i != j or any(shift):
                found.append(np.linalg.norm(positions[j] + shift @ cell - positions[i]))
    found = np.sort(found)
    return found[found < r_max][::2]  # every distance occurs for i, j and for j, i


def below(frames, r_max, **options):
    ((_, found, _),) = pair_distances(frames, r_max, **options)
    return np.sort(found[found < r_max])


def test_minimum_image_in_a_triclinic_cell_equals_brute_force_up_to_half_the_height():
    frames = random_frames()
    r_max = cell_heights(TRICLINIC).min() / 2
    expected = brute_force(frames.positions[0], TRICLINIC, r_max)
    np.testing.assert_allclose(below(frames, r_max), expected, atol=FLOAT32_A)


def test_minimum_image_in_a_strongly_skewed_cell():
    cell = np.array([[10.0, 0, 0], [9.0, 8.0, 0], [-7.0, 7.5, 9.0]])
    frames = random_frames(cell=cell)
    r_max = cell_heights(cell).min() / 2
    expected = brute_force(frames.positions[0], cell, r_max, reach=4)
    np.testing.assert_allclose(below(frames, r_max), expected, atol=FLOAT32_A)


def test_all_images_beyond_half_the_height_equal_brute_force():
    frames = random_frames(n_atoms=6)
    found = below(frames, 13.0, all_images=True)  # beyond a whole cell height
    expected = brute_force(frames.positions[0], TRICLINIC, 13.0, reach=3)
    np.testing.assert_allclose(found[::2], expected, atol=1e-9)
    np.testing.assert_allclose(found[1::2], expected, atol=1e-9)


def test_images_carry_half_the_weight_because_both_directions_are_listed():
    ((_, found, weight),) = pair_distances(random_frames(n_atoms=6), 13.0, all_images=True)
    assert weight == 0.5
    assert len(found) % 2 == 0


def test_cell_list_of_large_systems_equals_all_pairs(monkeypatch):
    frames = random_frames(n_atoms=150, species=("Ge",) * 50 + ("Te",) * 100)
    dense = below(frames, 5.0)
    monkeypatch.setattr(distances, "DENSE_ATOMS", 10)
    np.testing.assert_allclose(below(frames, 5.0), dense, atol=FLOAT32_A)


def test_orientation_and_handedness_of_the_cell_do_not_matter():
    frames = random_frames()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    for turn in (rotation, -rotation):
        turned = frames_of(frames.positions[0] @ turn, TRICLINIC @ turn)
        np.testing.assert_allclose(below(turned, 5.0), below(frames, 5.0), atol=FLOAT32_A)


def test_atoms_unwrapped_far_away_keep_their_digits():
    frames = random_frames()
    shifts = np.random.default_rng(2).integers(-1000, 1000, size=(20, 3))
    far = frames_of(frames.positions[0] + shifts @ TRICLINIC, TRICLINIC)
    np.testing.assert_allclose(below(far, 5.0), below(frames, 5.0), atol=FLOAT32_A)


def test_molecules_have_no_images_and_may_lie_anywhere():
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0], [9.0, 0, 0]]) + 1e4
    frames = frames_of(positions, 10 * np.eye(3), pbc=(False,) * 3)
    np.testing.assert_allclose(below(frames, 20.0), [1.0, 8.0, 9.0], atol=FLOAT32_A)


def test_labels_follow_the_elements():
    frames = frames_of(
        [[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0]], 0 * np.eye(3), ("Te", "Ge", "Te"), (False,) * 3
    )
    ((labels, found, _),) = pair_distances(frames, 10.0)
    names = pair_names(frames.species)
    by_name = {(names[label], round(float(d), 4)) for label, d in zip(labels, found, strict=True)}
    assert by_name == {("Ge-Te", 1.0), ("Te-Te", 3.0), ("Ge-Te", 2.0)}


def test_names_and_numbers_of_pairs():
    species = ("Te", "Ge", "Te", "Li", "Te")
    assert pair_names(species) == ("Ge-Li", "Ge-Te", "Li-Te", "Te-Te")
    np.testing.assert_array_equal(pair_numbers(species), [1, 3, 3, 3])
    assert pair_numbers(species).sum() == 5 * 4 / 2


def test_heights_of_a_triclinic_cell():
    volume = abs(np.linalg.det(TRICLINIC))
    a, b, c = TRICLINIC
    expected = [volume / np.linalg.norm(np.cross(*pair)) for pair in ((b, c), (c, a), (a, b))]
    np.testing.assert_allclose(cell_heights(TRICLINIC), expected, rtol=1e-12)
    assert cell_heights(TRICLINIC).min() < np.linalg.norm(TRICLINIC, axis=1).min()


def test_frames_that_are_not_finite_or_have_no_volume_are_told():
    frames = random_frames(n_frames=4)
    frames.positions[1, 3, 2] = np.nan
    frames.cell[2, 0, 0] = np.inf
    frames.cell[3] = 0
    assert finite_frames(frames).tolist() == [True, False, False, False]


def test_slabs_are_refused():
    frames = frames_of([[0.0, 0, 0], [1.0, 0, 0]], 10 * np.eye(3), pbc=(True, True, False))
    with pytest.raises(EgraffError, match="periodicity along all three lattice vectors or none"):
        next(pair_distances(frames, 3.0))


def test_a_flat_cell_is_refused():
    frames = frames_of([[0.0, 0, 0], [1.0, 0, 0]], np.ones((3, 3)))
    with pytest.raises(EgraffError, match="three lattice vectors in general position"):
        next(pair_distances(frames, 3.0))
