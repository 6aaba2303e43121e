"""Second derivatives of a deployed file: symmetry, translations, differences of forces, misuse."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from ase import Atoms

from egraff_lmp import EgraffCalculator, EgraffError, hessian
from egraff_lmp.contract import EnergyReference
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.interop.foreign import made_frame

SPECIES = ("Ge", "Te")
# Of the largest element: float64 on tables of radial weights.
SYMMETRY = 1e-9
TRANSLATION = 1e-12
# step^2 / 6 of the fourth derivatives, at 0.001 A.
DIFFERENCES = 1e-4


@pytest.fixture(scope="module")
def calculators(tmp_path_factory):
    """Small untrained networks in float64, one of each architecture that is asked for."""
    found = {}

    def make(key):
        if key not in found:
            context = NetworkContext(SPECIES, 4.0, 12.0, torch.float64, seed=3)
            entry = FORCE_FIELDS[key]
            network = entry.build(entry.presets["small"], context)
            model = AtomicEnergyModel(network, 5.0, torch.tensor([-3.0, -4.0]).double())
            path = tmp_path_factory.mktemp("hessian") / f"{key}.pt"
            zero = EnergyReference("none", {"Ge": -3.0, "Te": -4.0})
            export_model(model, entry, context, zero, made_frame(SPECIES, 4.0), {}, path)
            found[key] = EgraffCalculator(path)
        return found[key]

    return make


def structure(pbc=True):
    rng = np.random.default_rng(7)
    grid = np.stack(np.meshgrid(range(2), range(2), range(1), indexing="ij"), -1).reshape(-1, 3)
    cell = np.array([[5.4, 0.0, 0.0], [0.9, 5.5, 0.0], [-0.4, 0.6, 2.9]])
    return Atoms("GeTeTeGe", grid * 2.7 + rng.normal(0, 0.15, (4, 3)), cell=cell, pbc=pbc)


@pytest.mark.parametrize("key", ["nequip", "allegro"])
@pytest.mark.parametrize("pbc", [True, False])
def test_symmetric_and_free_of_translations(key, pbc, calculators):
    atoms = structure(pbc)
    calculator = calculators(key)
    exact = calculator.get_hessian(atoms)
    assert exact.shape == (12, 12)
    largest = np.abs(exact).max()
    assert largest > 1e-2
    assert np.abs(exact - exact.T).max() < SYMMETRY * largest
    assert np.abs(exact.reshape(12, 4, 3).sum(axis=1)).max() < TRANSLATION * largest
    numerical = calculator.get_hessian(atoms, method="differences", step=1e-3)
    assert np.abs(exact - numerical).max() < DIFFERENCES * largest
    some = calculator.get_hessian(atoms, of_atoms=[2])
    assert some == pytest.approx(exact[6:9], abs=SYMMETRY * largest)


def test_atoms_without_neighbours(calculators):
    lonely = Atoms("GeTe", [[0, 0, 0], [0, 0, 9.0]])
    assert not calculators("allegro").get_hessian(lonely).any()


def test_misuse(calculators, monkeypatch):
    calculator = calculators("allegro")
    calculator.atoms = None
    for options, match in (
        ({"method": "exact"}, "expected one of autograd, differences, got 'exact'"),
        ({"step": 2.0}, "between 0 and 0.5 A, got 2"),
        ({"of_atoms": [4]}, "indices below 4, got 4"),
    ):
        with pytest.raises(EgraffError, match=match):
            calculator.get_hessian(structure(), **options)
    monkeypatch.setattr(hessian, "LARGEST_BYTES", 1000)
    with pytest.raises(EgraffError, match="rows of some atoms with of_atoms"):
        calculator.get_hessian(structure())
    with pytest.raises(EgraffError, match="expected a structure"):
        calculator.get_hessian()


@pytest.mark.parametrize("key", ["nequip", "botnet"])
def test_descriptors_are_invariant(key, calculators):
    """BOTNet keeps vectors after its last layer, which are left out."""
    calculator, atoms = calculators(key), structure()
    found = calculator.get_descriptors(atoms)
    width = calculator.model.contract.outputs[0].width
    assert found.shape == (4, 16)
    assert (width > 16) == (key == "botnet")
    turn, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    order = np.array([2, 0, 3, 1])
    for matrix in (turn, -turn):
        turned = atoms.copy()
        turned.set_cell(atoms.cell.array @ matrix)
        turned.positions = atoms.positions @ matrix + [0.2, -3.0, 1.0]
        again = calculator.get_descriptors(turned[order])
        assert again == pytest.approx(found[order], abs=1e-9 * np.abs(found).max())
    assert np.ptp(found, axis=0).max() > 1e-3  # atoms differ


def test_no_descriptors_of_edges(calculators):
    with pytest.raises(EgraffError, match=r"got Allegro, which has them on edges.*such as MACE"):
        calculators("allegro").get_descriptors(structure())
