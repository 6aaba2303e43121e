"""Laws of surfaces as arrays, and what a comparison says of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from egraff_lmp.errors import EgraffError
from egraff_lmp.metadynamics import Settings, Torsion, compare_surfaces, read_result
from egraff_lmp.metadynamics.colvars import read_grid
from egraff_lmp.metadynamics.record import BROKEN, COMPLETE, NAME, SURFACES, Result, Run
from egraff_lmp.metadynamics.surface import (
    low_bins,
    marginal,
    mean_absolute_error,
    mean_surface,
    normalised,
    own_floor,
)

ROUNDING = 1e-12
BINS = 24
SETTINGS = Settings(
    (Torsion("phi", (2, 7, 8, 9)), Torsion("psi", (7, 8, 9, 17))),
    bins=BINS,
    runs=2,
    width_degrees=25,
)
THERMAL = SETTINGS.thermal_kcal
ANGLES = np.radians(SETTINGS.centres_degrees())
ALONG_PHI, ALONG_PSI = 2.0 * (1 + np.cos(ANGLES)), 3.0 * (1 + np.cos(2 * ANGLES))
SEPARABLE = ALONG_PHI[:, None] + ALONG_PSI[None]


def noisy(scale, seed):
    return SEPARABLE + np.random.default_rng(seed).normal(scale=scale, size=SEPARABLE.shape)


def result(surfaces, settings=SETTINGS, broken=0, visits=None):
    surfaces = np.array(surfaces).reshape(-1, settings.bins, settings.bins)
    runs = [Run(COMPLETE, "", 1.0, 0, 1, 0.1, 1.0) for _ in surfaces]
    runs += [Run(BROKEN, "a bond", 0.5, 0, 0, None, 1.0)] * broken
    visits = np.ones_like(surfaces) if visits is None else visits
    return Result(
        settings, "a model", "", "a file", 10.0, None, tuple(runs), surfaces, surfaces, visits,
        "now", {}, {},
    )  # fmt: skip


def test_weights_of_a_normalised_surface_sum_to_one():
    # 1e4 kT: what would overflow without care
    for shift in (0.0, 1e4 * THERMAL):
        surface = normalised(SEPARABLE + shift, THERMAL)
        assert np.exp(-surface / THERMAL).sum() == pytest.approx(1.0, rel=1e-10)
    assert normalised(SEPARABLE + 7.0, THERMAL) == pytest.approx(normalised(SEPARABLE, THERMAL))


def test_the_offset_is_the_best_one():
    surface, chosen = noisy(1.0, 0) + 5.0, low_bins(SEPARABLE, 6.0)
    found = mean_absolute_error(surface, SEPARABLE, chosen)
    raw = (surface - SEPARABLE)[chosen]
    others = [np.abs(raw - shift).mean() for shift in np.linspace(4.0, 6.0, 201)]
    assert found <= min(others) + ROUNDING
    assert found == pytest.approx(min(others), abs=1e-3)
    assert mean_absolute_error(SEPARABLE - 9.0, SEPARABLE, chosen) < ROUNDING


def test_bins_above_the_limit_do_not_count():
    chosen = low_bins(SEPARABLE, 4.0)
    assert 0 < chosen.sum() < chosen.size
    far = np.where(chosen, SEPARABLE, 1e3)
    assert mean_absolute_error(far, SEPARABLE, chosen) < ROUNDING


def test_a_separable_surface_has_its_parts_as_marginals():
    for axis, part in enumerate((ALONG_PHI, ALONG_PSI)):
        assert marginal(SEPARABLE, axis, THERMAL) == pytest.approx(part - part.min())


def test_a_mean_over_runs_does_not_depend_on_their_constants():
    runs = [noisy(0.3, seed) for seed in range(3)]
    shifted = [run + shift for run, shift in zip(runs, (0.0, 4.0, -8.0), strict=True)]
    assert mean_surface(shifted, THERMAL) == pytest.approx(mean_surface(runs, THERMAL))


def test_the_floor_is_the_noise_of_runs():
    chosen = low_bins(SEPARABLE, 20.0)
    assert own_floor([SEPARABLE], chosen, THERMAL) is None
    assert own_floor([SEPARABLE, SEPARABLE + 3.0], chosen, THERMAL) < ROUNDING
    # A run against the mean of nine others: sigma sqrt(1 + 1/9), whose mean size is sqrt(2/pi).
    floor = own_floor([noisy(0.3, seed) for seed in range(10)], chosen, THERMAL)
    assert floor == pytest.approx(0.3 * np.sqrt(10 / 9 * 2 / np.pi), rel=0.05)


def test_a_known_error_is_found():
    truth = result([noisy(0.1, seed) for seed in range(4)])
    wrong = SEPARABLE + np.where(np.arange(BINS) < BINS // 2, 1.0, -1.0)[:, None]
    found = compare_surfaces(result([wrong + 3.0, wrong]), truth, 20.0)
    assert found.mae_kcal == pytest.approx(1.0, abs=0.05)
    assert found.floor_kcal < 0.2
    assert found.bins == found.bins_in_all == BINS**2
    assert found.bins_not_visited == found.broken == 0
    phi, psi = found.marginals
    assert psi.integral_kj_rad < 1.0 < phi.integral_kj_rad
    same = compare_surfaces(truth, truth, 20.0)
    assert same.mean_surface_kcal < ROUNDING
    # Errors of runs of the reference against a mean that they are part of lie below the floor.
    assert same.low_kcal < same.mae_kcal < same.high_kcal < same.floor_kcal


def test_broken_runs_are_counted_and_not_averaged():
    found = compare_surfaces(result([SEPARABLE], broken=2), result([SEPARABLE]), 5.0)
    assert (found.broken, found.runs, len(found.errors_kcal)) == (2, 3, 1)
    assert found.low_kcal is None
    assert found.floor_kcal is None
    with pytest.raises(EgraffError, match=r"expected a complete run of a model, got 2 broken"):
        compare_surfaces(result([], broken=2), result([SEPARABLE]))


def test_low_bins_that_no_run_visited_are_told():
    visits = np.ones((1, BINS, BINS))
    visits[0, :3] = 0
    chosen = low_bins(SEPARABLE, 5.0)
    found = compare_surfaces(result([SEPARABLE], visits=visits), result([SEPARABLE]), 5.0)
    assert found.bins_not_visited == chosen[:3].sum() > 0


def test_bins_that_a_run_of_the_reference_did_not_visit_are_not_compared():
    surfaces, visits = np.array([SEPARABLE, SEPARABLE]), np.ones((2, BINS, BINS))
    visits[1, :3] = 0
    surfaces[:, :3] = 0.0  # flat, as where no hill ever was
    found = compare_surfaces(result([SEPARABLE]), result(surfaces, visits=visits), 50.0)
    assert found.bins == BINS * (BINS - 3)
    assert found.mae_kcal < ROUNDING


def test_what_cannot_be_compared_is_refused_and_what_differs_is_told():
    hot = replace(SETTINGS, temperature_kelvin=400.0)
    other = replace(SETTINGS, torsions=(SETTINGS.torsions[0], Torsion("1-2-3-4", (1, 2, 3, 4))))
    for settings, name in ((hot, "temperature_kelvin"), (other, "torsions")):
        with pytest.raises(EgraffError, match=f"a reference with the same {name}"):
            compare_surfaces(result([SEPARABLE], settings), result([SEPARABLE]))
    with pytest.raises(EgraffError, match="limit above zero"):
        compare_surfaces(result([SEPARABLE]), result([SEPARABLE]), 0.0)
    longer = replace(SETTINGS, steps=2 * SETTINGS.steps, runs=9)
    found = compare_surfaces(result([SEPARABLE], longer), result([SEPARABLE]))
    assert found.different_settings == ("steps",)


def test_a_record_comes_back_and_a_changed_one_does_not(tmp_path):
    written = result([noisy(0.1, 0), noisy(0.1, 1)], broken=1)
    written.write(tmp_path)
    back = read_result(tmp_path)
    assert back.settings == SETTINGS
    assert back.runs == written.runs
    assert np.array_equal(back.free_energy_kcal, written.free_energy_kcal)
    assert back.minimum_degrees() == written.minimum_degrees()
    packed = (tmp_path / SURFACES).read_bytes()
    (tmp_path / SURFACES).write_bytes(packed[: len(packed) // 2])
    with pytest.raises(EgraffError, match="a damaged one"):
        read_result(tmp_path)
    (tmp_path / NAME).unlink()
    with pytest.raises(EgraffError, match="expected a finished metadynamics"):
        read_result(tmp_path)


def test_a_grid_that_is_cut_off_is_none(tmp_path):
    path = tmp_path / "out.pmf"
    rows = [f"{x} {y} {x + 10 * y}\n" for x in (0, 1) for y in (0, 1)]
    path.write_text("# 2\n# 0 1 2 1\n# 0 1 2 1\n\n" + "".join(rows[:2]) + "\n" + "".join(rows[2:]))
    assert read_grid(path, 2).tolist() == [[0, 10], [1, 11]]
    path.write_text("".join(rows[:3]))
    with pytest.raises(EgraffError, match="2 x 2 values, got 3 rows"):
        read_grid(path, 2)
