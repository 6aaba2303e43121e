"""Ionic conductivity: independent walkers, rigid pairs, units, and what has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase.units import kB
from single_metric import values_of

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import Fact, Rollout, Score
from egraff_lmp.score.conductivity import conductivity, mobile_ion

STEP_A, STEP_FS, LENGTH, KELVIN = 0.25, 10.0, 12.0, 520.0
D = 1000 * STEP_A**2 / (2 * STEP_FS)
SITES = np.stack(np.meshgrid(*[np.arange(3.0)] * 3, indexing="ij"), axis=-1).reshape(27, 3) * 4
SPECIES = ("Li",) * 16 + ("S",) * 11
# Of 24 single walks in lags of up to 0.3 of their length: 1/sqrt(24 * 1.5 * 2.5) is 0.1.
COLLECTIVE = 0.3
KEYS = ("conductivity_nernst_einstein", "conductivity", "haven_ratio")


def walkers(seed: int, groups: int = 16, n_frames: int = 400) -> Frames:
    """Lithium that walks at random, in groups that keep together, among sulphur that rattles."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, STEP_A, (n_frames, groups, 3))
    x = np.repeat(steps, 16 // groups, axis=1).cumsum(axis=0)
    x = np.concatenate([x, rng.normal(0, 0.05, (n_frames, 11, 3))], axis=1) + SITES
    cell = np.broadcast_to(LENGTH * np.eye(3), (n_frames, 3, 3)).copy()
    return Frames(SPECIES, x % LENGTH, cell, (True,) * 3, None, None, STEP_FS, f"walk {seed}")


def value(key: str, *rollouts: Frames | Rollout, kelvin: float | None = KELVIN) -> Score:
    return values_of(key, walkers(0), rollouts, temperature_kelvin=kelvin)[""]


def found(groups: int) -> list[float]:
    rollouts = [walkers(seed, groups) for seed in range(24)]
    scores = [value(key, *rollouts) for key in KEYS]
    for score in scores:
        low, high = score.interval
        assert low <= score.value <= high
    return [score.value for score in scores]


def test_independent_walkers_have_a_haven_ratio_of_one() -> None:
    nernst, collective, ratio = found(16)
    assert nernst == pytest.approx(conductivity(D, 16, 1, LENGTH**3, KELVIN), rel=0.1)
    assert collective == pytest.approx(nernst, rel=COLLECTIVE)
    assert ratio == pytest.approx(1, rel=COLLECTIVE)


def test_rigid_pairs_have_one_of_a_half() -> None:
    nernst, _, ratio = found(8)
    assert nernst == pytest.approx(conductivity(D, 16, 1, LENGTH**3, KELVIN), rel=0.1)
    assert ratio == pytest.approx(0.5, rel=COLLECTIVE)


def test_the_unit_is_that_of_si() -> None:
    """N e^2 D/(V k_B T) with D = 1e-8 m^2/s, V = 1e-27 m^3, in S/m; 100 of those are 1 S/cm."""
    charge, joule = 1.602176634e-19, 1.602176634e-19 * kB * 300
    si = 10 * charge**2 * 1e-8 / (1e-27 * joule)
    assert conductivity(1.0, 10, 1, 1000.0, 300.0) == pytest.approx(si / 100)
    assert conductivity(1.0, 10, 2, 1000.0, 300.0) == pytest.approx(4 * si / 100)


def test_a_moving_frame_of_reference_carries_no_current() -> None:
    """All atoms drift together; the centre of mass of the sulphur is what ions move against."""
    still = [walkers(seed) for seed in range(3)]
    drift = 0.02 * np.arange(400)[:, None, None]
    moving = [replace(one, positions=(one.positions + drift) % LENGTH) for one in still]
    for key in KEYS:
        assert value(key, *still).value == pytest.approx(value(key, *moving).value, rel=1e-9)


def test_ions_that_do_not_diffuse_have_none() -> None:
    rattling = walkers(0)
    rattling.positions[:] = (SITES + np.random.default_rng(1).normal(0, 0.1, (400, 27, 3))) % LENGTH
    for key in KEYS:
        why = value(key, rattling).absence
        assert (why.code, why.values["part"]) == ("does-not-diffuse", "Li")


def test_a_current_that_only_swings_has_no_collective_form() -> None:
    """Ions come in pairs that move against each other: each diffuses, their sum does not."""
    rollout = walkers(0)
    rng = np.random.default_rng(2)
    way = rng.normal(0, STEP_A, (400, 8, 3)).cumsum(axis=0)
    rollout.positions[:, :16] = (SITES[:16] + np.concatenate([way, -way], axis=1)) % LENGTH
    assert value(KEYS[0], rollout).value > 0
    for key in KEYS[1:]:
        assert value(key, rollout).absence.code == "current-not-diffusive"


def test_at_constant_energy_the_temperature_is_the_mean_of_the_rollouts() -> None:
    hot = Rollout(walkers(1), np.full(400, 2 * KELVIN), ensemble="nve")
    assert value(KEYS[0], hot).fact("ions").values["kelvin"] == 2 * KELVIN
    held = replace(hot, ensemble="nvt")
    assert value(KEYS[0], held).fact("ions").values["kelvin"] == KELVIN


def test_a_melt_is_told() -> None:
    """Where the other atoms diffuse, too, they are no framework."""
    assert value(KEYS[0], walkers(1)).fact("others-diffuse") is None
    melt = walkers(1)
    way = np.random.default_rng(5).normal(0, STEP_A, (400, 11, 3)).cumsum(axis=0)
    melt.positions[:, 16:] = (SITES[16:] + way) % LENGTH
    assert value(KEYS[0], melt).fact("others-diffuse").values == {"elements": "S"}


def test_what_lacks_is_told() -> None:
    assert value("conductivity", walkers(1), kelvin=None).absence == Fact("no-temperature")
    told = value(KEYS[0], Rollout(walkers(1), np.full(400, 300.0)), kelvin=None)
    assert told.fact("ions").values["kelvin"] == 300.0
    timeless = replace(walkers(1), timestep_fs=None)
    why = Fact("no-time-of", {"whose": "rollout 1"})
    assert value("conductivity", timeless).absence == why
    germanium = replace(walkers(1), species=("Ge",) * 16 + ("Te",) * 11)
    assert not values_of("conductivity", germanium, [germanium])


def test_which_ions_move() -> None:
    assert mobile_ion(SPECIES) == "Li"
    for other in (("Ge", "Te"), ("Li", "Li"), ("Li", "Na", "S")):
        assert mobile_ion(other) is None
