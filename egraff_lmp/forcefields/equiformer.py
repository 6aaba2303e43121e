"""Equiformer (Liao & Smidt, ICLR 2023), written for this project from the paper on e3nn, with
periodic boundaries and without a cap on the neighbours.

A block is layer norm, equivariant graph attention, layer norm and a feed-forward network, each with
a residual connection (Fig. 1). The attention of a centre i over its neighbours j is
a_ij = softmax_j(a . leaky(f0_ij)) with the invariant part f0_ij of a depth-wise tensor product of
(linear x_i + linear x_j) with the harmonics of the edge, and the values are a second tensor product
of that message's gated rest (Eqs. 2-6). The softmax runs over all neighbours of a local atom, whose
edges are all at hand: no exchange inside a block.

Exchanged before every block: the neighbours' features after norm and linear map, as wide as the
embedding (480 for the paper's 128x0 + 64x1 + 32x2). The first block needs it, too: the embedding
holds a sum over neighbours (edge-degree embedding).

Three things differ from the authors' network in the presets "paper" and "small". These are smoothed
Equiformers, not the authors' function with other numerics: on the authors' weights, the envelope
within the softmax alone changes forces of 1.12 eV/A by up to 2.45 eV/A. All three can be had as
they are there, and "paper-original" is the authors' function:

- `smooth: false` is the original softmax, whose weights do not vanish at r_max: energies jump
  when a neighbour passes the cutoff. The default weights every neighbour by an envelope u(r),
  inside the softmax and once more outside, a_ij = u_ij (u_ij exp z_ij / sum_k u_ik exp z_ik), and
  multiplies the edge-degree embedding by u. Inside alone would not do: the last neighbour of an
  atom keeps the weight 1 until it leaves. With the weights of deployed_models/gete-equiformer.pt
  the original jumps by 87 meV (median of 18 pairs of GeTe-200, at most 277) when a pair of
  neighbours passes r_max, the default by nothing. Preset "paper-original" has it.
- `norm: layer` is the original layer norm, x / sqrt(mean |x|^2 + 1e-5) for each degree. Features of
  degree l > 0 vanish at symmetric sites, those of every ideal crystal, and there it multiplies them
  by 316, four times over in two blocks: forces around a perfect crystal are of the order of
  1e5 eV/A for displacements below 1e-6 A, and fall as their inverse beyond. The default,
  `norm: smooth`, divides degrees l > 0 by sqrt(mean |x|^2 + 1): large features are normalised as in
  the original, small ones pass as they are, so that no normalisation multiplies by more than its
  weight. Scalars do not vanish by symmetry and are normalised as in the original. Preset
  "paper-original" has `norm: layer`, and so have checkpoints from before this setting.
- `parity: false` is the network of Table 15 (and of the authors' MD17 models, 3.50 M parameters):
  irreps without parity, equivariant under rotations only, so that mirror images may differ in
  energy; both "paper" presets have it. "small" keeps the paths that respect reflections, with one
  parity for each degree, 0e + 1o + 2e. It is neither of the authors' two models: their network
  that respects reflections has 0o, 1e and 2o beside these.

Six settings say how the network is trained and normalised. All presets have them as the authors do
(`FAITHFUL`); a checkpoint from before these settings is built with `EARLIER`:

- `linear: fan_in` stores the weights of linear maps with the spread 1 / sqrt(fan-in) that they act
  with; `linear: unit` stores them with spread 1 and multiplies by 1 / sqrt(fan-in), as e3nn does.
  Both start with the same distribution of functions, but a step of Adam, whose size is the learning
  rate whatever the gradient's, moves the first by sqrt(fan-in) more: 10 to 23 times in "paper".
- `normalised_attention: true` divides the leaky activation of the attention by the root of its mean
  square for normal numbers, a factor 1.5313 (e3nn's `normalize2mom`), as all other activations are.
- `radial_bias: zero` starts the biases of hidden radial layers at zero; `uniform` is torch's own,
  within 1 / sqrt(fan-in), and what the last radial layer has in both. With biases of zero the first
  layer norm divides a basis that vanishes at the cutoff by its own size, so that untrained weights
  turn within a hundredth of r_max there; a few epochs of training end that.
- `mean_degree` is what the sum of the edge-degree embedding is divided by the root of: 15.579, the
  mean number of neighbours in QM9, which the authors use for MD17, too; or null for the mean of the
  training set. It is a constant so that their weights mean the same on other data: where atoms have
  more neighbours, the embedding is larger.
- `mean_atoms` divides the energy by its root: 18.03, the mean number of atoms in QM9, which the
  authors divide the sum over atoms by; or null for 1.
- `basis: float32` computes means and widths of the radial basis in float32, as the authors' code
  does; `exact` in float64.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Mapping
from typing import Any

import torch
from e3nn import nn as enn
from e3nn import o3
from e3nn.math import normalize2mom

from egraff_lmp.contract import Citation, Output
from egraff_lmp.forcefields.base import ForceField, Network, NetworkContext
from egraff_lmp.forcefields.building import (
    fresh_weights,
    require_choice,
    require_counts,
    require_known,
    require_positive,
)
from egraff_lmp.forcefields.exchange import exchange
from egraff_lmp.forcefields.layers import (
    BASES,
    depthwise_product,
    expnorm_basis,
    expnorm_initial,
    polynomial_envelope,
    softmax_over_neighbours,
    sum_over_neighbours,
)

ENVELOPE_POWER = 6.0
NORM_EPSILON = 1e-5
# What is added to the mean square of features of degree l > 0: see `norm` above.
NORM_FLOORS = {"smooth": 1.0, "layer": NORM_EPSILON}
NEGATIVE_SLOPE = 0.2  # of the leaky activation, section 3.3 of the paper
LINEARS = ("fan_in", "unit")
RADIAL_BIASES = ("zero", "uniform")
# Statistics of QM9 with a cutoff of 5 A, which the authors use for MD17, too.
QM9_MEAN_DEGREE = 15.57930850982666
QM9_MEAN_ATOMS = 18.03065905448718

# The authors' conventions of training, see above.
FAITHFUL: dict[str, Any] = {
    "linear": "fan_in",
    "normalised_attention": True,
    "radial_bias": "zero",
    "mean_degree": QM9_MEAN_DEGREE,
    "mean_atoms": QM9_MEAN_ATOMS,
    "basis": "float32",
}

PRESETS: dict[str, dict[str, Any]] = {
    "small": {
        "embedding": [24, 12],
        "num_layers": 2,
        "num_heads": 2,
        "head": [12, 6],
        "feed_forward": [48, 24],
        "feature": 48,
        "num_rbf": 16,
        "radial_hidden": [32, 32],
        "parity": True,
        "smooth": True,
        "norm": "smooth",
        **FAITHFUL,
    },
    # Table 15 of EGraFFBench, the authors' MD17 model of degree 2: 3.50 M parameters.
    "paper": {
        "embedding": [128, 64, 32],
        "num_layers": 6,
        "num_heads": 4,
        "head": [32, 16, 8],
        "feed_forward": [384, 192, 96],
        "feature": 512,
        "num_rbf": 32,
        "radial_hidden": [64, 64],
        "parity": False,
        "smooth": True,
        "norm": "smooth",
        **FAITHFUL,
    },
}
PRESETS["paper-original"] = {**PRESETS["paper"], "smooth": False, "norm": "layer"}
# Settings that checkpoints of earlier versions do not have, and what their networks do.
EARLIER: dict[str, Any] = {
    "norm": "layer",
    "linear": "unit",
    "normalised_attention": False,
    "radial_bias": "uniform",
    "mean_degree": None,
    "mean_atoms": None,
    "basis": "exact",
}


def irreps_of(multiplicities: list[int], parity: bool) -> o3.Irreps:
    """[128, 64, 32] to 128x0e + 64x1o + 32x2e, or, without parity, 128x0e + 64x1e + 32x2e."""
    return o3.Irreps(
        [(mul, (ell, (-1) ** ell if parity else 1)) for ell, mul in enumerate(multiplicities)]
    )


class FanInLinear(torch.nn.Module):
    """A linear map between irreps whose weights start with spread 1 / sqrt(fan-in), as they act.

    It has what is read of e3nn's `Linear`: irreps, `weight`, `bias` and `instructions`, whose
    factors are 1.

    Args:
        irreps_in: of the features.
        irreps_out: of the result; the fan-in of an irrep is the number of its copies in.
        biases: whether scalars have biases, which start at zero.
    """

    def __init__(self, irreps_in: Any, irreps_out: Any, *, biases: bool = False) -> None:
        super().__init__()
        # Its weights are given to it: those here, divided by the factor that it multiplies with.
        self.map = o3.Linear(irreps_in, irreps_out, biases=biases, internal_weights=False)
        self.irreps_in, self.irreps_out = self.map.irreps_in, self.map.irreps_out
        paths = [path for path in self.map.instructions if path.i_in != -1]
        self.instructions = [path._replace(path_weight=1.0) for path in self.map.instructions]
        self.sizes = [math.prod(path.path_shape) for path in paths]
        self.factors = [1.0 / path.path_weight for path in paths]
        spread = torch.cat(
            [
                torch.full((size,), path.path_weight)
                for size, path in zip(self.sizes, paths, strict=True)
            ]
        )
        self.weight = torch.nn.Parameter(torch.randn(self.map.weight_numel) * spread)
        bias = torch.zeros(self.map.bias_numel)
        if self.map.bias_numel:
            self.bias = torch.nn.Parameter(bias)
        else:
            self.register_buffer("bias", bias, persistent=False)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(n, width in) to (n, width out)."""
        parts: list[torch.Tensor] = []
        for part, factor in zip(self.weight.split(self.sizes), self.factors):  # noqa: B905
            parts.append(part * factor)
        return self.map(features, torch.cat(parts), self.bias)


def linear_map(
    linear: str, irreps_in: Any, irreps_out: Any, *, biases: bool = False
) -> torch.nn.Module:
    """A linear map whose weights are stored as `linear`, one of `LINEARS`, says."""
    if linear == "fan_in":
        return FanInLinear(irreps_in, irreps_out, biases=biases)
    return o3.Linear(irreps_in, irreps_out, biases=biases)


class _LayerNorm(torch.nn.Module):
    """Equivariant layer norm: scalars as usual; each other degree by its mean square length.

    Section 3.3 and appendix of the paper. The multiplicities have to be those of `irreps_of`;
    `norm` is one of `NORM_FLOORS`.
    """

    __constants__ = ("multiplicities",)

    def __init__(self, irreps: o3.Irreps, norm: str) -> None:
        super().__init__()
        self.epsilon = NORM_EPSILON
        self.floor = NORM_FLOORS[norm]
        self.multiplicities = [mul for mul, _ in irreps]
        self.weight = torch.nn.Parameter(torch.ones(sum(self.multiplicities)))
        self.bias = torch.nn.Parameter(torch.zeros(self.multiplicities[0]))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """(N, width) to (N, width)."""
        parts: list[torch.Tensor] = []
        column, channel = 0, 0
        for degree, multiplicity in enumerate(self.multiplicities):
            width = 2 * degree + 1
            part = features[:, column : column + multiplicity * width]
            part = part.reshape(-1, multiplicity, width)
            if degree == 0:
                part = part - part.mean(dim=1, keepdim=True)
            square = part.pow(2).mean(dim=2, keepdim=True).mean(dim=1, keepdim=True)
            weight = self.weight[channel : channel + multiplicity].view(1, -1, 1)
            floor = self.epsilon if degree == 0 else self.floor
            part = part * (square + floor).rsqrt() * weight
            if degree == 0:
                part = part + self.bias.view(1, -1, 1)
            parts.append(part.reshape(features.size(0), multiplicity * width))
            column += multiplicity * width
            channel += multiplicity
        return torch.cat(parts, dim=1)


class _Radial(torch.nn.Module):
    """Weights of a tensor product from the radial basis: a perceptron with layer norms."""

    def __init__(self, widths: list[int], bias: str) -> None:
        super().__init__()
        layers: list[torch.nn.Module] = []
        for before, after in itertools.pairwise(widths[:-1]):
            layers += [torch.nn.Linear(before, after), torch.nn.LayerNorm(after), torch.nn.SiLU()]
            if bias == "zero":
                torch.nn.init.zeros_(layers[-3].bias)  # type: ignore[arg-type]
        self.net = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-2], widths[-1]))

    def forward(self, basis: torch.Tensor) -> torch.Tensor:
        """(E, K) to (E, weights)."""
        return self.net(basis)


class _DegreeEmbedding(torch.nn.Module):
    """What an atom sees around it before the first block: sum_j R(r_ij) Y(r_ij) / sqrt(n)."""

    def __init__(
        self,
        irreps: o3.Irreps,
        harmonics: o3.Irreps,
        settings: Mapping[str, Any],
        radial: list[int],
        norm: float,
    ) -> None:
        super().__init__()
        linear = settings["linear"]
        self.norm = norm**0.5
        self.constant = linear_map(linear, "1x0e", irreps, biases=True)
        self.product, irreps_mid = depthwise_product(irreps, harmonics, irreps)
        self.radial = _Radial([*radial, self.product.weight_numel], settings["radial_bias"])
        self.project = linear_map(linear, irreps_mid.simplify(), irreps, biases=True)

    def forward(
        self,
        harmonics: torch.Tensor,
        basis: torch.Tensor,
        envelope: torch.Tensor,
        centers: torch.Tensor,
        n_local: int,
    ) -> torch.Tensor:
        """(n_local, width) from what is known of the edges."""
        ones = torch.ones(1, 1, dtype=basis.dtype, device=basis.device)
        one = self.constant(ones).expand(basis.size(0), -1)
        messages = self.project(self.product(one, harmonics, self.radial(basis)))
        return sum_over_neighbours(messages * envelope, centers, n_local) / self.norm


class _Attention(torch.nn.Module):
    """Equivariant graph attention (section 3.3 of the paper) of several heads."""

    __constants__ = ("smooth", "n_heads")

    def __init__(
        self,
        irreps: o3.Irreps,
        harmonics: o3.Irreps,
        settings: Mapping[str, Any],
        radial: list[int],
    ) -> None:
        super().__init__()
        linear, head = settings["linear"], list(settings["head"])
        self.smooth = bool(settings["smooth"])
        self.slope = NEGATIVE_SLOPE
        self.n_heads = n_heads = int(settings["num_heads"])
        heads = irreps_of([n_heads * mul for mul in head], bool(settings["parity"]))
        self.alpha_width = n_heads * head[0]
        self.from_neighbor = linear_map(linear, irreps, irreps, biases=True)
        self.from_center = linear_map(linear, irreps, irreps)
        self.product, irreps_mid = depthwise_product(irreps, harmonics, irreps)
        irreps_mid = irreps_mid.simplify()
        self.radial = _Radial([*radial, self.product.weight_numel], settings["radial_bias"])
        self.alpha = linear_map(linear, irreps_mid, f"{self.alpha_width}x0e", biases=True)
        self.leaky_factor = 1.0
        if settings["normalised_attention"]:
            self.leaky_factor = float(normalize2mom(self.leaky).cst)
        self.alpha_dot = torch.nn.Parameter(torch.empty(n_heads, head[0]))
        torch.nn.init.xavier_uniform_(self.alpha_dot)
        self.gate = gate_of(irreps)
        self.to_gate = linear_map(linear, irreps_mid, self.gate.irreps_in, biases=True)
        self.value_product, value_mid = depthwise_product(
            irreps, harmonics, heads, own_weights=True
        )
        self.to_value = linear_map(linear, value_mid.simplify(), heads, biases=True)
        self.project = linear_map(linear, heads, irreps, biases=True)
        # The head that each component of a value belongs to.
        head_of = [
            channel // mul
            for ell, mul in enumerate(head)
            for channel in range(n_heads * mul)
            for _ in range(2 * ell + 1)
        ]
        self.register_buffer("head_of", torch.tensor(head_of))

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        basis: torch.Tensor,
        envelope: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> torch.Tensor:
        """(n_local, width) to (n_local, width); see the module's docstring."""
        n_local = features.size(0)
        centers = edge_index[0]
        sent = exchange(self.from_neighbor(features))
        pairs = sent[edge_index[1]] + self.from_center(features)[centers]
        message = self.product(pairs, harmonics, self.radial(basis))
        attention = self.attention(message, envelope, centers, n_local)
        value = self.gate(self.to_gate(message))
        value = self.to_value(self.value_product(value, harmonics))
        weighted = value * torch.index_select(attention, 1, self.head_of)  # type: ignore[arg-type]
        return self.project(sum_over_neighbours(weighted, centers, n_local))

    def attention(
        self, message: torch.Tensor, envelope: torch.Tensor, centers: torch.Tensor, n_local: int
    ) -> torch.Tensor:
        """Weight of each edge in each head, (E, heads)."""
        leaky = self.leaky(self.alpha(message))
        heads = leaky.view(-1, self.n_heads, self.alpha_width // self.n_heads)
        logits = (heads * self.alpha_dot).sum(dim=2) * self.leaky_factor
        if self.smooth:
            # Under the exponential, so that the largest logit cannot hide behind a tiny envelope.
            logits = logits + torch.log(envelope.clamp(min=1e-30))
            return softmax_over_neighbours(logits, centers, n_local) * envelope
        return softmax_over_neighbours(logits, centers, n_local)

    def leaky(self, x: torch.Tensor) -> torch.Tensor:
        """A leaky ReLU whose kink is rounded off by a sigmoid; any shape."""
        leaky = 0.5 * (1.0 + self.slope) * x
        return leaky + 0.5 * (1.0 - self.slope) * x * (2.0 * torch.sigmoid(x) - 1.0)


def gate_of(irreps: o3.Irreps) -> enn.Gate:
    """SiLU on scalars; every other irrep times the sigmoid of a scalar of its own."""
    scalars = o3.Irreps([(mul, ir) for mul, ir in irreps if ir.l == 0])
    gated = o3.Irreps([(mul, ir) for mul, ir in irreps if ir.l > 0])
    gates = o3.Irreps([(gated.num_irreps, (0, 1))] if gated.num_irreps else [])
    return enn.Gate(
        scalars,
        [torch.nn.functional.silu] * len(scalars),
        gates,
        [torch.sigmoid] * len(gates),
        gated,
    )


class _Block(torch.nn.Module):
    """Attention and feed-forward network, each after a layer norm and beside a shortcut."""

    __constants__ = ("changes_irreps",)

    def __init__(
        self,
        irreps: o3.Irreps,
        irreps_out: o3.Irreps,
        harmonics: o3.Irreps,
        settings: Mapping[str, Any],
        radial: list[int],
    ) -> None:
        super().__init__()
        parity, norm = bool(settings["parity"]), str(settings["norm"])
        linear = settings["linear"]
        self.norm_1 = _LayerNorm(irreps, norm)
        self.attention = _Attention(irreps, harmonics, settings, radial)
        self.norm_2 = _LayerNorm(irreps, norm)
        middle = irreps_of(list(settings["feed_forward"]), parity)
        self.gate = gate_of(middle)
        self.linear_1 = linear_map(linear, irreps, self.gate.irreps_in, biases=True)
        self.linear_2 = linear_map(linear, middle, irreps_out, biases=True)
        self.changes_irreps = irreps != irreps_out
        self.shortcut: torch.nn.Module = (
            linear_map(linear, irreps, irreps_out, biases=True)
            if self.changes_irreps
            else torch.nn.Identity()
        )

    def forward(
        self,
        features: torch.Tensor,
        harmonics: torch.Tensor,
        basis: torch.Tensor,
        envelope: torch.Tensor,
        edge_index: torch.Tensor,
    ) -> torch.Tensor:
        """(n_local, width) to (n_local, width of the block's output)."""
        found = self.attention(self.norm_1(features), harmonics, basis, envelope, edge_index)
        features = features + found
        found = self.linear_2(self.gate(self.linear_1(self.norm_2(features))))
        return self.shortcut(features) + found


class EquiformerNetwork(torch.nn.Module):
    """Equiformer's energy as a function of a graph (see `forcefields.base`)."""

    __constants__ = ("r_max", "smooth")

    def __init__(self, settings: Mapping[str, Any], context: NetworkContext) -> None:
        super().__init__()
        parity = bool(settings["parity"])
        self.smooth = bool(settings["smooth"])
        self.r_max = context.r_max
        self.dtype = context.dtype
        self.envelope_power = ENVELOPE_POWER
        self.n_species = len(context.species)
        self.n_layers = int(settings["num_layers"])
        n_basis = int(settings["num_rbf"])
        embedding = list(settings["embedding"])
        irreps = irreps_of(embedding, parity)
        feature = o3.Irreps([(int(settings["feature"]), (0, 1))])
        harmonics = irreps_of([1] * len(embedding), parity)
        radial = [n_basis, *settings["radial_hidden"]]
        self.harmonics = o3.SphericalHarmonics(harmonics, normalize=True, normalization="component")
        linear = settings["linear"]
        # Its weights act with spread 1, and are stored so, here as in the authors' code.
        self.atom_embedding = o3.Linear(f"{self.n_species}x0e", irreps, biases=True)
        means, betas = expnorm_initial(context.r_max, n_basis, BASES[settings["basis"]])
        self.register_buffer("means", means.to(context.dtype))
        self.register_buffer("betas", betas.to(context.dtype))
        mean_degree = settings["mean_degree"]
        self.degree_embedding = _DegreeEmbedding(
            irreps,
            harmonics,
            settings,
            radial,
            context.avg_num_neighbors if mean_degree is None else float(mean_degree),
        )
        self.blocks = torch.nn.ModuleList(
            _Block(
                irreps,
                irreps if index < self.n_layers - 1 else feature,
                harmonics,
                settings,
                radial,
            )
            for index in range(self.n_layers)
        )
        self.norm = _LayerNorm(feature, str(settings["norm"]))
        self.readout = torch.nn.Sequential(
            linear_map(linear, feature, feature, biases=True),
            enn.Activation(feature, [torch.nn.functional.silu]),
            linear_map(linear, feature, "0e", biases=True),
        )
        self.energy_divisor = float(settings["mean_atoms"] or 1.0) ** 0.5
        self.exchange_widths = (irreps.dim,) * self.n_layers
        self.outputs = (Output("features", "atom", feature.dim),)

    def forward(
        self,
        edge_vectors: torch.Tensor,
        edge_index: torch.Tensor,
        types: torch.Tensor,
        n_local: int,
    ) -> dict[str, torch.Tensor]:
        """Energy of each local atom in units of the training scale, and its last features."""
        dtype = self.dtype
        lengths = torch.linalg.vector_norm(edge_vectors, dim=1, keepdim=True)
        harmonics = self.harmonics(edge_vectors).to(dtype)
        if self.smooth:
            envelope = polynomial_envelope(lengths, self.r_max, self.envelope_power).to(dtype)
        else:
            envelope = torch.ones_like(lengths).to(dtype)
        basis = expnorm_basis(
            lengths.to(dtype),
            self.means,  # type: ignore[arg-type]
            self.betas,  # type: ignore[arg-type]
            self.r_max,
        )
        one_hot = torch.nn.functional.one_hot(types[:n_local], self.n_species).to(dtype)
        features = self.atom_embedding(one_hot * self.n_species**0.5)
        features = features + self.degree_embedding(
            harmonics, basis, envelope, edge_index[0], n_local
        )
        for block in self.blocks:
            features = block(features, harmonics, basis, envelope, edge_index)
        features = self.norm(features)
        energy = self.readout(features).view(-1) / self.energy_divisor
        return {"energy": energy, "features": features}


def build(settings: Mapping[str, Any], context: NetworkContext) -> EquiformerNetwork:
    """Equiformer from its settings.

    Args:
        settings: channels of each degree, scalars first, of the `embedding`, of one `head` and of
            the `feed_forward` network; `feature`, scalars after the last block; `num_layers`,
            `num_heads`, `num_rbf`, `radial_hidden`; `parity`, `smooth`, `norm` and those of
            `FAITHFUL`, see the module. Those that checkpoints of earlier versions do not have may
            be left out, and are then as they were: `EARLIER`.
        context: what the data fixes.

    Raises:
        ValueError: lists of different lengths, an unknown setting or value.
        KeyError: a setting is missing.
    """
    settings = {**EARLIER, **settings}
    require_known(settings, PRESETS["small"])
    choices: dict[str, Collection[str]] = {
        "norm": NORM_FLOORS,
        "linear": LINEARS,
        "radial_bias": RADIAL_BIASES,
        "basis": BASES,
    }
    for name, known in choices.items():
        require_choice(settings, name, known)
    for name in ("mean_degree", "mean_atoms"):
        if settings[name] is not None:
            require_positive(settings, name)
    lengths = {name: len(settings[name]) for name in ("embedding", "head", "feed_forward")}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"expected one number for each degree in each of {lengths}")
    require_counts(settings, "num_layers", "num_heads", "num_rbf", "feature")
    with fresh_weights(context):
        return EquiformerNetwork(settings, context)


def spared(network: Network) -> list[torch.nn.Parameter]:
    """Norms and biases, which the authors' optimiser does not decay.

    Except for the bias after the last radial layer: it is a parameter of another name there.
    """
    norms: list[torch.nn.Parameter] = []
    biases: dict[int, torch.nn.Parameter] = {}
    for module in network.modules():
        if isinstance(module, _LayerNorm | torch.nn.LayerNorm):
            norms += module.parameters(recurse=False)
        elif isinstance(getattr(module, "bias", None), torch.nn.Parameter):
            biases[id(module)] = module.bias  # type: ignore[assignment]
    for module in network.modules():
        if isinstance(module, _Radial):
            del biases[id(module.net[-1])]
    return [*norms, *biases.values()]


EQUIFORMER = ForceField(
    key="equiformer",
    architecture="Equiformer",
    build=build,
    presets=PRESETS,
    citations=(
        Citation(
            text=(
                "Y.-L. Liao, T. Smidt, Equiformer: Equivariant graph attention transformer for 3D "
                "atomistic graphs, ICLR (2023)"
            ),
            doi="10.48550/arXiv.2206.11990",
        ),
    ),
    packages=("e3nn",),
    spared=spared,
)
