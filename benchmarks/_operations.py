"""How many floating-point operations the network of a step needs, an atom.

A multiplication and an addition count one each. Where tensor products are the work (NequIP, MACE,
BOTNet) the count is that of the sparse algorithm: only non-zero Clebsch-Gordan coefficients, radial
networks as tables, weights that depend on the element contracted beforehand. For ET it is the maps
of atoms' features and the attention over edges, radial networks as tables, without the vectors of
the first and last layer. For Allegro and Equiformer it is the matrix products that torch counts in
a forward and backward pass of the network in tree; kernels that contract some of them beforehand
can exceed the rate of matrix products by that count.
"""

from __future__ import annotations

from typing import Any

import torch
from _subjects import SUBJECTS, edges_of, reference
from ase import Atoms

from egraff_lmp.forcefields import NetworkContext

SPARSE = ("nequip", "mace", "botnet")
# Value and slope of a cubic Hermite spline from four numbers.
_SPLINE = 14


def operations_an_atom(name: str, context: NetworkContext, atoms: Atoms) -> float:
    """Energy and forces, operations an atom."""
    subject = SUBJECTS[name]
    model = reference(subject, context)
    edges = edges_of(atoms, context.r_max)
    if subject.key in SPARSE:
        return _sparse(model, edges.index.shape[1] / len(atoms), len(context.species))
    if subject.key == "torchmdnet":
        return _equivariant_transformer(model.network, edges.index.shape[1] / len(atoms))
    from torch.utils.flop_counter import FlopCounterMode

    vectors = torch.tensor(
        edges.vectors(atoms.get_positions(), atoms.cell.array), requires_grad=True
    )
    types = torch.tensor([context.species.index(s) for s in atoms.get_chemical_symbols()])
    with FlopCounterMode(display=False) as counter:
        energy = model(vectors, torch.tensor(edges.index), types, len(types))["atomic_energy"].sum()
        energy.backward()
    return counter.get_total_flops() / len(atoms)


def _sparse(model: torch.nn.Module, neighbours: float, n_species: int) -> float:
    total = 0.0
    seen: set[int] = set()
    for _, module in model.named_modules():
        kind = type(module).__name__
        if kind == "SymmetricContraction":
            total += _contraction(module)
        elif kind == "FullyConnectedTensorProduct":
            total += _selected(module)
        elif kind == "Linear" and hasattr(module, "irreps_in") and id(module) not in seen:
            total += _linear(module)
        elif kind == "TensorProduct" and not module.internal_weights and module.weight_numel:
            total += neighbours * _convolution(module)
        seen.add(id(module))
    return total


def _equivariant_transformer(network: Any, neighbours: float) -> float:
    """Maps of atoms (four operations a weight, forward and backward) and edges of all layers."""
    width = network.norm.weight.numel()
    total = 4.0 * (width**2 + sum(module.weight.numel() for module in network.readout[::2]))
    for place in range(network.n_layers):
        first, last = place == 0, place == network.n_layers - 1
        rows = 2 if last else 4
        # Query; key and values; the maps of the sums; and those of the vectors' three components.
        of_sums = 1 + (not first) + (not first and not last)
        of_vectors = 0 if first else 2 + (not last)
        total += 4.0 * width**2 * (1 + rows + of_sums + 3 * of_vectors)
        # An edge and channel: logit and scalar; weighted values, direction and carried vectors.
        forward = 6.0 + (0 if last else 1 + 6) + (0 if last or first else 1 + 6)
        total += neighbours * width * (3.0 * forward + _SPLINE * rows)
    # The embedding's sum over neighbours.
    return total + neighbours * width * (3.0 * 2.0 + _SPLINE)


def _linear(module: Any) -> float:
    """Forward and backward with constant weights: two products of the same size."""
    return sum(
        4.0
        * module.irreps_in[i.i_in].mul
        * module.irreps_out[i.i_out].mul
        * module.irreps_in[i.i_in].ir.dim
        for i in module.instructions
        if i.i_in >= 0
    )


def _selected(module: Any) -> float:
    """Features times the one-hot element: one matrix of the element, forward and backward."""
    return sum(
        4.0
        * module.irreps_in1[i.i_in1].mul
        * module.irreps_out[i.i_out].mul
        * module.irreps_in1[i.i_in1].ir.dim
        for i in module.instructions
    )


def _convolution(module: Any) -> float:
    """An edge: the couplings M, the product with every channel, and both backwards."""
    from e3nn import o3

    total = 0.0
    for path in module.instructions:
        one, two, out = (
            module.irreps_in1[path.i_in1],
            module.irreps_in2[path.i_in2],
            module.irreps_out[path.i_out],
        )
        coefficients = o3.wigner_3j(one.ir.l, two.ir.l, out.ir.l)
        entries = int((coefficients.abs() > 1e-6).sum())
        pairs = int((coefficients.abs() > 1e-6).any(dim=1).sum())
        channels = one.mul
        forward = channels * (2 * pairs + 2 * out.ir.dim)
        # t = M g, dw = x t, dx = w t; then the gradient of M, once a pair, and of Y.
        backward = channels * (2 * pairs + 4 * one.ir.dim + 2 * pairs)
        total += forward + backward + 4 * entries + _SPLINE * channels
    return total


def _contraction(module: Any) -> float:
    """One multiplication and one addition a term of the polynomials; backward twice that."""
    total = 0.0
    for part in module.contractions:
        channels = part.num_features
        components = None
        for order in range(part.correlation, 0, -1):
            tensor = part.U_tensors(order)
            if tensor.dim() == order + 1:
                tensor = tensor.unsqueeze(0)
            entries = (tensor.abs() > 1e-9).any(dim=-1)
            sets = _unordered(entries)
            components = sets if components is None else components | sets
        # Every distinct product is one multiplication by a feature and one addition.
        total += 2.0 * channels * len(components or ())
    return 3.0 * total


def _unordered(entries: torch.Tensor) -> set[tuple[int, ...]]:
    """Component and sorted factors of each non-zero entry: products commute."""
    return {(row[0], *sorted(row[1:])) for row in entries.nonzero().tolist()}
