"""An exponential moving average of the weights: smoother than the weights, and what is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class MovingAverage:
    """a <- d a + (1 - d) w after every step, with d = min(decay, (1 + n) / (10 + n)).

    The smaller d of the first steps n forgets the random start. After `start_uniform`,
    d = n / (n + 1): the plain mean of all weights since then (stochastic weight averaging).

    Args:
        module: whose parameters are averaged; the average starts at their values.
        decay: d of the long run.
    """

    def __init__(self, module: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.uniform = False
        self.average = {name: p.detach().clone() for name, p in module.named_parameters()}

    @torch.no_grad()
    def update(self, module: torch.nn.Module) -> None:
        """Take one step towards the module's parameters."""
        self.updates += 1
        if self.uniform:
            d = (self.updates - 1) / self.updates
        else:
            d = min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, parameter in module.named_parameters():
            self.average[name] = self.average[name].to(parameter.device)
            self.average[name].lerp_(parameter, 1.0 - d)

    def start_uniform(self) -> None:
        """Forget the average; from the next step on it is the mean of the weights."""
        self.uniform = True
        self.updates = 0

    @contextmanager
    def applied(self, module: torch.nn.Module) -> Iterator[None]:
        """Within the block the module holds the averages; afterwards its own weights again."""
        own = {name: p.detach().clone() for name, p in module.named_parameters()}
        self._write(module, self.average)
        try:
            yield
        finally:
            self._write(module, own)

    def state_dict(self) -> dict[str, object]:
        """Plain dict of counts and tensors."""
        return {
            "updates": self.updates,
            "uniform": self.uniform,
            "average": dict(self.average),
        }

    def load_state_dict(self, state: dict) -> None:
        """Take over a `state_dict`."""
        self.updates = int(state["updates"])
        self.uniform = bool(state.get("uniform", False))
        self.average = {name: value.clone() for name, value in state["average"].items()}

    @staticmethod
    @torch.no_grad()
    def _write(module: torch.nn.Module, values: dict[str, torch.Tensor]) -> None:
        for name, parameter in module.named_parameters():
            parameter.copy_(values[name])
