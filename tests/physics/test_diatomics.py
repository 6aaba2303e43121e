"""Curves of two atoms: Lennard-Jones is right, and every defect is named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.physics.checks import diatomics
from egraff_lmp.physics.checks.diatomics import Diatomic, judge_curve

MODEL = Path(__file__).resolve().parents[2] / "deployed_models" / "gete-mace.pt"
EPSILON, SIGMA, R_MAX = 0.4, 2.2, 6.0
# Energies of float32 networks, a few eV of them, and forces.
SINGLE_EV = 1e-5


def lennard_jones() -> Diatomic:
    """Cut off smoothly by (1 - (r / r_max)^2)^3."""
    r = np.arange(0.5, R_MAX + 0.003, 0.001)
    s6 = (SIGMA / r) ** 6
    pair, slope = 4 * EPSILON * (s6**2 - s6), 4 * EPSILON * (-12 * s6**2 + 6 * s6) / r
    inside = np.clip(1 - (r / R_MAX) ** 2, 0, None)
    force = -(slope * inside**3 + pair * 3 * inside**2 * (-2 * r / R_MAX**2))
    return Diatomic(("Ge", "Te"), r, pair * inside**3, force)


def bump(curve: Diatomic, height: float, centre: float, width: float) -> Diatomic:
    """The curve with a Gaussian added, force and energy alike."""
    extra = height * np.exp(-(((curve.r - centre) / width) ** 2))
    force = curve.force + extra * 2 * (curve.r - centre) / width**2
    return replace(curve, energy=curve.energy + extra, force=force)


def failures(curve: Diatomic) -> set[str]:
    return {finding.name for finding in judge_curve(curve) if finding.verdict == "failed"}


def test_lennard_jones_passes():
    curve = lennard_jones()
    assert failures(curve) == set()
    assert diatomics.sign_changes(curve) == 1
    assert diatomics.minima(curve) == 1


def test_a_repulsive_pair_passes():
    r = lennard_jones().r
    inside = np.clip(1 - (r / R_MAX) ** 2, 0, None)
    energy = np.exp(-r) * inside**3
    force = np.exp(-r) * (inside**3 + 6 * inside**2 * r / R_MAX**2)
    curve = Diatomic(("Li", "Li"), r, energy, force)
    assert failures(curve) == set()
    assert (diatomics.sign_changes(curve), diatomics.minima(curve)) == (0, 0)


def test_a_hole_fails_with_its_depth():
    """A flat repulsion, and a hole of 3 eV in it."""
    r = lennard_jones().r
    inside = np.clip(1 - (r / R_MAX) ** 2, 0, None)
    curve = bump(Diatomic(("Ge", "Te"), r, 0.1 * inside**3, 0.6 * inside**2 * r / R_MAX**2),
                 -3.0, 1.0, 0.2)  # fmt: skip
    assert failures(curve) == {
        "fall of the energy towards short distances", "sign changes of the force",
    }  # fmt: skip
    assert diatomics.inward_fall(curve, 1.8) == pytest.approx(3.0, rel=0.01)


def test_a_second_minimum_fails():
    assert failures(bump(lennard_jones(), -0.3, 4.2, 0.3)) == {
        "sign changes of the force", "minima of the energy",
    }  # fmt: skip


def test_a_step_of_the_force_fails():
    """A kink of the energy: the force is its derivative on both sides."""
    curve = lennard_jones()
    beyond = np.clip(curve.r - 4.0, 0, None)
    kinked = replace(
        curve, energy=curve.energy + 0.1 * beyond, force=curve.force - 0.1 * (beyond > 0)
    )
    assert diatomics.largest_step(kinked) == pytest.approx(0.1, abs=0.01)
    assert "step of the force" in failures(kinked)
    assert diatomics.largest_step(curve) < 0.01


def test_a_force_that_is_no_derivative_fails():
    curve = lennard_jones()
    wrong = replace(curve, force=curve.force + 0.05 * np.exp(-((curve.r - 3.0) ** 2)))
    assert "difference of force and -dE/dr" in failures(wrong)
    assert diatomics.conservation(curve) < 1e-3


def test_a_curve_that_ends_in_the_air_fails():
    curve = lennard_jones()
    cut = curve.r < 3.0
    cut_off = replace(
        curve, energy=np.where(cut, curve.energy, 0.0), force=np.where(cut, curve.force, 0.0)
    )
    assert "energy just below the cutoff" in failures(cut_off)


def test_what_is_not_finite_fails_alone():
    curve = lennard_jones()
    (finding,) = judge_curve(replace(curve, energy=np.where(curve.r < 1, np.nan, curve.energy)))
    assert (finding.verdict, finding.where) == ("failed", "Ge-Te")
    assert "not a number" in finding.reason


def test_one_graph_of_many_is_many_molecules():
    network = DeployedModel(MODEL)
    curve = diatomics.diatomic(network, ("Ge", "Te"))
    apart = network.evaluate(
        ("Ge", "Te"), np.array([[0.0, 0, 0], [50.0, 0, 0]]), np.zeros((3, 3)), (False,) * 3
    )
    for k in (500, 2000, 4000):
        positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, curve.r[k]]])
        one = network.evaluate(("Ge", "Te"), positions, np.zeros((3, 3)), (False,) * 3)
        assert curve.energy[k] == pytest.approx(one.energy - apart.energy, abs=SINGLE_EV)
        assert curve.force[k] == pytest.approx(one.forces[1, 2], abs=SINGLE_EV)
    assert curve.r[-1] >= network.contract.r_max
