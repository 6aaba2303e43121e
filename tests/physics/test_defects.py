"""Defects: effective-medium copper obeys every law, and what breaks one is named."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import all_changes
from ase.calculators.emt import EMT
from unbound import Outward

from egraff_lmp.physics.checks import defects
from egraff_lmp.physics.checks.defects import Crystal, Displaced
from egraff_lmp.physics.prototypes import COMPOUNDS
from egraff_lmp.physics.symmetry import operations, site_kinds
from egraff_lmp.verify.finding import Finding

PROTOTYPES = {row.name: row for row in COMPOUNDS}
ROUNDING = 1e-9  # sums of some ten energies in float64
# EMT is cut off smoothly, and evaluated in float64.
EXACT_MEV = 1e-3


class Pulled(EMT):
    """Copper whose first atom is pulled along x by 0.1 eV/A: no crystal does that by itself."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        self.results["energy"] -= 0.1 * self.atoms.positions[0, 0]
        self.results["free_energy"] = self.results["energy"]


def copper(calculator) -> Crystal:
    atoms = bulk("Cu", a=3.61)
    found = defects.relaxed_crystal("copper", atoms, SimpleNamespace(calculator=calculator))
    assert isinstance(found, Crystal)
    return found


@pytest.fixture(scope="module")
def judged():
    crystal = copper(EMT())
    findings, panels = defects.judge_sites(crystal)
    elements = {"Cu": crystal.atom_ev}
    found = [*findings, *defects.judge_formation(crystal, elements)]
    return crystal, {finding.name: finding for finding in found}, panels


def test_copper_passes(judged):
    crystal, found, panels = judged
    assert {finding.verdict for finding in found.values()} == {"passed"}
    assert len(found) == 8
    assert found["difference of equivalent displacements"].value < EXACT_MEV
    assert found["distance of the energy from a smooth curve"].value < 0.1
    # A single kind of site, whose vacancy is not compared with another.
    assert "difference of vacancies at equivalent sites" not in found
    (panel,) = panels
    assert [line.label for line in panel.lines] == list(defects.AXES)
    heights = 1 / np.linalg.norm(np.linalg.inv(np.asarray(crystal.large.cell)), axis=0)
    assert (heights >= defects.HEIGHT_ANGSTROM).all()


def test_the_formation_energy_is_that_of_a_vacancy_by_hand(judged):
    """E(N - 1) - (N - 1) / N E(N), here without relaxation, which lowers it by some per cent."""
    crystal, found, _ = judged
    atoms = crystal.large.copy()
    del atoms[7]
    atoms.calc = EMT()
    unrelaxed = atoms.get_potential_energy() - len(atoms) * crystal.atom_ev
    value = found["vacancy formation energy"].value
    assert unrelaxed * 0.8 < value < unrelaxed
    gained = found["relaxed vacancy above the unrelaxed one"].value
    assert value == pytest.approx(unrelaxed + gained / 1000, abs=1e-6)


def test_a_pulled_atom_fails():
    crystal = copper(EMT())
    crystal.large.calc = Pulled()
    crystal = Crystal("copper", crystal.unit, crystal.large, crystal.large.get_potential_energy())
    found = defects.displace(crystal, 0)
    symmetries = operations(crystal.unit, 0, 0)
    failures = {
        finding.name: finding.value
        for finding in defects.judge_displaced(found, symmetries, "")
        if finding.verdict == "failed"
    }
    # Of +r and -r along a direction with x, twice 0.1 eV/A times that part of 0.25 A.
    assert failures["difference of equivalent displacements"] == pytest.approx(
        2 * 25 * np.abs(found.directions[:, 0]).max(), abs=1
    )


def test_a_crystal_without_binding_has_no_defects():
    atoms = bulk("Cu", a=3.61)
    found = defects.relaxed_crystal("copper", atoms, SimpleNamespace(calculator=Outward()))
    assert isinstance(found, Finding)
    assert found.verdict == "not applicable"
    assert found.reason.startswith("no crystal: its volume changes by")


def line(energies) -> Displaced:
    r = np.linspace(-0.25, 0.25, defects.POINTS)
    return Displaced(r, np.eye(3)[:1], np.array([energies(r)]))


def test_a_spring_has_its_stiffness_and_no_roughness():
    spring = line(lambda r: 1000 * 0.5 * 3.0 * r**2)
    assert defects.stiffnesses(spring) == pytest.approx([3.0])
    assert defects.roughness(spring) < ROUNDING
    assert defects.fall(spring.energies_mev[0]) == 0
    assert defects.asymmetry(spring, np.array([np.eye(3)])) is None
    assert defects.asymmetry(spring, np.array([-np.eye(3)])) == pytest.approx(0, abs=ROUNDING)


def test_a_site_that_is_no_minimum_falls():
    hill = line(lambda r: -1000 * 0.5 * 1.0 * r**2)
    assert defects.fall(hill.energies_mev[0]) == pytest.approx(31.25)
    names = {f.name for f in defects.judge_displaced(hill, np.zeros((0, 3, 3)), "")
             if f.verdict == "failed"}  # fmt: skip
    assert names == {
        "fall of the energy away from the site", "stiffness of the site, softest line",
    }  # fmt: skip
    tilted = line(lambda r: 20 * r)
    assert defects.fall(tilted.energies_mev[0]) == pytest.approx(5)
    assert defects.asymmetry(tilted, np.array([-np.eye(3)])) == pytest.approx(10)


def test_a_jump_is_rough():
    stepped = line(lambda r: 1500 * r**2 + 20 * (r > 0.11))
    assert defects.roughness(stepped) > 2
    assert defects.judge_displaced(line(lambda r: r * np.nan), np.zeros((0, 3, 3)), "x")[0].reason


def test_a_schottky_defect_is_the_sum_of_its_vacancies():
    """N atoms of e eV each; what is taken away costs x and y eV beyond what it brings."""
    e, n, x, y = -3.2, 96, 0.7, 1.9
    vacancies = {"Li": n * e - e + x, "S": n * e - e + y}
    value = defects.schottky(vacancies, {"Li": 2, "S": 1}, n * e, e)
    assert value == pytest.approx(2 * x + y, abs=ROUNDING)


def test_vacancies_that_gain_energy_fail():
    unit = PROTOTYPES["antifluorite Li2S"].build()
    large = unit.repeat(2)
    crystal = Crystal("Li2S", unit, large, -3.0 * len(large))
    crystal.vacancies_ev.update({"Li": crystal.energy_ev + 2.9, "S": crystal.energy_ev + 2.0})
    assert crystal.formula == {"S": 1, "Li": 2}
    found = {one.name: one for one in defects.judge_formation(crystal, {"Li": -2.0})}
    against = found["formation energy of a vacancy and crystalline Li"]
    assert (against.verdict, against.value) == ("passed", pytest.approx(0.9))
    # 2 (2.9 - 3.0) + (2.0 - 3.0) eV
    together = found["formation energy of a Schottky defect"]
    assert (together.verdict, together.value) == ("failed", pytest.approx(-1.2))
    assert len(found) == 2  # nothing is said against sulphur, whose crystal is not known


# Orders of the point groups of the sites: Oh, Oh, Td, D3h.
@pytest.mark.parametrize(
    ("name", "lattice", "order"),
    [("Cu", "fcc", 48), ("W", "bcc", 48), ("Si", "diamond", 24), ("Mg", "hcp", 12)],
)
def test_sites_of_elements(name, lattice, order):
    atoms = bulk(name, lattice)
    rotations = operations(atoms, 0, 0)
    assert len(rotations) == order
    assert rotations @ rotations.transpose(0, 2, 1) == pytest.approx(
        np.broadcast_to(np.eye(3), rotations.shape), abs=1e-6
    )
    assert len(site_kinds(atoms)) == 1


# Wyckoff positions: GeTe has C3v at both atoms, Li2S Oh and Td, Li3P two kinds of lithium.
@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("rhombohedral GeTe", [("Ge", 4, 6), ("Te", 4, 6)]),
        ("rocksalt GeTe", [("Ge", 4, 48), ("Te", 4, 48)]),
        ("trigonal Te", [("Te", 3, 2)]),
        ("antifluorite Li2S", [("S", 4, 48), ("Li", 8, 24)]),
        ("hexagonal Li3P", [("P", 2, 12), ("Li", 2, 12), ("Li", 4, 6)]),
    ],
)
def test_sites_of_compounds(name, kinds):
    atoms = PROTOTYPES[name].build()
    found = [
        (atoms[kind[0]].symbol, len(kind), len(operations(atoms, kind[0], kind[0])))
        for kind in site_kinds(atoms)
    ]
    assert found == kinds
