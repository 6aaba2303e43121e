"""The table of scattering lengths against values printed elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
from ase.data import atomic_numbers

from egraff_lmp.score.scattering_lengths import SCATTERING_LENGTHS_FM, scattering_lengths

# V. F. Sears, Neutron News 3 (3) (1992) 26, in fm, rounded there to its last digit but one.
SEARS = {
    "H": -3.739, "Li": -1.90, "C": 6.646, "N": 9.36, "O": 5.803, "Si": 4.1491, "P": 5.13,
    "S": 2.847, "Ti": -3.438, "V": -0.3824, "Fe": 9.45, "Ge": 8.185, "Sb": 5.57, "Te": 5.80,
    "Pb": 9.405,
}  # fmt: skip
LATER = 0.13  # fm: the largest change since then, of Te


@pytest.mark.parametrize(("element", "length"), SEARS.items())
def test_the_lengths_are_those_of_the_literature(element: str, length: float) -> None:
    assert SCATTERING_LENGTHS_FM[element] == pytest.approx(length, abs=LATER)


def test_the_names_are_elements_and_each_atom_gets_its_own() -> None:
    assert set(SCATTERING_LENGTHS_FM) <= set(atomic_numbers)
    found = scattering_lengths(("Te", "Ge", "Te", "Gd"))
    np.testing.assert_array_equal(found, [5.68, 8.185, 5.68, np.nan])
