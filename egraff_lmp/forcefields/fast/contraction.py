"""MACE's symmetric contraction as the list of terms that `egraff::symmetric_contraction` takes.

The package contracts dense tensors U[m, a, b, c, path] with weights [element, path, channel] and
features x (Batatia et al. 2022, Eq. 10 and 11). All but a few per cent of U is zero, and a product
x_a x_b x_c does not depend on the order of its factors, so that a sparse polynomial is left: one
coefficient for each component m and each set {a, b, c}, contracted beforehand for every element.
"""

from __future__ import annotations

from typing import Any

import torch

from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable

# Entries of U below are rounding: the next larger ones are of order 1e-2.
_NOTHING = {torch.float32: 1e-6, torch.float64: 1e-12}
_MOST_FACTORS = 3


def polynomial(contraction: Any) -> tuple[list[int], torch.Tensor, int]:
    """Terms, coefficients and number of rows of a `mace` SymmetricContraction.

    Rows of the result are the components of its output irreps in their order.

    Returns:
        Four integers row, i, j, k a term, -1 for a factor that is not there, sorted by (i, j, k,
        row); coefficients (n_elements, n_terms, channels); rows of the result.

    Raises:
        KernelsUnavailable: products of more than three factors.
    """
    found: dict[tuple[int, int, int, int], torch.Tensor] = {}
    row = 0
    for part, irrep in zip(contraction.contractions, contraction.irreps_out, strict=True):
        if part.correlation > _MOST_FACTORS:
            raise KernelsUnavailable(
                f"expected a correlation up to {_MOST_FACTORS}, got {part.correlation}"
            )
        for order in range(1, part.correlation + 1):
            _add_terms(found, part, order, row)
        row += irrep.ir.dim
    keys = sorted(found)
    terms = [number for i, j, k, m in keys for number in (m, i, j, k)]
    return terms, torch.stack([found[key] for key in keys], dim=1), row


def _add_terms(
    found: dict[tuple[int, int, int, int], torch.Tensor], part: Any, order: int, first_row: int
) -> None:
    """Add the terms with `order` factors of one output irrep."""
    tensor = part.U_tensors(order).detach()
    if tensor.dim() == order + 1:  # a scalar has no axis of components
        tensor = tensor.unsqueeze(0)
    # The package keeps the weights of the highest order apart, the others from high to low.
    weights = (
        part.weights_max
        if order == part.correlation
        else part.weights[part.correlation - 1 - order]
    )
    sums: dict[tuple[int, ...], torch.Tensor] = {}
    nothing = _NOTHING[tensor.dtype]
    for entry in (tensor.abs() > nothing).any(dim=-1).nonzero().tolist():
        key = (entry[0], *sorted(entry[1:]))
        value = tensor[tuple(entry)]
        sums[key] = sums[key] + value if key in sums else value
    for (component, *factors), value in sums.items():
        if value.abs().max() <= nothing:
            continue
        i, j, k = (*factors, -1, -1)[:_MOST_FACTORS]
        found[i, j, k, first_row + component] = torch.einsum("p,epc->ec", value, weights.detach())
