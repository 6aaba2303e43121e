"""Floors: the mean score of a perfect model, known by simulation and by closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import Rollout, score_trajectory
from egraff_lmp.score.curves import wright_factor
from egraff_lmp.score.floor import FEW, Length, correlation, floor_of, variance_of_start
from egraff_lmp.score.options import Options
from egraff_lmp.score.words import LIKE_PERFECT, explain

BINS = 40
CURVE = 1 + 2 * np.exp(-(((np.arange(BINS) - 12) / 4) ** 2))
NOISE = 0.5
OPTIONS = Options(n_resamples=200)
EMPTY = np.zeros((0, BINS + 1))
# Twelve references of 400 frames: their mean floor scatters by 1 to 2 %, and the simulated scores
# of a perfect model by 3 %.
TOLERANCE = 0.1


def frames_of(n, phi, rng, first=None):
    """Frames of a curve with Gaussian noise of unit lag correlation `phi`, (n, BINS)."""
    x = np.empty((n, BINS))
    x[0] = rng.normal(size=BINS) if first is None else first
    steps = rng.normal(size=(n, BINS)) * np.sqrt(1 - phi**2)
    for t in range(1, n):
        x[t] = phi * x[t - 1] + steps[t]
    return CURVE + NOISE * x


def blocks_of(frames, number):
    """Sums over blocks, the last column counts frames."""
    parts = np.array_split(frames, number)
    return np.array([[*part.sum(axis=0), len(part)] for part in parts])


def lengths(number, frames, starts=None):
    return [
        Length(frames, 1.0, k if starts is None else starts[k], 0, EMPTY, np.zeros(0))
        for k in range(number)
    ]


def wf(sums, own):
    return wright_factor(sums[:-1] / sums[-1], own[:-1] / own[-1])


def inefficiency(phi):
    return (1 + phi) / (1 - phi)


@pytest.mark.parametrize("phi", [0.0, 0.7, 0.9])
def test_the_floor_is_what_a_perfect_model_reads(phi):
    """AR(1): simulated, and E sum d^2 = B s^2 (1 + phi)/(1 - phi) (1/T_ref + 1/T_rollouts)."""
    rng = np.random.default_rng(0)
    read, floors, halves = [], [], []
    for _ in range(12):
        own = blocks_of(frames_of(400, phi, rng), 100)
        theirs = sum(blocks_of(frames_of(120, phi, rng), 1)[0] for _ in range(5))
        read.append(wf(theirs, own.sum(axis=0)))
        found = floor_of(wf, own, own[:, -1], lengths(5, 120), 4.0, OPTIONS)
        floors.append(found.mean)
        assert found.mean < found.high < 2 * found.mean
        halves.append(wf(own[50:].sum(axis=0), own[:50].sum(axis=0)))
    spread = BINS * NOISE**2 * inefficiency(phi) * (1 / 400 + 1 / 600)
    closed = 100 * np.sqrt(spread / (CURVE**2).sum())
    assert np.mean(floors) == pytest.approx(np.mean(read), rel=TOLERANCE)
    assert np.mean(floors) == pytest.approx(closed, rel=TOLERANCE)
    # Half against half, which was the floor before: sqrt((2/200)/(1/400 + 1/600)) = 1.55 of it.
    assert np.mean(halves) > 1.35 * np.mean(read)


def test_rollouts_of_one_start_count_for_less():
    phi, rng = 0.95, np.random.default_rng(1)
    read, together, apart = [], [], []
    for _ in range(12):
        own, first = blocks_of(frames_of(1000, phi, rng), 200), rng.normal(size=BINS)
        theirs = sum(blocks_of(frames_of(60, phi, rng, first), 1)[0] for _ in range(5))
        read.append(wf(theirs, own.sum(axis=0)))
        for found, starts in ((together, [0] * 5), (apart, None)):
            those = lengths(5, 60, starts)
            found.append(floor_of(wf, own, own[:, -1], those, 5.0, OPTIONS).mean)
    assert np.mean(together) == pytest.approx(np.mean(read), rel=TOLERANCE)
    assert np.mean(apart) < 0.85 * np.mean(read)


def test_the_variance_of_a_mean_is_that_of_an_autoregression():
    phi = 0.8
    found = [
        correlation(frames_of(500, phi, np.random.default_rng(seed)) - CURVE) for seed in range(8)
    ]
    expected = BINS * NOISE**2 * inefficiency(phi) / 500
    assert np.mean([one.of_mean for one in found]) == pytest.approx(expected, rel=TOLERANCE)
    # A rollout as long as the reference has the variance of the reference; one frame has C(0).
    for frames, v in ((500, expected), (1, BINS * NOISE**2)):
        of_rollout = [variance_of_start(one, lengths(1, frames), 1.0) for one in found]
        assert np.mean(of_rollout) == pytest.approx(v, rel=TOLERANCE)


def test_longer_and_more_rollouts_lower_the_floor_to_the_noise_of_the_reference():
    own = blocks_of(frames_of(400, 0.5, np.random.default_rng(2)), 100)

    def floor(number, frames):
        return floor_of(wf, own, own[:, -1], lengths(number, frames), 4.0, OPTIONS).mean

    assert floor(1, 100) > 1.2 * floor(5, 100) > 1.2 * floor(5, 10_000)
    assert floor(1, 400) / floor(1, 400_000) == pytest.approx(np.sqrt(2), rel=TOLERANCE)


def test_too_few_blocks_have_no_floor():
    own = blocks_of(frames_of(3, 0.0, np.random.default_rng(3)), 3)
    assert floor_of(wf, own, own[:, -1], lengths(2, 10), 1.0, OPTIONS) is None
    own = blocks_of(frames_of(40, 0.0, np.random.default_rng(3)), 10)
    assert floor_of(wf, own, own[:, -1], [], 1.0, OPTIONS) is None


def test_a_reference_without_times_takes_the_correlation_from_the_rollouts():
    phi, rng = 0.9, np.random.default_rng(4)
    own = blocks_of(frames_of(400, 0.0, rng), 100)  # shuffled frames
    theirs = [blocks_of(frames_of(200, phi, rng), 40) for _ in range(4)]
    those = [Length(200, 1.0, k, 0, one, one[:, -1]) for k, one in enumerate(theirs)]
    found = floor_of(wf, own, own[:, -1], those, None, OPTIONS)
    spread = BINS * NOISE**2 * (1 / 400 + inefficiency(phi) / 800)
    closed = 100 * np.sqrt(spread / (CURVE**2).sum())
    assert found.mean == pytest.approx(closed, rel=2 * TOLERANCE)  # of one draw


def springs(n, seed, width=0.1):
    """Four atoms about the corners of a square, each frame on its own."""
    rng = np.random.default_rng(seed)
    corners = 2.0 * np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]])
    return Frames(
        ("C",) * 4, corners + rng.normal(0, width, (n, 4, 3)), np.zeros((n, 3, 3)), (False,) * 3,
        None, None, timestep_fs=1.0, source=f"springs {seed}",
    )  # fmt: skip


def test_a_perfect_model_reads_its_floor_and_is_not_called_better():
    values, floors, like = [], [], 0
    for seed in range(10):
        rollouts = [Rollout(springs(150, 100 * seed + k)) for k in (1, 2, 3)]
        scores = score_trajectory(
            springs(300, 100 * seed), rollouts, mode="egraff", n_resamples=100, bin_width=0.1
        )
        score = scores.find("wf")
        values.append(score.value)
        floors.append(score.floor)
        like += score.like_perfect
        assert (LIKE_PERFECT in explain(score)) == score.like_perfect
        assert not any("perfect" in line for line in explain(score) if line != LIKE_PERFECT)
    assert np.mean(floors) == pytest.approx(np.mean(values), rel=0.15)  # ten scorings: 5 % each
    assert like >= 8  # 95 % of perfect models
    wrong = [Rollout(springs(150, 7, width=0.15))]
    scores = score_trajectory(springs(300, 0), wrong, mode="egraff", n_resamples=100)
    assert not scores.find("wf").like_perfect


def test_a_reference_of_few_correlation_times_says_so():
    own = blocks_of(frames_of(100, 0.98, np.random.default_rng(5)), 100)
    assert floor_of(wf, own, own[:, -1], lengths(1, 100), 1.0, OPTIONS).stretches < FEW
    own = blocks_of(frames_of(100, 0.0, np.random.default_rng(5)), 100)
    assert floor_of(wf, own, own[:, -1], lengths(1, 100), 1.0, OPTIONS).stretches > FEW
