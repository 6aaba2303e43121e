"""Pieces that several of the architectures written here share: radial functions, sums, softmax.

Functions of tensors are compiled by TorchScript, and accept zero edges and atoms.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from e3nn import o3

# Precisions that the means and widths of a radial basis are computed in.
BASES = {"exact": torch.float64, "float32": torch.float32}


def bessel_basis(lengths: torch.Tensor, r_max: float, n_basis: int) -> torch.Tensor:
    """sqrt(2 / r_max) sin(n pi r / r_max) / r, n = 1 .. n_basis (Gasteiger et al. 2020, Eq. 7).

    Args:
        lengths: (E, 1) in A, above zero.
        r_max: cutoff in A.
        n_basis: number of functions.

    Returns:
        (E, n_basis) in A^(-3/2).
    """
    n = torch.arange(1, n_basis + 1, dtype=lengths.dtype, device=lengths.device)
    return math.sqrt(2.0 / r_max) * torch.sin(n * (math.pi / r_max) * lengths) / lengths


def polynomial_envelope(lengths: torch.Tensor, r_max: float, p: float) -> torch.Tensor:
    """1 at r = 0, and 0 at r_max together with its first two derivatives.

    u(x) = 1 - (p+1)(p+2)/2 x^p + p(p+2) x^(p+1) - p(p+1)/2 x^(p+2), x = r / r_max
    (Gasteiger et al. 2020, Eq. 8). Any shape in, the same shape out; 0 beyond r_max.
    """
    x = lengths / r_max
    u = (
        1.0
        - ((p + 1.0) * (p + 2.0) / 2.0) * x.pow(p)
        + p * (p + 2.0) * x.pow(p + 1.0)
        - (p * (p + 1.0) / 2.0) * x.pow(p + 2.0)
    )
    # Rounding leaves tiny negative numbers just below r_max.
    return torch.where(x < 1.0, u, torch.zeros_like(u)).clamp(min=0.0)


def cosine_envelope(lengths: torch.Tensor, r_max: float) -> torch.Tensor:
    """(cos(pi r / r_max) + 1) / 2, and 0 beyond r_max (Behler 2011): zero with its derivative."""
    u = 0.5 * (torch.cos(lengths * (math.pi / r_max)) + 1.0)
    return torch.where(lengths < r_max, u, torch.zeros_like(u))


def expnorm_initial(
    r_max: float, n_basis: int, dtype: torch.dtype = torch.float64
) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and widths of the exponential-normal basis (Unke & Meuwly 2019).

    Args:
        r_max: cutoff in A.
        n_basis: number of functions.
        dtype: precision of the arithmetic; torchmd-net and Equiformer's authors have float32.

    Returns:
        Two tensors (n_basis,), float64.
    """
    start = torch.tensor(math.exp(-r_max), dtype=dtype)
    means = torch.linspace(float(start), 1.0, n_basis, dtype=dtype)
    betas = torch.full_like(means, float((2.0 / n_basis * (1.0 - start)) ** -2))
    return means.double(), betas.double()


def expnorm_basis(
    lengths: torch.Tensor, means: torch.Tensor, betas: torch.Tensor, r_max: float
) -> torch.Tensor:
    """phi(r) exp(-beta_k (exp(-5 r / r_max) - mu_k)^2) with the cosine envelope phi.

    Thölke & De Fabritiis (2022), Eq. 1, whose alpha is 5 / r_max.

    Args:
        lengths: (E, 1) in A.
        means: mu_k, (K,).
        betas: beta_k, (K,).
        r_max: cutoff in A.

    Returns:
        (E, K).
    """
    gaussians = torch.exp(-betas * (torch.exp((-5.0 / r_max) * lengths) - means) ** 2)
    return cosine_envelope(lengths, r_max) * gaussians


def sum_over_neighbours(
    messages: torch.Tensor, centers: torch.Tensor, n_local: int
) -> torch.Tensor:
    """Sum of the rows (E, ...) of each centre, (n_local, ...); zero where there are none."""
    total = torch.zeros(
        [n_local] + list(messages.shape[1:]),  # noqa: RUF005 (TorchScript has no unpacking)
        dtype=messages.dtype,
        device=messages.device,
    )
    return total.index_add(0, centers, messages)


def softmax_over_neighbours(
    logits: torch.Tensor, centers: torch.Tensor, n_local: int
) -> torch.Tensor:
    """exp(z_ij) / sum_k exp(z_ik) over the neighbours of each centre.

    Args:
        logits: z, (E, H) for H heads.
        centers: (E,).
        n_local: number of centres.

    Returns:
        (E, H); all weights of one centre and head sum to 1. There is no cap on the neighbours.
    """
    # The largest logit only keeps the exponentials finite: the result does not depend on it.
    index = centers.unsqueeze(1).expand(-1, logits.size(1))
    largest = torch.full(
        (n_local, logits.size(1)), -float("inf"), dtype=logits.dtype, device=logits.device
    ).scatter_reduce(0, index, logits.detach(), "amax")
    weights = torch.exp(logits - largest[centers])
    return weights / sum_over_neighbours(weights, centers, n_local)[centers]


def depthwise_product(
    irreps_in: o3.Irreps, harmonics: o3.Irreps, target: o3.Irreps, *, own_weights: bool = False
) -> tuple[o3.TensorProduct, o3.Irreps]:
    """The product of features and harmonics, channel by channel, kept where it is in `target`.

    Its weights are given with every edge, or are its own (`own_weights`).

    Returns:
        The module and its output irreps sorted by degree, one
        entry a path.
    """
    paths: list[tuple[int, int, Any]] = []
    outputs: list[tuple[int, Any]] = []
    for i, (mul, ir_in) in enumerate(irreps_in):
        for j, (_, ir_edge) in enumerate(harmonics):
            for ir_out in ir_in * ir_edge:
                if ir_out in target:
                    paths.append((i, j, len(outputs)))
                    outputs.append((mul, ir_out))
    irreps_out, position, _ = o3.Irreps(outputs).sort()
    instructions = sorted(
        ((i, j, position[k], "uvu", True) for i, j, k in paths), key=lambda path: path[2]
    )
    product = o3.TensorProduct(
        irreps_in,
        harmonics,
        irreps_out,
        instructions=instructions,
        shared_weights=own_weights,
        internal_weights=own_weights,
    )
    return product, irreps_out
