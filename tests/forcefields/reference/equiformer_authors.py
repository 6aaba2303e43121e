"""Equiformer with its authors' conventions of training, from the paper's equations: a reference.

It shares no module with `egraff_lmp`: features are lists of tensors [n, copies, 2l + 1] by degree,
linear maps are matrices as they act, products are sums over Wigner 3j symbols, one path after the
other. Parameters have the authors' kind: what acts is what is stored, radial networks end in an
`offset`, and each has its name. Of the authors' released code (atomicarchitects/equiformer, commit
a4360ad) these are taken as facts: the distributions that parameters start from, which of them the
optimiser decays, mean degree and mean number of atoms, and that activations are divided by the root
of their second moment as e3nn finds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from e3nn import o3
from e3nn.math import normalize2mom

MEAN_DEGREE = 15.57930850982666
MEAN_ATOMS = 18.03065905448718
EPSILON = 1e-5

Features = list[torch.Tensor]


@dataclass(frozen=True)
class Sizes:
    """Copies of each degree, and the rest of what a network is built by."""

    embedding: Sequence[int]
    head: Sequence[int]
    feed_forward: Sequence[int]
    feature: int
    n_blocks: int
    n_heads: int
    n_basis: int
    radial_hidden: Sequence[int]
    n_types: int
    r_max: float

    @property
    def paths(self) -> list[tuple[int, int, int]]:
        """(l of the features, l of the harmonics, l of the result) of a depth-wise product."""
        degrees = range(len(self.embedding))
        return [
            (first, second, third)
            for first in degrees
            for second in degrees
            for third in range(abs(first - second), first + second + 1)
            if third < len(self.embedding)
        ]


class Parameters:
    """Parameters by name, drawn when they are first asked for."""

    def __init__(self, seed: int) -> None:
        self.values: dict[str, torch.Tensor] = {}
        self.decayed: dict[str, bool] = {}
        self.generator = torch.Generator().manual_seed(seed)

    def get(
        self, name: str, shape: Sequence[int], kind: str, size: float, *, decayed: bool
    ) -> torch.Tensor:
        """A parameter that starts "normal" or "uniform" of that size, or as the "constant"."""
        if name not in self.values:
            value = torch.full(tuple(shape), size, dtype=torch.float64)
            if kind == "normal":
                value = size * torch.randn(value.shape, generator=self.generator).double()
            elif kind == "uniform":
                value = size * (2 * torch.rand(value.shape, generator=self.generator).double() - 1)
            self.values[name] = value.requires_grad_(True)
            self.decayed[name] = decayed
        return self.values[name]


def leaky(x: torch.Tensor) -> torch.Tensor:
    """Smooth leaky ReLU: x for x >> 0, 0.2 x for x << 0."""
    return x * (0.2 + 0.8 * torch.sigmoid(x))


def normalised(function: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """One over the root of its second moment."""
    return float(normalize2mom(function).cst)


class AuthorsEquiformer:
    """Energies in the authors' units as a function of a graph, for `sizes`."""

    def __init__(self, sizes: Sizes, seed: int = 0) -> None:
        self.sizes = sizes
        self.parameters = Parameters(seed)
        self.silu = normalised(torch.nn.functional.silu)
        self.sigmoid = normalised(torch.sigmoid)
        self.leaky = normalised(leaky)
        degrees = range(len(sizes.embedding))
        self.symbols = {
            (a, b, c): o3.wigner_3j(a, b, c, dtype=torch.float64)
            for a in degrees
            for b in degrees
            for c in range(abs(a - b), a + b + 1)
        }

    def linear(
        self, name: str, x: Features, outputs: Sequence[int], *, bias: bool = True
    ) -> Features:
        """A matrix for each degree, and a bias for scalars, which is not decayed."""
        found = []
        for degree, copies in enumerate(outputs):
            if degree >= len(x) or x[degree].size(1) == 0:
                found.append(x[0].new_zeros(x[0].size(0), copies, 2 * degree + 1))
                continue
            fan_in = x[degree].size(1)
            weight = self.parameters.get(
                f"{name}.{degree}", (fan_in, copies), "normal", fan_in**-0.5, decayed=True
            )
            found.append(torch.einsum("nui,uw->nwi", x[degree], weight))
        if bias:
            shift = self.parameters.get(
                f"{name}.bias", (outputs[0],), "constant", 0.0, decayed=False
            )
            found[0] = found[0] + shift[:, None]
        return found

    def radial(self, name: str, basis: torch.Tensor, n_weights: int) -> torch.Tensor:
        """(E, n_weights): linear maps with layer norms between them, and an offset."""
        x, get = basis, self.parameters.get
        for index, width in enumerate([*self.sizes.radial_hidden, n_weights]):
            bound = x.size(1) ** -0.5
            shape = (width, x.size(1))
            x = x @ get(f"{name}.{index}", shape, "uniform", bound, decayed=True).T
            if index == len(self.sizes.radial_hidden):
                return x + get(f"{name}.offset", (width,), "uniform", bound, decayed=True)
            x = x + get(f"{name}.{index}.bias", (width,), "constant", 0.0, decayed=False)
            x = (x - x.mean(1, keepdim=True)) / (
                x.var(1, unbiased=False, keepdim=True) + EPSILON
            ) ** 0.5
            x = x * get(f"{name}.{index}.norm", (width,), "constant", 1.0, decayed=False)
            x = x + get(f"{name}.{index}.shift", (width,), "constant", 0.0, decayed=False)
            x = x * torch.sigmoid(x)
        raise AssertionError

    def product(self, x: Features, harmonics: Features, weights: Features) -> Features:
        """Channel by channel, results of one degree side by side in the order of the paths."""
        found: list[Features] = [[] for _ in self.sizes.embedding]
        for (first, second, third), weight in zip(self.sizes.paths, weights, strict=True):
            symbol = math.sqrt(2 * third + 1) * self.symbols[first, second, third]
            made = torch.einsum("nui,nj,ijk->nuk", x[first], harmonics[second], symbol)
            found[third].append(made * weight[..., None])
        return [torch.cat(parts, dim=1) for parts in found]

    def split(self, weights: torch.Tensor, x: Sequence[int]) -> Features:
        """Weights of the paths, (..., copies) each, out of (..., sum of copies)."""
        return list(weights.split([x[first] for first, _, _ in self.sizes.paths], dim=-1))

    def gate(self, x: Features, copies: Sequence[int]) -> Features:
        """SiLU of the first scalars; the rest are the gates of the other degrees."""
        scalars, *gates = x[0][..., 0].split(list(copies), dim=1)
        found = [(self.silu * scalars * torch.sigmoid(scalars))[..., None]]
        for value, gate in zip(x[1:], gates, strict=True):
            found.append(value * (self.sigmoid * torch.sigmoid(gate))[..., None])
        return found

    def norm(self, name: str, x: Features) -> Features:
        """Each degree by the root of its mean square; scalars are centred and shifted, too."""
        found = []
        for degree, part in enumerate(x):
            get = self.parameters.get
            weight = get(f"{name}.{degree}", (part.size(1),), "constant", 1.0, decayed=False)
            if degree == 0:
                part = part - part.mean(1, keepdim=True)
            size = (part.pow(2).mean((1, 2), keepdim=True) + EPSILON) ** 0.5
            part = part / size * weight[:, None]
            if degree == 0:
                shift = get(f"{name}.bias", (part.size(1),), "constant", 0.0, decayed=False)
                part = part + shift[:, None]
            found.append(part)
        return found

    def attention(
        self,
        name: str,
        x: Features,
        harmonics: Features,
        basis: torch.Tensor,
        centers: torch.Tensor,
        neighbours: torch.Tensor,
    ) -> Features:
        """Non-linear messages, weighted by a softmax over the neighbours in each head."""
        s = self.sizes
        sent = self.linear(f"{name}.sent", x, s.embedding)
        own = self.linear(f"{name}.own", x, s.embedding, bias=False)
        pairs = [a[neighbours] + b[centers] for a, b in zip(sent, own, strict=True)]
        n_weights = sum(s.embedding[first] for first, _, _ in s.paths)
        weights = self.radial(f"{name}.radial", basis, n_weights)
        message = self.product(pairs, harmonics, self.split(weights, s.embedding))
        invariant = self.linear(f"{name}.alpha", message, [s.n_heads * s.head[0]])[0]
        invariant = invariant.reshape(-1, s.n_heads, s.head[0])
        bound = (6.0 / (s.n_heads + s.head[0])) ** 0.5
        dot = self.parameters.get(
            f"{name}.dot", (s.n_heads, s.head[0]), "uniform", bound, decayed=True
        )
        logits = (self.leaky * leaky(invariant) * dot).sum(2)
        gated = [s.embedding[0] + sum(s.embedding[1:]), *s.embedding[1:]]
        value = self.gate(self.linear(f"{name}.value", message, gated), s.embedding)
        inner = self.parameters.get(f"{name}.inner", (n_weights,), "normal", 1.0, decayed=True)
        value = self.product(value, harmonics, self.split(inner, s.embedding))
        heads = [s.n_heads * copies for copies in s.head]
        value = self.linear(f"{name}.heads", value, heads)
        n_atoms = x[0].size(0)
        found = [torch.zeros(n_atoms, part.size(1), part.size(2)).double() for part in value]
        for atom in range(n_atoms):
            of_atom = (centers == atom).nonzero()[:, 0]
            share = torch.softmax(logits[of_atom], dim=0)
            for degree, part in enumerate(value):
                own_share = share.repeat_interleave(s.head[degree], dim=1)[..., None]
                rows = torch.tensor([atom]).expand(len(of_atom))
                found[degree] = found[degree].index_add(0, rows, part[of_atom] * own_share)
        return self.linear(f"{name}.out", found, s.embedding)

    def energies(
        self, vectors: torch.Tensor, index: torch.Tensor, types: torch.Tensor
    ) -> torch.Tensor:
        """Of each atom, (N,), whose sum is the authors' energy; edges lead to neighbours."""
        s, get = self.sizes, self.parameters.get
        centers, neighbours = index
        lengths = vectors.norm(dim=1, keepdim=True)
        harmonics = [
            o3.spherical_harmonics(ell, vectors, normalize=True, normalization="component")
            for ell in range(len(s.embedding))
        ]
        start = torch.exp(torch.tensor(-s.r_max, dtype=torch.float32))
        means = torch.linspace(float(start), 1.0, s.n_basis, dtype=torch.float32).double()
        beta = float((2 / s.n_basis * (1 - start)) ** -2)
        cutoff = 0.5 * (torch.cos(math.pi * lengths / s.r_max) + 1.0)
        basis = cutoff * torch.exp(-beta * (torch.exp(-5.0 / s.r_max * lengths) - means) ** 2)

        table = get("types", (s.n_types, s.embedding[0]), "normal", 1.0, decayed=True)
        shift = get("types.bias", (s.embedding[0],), "constant", 0.0, decayed=False)
        one = torch.ones(1, 1, 1, dtype=torch.float64)
        constant = self.linear("degree.constant", [one], s.embedding)
        constant = [part.expand(len(vectors), -1, -1) for part in constant]
        n_weights = sum(s.embedding[first] for first, _, _ in s.paths)
        weights = self.radial("degree.radial", basis, n_weights)
        around = self.product(constant, harmonics, self.split(weights, s.embedding))
        around = self.linear("degree.out", around, s.embedding)
        x = []
        for part in around:
            total = torch.zeros(len(types), part.size(1), part.size(2)).double()
            x.append(total.index_add(0, centers, part) / MEAN_DEGREE**0.5)
        x[0] = x[0] + (table[types] + shift)[..., None]

        for block in range(s.n_blocks):
            name, last = f"blocks.{block}", block == s.n_blocks - 1
            normed = self.norm(f"{name}.norm_1", x)
            found = self.attention(
                f"{name}.attention", normed, harmonics, basis, centers, neighbours
            )
            x = [a + b for a, b in zip(x, found, strict=True)]
            wide = [s.feed_forward[0] + sum(s.feed_forward[1:]), *s.feed_forward[1:]]
            inside = self.linear(f"{name}.first", self.norm(f"{name}.norm_2", x), wide)
            target = [s.feature] if last else s.embedding
            found = self.linear(f"{name}.second", self.gate(inside, s.feed_forward), target)
            if last:
                x = self.linear(f"{name}.shortcut", x, target)
            x = [a + b for a, b in zip(x, found, strict=True)]
        x = self.linear("readout.first", self.norm("norm", x), [s.feature])
        scalars = self.silu * x[0] * torch.sigmoid(x[0])
        energy = self.linear("readout.second", [scalars], [1])[0]
        return energy.reshape(-1) / MEAN_ATOMS**0.5
