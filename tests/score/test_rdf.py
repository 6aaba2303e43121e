"""g(r), h(r) and p(r): closed forms, other programs, invariances, refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.rdf import (
    MOLECULE_MARGIN,
    R_MAX_CAP,
    default_r_max,
    half_height,
    merge,
    pair_histogram,
    paper_r_max,
    radial_distribution,
)

TRICLINIC = np.array([[12.05, 0.01, -2.83], [-3.57, 11.15, -3.65], [0.02, 0.08, 12.44]])
N_GAS = 4000  # frames


def make(positions, cell, species, pbc=(True, True, True)):
    positions = np.asarray(positions, dtype=float)
    cell = np.asarray(cell, dtype=float)
    cells = np.broadcast_to(cell, (len(positions), 3, 3)).copy()
    return Frames(tuple(species), positions, cells, pbc, None, None, None, "test")


def gas(n_frames, n_a, n_b, cell, seed=0):
    rng = np.random.default_rng(seed)
    positions = rng.random((n_frames, n_a + n_b, 3)) @ np.asarray(cell)
    return make(positions, cell, ("Ge",) * n_a + ("Te",) * n_b)


def probability(histogram, pair="total"):
    counts = histogram.curve_blocks("probability", pair).sum(axis=0)
    return counts / counts.sum()


@pytest.mark.parametrize("cell", [10 * np.eye(3), TRICLINIC], ids=["cubic", "triclinic"])
def test_an_ideal_gas_of_few_atoms_gives_one(cell):
    # N as small as 4: normalising by N instead of N - 1 would give 0.75.
    frames = gas(N_GAS, 2, 2, cell)
    rdf = radial_distribution(frames, 5.0, 1.0)
    n_pairs = {"total": 6, "Ge-Ge": 1, "Te-Te": 1, "Ge-Te": 4}
    volume = abs(np.linalg.det(cell))
    for name, pairs in n_pairs.items():
        shells = 4 * np.pi / 3 * np.diff(np.arange(6.0) ** 3)
        # Poisson counts: five standard deviations of each bin.
        tolerance = 5 / np.sqrt(N_GAS * pairs * shells / volume)
        assert (np.abs(rdf.y[name] - 1) < tolerance).all(), name


def test_shells_and_coordination_numbers_of_rock_salt():
    a, n = 6.0, 3
    corners = np.array(np.meshgrid(*[range(n)] * 3)).reshape(3, -1).T * a
    fcc = a / 2 * np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0]])
    ge = (corners[:, None] + fcc).reshape(-1, 3) + 0.1  # off the faces
    te = ge + np.array([a / 2, 0, 0])
    frames = make([[*ge, *te]], n * a * np.eye(3), ["Ge"] * 108 + ["Te"] * 108)
    rdf = radial_distribution(frames, 8.0, 0.1)
    volume, shells = (n * a) ** 3, 4 * np.pi / 3 * np.diff((np.arange(81) * 0.1) ** 3)

    def coordination(name, neighbours, low, high):
        window = (rdf.x > low) & (rdf.x < high)
        return (rdf.y[name] * shells * neighbours / volume)[window].sum()

    # Neighbours available to one atom: 108 of the other element, 107 of its own.
    assert coordination("Ge-Te", 108, 2.5, 3.5) == pytest.approx(6)
    assert coordination("Ge-Te", 108, 4.9, 5.5) == pytest.approx(8)
    assert coordination("Ge-Ge", 107, 4.0, 4.5) == pytest.approx(12)
    assert coordination("Te-Te", 107, 5.7, 6.3) == pytest.approx(6)
    empty = (rdf.x > 0) & (rdf.x < 2.8)
    assert not rdf.y["total"][empty].any()


def test_the_total_is_the_mean_of_the_partials_weighted_by_pairs():
    histogram = pair_histogram(gas(5, 7, 12, TRICLINIC), 5.0, 0.25)
    rdf = histogram.curves()
    weights = histogram.n_pairs / histogram.n_pairs.sum()
    mixed = sum(w * rdf.y[name] for w, name in zip(weights, histogram.names, strict=True))
    np.testing.assert_allclose(mixed, rdf.y["total"], rtol=1e-12)


def test_against_interrdf_of_mdanalysis():
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.rdf import InterRDF

    frames = gas(4, 40, 60, 15 * np.eye(3))
    universe = mda.Universe.empty(100, trajectory=True)
    universe.load_new(frames.positions.astype(np.float32), dimensions=[15, 15, 15, 90, 90, 90])
    first, second = universe.atoms[:40], universe.atoms[40:]
    rdf = radial_distribution(frames, 7.0, 0.1)
    mixed = InterRDF(first, second, nbins=70, range=(0, 7.0)).run().results.rdf
    # A pair within float32 rounding of a bin edge may change bins: one of thousands.
    assert np.abs(rdf.y["Ge-Te"] - mixed).mean() < 2e-3
    same = InterRDF(second, second, nbins=70, range=(0, 7.0), exclusion_block=(1, 1)).run()
    assert np.abs(rdf.y["Te-Te"] - same.results.rdf).mean() < 2e-3


def test_paper_mode_against_ase():
    ase = pytest.importorskip("ase")
    from ase.geometry.rdf import get_rdf

    frames = gas(3, 10, 20, 13 * np.eye(3))
    g = pair_histogram(frames, 6.0, 0.05, all_images=True).curves("paper_rdf").y["total"]
    expected = np.mean(
        [
            get_rdf(
                ase.Atoms("Ge30", positions=positions, cell=frames.cell[0], pbc=True), 6.0, 120
            )[0]
            for positions in frames.positions
        ],
        axis=0,
    )
    assert np.abs(g - expected).mean() < 1e-3  # pairs on bin edges, as above


def test_paper_mode_counts_all_images_of_a_small_cell():
    # One atom pair in a 4 A cube, range 6 A: the ideal-crystal shells, images included.
    frames = make([[[0.05, 0, 0], [2.05, 2, 2]]], 4 * np.eye(3), ("Ge", "Te"))
    histogram = pair_histogram(frames, 6.0, 0.05, all_images=True)
    shells = 4 * np.pi / 3 * np.diff(histogram.edges**3)
    neighbours = histogram.curves("paper_rdf").y["total"] * shells * 2 / 64
    counts = {float(r): float(n) for r, n in zip(histogram.r, neighbours, strict=True) if n > 0}
    by_shell = [sum(n for r, n in counts.items() if abs(r - d) < 0.1) for d in (3.464, 4, 5.657)]
    assert by_shell == pytest.approx([8, 6, 12])


def test_volume_changes_are_weighted_frame_by_frame():
    small, large = gas(200, 3, 5, 8 * np.eye(3)), gas(200, 3, 5, 14 * np.eye(3), seed=1)
    both = replace(
        small,
        positions=np.concatenate([small.positions, large.positions]),
        cell=np.concatenate([small.cell, large.cell]),
    )
    each = [radial_distribution(frames, 4.0, 0.5).y["total"] for frames in (small, large)]
    joint = radial_distribution(both, 4.0, 0.5).y["total"]
    np.testing.assert_allclose(joint, np.mean(each, axis=0), rtol=1e-12)


def test_pair_distances_of_a_molecule_integrate_to_one():
    rng = np.random.default_rng(0)
    frames = make(rng.normal(size=(30, 9, 3)), np.zeros((3, 3)), "C" * 4 + "H" * 5, (False,) * 3)
    rdf = radial_distribution(frames)
    assert (rdf.name, rdf.y_unit) == ("h", "1/A")
    for name in ("total", "C-C", "C-H", "H-H"):
        assert rdf.y[name].sum() * (rdf.x[1] - rdf.x[0]) == pytest.approx(1)


def test_pair_distribution_of_a_gaussian_cloud():
    # Distances between points of a unit normal cloud follow r^2 exp(-r^2/4) / (2 sqrt(pi)).
    rng = np.random.default_rng(0)
    frames = make(rng.normal(size=(4000, 6, 3)), np.zeros((3, 3)), "C" * 6, (False,) * 3)
    rdf = radial_distribution(frames, 8.0, 0.25)
    exact = rdf.x**2 * np.exp(-(rdf.x**2) / 4) / (2 * np.sqrt(np.pi))
    # 60 000 correlated pairs: about four standard deviations of the fullest bin.
    np.testing.assert_allclose(rdf.y["total"], exact, atol=0.02)


def test_probability_is_normalised_and_keeps_what_flew_away():
    positions = np.zeros((2, 3, 3))
    positions[:, 1, 0], positions[0, 2, 0], positions[1, 2, 0] = 1.0, 2.0, 1e30
    frames = make(positions, np.zeros((3, 3)), "CCC", (False,) * 3)
    p = probability(pair_histogram(frames, 4.0, 0.5))
    assert p.sum() == pytest.approx(1)
    assert p[-1] == pytest.approx(2 / 6)  # two of six pairs are beyond r_max


def test_probability_of_bulk_is_conditional_on_the_range():
    p = probability(pair_histogram(gas(3, 10, 20, TRICLINIC), 5.0, 0.1), "Ge-Te")
    assert p.sum() == pytest.approx(1)
    assert p[-1] == 0


def test_invariant_under_permutation_rotation_translation_and_wrapping():
    frames = gas(3, 8, 15, TRICLINIC)
    rng = np.random.default_rng(3)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    order = rng.permutation(23)
    shifts = rng.integers(-5, 6, size=(3, 23, 3)) @ TRICLINIC
    moved = ((frames.positions + shifts + [0.3, -7, 2]) @ turn)[:, order]
    other = make(moved, TRICLINIC @ turn, [frames.species[i] for i in order])
    first = pair_histogram(frames, 5.5, 0.5).counts
    # float32 may move a pair over a bin edge: at most a few of 759.
    assert np.abs(first - pair_histogram(other, 5.5, 0.5).counts).sum() <= 4


def test_scaling_lengths_scales_the_axis_only():
    frames = gas(3, 8, 15, TRICLINIC)
    double = replace(frames, positions=2 * frames.positions, cell=2 * frames.cell)
    first, second = radial_distribution(frames, 5.5, 0.5), radial_distribution(double, 11.0, 1.0)
    np.testing.assert_allclose(second.y["Ge-Te"], first.y["Ge-Te"], rtol=1e-12)


def test_failed_frames_are_left_out_and_counted():
    frames = gas(6, 8, 15, TRICLINIC)
    good = radial_distribution(frames.select(np.array([0, 2, 3, 5])), 5.0, 0.5)
    frames.positions[1, 0, 0], frames.positions[4, 5, 1] = np.nan, np.inf
    histogram = pair_histogram(frames, 5.0, 0.5)
    assert histogram.n_failed == 2
    assert histogram.curves().n_frames == 4
    np.testing.assert_allclose(histogram.curves().y["total"], good.y["total"], rtol=1e-12)


def test_blocks_add_up_and_halves_are_the_halves():
    frames = gas(24, 4, 6, TRICLINIC)
    histogram = pair_histogram(frames, 5.0, 0.5)
    assert histogram.n_frames.tolist() == [3, 2, 3, 2, 2, 3, 2, 3, 2, 2]
    whole = radial_distribution(frames, 5.0, 0.5).y["Ge-Te"]
    np.testing.assert_allclose(histogram.curves().y["Ge-Te"], whole, rtol=1e-12)
    first, second = histogram.halves()
    for half, part in ((first, slice(0, 12)), (second, slice(12, 24))):
        alone = radial_distribution(frames.select(part), 5.0, 0.5)
        np.testing.assert_allclose(half.curves().y["total"], alone.y["total"], rtol=1e-12)


def test_merged_histograms_average_over_frames_not_over_files():
    short, long = gas(2, 4, 6, TRICLINIC), gas(6, 4, 6, TRICLINIC, seed=1)
    both = merge([pair_histogram(frames, 5.0, 0.5) for frames in (short, long)]).curves()
    each = [radial_distribution(frames, 5.0, 0.5).y["total"] for frames in (short, long)]
    np.testing.assert_allclose(both.y["total"], (2 * each[0] + 6 * each[1]) / 8, rtol=1e-12)


def test_an_element_with_one_atom_has_no_pair_with_itself():
    rdf = radial_distribution(gas(2, 1, 4, TRICLINIC), 5.0, 0.5)
    assert set(rdf.y) == {"total", "Ge-Te", "Te-Te"}


def test_default_ranges():
    frames = gas(2, 4, 6, TRICLINIC)
    assert default_r_max([frames]) == pytest.approx(half_height(frames))
    smaller = replace(frames, cell=frames.cell * 0.5)
    assert default_r_max([frames, smaller]) == pytest.approx(half_height(frames) / 2)
    assert default_r_max([replace(frames, cell=frames.cell * 10)]) == R_MAX_CAP
    positions = np.zeros((2, 2, 3))
    positions[:, 1, 0] = 4.0
    molecule = make(positions, np.zeros((3, 3)), "CC", (False,) * 3)
    assert default_r_max([molecule]) == pytest.approx(4.0 * MOLECULE_MARGIN)


def test_range_of_the_paper():
    frames = gas(1, 4, 6, TRICLINIC)
    shortest = np.linalg.norm(TRICLINIC, axis=1).min()
    assert paper_r_max(frames) == pytest.approx((shortest - 1) / 2)
    assert paper_r_max(gas(1, 2, 2, 50 * np.eye(3))) == 10
    assert paper_r_max(make(np.zeros((1, 2, 3)), np.zeros((3, 3)), "CC", (False,) * 3)) == 10


def test_a_range_beyond_half_the_smallest_height_is_refused():
    with pytest.raises(
        EgraffError, match=r"at most half the smallest cell height, 5\.\d+ A, got 6"
    ):
        pair_histogram(gas(1, 4, 6, TRICLINIC), 6.0)


@pytest.mark.parametrize(("r_max", "width"), [(5, 0), (5, -1), (0.01, 0.05), (np.nan, 0.05)])
def test_senseless_bins_are_refused(r_max, width):
    with pytest.raises(EgraffError, match="expected a bin width above 0"):
        pair_histogram(gas(1, 4, 6, TRICLINIC), r_max, width)


def test_a_single_atom_is_refused():
    with pytest.raises(EgraffError, match="expected at least two atoms, got 1"):
        pair_histogram(gas(1, 1, 0, TRICLINIC), 5.0)
