"""Allegro on the operators, from the weights of the reference network (`forcefields.allegro`).

What the package computes for every edge, this network contracts beforehand where it can:

- All that depends on the two species and the distance alone is read from tables: the two-body
  embedding, and whatever linear map takes it further. In float64 it is computed.
- The package's perceptrons end with a linear map, and what they give enters linear maps again: both
  are one matrix. Of the six products with wide matrices in the paper's two layers three are left.
- A product of an edge's weighted harmonics with its centre's surroundings is a convolution in which
  each edge is a centre of its own, and the surroundings' weights go into those of its paths.

That the whole is equal is shown at export (`proof`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from e3nn import o3

from egraff_lmp.forcefields.allegro import AllegroNetwork
from egraff_lmp.forcefields.fast.convolution import INTEGERS_A_PATH, L_MAX
from egraff_lmp.forcefields.fast.derived import Matrix, Recipe, derive
from egraff_lmp.forcefields.fast.perceptron import Perceptron, SiLU, nequip_matrices
from egraff_lmp.forcefields.fast.radial import require_table
from egraff_lmp.forcefields.fast.unavailable import KernelsUnavailable

_STAGES = (
    "EdgeLengthNormalizer",
    "SequentialGraphNetwork",
    "ScalarMLP",
    "TwoBodySphericalHarmonicTensorEmbed",
    "Allegro_Module",
    "ScalarMLP",
    "EdgewiseReduce",
)
_MOST_LAYERS = 2
# Half a dozen tables feed one network here: each may err by less than the one of a convolution.
_SHARE = 0.25


class _TwoBody(torch.nn.Module):
    """Distances over the cutoff (S,) and kinds of pairs (S,) to the embedding (S, width).

    The kind of a pair is the centre's type times the number of types plus the neighbour's.
    """

    def __init__(self, embed: Any, mlp: Any, *, trained: bool) -> None:
        super().__init__()
        bessel, by_type = embed.bessel_encode, embed.type_embed
        self.cutoff = copy.deepcopy(bessel.cutoff)
        derive(self, "roots", lambda: bessel.bessel_weights.double())

        def kinds() -> torch.Tensor:
            center, neighbor = by_type.center_embed.weight, by_type.neighbor_embed.weight
            n = center.size(0)
            return torch.cat([center.repeat_interleave(n, dim=0), neighbor.repeat(n, 1)], dim=1)

        derive(self, "kinds", kinds)
        derive(self, "basis", lambda: _only_matrix(by_type.basis_linear))
        self.mlp = Perceptron(nequip_matrices(mlp.mlp_module), trained=trained)

    def forward(self, x: torch.Tensor, kinds: torch.Tensor) -> torch.Tensor:
        x = x.unsqueeze(1)
        bessel = torch.sinc(x * self.roots) * self.roots * self.cutoff(x)  # type: ignore[operator]
        dtype = self.basis.dtype
        basis = torch.mm(bessel.to(dtype), self.basis)  # type: ignore[arg-type]
        return self.mlp(self.kinds[kinds] * basis)  # type: ignore[index]


class _Hidden(torch.nn.Module):
    """The same beginning and ending with SiLU: what a perceptron has between its end maps."""

    def __init__(self, matrices: Sequence[Recipe], *, trained: bool) -> None:
        super().__init__()
        self.matrices = torch.nn.ModuleList(Matrix(matrix) for matrix in matrices)
        self.silu = SiLU(trained=trained)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.silu(x)
        for matrix in self.matrices:
            x = self.silu(matrix(x))
        return x


class _ExactPair(torch.nn.Module):
    """A linear map of the two-body embedding.

    Args:
        matrix: gives (width, columns).
    """

    def __init__(self, matrix: Recipe) -> None:
        super().__init__()
        derive(self, "matrix", matrix)

    def forward(
        self, x: torch.Tensor, kinds: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        """(E, columns) from distances over the cutoff, kinds, and the embedding of each edge."""
        return torch.mm(embedding, self.matrix)  # type: ignore[arg-type]


class _TabulatedPair(torch.nn.Module):
    """The same from a table of each kind of pair; see `_ExactPair`."""

    def __init__(self, two_body: _TwoBody, matrix: torch.Tensor) -> None:
        super().__init__()
        exact = copy.deepcopy(two_body).double()
        n_kinds = exact.kinds.size(0)  # type: ignore[operator]
        given = matrix.double()

        def radial(x: torch.Tensor) -> torch.Tensor:
            of_kind = [
                torch.mm(exact(x, torch.full((x.size(0),), kind)), given) for kind in range(n_kinds)
            ]
            return torch.stack(of_kind, dim=1)

        table = require_table(radial, _SHARE)
        self.table_error = table.value_error
        self.register_buffer(
            "table", table.coefficients.transpose(0, 1).to(matrix.dtype).contiguous()
        )

    def forward(
        self, x: torch.Tensor, kinds: torch.Tensor, embedding: torch.Tensor
    ) -> torch.Tensor:
        """As `_ExactPair.forward`; the embedding is not used."""
        return torch.ops.egraff.radial_table(x, self.table, kinds)


class FastAllegro(torch.nn.Module):
    """The function of `AllegroNetwork`, with weights that follow from its own.

    Args:
        network: the reference.
        trained: whether those are trained in this network (`derived.refresh`).

    Raises:
        KernelsUnavailable: it has a part, or more layers, than is covered here.
    """

    __constants__ = ("channels", "exact", "l_max", "n_degrees", "n_paths", "n_types", "two_layers")

    def __init__(self, network: AllegroNetwork, *, trained: bool = False) -> None:
        super().__init__()
        stages: Any = list(network.stages)
        names = tuple(type(stage).__name__ for stage in stages)
        if names != _STAGES:
            raise KernelsUnavailable(f"expected the stages {_STAGES}, got {names}")
        lengths, embed, mlp, tensors, layers, readout, _ = stages
        if layers.num_layers > _MOST_LAYERS:
            raise KernelsUnavailable(
                f"expected at most {_MOST_LAYERS} layers, got {layers.num_layers}"
            )
        self.table_error = 0.0
        self.n_layers = network.n_layers
        self.exchange_widths = network.exchange_widths
        self.outputs = network.outputs
        self.two_layers = layers.num_layers == _MOST_LAYERS
        self.channels = layers.num_tensor_features
        self.n_degrees = _degrees(layers.tps[0].irreps_in2)
        self.l_max = self.n_degrees - 1
        self.n_types = embed.type_embed.num_types
        self.register_buffer("reciprocal_cutoffs", _by_kind(lengths._rmax_recip, self.n_types))
        self.two_body = _TwoBody(embed, mlp, trained=trained)
        self.dtype: torch.dtype = mlp.mlp_module.mlp[0].weight.dtype
        self.exact = trained or self.dtype != torch.float32
        # Norms of the sums over neighbours, of each type of centre.
        norms: Any = network.norm
        self.register_buffer("energy_norm", _by_type(norms, self.n_types))
        norm = _by_type(layers.avg_num_neighbors_norm.norm_const, self.n_types)
        self.register_buffer("norm", norm.view(-1, 1, 1))
        self.environment_paths = [
            number
            for degree in range(self.n_degrees)
            for number in (0, degree, degree, 0, 1, degree * degree, 1)
        ]

        # Linear maps of the two-body embedding, of the hidden layers, and of invariants.
        width = layers.num_scalar_features
        weighter = layers._env_weighter
        if not weighter.weight_individual_irreps:
            raise KernelsUnavailable("expected weights of each degree")

        def scalars() -> torch.Tensor:
            return _only_matrix(layers.first_layer_env_embed_projection)[:, :width]

        def environment() -> torch.Tensor:
            return _only_matrix(layers.first_layer_env_embed_projection)[:, width:]

        self.environment = self._pair(lambda: self._by_degree(environment(), weighter))
        edge = tensors.env_embed_linear
        self.paths, pair = _first_product(
            layers.tps[0],
            lambda: _only_matrix(edge) * tensors._edge_weighter.alpha,
            self.channels,
            self.n_degrees,
        )
        self.n_paths = len(self.paths) // INTEGERS_A_PATH
        self.pair_weights = self._pair(pair)
        read = nequip_matrices(readout.mlp_module)
        self.read: torch.nn.Module = torch.nn.Identity()
        if len(read) > 1:
            self.read = _Hidden(read[1:-1], trained=trained)
        self.last = Perceptron(read[1:][-1:], trained=trained)

        # The accumulated scalars of the package: the two-body ones, and those of each layer.
        def block(place: int) -> torch.Tensor:
            return read[0]()[place * width : (place + 1) * width]

        self.read_pair = self._pair(lambda: scalars() @ block(0))

        first = _hidden_recipes(layers.latents[0])
        self.enter_1 = self._pair(lambda: scalars() @ first[0]()[:width])
        derive(self, "invariants_1", lambda: first[0]()[width:])
        self.hidden_1 = _Hidden(first[1:-1], trained=trained)
        derive(self, "read_1", lambda: first[-1]()[:, :width] @ block(1))
        if not self.two_layers:
            return
        derive(self, "environment_2", lambda: self._by_degree(first[-1]()[:, width:], weighter))
        self.scalar_paths, factors = _last_product(layers.tps[1], self.channels)
        derive(self, "factors", lambda: factors().to(self.dtype))
        second = _hidden_recipes(layers.latents[1])
        self.enter_2 = self._pair(lambda: scalars() @ second[0]()[:width])
        derive(self, "carry_2", lambda: first[-1]()[:, :width] @ second[0]()[width : 2 * width])
        derive(self, "invariants_2", lambda: second[0]()[2 * width :])
        self.hidden_2 = _Hidden(second[1:-1], trained=trained)
        derive(self, "read_2", lambda: second[-1]()[:, :width] @ block(2))

    def _pair(self, matrix: Recipe) -> torch.nn.Module:
        if self.exact:
            return _ExactPair(matrix)
        with torch.no_grad():
            pair = _TabulatedPair(self.two_body, matrix())
        self.table_error = max(self.table_error, pair.table_error)
        return pair

    def _by_degree(self, matrix: torch.Tensor, weighter: Any) -> torch.Tensor:
        """Columns [channel, degree] of the package as [degree, channel]."""
        columns = matrix.view(-1, self.channels, self.n_degrees) * weighter.alpha
        return columns.transpose(1, 2).reshape(matrix.size(0), -1)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """As `AllegroNetwork.forward`."""
        harmonics, lengths = torch.ops.egraff.edge_harmonics(edge_vectors, self.l_max, self.dtype)
        centers = edge_index[0]
        n_edges = centers.size(0)
        kinds = types[centers] * self.n_types + types[edge_index[1]]
        exact_x = lengths * self.reciprocal_cutoffs[kinds]  # type: ignore[index]
        x = exact_x.to(self.dtype)
        embedding = x.detach()
        if self.exact:
            embedding = self.two_body(exact_x, kinds)
        norm = self.norm[types[:n_local]]  # type: ignore[index]
        ones = torch.ones(types.size(0), 1, self.channels, dtype=self.dtype, device=types.device)
        # Each edge as a centre, whose only neighbour is the edge's centre.
        places = torch.arange(n_edges, device=types.device)
        to_centers = torch.stack([places, centers])

        weights = self.environment(x, kinds, embedding)
        surroundings = norm * torch.ops.egraff.convolution(
            ones,
            harmonics,
            weights.view(n_edges, self.n_degrees, self.channels),
            edge_index,
            n_local,
            self.environment_paths,
        )
        weights = self.pair_weights(x, kinds, embedding)
        tensors = torch.ops.egraff.convolution(
            surroundings,
            harmonics,
            weights.view(n_edges, self.n_paths, self.channels),
            to_centers,
            n_edges,
            self.paths,
        )
        entering = self.enter_1(x, kinds, embedding)
        hidden = self.hidden_1(entering + torch.mm(tensors[:, 0], self.invariants_1))  # type: ignore[arg-type]
        read = self.read_pair(x, kinds, embedding) + torch.mm(hidden, self.read_1)  # type: ignore[arg-type]
        if self.two_layers:
            weights = torch.mm(hidden, self.environment_2)  # type: ignore[arg-type]
            factors = norm * self.factors  # type: ignore[operator]
            surroundings = factors * torch.ops.egraff.convolution(
                ones,
                harmonics,
                weights.view(n_edges, self.n_degrees, self.channels),
                edge_index,
                n_local,
                self.environment_paths,
            )
            invariants = torch.ops.egraff.convolution(
                surroundings, harmonics, tensors, to_centers, n_edges, self.scalar_paths
            )
            entering = self.enter_2(x, kinds, embedding) + torch.mm(hidden, self.carry_2)  # type: ignore[arg-type]
            entering = entering + torch.mm(invariants.flatten(1), self.invariants_2)  # type: ignore[arg-type]
            read = read + torch.mm(self.hidden_2(entering), self.read_2)  # type: ignore[arg-type]
        edge_energy = self.last(self.read(read)).view(-1)
        edge_energy = edge_energy * self.energy_norm[types[centers]]  # type: ignore[index]
        energy = torch.zeros(n_local, dtype=self.dtype, device=types.device)
        return {
            "energy": energy.index_add(0, centers, edge_energy),
            "edge_energy": edge_energy,
        }


def _degrees(irreps: o3.Irreps) -> int:
    """The number of degrees of harmonics, each of which must be there once, from 0 on."""
    degrees = [ir.l for _, ir in irreps]
    if degrees != list(range(len(degrees))) or degrees[-1] > L_MAX:
        raise KernelsUnavailable(f"expected each degree up to at most {L_MAX}, got {irreps}")
    return len(degrees)


def _by_kind(cutoffs: torch.Tensor, n_types: int) -> torch.Tensor:
    """One number, or one for each pair of types, for every kind of pair."""
    return cutoffs.detach().double().reshape(-1).expand(n_types * n_types).clone()


def _by_type(norm: torch.Tensor, n_types: int) -> torch.Tensor:
    """One number, or one for each type, for every type."""
    return norm.detach().reshape(-1).expand(n_types).clone()


def _only_matrix(function: Any) -> torch.Tensor:
    recipes = nequip_matrices(function)
    if len(recipes) > 1:
        raise KernelsUnavailable(f"expected a linear map, got {function}")
    return recipes[0]()


def _hidden_recipes(function: Any) -> list[Recipe]:
    recipes = nequip_matrices(function)
    if len(recipes) < 2:
        raise KernelsUnavailable(f"expected a perceptron with a hidden layer, got {function}")
    return recipes


def _product_paths(product: Any) -> list[tuple[int, int, int]]:
    """Places of the irreps that meet, in the package's order."""
    if product.irrep_normalization != "component":
        raise KernelsUnavailable("expected component normalisation")
    if product.instructions is not None:
        return [tuple(path) for path in product.instructions]
    return [
        (i, j, k)
        for k, (_, out) in enumerate(product.irreps_out)
        for i, (_, left) in enumerate(product.irreps_in1)
        for j, (_, right) in enumerate(product.irreps_in2)
        if out in left * right
    ]


def _path_weights(product: Any, channels: int) -> torch.Tensor:
    """(channels, paths)."""
    weights: torch.Tensor = product.weights
    if not product.path_channel_coupling:
        return weights.reshape(1, -1).expand(channels, -1)
    return weights.reshape(channels, -1)


def _first_product(
    product: Any, edge: Recipe, channels: int, n_degrees: int
) -> tuple[list[int], Recipe]:
    """The product of an edge's weighted harmonics with its centre's surroundings.

    Args:
        product: the package's.
        edge: from the two-body embedding to the weights [channel, degree] of the harmonics.
        channels, n_degrees: of both.

    Returns:
        Paths from the surroundings to the result, and what gives the matrix from the two-body
        embedding to their weights [path, channel].
    """
    rows = [ir_slice.start for ir_slice in product.irreps_out.slices()]
    paths: list[int] = []
    degrees, signs = [], []
    for i, j, k in _product_paths(product):
        left, right = product.irreps_in1[i].ir.l, product.irreps_in2[j].ir.l
        out = product.irreps_out[k].ir.l
        # Degrees 1 and 2 of the operator are the surroundings and the harmonics.
        paths += [right, left, out, right * right, 1, rows[k], 1]
        ours = o3.wigner_3j(right, left, out, dtype=torch.float64).transpose(0, 1)
        signs.append(float((ours * o3.wigner_3j(left, right, out, dtype=torch.float64)).sum()))
        degrees.append(left)

    def matrix() -> torch.Tensor:
        weights = _path_weights(product, channels)
        by_degree = edge().view(-1, channels, n_degrees)
        of_paths = by_degree[:, :, degrees] * (weights * weights.new_tensor(signs))
        return of_paths.transpose(1, 2).flatten(1)

    return paths, matrix


def _last_product(product: Any, channels: int) -> tuple[list[int], Recipe]:
    """The product of an edge's tensors with its centre's surroundings to scalars.

    Returns:
        Paths from the surroundings, whose weights are the rows of the tensors; and what gives the
        factors (rows, channels) of the surroundings, float64.
    """
    n_rows = product.irreps_in1.dim
    row_of: dict[int, int] = {}
    n_factors = product.irreps_in2.dim
    # Of each row of the surroundings its path, if there is one, and the symbol.
    place_of = torch.zeros(n_factors, dtype=torch.int64)
    symbols = torch.zeros(n_factors, 1, dtype=torch.float64)
    for place, (i, j, _) in enumerate(_product_paths(product)):
        degree = product.irreps_in1[i].ir.l
        symbol = o3.wigner_3j(degree, degree, 0, dtype=torch.float64)
        for m in range(2 * degree + 1):
            tensor_row = product.irreps_in1.slices()[i].start + m
            row = product.irreps_in2.slices()[j].start + m
            if tensor_row in row_of or row in row_of.values():
                raise KernelsUnavailable("expected each degree once in the product to scalars")
            row_of[tensor_row] = row
            place_of[row], symbols[row] = place, symbol[m, m, 0]
    if len(row_of) != n_rows:
        raise KernelsUnavailable("expected all tensors in the product to scalars")
    paths = [number for row in range(n_rows) for number in (0, 0, 0, row_of[row], 1, 0, 1)]

    def factors() -> torch.Tensor:
        return _path_weights(product, channels).double()[:, place_of].t() * symbols

    return paths, factors
