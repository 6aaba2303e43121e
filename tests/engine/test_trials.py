"""What the guards leave alone (trial moves, reruns), and `check yes` where a rank has no atoms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from decks import Deck, run_decks

from egraff_lmp.contract import ShortestDistance, TrainingRange, read_contract, save_deployed
from egraff_lmp.rollout.datafile import Structure, write_data_file

R_MAX = 4.0
LARGEST_FORCE = 5.5  # eV/A, of the training data that the file states
SHORTEST = 2.2  # A


@pytest.fixture
def data(tmp_path: Path) -> Path:
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    crystal = Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")
    write_data_file(tmp_path / "atoms.data", crystal, ("Ge", "Te"))
    return tmp_path / "atoms.data"


@pytest.fixture
def ranged(quick_model, tmp_path: Path) -> Path:
    """A file that says what its training data were."""
    path = quick_model("allegro", "float64", scale=1.0, r_max=R_MAX)
    pairs = (("Ge", "Ge"), ("Ge", "Te"), ("Te", "Te"))
    span = TrainingRange(tuple(ShortestDistance(k, SHORTEST) for k in pairs), LARGEST_FORCE)
    contract = replace(read_contract(path), training_range=span)
    save_deployed(torch.jit.load(str(path)), contract, tmp_path / "ranged.pt")
    return tmp_path / "ranged.pt"


def lines(data: Path, model: Path, style: str) -> tuple[str, ...]:
    return (
        "units metal",
        "atom_modify map yes",
        f'read_data "{data}"',
        f"pair_style egraff {style}",
        f'pair_coeff * * "{model}" Ge Te',
        "timestep 0.0005",
    )


GCMC = "fix mc all gcmc 1 40 0 2 29494 600 -1000 0.1 full_energy"


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_insertions_on_trial_are_no_collisions(data, ranged, ranks):
    """Of 40 insertions into a dense crystal some come closer than any guard allows."""
    start = lines(data, ranged, "guard yes max_temperature 1e5")
    found = run_decks(
        {"it": Deck((*start, "group te type 2", GCMC, "run 1"), {}, fixes={"mc": 8})}, ranks
    )
    assert not found["it"].error
    assert found["it"]["mc"][2] >= 10  # insertions tried
    assert "a fix makes trial moves" in found["it"].log


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2])
def test_a_rerun_evaluates_what_it_is_given(data, ranged, ranks):
    frames = data.parent / f"frames{ranks}"
    dump = (
        f'dump d all custom 1 "{frames}" id type x y z',
        "set atom 5 x 0.9 y 0.8 z 0.8",
        "pair_style zero 4.0",
        "pair_coeff * *",
        "run 0",
        "undump d",
    )
    start = lines(data, ranged, "guard yes")
    same = (*start, f'rerun "{frames}" dump x y z')
    bad = (*start, "set atom 5 x 0.9 y 0.8 z 0.8", "fix move all nve", "run 0")
    found = run_decks({"dump": Deck((*start, *dump)), "it": Deck(same), "run": Deck(bad)}, ranks)
    assert not found["dump"].error
    assert not found["it"].error
    assert "guard at step 0: expected atoms 1 (Te) and 5" in found["run"].error


@pytest.mark.mpi
@pytest.mark.parametrize("exchange", ["yes", "no"])
@pytest.mark.parametrize("key", ["nequip", "allegro"])
def test_a_check_where_a_rank_is_empty(quick_model, tmp_path, exchange, key):
    """Each rank must know, without looking at its atoms, whether features are exchanged."""
    pair = Structure(
        ("Ge", "Te"),
        np.array([[1.0, 1.0, 1.0], [2.5, 1.5, 1.0]]),
        np.diag([60.0, 20.0, 20.0]),
        (False,) * 3,
        None,
        "two atoms in a corner",
    )
    write_data_file(tmp_path / "pair.data", pair, ("Ge", "Te"))
    deck = Deck(
        (
            "units metal",
            "atom_modify map yes",
            "processors 2 1 1",
            "boundary f f f",
            f'read_data "{tmp_path}/pair.data"',
            f"pair_style egraff check yes exchange {exchange}",
            f'pair_coeff * * "{quick_model(key, "float64", r_max=R_MAX)}" Ge Te',
            "run 0",
        )
    )
    found = run_decks({"it": deck}, 2)["it"]
    assert not found.error
    assert "forces, finite differences on 2 atom(s)" in found.log
