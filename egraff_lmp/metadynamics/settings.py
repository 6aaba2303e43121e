"""What is asked of a metadynamics: torsions, hills, thermostat and lengths.

Defaults are those of Fu et al., "Forces are not enough" (appendix D), as far as these are printed:
hills of 1.2 kJ/mol and 0.35 rad every 1 ps, 300 K, a Langevin thermostat, six runs of 5 ns. The
bias factor and the friction are not printed: here they are 10, a usual value for this molecule, and
1/ps. The time step is 1 fs where they have 2 fs, as no bond is constrained here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import ase.units
import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.bonds import bonds_of
from egraff_lmp.score.free_energy import backbone

KJ_EV = ase.units.kJ / ase.units.mol
KCAL_EV = ase.units.kcal / ase.units.mol
HEIGHT_KJ = 1.2
WIDTH_RAD = 0.35
BIAS_FACTOR = 10.0
FRICTION_PER_PS = 1.0
BINS = 72  # of 5 degrees: a quarter of the hills' width, as COLVARS' force is constant in a bin
BINS_A_WIDTH = 1.5  # at least: coarser bins do not resolve the hills
# Bins below it in the reference are compared: 10 kT at 300 K. Fu et al. state no limit, and
# integrate over all angles.
LIMIT_KCAL = 6.0
SEGMENT_HILLS = 250  # at most between two checkpoints
MOST_BINS = 720  # of each torsion
BACKBONE = ("phi", "psi")
_MARSAGLIA = 900_000_000  # the largest seed of LAMMPS' generator


@dataclass(frozen=True)
class Torsion:
    """A torsion angle that is biased.

    Attributes:
        name: for people, "phi", or its atoms as "2-7-8-9".
        atoms: numbers of its four atoms, from 1, in the order of the chain.
    """

    name: str
    atoms: tuple[int, int, int, int]


@dataclass(frozen=True)
class Settings:
    """One metadynamics of two torsions.

    Attributes:
        torsions: the two that are biased.
        temperature_kelvin: of the thermostat.
        timestep_fs: of MD.
        friction_per_ps: of the Langevin thermostat.
        height_ev: of the first hill; later ones are lower (well-tempered).
        width_degrees: standard deviation of a hill along both torsions.
        bias_factor: (T + dT) / T of the well-tempered scheme.
        hill_every: steps between hills.
        steps: of each run.
        runs: independent runs, each with its own start and seed.
        seed: of velocities and thermostats.
        bins: of the grid along each torsion.
    """

    torsions: tuple[Torsion, Torsion]
    temperature_kelvin: float = 300.0
    timestep_fs: float = 1.0
    friction_per_ps: float = FRICTION_PER_PS
    height_ev: float = HEIGHT_KJ * KJ_EV
    width_degrees: float = float(np.degrees(WIDTH_RAD))
    bias_factor: float = BIAS_FACTOR
    hill_every: int = 1000
    steps: int = 5_000_000
    runs: int = 6
    seed: int = 1
    bins: int = BINS

    def __post_init__(self) -> None:
        positive = {
            "the temperature": self.temperature_kelvin,
            "the time step": self.timestep_fs,
            "the friction": self.friction_per_ps,
            "the height of a hill": self.height_ev,
            "the width of a hill": self.width_degrees,
            "the number of steps between hills": self.hill_every,
            "the number of runs": self.runs,
            "the seed": self.seed,
        }
        for name, value in positive.items():
            if not 0 < value < float("inf"):
                raise EgraffError(f"expected {name} above zero, got {value:g}.")
        if not 1 < self.bias_factor < float("inf"):
            raise EgraffError(
                f"expected a bias factor above 1, got {self.bias_factor:g}: it is (T + dT) / T, "
                "and 6 to 20 are usual."
            )
        if not 2 <= self.bins <= MOST_BINS:
            raise EgraffError(f"expected 2 to {MOST_BINS} bins along a torsion, got {self.bins}.")
        if self.width_degrees < BINS_A_WIDTH * self.bin_degrees:
            raise EgraffError(
                f"expected hills of at least {BINS_A_WIDTH * self.bin_degrees:g} degrees on bins "
                f"of {self.bin_degrees:g}, got {self.width_degrees:g}: take wider hills, or more "
                "bins."
            )
        if self.steps % self.hill_every or self.hills < 2:
            raise EgraffError(
                f"expected a number of steps that is a multiple of {self.hill_every}, the steps "
                f"between hills, and at least {2 * self.hill_every}, got {self.steps}."
            )
        first, second = (torsion.atoms for torsion in self.torsions)
        if first in (second, second[::-1]):
            raise EgraffError(
                f"expected two different torsions, got {self.torsions[0].name} and "
                f"{self.torsions[1].name}, which are of the same atoms."
            )

    @property
    def bin_degrees(self) -> float:
        """Width of a bin."""
        return 360.0 / self.bins

    @property
    def hills(self) -> int:
        """Hills of each run."""
        return self.steps // self.hill_every

    @property
    def segments(self) -> list[int]:
        """Steps of each segment of a run, an even number of segments; the middle is half time."""
        n = 2 * max(1, -(-self.hills // (2 * SEGMENT_HILLS)))
        ends = [k * self.hills // n for k in range(n + 1)]
        return [(b - a) * self.hill_every for a, b in pairwise(ends)]

    @property
    def thermal_kcal(self) -> float:
        """k_B T in kcal/mol."""
        return self.temperature_kelvin * ase.units.kB / KCAL_EV

    def centres_degrees(self) -> Floats:
        """Middles of the bins, (bins,), from -180."""
        return np.asarray(
            -180.0 + self.bin_degrees * (np.arange(self.bins) + 0.5), dtype=np.float64
        )

    def seed_of(self, run: int, segment: int) -> int:
        """Seed of a segment of a run; segment 0 also has the velocities."""
        drawn = np.random.SeedSequence([self.seed, run, segment]).generate_state(1)[0]
        return int(drawn) % _MARSAGLIA + 1

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        torsions = [{"name": one.name, "atoms": list(one.atoms)} for one in self.torsions]
        return {**asdict(self), "torsions": torsions}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> Settings:
        """From what `to_dict` gave."""
        first, second = (Torsion(one["name"], tuple(one["atoms"])) for one in raw["torsions"])
        return cls(**{**raw, "torsions": (first, second)})


def torsion_of(words: str, species: Sequence[str], positions: Floats) -> Torsion:
    """The torsion that a text names: "phi" or "psi" of alanine dipeptide, or "2,7,8,9".

    Args:
        words: a name, or the numbers of four atoms from 1.
        species: elements of the atoms.
        positions: (N, 3) in A, from which bonds are found.

    Raises:
        EgraffError: no such atoms, an atom twice, or no such backbone.
    """
    if words in BACKBONE:
        found = backbone(species, bonds_of(species, positions))
        if found is None:
            raise EgraffError(
                f"expected a molecule with one chain C(=O)-N-C-C(=O)-N, as alanine dipeptide has, "
                f"for the torsion {words}, got {''.join(species)[:60]}: give the numbers of its "
                "four atoms, such as 2,7,8,9."
            )
        a, b, c, d = (atom + 1 for atom in found[BACKBONE.index(words)])
        return Torsion(words, (a, b, c, d))
    try:
        a, b, c, d = (int(word) for word in words.split(","))
    except ValueError:
        raise EgraffError(
            f"expected a torsion as phi, psi or the numbers of four atoms such as 2,7,8,9, got "
            f"'{words}'."
        ) from None
    atoms = (a, b, c, d)
    if len(set(atoms)) < 4 or min(atoms) < 1 or max(atoms) > len(species):
        raise EgraffError(
            f"expected the numbers of four different atoms from 1 to {len(species)} for a torsion, "
            f"got {words}: atoms are counted from 1 in the order of the file."
        )
    return Torsion("-".join(map(str, atoms)), atoms)
