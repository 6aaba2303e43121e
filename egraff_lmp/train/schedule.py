"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch

from egraff_lmp.train.config import OptimiserConfig, TrainConfig

Scheduler = torch.optim.lr_scheduler.LRScheduler | torch.optim.lr_scheduler.ReduceLROnPlateau


def build_optimiser(
    parameters: Iterable[torch.nn.Parameter],
    config: OptimiserConfig,
    spared: Iterable[torch.nn.Parameter] = (),
) -> torch.optim.Optimizer:
    """Adam, AMSGrad (Adam with a running maximum of the second moment) or AdamW.

    Args:
        parameters: what is trained.
        config: its settings.
        spared: parameters that are not decayed if `weight_decay_on` is "authors". There are two
            groups then, the second of which is not decayed, else there is one.
    """
    kind = torch.optim.AdamW if config.name == "adamw" else torch.optim.Adam
    groups: list[dict[str, Any]] = [{"params": list(parameters)}]
    if config.weight_decay_on == "authors":
        kept = {id(parameter) for parameter in spared}
        own = groups[0]["params"]
        groups = [
            {"params": [parameter for parameter in own if id(parameter) not in kept]},
            {"params": [parameter for parameter in own if id(parameter) in kept]},
        ]
        groups[1]["weight_decay"] = 0.0
    return kind(
        groups,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        amsgrad=config.name == "amsgrad",
    )


def build_schedule(optimiser: torch.optim.Optimizer, config: TrainConfig) -> Scheduler | None:
    """The schedule, stepped once an epoch; None for a constant rate."""
    schedule = config.schedule
    if schedule.name == "constant":
        return None
    if schedule.name == "cosine":
        return torch.optim.lr_scheduler.LambdaLR(
            optimiser, lambda epoch: cosine_factor(config, epoch)
        )
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=schedule.factor, patience=schedule.patience, min_lr=schedule.minimum
    )


def cosine_factor(config: TrainConfig, epoch: int) -> float:
    """What the rate is multiplied by: from 1 to `final_fraction` along a cosine; it stays there."""
    length, last = config.cosine_epochs, config.schedule.final_fraction
    wave = 0.5 * (1.0 + math.cos(math.pi * min(epoch, length) / length))
    return last + (1.0 - last) * wave


def unfinished_schedule(config: TrainConfig) -> str:
    """A warning where the training ends while its rate is still high; "" elsewhere."""
    epochs = config.stop.max_epochs
    # A second stage has a rate of its own.
    followed = config.schedule.name == "cosine" and config.second_stage is None
    if not followed or config.cosine_epochs <= epochs:
        return ""
    rate = config.optimiser.learning_rate * cosine_factor(config, epochs)
    return (
        f"the learning rate follows a cosine of {config.cosine_epochs} epochs (schedule.epochs), "
        f"of which {epochs} are done: it ends at {rate:.2g} instead of "
        f"{config.optimiser.learning_rate * config.schedule.final_fraction:.2g}, and the errors "
        f"will be larger than need be; `--set schedule.epochs={epochs}` lets it end with them."
    )


def warmup_factor(step: int, warmup_steps: int) -> float:
    """What the rate of step `step` (from 0) is multiplied by: linear up to 1."""
    return min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0


def advance(scheduler: Scheduler | None, validation_loss: float) -> None:
    """One epoch is over."""
    if isinstance(scheduler, torch.optim.lr_scheduler.ReduceLROnPlateau):
        scheduler.step(validation_loss)
    elif scheduler is not None:
        scheduler.step()
