"""How far the vibrational density of states of the rollouts is from the reference's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score.arrays import Floats
from egraff_lmp.score.curves import jensen_shannon
from egraff_lmp.score.floor import Floor, floor_of
from egraff_lmp.score.matched import lengths_of
from egraff_lmp.score.metric import Context, Metric, Sample, Sums, once
from egraff_lmp.score.records import REFERENCE, ROLLOUTS, TOTAL, TRANSPORT, Curves, Fact
from egraff_lmp.score.sums import absent, counts_of
from egraff_lmp.score.traces import present, reasons
from egraff_lmp.score.unwrap import followed, masses_of
from egraff_lmp.score.vdos import (
    LIGHT,
    LINE_WIDTH,
    MAX_STEP_FS,
    MAX_STEP_LIGHT_FS,
    MIN_SEGMENT_FS,
    damping,
    differences,
    frequencies,
    power_spectra,
    segment_fs,
)


@dataclass(frozen=True)
class Motion:
    """Velocities of one trajectory.

    Attributes:
        v: (T, N, 3) in A/fs.
        species: (N,) element of each atom.
        step_fs: time between them.
        dumped: whether they are the trajectory's own; else they are differences of positions.
    """

    v: Floats
    species: NDArray[np.str_]
    step_fs: float
    dumped: bool

    @property
    def length_fs(self) -> float:
        """Time that they cover."""
        return len(self.v) * self.step_fs

    @property
    def n_frames(self) -> int:
        """Frames that they come from."""
        return len(self.v) + (0 if self.dumped else 1)

    def spectra(self, nu: Floats, part: str) -> Floats:
        """Power of each segment of the atoms of a part, (K, F)."""
        mine = np.ones(len(self.species), dtype=bool) if part == TOTAL else self.species == part
        masses = masses_of(list(self.species))
        centre = np.einsum("tnx,n->tx", self.v, masses / masses.sum())
        moving = (self.v - centre[:, None])[:, mine]
        found = power_spectra(moving, masses[mine], self.step_fs, nu)
        return found if self.dumped else found / damping(nu, self.step_fs)


def vdos_divergences(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """JSD of the normalised densities of states, of all atoms and of each element."""
    motions = _motions(context)
    if isinstance(motions, Fact):
        yield absent(context, TRANSPORT, [motions], TOTAL)
        return
    # The resolution is not that of a rollout which broke: blurred spectra look alike.
    reference, *rollouts = motions
    asked = [one.asked_fs for one in context.rollouts if one.asked_fs is not None]
    longest = max(one.length_fs for one in rollouts)
    shorter = min(reference.length_fs, max([*asked, longest]))
    length = segment_fs(shorter)
    # Shorter ones enter without a segment.
    used = sum(one.length_fs >= length for one in rollouts) if length else 0
    if length is None or not used:
        told = {"fs": min(shorter, longest), "needed": length or MIN_SEGMENT_FS}
        yield absent(context, TRANSPORT, [Fact("too-short-for-vibrations", told)], TOTAL)
        return
    nu = frequencies(length, max(one.step_fs for one in motions))
    some = Fact("rollouts-used", {"used": used, "of": len(rollouts)})
    facts = (some,) if used < len(rollouts) else ()
    parts = (TOTAL, *sorted(set(context.reference.species)))
    spectra = {part: [one.spectra(nu, part) for one in motions] for part in parts}
    curves = tuple(replace(one, mode=mode) for one in _curves(motions, nu, spectra))
    for part in parts:
        sample = _sample(context, part, motions, nu, spectra[part])
        yield replace(sample, facts=(*sample.facts, *facts), curves=curves)


def _curves(
    motions: Sequence[Motion], nu: Floats, spectra: Mapping[str, Sequence[Floats]]
) -> Iterator[Curves]:
    """Normalised densities of states of the reference and of all rollouts, of each part."""
    for side, chosen in ((REFERENCE, slice(0, 1)), (ROLLOUTS, slice(1, None))):
        sums = {part: np.concatenate(each[chosen]).sum(axis=0) for part, each in spectra.items()}
        total = {part: float(one.sum() * nu[1]) for part, one in sums.items()}
        density = {part: one / total[part] for part, one in sums.items() if total[part] > 0}
        n_frames = sum(one.n_frames for one in motions[chosen])
        yield Curves("vdos", nu, "THz", density, "1/THz", n_frames, side=side)


def _sample(
    context: Context, part: str, motions: Sequence[Motion], nu: Floats, spectra: Sequence[Floats]
) -> Sample:
    own, *theirs = spectra
    window = {
        "thz": float(nu[-1]),
        "fs": 1000 / float(nu[1]),
        "segments": len(own),
        "width": LINE_WIDTH * float(nu[1]),
    }
    facts = []
    if not all(one.dumped for one in motions):
        facts.append(Fact("velocities-of-differences"))
    perfect = _floor(context, own, theirs)
    return Sample(
        TRANSPORT,
        part,
        rollouts=theirs,
        reference=own,
        value=_divergence,
        floor=None if perfect is None else perfect.mean,
        floor_high=None if perfect is None else perfect.high,
        counts=counts_of(context, sum(one.n_frames for one in motions[1:]), motions[0].n_frames),
        window=Fact("frequencies", window),
        undefined=Fact("no-motion", {"part": part}),
        facts=tuple(facts),
    )


def _floor(context: Context, own: Floats, theirs: Sequence[Floats]) -> Floor | None:
    """Segments are longer than velocities are correlated: they are taken for independent."""
    ones = [np.ones(len(one)) for one in theirs]
    lengths = lengths_of(context, [len(one) for one in theirs], theirs, ones)
    return floor_of(_divergence, own, np.ones(len(own)), lengths, None, context.options)


def _divergence(sums: Sums, own: Sums) -> float:
    return jensen_shannon(sums, own)


@once
def _motions(context: Context) -> list[Motion] | Fact:
    """Of the reference and of each rollout, or why they cannot be had."""
    if not context.rollouts:
        return Fact("no-rollouts")
    if not context.options.time_series:
        return Fact("no-time-series")
    skip = context.options.skip
    known = [None if v is None else v[skip:] for v in (one.velocities for one in context.rollouts)]
    every = [_motion(context.reference, None, "reference")]
    for number, (frames, v) in enumerate(zip(context.kept, known, strict=True), 1):
        every.append(_motion(frames, v, f"rollout {number}"))
    lacking = reasons(every)
    return lacking[0] if lacking else present(every)


def _motion(frames: Frames, velocities: Floats | None, whose: str) -> Motion | Fact:
    step = frames.timestep_fs
    if not step:
        return Fact("no-time-of", {"whose": whose})
    most = MAX_STEP_LIGHT_FS if LIGHT & set(frames.species) else MAX_STEP_FS
    if step > most:
        return Fact("too-far-apart-for-vibrations", {"whose": whose, "fs": step, "most": most})
    species = np.array(frames.species)
    if velocities is not None:
        broken = np.flatnonzero(~np.isfinite(velocities).all(axis=(1, 2)))
        until = int(broken[0]) if broken.size else len(velocities)
        return Motion(velocities[:until], species, step, dumped=True)
    x = followed(frames, whose)
    if isinstance(x, Fact):
        return x
    return Motion(differences(x, step), species, step, dumped=False)
