"""Ramps and conservation, on analytic potentials and on made-up trajectories."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from egraff_lmp.data.frames import Frames
from egraff_lmp.physics.checks import compression, heating, nve
from egraff_lmp.physics.checks.compression import Squeezed
from egraff_lmp.physics.contacts import closest_share
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.rollout.run import RolloutResult

RELATIVE = 1e-9  # sums in float64


class Sticky(Calculator):
    """Every pair of neighbours within 3 A attracts, down to distance 0."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        from egraff_lmp.graph import find_edges

        positions, cell = self.atoms.get_positions(), np.asarray(self.atoms.cell)
        edges = find_edges(positions, cell, self.atoms.pbc, 3.0)
        r = edges.vectors(positions, cell)
        forces = np.zeros_like(positions)
        np.add.at(forces, edges.index[0], 2 * r)  # of -(9 - r^2) / 2 for each directed edge
        virial = r.T @ r
        self.results = {
            "energy": float(-0.5 * (9 - (r**2).sum(axis=1)).sum()),
            "forces": forces,
            "stress": (virial / self.atoms.get_volume())[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]],
        }


def copper():
    atoms = bulk("Cu", cubic=True, a=3.61) * (2, 2, 2)
    atoms.rattle(0.05, seed=1)
    return atoms


def test_copper_can_be_compressed():
    atoms = copper()
    atoms.calc = EMT()
    found = compression.squeeze(atoms)
    (finding,) = compression.judge_ramp(found)
    assert (finding.verdict, finding.value) == ("passed", pytest.approx(60))
    assert (np.diff(found.pressures_gpa) > 0).all()
    # dP = -B dV / V, B of EMT copper is 134 GPa and grows.
    assert found.pressures_gpa[1] - found.pressures_gpa[0] == pytest.approx(7.5, rel=0.25)


def test_what_attracts_collapses():
    atoms = copper()
    atoms.calc = Sticky()
    (finding,) = compression.judge_ramp(compression.squeeze(atoms))
    assert (finding.verdict, finding.threshold) == ("failed", 60)
    assert finding.value == 100
    assert finding.where == "failed at 95 %"
    assert "the pressure fell" in finding.reason


def squeezed(pressures, shares=None) -> Squeezed:
    n = len(pressures)
    shares = np.ones(n) if shares is None else np.array(shares)
    volumes = np.array(compression.VOLUMES[:n])
    return Squeezed(volumes, np.zeros(n), np.array(pressures, dtype=float), shares)


def test_the_first_failure_of_a_compression():
    assert compression.first_failure(squeezed([0, 1, 3, 2, 9]))[0] == 0.85
    assert compression.first_failure(squeezed([0, 1, 0.8, 2]))[1] == ""  # a rearranging liquid
    assert compression.first_failure(squeezed([0, 1, 2], [1, 0.5, 0.4]))[0] == 0.95
    volume, reason = compression.first_failure(squeezed([0, np.nan]))
    assert (volume, "not finite" in reason) == (0.95, True)


def ended(status: str, steps: int, reason: str = "") -> RolloutResult:
    return RolloutResult(status, reason, Path(), steps, 1.0, 1)


def test_the_first_failure_of_a_heating():
    steps = np.arange(0, 1001, 100)
    (right,) = heating.judge_ramp(steps, np.full(11, 0.8), 1000, 1.0, ended("finished", 1000))
    assert right.verdict == "passed"
    assert right.value == heating.HOT_KELVIN
    shares = np.full(11, 0.8)
    shares[5:] = 0.4
    # Atoms were inside each other before the guard said so.
    (close,) = heating.judge_ramp(steps, shares, 1000, 1.0, ended("failed", 700, "guard"))
    assert (close.verdict, close.value, close.where) == ("failed", 1380, "failed at step 500")
    lost = ended("failed", 650, "lost atoms")
    (broken,) = heating.judge_ramp(steps[:7], np.ones(7), 1000, 0.1, lost)
    assert broken.value == pytest.approx(300 + 0.65 * 2700)
    assert broken.reason == "lost atoms"
    (short,) = heating.judge_ramp(steps, np.ones(11), 1000, 0.1, ended("finished", 1000))
    assert short.verdict == "not applicable"
    assert "too short" in short.reason


def test_closest_atoms_are_counted_through_the_boundary():
    """Two copper atoms 2.64 A apart (twice 1.32 A) across the face of a box."""
    positions = np.array([[0.1, 5, 5], [10 - 1.22, 5, 5]])
    cell = np.eye(3) * 10
    share = closest_share(("Cu", "Cu"), positions, cell, (True,) * 3)
    assert share == pytest.approx(1.32 / 2.64, rel=RELATIVE)
    assert closest_share(("Cu", "Cu"), positions, cell, (False,) * 3) == 1
    assert closest_share(("Cu",), positions[:1], cell, (False,) * 3) == 1


def test_drift_is_the_slope_after_the_start():
    time = np.linspace(0, 1000, 101)
    energy = 2e-7 * time  # eV/fs: 0.2 meV/ps
    assert nve.drift_mev_per_ps(time, energy - 5) == pytest.approx(0.2, rel=RELATIVE)
    energy[:10] += 1.0  # what the integrator makes of the start
    assert nve.drift_mev_per_ps(time, energy) == pytest.approx(0.2, rel=RELATIVE)
    assert np.isnan(nve.drift_mev_per_ps(time[:1], energy[:1]))
    assert nve.judge_drift(time, energy, "").verdict == "failed"
    short = nve.judge_drift(time[:30], energy[:30], "")
    assert short.verdict == "not applicable"
    assert "0.29 ps" in short.reason


def frames(positions, forces=None) -> Frames:
    positions = np.asarray(positions, dtype=float)
    cell = np.repeat(np.eye(3)[None] * 10, len(positions), axis=0)
    species = ("Ge", "Te")
    return Frames(species, positions, cell, (True,) * 3, None, forces, 1.0, "made up")


def test_momentum():
    masses = np.array([1.0, 3.0])
    still = frames([[[0, 0, 0], [1, 0, 0]], [[3, 0, 0], [0, 0, 0]]])
    assert nve.largest_speed(np.array([0, 10.0]), nve.centre_of_mass(still, masses)) == 0
    moving = frames([[[0, 0, 0], [1, 0, 0]], [[4, 0, 0], [1, 0, 0]]])
    speed = nve.largest_speed(np.array([0, 10.0]), nve.centre_of_mass(moving, masses))
    assert speed == pytest.approx(0.1, rel=RELATIVE)
    # sqrt(3 kB T / M): a helium atom at 300 K has 1367 m/s.
    assert nve.thermal_speed(4.0026) == pytest.approx(1367e-5, rel=1e-3)


def test_net_force():
    opposite = np.array([[[1.0, 2, 3], [-1.0, -2, -3]]])
    equal = np.array([[[1.0, 0, 0], [1.0, 0, 0]]])
    at = np.zeros((1, 2, 3))
    assert nve.net_force(frames(at, opposite))[0] == 0
    assert nve.net_force(frames(at, equal))[0] == pytest.approx(2**0.5, rel=RELATIVE)
    assert np.isnan(nve.net_force(frames(at))).all()


def test_the_large_cell_grows_along_its_short_edges():
    cell = np.diag([4.0, 8.0, 8.0])
    start = Structure(("Ge",) * 2, np.zeros((2, 3)), cell, (True,) * 3, None, "s")
    large = nve.large_cell(start, 4)
    assert np.diag(large.cell).tolist() == [8, 8, 8]
    assert len(nve.large_cell(start, 1).species) == 2
    slab = Structure(("Ge",), np.zeros((1, 3)), cell, (False, True, True), None, "s")
    assert np.diag(nve.large_cell(slab, 4).cell)[0] == 4
    molecule = Structure(("Ge",), np.zeros((1, 3)), np.zeros((3, 3)), (False,) * 3, None, "m")
    assert nve.large_cell(molecule, 100) == molecule
