"""The rows of the log, sent to Weights & Biases through Lightning's logger."""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger, WandbLogger

from egraff_lmp.errors import EgraffError
from egraff_lmp.train.checkpoint import Record
from egraff_lmp.train.module import ForceFieldModule

PROJECT = "egraff_lmp"


def require_wandb() -> None:
    """Refuse to begin without the package.

    Raises:
        EgraffError: it is not installed.
    """
    if importlib.util.find_spec("wandb") is None:
        raise EgraffError(
            "logger: expected the package wandb, it is not installed: `pip install "
            "egraff_lmp[wandb]`, or set `logger: none`."
        )


def wandb_logger(out: Path, record: Record, config: Mapping[str, Any]) -> Logger:
    """Lightning's logger of the run in `out`; a resumed training goes on with the same run.

    Args:
        out: folder of the training; wandb's files go into it.
        record: of the training, which tells it from others.
        config: of the training, as plain values.
    """
    when = str(record.provenance.get("started"))
    identity = str(record.provenance["config_sha256"]) + when + out.name
    return WandbLogger(
        name=out.name,
        save_dir=out,
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        id=hashlib.sha256(identity.encode()).hexdigest()[:16],
        offline=os.environ.get("WANDB_MODE") == "offline",
        resume="allow",
        config=dict(config),
    )


class LogRows(Callback):
    """Gives each row of log.csv to the trainer's loggers, with its epoch as the step."""

    def on_train_epoch_end(
        self, trainer: lightning.Trainer, module: lightning.LightningModule
    ) -> None:
        """Log the epoch that has ended."""
        if not isinstance(module, ForceFieldModule) or not trainer.is_global_zero:
            return
        row = dict(module.history[-1])
        epoch = int(row.pop("epoch"))
        for logger in trainer.loggers:
            logger.log_metrics(row, step=epoch)

    def teardown(
        self, trainer: lightning.Trainer, module: lightning.LightningModule, stage: str
    ) -> None:
        """End the run: another training of this process has one of its own."""
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                if isinstance(logger, WandbLogger):
                    logger.experiment.finish()
