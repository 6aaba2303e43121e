"""Settings come back from restart files, or the deck is told what to repeat."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from decks import KEYS, Deck, run_decks

from egraff_lmp.rollout.datafile import Structure, write_data_file

RANKS = (1, 2, 4)
MOVE = ("timestep 0.0005", "fix move all nve")
PER_ATOM = {"f": 3, "x": 3}


@pytest.fixture(scope="module")
def model(quick_model):
    return quick_model


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    structure = Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")
    write_data_file(tmp_path / "atoms.data", structure, ("Ge", "Te"))
    return tmp_path


def start(folder, path, style="", coeff=None) -> tuple[str, ...]:
    return (
        "units metal",
        "atom_modify map yes",
        f'read_data "{folder}/atoms.data"',
        f"pair_style {style or 'egraff'}",
        coeff or f'pair_coeff * * "{path}" Ge Te',
        "velocity all create 2000 3 loop all",
        *MOVE,
    )


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("key", KEYS)
def test_a_restart_goes_on_as_if_nothing_had_been(folder, model, key, ranks):
    path = folder / "my model.pt"
    shutil.copy(model(key, "float64", scale=1.0, r_max=4.0), path)
    whole = Deck((*start(folder, path), "run 10 post no", "run 10 post no"), PER_ATOM)
    first = Deck(
        (
            *start(folder, path, "egraff masses no threads 1"),
            "run 10 post no",
            f'write_restart "{folder}/at10"',
            f'write_data "{folder}/at10.data"',
        ),
        PER_ATOM,
    )
    second = Deck((f'read_restart "{folder}/at10"', *MOVE, "run 10 post no"), PER_ATOM)
    given = Deck(
        (
            f'read_restart "{folder}/at10"',
            "pair_style egraff",
            f'pair_coeff * * "{path}" Ge Te',
            *MOVE,
            "run 10 post no",
        ),
        PER_ATOM,
    )
    data = Deck(
        (
            "units metal",
            f'read_data "{folder}/at10.data"',
            "pair_style egraff",
            f'pair_coeff * * "{path}" Ge Te',
            "run 0 post no",
        ),
        PER_ATOM,
    )
    found = run_decks({"whole": whole, "first": first}, ranks)
    found |= run_decks({"second": second, "given": given, "data": data}, ranks)
    for name in ("second", "given"):
        assert np.abs(found[name]["f"] - found["whole"]["f"]).max() < 1e-10, name
    assert "egraff: restored pair_coeff * * " in found["second"].log
    # A data file holds positions with 17 digits.
    assert np.abs(found["data"]["f"] - found["first"]["f"]).max() < 1e-10


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_a_model_that_moved_or_changed_is_asked_for(folder, model, ranks):
    path = folder / "model.pt"
    shutil.copy(model("allegro", "float64", scale=1.0, r_max=4.0), path)
    write = Deck((*start(folder, path), "run 0 post no", f'write_restart "{folder}/at0"'), PER_ATOM)
    read = Deck((f'read_restart "{folder}/at0"', "run 0 post no"), PER_ATOM)
    assert not run_decks({"it": write}, ranks)["it"].error
    shutil.copy(model("allegro", "float64", scale=2.0, r_max=4.0), path)
    changed = run_decks({"it": read}, ranks)["it"].error
    assert "the restart file was written with another content of" in changed
    assert "repeat the pair_style and pair_coeff lines after read_restart" in changed
    path.unlink()
    gone = run_decks({"it": read}, ranks)["it"].error
    assert "cannot be read: the restart file names it; repeat the pair_style and pair_coeff" in gone


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", RANKS)
def test_under_hybrid_the_coefficients_are_repeated(folder, model, ranks):
    """As LAMMPS does for every hybrid style; the keywords come back."""
    path = model("allegro", "float64", scale=1.0, r_max=4.0)
    coeff = f'pair_coeff * * egraff "{path}" Ge Te'
    style = "hybrid/overlay egraff threads 1 zero 5.0"
    lines = (*start(folder, path, style, coeff), "pair_coeff * * zero", "run 0 post no")
    write = Deck((*lines, f'write_restart "{folder}/hybrid"'), PER_ATOM)
    again = Deck(
        (f'read_restart "{folder}/hybrid"', coeff, "pair_coeff * * zero", "run 0 post no"), PER_ATOM
    )
    bare = Deck((f'read_restart "{folder}/hybrid"', "run 0 post no"), PER_ATOM)
    first = run_decks({"it": write}, ranks)["it"]
    found = run_decks({"again": again, "bare": bare}, ranks)
    assert np.abs(found["again"]["f"] - first["f"]).max() < 1e-12
    assert "All pair coeffs are not set" in found["bare"].error
