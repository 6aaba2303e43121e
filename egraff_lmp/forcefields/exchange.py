"""The call that networks make between layers."""

from __future__ import annotations

import torch

from egraff_lmp.operators import load_operators

# The operator must be known before any network that calls it is scripted.
load_operators()


def exchange(features: torch.Tensor) -> torch.Tensor:
    """Features of local atoms, (n_local, width), to those of local and ghost atoms, (n_all, width).

    The identity outside LAMMPS. It is collective over ranks: call it unconditionally, once a layer.
    """
    return torch.ops.egraff.exchange(features)
