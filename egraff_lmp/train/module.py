"""The Lightning module: loss, moving average, schedule and the state that survives a resume."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import lightning
import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields.base import AtomicEnergyModel
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.ema import MovingAverage
from egraff_lmp.train.evaluate import ErrorSums, energy_and_forces
from egraff_lmp.train.graphs import Batch
from egraff_lmp.train.progress import Progress, stop_reason
from egraff_lmp.train.schedule import Scheduler, advance, build_optimiser, build_schedule

STATE_KEY = "egraff_state"


class ForceFieldModule(lightning.LightningModule):
    """Trains an `AtomicEnergyModel` on energies and forces.

    The loss is w_E <(dE / N)^2> / s^2 + w_F <dF^2> / s^2: energies per atom, forces per component,
    both in units of the training scale s (eV and eV/A), so that a model that predicts no forces
    has a force loss of 1 whatever the material.

    The schedule is stepped here and not by Lightning, whose checkpoints are written before its own
    step and would resume with a stale rate.

    Args:
        model: what is trained.
        config: its settings.
    """

    def __init__(self, model: AtomicEnergyModel, config: TrainConfig) -> None:
        super().__init__()
        self.model = model
        self.config = config
        self.progress = Progress()
        self.history: list[dict[str, float]] = []
        self.average = None if config.ema_decay is None else MovingAverage(model, config.ema_decay)
        self._schedule: Scheduler | None = None
        self._schedule_state: dict | None = None
        self._random_state: torch.Tensor | None = None
        self._swap = ExitStack()
        self._train_sum = [0.0, 0]
        self._loss_sum = [0.0, 0]
        self._errors = ErrorSums()
        self._epoch_start = 0.0

    def loss(self, batch: Batch, energy: torch.Tensor, forces: torch.Tensor) -> torch.Tensor:
        """Scalar loss of predicted energies (B,) and forces (N, 3); see the class."""
        weights, scale = self.config.loss, self.model.get_buffer("scale")
        total = energy.new_zeros(())
        if weights.energy:
            total = (
                total
                + weights.energy * (((energy - batch.energy) / batch.n_atoms / scale) ** 2).mean()
            )
        if weights.forces:
            total = total + weights.forces * (((forces - batch.forces) / scale) ** 2).mean()
        return total

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser alone; the schedule is kept by this module."""
        optimiser = build_optimiser(self.model.parameters(), self.config.optimiser)
        self._schedule = build_schedule(optimiser, self.config)
        if self._schedule is not None and self._schedule_state is not None:
            self._schedule.load_state_dict(self._schedule_state)
        return optimiser

    def on_train_start(self) -> None:
        """Continue the random numbers where the checkpoint left them."""
        if self._random_state is not None:
            torch.set_rng_state(self._random_state.cpu())
            self.progress = replace(self.progress, resumes=self.progress.resumes + 1)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock and sums."""
        self._epoch_start = time.monotonic()
        self._train_sum = [0.0, 0]

    def training_step(self, batch: Batch, batch_idx: int) -> torch.Tensor:
        """Loss of one batch, differentiable through the forces.

        Raises:
            EgraffError: the loss is not finite.
        """
        energy, forces = energy_and_forces(self.model, batch, create_graph=True)
        loss = self.loss(batch, energy, forces)
        value = float(loss.detach())
        if not torch.isfinite(loss):
            raise EgraffError(
                f"training diverged: the loss is {value} in epoch {self.progress.epoch + 1}: lower "
                "`optimiser.learning_rate` or `optimiser.gradient_clip`, or look for wrong labels. "
                "The checkpoints of earlier epochs are kept."
            )
        self._train_sum[0] += value * len(batch.n_atoms)
        self._train_sum[1] += len(batch.n_atoms)
        return loss

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average."""
        if self.average is not None:
            self.average.update(self.model)

    def on_validation_start(self) -> None:
        """Validate with the averaged weights."""
        self._loss_sum, self._errors = [0.0, 0], ErrorSums()
        if self.average is not None:
            self._swap.enter_context(self.average.applied(self.model))

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and errors of one batch."""
        energy, forces = energy_and_forces(self.model, batch)
        self._loss_sum[0] += float(self.loss(batch, energy, forces)) * len(batch.n_atoms)
        self._loss_sum[1] += len(batch.n_atoms)
        self._errors.add(batch, energy, forces)

    def on_validation_end(self) -> None:
        """Put the weights back and close the epoch: record, schedule, stop."""
        self._swap.close()
        group = self.optimizers().param_groups[0]  # type: ignore[union-attr]
        rate = group["lr"]
        loss = self._loss_sum[0] / max(self._loss_sum[1], 1)
        advance(self._schedule, loss)
        metrics = self._errors.errors().as_dict()
        self.progress = self.progress.after_epoch(
            loss,
            metrics,
            group["lr"],
            time.monotonic() - self._epoch_start,
        )
        self.history.append(
            {
                "epoch": self.progress.epoch,
                "learning_rate": rate,
                "train_loss": self._train_sum[0] / max(self._train_sum[1], 1),
                "validation_loss": loss,
                **{f"validation_{name}": value for name, value in metrics.items()},
                "wall_seconds": self.progress.wall_seconds,
            }
        )
        if stop_reason(self.progress, self.config.stop):
            self.trainer.should_stop = True

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of; plain values and tensors only."""
        checkpoint[STATE_KEY] = {
            "progress": self.progress.as_dict(),
            "history": self.history,
            "average": None if self.average is None else self.average.state_dict(),
            "schedule": None if self._schedule is None else _plain(self._schedule.state_dict()),
            "random_state": torch.get_rng_state(),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what `on_save_checkpoint` added."""
        state = checkpoint[STATE_KEY]
        self.progress = Progress(**state["progress"])
        self.history = list(state["history"])
        self._random_state = state["random_state"]
        self._schedule_state = state["schedule"]
        if self._schedule is not None and self._schedule_state is not None:
            self._schedule.load_state_dict(self._schedule_state)
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in state.items()
        if isinstance(value, bool | int | float | str | list | dict | type(None))
    }
