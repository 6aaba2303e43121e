"""Ranges of the forms, windows that slide, and frames behind the loss of stability."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scored_systems import bulk, molecule

from egraff_lmp.score import Fact, Rollout, score_trajectory
from egraff_lmp.score.metric import Context
from egraff_lmp.score.options import Options
from egraff_lmp.score.pair_counts import FU, distances, sliding_windows
from egraff_lmp.score.words import say

QUICK = {"n_resamples": 20}


def context(reference, *rollouts, mode="both"):
    return Context(reference, [Rollout(one) for one in rollouts], Options(mode=mode))


def test_the_second_paper_has_its_own_range():
    found = distances(context(bulk(20, 0), bulk(20, 1)))
    assert set(found) == {"egraff", "paper", FU}
    assert (found[FU].reference.n_bins, found[FU].reference.r_max) == (500, pytest.approx(6.0))
    assert found["paper"].reference.bin_width == 0.05
    small = distances(context(molecule(20, 0), molecule(20, 1)))[FU].reference
    assert (small.n_bins, small.r_max) == (500, pytest.approx(10.0))
    assert FU not in distances(context(bulk(20, 0), bulk(20, 1), mode="egraff"))


def test_no_pair_of_a_molecule_lies_beyond_its_range():
    """h(r) up to the range of the first paper, of a cell of 8 A, would lose most of the pairs."""
    reference, rollout = molecule(40, 0), molecule(40, 1)
    box = np.broadcast_to(8 * np.eye(3), (40, 3, 3))
    boxed = [replace(one, cell=box) for one in (reference, rollout)]
    found = distances(context(*boxed))
    assert found["paper"].reference.r_max == pytest.approx(3.5)
    assert found["paper"].reference.counts[..., -1].sum() > 0
    assert found[FU].reference.counts[..., -1].sum() == 0
    both = [score_trajectory(a, [Rollout(b)], **QUICK).find("h_mae", mode="paper").value
            for a, b in (boxed, (reference, rollout))]  # fmt: skip
    assert both[0] == pytest.approx(both[1])


def test_rdf_mae_of_the_second_paper_by_hand():
    """Its notebook: ordered pairs over N_a N_b / V and shells of 0.012 A, nearest images."""
    reference, rollout = bulk(30, 0), bulk(30, 1)
    edges = np.linspace(0, 6, 501)
    shells = 4 / 3 * np.pi * np.diff(edges**3)

    def curve(frames, kind):
        chosen = np.array(frames.species) == kind
        x = frames.positions[:, chosen]
        d = x[:, :, None] - x[:, None]
        d -= 12 * np.round(d / 12)
        r = np.linalg.norm(d, axis=-1)
        counts, _ = np.histogram(r[r > 0], edges)
        return counts * 12**3 / (len(x) * chosen.sum() ** 2 * shells)

    scores = score_trajectory(reference, [Rollout(rollout)], mode="paper", **QUICK)
    for kind in ("Li", "S"):
        by_hand = np.abs(curve(rollout, kind) - curve(reference, kind)).mean() * 6
        found = scores.find("rdf_mae_eq3", part=f"{kind}-{kind}")
        # Atoms may be 6 A apart along an axis, where two images are equally near.
        assert found.value == pytest.approx(by_hand, rel=1e-6)


def test_windows_slide_over_blocks():
    frames = bulk(200, 0, step_fs=20.0)  # 4 ps
    fine = distances(context(frames, frames))["egraff"].fine_reference
    windows = sliding_windows(frames, fine)
    per_window = windows.n_frames
    assert len(per_window) > 3 * 10  # every tenth of 1 ps or finer
    assert np.abs(per_window - 50).max() <= 2
    np.testing.assert_allclose(windows.counts[0], fine.counts[: _length(fine, windows)].sum(axis=0))
    np.testing.assert_allclose(
        windows.counts[-1], fine.counts[-_length(fine, windows) :].sum(axis=0)
    )
    short = bulk(30, 0, step_fs=20.0)
    fine = distances(context(short, short))["egraff"].fine_reference
    assert sliding_windows(short, fine).n_frames.tolist() == [30]


def _length(fine, windows):
    return len(fine.n_frames) - len(windows.n_frames) + 1


def melting(n_frames, at, seed=1):
    """Frames that are random from `at` on, 20 fs apart."""
    frames = bulk(n_frames, seed, step_fs=20.0, walk=0.01)
    rng = np.random.default_rng(5)
    frames.positions[at:] = 12 * rng.random((n_frames - at, 27, 3))
    return frames


def test_frames_behind_the_loss_of_stability_are_left_out():
    reference, whole = (bulk(200, seed, step_fs=20.0, walk=0.01) for seed in (0, 1))
    scores = score_trajectory(reference, [Rollout(melting(200, 120))], **QUICK)
    end = scores.find("stability").lifetimes[0].end
    # A window with some random frames in it is beyond the limit: it begins before them.
    assert 120 - 50 < end.frame < 120
    score = scores.find("wf")
    assert score.counts.frames == end.frame
    lost = Fact("after-loss-of-stability", {"left_out": 200 - end.frame, "of": 200})
    assert score.fact(lost.code) == lost
    assert say(lost) == (
        f"{200 - end.frame} of 200 frames are left out, as they lie behind the loss of stability"
    )
    until = whole.select(slice(0, end.frame))
    alone = score_trajectory(reference, [Rollout(until)], **QUICK)
    for key in ("wf", "jsd", "rdf_mae"):
        assert scores.find(key).value == pytest.approx(alone.find(key).value)
    # The first paper's script takes all frames; the second one's only the stable part.
    assert scores.find("wf_unrooted").counts.frames == 200
    printed = scores.find("stability", mode="paper").lifetimes[0].end
    assert scores.find("rdf_mae_eq3").counts.frames == printed.frame


def test_where_nothing_is_stable_there_is_a_reason_in_place_of_a_value():
    reference = bulk(200, 0, step_fs=20.0, walk=0.01)
    scores = score_trajectory(reference, [Rollout(melting(200, 0))], **QUICK)
    assert scores.find("wf").value is None
    assert scores.find("wf").absence == Fact("no-stable-frame", {"of": 200})
    assert scores.find("wf_unrooted").value is not None
    # Less than 1 ps has no window: it is told unstable, but its frames stay.
    scores = score_trajectory(reference, [Rollout(melting(40, 0))], **QUICK)
    assert scores.find("stability").value == 0
    assert scores.find("wf").counts.frames == 40


def test_a_molecule_counts_until_its_first_bond_breaks():
    reference, rollout = molecule(100, 0), molecule(100, 1)
    rollout.positions[60:, rollout.species.index("H")] += 3.0
    scores = score_trajectory(reference, [Rollout(rollout)], **QUICK)
    for key, mode in (("wf", "egraff"), ("h_mae", "egraff"), ("h_mae", "paper")):
        assert scores.find(key, mode=mode).counts.frames == 60
    assert scores.find("wf_unrooted").counts.frames == 100
