"""The ASE calculator: what is said of a stress that was never trained, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk

from egraff_lmp import EgraffCalculator, EgraffError, calculator

MODEL = Path(__file__).resolve().parents[1] / "deployed_models" / "gete-mace.pt"


@pytest.fixture
def crystal():
    atoms = bulk("GeTe", "rocksalt", a=6.0)
    atoms.calc = EgraffCalculator(MODEL)
    return atoms


@pytest.mark.parametrize("known", [False, True])
def test_a_stress_without_labels_is_told_once(crystal, monkeypatch, known):
    """Also where forces were asked for before, which gave the stress, too."""
    told = []
    # Not through the state of `logging`, which other tests of the process may have changed.
    monkeypatch.setattr(calculator.logger, "warning", lambda text, *rest: told.append(text % rest))
    if known:
        crystal.get_forces()
    assert not told
    crystal.get_stress()
    crystal.get_stress()
    assert ["trained without stress labels" in each for each in told] == [True]


def test_atoms_in_the_same_place_are_refused(crystal):
    """A network has a finite energy there; the second one is at it through a periodic face."""
    crystal += crystal[1]
    crystal.positions[-1] += crystal.cell[0]
    last = len(crystal) - 1
    with pytest.raises(EgraffError, match=f"atoms (1 and {last}|{last} and 1) .* in the same plac"):
        crystal.get_potential_energy()


@pytest.mark.parametrize("what", ["cell", "positions"])
def test_what_is_not_finite_is_refused(crystal, what):
    """A cell of NaN ended the process."""
    if what == "cell":
        crystal.cell[0, 0] = np.nan
    else:
        crystal.positions[1, 2] = np.inf
    with pytest.raises(EgraffError, match="expected finite positions and cell"):
        crystal.get_potential_energy()
