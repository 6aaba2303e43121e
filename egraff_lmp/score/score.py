"""Scoring rollouts against a reference: the one function that the rest of the project calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from egraff_lmp.data.frames import Frames
from egraff_lmp.data.timeline import off_surface
from egraff_lmp.errors import EgraffError, require
from egraff_lmp.runs.machine import versions
from egraff_lmp.score.align import check_composition, formula, other_box, pair_reruns
from egraff_lmp.score.clusters import clustered
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.estimate import estimate
from egraff_lmp.score.metric import Context, Rerun, Training
from egraff_lmp.score.options import LEAVE_OUT, Options, modes_of
from egraff_lmp.score.records import (
    RERUNS,
    STRUCTURE,
    TRANSPORT,
    Curves,
    Fact,
    Score,
    Scores,
    Series,
    Source,
)
from egraff_lmp.score.rollout import Rollout
from egraff_lmp.score.table import COSTS, METRICS


def score_trajectory(
    reference: Frames,
    rollouts: Sequence[Rollout],
    *,
    reruns: Mapping[str, Rerun] | None = None,
    training: Training | None = None,
    **choices: Any,
) -> Scores:
    """Score independent rollouts of one model against ab-initio (or other reference) frames.

    A rollout that broke (positions, energies or forces that are not finite) is scored on its
    finite frames, and the others are counted in every value.

    Args:
        reference: the ground truth; energies and forces are needed for EV and FV only.
        rollouts: of the reference's composition; none at all where there are reruns.
        reruns: comparison ("rerun-reference", "rerun-oracle", "rerun-committee") to the same frames
            with the energies and forces of the ground truth and of the model.
        training: what the training of the model cost, where that is known.
        **choices: the fields of `Options` (mode, r_max, bin_width, skip, starts, ...).

    Raises:
        EgraffError: another composition or periodicity, no frames, or choices out of range.
    """
    options, reruns = Options(**choices), reruns or {}
    _check(reference, rollouts, reruns, options)
    options, left_out = _without_short(rollouts, options)
    context = Context(
        reference=reference,
        rollouts=[one for number, one in enumerate(rollouts) if number not in left_out],
        options=options,
        reruns={
            name: replace(one, **vars(pair_reruns(one.truth, one.model, name)))
            for name, one in reruns.items()
        },
        training=training,
        ran=rollouts,
    )
    scores: list[Score] = []
    series: list[Series] = []
    curves: dict[tuple[str, str, str], Curves] = {}
    for mode in modes_of(options.mode):
        asked = (row for row in METRICS.values() if mode in row.modes)
        for metric in (row for row in asked if context.system in row.systems):
            for sample in metric.samples(context, metric, mode):
                scores.append(estimate(metric, mode, clustered(context, sample), options))
                series += sample.series
                curves |= {(one.name, one.mode, one.side): one for one in sample.curves}
    return Scores(
        reference=_describe(reference),
        rollouts=tuple(_describe(one.frames) for one in rollouts),
        settings=asdict(options),
        versions=versions(("egraff_lmp", "MDAnalysis", "numpy")),
        scores=_with_facts(scores, reference, rollouts, options),
        curves=tuple(curves.values()),
        series=tuple(series),
        left_out=left_out,
    )


def _with_facts(
    scores: Sequence[Score], reference: Frames, rollouts: Sequence[Rollout], options: Options
) -> tuple[Score, ...]:
    """The scores with what reference and rollouts as a whole tell of them."""
    boxes = _box(reference, rollouts)
    surface = _surface(reference, options.temperature_kelvin)
    told = {STRUCTURE: (*surface, *boxes), TRANSPORT: boxes}
    return tuple(replace(one, facts=(*one.facts, *told.get(one.comparison, ()))) for one in scores)


def _surface(reference: Frames, stated_kelvin: float | None) -> tuple[Fact, ...]:
    """Where the reference is of another surface than its forces."""
    found = off_surface(reference, stated_kelvin)
    if found is None:
        return ()
    values = {"kelvin": found.kelvin, "error": found.error_kelvin, "stated": stated_kelvin}
    return (Fact("other-surface", values),)


def _box(reference: Frames, rollouts: Sequence[Rollout]) -> tuple[Fact, ...]:
    """Where rollouts are of another size or cell than the reference; of each kind the first."""
    facts = (fact for one in rollouts for fact in other_box(reference, one.frames))
    return tuple({fact.code: fact for fact in reversed(list(facts))}.values())


def cost_scores(costs: Sequence[Cost | None], training: Training | None) -> tuple[Score, ...]:
    """The rows of the table that tell what a model cost, without scoring anything.

    Costs are of its rollouts and of its training, None where one is not known.
    """
    none = np.zeros((0, 0, 3))
    nothing = Frames((), none, np.zeros((0, 3, 3)), (False,) * 3, None, None, None, "nothing")
    ran = [Rollout(nothing, cost=cost) for cost in costs]
    context = Context(nothing, (), Options(), training=training, ran=ran)
    return tuple(
        estimate(metric, mode, sample, context.options)
        for metric in COSTS
        for mode in metric.modes
        for sample in metric.samples(context, metric, mode)
    )


def _check(
    reference: Frames, rollouts: Sequence[Rollout], reruns: Mapping[str, Rerun], options: Options
) -> None:
    try:
        import MDAnalysis  # noqa: F401  an optional package, asked for before anything is counted
    except ImportError:
        raise require("MDAnalysis", "score") from None
    unknown = sorted(set(reruns) - set(RERUNS))
    if unknown:
        raise EgraffError(f"expected reruns named {' or '.join(RERUNS)}, got '{unknown[0]}'.")
    if not rollouts and not reruns:
        raise EgraffError("expected at least one rollout to score, got none.")
    for frames in (reference, *(one.frames for one in rollouts)):
        if not len(frames):
            raise EgraffError(f"{frames.source}: expected at least one frame, got none.")
    for one in rollouts:
        check_composition(reference, one.frames)
    if options.starts and len(options.starts) != len(rollouts):
        raise EgraffError(
            f"expected one starting frame for each of the {len(rollouts)} rollouts, got "
            f"{len(options.starts)}: give --start once per rollout, or not at all."
        )


def _without_short(
    rollouts: Sequence[Rollout], options: Options
) -> tuple[Options, tuple[int, ...]]:
    """Options and the indices of rollouts that have no frame after those that are skipped."""
    lengths = [len(one.frames) for one in rollouts]
    short = [number for number, length in enumerate(lengths) if length <= options.skip]
    if not short:
        return options, ()
    if options.short != LEAVE_OUT:
        raise EgraffError(
            f"{rollouts[short[0]].frames.source}: expected frames after the first {options.skip}, "
            "got none: lower --skip."
        )
    if len(short) == len(rollouts):
        # A model that breaks at once has no structure, but its other values are worth having.
        return replace(options, skip=max(0, min(lengths) - 1)), ()
    starts = tuple(s for number, s in enumerate(options.starts) if number not in short)
    return replace(options, starts=starts), tuple(short)


def _describe(frames: Frames) -> Source:
    return Source(
        source=frames.source,
        sha256=frames.sha256(),
        n_frames=len(frames),
        n_atoms=frames.n_atoms,
        formula=formula(frames.species),
        timestep_fs=frames.timestep_fs,
        has_energy=frames.energy is not None,
        has_forces=frames.forces is not None,
    )
