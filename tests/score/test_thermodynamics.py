"""Mean temperature, drift of the conserved energy and mean pressure, against numbers of a line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scored_systems import bulk, molecule
from single_metric import values_of

from egraff_lmp.data.lammps_thermo import Thermo
from egraff_lmp.score import Fact, Rollout, Score
from egraff_lmp.score.thermodynamics import energy_drift
from egraff_lmp.score.words import explain

REFERENCE = bulk(40, 0)


def thermo(slope_mev_per_atom_ps: float = 0.0, gpa: float = 0.0, n_rows: int = 50) -> Thermo:
    """Rows every 2 fs with noise that has no slope, as bulk's frames are."""
    step = np.arange(n_rows)
    time = 2.0 * step
    total = 27 * slope_mev_per_atom_ps * 1e-6 * time - 4000.0
    pressure = 1e4 * (gpa + np.where(step % 2, 0.1, -0.1))
    nothing = np.zeros(n_rows)
    return Thermo(step, time, nothing, nothing, total, pressure, nothing)


def value(key: str, *rollouts: Rollout, kelvin: float | None = 300.0, skip: int = 0) -> Score:
    return values_of(key, REFERENCE, rollouts, temperature_kelvin=kelvin, skip=skip)[""]


def hot(kelvin: float, ensemble: str = "nvt", n_frames: int = 30) -> Rollout:
    return Rollout(bulk(n_frames, 1), np.full(n_frames, kelvin), ensemble=ensemble)


def test_the_temperature_is_compared_with_the_thermostats() -> None:
    score = value("temperature_error", hot(310.0), hot(280.0))
    assert score.value == pytest.approx(5.0)  # the mean is 295 K
    assert score.per_start == (pytest.approx(10.0), pytest.approx(20.0))
    assert score.fact("mean-temperature").values == {"kelvin": 295.0, "stated": 300.0}
    warming = Rollout(bulk(30, 1), np.r_[np.zeros(10), np.full(20, 300.0)])
    assert value("temperature_error", warming, skip=10).value == pytest.approx(0)
    assert value("temperature_error", warming).value == pytest.approx(100)


def test_at_constant_energy_no_temperature_is_held() -> None:
    free = hot(250.0, "nve")
    assert value("temperature_error", free).absence == Fact("no-thermostat")
    mixed = value("temperature_error", free, hot(310.0))
    assert mixed.value == pytest.approx(10)
    assert mixed.fact("rollouts-used").values == {"used": 1, "of": 2}
    assert value("temperature_error", hot(310.0), kelvin=None).absence == Fact("no-temperature")
    silent = value("temperature_error", Rollout(bulk(30, 1)))
    assert silent.absence == Fact("no-temperature-told")
    assert "thermo.csv" in explain(silent)[0]


def test_the_drift_is_that_of_the_line() -> None:
    rollouts = [Rollout(bulk(30, 1), thermo=thermo(d), ensemble="nve") for d in (2.0, -4.0, 3.0)]
    score = value("energy_drift", *rollouts)
    assert score.value == pytest.approx(3.0)
    assert score.per_start == pytest.approx((2.0, 4.0, 3.0))
    assert (score.resampled.units, score.resampled.of) == (3, "starts")
    assert value("energy_drift", rollouts[0]).interval is None
    assert energy_drift(np.arange(5.0), 7e-6 * np.arange(5.0), 1) == pytest.approx(7.0)


def test_the_drift_is_that_of_an_atom_of_the_rollout() -> None:
    """Which may be a larger cell than the reference's."""
    small = bulk(30, 1)
    n_atoms, shift = small.n_atoms, np.array([6.0, 0.0, 0.0])
    large = replace(
        small,
        species=2 * small.species,
        positions=np.concatenate([small.positions, small.positions + shift], axis=1),
        forces=None,
    )
    score = value("energy_drift", Rollout(large, thermo=thermo(2.0), ensemble="nve"))
    assert score.value == pytest.approx(2.0 * 27 / (2 * n_atoms))


def test_energies_after_a_break_do_not_count() -> None:
    broken = thermo(2.0)
    broken.total_ev[30:] = np.nan
    rollout = Rollout(bulk(30, 1), thermo=broken, ensemble="nve")
    assert value("energy_drift", rollout).value == pytest.approx(2.0)
    broken.total_ev[5:] = np.nan
    assert value("energy_drift", rollout).absence == Fact("no-thermo")


def test_a_thermostat_has_no_drift() -> None:
    rollout = Rollout(bulk(30, 1), thermo=thermo(2.0), ensemble="nvt")
    assert value("energy_drift", rollout).absence == Fact("not-at-constant-energy")
    unknown = Rollout(bulk(30, 1), thermo=thermo(2.0))
    assert value("energy_drift", unknown).absence == Fact("not-at-constant-energy")
    no_rows = Rollout(bulk(30, 1), ensemble="nve")
    assert value("energy_drift", no_rows).absence == Fact("no-thermo")


def test_pressures_have_either_sign() -> None:
    score = value("pressure", Rollout(bulk(30, 1), thermo=thermo(gpa=-1.5)))
    low, high = score.interval
    assert low <= score.value <= high < 0
    assert score.value == pytest.approx(-1.5)
    assert value("pressure", Rollout(bulk(30, 1))).absence == Fact("no-thermo")


def test_molecules_have_a_temperature_and_no_rollout_has_nothing() -> None:
    own = molecule(30, 0)
    rollout = Rollout(molecule(30, 1), np.full(30, 310.0))
    found = values_of("temperature_error", own, [rollout], temperature_kelvin=300.0)
    assert found[""].value == pytest.approx(10)
    for key in ("temperature_error", "energy_drift", "pressure"):
        assert value(key).absence == Fact("no-rollouts")
