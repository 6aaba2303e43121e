"""Errors of energies and forces, against numbers worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.data import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import METRICS, Fact, Rerun, Scores, score_trajectory
from egraff_lmp.score.metric import SEES_FORCES

pytest.importorskip("MDAnalysis")

ERRORS = ("energy_mae", "energy_rmse", "energy_mae_structure", "force_mae", "force_rmse")


@pytest.fixture
def truth() -> Frames:
    forces = np.zeros((2, 2, 3))
    forces[0, 0, 0] = 3.0
    return Frames(
        species=("Ge", "Te"),
        positions=np.zeros((2, 2, 3)),
        cell=np.zeros((2, 3, 3)),
        pbc=(False, False, False),
        energy=np.array([-10.0, -12.0]),
        forces=forces,
        timestep_fs=None,
        source="truth",
    )


def scored(truth: Frames, model: Frames) -> Scores:
    return score_trajectory(truth, [], reruns={"rerun-reference": Rerun(truth, model)})


def test_errors_per_atom_and_per_component(truth: Frames) -> None:
    assert truth.forces is not None
    forces = truth.forces.copy()
    forces[1, 1, 2] += 0.12  # one of 12 components
    model = replace(truth, energy=np.array([-10.0, -11.96]), forces=forces, source="model")
    found = {key: scored(truth, model).find(key).value for key in (*ERRORS, "force_rms_reference")}
    assert found == {
        "energy_mae": pytest.approx(10.0),  # 40 meV / 2 atoms, one of 2 frames
        "energy_rmse": pytest.approx(20.0 / np.sqrt(2)),
        "energy_mae_structure": pytest.approx(20.0),
        "force_mae": pytest.approx(10.0),
        "force_rmse": pytest.approx(120.0 / np.sqrt(12)),
        "force_rms_reference": pytest.approx(3000.0 / np.sqrt(12)),
    }


def test_intervals_are_over_blocks_of_frames(truth: Frames) -> None:
    rng = np.random.default_rng(0)
    many = truth.select(np.zeros(200, dtype=np.int64))
    model = replace(many, energy=many.energy + rng.normal(size=200))
    score = scored(many, model).find("energy_rmse")
    assert (score.resampled.units, score.resampled.of) == (10, "blocks")
    low, high = score.interval
    # The root mean square of 200 numbers of variance 1, of 2 atoms: 500 meV within 5 %.
    assert 400 < low < score.value < high < 600
    assert (score.counts.frames, score.counts.starts, score.floor) == (200, None, None)


def test_frames_that_are_not_finite_are_counted(truth: Frames) -> None:
    forces = truth.forces.copy()
    forces[1] = np.nan
    score = scored(truth, replace(truth, forces=forces)).find("force_mae", mode="egraff")
    assert (score.value, score.counts.frames, score.counts.failed) == (0.0, 1, 1)


def test_missing_labels_are_told_and_other_frames_refused(truth: Frames) -> None:
    scores = scored(truth, replace(truth, energy=None))
    for key in ERRORS[:3]:
        whose = {"whose": "model", "what": "energies"}
        assert scores.find(key).absence == Fact("no-labels", whose)
    assert scores.find("force_mae").value == 0
    with pytest.raises(EgraffError, match="expected the 2 frames"):
        scored(truth, truth.select(slice(0, 1)))


def test_without_offset_only_what_differs_from_frame_to_frame_is_left(truth: Frames) -> None:
    many = truth.select(np.array([0, 1, 0, 1]))
    model = replace(many, energy=many.energy + np.array([5.0, 5.2, 5.0, 5.2]))
    found = scored(many, model)
    assert found.find("energy_mae").value == pytest.approx(2550)
    assert found.find("energy_mae_offset_free").value == pytest.approx(50)  # +-0.1 eV of 2 atoms
    shifted = replace(model, energy=np.array([np.nan, *model.energy[1:]]))
    assert scored(many, shifted).find("energy_mae_offset_free").counts.failed == 1


def test_the_stress_error_is_that_of_its_components(truth: Frames) -> None:
    bulk = replace(
        truth, cell=np.repeat(9 * np.eye(3)[None], 2, axis=0), pbc=(True,) * 3,
        positions=np.array([[[0, 0, 0], [3, 0, 0]]] * 2, dtype=float), stress=np.zeros((2, 3, 3)),
    )  # fmt: skip
    pressed = np.zeros((2, 3, 3))
    pressed[0] = 0.009 * np.eye(3)
    stress = scored(bulk, replace(bulk, stress=pressed)).find("stress_mae")
    assert (stress.value, stress.unit) == (pytest.approx(1.5), "meV/A^3")
    for whose, one, other in (("ground truth", None, pressed), ("model", pressed, None)):
        absent = scored(replace(bulk, stress=one), replace(bulk, stress=other)).find("stress_mae")
        assert absent.absence == Fact("no-labels", {"whose": whose, "what": "stress"})


def test_what_errors_on_given_frames_see_are_errors_and_not_dynamics() -> None:
    for key in ("fv", "force_mae", "force_rmse", "stress_mae"):
        assert METRICS[key].sees == SEES_FORCES
