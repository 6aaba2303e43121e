"""The curves that a scoring keeps: what is known of them, their units, their sides and parts."""

from __future__ import annotations

import numpy as np
import pytest
from score_frames import score_frames

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.msd import CURVE_LAGS, curve_lags
from egraff_lmp.score.records import REFERENCE, ROLLOUTS, Curves

pytest.importorskip("MDAnalysis")

QUICK = {"n_resamples": 10, "mode": "egraff"}
STEP_FS, LENGTH = 5.0, 12.0
SPECIES = ("Ge",) * 8 + ("Te",) * 16
SITES = np.stack(np.meshgrid(*[np.arange(3.0)] * 3, indexing="ij"), axis=-1).reshape(27, 3)[:24]


def frames(displacements: np.ndarray) -> Frames:
    cell = np.broadcast_to(LENGTH * np.eye(3), (len(displacements), 3, 3)).copy()
    x = 4 * SITES + displacements
    return Frames(SPECIES, x, cell, (True,) * 3, None, None, STEP_FS, "made up")


def oscillating(thz: float, n_frames: int = 500, seed: int = 0) -> Frames:
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (24, 3))
    t = STEP_FS * np.arange(n_frames)[:, None, None]
    return frames(0.1 * np.sin(2e-3 * np.pi * thz * t + phase))


def flying(a_per_fs: float, n_frames: int = 200) -> Frames:
    """Germanium flies along x, half of it back, so that nothing drifts; tellurium stands."""
    v = np.zeros((24, 3))
    v[:8, 0] = a_per_fs * np.where(np.arange(8) % 2, 1.0, -1.0)
    return frames(STEP_FS * np.arange(n_frames)[:, None, None] * v)


def drawn(reference: Frames, rollouts: list[Frames], name: str) -> tuple[Curves, Curves]:
    scores = score_frames(reference, rollouts, **QUICK)
    own, theirs = (scores.drawn(side, name) for side in (REFERENCE, ROLLOUTS))
    assert own is not None
    assert theirs is not None
    assert [one.name for one in scores.curves].count(name) == 2
    return own, theirs


def test_densities_of_states_are_normalised_and_have_their_lines() -> None:
    own, theirs = drawn(oscillating(5.0), [oscillating(12.0, seed=1)], "vdos")
    for curves, thz in ((own, 5.0), (theirs, 12.0)):
        assert (curves.x_unit, curves.y_unit) == ("THz", "1/THz")
        assert set(curves.y) == {"total", "Ge", "Te"}
        for density in curves.y.values():
            assert density.sum() * curves.x[1] == pytest.approx(1)
            assert abs(curves.x[np.argmax(density)] - thz) <= curves.x[1]


def test_a_flight_has_the_square_of_its_way_and_the_total_is_the_mean_over_atoms() -> None:
    # Two rollouts of one and of two velocities: their mean is 2.5 of the slower one.
    own, theirs = drawn(flying(1e-3), [flying(1e-3), flying(2e-3)], "msd")
    assert (own.x_unit, own.y_unit, own.n_frames, theirs.n_frames) == ("fs", "A^2", 200, 400)
    for curves, factor in ((own, 1.0), (theirs, 2.5)):
        assert curves.x[0] == STEP_FS
        assert curves.x[-1] == 100 * STEP_FS  # half of the trajectory
        flight = factor * (1e-3 * curves.x) ** 2
        np.testing.assert_allclose(curves.y["Ge"], flight, rtol=1e-6)
        np.testing.assert_allclose(curves.y["Te"], 0, atol=1e-9)
        np.testing.assert_allclose(curves.y["total"], flight * 8 / 24, rtol=1e-6)


def test_lags_of_a_curve_are_few_and_reach_from_the_first_to_the_last() -> None:
    assert curve_lags(0).size == 0
    assert curve_lags(1).tolist() == [1]
    found = curve_lags(100_000)
    assert (found[0], found[-1]) == (1, 100_000)
    assert len(found) <= CURVE_LAGS
    assert (np.diff(found) > 0).all()


def test_without_a_time_series_rollouts_have_no_reference_beside_their_msd() -> None:
    scores = score_frames(flying(1e-3), [flying(1e-3)], time_series=False, **QUICK)
    assert scores.drawn(REFERENCE, "msd") is None
    assert scores.drawn(ROLLOUTS, "msd") is not None
    assert scores.drawn(REFERENCE, "vdos") is None
