"""How far a training is: counts that survive a resume, and whether it is time to stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from egraff_lmp.train.config import SecondStageConfig, StopConfig


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
        self,
        loss: float,
        metrics: Mapping[str, float],
        learning_rate: float,
        seconds: float,
        *,
        new_loss: bool = False,
    ) -> Progress:
        """The state after one more epoch with this validation loss.

        `new_loss`: the first of a stage whose losses cannot be compared with earlier ones.
        """
        epoch = self.epoch + 1
        better = loss < self.best_loss or (new_loss and not math.isnan(loss))
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


def stop_reason(
    progress: Progress, stop: StopConfig, second_stage: SecondStageConfig | None = None
) -> str | None:
    """Why training ends here, or None. Depends on the state alone, so a resume decides alike.

    Before a second stage neither patience nor the learning rate end a training.
    """
    if progress.epoch >= stop.max_epochs:
        return f"{progress.epoch} epochs done (stop.max_epochs)"
    waited = progress.epoch - progress.best_epoch
    last_stage = second_stage is None or progress.epoch > second_stage.start_epoch
    if last_stage and stop.patience is not None and waited >= stop.patience:
        return f"no improvement in {waited} epochs (stop.patience)"
    lowest = None if second_stage is not None else stop.min_learning_rate
    if lowest is not None and progress.learning_rate < lowest:
        return (
            f"learning rate {progress.learning_rate:.2g} below {lowest:.2g} "
            "(stop.min_learning_rate)"
        )
    # The next epoch must fit too, or the bound would be overrun by up to one epoch.
    expected = progress.wall_seconds + progress.epoch_seconds
    if stop.max_minutes is not None and progress.epoch and expected > 60 * stop.max_minutes:
        return f"{progress.wall_seconds / 60:.1f} minutes spent (stop.max_minutes)"
    return None


def seconds_left(
    progress: Progress, stop: StopConfig, epochs: int, begun: float, seconds: float
) -> float | None:
    """Time to the end of a training, of `max_epochs` or `max_minutes`, whichever is first.

    Patience and the learning rate may end it earlier.

    Args:
        progress: after the last whole epoch.
        stop: the bounds.
        epochs: whole ones since this start, which may be a resume.
        begun: share of the next one that is done, 0 to 1.
        seconds: since this start.

    Returns:
        Seconds, at least 0; None as long as nothing is done.
    """
    if epochs + begun <= 0:
        return None
    each = seconds / (epochs + begun)
    bounds = [each * (stop.max_epochs - progress.epoch - begun)]
    if stop.max_minutes is not None:
        bounds.append(60 * stop.max_minutes - progress.wall_seconds - each * begun)
    return max(min(bounds), 0.0)
