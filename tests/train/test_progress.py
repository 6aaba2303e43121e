"""When training ends depends on counts alone."""

from __future__ import annotations

import math

from egraff_lmp.train.config import StopConfig
from egraff_lmp.train.progress import Progress, seconds_left, stop_reason


def after(losses, rate=0.1, seconds=10.0):
    progress = Progress()
    for loss in losses:
        progress = progress.after_epoch(loss, {"x": loss}, rate, seconds)
    return progress


def test_best_epoch_is_the_first_of_equals():
    progress = after([3.0, 1.0, 1.0, 2.0])
    assert (progress.epoch, progress.best_epoch, progress.best_loss) == (4, 2, 1.0)
    assert progress.best_metrics == {"x": 1.0}
    assert progress.wall_seconds == 40.0


def test_nan_is_never_best():
    assert after([2.0, math.nan]).best_epoch == 1


def test_max_epochs():
    assert stop_reason(after([1.0]), StopConfig(max_epochs=2)) is None
    assert "2 epochs" in stop_reason(after([1.0, 0.5]), StopConfig(max_epochs=2))


def test_patience_counts_epochs_since_the_best():
    stop = StopConfig(patience=2)
    assert stop_reason(after([1.0, 2.0]), stop) is None
    assert "2 epochs" in stop_reason(after([1.0, 2.0, 2.0]), stop)
    assert stop_reason(after([1.0, 2.0, 0.5]), stop) is None
    assert stop_reason(Progress(), stop) is None


def test_learning_rate_bound():
    stop = StopConfig(min_learning_rate=1e-3)
    assert stop_reason(after([1.0], rate=1e-3), stop) is None
    assert "learning rate" in stop_reason(after([1.0], rate=9e-4), stop)


def test_wall_clock_leaves_room_for_the_next_epoch():
    stop = StopConfig(max_minutes=1.0)
    assert stop_reason(after([1.0] * 5), stop) is None  # 50 s + 10 s = 1 minute
    assert "max_minutes" in stop_reason(after([1.0] * 6), stop)
    # the first epoch always runs, or nothing would ever be saved
    assert stop_reason(Progress(), StopConfig(max_minutes=1e-6)) is None


def test_state_survives_plain_values():
    progress = after([3.0, 1.0])
    assert Progress(**progress.as_dict()) == progress


def test_time_left_is_of_the_nearer_end():
    """Two epochs done in an earlier start, three and a half here in 70 s: 20 s each."""
    progress = after([1.0] * 5, seconds=20.0)

    def left(**stop):
        return seconds_left(progress, StopConfig(**stop), epochs=3, begun=0.5, seconds=70.0)

    assert left(max_epochs=10) == 4.5 * 20
    assert left(max_epochs=10, max_minutes=3.0) == 180 - 100 - 10
    assert left(max_epochs=6, max_minutes=60.0) == 10
    assert left(max_epochs=10, max_minutes=1.0) == 0
    assert seconds_left(Progress(), StopConfig(), 0, 0.0, 5.0) is None
    assert seconds_left(Progress(), StopConfig(max_epochs=2), 0, 0.5, 5.0) == 15
