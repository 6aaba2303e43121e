"""Several processes that train one model: each has its frames, all have the mean gradient.

One sum of all gradients a step, after the last part of the last batch of the step. Torch's
`DistributedDataParallel` sums after every batch, and must search the graph of every loss for
parameters that the loss does not depend on, such as those of ET's last vectors.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from lightning.pytorch.strategies import DDPStrategy


class Processes(DDPStrategy):
    """Lightning's processes and their communication, without its wrapper around the model."""

    def __init__(self) -> None:
        super().__init__(start_method="spawn")

    def configure_ddp(self) -> None:
        """Start from the weights of the first process; gradients are `average_gradients`'s."""
        module = self.lightning_module
        tensors = [] if module is None else [*module.parameters(), *module.buffers()]
        for tensor in tensors:
            torch.distributed.broadcast(tensor.detach(), 0)


def average_gradients(parameters: Iterable[torch.nn.Parameter], processes: int) -> None:
    """Replace each gradient by its mean over all processes, which all call this.

    A process whose loss does not depend on a parameter counts as a gradient of zero; a parameter
    that no loss depends on keeps no gradient at all.
    """
    by_type: dict[torch.dtype, list[torch.nn.Parameter]] = defaultdict(list)
    for parameter in parameters:
        by_type[parameter.dtype].append(parameter)
    for group in by_type.values():
        used = [float(parameter.grad is not None) for parameter in group]
        pieces = [
            (torch.zeros_like(p) if p.grad is None else p.grad).detach().reshape(-1) for p in group
        ]
        flat = torch.cat([pieces[0].new_tensor(used), *pieces])
        torch.distributed.all_reduce(flat)
        flat /= processes
        counts = flat[: len(group)].tolist()
        means = flat[len(group) :].split([p.numel() for p in group])
        for parameter, count, mean in zip(group, counts, means, strict=True):
            if count:
                parameter.grad = mean.view_as(parameter).clone()
