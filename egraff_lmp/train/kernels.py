"""The network that a training evaluates: on kernels where there are some for it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from egraff_lmp.forcefields.base import AtomicEnergyModel
from egraff_lmp.forcefields.fast import KernelsUnavailable, TrainedNetwork
from egraff_lmp.train.allocator import keep_freed_memory
from egraff_lmp.train.config import TrainConfig

logger = logging.getLogger(__name__)


def evaluated_model(
    model: AtomicEnergyModel, config: TrainConfig, device: str = "cpu"
) -> torch.nn.Module:
    """The same function of the same parameters on kernels, or the model itself.

    The parameters stay those of `model`: gradients go there, and checkpoints hold its state.

    Args:
        model: the reference network with scale and shift.
        config: with `kernels: off` it is the model itself.
        device: "cpu" or "cuda"; kernels are for CPUs.
    """
    if config.kernels == "off" or device != "cpu":
        return model
    try:
        network = TrainedNetwork(model.network)
    except KernelsUnavailable as reason:
        logger.warning(
            "The reference network is trained, which is slower: kernels cannot replace it (%s).",
            reason,
        )
        return model
    keep_freed_memory()
    on_kernels = AtomicEnergyModel(network, model.scale, model.shift)  # type: ignore[arg-type]
    return on_kernels.train(model.training)


def choose_tables(model: torch.nn.Module) -> None:
    """Make the tables of radial weights as fine as the weights need now, where there are some.

    What is chosen depends on the weights alone, and is the same when a training is resumed.

    Args:
        model: of `evaluated_model`.
    """
    network = getattr(model, "network", None)
    if not isinstance(network, TrainedNetwork):
        return
    before, without = network.without_tables, network.choose_tables()
    if without > before:
        logger.warning(
            "The radial weights of %d layers have become too rough for a table: they are computed "
            "for every edge, which is slower and takes more memory.",
            without,
        )


@contextmanager
def without_tables(model: torch.nn.Module) -> Iterator[None]:
    """Within the block radial weights are computed for every edge, as they may be later on.

    Args:
        model: of `evaluated_model`.
    """
    network = getattr(model, "network", None)
    if not isinstance(network, TrainedNetwork):
        yield
        return
    network.drop_tables()
    try:
        yield
    finally:
        network.choose_tables()
