"""Structure factors: gases, crystals, a Lennard-Jones liquid, and what a score says of them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from crystals import crystal, frames_of, gas, rattled
from score_frames import score_frames

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.launch import lammps_program
from egraff_lmp.score import Fact
from egraff_lmp.score import scattering as module
from egraff_lmp.score.rdf import radial_distribution
from egraff_lmp.score.records import ROLLOUTS
from egraff_lmp.score.scattering import blocks, curve, structure_factor_error, structure_factors
from egraff_lmp.score.words import explain

pytest.importorskip("MDAnalysis")
QUICK = {"n_resamples": 20, "mode": "egraff"}
Q = (np.arange(120) + 0.5) * 0.1
PAIRS = ("total", "Ge-Ge", "Ge-Te", "Te-Te")
# |rho|^2 of independent atoms is exponential: its mean over M vectors and frames has an error of
# 1/sqrt(M), and partials of N/sqrt(N_a N_b) times that.
GAS_VECTORS = 5  # standard errors that are allowed
SINGLE = 1e-5  # sums in complex64


def s_of(frames: Frames, part: str = "total", **choices: float) -> np.ndarray:
    return curve(blocks(structure_factors(frames, **choices), part).sum(axis=0))


@pytest.mark.parametrize("part", PAIRS)
def test_an_ideal_gas_has_a_structure_factor_of_one(part: str) -> None:
    species = ("Ge",) * 8 + ("Te",) * 32
    frames = gas(species, 12.0, 60)
    found = structure_factors(frames)
    vectors = module.wave_vectors(frames.cell[0], 12.0, 0.1).numbers * len(frames)
    n = {"Ge": 8, "Te": 32}
    a, b = part.split("-") if part != "total" else ("Te", "Te")
    error = len(species) / np.sqrt(n[a] * n[b]) / np.sqrt(np.maximum(vectors, 1))
    s = curve(blocks(found, part).sum(axis=0))
    known = np.isfinite(s)
    np.testing.assert_array_equal(known, vectors > 0)
    assert (np.abs(s - 1)[known] < GAS_VECTORS * error[known]).all()


def test_a_single_atom_scatters_the_same_everywhere() -> None:
    s = s_of(frames_of(Atoms("Ge", [[1.0, 2, 3]], cell=8 * np.eye(3), pbc=True)))
    np.testing.assert_allclose(s[np.isfinite(s)], 1, atol=SINGLE)


def test_a_perfect_crystal_has_bragg_peaks_alone() -> None:
    """Simple cubic: N at 2 pi/a (h, k, l), 0 elsewhere; a shell has the mean of its vectors."""
    a, n = 2.5, 4
    atoms = Atoms("Po", cell=a * np.eye(3), pbc=True).repeat(n)
    atoms.symbols[:] = "Ge"
    h = np.stack(np.meshgrid(*[np.arange(-24, 25)] * 3, indexing="ij"), -1).reshape(-1, 3)
    q = np.linalg.norm(h, axis=1) * 2 * np.pi / (n * a)
    shell = np.floor(q / 0.1 + 1e-9).astype(int)
    bragg = (h % n == 0).all(axis=1)
    s = s_of(frames_of(atoms))
    for index in np.unique(shell[(q > 0) & (q < 12)]):
        here = (shell == index) & (q > 0)
        assert s[index] == pytest.approx(n**3 * bragg[here].mean(), abs=1e-3)


def test_neutrons_see_the_lengths_of_the_elements() -> None:
    """Rock salt: (b_1 + b_2)^2 at even h, k, l and (b_1 - b_2)^2 at odd ones, N/2 <b^2> below."""
    atoms = crystal("GeTe", "rocksalt", 6.0, 1)
    s, b1, b2 = s_of(frames_of(atoms)), 8.185, 5.68
    for index, amplitude in ((111, b1 - b2), (200, b1 + b2)):
        q = 2 * np.pi / 6.0 * np.linalg.norm([index // 100, index // 10 % 10, index % 10])
        expected = 8 * (amplitude / 2) ** 2 / ((b1**2 + b2**2) / 2)
        assert s[int(q / 0.1)] == pytest.approx(expected, rel=1e-4)


def test_a_rattled_crystal_loses_its_peaks_by_the_debye_waller_factor() -> None:
    """Of independent displacements S = exp(-q^2 u^2) S_0 + 1 - exp(-q^2 u^2)."""
    atoms, u = crystal("Si", "diamond", 5.43, 2), 0.08
    cold, hot = s_of(frames_of(atoms)), s_of(rattled(atoms, u, 60))
    factor = np.exp(-((Q * u) ** 2))
    known = np.isfinite(cold)
    # |q| in a shell differs from its centre by up to 0.05, the square of the factor by twice that.
    within = 0.02 + 0.1 * Q * u**2 * cold + 4 / np.sqrt(60)
    assert (np.abs(factor * cold + 1 - factor - hot) < within)[known].all()


@pytest.mark.parametrize("part", PAIRS)
def test_the_total_is_the_weighted_sum_of_the_partials(part: str) -> None:
    frames = gas(("Ge",) * 3 + ("Te",) * 9, 7.0, 3)
    c, b = {"Ge": 0.25, "Te": 0.75}, {"Ge": 8.185, "Te": 5.68}
    b2 = sum(c[e] * b[e] ** 2 for e in c)
    total = 1.0
    for pair in PAIRS[1:]:
        x, y = pair.split("-")
        weight = c[x] * c[y] * b[x] * b[y] * (1 if x == y else 2) / b2
        total = total + weight * (s_of(frames, pair) - 1)
    np.testing.assert_allclose(s_of(frames), total, atol=SINGLE)
    # Neither the order of atoms, nor whole cells, nor a shift of all change anything.
    order = np.random.default_rng(0).permutation(12)
    moved = replace(
        frames,
        species=tuple(np.array(frames.species)[order]),
        positions=frames.positions[:, order] + np.array([70.0, 0.3, -7.0]),
    )
    np.testing.assert_allclose(s_of(moved, part), s_of(frames, part), atol=10 * SINGLE)


DECK = """
units lj
atom_modify map yes
lattice fcc 0.5
region box block 0 5 0 5 0 5
create_box 1 box
create_atoms 1 box
mass 1 1.0
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0
velocity all create 4.0 1
fix 1 all nvt temp 2.0 2.0 0.5
thermo 1000
run 800
dump 1 all custom 40 lj.dump id x y z
dump_modify 1 sort id format float %.6f
run 800
"""
SIGMA = 3.4  # A


@pytest.fixture(scope="module")
def lennard_jones(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A Lennard-Jones fluid of 500 atoms at 0.5/sigma^3 and 2 epsilon/k_B, made by LAMMPS."""
    folder: Path = tmp_path_factory.mktemp("lj")
    (folder / "in.lj").write_text(DECK)
    subprocess.run(
        [lammps_program(), "-in", "in.lj", "-log", "none"],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    lines = (folder / "lj.dump").read_text().split("ITEM: TIMESTEP\n")[1:]
    x = np.array([[row.split()[1:] for row in one.splitlines()[8:]] for one in lines], float)
    length = 5 * (4 / 0.5) ** (1 / 3) * SIGMA
    return frames_of(Atoms("Ar500", cell=length * np.eye(3), pbc=True), SIGMA * x, "argon")


# g(r) ends at half the cell, R = 17 A, with |g - 1| below 0.01 there. Cut off, it ripples S(q) by
# 4 pi rho R |g - 1|/q^2.
RIPPLE = 0.025  # 1/A^2
# Of S, in 20 frames that know each other: g(r) up to R tells no neighbouring shells apart.
NOISE = 0.04
MEAN = 0.005  # of the difference over all shells


def test_it_is_the_fourier_transform_of_g_of_a_liquid(lennard_jones: Frames) -> None:
    """S(q) = 1 + 4 pi rho integral (g - 1) r^2 sin(q r)/(q r) dr."""
    found = radial_distribution(lennard_jones, bin_width=0.05, r_max=16.9)
    r, h = found.x, found.y["total"] - 1
    rho = 500 / np.linalg.det(lennard_jones.cell[0])
    s = s_of(lennard_jones, q_max=6.0)
    # The transform at every vector of a shell, of a cube: n^2 (2 pi/L)^2 are few different ones.
    squares = (np.stack(np.meshgrid(*[np.arange(-30, 31)] * 3)) ** 2).sum(axis=0).ravel()
    numbers = np.bincount(squares)
    n2 = np.flatnonzero(numbers)[1:]
    q = np.sqrt(n2) * 2 * np.pi / lennard_jones.cell[0, 0, 0]
    n2, q = n2[q < 6], q[q < 6]
    at = 1 + 4 * np.pi * rho * 0.05 * np.sinc(np.outer(q, r) / np.pi) @ (h * r**2)
    shell, differences = (q / 0.1).astype(int), []
    for index in np.unique(shell):
        here = shell == index
        expected = np.average(at[here], weights=numbers[n2][here])
        assert s[index] == pytest.approx(expected, abs=RIPPLE / Q[index] ** 2 + NOISE * expected)
        differences.append(s[index] - expected)
    assert np.mean(differences) == pytest.approx(0, abs=MEAN)
    peak = np.nanargmax(s[:40])
    assert 6.0 < Q[peak] * SIGMA < 7.0
    assert 1.2 < s[peak] < 1.6


def test_the_error_is_that_of_wright_over_common_shells() -> None:
    s, s_ref = np.array([1.0, 2.0, 0.0]), np.array([1.0, 1.0, 2.0])
    ours, theirs = np.concatenate([s, [1, 1, 0]]), np.concatenate([3 * s_ref, [3, 3, 3]])
    assert structure_factor_error(ours, theirs) == pytest.approx(100 * np.sqrt(1 / 2))
    nothing = np.concatenate([s, [0, 0, 0]])
    assert np.isnan(structure_factor_error(nothing, theirs))


def test_a_score_has_neutrons_and_partials_with_curves() -> None:
    atoms = crystal("GeTe", "rocksalt", 6.0, 2)
    scores = score_frames(rattled(atoms, 0.2, 20), rattled(atoms, 0.3, 30, seed=1), **QUICK)
    for part in PAIRS:
        found = scores.find("sq_error", part=part)
        assert found.value > found.floor > 0
        assert (found.counts.frames, found.counts.frames_reference) == (30, 20)
    curves = scores.drawn(ROLLOUTS, "S")
    assert set(curves.y) == set(PAIRS)
    assert (curves.n_frames, curves.x_unit, curves.y_unit) == (30, "1/A", "1")
    assert 11.9 < curves.x[-1] < 12.0
    assert np.isfinite(curves.y["total"]).all()
    window = explain(scores.find("sq_error"))[0]
    assert window == "rollout frames from 0 on, |q| < 12 1/A in shells of 0.1 1/A"


def test_frames_that_are_not_finite_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    atoms = crystal("GeTe", "rocksalt", 6.0, 1)
    reference = rattled(atoms, 0.2, 24)
    broken = rattled(atoms, 0.2, 24)
    broken.positions[5:8] = np.nan
    found = score_frames(reference, broken, **QUICK).find("sq_error")
    assert (found.counts.frames, found.counts.failed) == (5, 3)
    assert found.fact("after-loss-of-stability").values == {"left_out": 16, "of": 21}
    monkeypatch.setattr(module, "MAX_TERMS", 0)  # 20 frames for 10 blocks at least
    thinned = score_frames(reference, rattled(atoms, 0.2, 80), **QUICK).find("sq_error")
    assert (thinned.counts.frames, thinned.counts.failed) == (20, 0)
    assert "one out of 4" in explain(thinned)[0]


def test_the_floor_is_that_of_all_frames_where_some_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Blocks stand for the time of all of their frames."""
    asked: list[tuple[float, float]] = []

    def note(context, value, own, own_frames, theirs, their_frames):
        asked.append((float(own_frames.sum()), float(their_frames[0].sum())))

    monkeypatch.setattr(module, "MAX_TERMS", 0)
    monkeypatch.setattr(module, "floor_of_blocks", note)
    atoms = crystal("GeTe", "rocksalt", 6.0, 1)
    score_frames(rattled(atoms, 0.2, 40), rattled(atoms, 0.2, 80), **QUICK)
    assert set(asked) == {(40.0, 80.0)}


def test_cells_may_change_and_differ() -> None:
    """Shells that one cell has no vector in are left out; frames of two cells are averaged."""
    small, large = (gas(("Ge",) * n + ("Te",) * n, 7.0 * n ** (1 / 3), 80) for n in (2, 16))
    assert score_frames(small, large, **QUICK).find("sq_error").value < 6.0  # noise of a gas
    small = frames_of(crystal("GeTe", "rocksalt", 6.0, 1))
    both = replace(
        small,
        positions=np.concatenate([small.positions, 1.1 * small.positions]),
        cell=np.concatenate([small.cell, 1.1 * small.cell]),
    )
    own = [s_of(both.select(slice(k, k + 1))) for k in (0, 1)]
    first, second = own
    mean = np.where(
        np.isnan(first), second, np.where(np.isnan(second), first, (first + second) / 2)
    )
    np.testing.assert_allclose(s_of(both), mean, atol=1e-4)


def test_without_a_scattering_length_there_are_partials_alone() -> None:
    frames = gas(("Gd",) * 4 + ("Te",) * 4, 7.0, 4)
    scores = score_frames(frames, gas(frames.species, 7.0, 4, seed=1), **QUICK)
    absence = scores.find("sq_error").absence
    assert absence == Fact("no-scattering-length", {"elements": "Gd"})
    assert explain(scores.find("sq_error")) == [
        "not available: no neutron scattering length is known for Gd"
    ]
    assert scores.find("sq_error", part="Gd-Te").value > 0


def test_a_slab_has_no_structure_factor() -> None:
    frames = replace(gas(("Ge",) * 4, 7.0, 2), pbc=(True, True, False))
    with pytest.raises(EgraffError, match="expected periodicity along all three lattice vectors"):
        structure_factors(frames)
