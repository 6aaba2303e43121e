"""Which frames may be compared with which."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score.align import (
    check_composition,
    concatenate,
    other_box,
    pair_in_time,
    pair_reruns,
)
from egraff_lmp.score.records import Fact
from egraff_lmp.score.words import say

SPECIES = ("Ge", "Te", "Te")


def series(n_frames, step_fs=None, species=SPECIES, pbc=(True,) * 3):
    """Frames whose energy is their index."""
    rng = np.random.default_rng(0)
    return Frames(
        species=species,
        positions=rng.random((n_frames, len(species), 3)) * 9,
        cell=np.broadcast_to(9 * np.eye(3), (n_frames, 3, 3)).copy(),
        pbc=pbc,
        energy=np.arange(float(n_frames)),
        forces=rng.normal(size=(n_frames, len(species), 3)),
        timestep_fs=step_fs,
        source="test",
    )


def test_equal_steps_are_paired_frame_by_frame():
    pairing = pair_in_time(series(10, 2.0), series(7, 2.0), start=0, skip=0)
    assert pairing.truth.energy.tolist() == pairing.model.energy.tolist() == list(range(7))
    assert pairing.facts == (Fact("equal-times", {"fs": 2.0, "reference": 1, "rollout": 1}),)


def test_start_and_skip_shift_together():
    pairing = pair_in_time(series(20, 2.0), series(20, 2.0), start=5, skip=3)
    assert pairing.truth.energy[0] == 8
    assert pairing.model.energy[0] == 3
    assert len(pairing.truth) == len(pairing.model) == 12


def test_a_coarser_rollout_is_set_against_every_second_reference_frame():
    pairing = pair_in_time(series(10, 1.0), series(10, 2.0), start=1, skip=0)
    assert pairing.truth.energy.tolist() == [1, 3, 5, 7, 9]
    assert pairing.model.energy.tolist() == [0, 1, 2, 3, 4]
    assert "every 2 reference frames" in say(pairing.facts[0])


def test_a_finer_rollout_skips_up_to_the_next_common_time():
    pairing = pair_in_time(series(10, 2.0), series(10, 0.5), start=0, skip=3)
    assert pairing.truth.energy.tolist() == [1, 2]
    assert pairing.model.energy.tolist() == [4, 8]
    assert pairing.truth.timestep_fs == pairing.model.timestep_fs == 2.0


def test_steps_of_three_to_two():
    pairing = pair_in_time(series(10, 2.0), series(10, 3.0), start=0, skip=0)
    assert pairing.truth.energy.tolist() == [0, 3, 6, 9]
    assert pairing.model.energy.tolist() == [0, 2, 4, 6]


def test_steps_that_do_not_fit_are_not_compared():
    pairing = pair_in_time(series(10, 1.0), series(10, 1.00731), start=0, skip=0)
    steps = {"reference_fs": 1.0, "rollout_fs": 1.00731}
    assert pairing == Fact("strides-do-not-fit", steps)


def test_unknown_steps_are_compared_by_index_and_said_to_be():
    for steps, whose in (((None, 1.0), "reference"), ((1.0, None), "rollout")):
        pairing = pair_in_time(series(5, steps[0]), series(5, steps[1]), 0, 0)
        assert pairing.facts == (Fact("frame-by-frame", {"whose": whose}),)


def test_another_atom_order_is_not_compared():
    pairing = pair_in_time(series(5), series(5, species=("Te", "Ge", "Te")), 0, 0)
    assert pairing == Fact("other-atoms")


def test_nothing_in_common_is_said():
    assert pair_in_time(series(5), series(3), 0, 3) == Fact("no-common-times")


def test_a_start_outside_the_reference_is_refused():
    with pytest.raises(EgraffError, match="starting frame between 0 and 4 of test, got 5"):
        pair_in_time(series(5), series(5), start=5, skip=0)


def test_larger_cells_of_the_same_composition_are_fine_for_bulk_only():
    check_composition(series(2), series(2, species=SPECIES * 8))
    molecule = (False,) * 3
    with pytest.raises(EgraffError, match="got Ge2 Te4"):
        check_composition(series(2, pbc=molecule), series(2, species=SPECIES * 2, pbc=molecule))


def test_another_composition_is_refused_with_both_named():
    with pytest.raises(EgraffError, match=r"reference test, Ge1 Te2, got Ge2 Te1"):
        check_composition(series(2), series(2, species=("Ge", "Ge", "Te")))


def test_another_periodicity_is_refused():
    with pytest.raises(EgraffError, match="expected the periodicity of the reference"):
        check_composition(series(2), series(2, pbc=(False,) * 3))


def test_reruns_are_the_same_frames_up_to_images_and_digits():
    truth = series(4)
    moved = truth.positions + 9.0 * np.random.default_rng(1).integers(-3, 4, size=(4, 3, 3)) + 1e-4
    pairing = pair_reruns(truth, replace(truth, positions=moved), "rerun-reference")
    assert pairing.truth is truth


def test_a_molecule_may_be_shifted_as_a_whole():
    truth = series(4, pbc=(False,) * 3)
    pair_reruns(truth, replace(truth, positions=truth.positions + 25.0), "rerun-oracle")


def test_reruns_of_other_frames_are_refused():
    truth = series(4)
    with pytest.raises(EgraffError, match=r"rerun-oracle.*A away: rerun these very frames"):
        pair_reruns(truth, replace(truth, positions=truth.positions[::-1]), "rerun-oracle")
    with pytest.raises(EgraffError, match="expected the 4 frames of test, got 3"):
        pair_reruns(truth, truth.select(slice(0, 3)), "rerun-oracle")
    with pytest.raises(EgraffError, match="expected the atoms of test, Ge1 Te2 in the same order"):
        pair_reruns(truth, series(4, species=("Te", "Ge", "Te")), "rerun-oracle")


def test_concatenation_keeps_labels_that_all_parts_have():
    both = concatenate([series(2), replace(series(3), forces=None)])
    assert both.energy.tolist() == [0, 1, 0, 1, 2]
    assert both.forces is None
    assert both.timestep_fs is None
    assert both.stress is None
    one, two = (replace(series(n), stress=np.full((n, 3, 3), n)) for n in (2, 3))
    assert concatenate([one, two]).stress[:, 0, 0].tolist() == [2, 2, 3, 3, 3]
    with pytest.raises(EgraffError, match="score them in separate calls"):
        concatenate([series(2), series(2, species=("Te", "Ge", "Te"))])


def boxed(cell, repeat=1, n_frames=3):
    """Frames of a mean cell, which breathes by 5 %."""
    cells = np.array([1 - 0.05, 1.0, 1 + 0.05])[:n_frames, None, None] * np.asarray(cell, float)
    return replace(series(n_frames, species=SPECIES * repeat), cell=cells)


def test_boxes_that_are_one():
    skewed = np.array([[9.0, 0, 0], [0, 9, 0], [0, 3, 9]])
    turned, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    other_choice = skewed[[2, 0, 1]] @ turned
    other_choice[0] += other_choice[1]  # the same lattice from other vectors
    assert other_box(boxed(skewed), boxed(other_choice)) == ()
    assert other_box(boxed(skewed), boxed(skewed * 1.003)) == ()  # 0.9 % of the volume
    molecule = series(2, pbc=(False,) * 3)
    assert other_box(molecule, replace(molecule, cell=2 * molecule.cell)) == ()
    assert other_box(boxed(skewed), replace(boxed(skewed), cell=np.full((3, 3, 3), np.nan))) == ()


def test_boxes_of_another_size_density_or_shape_are_told():
    cube = 9 * np.eye(3)
    (size,) = other_box(boxed(cube), boxed(cube * 2, repeat=8))
    assert size == Fact("other-size", {"rollout": 24, "reference": 3})
    (density,) = other_box(boxed(cube), boxed(cube * 1.01))
    assert density.code == "other-density"
    assert density.values["rollout"] / density.values["reference"] == pytest.approx(1.01**3)
    (shape,) = other_box(boxed(cube), boxed(np.diag([8.0, 9.0, 9.0 * 9 / 8])))
    assert shape == Fact("other-shape")
    both = other_box(boxed(cube), boxed(cube, repeat=8))
    assert [fact.code for fact in both] == ["other-size", "other-density"]
