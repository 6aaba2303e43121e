"""Ionic conductivity of the rollouts by two of its forms, and their ratio.

With N mobile ions of charge z e in the volume V at the temperature T, and displacements dx_i(t)
relative to the centre of mass of the other atoms,

    sigma_NE = N (z e)^2 D / (V k_B T),        D       = lim <|dx_i|^2> / (6 t)
    sigma    = N (z e)^2 D_sigma / (V k_B T),  D_sigma = lim <|sum_i dx_i|^2> / (6 N t)
    Haven ratio = D / D_sigma

The first is that of Nernst and Einstein. The second is the Einstein form of the displacement of
charge, which is the integral of the current's autocorrelation (Green and Kubo; Helfand, Phys. Rev.
119 (1960) 1). It counts how ions move together: independent ones have a Haven ratio of 1, rigid
pairs of 1/2 (Murch, Solid State Ionics 7 (1982) 177). Relative to the other atoms, which carry the
opposite charge, the current depends on no frame of reference as long as these stay together.
Charges are formal ones.

The sum over ions is one walk in place of N, so that D_sigma is far less certain than D: its
exponent may differ from 1 by `COLLECTIVE_TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase.units import kB

from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.diffusivity import diffusivity, exponent
from egraff_lmp.score.metric import Context, Metric, Sample, Samples, Sums, once
from egraff_lmp.score.paths import Path, rollout_paths
from egraff_lmp.score.records import TRANSPORT, Fact
from egraff_lmp.score.sums import absent, counts_of
from egraff_lmp.score.thermodynamics import NVE
from egraff_lmp.score.transport import lags_window, total_of
from egraff_lmp.score.unwrap import masses_of

# Elements that are mobile ions in the other atoms' frame, with their charges.
CHARGES = {"Li": 1, "Na": 1, "K": 1}
# One walk in lags of up to 0.3 of its length: its exponent scatters by about 0.4.
COLLECTIVE_TOLERANCE = 0.6
# e^2/A^3 (A^2/ps)/eV in S/cm: e * 1e30 * 1e-8 S/m, 100 cm in a metre.
TO_S_PER_CM = 16.02176634


def mobile_ion(species: Sequence[str]) -> str | None:
    """The element of the mobile ions, or None: none, several, or nothing else that they move in."""
    found = sorted(set(species) & set(CHARGES))
    return found[0] if len(found) == 1 and len(set(species)) > 1 else None


def conductivity(d: float, n_ions: int, charge: int, volume_a3: float, kelvin: float) -> float:
    """sigma = N (z e)^2 D / (V k_B T) in S/cm, of D in A^2/ps."""
    return float(TO_S_PER_CM * n_ions * charge**2 * d / (volume_a3 * kB * kelvin))


@dataclass(frozen=True)
class Ions:
    """The mobile ions of one rollout.

    Attributes:
        each: the way of the ions, relative to the centre of mass of the other atoms.
        together: that of the sum of their positions over sqrt(N), as a single atom.
    """

    each: Path
    together: Path

    @classmethod
    def of(cls, path: Path, ion: str) -> Ions:
        """Those of the element `ion` in the way of all atoms."""
        mine = path.species == ion
        masses = masses_of(path.species[~mine])
        frame = np.einsum("tnx,n->tx", path.x[:, ~mine], masses / masses.sum())
        own = path.of(ion)
        x = own.x - frame[:, None]
        together = x.sum(axis=1, keepdims=True) / np.sqrt(x.shape[1])
        return cls(replace(own, x=x), replace(own, x=together))

    def blocks(self, n_blocks: int) -> Sums:
        """Sums of `Path.blocks` of both, side by side."""
        return np.hstack([one.blocks(n_blocks) for one in (self.each, self.together)])

    def msds(self, sums: Sums) -> tuple[Floats, Floats]:
        """(L,) in A^2 of the ions, and of their sum over N."""
        each, together = np.split(sums, 2)
        return self.each.msd(each), self.together.msd(together)

    def diffusivities(self, sums: Sums) -> tuple[float, float]:
        """D and D_sigma in A^2/ps."""
        each, together = (diffusivity(msd, self.each.lags_fs) for msd in self.msds(sums))
        return each, together


def nernst_einstein(ions: Ions, factor: float, sums: Sums) -> float:
    """sigma_NE in S/cm; `factor` is that of an ion diffusivity of 1 A^2/ps."""
    return factor * ions.diffusivities(sums)[0]


def collective(ions: Ions, factor: float, sums: Sums) -> float:
    """sigma in S/cm, of all ions together."""
    return factor * ions.diffusivities(sums)[1]


def haven_ratio(ions: Ions, factor: float, sums: Sums) -> float:
    """D/D_sigma."""
    each, together = ions.diffusivities(sums)
    return each / together if together > 0 else float("nan")


def conductivities(function: Callable[[Ions, float, Sums], float]) -> Samples:
    """Samples of one of the functions above; none at all without mobile ions."""

    def samples(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
        ion = mobile_ion(context.reference.species)
        if ion is None:
            return
        every, kelvin = _ions(context, ion), temperature_of(context)
        if isinstance(every, Fact) or kelvin is None:
            why = every if isinstance(every, Fact) else Fact("no-temperature")
            yield absent(context, TRANSPORT, [why])
            return
        first, theirs = every[0], [one.blocks(context.options.n_blocks) for one in every]
        volume = float(np.mean([one.each.volume_a3 for one in every]))
        factor = conductivity(1.0, first.each.x.shape[1], CHARGES[ion], volume, kelvin)
        yield Sample(
            TRANSPORT,
            rollouts=theirs,
            value=lambda sums, own: function(first, factor, sums),
            counts=counts_of(context, sum(len(one.each.x) for one in every), 0),
            window=lags_window(first.each),
            absence=_refusal(first, total_of(theirs), ion, function is not nernst_einstein),
            undefined=Fact("no-current"),
            facts=(
                Fact("ions", {"ion": ion, "charge": CHARGES[ion], "kelvin": kelvin}),
                *_others(context, ion),
            ),
        )

    return samples


@once
def _ions(context: Context, ion: str) -> list[Ions] | Fact:
    """Of each rollout, or why they cannot be had."""
    paths = rollout_paths(context)
    if isinstance(paths, Fact):
        return paths
    if not all(path.volume_a3 for path in paths):
        return Fact("no-cell")
    return [Ions.of(path, ion) for path in paths]


def _others(context: Context, ion: str) -> Iterator[Fact]:
    """What must be known where the other atoms are no framework."""
    paths = rollout_paths(context)
    if isinstance(paths, Fact):
        return
    moving = []
    for element in sorted(set(context.reference.species) - {ion}):
        chosen = [path.of(element) for path in paths]
        sums = total_of([path.blocks() for path in chosen])
        if chosen[0].refusal(sums, "rollouts", element) is None:
            moving.append(element)
    if moving:
        yield Fact("others-diffuse", {"elements": ", ".join(moving)})


def temperature_of(context: Context) -> float | None:
    """Of the ensemble in K as it is stated, else the mean of the rollouts; None where unknown.

    At constant energy nothing holds a stated temperature, and it is the mean.
    """
    free = any(one.ensemble == NVE for one in context.rollouts)
    stated = None if free else context.options.temperature_kelvin
    told = [one.temperature_kelvin for one in context.rollouts]
    known = [kelvin[context.options.skip :] for kelvin in told if kelvin is not None]
    if stated is not None or not known:
        return stated
    mean = float(np.nanmean(np.concatenate(known)))
    return mean if np.isfinite(mean) and mean > 0 else None


def _refusal(ions: Ions, sums: Sums, ion: str, of_current: bool) -> Fact | None:
    """Why there is no conductivity, or None."""
    refused = ions.each.refusal(np.split(sums, 2)[0], "rollouts", ion)
    if refused is not None or not of_current:
        return refused
    power = exponent(ions.msds(sums)[1], ions.each.lags_fs)
    if abs(power - 1) <= COLLECTIVE_TOLERANCE:
        return None
    return Fact("current-not-diffusive", {"exponent": power if np.isfinite(power) else None})
