"""Scores of local structure: crystals against themselves, disorder, units, what is not there."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from crystals import crystal, frames_of, gas, rattled
from score_frames import score_frames

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import Fact
from egraff_lmp.score.records import ROLLOUTS
from egraff_lmp.score.words import explain

pytest.importorskip("MDAnalysis")
QUICK = {"n_resamples": 20, "mode": "egraff"}
KEYS = ("angle_jsd", "coordination_jsd", "tetrahedral_error", "tetrahedral_fraction_error")


def lps(n_frames: int, seed: int, broken: int = 0) -> Frames:
    """Four PS4 in a cube, some of them with a bond of 4 A in the second half of the frames."""
    tetrahedron = 2.05 * np.array([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 3**0.5
    centres = 10 * np.array([[0, 0, 0], [0, 1, 1], [1, 0, 1], [1, 1, 0.0]])
    unit = np.concatenate([np.zeros((1, 3)), tetrahedron])
    atoms = Atoms(("P" + "S4") * 4, (centres[:, None] + unit).reshape(-1, 3), cell=20 * np.eye(3))
    atoms.pbc = True
    frames = rattled(atoms, 0.05, n_frames, seed)
    for one in range(broken):
        frames.positions[n_frames // 2 :, 5 * one + 1] += 2 * tetrahedron[0]
    return frames


def test_two_rattled_copies_of_one_crystal_agree_and_a_gas_does_not() -> None:
    atoms = crystal("GeTe", "rocksalt", 6.0)
    reference = rattled(atoms, 0.1, 20)
    same = score_frames(reference, rattled(atoms, 0.1, 20, seed=1), **QUICK)
    other = score_frames(reference, gas(reference.species, 12.0, 20), **QUICK)
    for key in KEYS[:2]:
        assert same.find(key).value < 0.02
        assert other.find(key).value > 0.3
        assert same.find(key).interval is not None
    parts = {s.part for s in same.scores if s.key == "angle_jsd"}
    assert parts == {"total", "Te-Ge-Te", "Ge-Te-Ge"}  # Ge-Ge and Te-Te are no bonds
    parts = {s.part for s in same.scores if s.key == "coordination_jsd"}
    assert parts == {"total", "Ge-Ge", "Ge-Te", "Te-Ge", "Te-Te"}


def test_diamond_against_a_lattice_without_tetrahedra() -> None:
    """Germanium in rock salt has q of 1/2 or 5/8 with four of six neighbours, on average less."""
    diamond = rattled(crystal("Ge", "diamond", 5.66), 0.01, 6)
    cubic = Atoms("Ge", cell=2.8 * np.eye(3), pbc=True).repeat(4)
    scores = score_frames(diamond, rattled(cubic, 0.01, 6), **QUICK)
    q = scores.find("tetrahedral_error")
    fact = q.fact("tetrahedral-order")
    assert fact.values["reference"] == pytest.approx(1, abs=0.01)
    # Of 15 ways to choose four of six, three are squares.
    assert fact.values["value"] == pytest.approx((3 * 0.5 + 12 * 0.625) / 15, abs=0.02)
    assert q.value == pytest.approx(fact.values["reference"] - fact.values["value"])
    fraction = scores.find("tetrahedral_fraction_error")
    assert (fraction.value, fraction.floor) == (100, 0)
    said, cells = explain(fraction)[1:]
    assert said == "0.0 % of the atoms are tetrahedral, of the reference 100.0 %"
    assert cells.startswith("the rollout has 21.95 A^3 for each atom and the reference 22.67")


def test_units_that_break_are_told() -> None:
    whole = score_frames(lps(20, 0), lps(20, 1), **QUICK).find("units_intact")
    assert (whole.value, whole.floor, whole.comparison) == (100, None, "stability")
    broken = score_frames(lps(20, 0), [lps(20, 1, broken=2), lps(20, 2)], **QUICK)
    score = broken.find("units_intact")
    assert score.value == pytest.approx(100 * 7 / 8)  # two of four, half of the time, in one of two
    assert score.per_start == pytest.approx((75, 100))
    assert explain(score) == [
        "rollout frames from 0 on, bonds shorter than 2.9 A",
        "of the P atoms of the reference 100.0 % keep their bonds",
    ]
    # Numbers of neighbours see it as well; angles that are left are what they were.
    numbers, angles = (broken.find(key, part=part) for key, part in (
        ("coordination_jsd", "P-S"), ("angle_jsd", "S-P-S")
    ))  # fmt: skip
    assert numbers.value > 0.01
    assert angles.like_perfect


def test_frames_behind_the_loss_of_stability_are_left_out_but_for_units() -> None:
    broken = lps(24, 1)
    broken.positions[5:8] = np.nan
    scores = score_frames(lps(24, 0), broken, **QUICK)
    found = scores.find("angle_jsd")
    assert found.counts.frames == 5
    assert found.fact("after-loss-of-stability").values == {"left_out": 16, "of": 21}
    assert scores.find("units_intact").counts.frames == 21


def test_what_is_not_there_says_why() -> None:
    gete = rattled(crystal("GeTe", "rocksalt", 6.0, 1), 0.1, 4)
    scores = score_frames(gete, gete, **QUICK)
    assert scores.find("units_intact").absence == Fact("no-units")
    scores = score_frames(lps(4, 0), lps(4, 1), **QUICK)
    for key in KEYS[2:]:
        assert scores.find(key).absence == Fact("no-group-14")
    far = frames_of(Atoms("GeTe", [[0, 0, 0], [6.0, 6, 6]], cell=12 * np.eye(3), pbc=True))
    near = frames_of(Atoms("GeTe", [[0, 0, 0], [2.6, 0, 0]], cell=12 * np.eye(3), pbc=True))
    absence = score_frames(near, far, **QUICK).find("angle_jsd").absence
    assert absence == Fact("no-neighbours", {"part": "total"})


def test_windows_state_the_shells_and_curves_are_densities() -> None:
    atoms = crystal("GeTe", "rocksalt", 6.0)
    scores = score_frames(rattled(atoms, 0.1, 10), rattled(atoms, 0.1, 10, seed=1), **QUICK)
    window, perfect = explain(scores.find("coordination_jsd", part="Te-Ge"))
    assert perfect == "not told apart from a perfect model"
    assert window.startswith("rollout frames from 0 on, first shells of the reference: Ge-Te ")
    angles, numbers = (scores.drawn(ROLLOUTS, name) for name in ("angle", "n"))
    assert (angles.x[0], angles.x[-1], angles.x_unit) == (1.0, 179.0, "degrees")
    for curves in (angles, numbers):
        for density in curves.y.values():
            assert density.sum() * (curves.x[1] - curves.x[0]) == pytest.approx(1)
    assert numbers.y["Ge-Te"].argmax() == numbers.x[6] == 6


def test_without_a_rollout_there_is_no_value() -> None:
    frames = gas(("Ge",) * 4 + ("Te",) * 4, 7.0, 4)
    labelled = Frames(**{**vars(frames), "energy": np.zeros(4), "forces": np.ones((4, 8, 3))})
    scores = score_frames(labelled, [], reruns={"rerun-reference": (labelled, labelled)}, **QUICK)
    for key in ("sq_error", *KEYS):
        assert scores.find(key).absence == Fact("no-rollouts")
