"""Named random choices: one can be fixed without changing any other."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")


class Chooser:
    """Choices of one draw, each from a random stream that belongs to its name.

    Args:
        seed: of the campaign.
        index: of the draw.
        fixed: choices that are not left to chance: name to position among its options. That is how
            a failing draw is made simpler, and how the simpler one is repeated.
    """

    def __init__(self, seed: int, index: int, fixed: Mapping[str, int] | None = None) -> None:
        self._seed, self._index = seed, index
        self.fixed = dict(fixed or {})
        self.made: dict[str, int] = {}
        self.words: dict[str, str] = {}
        self.replaced: dict[str, str] = {}

    def rng(self, name: str) -> np.random.Generator:
        """The random stream of `name`."""
        return np.random.default_rng([self._seed, self._index, zlib.crc32(name.encode())])

    def pick(self, name: str, options: Mapping[T, float] | Sequence[T]) -> T:
        """One of `options` (with weights, if it is a mapping); the first is the plainest."""
        values = list(options)
        weights = np.array(
            [options[value] for value in values]
            if isinstance(options, Mapping)
            else [1.0] * len(values)
        )
        place = int(self.rng(name).choice(len(values), p=weights / weights.sum()))
        place = min(self.fixed.get(name, place), len(values) - 1)
        self.made[name] = place
        self.words[name] = str(values[place])
        return values[place]

    def fall_back(self, name: str, to: str) -> None:
        """Record that the choice made for `name` was impossible here, and `to` stands in for it."""
        self.replaced[name] = f"{self.words[name]} -> {to}"
        self.words[name] = to

    def maybe(self, name: str, probability: float) -> bool:
        """Yes or no; no is the plainer."""
        return self.pick(name, {False: 1.0 - probability, True: probability})

    def uniform(self, name: str, low: float, high: float) -> float:
        """A number, which cannot be fixed."""
        return float(self.rng(name).uniform(low, high))

    def seed(self, name: str) -> int:
        """A seed for LAMMPS' own random numbers."""
        return int(self.rng(name).integers(1, 10**6))
