"""Numbers of a fast network that are functions of the reference network's weights.

A deployed network holds them as they are. One that is trained computes them anew before every
evaluation, so that gradients reach the weights that they are made of: the reference network's own,
which is what a checkpoint holds.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any, Protocol, TypeVar

import torch

Recipe = Callable[[], torch.Tensor]
_RECIPES = "_recipes"
# Attributes of modules that hold functions of the reference network.
_OF_REFERENCE = (_RECIPES, "matrices")


class Modules(Protocol):
    """A module, which may be a network (`forcefields.base.Network`)."""

    def modules(self) -> Iterator[torch.nn.Module]: ...  # noqa: D102


Module = TypeVar("Module", bound=Modules)


def derive(module: torch.nn.Module, name: str, recipe: Recipe) -> None:
    """Register a buffer, and how it follows from weights that may change.

    Args:
        module: gets the buffer.
        name: of the buffer.
        recipe: computes it from the reference network, differentiably.
    """
    with torch.no_grad():
        module.register_buffer(name, recipe().detach().clone().contiguous())
    module.__dict__.setdefault(_RECIPES, {})[name] = recipe


def refresh(network: Modules) -> None:
    """Compute all derived buffers from the weights as they are now, with gradients."""
    for module in network.modules():
        for name, recipe in module.__dict__.get(_RECIPES, {}).items():
            setattr(module, name, recipe())


def forget(network: Module) -> Module:
    """The same network with its buffers as they are: it no longer holds the reference network."""
    for module in network.modules():
        for name in _OF_REFERENCE:
            module.__dict__.pop(name, None)
    return network


def part_of(module: Any, *, trained: bool) -> Any:
    """A module of the reference network for use in a fast one: itself, or a copy of its own."""
    return module if trained else copy.deepcopy(module)


class Linear(torch.nn.Module):
    """`torch.nn.Linear` with derived weights.

    Args:
        weight: (n_out, n_in).
        bias: (n_out,), or None.
    """

    __constants__ = ("has_bias",)

    def __init__(self, weight: Recipe, bias: Recipe | None = None) -> None:
        super().__init__()
        derive(self, "weight", weight)
        self.has_bias = bias is not None
        if bias is None:
            self.register_buffer("bias", torch.zeros(0, dtype=self.weight.dtype))  # type: ignore[arg-type]
        else:
            derive(self, "bias", bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, n_in) to (n, n_out)."""
        return torch.nn.functional.linear(x, self.weight, self.bias if self.has_bias else None)  # type: ignore[arg-type]


class Matrix(torch.nn.Module):
    """A product with a derived matrix (n_in, n_out)."""

    def __init__(self, matrix: Recipe) -> None:
        super().__init__()
        derive(self, "matrix", matrix)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, n_in) to (n, n_out)."""
        return torch.mm(x, self.matrix)  # type: ignore[arg-type]


class LayerNorm(torch.nn.Module):
    """`torch.nn.LayerNorm` over the last dimension with derived weights (n,)."""

    __constants__ = ("epsilon", "width")

    def __init__(self, weight: Recipe, bias: Recipe, epsilon: float) -> None:
        super().__init__()
        derive(self, "weight", weight)
        derive(self, "bias", bias)
        self.epsilon = epsilon
        self.width = int(self.weight.numel())  # type: ignore[operator]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(m, n) to (m, n)."""
        return torch.nn.functional.layer_norm(
            x,
            [self.width],
            self.weight,  # type: ignore[arg-type]
            self.bias,  # type: ignore[arg-type]
            self.epsilon,
        )
