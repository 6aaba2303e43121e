"""Networks on the operators of `csrc/ops`, built from the weights of reference networks.

The definition of a force field stays its reference network (`forcefields/NAME.py`), which is
trained and compared with other packages. A deployed file holds the fast network in its place, once
`proof.require_equal` has found the two equal.
"""

from __future__ import annotations

from egraff_lmp.forcefields.fast.operators import operators_of
from egraff_lmp.forcefields.fast.proof import require_equal
from egraff_lmp.forcefields.fast.table_of_networks import TrainedNetwork, fast_network
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable

__all__ = [
    "KernelsUnavailable",
    "TrainedNetwork",
    "fast_network",
    "operators_of",
    "require_equal",
]
