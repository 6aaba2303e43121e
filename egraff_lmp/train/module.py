"""The Lightning module: loss, moving average, schedule and the state that survives a resume."""

from __future__ import annotations

import logging
import math
import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import lightning
import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import AtomicEnergyModel, force_field
from egraff_lmp.stopping import check_notices
from egraff_lmp.train.config import LossConfig, SecondStageConfig, TrainConfig
from egraff_lmp.train.ema import MovingAverage
from egraff_lmp.train.evaluate import ErrorSums, Prediction, predict
from egraff_lmp.train.graphs import Batch, Graph, collate, split
from egraff_lmp.train.kernels import choose_tables, evaluated_model
from egraff_lmp.train.memory import GB, PEAK_OVER_SAVED, budget_bytes, peak_gb, saved_bytes
from egraff_lmp.train.processes import average_gradients
from egraff_lmp.train.progress import Progress, stop_reason
from egraff_lmp.train.schedule import (
    Scheduler,
    advance,
    build_optimiser,
    build_schedule,
    warmup_factor,
)

STATE_KEY = "egraff_state"
logger = logging.getLogger(__name__)


class ForceFieldModule(lightning.LightningModule):
    """Trains an `AtomicEnergyModel` on energies, forces and stress.

    The loss is w_E <(dE / N)^2> / s^2 + w_F <dF^2> / s^2 + w_S <dS^2> / t^2: energies per atom,
    forces and stress per component, in units of the training scale s (eV and eV/A) and of the
    root mean square t of the training stresses, so that a model that predicts neither forces nor
    stress has a loss of 1 of each whatever the material. Weights of single frames multiply their
    errors; frames without a stress have no error of it. Other forms are in `LossConfig`.

    The schedule is stepped here and not by Lightning, whose checkpoints are written before its own
    step and would resume with a stale rate. So is the optimiser: a batch that would take more
    memory than `max_edges` allows is computed in parts, whose losses add up to the batch's.

    Args:
        model: what is trained.
        config: its settings.
        stress_rms: root mean square of the training stresses in eV/A^3.
    """

    def __init__(
        self, model: AtomicEnergyModel, config: TrainConfig, stress_rms: float = 1.0
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = model
        self.config = config
        own = config.loss.stress_scale == "rms"
        self._stress_scale = stress_rms if own else float(model.get_buffer("scale"))
        self.progress = Progress()
        self.history: list[dict[str, float]] = []
        self.average = None if config.ema_decay is None else MovingAverage(model, config.ema_decay)
        self.max_edges: int | None = None
        self._evaluated: list[torch.nn.Module] = []
        self._schedule: Scheduler | None = None
        self._schedule_state: dict | None = None
        self._random_state: torch.Tensor | None = None
        self._swap = ExitStack()
        self._train_sum = [0.0, 0]
        self._loss_sum = [0.0, 0]
        self._errors = ErrorSums()
        self._epoch_start = 0.0
        self._train_seconds = 0.0
        self._rate = 0.0
        self._steps = 0

    @property
    def frames_per_second(self) -> float:
        """Frames of all processes that were trained on in this epoch, over its time so far."""
        frames = self._train_sum[1] * self.trainer.world_size
        return frames / max(time.monotonic() - self._epoch_start, 1e-9)

    @property
    def second_stage(self) -> SecondStageConfig | None:
        """The second stage's settings while it lasts, else None."""
        stage = self.config.second_stage
        return stage if stage is not None and self.progress.epoch >= stage.start_epoch else None

    def loss(self, batch: Batch, found: Prediction, whole: Batch | None = None) -> torch.Tensor:
        """Scalar loss of a prediction; see the class.

        Args:
            batch: the labels.
            found: what the model says.
            whole: the batch that `batch` is a part of, to whose loss this is its share: the losses
                of all parts add up to that of the whole.
        """
        config: LossConfig = self.config.loss
        weights: LossConfig | SecondStageConfig = self.second_stage or config
        scale = self.model.get_buffer("scale")
        size = _size if config.kind == "absolute" else _square
        of_energy, of_forces, of_stress = batch.weights.unbind(1)
        whole = batch if whole is None else whole
        frames = len(batch.n_atoms) / len(whole.n_atoms)
        atoms = len(batch.types) / len(whole.types)
        total = found.energy.new_zeros(())
        if weights.energy:
            per = batch.n_atoms if config.energy_per == "atom" else torch.ones_like(batch.n_atoms)
            error = (found.energy - batch.energy) / per / scale
            sizes = _times(size(error.unsqueeze(1)), of_energy)
            total = total + weights.energy * frames * sizes.mean()
        if weights.forces:
            error = (found.forces - batch.forces) / scale
            sizes = _times(size(error), of_forces[batch.frame])
            total = total + weights.forces * atoms * sizes.mean()
        if weights.stress:
            error = (found.stress - batch.stress) / self._stress_scale
            error = torch.where(batch.stress.isfinite(), error, 0.0).reshape(-1, 1)
            sizes = _times(size(error), of_stress.repeat_interleave(9))
            total = total + weights.stress * frames * sizes.mean()
        return total

    @property
    def evaluated(self) -> torch.nn.Module:
        """`model` on kernels, where there are some: see `train.kernels`.

        It is made once it is needed, in the process that needs it, and is no submodule: its
        parameters are those of `model`.
        """
        if not self._evaluated:
            self._evaluated.append(evaluated_model(self.model, self.config, self._device_type()))
        return self._evaluated[0]

    def _device_type(self) -> str:
        """Where the model is trained: memory is counted before it is there."""
        return "cuda" if self.config.device != "cpu" and torch.cuda.is_available() else "cpu"

    def __getstate__(self) -> dict[str, Any]:
        """Without what only this process can use."""
        return {**self.__dict__, "_evaluated": []}

    def bound_memory(self, largest: Graph) -> None:
        """Choose `max_edges` of the parts of a batch, unless a checkpoint has chosen it.

        Args:
            largest: the training frame of most edges, whose memory is counted.
        """
        if self.max_edges is not None or self.config.batch_size == 1:
            return
        edges = largest.edge_index.shape[1]
        if not edges:
            return
        frame = PEAK_OVER_SAVED * saved_bytes(self, collate([largest]))
        budget = budget_bytes(self.config.memory_gb, self.config.devices, self._device_type())
        if frame > budget:
            logger.warning(
                "A frame of %d atoms and %d edges takes about %.1f GB a step, more than the %.1f "
                "GB meant for it (memory_gb): it cannot be split, so choose a smaller network, "
                "r_max or frame if memory runs out.",
                len(largest.types),
                edges,
                frame / GB,
                budget / GB,
            )
        self.max_edges = max(int(edges * budget / frame), 1)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The optimiser alone; the schedule is kept by this module."""
        spared = force_field(self.config.forcefield).spared(self.model.network)
        optimiser = build_optimiser(self.model.parameters(), self.config.optimiser, spared)
        self._schedule = build_schedule(optimiser, self.config)
        if self._schedule is not None and self._schedule_state is not None:
            self._schedule.load_state_dict(self._schedule_state)
        return optimiser

    def on_train_start(self) -> None:
        """Continue the random numbers and the rate where the checkpoint left them."""
        self._rate = self._learning_rate()
        self._steps = self.trainer.global_step
        if self.trainer.world_size > 1 and self.average is not None:
            # A process that was started gets tensors in memory that it shares with the others;
            # Lightning takes those of the module out of it.
            self.average.load_state_dict(self.average.state_dict())
            self.trainer.strategy.barrier()
        if self._random_state is not None:
            torch.set_rng_state(self._random_state.cpu())
            self.progress = replace(self.progress, resumes=self.progress.resumes + 1)

    def on_train_epoch_start(self) -> None:
        """Start the epoch's clock and sums."""
        self._epoch_start = time.monotonic()
        choose_tables(self.evaluated)
        self._train_sum = [0.0, 0]
        stage = self.config.second_stage
        if stage is not None and self.progress.epoch == stage.start_epoch:
            self._rate = stage.learning_rate
            self._set_learning_rate(self._rate)
            if self.average is not None and stage.average == "uniform":
                self.average.start_uniform()

    def on_train_batch_start(self, *_: Any) -> None:
        """Warm up, unless the training is to end."""
        check_notices()
        schedule = self.config.schedule
        batches = int(self.trainer.num_training_batches)
        per_epoch = -(-batches // self.config.accumulate)
        steps = max(schedule.warmup_steps, schedule.warmup_epochs * per_epoch)
        if self.second_stage is None and steps:
            factor = warmup_factor(self.trainer.global_step, steps)
            self._set_learning_rate(self._rate * factor)

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        """Add the gradient of one batch, and take a step where enough batches are together.

        Raises:
            EgraffError: the loss or its gradient is not finite.
        """
        batches = self.config.accumulate
        if batch_idx % batches == 0:
            self._optimiser().zero_grad()
        value = sum(self.add_gradient(part, batch) for part in split(batch, self.max_edges))
        self._train_sum[0] += value * len(batch.n_atoms)
        self._train_sum[1] += len(batch.n_atoms)
        if (batch_idx + 1) % batches == 0 or self.trainer.is_last_batch:
            self._step()

    def add_gradient(self, part: Batch, whole: Batch) -> float:
        """Backward pass of a part of a batch.

        Args:
            part: the batch, or some of its frames.
            whole: the batch that `part` is of.

        Returns:
            The share of `part` in the loss of `whole`.

        Raises:
            EgraffError: the loss is not finite.
        """
        loss = self.loss(part, predict(self.evaluated, part, create_graph=True), whole)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise EgraffError(self._diverged("loss", value))
        if loss.requires_grad:
            # The edge vectors are a leaf, too, whose gradient nobody wants.
            (loss / self.config.accumulate).backward(inputs=self._trained())
        return value

    def _step(self) -> None:
        """Take the mean gradient of all processes, and move the weights."""
        if self.trainer.world_size > 1:
            average_gradients(self._trained(), self.trainer.world_size)
        self.move(self._optimiser())

    def move(self, optimiser: Any) -> None:
        """Bound the gradient, and move the weights.

        Args:
            optimiser: that of `configure_optimizers`, or Lightning's wrapper of it.

        Raises:
            EgraffError: the gradient is not finite.
        """
        parameters = self._trained()
        clip = self.config.optimiser.gradient_clip
        norm = float(torch.nn.utils.clip_grad_norm_(parameters, math.inf if clip is None else clip))
        if not math.isfinite(norm):
            raise EgraffError(self._diverged("norm of the gradient", norm))
        optimiser.step()

    def _trained(self) -> list[torch.nn.Parameter]:
        return [parameter for parameter in self.model.parameters() if parameter.requires_grad]

    def on_train_batch_end(self, *_: Any) -> None:
        """Move the average after a step, which may be one of several batches."""
        if self.average is not None and self.trainer.global_step > self._steps:
            self.average.update(self.model)
        self._steps = self.trainer.global_step

    def on_validation_start(self) -> None:
        """Validate with the averaged weights."""
        self._train_seconds = time.monotonic() - self._epoch_start
        self._loss_sum, self._errors = [0.0, 0], ErrorSums()
        if self.average is not None:
            self._swap.enter_context(self.average.applied(self.model))
        choose_tables(self.evaluated)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Loss and errors of one batch."""
        for part in split(batch, self.max_edges):
            found = predict(self.evaluated, part)
            self._loss_sum[0] += float(self.loss(part, found, batch)) * len(batch.n_atoms)
            self._errors.add(part, found)
        self._loss_sum[1] += len(batch.n_atoms)

    def on_validation_end(self) -> None:
        """Put the weights back and close the epoch: record, schedule, stop."""
        self._swap.close()
        self._add_up_processes()
        rate = self._learning_rate()
        self._set_learning_rate(self._rate)  # without the warm-up's factor
        loss = self._loss_sum[0] / max(self._loss_sum[1], 1)
        if not math.isfinite(loss):
            # Before anything of this epoch is written.
            raise EgraffError(self._diverged("validation loss", loss))
        stage = self.second_stage
        if stage is None:
            advance(self._schedule, loss)
        self._rate = self._learning_rate()
        metrics = self._errors.errors().as_dict()
        seconds, train_seconds, peak = self._largest(
            time.monotonic() - self._epoch_start, self._train_seconds, peak_gb(self.device)
        )
        self.progress = self.progress.after_epoch(
            loss,
            metrics,
            self._rate,
            seconds,
            new_loss=stage is not None and self.progress.epoch == stage.start_epoch,
        )
        self.history.append(
            {
                "epoch": self.progress.epoch,
                "learning_rate": rate,
                "train_loss": self._train_sum[0] / max(self._train_sum[1], 1),
                "validation_loss": loss,
                **{f"validation_{name}": value for name, value in metrics.items()},
                "frames_per_second": self._train_sum[1] / max(train_seconds, 1e-9),
                "peak_memory_gb": peak,
                "wall_seconds": self.progress.wall_seconds,
            }
        )
        if stop_reason(self.progress, self.config.stop, self.config.second_stage):
            self.trainer.should_stop = True

    def _diverged(self, what: str, value: float) -> str:
        kept = "The checkpoints of earlier epochs are kept." if self.progress.epoch else ""
        return (
            f"training diverged: the {what} is {value} in epoch {self.progress.epoch + 1}: lower "
            "`optimiser.learning_rate` or `optimiser.gradient_clip`, or look for wrong labels. "
            f"{kept}"
        ).rstrip()

    def _optimiser(self) -> Any:
        """Lightning's wrapper, whose steps are counted."""
        return self.optimizers()

    def _groups(self) -> list[dict[str, Any]]:
        return self._optimiser().param_groups  # type: ignore[no-any-return]

    def _learning_rate(self) -> float:
        """The rate, which all groups of parameters have in common."""
        return float(self._groups()[0]["lr"])

    def _set_learning_rate(self, rate: float) -> None:
        for group in self._groups():
            group["lr"] = rate

    def _add_up_processes(self) -> None:
        """Sums over all processes in place of this one's, so that all decide alike."""
        if self.trainer.world_size == 1:
            return
        own = torch.tensor(
            [*self._loss_sum, *self._train_sum, *self._errors.sums.tolist()],
            dtype=torch.float64,
            device=self.device,
        )
        total = self.trainer.strategy.reduce(own, reduce_op="sum")
        values = total.tolist()  # type: ignore[union-attr]
        self._loss_sum, self._train_sum = values[0:2], values[2:4]
        self._errors.merge(torch.tensor(values[4:], dtype=torch.float64))

    def _largest(self, *own: float) -> list[float]:
        """The largest of all processes: of times, so that all stop in the same epoch."""
        if self.trainer.world_size == 1:
            return list(own)
        values = torch.tensor(own, dtype=torch.float64, device=self.device)
        largest = self.trainer.strategy.reduce(values, reduce_op="max")
        return largest.tolist()  # type: ignore[union-attr, no-any-return]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what Lightning does not know of; plain values and tensors only."""
        checkpoint[STATE_KEY] = {
            "progress": self.progress.as_dict(),
            "history": self.history,
            "average": None if self.average is None else self.average.state_dict(),
            "schedule": None if self._schedule is None else _plain(self._schedule.state_dict()),
            "random_state": torch.get_rng_state(),
            "max_edges": self.max_edges,
            "memory_gb": self.config.memory_gb,
            "kernels": self.config.kernels,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take over what `on_save_checkpoint` added."""
        _count_steps_here(checkpoint)
        state = checkpoint[STATE_KEY]
        # A step of the reference network takes more memory than one on kernels.
        same_or_less = state.get("kernels", "off") in ("off", self.config.kernels)
        if state.get("memory_gb") == self.config.memory_gb and same_or_less:
            self.max_edges = state.get("max_edges", self.max_edges)
        self.progress = Progress(**state["progress"])
        self.history = list(state["history"])
        self._random_state = state["random_state"]
        self._schedule_state = state["schedule"]
        if self._schedule is not None and self._schedule_state is not None:
            self._schedule.load_state_dict(self._schedule_state)
        if self.average is not None and state["average"] is not None:
            self.average.load_state_dict(state["average"])


def _count_steps_here(checkpoint: dict[str, Any]) -> None:
    """Where Lightning took the steps, as it did for earlier releases, it counted them elsewhere."""
    loops = checkpoint.get("loops", {}).get("fit_loop", {})
    before = loops.get("epoch_loop.automatic_optimization.optim_progress")
    now = loops.get("epoch_loop.manual_optimization.optim_step_progress")
    if before is None or now is None or now["total"]["completed"]:
        return
    steps = before["optimizer"]["step"]
    for span in ("total", "current"):
        now[span] = {key: steps[span][key] for key in now[span]}


def _square(error: torch.Tensor) -> torch.Tensor:
    return error**2


def _size(error: torch.Tensor) -> torch.Tensor:
    """Length of each row; its gradient at zero is zero."""
    return torch.linalg.vector_norm(error, dim=1)


def _times(sizes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Each row times its weight."""
    return sizes * (weights.unsqueeze(1) if sizes.dim() > 1 else weights)


def _plain(state: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value
        for key, value in state.items()
        if isinstance(value, bool | int | float | str | list | dict | type(None))
    }
