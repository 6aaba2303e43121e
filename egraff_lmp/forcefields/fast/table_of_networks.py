"""Which reference networks have a fast one: one row a network."""

from __future__ import annotations

from collections.abc import Callable

import torch

from egraff_lmp.contract import Output
from egraff_lmp.forcefields.allegro import AllegroNetwork
from egraff_lmp.forcefields.base import FastNetwork, Network
from egraff_lmp.forcefields.botnet import BOTNetNetwork
from egraff_lmp.forcefields.equiformer import EquiformerNetwork
from egraff_lmp.forcefields.fast.allegro import FastAllegro
from egraff_lmp.forcefields.fast.botnet import FastBOTNet
from egraff_lmp.forcefields.fast.derived import forget, refresh
from egraff_lmp.forcefields.fast.equiformer import FastEquiformer
from egraff_lmp.forcefields.fast.mace import FastMACE
from egraff_lmp.forcefields.fast.nequip import FastNequIP
from egraff_lmp.forcefields.fast.torchmdnet import FastTorchMDNet
from egraff_lmp.forcefields.fast.trained_radial import choose_tables, drop_tables
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable
from egraff_lmp.forcefields.mace import MACENetwork
from egraff_lmp.forcefields.nequip import NequIPNetwork
from egraff_lmp.forcefields.torchmdnet import TorchMDNetNetwork

FAST: dict[type, Callable[..., FastNetwork]] = {
    AllegroNetwork: FastAllegro,
    BOTNetNetwork: FastBOTNet,
    EquiformerNetwork: FastEquiformer,
    MACENetwork: FastMACE,
    NequIPNetwork: FastNequIP,
    TorchMDNetNetwork: FastTorchMDNet,
}


def fast_network(network: Network) -> FastNetwork:
    """The same function on the operators, in the same precision, with constant weights.

    Raises:
        KernelsUnavailable: there are no kernels for this architecture or these settings.
    """
    fast = forget(_builder(network)(network))
    fast.eval()
    return fast


class TrainedNetwork(torch.nn.Module):
    """The same function on the operators for training: gradients go to the reference's weights.

    Its own numbers follow from them, and are computed anew at every evaluation. In float32 radial
    weights of convolutions are read from tables (`trained_radial`), which are as fine as the
    weights need when it is made, and at every `choose_tables`. It names no outputs, which no loss
    reads.

    Args:
        network: the reference, which stays what is trained and saved.

    Raises:
        KernelsUnavailable: there are no kernels for this architecture or these settings.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.fast = _builder(network)(network, trained=True)
        self.n_layers = network.n_layers
        self.exchange_widths = self.fast.exchange_widths
        self.outputs: tuple[Output, ...] = ()
        self.without_tables = 0
        self.choose_tables()

    def choose_tables(self) -> int:
        """Choose how fine the tables of radial weights are, for the weights as they are now.

        Returns:
            `without_tables`: the number of layers for whose weights no table is good enough. Their
            radial networks are evaluated for every edge.
        """
        with torch.no_grad():
            refresh(self.fast)
        self.without_tables = choose_tables(self.fast)
        return self.without_tables

    def drop_tables(self) -> None:
        """Evaluate all radial networks for every edge until tables are chosen again."""
        drop_tables(self.fast)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """As the reference's."""
        refresh(self.fast)
        found: dict[str, torch.Tensor] = self.fast(edge_vectors, edge_index, types, n_local)
        return found


def _builder(network: Network) -> Callable[..., FastNetwork]:
    build = FAST.get(type(network))
    if build is None:
        raise KernelsUnavailable(f"there are no kernels for {type(network).__name__} yet")
    return build
