"""Which parameters the authors' training decays: MACE against its package, BOTNet by its names."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import torch
from e3nn import o3

from egraff_lmp.forcefields import FORCE_FIELDS, NetworkContext
from egraff_lmp.forcefields.building import quiet
from egraff_lmp.forcefields.mace import MACENetwork


def test_mace_decays_what_its_package_decays() -> None:
    """The groups of `mace.tools.scripts_utils.get_params_options` for the same modules."""
    with quiet():
        from mace.modules import MACE
        from mace.modules.blocks import RealAgnosticResidualInteractionBlock
        from mace.tools.scripts_utils import get_params_options

        package = MACE(
            r_max=4.0,
            num_bessel=4,
            num_polynomial_cutoff=5,
            max_ell=2,
            interaction_cls=RealAgnosticResidualInteractionBlock,
            interaction_cls_first=RealAgnosticResidualInteractionBlock,
            num_interactions=2,
            num_elements=2,
            hidden_irreps=o3.Irreps("4x0e + 4x1o"),
            MLP_irreps=o3.Irreps("4x0e"),
            atomic_energies=np.zeros(2),
            avg_num_neighbors=8.0,
            atomic_numbers=[32, 52],
            correlation=2,
            gate=torch.nn.functional.silu,
            radial_MLP=[8],
        )
    arguments = SimpleNamespace(
        lr_params_factors="{}",
        freeze=None,
        lr=0.01,
        weight_decay=5e-7,
        amsgrad=True,
        beta=0.9,
    )
    decayed = {True: set(), False: set()}
    for group in get_params_options(arguments, package)["params"]:
        decayed[group["weight_decay"] > 0.0].update(id(p) for p in group["params"])
    network = MACENetwork(package)
    spared = {id(parameter) for parameter in FORCE_FIELDS["mace"].spared(network)}
    own = {id(parameter) for parameter in network.parameters()}
    assert decayed[True]
    assert decayed[False]
    assert own == decayed[True] | decayed[False]
    assert spared == decayed[False]


def test_botnet_decays_the_maps_of_messages() -> None:
    """One weight a layer; the preset "small" has three layers."""
    entry = FORCE_FIELDS["botnet"]
    context = NetworkContext(("Ge", "Te"), 4.0, 8.0, torch.float32, 0)
    network = entry.build(entry.presets["small"], context)
    spared = {id(parameter) for parameter in entry.spared(network)}
    decayed = {name for name, p in network.named_parameters() if id(p) not in spared}
    assert decayed == {f"layers.{index}.linear.weight" for index in range(3)}
