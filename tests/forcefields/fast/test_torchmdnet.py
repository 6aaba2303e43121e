"""ET on the operators is the reference network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch

from egraff_lmp.contract import EnergyReference
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.forcefields.fast import KernelsUnavailable, fast_network, require_equal
from egraff_lmp.forcefields.fast.expnorm import distance_at, table_place
from egraff_lmp.forcefields.fast.proof import random_graphs

R_MAX = 4.0
ET = FORCE_FIELDS["torchmdnet"]
DTYPES = pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64], ids=["float32", "float64"]
)


def context(dtype: torch.dtype) -> NetworkContext:
    return NetworkContext(("H", "O", "Ge"), R_MAX, 11.0, dtype, 0)


@DTYPES
@pytest.mark.parametrize("preset", sorted(ET.presets))
def test_presets(preset: str, dtype: torch.dtype) -> None:
    # Tables of the wide networks take a while: two layers have all of theirs but the middle one.
    assert_equal({**ET.presets[preset], "num_layers": 3 if preset == "small" else 2}, dtype)


@DTYPES
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(("width", "heads"), [(12, 1), (20, 2), (32, 16), (16, 8)])
def test_shapes(width: int, heads: int, layers: int, dtype: torch.dtype) -> None:
    """A layer that is first and last; heads in part of a register, and in several."""
    changes = {"embedding_dimension": width, "num_heads": heads, "num_layers": layers}
    assert_equal({**ET.presets["small"], **changes, "num_rbf": 6}, dtype)


def test_features_keep_their_order() -> None:
    """The output that the contract names is the reference's, channel by channel."""
    network = ET.build(ET.presets["small"], context(torch.float64)).eval()
    graph = random_graphs(3, R_MAX)[0]
    got, expected = (each(*graph)["features"] for each in (fast_network(network), network))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-10)


def test_the_last_layer_exchanges_keys_and_scalars_alone(monkeypatch, tmp_path) -> None:
    """As the network does, so its contract says of the ranks' communication."""
    settings = {**ET.presets["small"], "num_layers": 3}
    network = ET.build(settings, context(torch.float64)).eval()
    widths = (4 * 48, 7 * 48, 2 * 48)
    seen = []

    def exchange(features: torch.Tensor) -> torch.Tensor:
        seen.append(features.size(1))
        return features

    with monkeypatch.context() as patch:
        patch.setattr("egraff_lmp.forcefields.fast.torchmdnet.exchange", exchange)
        fast_network(network)(*random_graphs(3, R_MAX)[0])
    assert tuple(seen) == widths
    contract = export_model(
        AtomicEnergyModel(network, 1.0, torch.zeros(3)),
        ET,
        context(torch.float64),
        EnergyReference("none", dict.fromkeys(("H", "O", "Ge"), 0.0)),
        Frames(
            ("H", "O"), np.eye(3)[None, :2], np.eye(3)[None] * 9, (True,) * 3, None, None, None, "x"
        ),
        {},
        tmp_path / "et.pt",
        kernels=True,
    )
    assert contract.operators
    assert contract.exchange_widths == widths


@pytest.mark.parametrize("heads", [3, 32])
def test_heads_that_are_not_covered(heads: int) -> None:
    """The reference is deployed."""
    settings = {**ET.presets["small"], "embedding_dimension": 96, "num_heads": heads}
    with pytest.raises(KernelsUnavailable, match="power of two"):
        fast_network(ET.build(settings, context(torch.float64)))


def test_places_in_the_table_and_back() -> None:
    """The inverse, and the ends."""
    x = torch.linspace(0, 1, 101, dtype=torch.float64)
    for fine in (False, True):
        places = table_place(x, fine)
        torch.testing.assert_close(distance_at(places, fine), x, rtol=0, atol=1e-14)
        assert places[0] == 0
        assert places[-1] == 1
        assert bool((places.diff() > 0.003).all())
        assert float(places.diff()[-1]) > (0.06 if fine else 0.005)


def assert_equal(settings: Mapping[str, object], dtype: torch.dtype) -> None:
    network = ET.build(settings, context(dtype)).eval().requires_grad_(False)
    fast = fast_network(network)
    require_equal(torch.jit.script(fast), network, random_graphs(3, R_MAX), dtype)
    # Atoms without neighbours, one atom alone, and no atoms at all.
    alone = (torch.zeros(0, 3, dtype=torch.float64), torch.zeros(2, 0, dtype=torch.int64))
    for types in (torch.tensor([0, 2, 1]), torch.tensor([1]), torch.zeros(0, dtype=torch.int64)):
        require_equal(fast, network, [(*alone, types, len(types))], dtype)
