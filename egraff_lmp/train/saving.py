"""Files of a running training, written after every epoch: checkpoints and the log."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path, write_text
from egraff_lmp.train.checkpoint import RECORD_KEY, Record
from egraff_lmp.train.module import ForceFieldModule

LAST, BEST, LOG, TENSORBOARD = "last.ckpt", "best.ckpt", "log.csv", "tensorboard"


class Saving(Callback):
    """Writes last.ckpt, best.ckpt and log.csv in `out` after every epoch, each as a whole.

    The best checkpoint is written first: if the program dies between the two, a resume from the
    last one repeats the epoch and writes the best one again.
    """

    def __init__(self, out: Path, record: Record) -> None:
        self.out = out
        self.record = record

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Start the log anew from the history, without rows of an epoch that is now repeated."""
        if isinstance(module, ForceFieldModule) and trainer.is_global_zero:
            write_text(self.out / LOG, csv_text(module.history))

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Write the files."""
        if not isinstance(module, ForceFieldModule):
            return
        if not trainer.is_global_zero:
            trainer.save_checkpoint(self.out / LAST)  # a collective call: the first one writes
            return
        with atomic_path(self.out / LAST) as last:
            trainer.save_checkpoint(last)
            if module.progress.best_epoch == module.progress.epoch:
                with atomic_path(self.out / BEST) as best:
                    shutil.copyfile(last, best)
        write_text(self.out / LOG, csv_text(module.history))

    def on_save_checkpoint(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        checkpoint: dict[str, Any],
    ) -> None:
        """Add the record, from which the network is rebuilt."""
        checkpoint[RECORD_KEY] = self.record.to_plain()


class TensorBoard(Callback):
    """Writes the log's numbers for TensorBoard, too, below `out`/tensorboard."""

    def __init__(self, out: Path) -> None:
        self.out = out

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write what an earlier run logged anew: epochs that are repeated appear once."""
        if not isinstance(module, ForceFieldModule) or not trainer.is_global_zero:
            return
        shutil.rmtree(self.out / TENSORBOARD, ignore_errors=True)
        self._write(module.history)

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Write the epoch's numbers."""
        if isinstance(module, ForceFieldModule) and trainer.is_global_zero:
            self._write(module.history[-1:])

    def _write(self, rows: Sequence[Mapping[str, float]]) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise EgraffError(
                "tensorboard: expected the package tensorboard, it is not installed: `pip install "
                "tensorboard`, or set `tensorboard: false`."
            ) from None
        with SummaryWriter(str(self.out / TENSORBOARD)) as writer:
            for row in rows:
                for name, value in row.items():
                    if name != "epoch":
                        writer.add_scalar(name, value, int(row["epoch"]))


def csv_text(rows: Sequence[Mapping[str, float]]) -> str:
    """Rows as CSV; empty without rows, and where a row of an earlier release lacks a column."""
    if not rows:
        return ""
    stream = io.StringIO()
    names = list(dict.fromkeys(name for row in reversed(rows) for name in row))
    writer = csv.DictWriter(stream, fieldnames=names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: f"{value:.10g}" for key, value in row.items()} for row in rows)
    return stream.getvalue()
