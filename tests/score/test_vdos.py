"""Vibrational densities of states: oscillators of known frequency, sampling, what has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from single_metric import values_of

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import Fact, Rollout
from egraff_lmp.score.vdos import (
    SEGMENT_FS,
    damping,
    differences,
    frequencies,
    power_spectra,
    segment_fs,
)

MASSES = np.array([72.6] * 8 + [127.6] * 16)
SPECIES = ("Ge",) * 8 + ("Te",) * 16
SITES = np.stack(np.meshgrid(*[np.arange(3.0)] * 3, indexing="ij"), axis=-1).reshape(27, 3)[:24]
LENGTH = 12.0


def oscillators(thz, step_fs: float = 5.0, n_frames: int = 800, seed: int = 0):
    """Positions (T, 24, 3) of independent oscillators of one frequency each, and velocities."""
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, (24, 3))
    omega = 2e-3 * np.pi * np.broadcast_to(np.asarray(thz, dtype=float), 24)[:, None]
    angle = omega * step_fs * np.arange(n_frames)[:, None, None] + phase
    return 0.1 * np.sin(angle), 0.1 * omega * np.cos(angle)


def frames(x, step_fs: float | None = 5.0) -> Frames:
    cell = np.broadcast_to(LENGTH * np.eye(3), (len(x), 3, 3)).copy()
    return Frames(SPECIES, x + 4 * SITES, cell, (True,) * 3, None, None, step_fs, "oscillators")


@pytest.mark.parametrize("thz", [3.0, 12.5, 40.0])
def test_an_oscillator_has_its_frequency(thz: float) -> None:
    nu = frequencies(SEGMENT_FS, 5.0)
    x, v = oscillators(thz)
    for velocities in (v, differences(x, 5.0)):
        power = power_spectra(velocities, MASSES, 5.0, nu)
        # Three whole segments of differences, of 799.
        assert power.shape == (len(velocities) // 200, len(nu))
        total = power.sum(axis=0)
        assert abs(nu[np.argmax(total)] - thz) <= 0.5 * nu[1]
        # Hann's window has all of its power within two bins.
        assert total[np.abs(nu - thz) <= 2 * nu[1]].sum() > 0.999 * total.sum()


def test_differences_of_positions_have_the_power_of_velocities() -> None:
    nu = frequencies(SEGMENT_FS, 5.0)
    x, v = oscillators([3.0] * 8 + [60.0] * 16)
    own = power_spectra(v[:-1], MASSES, 5.0, nu).sum(axis=0)
    ours = power_spectra(differences(x, 5.0), MASSES, 5.0, nu).sum(axis=0) / damping(nu, 5.0)
    low = nu < 30
    for part in (low, ~low):
        # Their window is shifted by half a frame; the phases of 24 x 3 oscillators differ.
        assert ours[part].sum() == pytest.approx(own[part].sum(), rel=0.02)


def test_the_power_is_the_sum_over_masses() -> None:
    """An element's share is its kinetic energy: Parseval."""
    nu = frequencies(SEGMENT_FS, 5.0)
    _, v = oscillators(20.0)
    germanium = power_spectra(v[:, :8], MASSES[:8], 5.0, nu).sum()
    tellurium = power_spectra(v[:, 8:], MASSES[8:], 5.0, nu).sum()
    kinetic = np.einsum("n,tni->n", MASSES, v**2)
    expected = kinetic[:8].sum() / kinetic[8:].sum()
    assert germanium / tellurium == pytest.approx(expected, rel=0.02)


def test_equal_spectra_have_no_divergence_and_disjoint_ones_a_whole_bit() -> None:
    # Four whole segments, of which a floor can be had.
    first, second = (frames(oscillators(5.0, n_frames=1000, seed=seed)[0]) for seed in (0, 1))
    other = frames(oscillators(20.0)[0])
    same = values_of("vdos_jsd", first, [second])
    assert set(same) == {"total", "Ge", "Te"}
    assert same["total"].value < 0.01
    assert same["total"].floor < 0.01
    assert values_of("vdos_jsd", first, [other])["total"].value > 0.98
    mixed = frames(oscillators([20.0] * 8 + [5.0] * 16)[0])
    by_element = values_of("vdos_jsd", first, [mixed])
    assert by_element["Ge"].value > 0.98
    # The eight germanium atoms take the centre of mass with them, and so the tellurium.
    assert by_element["Te"].value < 0.06


def test_dumped_velocities_and_other_strides_give_the_same_spectrum() -> None:
    thz = np.linspace(2, 25, 24)
    reference = frames(oscillators(thz)[0])
    fine, v = oscillators(thz, 2.5, 1600, seed=2)
    for rollout in (Rollout(frames(fine, 2.5), velocities=v), frames(fine, 2.5)):
        score = values_of("vdos_jsd", reference, [rollout])["total"]
        assert score.value < 0.01
        assert score.window.values["thz"] == pytest.approx(90)
        assert score.fact("velocities-of-differences")


def test_what_lacks_is_told() -> None:
    fine = frames(oscillators(5.0)[0])

    def why(reference: Frames, rollout: Frames) -> Fact:
        return values_of("vdos_jsd", reference, [rollout])["total"].absence

    assert why(replace(fine, timestep_fs=None), fine) == Fact("no-time-of", {"whose": "reference"})
    far = why(fine, replace(fine, timestep_fs=20.0))
    assert far.values == {"whose": "rollout 1", "fs": 20.0, "most": 10.0}
    light = replace(fine, species=("H",) * 24)
    assert why(light, light).values["most"] == 4.0
    short = fine.select(slice(0, 40))
    assert why(fine, short).values == {"fs": 195.0, "needed": 250.0}
    ensemble = values_of("vdos_jsd", fine, [fine], time_series=False)["total"]
    assert ensemble.absence == Fact("no-time-series")
    still = replace(fine, positions=np.repeat(fine.positions[:1], 800, axis=0))
    assert why(fine, still) == Fact("no-motion", {"part": "total"})


def test_a_rollout_that_broke_does_not_blur_the_others() -> None:
    """The resolution is that of the time asked for; what has no segment of it is left out."""
    reference = frames(oscillators(5.0)[0])
    whole = Rollout(frames(oscillators(5.4, seed=1)[0]), asked_fs=4000.0)
    short = Rollout(frames(oscillators(5.4, n_frames=80, seed=2)[0]), asked_fs=4000.0)
    alone = values_of("vdos_jsd", reference, [whole])["total"]
    both = values_of("vdos_jsd", reference, [whole, short])["total"]
    assert both.value == pytest.approx(alone.value)
    assert both.window == alone.window
    assert both.fact("rollouts-used").values == {"used": 1, "of": 2}
    assert alone.fact("rollouts-used") is None
    nothing = values_of("vdos_jsd", reference, [short])["total"].absence
    assert nothing == Fact("too-short-for-vibrations", {"fs": 395.0, "needed": 1000.0})


def test_segments() -> None:
    assert [segment_fs(t) for t in (249.0, 250.0, 499.0, 500.0, 1500.0, 9000.0)] == [
        None, 250.0, 499.0, 250.0, 750.0, 1000.0,
    ]  # fmt: skip
    assert frequencies(1000.0, 1.0)[-1] == 125.0
