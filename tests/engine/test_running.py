"""Decks that take steps: on any number of ranks the same way, and where Python says it leads."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from decks import KEYS_AND_RANKS, ByKey, Deck, Outcomes

from egraff_lmp.deployed import DeployedModel
from egraff_lmp.rollout.datafile import Structure, write_data_file

R_MAX = 4.0
SCALE = 1.0  # eV: an untrained network has no repulsion, a deeper one collapses
# Rounding differs over rank counts; in 20 steps of 0.5 fs it does not grow beyond this.
POSITIONS = 1e-10  # A
PYTHON = 1e-8  # eV/A
BOX = ("lx", "ly", "lz", "xy", "xz", "yz")
MOVE = ("velocity all create 3000 7 loop all mom yes", "timestep 0.0005", "fix move all nve")


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


def liquid() -> Structure:
    rng = np.random.default_rng(11)
    grid = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    positions = (grid + 0.25) * 2.6 + rng.normal(0, 0.1, (64, 3))
    species = tuple("Ge" if i % 5 == 0 else "Te" for i in range(64))
    return Structure(species, positions, np.eye(3) * 10.4, (True,) * 3, None, "liquid")


# name -> (commands before the box, commands after the coefficients); the atoms stay the same ones.
STEPS = {
    "nve": ((), (*MOVE, "run 20 post no")),
    "newton off": (("newton off",), (*MOVE, "run 20 post no")),
    "sorted": (("atom_modify sort 5 1.0",), (*MOVE, "neigh_modify every 1", "run 20 post no")),
    "fix balance": (
        (),
        (
            *MOVE,
            "neigh_modify every 1",
            "fix b all balance 5 1.0 shift xyz 5 1.0",
            "run 20 post no",
        ),
    ),
    "fix balance rcb": (
        (),
        (
            *MOVE,
            "comm_style tiled",
            "neigh_modify every 1",
            "fix b all balance 5 1.0 rcb",
            "run 20 post no",
        ),
    ),
    "two runs": ((), (*MOVE, "run 10 post no", "run 10 post no")),
    "pre no": ((), (*MOVE, "run 10", "run 10 pre no post no")),
    "halo": ((), ("exchange no", *MOVE, "run 20 post no")),
}
# Decks that go elsewhere.
OTHERS = {
    "box/relax": (
        (),
        ("fix r all box/relax aniso 0.0 vmax 0.01", "minimize 0 1e-8 5 20", "run 0 post no"),
    ),
    "triclinic npt": (
        (),
        (
            "change_box all triclinic",
            "velocity all create 900 7 loop all",
            "timestep 0.0005",
            "fix n all npt temp 900 900 0.05 tri 0 0 0.5",
            "run 10 post no",
        ),
    ),
    "deposit": (
        (),
        (
            *MOVE,
            "region all block 0 10.4 0 10.4 0 10.4",
            "fix d all deposit 3 1 4 2771 region all near 1.2 attempt 200",
            "run 20 post no",
            "run 0 post no",
        ),
    ),
    "evaporate": (
        (),
        (
            *MOVE,
            "region all block 0 10.4 0 10.4 0 10.4",
            "fix e all evaporate 4 2 all 2771",
            "run 20 post no",
            "run 0 post no",
        ),
    ),
    "gcmc": (
        (),
        (
            *MOVE,
            "fix g all gcmc 5 5 5 1 2771 900 0.0 0.2 full_energy",
            "run 10 post no",
            "run 0 post no",
        ),
    ),
    "halted": (
        (),
        (
            *MOVE,
            "variable elapsed equal step",
            "fix h all halt 1 v_elapsed >= 7 error continue",
            "run 20 post no",
            "unfix h",
            "run 0 post no",
        ),
    ),
    "timed out": (
        (),
        (*MOVE, "timer timeout 0:00:00 every 1", "run 20", "timer timeout off", "run 0 post no"),
    ),
}


@pytest.fixture(scope="module")
def outcomes(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("running")
    write_data_file(folder / "bulk.data", liquid(), ("Ge", "Te"))

    def outcomes(key: str) -> Outcomes:
        path, decks = network(model, key), {}
        for name, (before, after) in {**STEPS, **OTHERS}.items():
            style = "exchange no" if after[0] == "exchange no" else ""
            decks[name] = Deck(
                (
                    "units metal",
                    "atom_modify map yes",
                    *before,
                    f'read_data "{folder}/bulk.data"',
                    # Atoms that fixes insert and take out are not lost ones.
                    f"pair_style egraff guard yes max_force none {style}",
                    f'pair_coeff * * "{path}" Ge Te',
                    *after[bool(style) :],
                ),
                per_atom={"f": 3, "x": 3, "type": 1},
                thermo=("pe", "step", *BOX),
            )
        return Outcomes(decks)

    return ByKey(outcomes)


def network(model, key: str) -> Path:
    return model(key, "float64", scale=SCALE, r_max=R_MAX)


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_twenty_steps_lead_to_the_same_place(outcomes, key, ranks):
    plain = outcomes[key][1]["nve"]
    moved = liquid().positions - plain["x"]
    assert np.abs(moved - 10.4 * np.round(moved / 10.4)).max() > 0.02
    for name in STEPS:
        outcome = outcomes[key][ranks][name]
        apart = outcome["x"] - plain["x"]
        assert np.abs(apart - 10.4 * np.round(apart / 10.4)).max() < POSITIONS, name
        assert np.abs(outcome["f"] - plain["f"]).max() < 1e-9, name


@pytest.mark.mpi
@pytest.mark.parametrize("name", [*STEPS, *OTHERS])
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_the_last_forces_are_those_of_python(outcomes, model, key, name, ranks):
    """Whatever atoms are left, and wherever they and the box have gone."""
    outcome = outcomes[key][ranks][name]
    lx, ly, lz, xy, xz, yz = (float(outcome[word]) for word in BOX)
    cell = np.array([[lx, 0, 0], [xy, ly, 0], [xz, yz, lz]])
    species = [("Ge", "Te")[t - 1] for t in outcome["type"][:, 0]]
    python = DeployedModel(network(model, key)).evaluate(species, outcome["x"], cell, (True,) * 3)
    assert np.abs(outcome["f"] - python.forces).max() < PYTHON
    assert abs(outcome["pe"] - python.energy) < PYTHON * len(species)


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks"), KEYS_AND_RANKS)
def test_the_decks_did_what_they_say(outcomes, key, ranks):
    found = {name: outcomes[key][ranks][name] for name in OTHERS}
    assert len(found["deposit"]["ids"]) == 67
    assert len(found["evaporate"]["ids"]) < 64
    assert "gcmc" in found["gcmc"].log
    assert found["halted"]["step"] == 7
    assert found["timed out"]["step"] < 20
    assert abs(found["box/relax"]["lx"] - 10.4) > 1e-4
    assert abs(found["triclinic npt"]["xy"]) > 1e-8
