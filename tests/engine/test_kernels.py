"""Files on the fused kernels in LAMMPS: the reference network's forces, on any number of ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from decks import Deck, run_decks

from egraff_lmp.contract import EnergyReference, read_contract
from egraff_lmp.data.frames import Frames
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.rollout.datafile import Structure, write_data_file

R_MAX = 4.0
SPECIES = ("Ge", "Te")
SCALE = 20.0  # eV: forces of the size of real ones
KEYS = tuple(FORCE_FIELDS)
# Of the largest force. The export demands that the gradient of each edge differs by no more than
# 1e-8 of the largest one, and a force is the sum of the gradients of some fifty edges.
REFERENCE = 1e-7
RANKS = 1e-10  # eV/A: the same sums in another order
BAR_A3_PER_EV = 1.6021765e6
SUM = 1e-9  # of the virial, eV


def structure() -> Structure:
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    return Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")


def export(key: str, path: Path, kernels: bool, **changes: object) -> Path:
    atoms = structure()
    force_field = FORCE_FIELDS[key]
    context = NetworkContext(SPECIES, R_MAX, 14.0, torch.float64, 3)
    export_model(
        AtomicEnergyModel(
            force_field.build({**force_field.presets["small"], **changes}, context),
            SCALE,
            torch.zeros(2),
        ),
        force_field,
        context,
        EnergyReference("none", dict.fromkeys(SPECIES, 0.0)),
        Frames(
            atoms.species, atoms.positions[None], atoms.cell[None], atoms.pbc, None, None, None, "x"
        ),
        {},
        path,
        kernels=kernels,
    )
    return path


def deck(data: Path, model: Path, *before: str) -> Deck:
    return Deck(
        (
            "units metal",
            "atom_modify map yes",
            *before,
            f'read_data "{data}"',
            "pair_style egraff",
            f'pair_coeff * * "{model}" Ge Te',
            "compute s all stress/atom NULL virial",
            "compute p all pressure NULL virial",
            "fix ask all ave/atom 1 1 1 c_s[1]",
            "run 0 post no",
        ),
        per_atom={"f": 3, "c_s": 6},
        vectors={"p": 6},
        thermo=("pe", "vol"),
    )


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_kernels_in_lammps(key: str, tmp_path: Path) -> None:
    """Against the reference network in Python, with newton on and off, on 1, 2 and 4 ranks."""
    atoms = structure()
    write_data_file(tmp_path / "atoms.data", atoms, SPECIES)
    fast = export(key, tmp_path / "fast.pt", True)
    assert read_contract(fast).operators
    slow = export(key, tmp_path / "reference.pt", False)
    assert not read_contract(slow).operators
    reference = DeployedModel(slow).evaluate(atoms.species, atoms.positions, atoms.cell, atoms.pbc)
    largest = np.abs(reference.forces).max()
    assert largest > 0.01
    decks = {
        newton: deck(tmp_path / "atoms.data", fast, f"newton {newton}") for newton in ("on", "off")
    }
    one = run_decks(decks, 1)["on"]
    assert np.abs(one["f"] - reference.forces).max() < REFERENCE * largest
    for ranks in (1, 2, 4):
        for found in run_decks(decks, ranks).values():
            assert np.abs(found["f"] - one["f"]).max() < RANKS
            wanted = -found["p"] * found["vol"] / BAR_A3_PER_EV
            sums = found["c_s"].sum(0) / BAR_A3_PER_EV
            assert np.abs(sums - wanted).max() < SUM * max(1.0, np.abs(wanted).max())
    # The reference network exchanges its features by another operator.
    plain = run_decks({"on": deck(tmp_path / "atoms.data", slow)}, 2)["on"]
    assert np.abs(plain["f"] - reference.forces).max() < RANKS * max(1.0, largest)


@pytest.mark.mpi
def test_what_is_computed_anew_on_ranks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second input of a layer is not kept, on ranks with many atoms: the same bits.

    Of five layers the fourth's input is the result of the third, which has exchanged its own.
    """
    atoms = structure()
    write_data_file(tmp_path / "atoms.data", atoms, SPECIES)
    asked = {
        "on": deck(
            tmp_path / "atoms.data", export("nequip", tmp_path / "fast.pt", True, num_layers=5)
        )
    }
    kept = run_decks(asked, 2)["on"]
    monkeypatch.setenv("EGRAFF_RECOMPUTE_ATOMS", "0")
    anew = run_decks(asked, 2)["on"]
    assert np.array_equal(kept["f"], anew["f"])
    assert np.array_equal(kept["c_s"], anew["c_s"])
