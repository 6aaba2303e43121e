"""EV and FV: closed forms, limits, what is left out of the geometric mean."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.score.violation import (
    UNCORRELATED,
    energy_violation,
    energy_violation_released,
    force_violation,
    geometric_mean,
    is_uncorrelated,
    log_terms,
    relative_energies,
)

RNG = np.random.default_rng(0)


def test_exact_agreement_is_zero_also_where_everything_is_zero():
    energy, forces = RNG.normal(size=5), RNG.normal(size=(5, 4, 3))
    for function in (energy_violation, energy_violation_released):
        np.testing.assert_array_equal(function(energy, energy), 0)
        np.testing.assert_array_equal(function(np.zeros(2), np.zeros(2)), 0)
    np.testing.assert_array_equal(force_violation(forces, forces), 0)
    np.testing.assert_array_equal(force_violation(np.zeros((2, 4, 3)), np.zeros((2, 4, 3))), 0)


def test_by_hand():
    np.testing.assert_allclose(energy_violation(np.array([3.0]), np.array([4.0])), 1 / 25)
    np.testing.assert_allclose(energy_violation_released(np.array([3.0]), np.array([4.0])), 1 / 7)
    truth, model = np.zeros((1, 2, 3)), np.zeros((1, 2, 3))
    truth[0, 0, 0], model[0, 1, 1] = 3.0, 4.0  # norm of the difference 5
    np.testing.assert_allclose(force_violation(truth, model), 5 / 7)


def test_limits():
    one, minus = np.array([1.0]), np.array([-1.0])
    assert energy_violation(one, minus)[0] == 2
    assert energy_violation_released(one, minus)[0] == 1
    assert energy_violation(one, 0 * one)[0] == 1
    assert force_violation(np.ones((1, 2, 3)), -np.ones((1, 2, 3)))[0] == pytest.approx(1)


def test_uncorrelated_forces_of_equal_norm_give_one_over_root_two():
    truth, model = RNG.normal(size=(2, 200, 500, 3))
    norms = np.linalg.norm(truth, axis=(1, 2)) / np.linalg.norm(model, axis=(1, 2))
    values = force_violation(truth, model * norms[:, None, None])
    # The angle between random vectors of 1500 components is 90 +- 1.5 degrees.
    assert geometric_mean(values) == pytest.approx(UNCORRELATED, abs=2e-3)
    assert pytest.approx(0.70711, abs=1e-5) == UNCORRELATED


def test_common_scale_rotation_and_permutation_drop_out():
    truth, model = RNG.normal(size=(2, 6, 9, 3))
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    order = RNG.permutation(9)
    values = force_violation(truth, model)
    np.testing.assert_allclose(
        force_violation(5 * (truth @ turn)[:, order], 5 * (model @ turn)[:, order]), values
    )
    np.testing.assert_allclose(force_violation(model, truth), values)


def test_the_arbitrary_zero_hides_errors_in_the_form_of_the_paper_only():
    truth = RNG.normal(size=50)
    model = truth + 0.5 * RNG.normal(size=50)
    offset = -39800.0  # GeTe-200
    shown = energy_violation(truth, model).mean()
    assert energy_violation(truth + offset, model + offset).max() < 1e-8
    relative = [relative_energies(e + offset, (truth + offset).mean(), 200) for e in (truth, model)]
    centred = energy_violation(truth - truth.mean(), model - truth.mean()).mean()
    assert energy_violation(*relative).mean() == pytest.approx(centred, rel=1e-6)
    assert shown > 1e-3


def test_geometric_mean_states_what_it_leaves_out():
    values = np.array([0.0, 1.0, 100.0, np.nan, 0.0, np.inf, 10.0])
    assert geometric_mean(values) == pytest.approx(10)
    _, positive, finite = log_terms(values).sum(axis=0)
    assert (positive, finite) == (3, 5)


def test_geometric_mean_of_exact_agreement_and_of_nothing():
    assert geometric_mean(np.zeros(3)) == 0
    assert np.isnan(geometric_mean(np.array([np.nan])))
    assert np.isnan(geometric_mean(np.empty(0)))


def test_frames_that_are_not_finite_stay_so_and_spoil_no_other():
    truth, model = RNG.normal(size=(2, 3, 4, 3))
    model[1, 2, 0] = np.nan
    assert np.isfinite(force_violation(truth, model)).tolist() == [True, False, True]
    values = energy_violation(np.array([1.0, 1.0]), np.array([np.inf, 2.0]))
    assert np.isfinite(values).tolist() == [False, True]


def test_two_harmonic_oscillators_out_of_phase():
    """F = -k cos(w t + phase): FV = |cos a - cos b| / (|cos a| + |cos b|), 1 in antiphase."""
    t = np.linspace(0, 20, 200)
    truth, behind, anti = (
        -np.cos(t + phase)[:, None, None] * np.array([[[1.0, 0, 0]]]) for phase in (0, 0.3, np.pi)
    )
    a, b = np.cos(t), np.cos(t + 0.3)
    exact = np.abs(a - b) / (np.abs(a) + np.abs(b))
    assert force_violation(truth, behind) == pytest.approx(exact)
    assert force_violation(truth, anti) == pytest.approx(np.ones(200))


def test_what_unrelated_frames_give_is_said_to_tell_nothing():
    assert is_uncorrelated(0.7041, UNCORRELATED)
    for value in (0.3, 0.99, float("nan")):
        assert not is_uncorrelated(value, UNCORRELATED)
