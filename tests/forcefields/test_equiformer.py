"""Equiformer against what its paper says: size, attention by hand, and the original's jump."""

from __future__ import annotations

import math

import pytest
import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext, force_field
from egraff_lmp.forcefields.equiformer import NORM_FLOORS, _LayerNorm, irreps_of
from egraff_lmp.forcefields.layers import softmax_over_neighbours

ENTRY = FORCE_FIELDS["equiformer"]
CONTEXT = NetworkContext(("Ge", "Te"), 5.0, 14.0, torch.float64, 0)
# Liao & Smidt 2023, Table 10: 3.50 M for the MD17 model with l_max = 2.
PAPER_PARAMETERS = 3.50e6
# Their type embedding has 64 rows of 128; ours one for each element of the data.
AUTHORS_TYPES, AUTHORS_WIDTH = 64, 128


def test_size_of_the_papers_network() -> None:
    """3.50 M parameters in the setting of Table 15, which has no parities."""
    network = ENTRY.build(ENTRY.presets["paper"], CONTEXT)
    count = sum(parameter.numel() for parameter in network.parameters())
    count += (AUTHORS_TYPES - len(CONTEXT.species)) * AUTHORS_WIDTH
    assert round(count / 1e6, 2) == PAPER_PARAMETERS / 1e6
    assert network.exchange_widths == (128 + 3 * 64 + 5 * 32,) * 6


def test_softmax_by_hand() -> None:
    """Two neighbours of one centre, one of another, none of a third; huge logits stay finite."""
    logits = torch.tensor([[0.0, 800.0], [math.log(3.0), 800.0], [-900.0, 0.5]])
    centers = torch.tensor([0, 0, 2])
    weights = softmax_over_neighbours(logits, centers, 3)
    expected = torch.tensor([[0.25, 0.5], [0.75, 0.5], [1.0, 1.0]])
    torch.testing.assert_close(weights, expected)
    assert softmax_over_neighbours(logits[:0], centers[:0], 0).shape == (0, 2)


def test_attention_by_hand() -> None:
    """Weights of one layer for three edges, from its parameters with plain arithmetic."""
    plain = {**ENTRY.presets["small"], "normalised_attention": False}
    network = ENTRY.build(plain, CONTEXT)
    layer = network.blocks[0].attention
    torch.manual_seed(0)
    message = torch.randn(3, layer.alpha.irreps_in.dim, dtype=torch.float64)
    centers = torch.tensor([0, 0, 1])
    envelope = torch.tensor([[0.9], [0.2], [0.4]], dtype=torch.float64)
    found = layer.attention(message, envelope, centers, 2)
    invariant = layer.alpha(message).reshape(3, layer.n_heads, -1)
    logits = [
        [
            sum(
                float(layer.alpha_dot[head, k])
                * (0.6 * float(z) + 0.4 * float(z) * (2 / (1 + math.exp(-float(z))) - 1))
                for k, z in enumerate(invariant[edge, head])
            )
            for head in range(layer.n_heads)
        ]
        for edge in range(3)
    ]
    for head in range(layer.n_heads):
        up = [float(envelope[e]) * math.exp(logits[e][head]) for e in range(3)]
        by_hand = [
            float(envelope[0]) * up[0] / (up[0] + up[1]),
            float(envelope[1]) * up[1] / (up[0] + up[1]),
            float(envelope[2]),
        ]
        torch.testing.assert_close(
            found[:, head].detach(), torch.tensor(by_hand, dtype=torch.float64)
        )


@pytest.mark.parametrize(("smooth", "jumps"), [(True, False), (False, True)])
def test_jump_of_the_original(smooth: bool, jumps: bool) -> None:
    """The original attention jumps when a neighbour passes r_max; the default does not."""
    network = ENTRY.build({**ENTRY.presets["small"], "smooth": smooth}, CONTEXT)
    index = torch.tensor([[0, 1], [1, 0]])
    types = torch.tensor([0, 1])
    inside = torch.tensor([[0.0, 0.0, 5.0 - 1e-7], [0.0, 0.0, -5.0 + 1e-7]], dtype=torch.float64)
    with_edge = network(inside, index, types, 2)["energy"]
    without = network(inside[:0], index[:, :0], types, 2)["energy"]
    jump = float((with_edge - without).detach().abs().max())
    # The spread of atomic energies is of the order of 1.
    assert jump > 1e-2 if jumps else jump < 1e-9


def test_without_parity_mirror_images_differ() -> None:
    """The paper's irreps respect rotations only: a chiral cluster has two energies."""
    generator = torch.Generator().manual_seed(1)
    vectors = 3.0 * torch.rand(4, 3, generator=generator, dtype=torch.float64) - 1.0
    index = torch.tensor([[0, 0, 0, 0], [1, 2, 3, 4]])
    types = torch.tensor([0, 1, 0, 1, 1])
    differences = {}
    for parity in (True, False):
        network = ENTRY.build({**ENTRY.presets["small"], "parity": parity}, CONTEXT)
        here, mirrored = (network(sign * vectors, index, types, 5)["energy"] for sign in (1, -1))
        differences[parity] = float((here - mirrored).detach().abs().max())
    assert differences[True] < 1e-12
    assert differences[False] > 1e-6


def test_irreps_and_wrong_settings() -> None:
    """Degrees in order; lists of unequal length and unknown settings are errors."""
    assert str(irreps_of([4, 2, 1], parity=True)) == "4x0e+2x1o+1x2e"
    assert str(irreps_of([4, 2, 1], parity=False)) == "4x0e+2x1e+1x2e"
    small = ENTRY.presets["small"]
    with pytest.raises(ValueError, match="one number for each degree"):
        ENTRY.build({**small, "head": [4]}, CONTEXT)
    with pytest.raises(ValueError, match="unknown setting dropout"):
        ENTRY.build({**small, "dropout": 0.1}, CONTEXT)
    with pytest.raises(EgraffError, match="equiformer, torchmdnet"):
        force_field("equiformer2")
    for name, value, expected in (
        ("norm", "rms", "one of smooth, layer, got 'rms'"),
        ("linear", "e3nn", "one of fan_in, unit, got 'e3nn'"),
        ("radial_bias", 0.0, "one of zero, uniform, got 0.0"),
        ("basis", "float64", "one of exact, float32, got 'float64'"),
        ("mean_degree", 0, "a number above 0, got 0"),
        ("mean_degree", "auto", "a number above 0, got 'auto'"),
        ("mean_atoms", math.inf, "a number above 0, got inf"),
    ):
        with pytest.raises(ValueError, match=f"{name}: expected {expected}"):
            ENTRY.build({**small, name: value}, CONTEXT)


def test_norms_by_hand() -> None:
    """Both norms of two vectors; both equal for scalars, and for vectors that are large."""
    irreps = irreps_of([3, 2], parity=True)
    features = torch.tensor([[1.0, 2.0, 6.0, 3.0, 0.0, 4.0, 0.0, -1.0, 2.0]], dtype=torch.float64)
    found = {}
    for norm, floor in (("layer", 1e-5), ("smooth", 1.0)):
        layer = _LayerNorm(irreps, norm).double()
        found[norm] = layer(features).detach()
        scalars = torch.tensor([-2.0, -1.0, 3.0], dtype=torch.float64) / math.sqrt(14 / 3 + 1e-5)
        torch.testing.assert_close(found[norm][0, :3], scalars)
        vectors = features[0, 3:] / math.sqrt(30 / 6 + floor)
        torch.testing.assert_close(found[norm][0, 3:], vectors)
        large = layer(1e4 * features).detach()[0, 3:]
        torch.testing.assert_close(large, features[0, 3:] / math.sqrt(30 / 6), rtol=1e-6, atol=0)
        tiny = layer(torch.cat([features[:, :3], 1e-6 * features[:, 3:]], dim=1)).detach()[0, 3:]
        torch.testing.assert_close(
            tiny, 1e-6 * features[0, 3:] / math.sqrt(floor), rtol=1e-5, atol=0
        )


def test_which_norm_a_network_has() -> None:
    """The authors' where they are meant, and where the settings are from before there was one."""
    assert {name: preset["norm"] for name, preset in ENTRY.presets.items()} == {
        "small": "smooth",
        "paper": "smooth",
        "paper-original": "layer",
    }
    settings = {name: value for name, value in ENTRY.presets["small"].items() if name != "norm"}
    network = ENTRY.build(settings, CONTEXT)
    norms = [module for module in network.modules() if isinstance(module, _LayerNorm)]
    assert len(norms) == 2 * settings["num_layers"] + 1
    assert all(norm.floor == norm.epsilon == NORM_FLOORS["layer"] for norm in norms)
