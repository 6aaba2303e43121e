"""Energy references take out exactly what they can, and the scale is that of the forces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.train.reference import (
    composition_counts,
    force_rms,
    reference_energies,
    stress_rms,
)

SPECIES = ("Ge", "Te")


def frames(names, energies, forces=None):
    n = len(names)
    return Frames(
        species=tuple(names),
        positions=np.zeros((len(energies), n, 3)),
        cell=np.zeros((len(energies), 3, 3)),
        pbc=(False, False, False),
        energy=np.array(energies, dtype=float),
        forces=forces,
        timestep_fs=None,
        source="synthetic",
    )


def removed(part, reference):
    return part.energy - composition_counts(part.species, SPECIES) @ reference


def test_least_squares_is_exact_for_independent_compositions():
    truth = np.array([-103.25, -39821.5])
    parts = [
        frames(["Ge"] * a + ["Te"] * b, [a * truth[0] + b * truth[1]] * n)
        for a, b, n in ((4, 1, 3), (1, 2, 1), (3, 3, 7))
    ]
    reference = reference_energies(parts, SPECIES, "least_squares")
    assert reference == pytest.approx(truth, abs=1e-8)
    for part in parts:
        assert removed(part, reference) == pytest.approx(np.zeros(len(part)), abs=1e-8)


def test_single_composition_loses_its_mean_and_nothing_else():
    energies = np.array([-39830.2, -39830.9, -39829.4])
    part = frames(["Ge"] * 40 + ["Te"] * 160, energies)
    reference = reference_energies([part], SPECIES, "least_squares")
    assert removed(part, reference) == pytest.approx(energies - energies.mean(), abs=1e-9)
    # least norm: along the composition
    assert reference[1] == pytest.approx(4 * reference[0])


def test_least_squares_weighs_by_frames():
    # one unknown, contradicting sets: the minimum over frames is the weighted mean
    parts = [frames(["Ge"], [0.0] * 3), frames(["Ge"], [1.0])]
    assert reference_energies(parts, ("Ge",), "least_squares") == pytest.approx([0.25])


def test_mean_gives_every_species_the_energy_per_atom():
    parts = [frames(["Ge", "Te"], [-4.0, -4.0]), frames(["Ge"] * 4, [-2.0])]
    # 2 frames of 2 atoms and 1 of 4: -10 eV over 8 atoms
    assert reference_energies(parts, SPECIES, "mean") == pytest.approx([-1.25, -1.25])


def test_isolated_atoms_and_none():
    part = frames(["Ge", "Te"], [-4.0])
    given = {"Te": -2.0, "Ge": -1.0, "H": 5.0}
    assert reference_energies([part], SPECIES, "isolated_atoms", given) == pytest.approx([-1, -2])
    assert reference_energies([part], SPECIES, "none") == pytest.approx([0, 0])
    with pytest.raises(EgraffError, match="Te missing"):
        reference_energies([part], SPECIES, "isolated_atoms", {"Ge": 1.0})


def test_what_cannot_be_referenced():
    unlabelled = replace(frames(["Ge"], [1.0]), energy=None)
    with pytest.raises(EgraffError, match="expected energies"):
        reference_energies([unlabelled], ("Ge",), "least_squares")
    with pytest.raises(EgraffError, match="least_squares, isolated_atoms"):
        reference_energies([unlabelled], ("Ge",), "median")


def test_force_rms_over_all_components():
    one = frames(["Ge"], [0.0], np.full((1, 1, 3), 2.0))
    two = frames(["Ge", "Ge"], [0.0], np.full((1, 2, 3), -1.0))
    assert force_rms([one, two]) == pytest.approx(np.sqrt((3 * 4 + 6 * 1) / 9))
    assert force_rms([frames(["Ge"], [0.0], np.zeros((1, 1, 3)))]) == 1.0
    assert force_rms([frames(["Ge"], [0.0])]) == 1.0


def weighted(part, energy=1.0, forces=1.0, stress=1.0):
    return replace(part, weights=np.tile([energy, forces, stress], (len(part), 1)))


def test_labels_of_weight_0_decide_nothing():
    """Files keep energies that are worth nothing, with a weight of 0 (the sets of MACE)."""
    known = frames(["Ge", "Te"], [-6.0, -8.0])
    worthless = weighted(frames(["Ge", "Te", "Te"], [1e6]), energy=0.0)
    for method in ("least_squares", "mean"):
        alone = reference_energies([known], SPECIES, method)
        assert (reference_energies([known, worthless], SPECIES, method) == alone).all()
    some = replace(known, weights=np.array([[1.0, 1.0, 1.0], [0.0, 1.0, 1.0]]))
    assert reference_energies([some], SPECIES, "mean") == pytest.approx([-3.0, -3.0])
    with pytest.raises(EgraffError, match="all of them have a weight of 0: mend the weights"):
        reference_energies([worthless], SPECIES, "least_squares")


def test_scales_leave_weights_of_0_out():
    forces = frames(["Ge"], [0.0, 0.0], forces=np.full((2, 1, 3), 2.0))
    huge = replace(forces, forces=np.full((2, 1, 3), 1e3), stress=np.full((2, 3, 3), 1e3))
    assert force_rms([forces, weighted(huge, forces=0.0)]) == 2.0
    periodic = replace(huge, pbc=(True, True, True))
    small = replace(periodic, stress=np.full((2, 3, 3), 0.5))
    assert stress_rms([small, weighted(periodic, stress=0.0)]) == 0.5
