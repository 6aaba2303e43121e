"""Neighbours of the first shell, counted from g(r) and atom by atom."""

from __future__ import annotations

import numpy as np
import pytest
from crystals import crystal

from egraff_lmp.score.coordination import MAX_NUMBER, coordination_numbers, number_counts
from egraff_lmp.score.curves import coordination_error, first_minimum
from egraff_lmp.score.neighbours import neighbours

WIDTH = 0.05
R = (np.arange(160) + 0.5) * WIDTH


def shells(*numbers: float) -> np.ndarray:
    """g(r) with so many neighbours in shells at 2.8, 4.6 and 6.4 A, up to a common factor."""
    places = zip(numbers, (2.8, 4.6, 6.4), strict=True)
    peaks = [n * np.exp(-((R - c) ** 2) / 0.08) for n, c in places]
    return np.sum(peaks, axis=0) / R**2


def test_the_shell_ends_between_two_peaks():
    assert first_minimum(shells(6, 12, 8), WIDTH) * WIDTH == pytest.approx(3.7, abs=0.2)


@pytest.mark.parametrize("number", [6.0, 5.0, 9.0])
def test_only_the_first_shell_counts(number: float):
    """The error is that of the number of neighbours, whatever happens further out."""
    found = coordination_error(shells(number, 20, 1), shells(6, 12, 8), WIDTH)
    # Tails of the second shell reach into the first by less than a thousandth.
    assert found == pytest.approx(100 * abs(number - 6) / 6, abs=0.1)


def test_the_width_of_a_peak_does_not_matter():
    broad = 6 * np.exp(-((R - 2.8) ** 2) / 0.02) * 2 / R**2  # half as broad, twice as high
    assert coordination_error(broad, shells(6, 12, 8), WIDTH) < 0.2


def test_without_neighbours_there_is_no_error():
    assert np.isnan(coordination_error(shells(6, 12, 8), np.zeros_like(R), WIDTH))


@pytest.mark.parametrize(
    ("name", "structure", "a", "cutoff", "own", "other"),
    [
        ("Si", "diamond", 5.43, 2.6, 4, None),
        ("Cu", "fcc", 3.61, 2.9, 12, None),
        ("GeTe", "rocksalt", 6.0, 3.3, 0, 6),
        ("GeTe", "rocksalt", 6.0, 4.5, 12, 6),
    ],
)  # fmt: skip
def test_coordination_numbers_of_crystals(name, structure, a, cutoff, own, other):
    atoms = crystal(name, structure, a)
    kinds = np.unique(atoms.get_chemical_symbols(), return_inverse=True)[1]
    near = neighbours(atoms.positions, atoms.cell.array, cutoff)
    numbers = coordination_numbers(near, kinds, kinds.max() + 1)
    each = np.arange(len(atoms))
    assert (numbers[each, kinds] == own).all()
    if other is not None:
        assert (numbers[each, 1 - kinds] == other).all()


def test_numbers_are_counted_and_large_ones_together():
    counts = number_counts(np.array([0, 2, 2, MAX_NUMBER, 400]))
    assert (counts[[0, 1, 2, -1]] == [1, 0, 2, 2]).all()
    assert counts.sum() == 5
    assert number_counts(np.zeros(0, dtype=np.int64)).sum() == 0
