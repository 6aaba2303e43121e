"""BOTNet on the operators is the reference network."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext
from egraff_lmp.forcefields.fast import KernelsUnavailable, fast_network, require_equal
from egraff_lmp.forcefields.fast.proof import random_graphs

R_MAX = 4.0
BOTNET = FORCE_FIELDS["botnet"]


def context(dtype: torch.dtype) -> NetworkContext:
    return NetworkContext(("H", "O", "Ge"), R_MAX, 11.0, dtype, 0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_presets(preset: str, dtype: torch.dtype) -> None:
    assert_equal(BOTNET.presets[preset], dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("channels", "l_max"), [(1, 0), (5, 3), (8, 2), (19, 1)])
def test_shapes(channels: int, l_max: int, dtype: torch.dtype) -> None:
    """Fewer channels than a vector of the processor, whole vectors, and some with a rest."""
    hidden = " + ".join(
        f"{channels}x{degree}{'eo'[degree % 2]}" for degree in range(min(l_max, 2) + 1)
    )
    changes = {"hidden_irreps": hidden, "max_ell": l_max, "num_interactions": 2}
    assert_equal(BOTNET.presets["small"] | changes | {"radial_MLP": [8]}, dtype)


def assert_equal(settings: Mapping[str, object], dtype: torch.dtype) -> None:
    network = BOTNET.build(settings, context(dtype)).eval().requires_grad_(False)
    fast = fast_network(network)
    require_equal(torch.jit.script(fast), network, random_graphs(3, R_MAX), dtype)
    # Atoms without neighbours, one atom alone, and no atoms at all.
    alone = (torch.zeros(0, 3, dtype=torch.float64), torch.zeros(2, 0, dtype=torch.int64))
    for types in (torch.tensor([0, 2, 1]), torch.tensor([1]), torch.zeros(0, dtype=torch.int64)):
        require_equal(fast, network, [(*alone, types, len(types))], dtype)


def test_weights_by_element_are_not_covered() -> None:
    """The reference is deployed."""
    settings = dict(BOTNET.presets["small"]) | {"radial": "element"}
    with pytest.raises(KernelsUnavailable, match="do not depend on the element"):
        fast_network(BOTNET.build(settings, context(torch.float64)))
