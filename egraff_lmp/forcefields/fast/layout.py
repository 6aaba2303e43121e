"""Where e3nn's numbers lie in the layout of the kernels: [atoms, rows, channels].

e3nn keeps an irrep of multiplicity mul as [mul, 2l+1]; the kernels keep the channels next to each
other. With C channels, mul = P * C copies of degree l take (2l+1) * P rows in the order [2l+1, P],
so that a linear map of all of them is one matrix product a component m.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from e3nn import o3
from numpy.typing import NDArray

from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable


@dataclass(frozen=True)
class Entry:
    """One entry of the irreps.

    Attributes:
        degree: l.
        joined: P, copies of C channels.
        first_row: of its (2l+1) * P rows.
    """

    degree: int
    joined: int
    first_row: int

    def row(self, m: int, copy: int = 0) -> int:
        """Row of component m of one of the copies."""
        return self.first_row + m * self.joined + copy


class Layout:
    """The rows of irreps whose multiplicities are multiples of the number of channels.

    Raises:
        KernelsUnavailable: some multiplicity is not.
    """

    def __init__(self, irreps: o3.Irreps, channels: int) -> None:
        self.irreps = o3.Irreps(irreps)
        self.channels = channels
        entries = []
        rows = 0
        for mul, ir in self.irreps:
            if mul % channels:
                raise KernelsUnavailable(
                    f"expected multiplicities that are multiples of {channels}, got {self.irreps}"
                )
            entries.append(Entry(ir.l, mul // channels, rows))
            rows += ir.dim * (mul // channels)
        self.entries = tuple(entries)
        self.rows = rows

    def places(self) -> NDArray[np.int64]:
        """For each of e3nn's numbers its place row * channels + channel, (irreps.dim,)."""
        places = []
        for entry, (mul, ir) in zip(self.entries, self.irreps, strict=True):
            copy, channel = np.divmod(np.arange(mul), self.channels)
            m = np.arange(ir.dim)
            row = entry.first_row + m[None, :] * entry.joined + copy[:, None]
            places.append((row * self.channels + channel[:, None]).ravel())
        return np.concatenate(places) if places else np.zeros(0, dtype=np.int64)
