"""How far a training is: counts that survive a resume, and whether it is time to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from egraff_lmp.train.config import StopConfig


@dataclass(frozen=True)
class Progress:
    """State of a training after a whole number of epochs.

    Attributes:
        epoch: epochs done.
        best_epoch: epoch of the lowest validation loss, counted from 1.
        best_loss: that loss; infinite before the first epoch.
        best_metrics: its validation errors.
        learning_rate: of the next epoch.
        wall_seconds: time spent in training over all resumes.
        epoch_seconds: time of the last epoch.
        resumes: how often the run was taken up again.
    """

    epoch: int = 0
    best_epoch: int = 0
    best_loss: float = math.inf
    best_metrics: Mapping[str, float] = field(default_factory=dict)
    learning_rate: float = math.inf
    wall_seconds: float = 0.0
    epoch_seconds: float = 0.0
    resumes: int = 0

    def after_epoch(
        self, loss: float, metrics: Mapping[str, float], learning_rate: float, seconds: float
    ) -> Progress:
        """The state after one more epoch with this validation loss."""
        epoch = self.epoch + 1
        better = loss < self.best_loss
        return replace(
            self,
            epoch=epoch,
            best_epoch=epoch if better else self.best_epoch,
            best_loss=loss if better else self.best_loss,
            best_metrics=dict(metrics) if better else self.best_metrics,
            learning_rate=learning_rate,
            wall_seconds=self.wall_seconds + seconds,
            epoch_seconds=seconds,
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain dict."""
        return asdict(self)


def stop_reason(progress: Progress, stop: StopConfig) -> str | None:
    """Why training ends here, or None. Depends on the state alone, so a resume decides alike."""
    if progress.epoch >= stop.max_epochs:
        return f"{progress.epoch} epochs done (stop.max_epochs)"
    waited = progress.epoch - progress.best_epoch
    if stop.patience is not None and waited >= stop.patience:
        return f"no improvement in {waited} epochs (stop.patience)"
    if stop.min_learning_rate is not None and progress.learning_rate < stop.min_learning_rate:
        return (
            f"learning rate {progress.learning_rate:.2g} below {stop.min_learning_rate:.2g} "
            "(stop.min_learning_rate)"
        )
    # The next epoch must fit too, or the bound would be overrun by up to one epoch.
    expected = progress.wall_seconds + progress.epoch_seconds
    if stop.max_minutes is not None and progress.epoch and expected > 60 * stop.max_minutes:
        return f"{progress.wall_seconds / 60:.1f} minutes spent (stop.max_minutes)"
    return None
