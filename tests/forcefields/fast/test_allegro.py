"""Allegro on the operators is the reference network."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext
from egraff_lmp.forcefields.fast import KernelsUnavailable, fast_network, require_equal
from egraff_lmp.forcefields.fast.proof import TOLERANCE, random_graphs

R_MAX = 4.0
ALLEGRO = FORCE_FIELDS["allegro"]
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)
TINY = {"num_scalar_features": 8, "num_tensor_features": 5, "num_bessels": 4}


def context(dtype: torch.dtype) -> NetworkContext:
    return NetworkContext(("H", "O", "Ge"), R_MAX, 11.0, dtype, 0)


@DTYPES
@pytest.mark.parametrize("preset", sorted(ALLEGRO.presets))
def test_presets(preset: str, dtype: torch.dtype) -> None:
    settings = dict(ALLEGRO.presets[preset])
    if preset == "paper":  # tables of its width take minutes
        settings |= {"num_scalar_features": 64, "num_tensor_features": 16}
    assert_equal(settings, dtype)


@DTYPES
@pytest.mark.parametrize(
    "changes",
    [
        {"num_layers": 1},
        {"l_max": 2, "parity": True},
        {"l_max": 3, "parity": False},
        {"allegro_mlp_hidden_layers_depth": 3},
        {"readout_mlp_nonlinearity": None},
        {"readout_mlp_hidden_layers_depth": 0},
        {"readout_mlp_hidden_layers_depth": 2},
        {"scalar_embed_mlp_hidden_layers_depth": 0},
        {"tp_path_channel_coupling": False},
    ],
    ids=str,
)
def test_settings(changes: Mapping[str, object], dtype: torch.dtype) -> None:
    """Each that changes what is computed."""
    assert_equal({**ALLEGRO.presets["small"], **TINY, **changes}, dtype)


def test_edge_energies() -> None:
    """The output that the contract names, edge by edge."""
    network = ALLEGRO.build({**ALLEGRO.presets["small"], **TINY}, context(torch.float64)).eval()
    graph = random_graphs(3, R_MAX)[0]
    got, expected = (each(*graph)["edge_energy"] for each in (fast_network(network), network))
    scale = float(expected.abs().max())
    torch.testing.assert_close(got, expected, rtol=0, atol=TOLERANCE[torch.float64] * scale)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_layers": 3}, "at most 2 layers, got 3"),
        ({"allegro_mlp_hidden_layers_depth": 0}, "a hidden layer"),
        ({"weight_individual_irreps": False}, "weights of each degree"),
    ],
    ids=str,
)
def test_what_is_not_covered(changes: Mapping[str, object], message: str) -> None:
    """The reference is deployed."""
    settings = {**ALLEGRO.presets["small"], **TINY, **changes}
    with pytest.raises(KernelsUnavailable, match=message):
        fast_network(ALLEGRO.build(settings, context(torch.float64)))


def assert_equal(settings: Mapping[str, object], dtype: torch.dtype) -> None:
    network = ALLEGRO.build(settings, context(dtype)).eval().requires_grad_(False)
    fast = fast_network(network)
    require_equal(torch.jit.script(fast), network, random_graphs(3, R_MAX), dtype)
    # Atoms without neighbours, one atom alone, and no atoms at all.
    alone = (torch.zeros(0, 3, dtype=torch.float64), torch.zeros(2, 0, dtype=torch.int64))
    for types in (torch.tensor([0, 2, 1]), torch.tensor([1]), torch.zeros(0, dtype=torch.int64)):
        require_equal(fast, network, [(*alone, types, len(types))], dtype)
