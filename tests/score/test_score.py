"""Whole scorings: limits, what every value carries, broken rollouts, real data."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ase.units import kB
from score_frames import score_frames

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.score import METRICS, Fact
from egraff_lmp.score.metric import BULK, NOTHING
from egraff_lmp.score.records import KIND, OTHER_SURFACE, SCHEMA, STRUCTURE
from egraff_lmp.score.rollout import Rollout
from egraff_lmp.score.score import score_trajectory
from egraff_lmp.score.violation import force_violation, geometric_mean
from egraff_lmp.score.words import explain

SPECIES = ("Ge",) * 8 + ("Te",) * 12
RERUNS = ("rerun-reference", "rerun-oracle")
QUICK = {"n_resamples": 40}
# Random positions: what follows atoms in time has nothing to follow.
FOLLOWED = (
    "rmsd", "divergence_time", "diffusivity_error", "diffusivity_error_eq4", "vdos_jsd",
)  # fmt: skip
# What no negative control is ranked by, and frames alone have or lack for a reason.
UNRANKED = {
    "force_rms_reference", "diffusivity", "temperature_error", "energy_drift", "pressure",
}  # fmt: skip
# Frames of `liquid` have no stress, no thermostat, and no record of the energy.
WITHOUT = ("stress_mae", "temperature_error", "energy_drift")


def liquid(n_frames=20, seed=0, **changes):
    """Random frames with energies and forces; structureless, which is all that is needed."""
    rng = np.random.default_rng(seed)
    frames = Frames(
        species=SPECIES,
        positions=rng.random((n_frames, 20, 3)) * 9,
        cell=np.broadcast_to(9 * np.eye(3), (n_frames, 3, 3)).copy(),
        pbc=(True,) * 3,
        energy=rng.normal(-4000, 1, size=n_frames),
        forces=rng.normal(size=(n_frames, 20, 3)),
        timestep_fs=2.0,
        source=f"liquid {seed}",
    )
    return replace(frames, **changes)


def known_keys(*modes):
    """Rows that frames alone have: nothing was asked of them, and no log tells their cost."""
    return {
        key
        for key, metric in METRICS.items()
        if BULK in metric.systems
        and (metric.sees != NOTHING or key in UNRANKED)
        and (not modes or set(modes) & set(metric.modes))
    }


def test_a_rollout_that_is_the_reference_scores_zero_everywhere():
    reference = liquid()
    reruns = dict.fromkeys(RERUNS, (reference, reference))
    scores = score_frames(reference, reference, reruns=reruns, **QUICK)
    assert {score.key for score in scores.scores} == known_keys()
    growth = scores.find("fv_growth")
    assert growth.absence == Fact("no-violation-at-an-end")
    for score in scores.scores:
        if METRICS[score.key].better in ("higher", "") or score.key in (
            *FOLLOWED, *WITHOUT, "fv_growth",
        ):  # fmt: skip
            continue
        if score.absence == Fact("no-neighbours", {"part": score.part}):
            continue  # shells of random positions may be empty
        assert score.value == pytest.approx(0, abs=1e-12), score.key
    assert scores.find("fv", "trajectory").counts.zero == 20


def test_every_value_carries_what_is_needed_to_read_it():
    rollouts = [liquid(seed=seed) for seed in (1, 2, 3, 4)]
    scores = score_frames(
        liquid(), rollouts, reruns={name: (liquid(), liquid(energy=None)) for name in RERUNS},
        skip=2, **QUICK,
    )  # fmt: skip
    for score in scores.scores:
        assert score.unit == METRICS[score.key].unit
        assert score.mode in METRICS[score.key].modes
        if score.value is None:
            assert score.absence is not None
            assert explain(score)
            continue
        assert score.window
        if score.counts.zero == 0 and score.interval is not None:
            low, high = score.interval
            assert low <= score.value <= high
            assert score.resampled.of == ("blocks" if score.comparison in RERUNS else "starts")
        errors = score.key.startswith(("energy_", "force_"))
        # A model that is the truth has no FV, and with it no growth, and no error.
        assert score.interval is not None or score.counts.zero or score.key == "fv_growth"
        # Windows of 40 fs of 20 atoms are as noisy as unstable ones.
        # Of random positions hardly any atom is tetrahedral.
        zero = score.key in ("stability", "tetrahedral_fraction_error")
        assert errors or score.floor > 0 or zero
        assert score.counts.frames == (20 if score.comparison in RERUNS else 4 * 18)
        assert score.counts.starts == (None if score.comparison in RERUNS else 4)
        assert score.comparison in RERUNS or len(score.per_start) == 4


def test_the_floor_of_a_violation_is_that_of_the_two_halves_of_the_reference():
    reference = liquid(40)
    halves = reference.select(slice(0, 20)), reference.select(slice(20, 40))
    scores = score_frames(reference, liquid(seed=1), **QUICK)
    direct = score_frames(*halves, **QUICK)
    assert scores.find("fv", "trajectory").floor == pytest.approx(
        direct.find("fv", "trajectory").value
    )


def test_unrelated_forces_sit_on_the_line():
    score = score_frames(liquid(200), liquid(200, seed=1), **QUICK).find("fv", "trajectory")
    # 60 components: the angle is 90 +- 7 degrees, the mean of 200 frames +- 0.004.
    assert score.value == pytest.approx(METRICS["fv"].uncorrelated, abs=0.012)


def test_the_three_comparisons_are_kept_apart():
    reference, rollout = liquid(), liquid(seed=1)
    model = replace(reference, forces=1.1 * reference.forces)
    oracle = replace(rollout, forces=1.3 * rollout.forces)
    scores = score_frames(
        reference,
        rollout,
        reruns={"rerun-reference": (reference, model), "rerun-oracle": (oracle, rollout)},
        **QUICK,
    )
    assert scores.find("fv", "rerun-reference").value == pytest.approx(0.1 / 2.1)
    assert scores.find("fv", "rerun-oracle").value == pytest.approx(0.3 / 2.3)
    assert scores.find("fv", "trajectory").value > 0.6


def test_energies_are_relative_to_the_mean_of_the_reference():
    reference = liquid()
    model = replace(reference, energy=reference.energy + 0.7)
    reruns = {"rerun-reference": (reference, model)}
    scores = score_frames(reference, reference, reruns=reruns, **QUICK)
    e = reference.energy - reference.energy.mean()
    by_hand = np.exp(np.mean(np.log(0.49 / ((e + 0.7) ** 2 + e**2))))
    assert scores.find("ev", "rerun-reference").value == pytest.approx(by_hand)
    raw = np.exp(np.mean(np.log(0.49 / (model.energy**2 + reference.energy**2))))
    assert scores.find("ev_eq4", "rerun-reference").value == pytest.approx(raw)
    released = np.exp(np.mean(np.log(0.7 / np.abs(model.energy + reference.energy))))
    assert scores.find("ev_released", "rerun-reference").value == pytest.approx(released)


def test_what_is_not_there_is_said_not_substituted():
    scores = score_frames(liquid(), liquid(seed=1, energy=None, forces=None), **QUICK)
    for key, what in (("ev", "energies"), ("fv", "forces")):
        score = scores.find(key, "trajectory")
        assert score.value is None
        assert score.absence == Fact("no-labels", {"whose": "rollout 1", "what": what})
        assert explain(score) == [f"not available: the rollout 1 holds no {what}"]
    oracle = scores.find("fv", "rerun-oracle")
    assert oracle.value is None
    assert oracle.absence == Fact("no-rerun-oracle")
    assert "where the ground truth is DFT there is none" in explain(oracle)[0]
    for key in ("fv", "force_mae", "energy_mae"):
        assert scores.find(key, "rerun-reference").absence == Fact("no-rerun-reference")
    # Nothing was asked of the frames, and no log was given.
    assert not {score.comparison for score in scores.scores} & {"survival", "cost"}


def test_a_rollout_that_broke_is_scored_on_what_is_left():
    rollout = liquid(seed=1)
    whole = score_frames(liquid(), rollout.select(slice(0, 15)), **QUICK)
    rollout.positions[15:], rollout.forces[15:], rollout.energy[15:] = np.nan, np.inf, np.nan
    scores = score_frames(liquid(), rollout, **QUICK)
    for key, comparison in (("wf", "structure"), ("fv", "trajectory"), ("ev", "trajectory")):
        score = scores.find(key, comparison)
        assert score.counts.failed == 5
        assert score.value == pytest.approx(whole.find(key, comparison).value)
    json.loads(scores.to_json())


def test_a_rollout_without_a_finite_frame_has_no_values():
    rollout = liquid(seed=1)
    rollout.positions[:], rollout.forces[:], rollout.energy[:] = np.nan, np.nan, np.nan
    scores = score_frames(liquid(), rollout, **QUICK)
    assert scores.find("wf").value is None
    assert scores.find("wf").absence == Fact("no-finite-frame")
    assert scores.find("fv", "trajectory").absence == Fact("no-finite-values")
    assert scores.find("fv", "trajectory").counts.failed == 20


def test_several_starts_are_averaged_over_frames_and_listed():
    rollouts = [liquid(10, seed=1), liquid(30, seed=2)]
    scores = score_frames(liquid(40), rollouts, **QUICK)
    alone = [score_frames(liquid(40), rollout, **QUICK).find("wf").value for rollout in rollouts]
    assert scores.find("wf").per_start == pytest.approx(alone)
    assert scores.find("wf").value < min(alone)  # more frames, less noise


def test_starting_frames_shift_the_comparison_in_time():
    reference = liquid(30)
    rollouts = [reference.select(slice(7, 20)), reference.select(slice(12, 30))]
    scores = score_frames(reference, rollouts, starts=(7, 12), **QUICK)
    assert scores.find("fv", "trajectory").value == 0
    assert scores.find("fv", "trajectory").counts.zero == 13 + 18
    assert score_frames(reference, rollouts, **QUICK).find("fv", "trajectory").value > 0.5


def test_modes_select_rows():
    for mode in ("egraff", "paper"):
        scores = score_frames(liquid(), liquid(seed=1), mode=mode, **QUICK)
        assert {score.mode for score in scores.scores} == {mode}
        assert {score.key for score in scores.scores} == known_keys(mode)
        assert {one.mode for one in scores.curves} == {mode}


def test_partials_are_scored_in_the_egraff_form():
    scores = score_frames(liquid(), liquid(seed=1), **QUICK)
    for pair in ("total", "Ge-Ge", "Ge-Te", "Te-Te"):
        assert scores.find("wf", part=pair).value > 0
        assert 0 < scores.find("jsd", part=pair).value < 1
    with pytest.raises(KeyError, match="no score wf_unrooted  Ge-Ge"):
        scores.find("wf_unrooted", part="Ge-Ge")


def test_a_larger_cell_of_the_same_composition_is_scored_for_structure():
    small = liquid(60)
    big = replace(
        liquid(60),
        species=SPECIES * 2,
        positions=np.concatenate(
            [small.positions, small.positions + np.array([9.0, 0, 0])], axis=1
        ),
        cell=np.broadcast_to(np.diag([18.0, 9, 9]), (60, 3, 3)).copy(),
        forces=None,
    )
    scores = score_frames(small, big, **QUICK)
    # The same atoms, repeated: g differs by the finite-size factor of n_pairs / V alone.
    assert scores.find("wf").value < 5
    assert scores.find("jsd").value == pytest.approx(0, abs=1e-6)
    assert scores.find("fv", "trajectory").absence == Fact("other-atoms")


def test_molecules_are_scored_on_pair_distances():
    rng = np.random.default_rng(0)
    changes = {"pbc": (False,) * 3, "cell": np.zeros((20, 3, 3))}
    reference = liquid(positions=rng.normal(size=(20, 20, 3)), **changes)
    near = score_frames(
        reference, liquid(positions=rng.normal(size=(20, 20, 3)), **changes), **QUICK
    )
    exploded = score_frames(
        reference, liquid(positions=1e9 * rng.normal(size=(20, 20, 3)), **changes), **QUICK
    )
    assert near.drawn("reference", "g") is None
    assert near.drawn("reference", "g", "h").y_unit == "1/A"
    assert near.find("wf").distribution == "h"
    assert near.find("wf_unrooted").distribution == "g"
    assert near.find("jsd").value < 0.05
    assert exploded.find("jsd").value == pytest.approx(1)
    assert exploded.find("wf").value == pytest.approx(100)
    assert near.find("jsd_raw").absence == Fact("no-volume")
    assert near.find("wf_unrooted").value > 0


def test_a_reference_of_another_surface_is_told():
    """Springs without length, drawn at 500 K: right at 500 K, and of no surface at 300 K."""
    kelvin, stiffness = 500.0, 3.0
    rng = np.random.default_rng(0)
    positions = rng.normal(size=(400, 4, 3)) * np.sqrt(kB * kelvin / (4 * stiffness))
    centred = positions - positions.mean(axis=1, keepdims=True)
    molecule = Frames(
        species=("C",) * 4,
        positions=centred,
        cell=np.zeros((400, 3, 3)),
        pbc=(False, False, False),
        energy=2 * stiffness * (centred**2).sum(axis=(1, 2)),
        forces=-4 * stiffness * centred,
        timestep_fs=None,
        source="springs",
    )
    for stated, told in ((500.0, False), (300.0, True), (None, False)):
        scores = score_trajectory(molecule, [Rollout(molecule)], temperature_kelvin=stated)
        of_structure = [one for one in scores.scores if one.comparison == STRUCTURE]
        assert of_structure
        assert all((one.fact(OTHER_SURFACE) is not None) == told for one in of_structure)
        others = [one for one in scores.scores if one.comparison != STRUCTURE]
        assert not any(one.fact(OTHER_SURFACE) for one in others)


def test_json_is_strict_and_complete():
    rollout = liquid(seed=1)
    rollout.forces[3] = np.nan
    text = score_frames(liquid(), rollout, **QUICK).to_json()
    assert "NaN" not in text
    record = json.loads(text)
    assert (record["kind"], record["schema"]) == (KIND, SCHEMA)
    assert record["reference"]["sha256"] == liquid().sha256()
    assert record["reference"]["formula"] == "Ge8 Te12"
    assert record["settings"]["n_resamples"] == 40
    curve = next(c for c in record["curves"] if (c["name"], c["side"]) == ("g", "rollouts"))
    assert len(curve["x"]) == len(curve["y"]["Ge-Te"]) == round(2 * curve["x"][-1] / 0.1 + 0.5)
    assert (curve["x_unit"], curve["y_unit"], curve["mode"]) == ("A", "1", "egraff")
    series = [s for s in record["series"] if s["key"] == "fv" and s["mode"] == "egraff"]
    assert series[0]["values"][3] is None
    assert series[0]["step_fs"] == 2.0


def test_reproducible_from_the_seed():
    first, again, other = (
        score_frames(liquid(), liquid(seed=1), seed=seed, **QUICK).find("wf").interval
        for seed in (0, 0, 1)
    )
    assert first == again != other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rollouts": []}, "expected at least one rollout to score, got none"),
        ({"reference": liquid().select(slice(0, 0))}, "liquid 0: expected at least one frame"),
        ({"skip": 20}, "expected frames after the first 20, got none: lower --skip"),
        ({"skip": -1}, "expected --skip of 0 frames or more, got -1"),
        ({"r_max": 4.6}, r"at most half the smallest cell height, 4.500 A, got 4.6 A"),
        ({"bin_width": 0.0}, "expected a bin width above 0"),
        ({"starts": (1, 2)}, "one starting frame for each of the 1 rollouts, got 2"),
        ({"starts": (20,)}, "expected a starting frame between 0 and 19"),
        ({"n_blocks": 0}, "expected at least one block"),
        ({"mode": "all"}, "expected mode egraff, paper or both, got 'all'"),
        ({"reruns": {"rerun": (liquid(), liquid())}}, "or rerun-committee, got 'rerun'"),
        ({"rollouts": liquid(pbc=(False,) * 3)}, "expected the periodicity of the reference"),
        ({"rollouts": liquid(species=SPECIES[::-1][:10] + SPECIES[2:12])}, "composition"),
        (
            {"reference": liquid(positions=np.full((20, 20, 3), np.nan))},
            "expected frames with finite positions, got none",
        ),
    ],
)  # fmt: skip
def test_misuse_gets_its_message(arguments, message):
    arguments = {"reference": liquid(), "rollouts": liquid(seed=1), **arguments}
    with pytest.raises(EgraffError, match=message):
        score_frames(arguments.pop("reference"), arguments.pop("rollouts"), **arguments)


def test_rollouts_that_broke_before_the_skipped_frames_are_over_are_left_out():
    lengths = (50, 8, 20)
    rollouts = [liquid(n, seed=k) for k, n in enumerate(lengths, 1)]
    choices = {"short": "leave out", "skip": 10, **QUICK}
    scores = score_frames(liquid(60), rollouts, starts=(1, 2, 3), **choices)
    assert scores.left_out == (1,)
    assert scores.find("wf").counts.starts == 2
    assert scores.find("wf").counts.frames == 40 + 10
    assert scores.settings["starts"] == (1, 3)
    assert [source.n_frames for source in scores.rollouts] == list(lengths)
    # Where none is left, fewer frames are skipped.
    for those, skip in ((rollouts[1:2], 7), ([liquid(4), liquid(8)], 3), ([liquid(1)], 0)):
        short = score_frames(liquid(60), those, **choices)
        assert (short.left_out, short.settings["skip"]) == ((), skip)
        assert short.find("wf").counts.starts == len(those)
    with pytest.raises(EgraffError, match="expected frames after the first 10, got none"):
        score_frames(liquid(60), rollouts, skip=10, **QUICK)


def test_a_model_without_a_rollout_has_its_errors_on_reference_frames():
    reference = liquid()
    model = replace(reference, forces=1.1 * reference.forces)
    scores = score_frames(reference, [], reruns={"rerun-reference": (reference, model)}, **QUICK)
    assert scores.find("fv", "rerun-reference").value == pytest.approx(0.1 / 2.1)
    absent = {score.comparison: score.absence for score in scores.scores if score.value is None}
    for comparison in ("structure", "trajectory", "transport", "stability"):
        assert absent[comparison] == Fact("no-rollouts")
    json.loads(scores.to_json())


def test_frames_without_times_are_compared_with_none():
    rollouts = [liquid(seed=seed) for seed in (1, 2)]
    scores = score_frames(liquid(), rollouts, time_series=False, **QUICK)
    found = [score for score in scores.scores if score.comparison == "trajectory"]
    assert {score.key for score in found} >= {"ev", "fv", "rmsd", "divergence_time"}
    for score in found:
        assert (score.value, score.absence) == (None, Fact("no-time-series"))
        assert score.counts.starts == 2
    assert "trajectory" not in {series.comparison for series in scores.series}
    assert scores.find("wf").value > 0


# Unrooted Wright's factor of the paper's script between two parts of the published data, in %:
# the floor below which no rollout can be told from the reference.
PUBLISHED_FLOORS = [
    ("GeTe/data/test", "GeTe/data/val", slice(None), slice(None), 0.36),
    ("Data_lips/data/val", "Data_lips/data/val", slice(0, 500), slice(500, None), 0.02),
    ("acac/data/test", "acac/data/train", slice(None), slice(None), 0.10),
    ("md17/aspirin/test", "md17/aspirin/train", slice(None), slice(None), 1.68),
]


@pytest.mark.parametrize(("first", "second", "a", "b", "percent"), PUBLISHED_FLOORS)
def test_floors_of_the_published_data(published, first, second, a, b, percent):
    trajectory, reference = (
        published(first, a),
        published(second, b),
    )
    if "aspirin" in first:
        # Its range is that of the smaller cell, of the test part: (10.357 - 1)/2.
        reference = replace(
            reference, cell=np.broadcast_to(trajectory.cell[0], reference.cell.shape)
        )
    scores = score_frames(reference, trajectory, mode="paper", **QUICK)
    assert round(scores.find("wf_unrooted").value, 2) == percent


# Frames that know nothing of each other: FV says about 1/sqrt(2), whatever the model. Over ALL
# pairs of these sets (Gram matrix, float64) the geometric mean is 0.7054 to 0.7060 and the
# arithmetic one 0.7072 to 0.7094; a few hundred pairs scatter around them by 0.003.
FV_GEOMETRIC, FV_ARITHMETIC = 0.7057, 0.7083
FV_TOLERANCE = 0.0015  # 30 shifts of a shuffled set against all its pairs, and between sets


@pytest.mark.parametrize("part", ["acac/data/test", "Data_lips/data/val", "3bpa/data/val"])
def test_fv_of_random_pairs_of_the_published_data(published, part):
    frames = published(part, slice(None))
    forces = frames.forces[np.random.default_rng(0).permutation(len(frames))]
    pairs = [force_violation(forces, np.roll(forces, k, axis=0)) for k in range(1, 31)]
    values = np.concatenate(pairs)
    assert geometric_mean(values) == pytest.approx(FV_GEOMETRIC, abs=FV_TOLERANCE)
    assert values.mean() == pytest.approx(FV_ARITHMETIC, abs=FV_TOLERANCE)
    assert round(geometric_mean(values), 2) == 0.71


def test_two_parts_of_one_gete_trajectory(published):
    test, val = (published(f"GeTe/data/{p}", slice(None)) for p in ("test", "val"))
    scores = score_frames(test, val, **QUICK)
    rooted, unrooted = scores.find("wf").value, scores.find("wf_unrooted").value
    assert rooted == pytest.approx(10 * np.sqrt(unrooted), rel=0.05)  # ranges 9.55 and 9.05 A
    assert rooted < 9
    assert scores.find("jsd").value < 1e-3
    # Half a picosecond later the forces remember next to nothing.
    assert scores.find("fv", "trajectory").value == pytest.approx(0.69, abs=0.03)
    assert scores.find("ev_eq4", "trajectory").value < 1e-8 < scores.find("ev", "trajectory").value
