"""What is seen of a running training: a bar on a terminal, one line an epoch in a log."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from egraff_lmp.train.memory import current_gb
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.progress import seconds_left

logger = logging.getLogger(__name__)
WIDE = 80  # columns of a terminal that has room for all
REFRESHES_PER_SECOND = 4


def epoch_line(row: Mapping[str, float], max_epochs: int, left: float | None = None) -> str:
    """One epoch in words: losses, errors of the validation set, rate, speed, memory, time left.

    Args:
        row: of the log.
        max_epochs: of the training.
        left: seconds to its end, or None.
    """
    parts = [
        f"epoch {row['epoch']:.0f}/{max_epochs}",
        f"loss {row['train_loss']:.4g}",
        f"val {row['validation_loss']:.4g}",
        f"F {row['validation_forces_mae_mev_per_angstrom']:.1f} meV/A",
        f"E {row['validation_energy_mae_mev_per_atom']:.2f} meV/atom",
    ]
    if "validation_stress_mae_mev_per_angstrom3" in row:
        zero = row["validation_zero_stress_mae_mev_per_angstrom3"]
        found = row["validation_stress_mae_mev_per_angstrom3"]
        parts.append(f"S {found:.3g} meV/A^3 (zero: {zero:.3g})")
    parts += [
        f"lr {row['learning_rate']:.2g}",
        speed(row["frames_per_second"]),
        f"peak {row['peak_memory_gb']:.2f} GB",
    ]
    return "  ".join(parts if left is None else [*parts, f"{clock(left)} left"])


def speed(frames_per_second: float) -> str:
    """Frames a second and milliseconds a frame."""
    if frames_per_second <= 0:
        return ""
    return f"{frames_per_second:.3g} frames/s, {1000 / frames_per_second:.3g} ms a frame"


def clock(seconds: float) -> str:
    """Hours, minutes and seconds: 75 is 1:15, 3675 is 1:01:15."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class Display(Callback):
    """Shows the progress on `console` if it is a terminal, else through `logging`."""

    def __init__(self, console: Console | None = None) -> None:
        # Made where training starts: with several devices that is another process, and a console
        # cannot be sent there.
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._start = 0.0
        self._first_epoch = 0

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Open the bar."""
        if not trainer.is_global_zero or not isinstance(module, ForceFieldModule):
            return
        self._start, self._first_epoch = time.monotonic(), module.progress.epoch
        # A process that was started for this training shows its lines where its parent would.
        if trainer.world_size > 1 and not logging.root.handlers:
            logging.basicConfig(level=logging.INFO, format="%(message)s")
        self._console = self._console or Console(stderr=True)
        if not self._console.is_terminal:
            return
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(20 if self._console.width >= WIDE else 8),
            TextColumn("{task.fields[state]}"),
            console=self._console,
            refresh_per_second=REFRESHES_PER_SECOND,
        )
        self._task = self._bar.add_task(
            self._title(module), total=trainer.num_training_batches, state=""
        )
        self._bar.start()

    def on_train_epoch_start(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Begin the bar anew."""
        if self._bar is not None and isinstance(module, ForceFieldModule):
            self._bar.reset(self._task, description=self._title(module), state="")

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Advance the bar."""
        if self._bar is None or self._console is None or not isinstance(module, ForceFieldModule):
            return
        left = self._left(module, (batch_idx + 1) / max(int(trainer.num_training_batches), 1))
        rate = speed(module.frames_per_second)
        state = [
            rate if self._console.width >= WIDE else rate.partition(",")[0],
            f"{current_gb(module.device):.1f} GB",
            "" if left is None else f"{clock(left)} left",
        ]
        self._bar.update(self._task, advance=1, state="  ".join(state))

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Say how the epoch went."""
        if not isinstance(module, ForceFieldModule) or not module.history:
            return
        if not trainer.is_global_zero:
            return
        line = epoch_line(
            module.history[-1], module.config.stop.max_epochs, self._left(module, 0.0)
        )
        if self._bar is None:
            logger.info("%s", line)
        else:
            self._bar.console.print(line, highlight=False, markup=False)

    def teardown(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str
    ) -> None:
        """Close the bar, whatever happened."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _title(self, module: ForceFieldModule) -> str:
        return f"epoch {module.progress.epoch + 1}/{module.config.stop.max_epochs}"

    def _left(self, module: ForceFieldModule, begun: float) -> float | None:
        """Seconds to the end, where a share `begun` of the next epoch is done."""
        done = module.progress.epoch - self._first_epoch
        seconds = time.monotonic() - self._start
        return seconds_left(module.progress, module.config.stop, done, begun, seconds)
