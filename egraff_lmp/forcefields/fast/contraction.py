"""MACE's symmetric contraction as the list of terms that `egraff::symmetric_contraction` takes.

The package contracts dense tensors U[m, a, b, c, path] with weights [element, path, channel] and
features x (Batatia et al. 2022, Eq. 10 and 11). All but a few per cent of U is zero, and a product
x_a x_b x_c does not depend on the order of its factors, so that a sparse polynomial is left: one
coefficient for each component m and each set {a, b, c}, contracted beforehand for every element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable

# Entries of U below are rounding: the next larger ones are of order 1e-2.
_NOTHING = {torch.float32: 1e-6, torch.float64: 1e-12}
_MOST_FACTORS = 3


def polynomial(contraction: Any) -> tuple[list[int], Callable[[], torch.Tensor], int]:
    """Terms, coefficients and number of rows of a `mace` SymmetricContraction.

    Rows of the result are the components of its output irreps in their order.

    Returns:
        Four integers row, i, j, k a term, -1 for a factor that is not there, sorted by (i, j, k,
        row); what computes the coefficients (n_elements, n_terms, channels) from the contraction's
        weights; rows of the result.

    Raises:
        KernelsUnavailable: products of more than three factors.
    """
    groups: list[_Terms] = []
    row = 0
    for part, irrep in zip(contraction.contractions, contraction.irreps_out, strict=True):
        if part.correlation > _MOST_FACTORS:
            raise KernelsUnavailable(
                f"expected a correlation up to {_MOST_FACTORS}, got {part.correlation}"
            )
        groups += [_Terms(part, order, row) for order in range(1, part.correlation + 1)]
        row += irrep.ir.dim
    keys = [key for group in groups for key in group.keys]
    order = sorted(range(len(keys)), key=lambda place: keys[place])
    terms = [number for place in order for number in (keys[place][3], *keys[place][:3])]
    places = torch.tensor(order)

    def coefficients() -> torch.Tensor:
        return torch.cat([group.coefficients() for group in groups], dim=1)[:, places]

    return terms, coefficients, row


class _Terms:
    """The terms with `order` factors of one output irrep, whose rows begin at `first_row`.

    Attributes:
        keys: (i, j, k, row) of each.
    """

    def __init__(self, part: Any, order: int, first_row: int) -> None:
        self._part, self._order = part, order
        tensor = part.U_tensors(order).detach()
        if tensor.dim() == order + 1:  # a scalar has no axis of components
            tensor = tensor.unsqueeze(0)
        sums: dict[tuple[int, ...], torch.Tensor] = {}
        nothing = _NOTHING[tensor.dtype]
        for entry in (tensor.abs() > nothing).any(dim=-1).nonzero().tolist():
            key = (entry[0], *sorted(entry[1:]))
            value = tensor[tuple(entry)]
            sums[key] = sums[key] + value if key in sums else value
        self.keys: list[tuple[int, int, int, int]] = []
        values = []
        for (component, *factors), value in sums.items():
            if value.abs().max() <= nothing:
                continue
            i, j, k = (*factors, -1, -1)[:_MOST_FACTORS]
            self.keys.append((i, j, k, first_row + component))
            values.append(value)
        # The symbols of each term, (n_terms, n_paths).
        self._values = torch.stack(values) if values else tensor.new_zeros(0, tensor.size(-1))

    def coefficients(self) -> torch.Tensor:
        """(n_elements, n_terms, channels)."""
        part = self._part
        # The package keeps the weights of the highest order apart, the others from high to low.
        highest = self._order == part.correlation
        weights = part.weights_max if highest else part.weights[part.correlation - 1 - self._order]
        return torch.einsum("tp,epc->etc", self._values, weights)
