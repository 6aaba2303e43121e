"""Networks of MACE with other blocks than the presets have."""

from __future__ import annotations

import numpy as np
import torch

from egraff_lmp.forcefields import NetworkContext
from egraff_lmp.forcefields.building import fresh_weights, quiet
from egraff_lmp.forcefields.mace import MACENetwork

R_MAX = 4.0
SPECIES = ("H", "O", "Ge")


def context(dtype: torch.dtype) -> NetworkContext:
    """Three species, a cutoff of 4 A and 11 neighbours."""
    return NetworkContext(SPECIES, R_MAX, 11.0, dtype, 0)


def package_mace(dtype: torch.dtype, **changes: object) -> MACENetwork:
    """A network of the package's ScaleShiftMACE.

    Args:
        dtype: of its weights, which are constants.
        changes: of the arguments, interactions by the names of their classes.
    """
    with quiet(), fresh_weights(context(dtype)):
        from e3nn import o3
        from mace import modules

        blocks = modules.interaction_classes
        arguments = {
            "r_max": R_MAX,
            "num_bessel": 6,
            "num_polynomial_cutoff": 5,
            "max_ell": 3,
            "interaction_cls": blocks["RealAgnosticResidualInteractionBlock"],
            "interaction_cls_first": blocks["RealAgnosticInteractionBlock"],
            "num_interactions": 2,
            "num_elements": len(SPECIES),
            "hidden_irreps": o3.Irreps("8x0e + 8x1o"),
            "MLP_irreps": o3.Irreps("4x0e"),
            "atomic_energies": np.zeros(len(SPECIES)),
            "avg_num_neighbors": 11.0,
            "atomic_numbers": [1, 8, 32],
            "correlation": 3,
            "gate": torch.nn.functional.silu,
            "radial_MLP": [16],
            "atomic_inter_scale": 1.0,
            "atomic_inter_shift": 0.0,
        }
        arguments |= {
            key: blocks[value] if key.startswith("interaction_cls") else value
            for key, value in changes.items()
        }
        return MACENetwork(modules.ScaleShiftMACE(**arguments)).eval().requires_grad_(False)
