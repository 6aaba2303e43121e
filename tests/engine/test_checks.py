"""`check yes` finds wrong networks, and lets right ones through."""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from decks import EVERYDAY, KEYS, LATER, STRENGTH, Deck, run_decks

from egraff_lmp.contract import EnergyReference, read_contract, save_deployed
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.rollout.datafile import write_data_file

RANKS = (1, 2, 4)
SPECIES = ("H", "Li", "C", "N", "O", "P", "S", "Ge", "Te")  # as in conftest.py


def deck(folder, path, style="check yes", before=()) -> Deck:
    return Deck(
        (
            "units metal",
            *before,
            f'read_data "{folder}/small.data"',
            f"pair_style egraff {style}",
            f'pair_coeff * * "{path}" Ge Te S P Li C H',
            "run 0 post no",
            "run 0 post no",
        )
    )


@pytest.fixture
def folder(small_cell, tmp_path):
    write_data_file(tmp_path / "small.data", small_cell, ("Ge", "Te", "S", "P", "Li", "C", "H"))
    return tmp_path


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("keys", [EVERYDAY, pytest.param(LATER, marks=pytest.mark.study)])
def test_right_networks_pass(folder, model, dtype, ranks, keys):
    decks = {key: deck(folder, model(key, dtype, scale=5.0, r_max=3.5)) for key in keys}
    for key, outcome in run_decks(decks, ranks).items():
        assert not outcome.error, outcome.error
        log = outcome.log
        assert log.count("forces, finite differences on 3 atom(s)") == 1, "once, not every run"
        assert "virial, finite strain" in log
        assert ("feature exchange, against a halo of" in log) == (key != "allegro")


class _Wrong(torch.nn.Module):
    """A network whose gradient, or whose reach, is not what it says."""

    def __init__(self, good: torch.jit.ScriptModule, detach: bool) -> None:
        super().__init__()
        self.good = good
        self.detach = detach

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ):
        found = self.good.forward(edge_vectors, edge_index, types, n_local)
        energy = found["atomic_energy"]
        if self.detach:
            energy = energy.detach() + 0.9 * (energy - energy.detach())
        return {"atomic_energy": energy, "features": found["features"]}


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_a_wrong_gradient_is_found(folder, model, ranks):
    """Energies right, forces nine tenths of theirs; the self-test frame agrees with itself."""
    from dataclasses import replace

    path = model("nequip", "float64", scale=5.0, r_max=3.5)
    contract = read_contract(path)
    wrong = torch.jit.script(_Wrong(torch.jit.load(str(path)), True))
    test = contract.self_test
    forces = tuple(tuple(0.9 * f for f in row) for row in test.forces)
    bad = folder / "wrong.pt"
    save_deployed(wrong, replace(contract, self_test=replace(test, forces=forces)), bad)
    (outcome,) = run_decks({"it": deck(folder, bad)}, ranks).values()
    assert "check of" in outcome.error
    assert "failed: forces, finite differences on 3 atom(s): expected at most" in outcome.error
    (outcome,) = run_decks({"it": deck(folder, bad, style="")}, ranks).values()
    assert not outcome.error


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [2, 4])
def test_a_forgotten_exchange_is_found(folder, model, ranks):
    """A contract that claims fewer layers than the network has: the halo is too thin."""
    from dataclasses import replace

    path = model("nequip", "float64", scale=5.0, r_max=3.5)
    contract = read_contract(path)
    bad = folder / "thin.pt"
    save_deployed(torch.jit.load(str(path)), replace(contract, halo_layers=2), bad)
    (outcome,) = run_decks({"it": deck(folder, bad)}, ranks).values()
    assert "failed: feature exchange, against a halo of 2 x 3.5 A" in outcome.error


def nothing(features: torch.Tensor) -> torch.Tensor:
    """In place of the exchange."""
    return features


def without_operator(key: str, path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The network of conftest.model(key, "float64", 5.0, 3.5) as somebody else would export it."""
    module = importlib.import_module(f"egraff_lmp.forcefields.{key}")
    monkeypatch.setattr(module, "exchange", nothing, raising=False)
    # TorchScript would take the methods that it compiled with the operator in them.
    store = torch.jit._recursive.ConcreteTypeStore()
    monkeypatch.setattr(torch.jit._recursive, "concrete_type_store", store)
    force_field = FORCE_FIELDS[key]
    context = NetworkContext(SPECIES, 3.5, 20.0, torch.float64, seed=7)
    network = force_field.build(force_field.presets["small"], context)
    network.halo_layers = len(network.exchange_widths) + 1
    network.exchange_widths = ()
    shift = torch.arange(len(SPECIES), dtype=torch.float64) * -0.1
    positions = np.array([[0.0, 0.0, 0.0], [2.0, 1.0, 0.5]])
    frame = Frames(
        ("Ge", "Te"), positions[None], np.eye(3)[None] * 6, (True,) * 3, *3 * (None,), "x"
    )
    export_model(
        AtomicEnergyModel(network, 5.0 * STRENGTH.get(key, 1.0), shift),
        force_field,
        context,
        EnergyReference("none", {}),
        frame,
        {},
        path,
    )
    return path


@pytest.mark.mpi
@pytest.mark.parametrize("key", KEYS)
def test_files_without_the_operator_run_by_a_halo(folder, model, key, monkeypatch):
    path = model(key, "float64", scale=5.0, r_max=3.5)
    foreign = without_operator(key, folder / "foreign.pt", monkeypatch)
    with zipfile.ZipFile(foreign) as archive:
        assert not any(b"egraff.exchange" in archive.read(name) for name in archive.namelist())
    for ranks in RANKS:
        found = run_decks(
            {
                "own": deck(folder, path, style=""),
                "foreign": deck(folder, foreign, style=""),
                "checked": deck(folder, foreign),
                "newton off": deck(folder, foreign, style="", before=("newton off",)),
            },
            ranks,
        )
        for name in ("foreign", "newton off", "checked"):
            assert np.abs(found[name]["f"] - found["own"]["f"]).max() < 1e-10, name
            assert abs(found[name]["pe"] - found["own"]["pe"]) < 1e-9
        log = found["foreign"].log
        way = "nor needed on one rank" if ranks == 1 else "in this file: a halo of"
        assert (way in log) == (key != "allegro")


class _NotFinite(torch.nn.Module):
    """A network that has no number for some atoms, or no slope."""

    def __init__(self, good: torch.jit.ScriptModule, energy: bool) -> None:
        super().__init__()
        self.good = good
        self.energy = energy

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ):
        found = self.good.forward(edge_vectors, edge_index, types, n_local)
        energy = found["atomic_energy"]
        lithium = (types[:n_local] == 1).to(energy.dtype)  # one atom, on one rank
        if self.energy:
            energy = energy / (1.0 - lithium)
        else:  # the slope of a square root at zero is infinite
            energy = energy + torch.sqrt(lithium * energy * 0.0)
        return {"atomic_energy": energy}


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("what", ["energy", "force"])
def test_what_is_not_finite_ends_the_run_on_all_ranks(folder, model, what, ranks):
    from dataclasses import replace

    path = model("allegro", "float64", scale=5.0, r_max=3.5)
    bad = folder / "infinite.pt"
    module = torch.jit.script(_NotFinite(torch.jit.load(str(path)), what == "energy"))
    save_deployed(module, replace(read_contract(path), outputs=()), bad)
    (outcome,) = run_decks({"it": deck(folder, bad, style="")}, ranks).values()
    assert f"pair_style egraff: expected a finite {what}, got " in outcome.error
    assert " at step 0: the atoms are closer than anything" in outcome.error
