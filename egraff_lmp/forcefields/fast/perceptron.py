"""Perceptrons of scalars whose matrices follow from the reference network's weights."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from egraff_lmp.forcefields.fast.derived import Matrix, Recipe
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.operators import load_operators

load_operators()
_SILU = [0, 0, 1, -1]  # of `egraff::gate`: one row that activates itself


def fused_silu(x: torch.Tensor) -> torch.Tensor:
    """SiLU (n, width) with first and second derivatives of one operator each.

    Torch makes those of its own of a dozen operators, each of which passes over the memory.
    """
    result: torch.Tensor = torch.ops.egraff.gate(x.unsqueeze(1), _SILU, [1.0])
    return result.squeeze(1)


class SiLU(torch.nn.Module):
    """SiLU of (n, width).

    Args:
        trained: whether second derivatives are taken, see `fused_silu`.
    """

    __constants__ = ("trained",)

    def __init__(self, *, trained: bool) -> None:
        super().__init__()
        self.trained = trained

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, width) to (n, width)."""
        if self.trained:
            return fused_silu(x)
        return torch.nn.functional.silu(x)


class Perceptron(torch.nn.Module):
    """Products with matrices, and SiLU between them.

    Args:
        matrices: each gives (n_in, n_out).
        trained: see `SiLU`.
    """

    def __init__(self, matrices: Sequence[Recipe], *, trained: bool) -> None:
        super().__init__()
        self.matrices = torch.nn.ModuleList(Matrix(matrix) for matrix in matrices)
        self.silu = SiLU(trained=trained)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, n_in) to (n, n_out)."""
        for index, matrix in enumerate(self.matrices):
            if index > 0:
                x = self.silu(x)
            x = matrix(x)
        return x

    def split(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Activations before the last matrix, (n, width), in the precision of x, and that matrix.

        The matrix (width, n_out) has the network's precision; its product with the activations is
        what `forward` gives.
        """
        *others, last = (layer.get_buffer("matrix") for layer in self.matrices)
        for matrix in others:
            x = self.silu(torch.mm(x, matrix.to(x.dtype)))
        return x, last


def nequip_matrices(function: Any) -> list[Recipe]:
    """Of NequIP's perceptron with SiLU, or the only one of its linear map.

    Raises:
        KernelsUnavailable: it has biases, or another nonlinearity.
    """
    if hasattr(function.mlp, "weights"):
        return [lambda: torch.linalg.multi_dot(list(function.mlp.weights)) * function.mlp.alpha]
    found: list[Recipe] = []
    for module in function.mlp:
        if isinstance(module, torch.nn.SiLU):
            continue
        if (
            type(module).__name__ != "ScalarLinearLayer"
            or getattr(module, "bias", None) is not None
        ):
            raise KernelsUnavailable(f"expected linear maps without bias and SiLU, got {module}")
        found.append(lambda layer=module: layer.weight * layer.alpha)  # type: ignore[misc]
    return found


def e3nn_matrices(network: Any) -> list[Recipe]:
    """Of e3nn's `FullyConnectedNet` with SiLU, whose constants go into the matrices.

    Raises:
        KernelsUnavailable: another nonlinearity.
    """
    found: list[Recipe] = []
    before = 1.0  # what the activation before is multiplied by
    x = torch.linspace(-2.0, 2.0, 9, dtype=torch.float64)
    for layer in network:
        factor = before / float(layer.h_in * layer.var_in) ** 0.5
        if layer.act is None:
            before = float(layer.var_out) ** 0.5
            factor, before = factor * before, 1.0
        else:
            constant = float(layer.act(x)[-1] / torch.nn.functional.silu(x)[-1])
            if not torch.allclose(
                layer.act(x), constant * torch.nn.functional.silu(x), rtol=1e-6, atol=1e-9
            ):
                raise KernelsUnavailable("expected a radial network with SiLU")
            before = constant * float(layer.var_out) ** 0.5
        found.append(lambda layer=layer, factor=factor: layer.weight * factor)  # type: ignore[misc]
    if before != 1.0:
        raise KernelsUnavailable("expected a radial network that ends with a linear map")
    return found


def with_factors(matrices: list[Recipe], factors: torch.Tensor) -> list[Recipe]:
    """The same with factors (n_out,) of the result, which cost nothing there."""
    *others, last = matrices
    return [*others, lambda: last() * factors]


def radial_perceptron(network: Any, factors: torch.Tensor | None) -> torch.nn.Module:
    """e3nn's `FullyConnectedNet` as it is, or, with factors of its results, to be trained."""
    if factors is None:
        return copy.deepcopy(network)  # type: ignore[no-any-return]
    return Perceptron(with_factors(e3nn_matrices(network), factors), trained=True)
