"""Equiformer on the operators is the reference network."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext
from egraff_lmp.forcefields.equiformer import EARLIER
from egraff_lmp.forcefields.fast import KernelsUnavailable, fast_network, require_equal
from egraff_lmp.forcefields.fast.proof import random_graphs

R_MAX = 4.0
EQUIFORMER = FORCE_FIELDS["equiformer"]
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)
TINY = {
    "embedding": [8, 4],
    "head": [4, 2],
    "feed_forward": [12, 8],
    "feature": 8,
    "num_rbf": 6,
    "radial_hidden": [8],
}


def context(dtype: torch.dtype) -> NetworkContext:
    return NetworkContext(("H", "O", "Ge"), R_MAX, 11.0, dtype, 0)


@DTYPES
@pytest.mark.parametrize("preset", sorted(EQUIFORMER.presets))
def test_presets(preset: str, dtype: torch.dtype) -> None:
    assert_equal({**EQUIFORMER.presets[preset], "num_layers": 2}, dtype)


@DTYPES
@pytest.mark.parametrize(
    "changes",
    [
        {"num_layers": 1},
        {"parity": False},
        {"smooth": False, "norm": "layer"},
        {**EARLIER, "norm": "smooth"},
        {"radial_bias": "uniform", "mean_degree": None},
        {"num_heads": 1},
        {"embedding": [6, 3, 3, 3], "head": [3, 3, 3, 3], "feed_forward": [6, 3, 3, 3]}
        | {"feature": 6},
        {"embedding": [8], "head": [4], "feed_forward": [8]},
    ],
    ids=[
        "one block",
        "no parity",
        "original",
        "earlier",
        "uniform biases",
        "one head",
        "degree 3",
        "scalars",
    ],
)
def test_settings(changes: Mapping[str, object], dtype: torch.dtype) -> None:
    """Each that changes what is computed."""
    assert_equal({**EQUIFORMER.presets["small"], **TINY, **changes}, dtype)


@pytest.mark.parametrize(("bias", "fine"), [("uniform", False), ("zero", True)])
def test_knots_are_fine_at_the_cutoff_where_weights_turn_there(bias: str, fine: bool) -> None:
    """With biases of zero no table with the usual knots is good enough."""
    settings = {**EQUIFORMER.presets["small"], **TINY, "radial_bias": bias}
    settings["radial_hidden"] = [32, 32]
    network = EQUIFORMER.build(settings, context(torch.float32)).eval().requires_grad_(False)
    assert fast_network(network).fine_at_cutoff == fine


def test_order_of_edges() -> None:
    """Edges that are not sorted by centre, and pieces of one centre, change nothing."""
    network = EQUIFORMER.build(
        {**EQUIFORMER.presets["small"], **TINY}, context(torch.float64)
    ).eval()
    fast = fast_network(network)
    vectors, index, types, n = random_graphs(3, R_MAX)[1]
    mixed = torch.randperm(index.size(1), generator=torch.Generator().manual_seed(0))
    graph = (vectors[mixed], index[:, mixed], types, n)
    require_equal(fast, network, [graph], torch.float64)
    fast.edges_of_a_piece = 1
    require_equal(fast, network, [graph], torch.float64)


def test_degree_four_is_not_covered() -> None:
    """The reference is deployed."""
    wide = {"embedding": [4] * 5, "head": [2] * 5, "feed_forward": [4] * 5}
    network = EQUIFORMER.build(
        {**EQUIFORMER.presets["small"], **TINY, **wide}, context(torch.float64)
    )
    with pytest.raises(KernelsUnavailable, match="degrees up to 3, got 4"):
        fast_network(network)


def assert_equal(settings: Mapping[str, object], dtype: torch.dtype) -> None:
    network = EQUIFORMER.build(settings, context(dtype)).eval().requires_grad_(False)
    fast = fast_network(network)
    require_equal(torch.jit.script(fast), network, random_graphs(3, R_MAX), dtype)
    # Atoms without neighbours, one atom alone, and no atoms at all.
    alone = (torch.zeros(0, 3, dtype=torch.float64), torch.zeros(2, 0, dtype=torch.int64))
    for types in (torch.tensor([0, 2, 1]), torch.tensor([1]), torch.zeros(0, dtype=torch.int64)):
        require_equal(fast, network, [(*alone, types, len(types))], dtype)
