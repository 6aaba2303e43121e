"""What is seen of a running training: a bar on a terminal, one line an epoch in a log."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from egraff_lmp.train.module import ForceFieldModule

logger = logging.getLogger(__name__)


def epoch_line(row: Mapping[str, float], max_epochs: int) -> str:
    """One epoch in words: losses, force and energy error of the validation set, learning rate."""
    return (
        f"epoch {row['epoch']:.0f}/{max_epochs}  loss {row['train_loss']:.4g}  "
        f"val {row['validation_loss']:.4g}  "
        f"F {row['validation_forces_mae_mev_per_angstrom']:.1f} meV/A  "
        f"E {row['validation_energy_mae_mev_per_atom']:.2f} meV/atom  "
        f"lr {row['learning_rate']:.2g}"
    )


class Display(Callback):
    """Shows the progress on `console` if it is a terminal, else through `logging`."""

    def __init__(self, console: Console | None = None) -> None:
        # Made where training starts: with several devices that is another process, and a console
        # cannot be sent there.
        self._console = console
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Open the bar."""
        if not trainer.is_global_zero:
            return
        # A process that was started for this training shows its lines where its parent would.
        if trainer.world_size > 1 and not logging.root.handlers:
            logging.basicConfig(level=logging.INFO, format="%(message)s")
        self._console = self._console or Console(stderr=True)
        if not self._console.is_terminal:
            return
        columns = (TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
        self._bar = Progress(*columns, console=self._console)
        self._task = self._bar.add_task("first epoch", total=trainer.num_training_batches)
        self._bar.start()

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Advance the bar."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Say how the epoch went."""
        if not isinstance(module, ForceFieldModule) or not module.history:
            return
        if not trainer.is_global_zero:
            return
        line = epoch_line(module.history[-1], module.config.stop.max_epochs)
        if self._bar is None:
            logger.info("%s", line)
        else:
            self._bar.reset(self._task, description=line)

    def teardown(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str
    ) -> None:
        """Close the bar, whatever happened."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
