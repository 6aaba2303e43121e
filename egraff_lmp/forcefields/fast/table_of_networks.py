"""Which reference networks have a fast one: one row a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from egraff_lmp.forcefields.allegro import AllegroNetwork
from egraff_lmp.forcefields.botnet import BOTNetNetwork
from egraff_lmp.forcefields.equiformer import EquiformerNetwork
from egraff_lmp.forcefields.fast.allegro import FastAllegro
from egraff_lmp.forcefields.fast.botnet import FastBOTNet
from egraff_lmp.forcefields.fast.equiformer import FastEquiformer
from egraff_lmp.forcefields.fast.mace import FastMACE
from egraff_lmp.forcefields.fast.nequip import FastNequIP
from egraff_lmp.forcefields.fast.torchmdnet import FastTorchMDNet
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.mace import MACENetwork
from egraff_lmp.forcefields.nequip import NequIPNetwork
from egraff_lmp.forcefields.torchmdnet import TorchMDNetNetwork

FAST: dict[type[torch.nn.Module], Callable[[Any], torch.nn.Module]] = {
    AllegroNetwork: FastAllegro,
    BOTNetNetwork: FastBOTNet,
    EquiformerNetwork: FastEquiformer,
    MACENetwork: FastMACE,
    NequIPNetwork: FastNequIP,
    TorchMDNetNetwork: FastTorchMDNet,
}


def fast_network(network: torch.nn.Module) -> torch.nn.Module:
    """The same function on the operators, in the same precision.

    It has `table_error`: the largest error of its tabulated radial weights relative to the largest
    of them, 0 without tables.

    Raises:
        KernelsUnavailable: there are no kernels for this architecture or these settings.
    """
    build = FAST.get(type(network))
    if build is None:
        raise KernelsUnavailable(f"there are no kernels for {type(network).__name__} yet")
    return build(network).eval()
