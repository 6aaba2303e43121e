"""Diffusivities of rollouts, and their errors, for all atoms and for each element.

Intervals are drawn over starts where there are enough, else over blocks of time origins. Those of
neighbouring blocks overlap by the lag, so such an interval is too narrow rather than too wide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np

from egraff_lmp.score.diffusivity import A2_PER_PS_TO_M2_PER_S, MIN_FRAMES, diffusivity_eq4
from egraff_lmp.score.estimate import interval
from egraff_lmp.score.metric import Context, Metric, Sample, Sums
from egraff_lmp.score.msd import curve_lags, mean_squared_displacement
from egraff_lmp.score.options import Options
from egraff_lmp.score.paths import Path, reference_path, rollout_paths
from egraff_lmp.score.records import (
    REFERENCE,
    ROLLOUTS,
    TOTAL,
    TRANSPORT,
    Counts,
    Curves,
    Fact,
    Series,
)
from egraff_lmp.score.sums import absent, counts_of, mean, rows

MSD = "msd"


def diffusivities(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """D of the rollouts, in total and by element, with the MSD of each over the lag as a series."""
    paths = rollout_paths(context)
    if isinstance(paths, Fact):
        yield absent(context, TRANSPORT, [paths], TOTAL)
        return
    series = tuple(
        Series(MSD, mode, TRANSPORT, number, path.step_fs, mean_squared_displacement(path.x))
        for number, path in enumerate(paths)
    )
    curves = tuple(replace(one, mode=mode) for one in _curves(context, paths))
    for part in parts_of(context):
        chosen = [path.of(part) for path in paths]
        theirs = [path.blocks(context.options.n_blocks) for path in chosen]
        refused = chosen[0].refusal(total_of(theirs), "rollouts", part)
        facts = () if refused else tuple(_facts("rollouts", chosen[0].diffusivity, theirs, context))
        yield Sample(
            TRANSPORT, part, rollouts=theirs, value=_of_sums(chosen[0].diffusivity),
            counts=_counts(context, paths, None), window=lags_window(chosen[0]), absence=refused,
            facts=facts, series=series if part == TOTAL else (), curves=curves,
        )  # fmt: skip


def _curves(context: Context, paths: Sequence[Path]) -> Iterator[Curves]:
    """MSD of the reference, where it has a path, and of the rollouts, of each part."""
    reference = reference_path(context)
    sides = {REFERENCE: [] if isinstance(reference, Fact) else [reference], ROLLOUTS: paths}
    for side, each in sides.items():
        # Of lags beyond half of a trajectory there are hardly two independent origins.
        lags = curve_lags(min((len(path.x) for path in each), default=0) // 2)
        if not len(lags):
            continue
        elements, number = np.unique(each[0].species, return_counts=True)
        y = {
            str(part): np.mean(
                [mean_squared_displacement(path.of(part).x)[lags] for path in each], axis=0
            )
            for part in elements
        }
        y = {TOTAL: np.average(list(y.values()), axis=0, weights=number), **y}
        n_frames = sum(len(path.x) for path in each)
        yield Curves(
            MSD, each[0].step_fs * lags.astype(np.float64), "fs", y, "A^2", n_frames, side=side
        )


def diffusivity_errors(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """|D - D_ref| of the fits, in total and by element, where both diffuse."""
    found = _both(context)
    if isinstance(found, Fact):
        yield absent(context, TRANSPORT, [found], TOTAL)
        return
    paths, reference = found
    for part in parts_of(context):
        yield _error(context, part, [path.of(part) for path in paths], reference.of(part))


def diffusivity_errors_eq4(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """|D - D_ref| with eq. 4 of Fu et al., as printed: whether anything diffuses is not asked."""
    found = _both(context)
    if isinstance(found, Fact):
        yield absent(context, TRANSPORT, [found], TOTAL)
        return
    paths, reference = found
    half = len(reference.x) // 2
    for part in parts_of(context):
        own, *theirs = (
            rows([diffusivity_eq4(path.of(part).x, path.step_fs)])[0]
            for path in (reference, *paths)
        )
        x = reference.of(part).x
        ends = [diffusivity_eq4(piece, reference.step_fs) for piece in (x[:half], x[half:])]
        yield Sample(
            TRANSPORT, part, rollouts=theirs, reference=own,
            value=lambda sums, own: abs(mean(sums) - mean(own)),
            floor=abs(ends[1] - ends[0]) if half >= MIN_FRAMES else None,
            counts=_counts(context, paths, reference),
            window=Fact("first-to-last"),
            facts=(
                *_facts("rollouts", mean, theirs, context),
                *_facts("reference", mean, [own], context),
            ),
            draws_reference=False,
        )  # fmt: skip


def parts_of(context: Context) -> list[str]:
    """All atoms, and each element."""
    return [TOTAL, *sorted(set(context.reference.species))]


def total_of(blocks: Sequence[Sums]) -> Sums:
    """What the blocks of all rollouts add up to."""
    return np.asarray(np.concatenate(blocks).sum(axis=0))


def lags_window(path: Path) -> Fact:
    """The lags that a value covers."""
    low, high = path.lags_fs[[0, -1]].tolist()
    return Fact("lags", {"first_fs": low, "last_fs": high})


def _error(context: Context, part: str, paths: Sequence[Path], reference: Path) -> Sample:
    options, first = context.options, paths[0]
    own, *theirs = (path.blocks(options.n_blocks) for path in (reference, *paths))
    refused = [
        fact
        for fact in (
            reference.refusal(own.sum(axis=0), "reference", part),
            first.refusal(total_of(theirs), "rollouts", part),
        )
        if fact is not None
    ]
    facts = refused[1:]
    if not refused:
        facts = [
            *_facts("rollouts", first.diffusivity, theirs, context),
            *_facts("reference", reference.diffusivity, [own], context),
        ]
    return Sample(
        TRANSPORT,
        part,
        rollouts=theirs,
        reference=own,
        value=lambda sums, own: abs(first.diffusivity(sums) - reference.diffusivity(own)),
        floor=None if refused else _floor(reference, options),
        counts=_counts(context, paths, reference),
        window=lags_window(first),
        absence=refused[0] if refused else None,
        facts=tuple(facts),
    )


def _both(context: Context) -> tuple[list[Path], Path] | Fact:
    """The ways of rollouts and reference, or why one cannot be had."""
    paths, reference = rollout_paths(context), reference_path(context)
    if isinstance(paths, Fact):
        return paths
    return reference if isinstance(reference, Fact) else (paths, reference)


def _counts(context: Context, paths: Sequence[Path], reference: Path | None) -> Counts:
    own = 0 if reference is None else len(reference.x)
    return counts_of(context, sum(len(path.x) for path in paths), own)


def _of_sums(function: Callable[[Sums], float]) -> Callable[[Sums, Sums], float]:
    return lambda sums, own: function(sums)


def _facts(
    whose: str, function: Callable[[Sums], float], blocks: Sequence[Sums], context: Context
) -> Iterator[Fact]:
    """D of one side with its interval."""
    sample = Sample(TRANSPORT, rollouts=blocks, value=_of_sums(function))
    low, high = interval(sample, context.options) or (None, None)
    value = function(total_of(blocks))
    numbers = {"value": value, "low": low, "high": high}
    yield Fact("diffusivity", {"whose": whose, **numbers, "si": A2_PER_PS_TO_M2_PER_S * value})


def _floor(path: Path, options: Options) -> float | None:
    """Of the halves of the reference, which may have too few frames, or be too short to diffuse."""
    half = len(path.x) // 2
    if half < MIN_FRAMES:
        return None
    whole = path.fitted((half - 1) * path.step_fs, options.fit_window)
    halves = [replace(whole, x=x) for x in (path.x[:half], path.x[half:])]
    sums = [one.blocks().sum(axis=0) for one in halves]
    if any(one.refusal(own, "", "") for one, own in zip(halves, sums, strict=True)):
        return None
    first, second = (whole.diffusivity(own) for own in sums)
    return abs(second - first)
