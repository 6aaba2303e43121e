"""Crystals: effective-medium copper is right; prototypes have the distances that are known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from unbound import Outward

from egraff_lmp.physics.checks.crystals import judge_crystal, judge_order, outward_fall
from egraff_lmp.physics.prototypes import COMPOUNDS, prototypes

# Nearest neighbours in A by the papers that the table names, and 0.01 A of rounding.
NEIGHBOURS = {
    "rhombohedral GeTe": 2.84,
    "rocksalt GeTe": 3.00,
    "trigonal Te": 2.835,
    "antifluorite Li2S": 2.47,
    "hexagonal Li3P": 2.46,
}
ROUNDING_ANGSTROM = 0.01


def judged(atoms: Atoms, calculator: Calculator, known: bool = True):
    found = judge_crystal("copper", atoms, SimpleNamespace(calculator=calculator), known)
    return {finding.name: finding for finding in found.findings}


def test_copper_passes():
    found = judged(bulk("Cu", a=3.61), EMT())
    assert {finding.verdict for finding in found.values()} == {"passed"}
    # B of EMT copper is 134 GPa.
    assert found["bulk modulus"].value == pytest.approx(134, rel=0.03)
    assert len(found) == 7


def test_a_volume_far_from_the_measured_one_fails():
    found = judged(bulk("Cu", a=4.0), EMT())
    assert found["volume off the measured one"].verdict == "failed"
    assert found["volume off the measured one"].value == pytest.approx(
        100 * (1 - (3.59 / 4.0) ** 3), rel=0.02
    )
    assert found["equation of state"].verdict == "not applicable"
    assert "volume off the measured one" not in judged(bulk("Cu", a=4.0), EMT(), known=False)


def test_a_crystal_without_binding_fails():
    found = judged(bulk("Cu", a=3.61), Outward())
    assert "failed" in {finding.verdict for finding in found.values()}


def test_falls_beside_the_minimum():
    volumes = np.linspace(-1, 1, 9)
    assert outward_fall(volumes**2) == 0
    curve = volumes**2
    curve[-1] = curve[-2] - 0.2
    assert outward_fall(curve) == pytest.approx(0.2)
    assert outward_fall(curve[::-1]) == pytest.approx(0.2)


def test_the_stable_crystal_is_lowest():
    stable, other = "rhombohedral GeTe", "rocksalt GeTe"
    (right,) = judge_order(COMPOUNDS, {stable: -3.03, other: -3.0})
    assert (right.verdict, right.value) == ("passed", pytest.approx(-30))
    (wrong,) = judge_order(COMPOUNDS, {stable: -3.0, other: -3.03})
    assert (wrong.verdict, wrong.where) == ("failed", stable)
    assert judge_order(COMPOUNDS, {stable: -3.0}) == []


@pytest.mark.parametrize("row", COMPOUNDS, ids=lambda row: row.name)
def test_prototypes_have_the_neighbours_that_are_known(row):
    atoms = row.build()
    distances = atoms.get_all_distances(mic=True)
    nearest = distances[distances > 0].min()
    assert nearest == pytest.approx(NEIGHBOURS[row.name], abs=ROUNDING_ANGSTROM)
    assert set(atoms.get_chemical_symbols()) == set(row.elements)
    assert atoms.pbc.all()


def test_prototypes_of_elements():
    names = [row.name for row in prototypes(("Ge", "Te", "Cu", "S"))]
    assert names[:2] == ["diamond Ge", "fcc Cu"]
    assert "antifluorite Li2S" not in names
    assert prototypes(("H", "O")) == ()
