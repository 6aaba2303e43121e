"""Pair distances: images, orientations of the cell, far-away atoms, and their histograms."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import distances
from egraff_lmp.score.distances import (
    cell_heights,
    finite_frames,
    frame_counts,
    is_periodic,
    pair_distances,
    pair_numbers,
)

ROUNDING_A = 1e-9
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


def below(frames, r_max, index=0):
    cell = frames.cell[index] if is_periodic(frames) else None
    found = [d for _, _, d in pair_distances(frames.positions[index], cell, r_max)]
    found = np.sort(np.concatenate(found))
    return found[found < r_max]


def test_minimum_image_in_a_triclinic_cell_equals_brute_force_up_to_half_the_height():
    frames = random_frames()
    r_max = cell_heights(TRICLINIC).min() / 2
    expected = brute_force(frames.positions[0], TRICLINIC, r_max)
    np.testing.assert_allclose(below(frames, r_max), expected, atol=ROUNDING_A)


def test_minimum_image_in_a_strongly_skewed_cell():
    cell = np.array([[10.0, 0, 0], [9.0, 8.0, 0], [-7.0, 7.5, 9.0]])
    frames = random_frames(cell=cell)
    r_max = cell_heights(cell).min() / 2
    expected = brute_force(frames.positions[0], cell, r_max, reach=4)
    np.testing.assert_allclose(below(frames, r_max), expected, atol=ROUNDING_A)


def test_all_images_beyond_half_the_height_equal_brute_force():
    frames = random_frames(n_atoms=6)
    # Beyond a whole cell height: an atom has images of its own in the range.
    expected = brute_force(frames.positions[0], TRICLINIC, 13.0, reach=3)
    np.testing.assert_allclose(below(frames, 13.0), expected, atol=ROUNDING_A)


def test_portions_of_a_large_molecule_equal_all_pairs(monkeypatch):
    frames = replace(random_frames(n_atoms=150), pbc=(False,) * 3)
    whole = below(frames, 100.0)
    assert len(whole) == 150 * 149 / 2
    monkeypatch.setattr(distances, "AT_A_TIME", 1000)
    np.testing.assert_array_equal(below(frames, 100.0), whole)


def test_orientation_and_handedness_of_the_cell_do_not_matter():
    frames = random_frames()
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    for turn in (rotation, -rotation):
        turned = frames_of(frames.positions[0] @ turn, TRICLINIC @ turn)
        np.testing.assert_allclose(below(turned, 5.0), below(frames, 5.0), atol=ROUNDING_A)


def test_atoms_unwrapped_far_away_keep_their_digits():
    frames = random_frames()
    shifts = np.random.default_rng(2).integers(-1000, 1000, size=(20, 3))
    far = frames_of(frames.positions[0] + shifts @ TRICLINIC, TRICLINIC)
    np.testing.assert_allclose(below(far, 5.0), below(frames, 5.0), atol=ROUNDING_A)


def test_molecules_have_no_images_and_may_lie_anywhere():
    positions = np.array([[0.0, 0, 0], [1.0, 0, 0], [9.0, 0, 0]]) + 1e4
    frames = frames_of(positions, 10 * np.eye(3), pbc=(False,) * 3)
    np.testing.assert_allclose(below(frames, 20.0), [1.0, 8.0, 9.0], atol=ROUNDING_A)


def test_counts_follow_the_elements():
    frames = frames_of(
        [[0.0, 0, 0], [1.0, 0, 0], [3.0, 0, 0]], 0 * np.eye(3), ("Te", "Ge", "Te"), (False,) * 3
    )
    (counts,) = frame_counts(frames, 4, 1.0)
    assert list(pair_numbers(frames.species)) == ["Ge-Te", "Te-Te"]
    assert counts.tolist() == [[0, 1, 1, 0, 0], [0, 0, 0, 1, 0]]


@pytest.mark.parametrize("pbc", [True, False])
@pytest.mark.parametrize("cell", [2 * TRICLINIC, 24 * np.eye(3)], ids=["triclinic", "cubic"])
def test_counts_equal_histograms_of_minimum_images(cell, pbc):
    rng = np.random.default_rng(0)
    species = tuple(rng.choice(["Ge", "Te", "Sb"], 300, p=[0.3, 0.6, 0.1]))
    cells = cell * np.array([1.0, 1.03, 1.06])[:, None, None]
    positions = (3 * rng.random((3, 300, 3)) - 1) @ cells
    frames = Frames(species, positions, cells, (pbc,) * 3, None, None, None, "gas")
    n_bins, first, second = 36, *np.triu_indices(300, 1)
    elements = np.array(species)
    for counts, x, h in zip(frame_counts(frames, n_bins, 0.25), positions, cells, strict=True):
        d = x[first] - x[second]
        if pbc:
            d = d - np.round(d @ np.linalg.inv(h)) @ h
        d = np.linalg.norm(d, axis=1)
        for found, name in zip(counts, pair_numbers(species), strict=True):
            a, b = name.split("-")
            of = ((elements[first] == a) & (elements[second] == b)) | (
                (elements[first] == b) & (elements[second] == a)
            )
            expected, _ = np.histogram(d[of], n_bins, (0, n_bins * 0.25))
            np.testing.assert_array_equal(found[:-1], expected)
        assert counts[:, :-1].sum() > 200


def test_distances_on_an_edge_belong_above_it_whatever_the_rounding():
    sites = np.stack(np.meshgrid(*[np.arange(3.0)] * 3, indexing="ij"), axis=-1).reshape(27, 3)
    moved = [4 * sites, 4 * sites + [0.1, 0.7, -3.3], 4 * sites[::-1] + 1e3]
    for counts in frame_counts(frames_of(moved, 12 * np.eye(3)), 120, 0.05):
        assert counts[0, 79] == 0
        assert counts[0, 80] == 27 * 6 / 2


def test_molecules_and_what_flew_away():
    rng = np.random.default_rng(0)
    positions = 8 * rng.random((3, 200, 3))
    positions[1, :5] *= 1e9
    positions[2, 7] = 1e200  # squares overflow
    frames = frames_of(positions, 0 * np.eye(3), pbc=(False,) * 3)
    for counts, x in zip(frame_counts(frames, 40, 0.25), positions, strict=True):
        with np.errstate(over="ignore"):
            d = np.linalg.norm((x[:, None] - x)[np.triu_indices(200, 1)], axis=1)
        np.testing.assert_array_equal(counts[0, :-1], np.histogram(d, 40, (0, 10))[0])
        assert counts.sum() == len(d)


def test_names_and_numbers_of_pairs():
    species = ("Te", "Ge", "Te", "Li", "Te")
    assert pair_numbers(species) == {"Ge-Li": 1, "Ge-Te": 3, "Li-Te": 3, "Te-Te": 3}
    assert list(pair_numbers(species)) == ["Ge-Li", "Ge-Te", "Li-Te", "Te-Te"]
    assert sum(pair_numbers(species).values()) == 5 * 4 / 2


def test_heights_of_a_triclinic_cell():
    volume = abs(np.linalg.det(TRICLINIC))
    a, b, c = TRICLINIC
    expected = [volume / np.linalg.norm(np.cross(*pair)) for pair in ((b, c), (c, a), (a, b))]
    np.testing.assert_allclose(cell_heights(TRICLINIC), expected, rtol=1e-12)
    assert cell_heights(TRICLINIC).min() < np.linalg.norm(TRICLINIC, axis=1).min()


def test_frames_that_are_not_finite_or_have_no_volume_are_told():
    frames = random_frames(n_frames=5)
    frames.positions[1, 3, 2] = np.nan
    frames.cell[2, 0, 0] = np.inf
    frames.cell[3], frames.cell[4] = 0, 1
    assert finite_frames(frames).tolist() == [True, False, False, False, False]


def test_slabs_are_refused():
    frames = frames_of([[0.0, 0, 0], [1.0, 0, 0]], 10 * np.eye(3), pbc=(True, True, False))
    with pytest.raises(EgraffError, match="periodicity along all three lattice vectors or none"):
        next(frame_counts(frames, 3, 1.0))
