"""What acts between the atoms: one network, an ensemble, and other styles beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from random_decks.chooser import Chooser
from random_decks.models import KINDS

SHARES: Mapping[str, float] = {
    "alone": 12,
    "overlay lj/cut": 2,
    "overlay soft": 1,
    "hybrid lj/cut": 2,
    "two of them": 1,
    "scaled": 1,
}
LJ_CUTOFF, SOFT_CUTOFF = 4.5, 3.2  # A
# eV and A; small beside the network, so that neither hides the other.
LJ = ((0.02, 1.7), (0.03, 1.8), (0.01, 1.6))
SOFT = (0.4, 0.7, 0.2)
KCAL_PER_EV = 23.060549


@dataclass(frozen=True)
class Network:
    """The mean of `members` on types whose element is not None, times `weight`."""

    members: tuple[str, ...]
    elements: tuple[str | None, ...]
    weight: float = 1.0


@dataclass(frozen=True)
class PairTerm:
    """A sum over pairs: `form` is "lj/cut" or "soft"; (type, type) to parameters in eV and A."""

    form: str
    cutoff: float
    pairs: Mapping[tuple[int, int], tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Interactions:
    """Everything that acts.

    Attributes:
        style: its kind, key of SHARES.
        networks, pairs: what Python sums.
        lines: pair_style and pair_coeff of the deck, `{MODEL:name}` for a file.
    """

    style: str
    networks: tuple[Network, ...]
    pairs: tuple[PairTerm, ...]
    lines: tuple[str, ...]

    @property
    def members(self) -> tuple[str, ...]:
        """Names of all models."""
        return tuple(name for network in self.networks for name in network.members)

    @property
    def deviates(self) -> bool:
        """Whether the deviation of an ensemble can be asked for."""
        return self.style == "alone" and len(self.members) > 1

    @property
    def single(self) -> bool:
        """Whether any model is of float32."""
        return any(KINDS[name].dtype == "float32" for name in self.members)


def draw_members(choose: Chooser, name: str = "model") -> tuple[str, ...]:
    """One model, two or three."""
    count = choose.pick(f"{name}s", {1: 0.8, 2: 0.13, 3: 0.07})
    weights = {kind: 0.5 if kind.endswith("32") else 1.0 for kind in KINDS}
    return tuple(choose.pick(f"{name} {k}", weights) for k in range(count))


def draw_interactions(
    choose: Chooser, elements: tuple[str, ...], units: str, keywords: str, members: tuple[str, ...]
) -> Interactions:
    """Pair styles for types of `elements`; `keywords` are those of pair_style egraff."""
    shares = SHARES if len(elements) > 1 else {k: v for k, v in SHARES.items() if "hyb" not in k}
    style = choose.pick("interactions", shares)
    unit = KCAL_PER_EV if units == "real" else 1.0
    count = len(elements)
    every = [(i, j) for i in range(1, count + 1) for j in range(i, count + 1)]
    egraff = f"egraff {keywords}".strip()
    if style == "alone":
        lines = [f"pair_style {egraff}", _coeff("", members, elements)]
        return Interactions(style, (Network(members, elements),), (), tuple(lines))
    if style in ("two of them", "scaled"):
        others = draw_members(choose, "other model")
        weights = (1.0, 1.0) if style == "two of them" else (0.25, 0.75)
        words = [egraff, egraff] if style == "two of them" else [f"0.25 {egraff} 0.75 {egraff}"]
        lines = [f"pair_style hybrid/{'overlay' if len(words) > 1 else 'scaled'} {' '.join(words)}"]
        networks = []
        for place, (names, weight) in enumerate(zip((members, others), weights, strict=True), 1):
            lines.append(_coeff(f"egraff {place} ", names, elements))
            networks.append(Network(names, elements, weight))
        return Interactions(style, tuple(networks), (), tuple(lines))
    known: tuple[str | None, ...] = elements
    pairs = every
    if style.startswith("hybrid"):
        known = (*elements[:-1], None)
        pairs = [pair for pair in every if count in pair]
    form = "soft" if "soft" in style else "lj/cut"
    cutoff = SOFT_CUTOFF if form == "soft" else LJ_CUTOFF
    base = "hybrid" if style.startswith("hybrid") else "hybrid/overlay"
    lines = [f"pair_style {base} {egraff} {form} {cutoff}", _coeff("egraff ", members, known)]
    made = {}
    for i, j in pairs:
        values = (SOFT[(i + j) % 3],) if form == "soft" else LJ[(i + j) % 3]
        made[i, j] = values
        words = " ".join(f"{value:.17g}" for value in (values[0] * unit, *values[1:]))
        lines.append(f"pair_coeff {i} {j} {form} {words}")
    term = PairTerm(form, cutoff, made)
    return Interactions(style, (Network(members, known),), (term,), tuple(lines))


def _coeff(style: str, members: tuple[str, ...], elements: tuple[str | None, ...]) -> str:
    files = " ".join(f'"{{MODEL:{name}}}"' for name in members)
    return f"pair_coeff * * {style}{files} {' '.join(e or 'NULL' for e in elements)}"
