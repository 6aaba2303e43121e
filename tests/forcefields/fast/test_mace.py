"""MACE on the operators is the reference network, whatever its blocks."""

from __future__ import annotations

import pytest
import torch
from package_mace import R_MAX, SPECIES, context, package_mace

from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.forcefields.fast import KernelsUnavailable, fast_network, require_equal
from egraff_lmp.forcefields.fast.proof import random_graphs
from egraff_lmp.forcefields.mace import MACENetwork


def assert_equal(network: MACENetwork, dtype: torch.dtype) -> None:
    fast = fast_network(network)
    graphs = random_graphs(len(SPECIES), R_MAX)
    require_equal(torch.jit.script(fast), network, graphs, dtype)
    # Atoms without neighbours, one atom alone, and no atoms at all.
    alone = (torch.zeros(0, 3, dtype=torch.float64), torch.zeros(2, 0, dtype=torch.int64))
    for types in (torch.tensor([0, 2, 1]), torch.tensor([1]), torch.zeros(0, dtype=torch.int64)):
        require_equal(fast, network, [(*alone, types, len(types))], dtype)
        features = fast(*alone, types, len(types))["features"]
        assert features.shape == network(*alone, types, len(types))["features"].shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("preset", ["small", "paper"])
def test_presets(preset: str, dtype: torch.dtype) -> None:
    entry = FORCE_FIELDS["mace"]
    network = entry.build(entry.presets[preset], context(dtype)).eval().requires_grad_(False)
    assert_equal(network, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"interaction_cls": "RealAgnosticInteractionBlock"},
        {"apply_cutoff": False},
        {"num_interactions": 1},
    ],
    ids=["first not residual", "none residual", "cutoff outside", "one layer"],
)
def test_blocks(changes: dict[str, object], dtype: torch.dtype) -> None:
    """Blocks of models that the package's authors have published."""
    assert_equal(package_mace(dtype, **changes), dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize(("channels", "l_max"), [(1, 1), (5, 3), (8, 2), (19, 1)])
def test_shapes(channels: int, l_max: int, dtype: torch.dtype) -> None:
    """Fewer channels than a vector of the processor, whole vectors, and some with a rest."""
    hidden = " + ".join(
        f"{channels}x{degree}{'eo'[degree % 2]}" for degree in range(min(l_max, 2) + 1)
    )
    changes = {"hidden_irreps": hidden, "max_ell": l_max, "correlation": 2, "radial_MLP": [8]}
    settings = dict(FORCE_FIELDS["mace"].presets["small"]) | changes
    network = FORCE_FIELDS["mace"].build(settings, context(dtype))
    assert_equal(network.eval().requires_grad_(False), dtype)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"interaction_cls": "RealAgnosticDensityInteractionBlock"}, "density"),
        ({"pair_repulsion": True}, "repulsion"),
        ({"distance_transform": "Agnesi"}, "transformed"),
        ({"correlation": 4, "max_ell": 1}, "correlation"),
    ],
    ids=["density", "repulsion", "transform", "correlation"],
)
def test_not_covered(changes: dict[str, object], message: str) -> None:
    """What the operators do not compute is told, and the reference is deployed."""
    with pytest.raises(KernelsUnavailable, match=message):
        fast_network(package_mace(torch.float64, **changes))
