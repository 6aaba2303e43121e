"""Whole scorings: RMSD, divergence, diffusivity, stability, free energies of angles."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from score_frames import score_frames
from scored_systems import dipeptide, molecule
from single_metric import values_of

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import Fact, RunEnd
from egraff_lmp.score.words import say

SPECIES = ("Li",) * 8 + ("S",) * 19
LENGTH = 12.0
SITES = np.stack(np.meshgrid(*[np.arange(3.0)] * 3, indexing="ij"), axis=-1).reshape(27, 3) * 4
QUICK = {"n_resamples": 40, "mode": "egraff"}
STEP_A, STEP_FS = 0.05, 2.0


def walk(n_frames=800, seed=0, scale=1.0, **changes):
    """Lithium walks at random, sulphur rattles; wrapped into the cell."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, STEP_A * scale, (n_frames, 27, 3))
    steps[0] = 0
    x = steps.cumsum(axis=0)
    x[:, 8:] = rng.normal(0, 0.1, (n_frames, 19, 3))
    x += SITES
    frames = Frames(
        species=SPECIES,
        positions=x - np.floor(x / LENGTH) * LENGTH,
        cell=np.broadcast_to(LENGTH * np.eye(3), (n_frames, 3, 3)).copy(),
        pbc=(True,) * 3,
        energy=None, forces=None, timestep_fs=STEP_FS, source=f"walk {seed}",
    )  # fmt: skip
    return replace(frames, **changes)


D_LITHIUM = 1000 * STEP_A**2 / (2 * STEP_FS)


def test_the_diffusivity_of_walking_lithium():
    reference = walk(scale=2)
    scores = score_frames(reference, [walk(seed=s, scale=4) for s in (1, 2, 3)], **QUICK)
    d = scores.find("diffusivity", part="Li")
    # Of 3 x 8 walkers in lags of 10 to 30 %: about 20 %.
    assert d.value == pytest.approx(16 * D_LITHIUM, rel=0.4)
    assert d.fact("diffusivity").values["si"] == pytest.approx(1e-8 * d.value)
    assert d.unit == "A^2/ps"
    lithium = scores.find("diffusivity_error", part="Li")
    assert lithium.value == pytest.approx(12 * D_LITHIUM, rel=0.5)
    for score in (d, lithium):
        low, high = score.interval
        assert 0 < low <= score.value <= high
        assert (score.resampled.units, score.resampled.of) == (3, "starts")
        assert len(score.per_start) == 3
    low, high = (lithium.fact("diffusivity").values[name] for name in ("low", "high"))
    assert low < lithium.fact("diffusivity").values["value"] < high
    assert lithium.window == Fact("lags", {"first_fs": 160.0, "last_fs": 480.0})
    msd = [series for series in scores.series if series.key == "msd"]
    assert len(msd) == 3
    assert msd[0].values[0] == pytest.approx(0, abs=1e-9)


def test_sulphur_that_rattles_has_no_diffusivity():
    for key, whose in (("diffusivity", "rollouts"), ("diffusivity_error", "reference")):
        sulphur = values_of(key, walk(scale=2), [walk(seed=1, scale=4)])["S"]
        assert (sulphur.value, sulphur.interval) == (None, None)
        why = sulphur.absence
        assert (why.code, why.values["whose"]) == ("does-not-diffuse", whose)
        # The centre of mass walks a little with the lithium.
        assert why.values["exponent"] == pytest.approx(0, abs=0.3)
        # Sites are 4 A apart.
        assert why.values["reach"] < 0.5 < why.values["needed"] == pytest.approx(2, rel=0.1)
    assert sulphur.facts[0].values["whose"] == "rollouts"


def test_free_flight_has_no_diffusivity():
    flight = walk(scale=0.0)
    speeds = np.random.default_rng(3).normal(0, 0.05, (27, 3))
    flight.positions[:] = (SITES + np.arange(800)[:, None, None] * speeds) % LENGTH
    why = values_of("diffusivity", flight, [flight])["Li"].absence
    assert why.values["exponent"] == pytest.approx(2, abs=1e-6)
    assert why.values["reach"] > why.values["needed"]
    assert "MSD ~ t^2.00" in say(why)


def test_a_short_walk_of_the_right_exponent_has_none_either():
    """Whether a walk has left its cage tells its length alone."""
    why = values_of("diffusivity", walk(), [walk(seed=1, scale=0.2)])["Li"].absence
    assert abs(why.values["exponent"] - 1) < 0.2
    assert why.values["reach"] < why.values["needed"]


def test_a_rollout_has_its_diffusivity_without_times_of_the_reference():
    shuffled = walk(scale=2, timestep_fs=None)
    rollout = walk(seed=1, scale=4)
    assert values_of("diffusivity", shuffled, [rollout])["Li"].value > 0
    error = values_of("diffusivity_error", shuffled, [rollout])["total"]
    assert error.absence == Fact("no-time-of", {"whose": "reference"})


def test_the_same_trajectory_has_no_error_and_no_deviation():
    scores = score_frames(walk(scale=3), walk(scale=3), **QUICK)
    assert scores.find("diffusivity_error", part="Li").value == 0
    assert scores.find("rmsd").value == pytest.approx(0, abs=1e-9)
    time = scores.find("divergence_time")
    assert time.value == 799 * STEP_FS
    assert time.fact("never-diverged").values == {"rollouts": 1, "of": 1}
    assert time.fact("no-velocities")


def test_divergence_at_a_known_time():
    reference = walk()
    rollout = walk()
    # Lithium runs away from the reference at 0.002 A a frame, alternately up and down.
    masses = np.array([6.94] * 8 + [32.06] * 19)
    signs = np.where(np.arange(27) % 2, 1.0, -1.0) * (np.arange(27) < 8)
    drift = 0.002 * np.arange(800)[:, None] * signs
    rollout.positions[:, :, 2] += drift
    rollout.positions[:] %= LENGTH
    # RMSD = 0.002 n sqrt(share of lithium's mass), without drift since the signs cancel.
    speed = 0.002 * np.sqrt(6.94 * 8 / masses.sum())
    scores = score_frames(reference, rollout, rmsd_threshold=0.1, **QUICK)
    expected = np.floor(0.1 / speed + 1) * STEP_FS
    assert scores.find("divergence_time").value == pytest.approx(expected, abs=STEP_FS)
    assert scores.find("rmsd").value == pytest.approx(speed * 799 / 2, rel=1e-6)


def test_another_first_frame_has_an_rmsd_but_no_divergence_time():
    scores = score_frames(walk(), walk(seed=1).select(slice(100, None)), **QUICK)
    assert scores.find("rmsd").value > 0.1
    assert scores.find("rmsd").floor > 0.1
    assert scores.find("divergence_time").absence == Fact("starts-elsewhere")


def test_no_time_no_diffusivity():
    scores = score_frames(walk(timestep_fs=None), walk(seed=1, timestep_fs=None), **QUICK)
    error = scores.find("diffusivity_error")
    assert error.value is None
    assert error.absence == Fact("no-time-of", {"whose": "rollout 1"})
    stability = scores.find("stability")
    assert stability.value is None
    assert stability.absence == Fact("no-time-of", {"whose": "rollout"})


def test_bulk_that_melts_is_unstable_from_the_first_window_that_notices():
    reference = walk(2000, scale=0.0)
    rollout = walk(2000, seed=1, scale=0.0)
    rng = np.random.default_rng(5)
    rollout.positions[1000:] = LENGTH * rng.random((1000, 27, 3))
    scores = score_frames(reference, rollout, **QUICK)
    stability = scores.find("stability")
    (life,) = stability.lifetimes
    assert life.end.cause.code == "rdf-departure"
    # Windows of 1 ps slide: the first one that is beyond the limit holds frames of both kinds, and
    # one step before it (a tenth of 1 ps or less) was not beyond.
    assert 1000 < life.time_fs < 2000
    assert stability.value == life.time_fs == life.end.frame * STEP_FS
    error = life.end.cause.values["error"]
    assert 1.0 == life.end.cause.values["allowed"] < error < 1.5
    assert stability.floor == pytest.approx(999 * STEP_FS)
    assert score_frames(reference, reference, **QUICK).find("stability").value == 1999 * STEP_FS


def test_a_frame_that_is_not_finite_ends_a_run():
    rollout = walk(seed=1, scale=0.0)
    rollout.positions[300:, 3] = np.nan
    scores = score_frames(walk(scale=0.0), rollout, **QUICK)
    assert scores.find("stability").value == 300 * STEP_FS
    assert scores.find("stability").lifetimes[0].end == RunEnd(300, Fact("not-finite-value"))
    assert scores.find("diffusivity_error").counts.failed == 500


def test_steps_without_a_thermo_row_are_no_violation():
    energy, forces = np.zeros(800), np.ones((800, 27, 3))
    energy[1::2] = np.nan  # a row every second frame
    still, rollout = walk(scale=0.0), walk(scale=0.0, energy=energy, forces=forces)
    assert score_frames(still, rollout, **QUICK).find("stability").value == 799 * STEP_FS
    broken = forces.copy()
    broken[301] = np.nan
    rollout = replace(rollout, forces=broken)
    assert score_frames(still, rollout, **QUICK).find("stability").value == 301 * STEP_FS


def test_hot_runs_end_where_they_leave_the_bounds():
    temperatures = np.full(800, 500.0)
    temperatures[400:] = 5000.0
    scores = score_frames(
        walk(scale=0.0), walk(seed=1, scale=0.0), temperature_kelvin=520.0,
        temperatures=[temperatures], **QUICK,
    )  # fmt: skip
    assert scores.find("stability").value == 400 * STEP_FS
    cause = scores.find("stability").lifetimes[0].end.cause
    assert cause.code == "temperature-out-of-bounds"
    assert cause.values == {"kelvin": 5000.0, "low": 130.0, "high": 2080.0}
    with pytest.raises(EgraffError, match="expected a temperature for each of 800 frames, got 5"):
        score_frames(
            walk(), walk(seed=1), temperature_kelvin=520.0, temperatures=[temperatures[:5]], **QUICK
        )


def test_bounds_can_be_chosen_and_are_said():
    temperatures = np.full(800, 500.0)
    temperatures[100:] = 1000.0
    kelvin = {"temperature_kelvin": 520.0, "temperatures": [temperatures]}
    fine = score_frames(walk(), walk(seed=1), **kelvin, **QUICK).find("stability")
    within = {"low": 130.0, "high": 2080.0, "rollouts": 1, "of": 1}
    assert fine.fact("temperature-within").values == within
    tight = score_frames(
        walk(), walk(seed=1), temperature_bounds=(0.5, 1.5), **kelvin, **QUICK
    ).find("stability")
    assert tight.value == 100 * STEP_FS < fine.value
    unchecked = score_frames(walk(), walk(seed=1), **QUICK).find("stability")
    assert unchecked.fact("temperature-without-target")
    with pytest.raises(EgraffError, match="expected temperature bounds below and above 1"):
        score_frames(walk(), walk(), temperature_bounds=(1.5, 2), **QUICK)


def test_lost_atoms_end_a_run_in_both_modes():
    lost = Fact("lost-atoms", {"left": 20, "of": 27})
    rollout = walk(300, seed=1)
    choices = {"skip": 10, "mode": "both", "n_resamples": 40}
    scores = score_frames(walk(), rollout, ends=[RunEnd(300, lost)], **choices)
    for mode in ("egraff", "paper"):
        found = scores.find("stability", mode=mode)
        assert found.value == 300 * STEP_FS
        (life,) = found.lifetimes
        assert (life.time_fs, life.end) == (600.0, RunEnd(290, lost))


def test_a_molecule_loses_an_atom():
    rollout = molecule(60, 1)
    hydrogen = rollout.species.index("H")
    rollout.positions[40:, hydrogen] += 3.0
    scores = score_frames(molecule(60, 0), rollout, **QUICK)
    assert scores.find("stability").value == 20.0
    assert scores.find("stability").lifetimes[0].end.cause.code == "broken-bond"
    assert score_frames(molecule(60, 0), molecule(60, 2), **QUICK).find("stability").value == 29.5
    assert 0 < scores.find("h_mae").value < 2
    assert not [score for score in scores.scores if score.key == "rdf_mae"]


def test_free_energies_of_alanine_dipeptide():
    rng = np.random.default_rng(0)
    reference = dipeptide(rng.uniform(-np.pi, np.pi, 600))
    other = dipeptide(rng.uniform(-np.pi, 0, 600))
    scores = score_frames(reference, other, temperature_kelvin=300.0, **QUICK)
    phi, psi = (scores.find("free_energy", part=name) for name in ("phi", "psi"))
    assert psi.value == pytest.approx(0, abs=1e-9)  # psi does not turn
    assert phi.value > 3 * phi.floor > 0
    assert phi.fact("bins-not-visited").values["bins"] > 0
    low, high = phi.interval
    assert low <= phi.value <= high
    unknown = score_frames(reference, other, **QUICK).find("free_energy", part="phi")
    assert unknown.value is None
    assert unknown.absence == Fact("no-temperature")
