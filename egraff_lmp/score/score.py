"""Scoring rollouts against a reference: the one function that the rest of the project calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.errors import EgraffError, require
from egraff_lmp.score.align import check_composition, formula
from egraff_lmp.score.conformation import conformation_scores
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.deviation import deviation_scores
from egraff_lmp.score.dynamics import dynamics_scores
from egraff_lmp.score.endurance import stability_scores
from egraff_lmp.score.options import Options
from egraff_lmp.score.records import Scores
from egraff_lmp.score.stability import Violation
from egraff_lmp.score.structure import samples, structure_scores
from egraff_lmp.score.transport import transport_scores


def score_trajectory(
    reference: Frames,
    trajectory: Frames | Sequence[Frames],
    *,
    reruns: Mapping[str, tuple[Frames, Frames]] | None = None,
    temperatures: Sequence[NDArray[np.float64] | None] | None = None,
    ends: Sequence[Violation | None] | None = None,
    costs: Sequence[Cost | None] | None = None,
    mode: str = "both",
    **choices: Any,
) -> Scores:
    """Score one rollout, or several independent ones, against ab-initio (or oracle) frames.

    A rollout that broke (positions, energies or forces that are not finite) is scored on its
    finite frames, and the others are counted in every value.

    Args:
        reference: the ground truth; energies and forces are needed for EV and FV only.
        trajectory: one rollout or a sequence of them, of the same composition.
        reruns: comparison ("rerun-reference", "rerun-oracle") to (truth, model): the same frames
            with the energies and forces of the ground truth and of the model.
        temperatures: kinetic temperature of each rollout's frames in K, (T,) or None; with
            `temperature_kelvin`, leaving the bounds ends a run.
        ends: what ended each rollout before its time (lost atoms), or None.
        costs: what each rollout cost, or None; recorded beside the values.
        mode: "egraff", "paper" or "both".
        **choices: the other fields of `Options` (r_max, bin_width, skip, starts, ...).

    Raises:
        EgraffError: another composition or periodicity, no frames, or choices out of range.
    """
    try:
        import MDAnalysis  # noqa: F401
    except ImportError:
        raise require("MDAnalysis", "score") from None
    trajectories = [trajectory] if isinstance(trajectory, Frames) else list(trajectory)
    options = Options(mode=mode, **choices)
    _check(reference, trajectories, options)
    _check_temperatures(trajectories, temperatures)
    for what, given in (("ends", ends), ("costs", costs)):
        if given is not None and len(given) != len(trajectories):
            raise EgraffError(
                f"expected {what} of the {len(trajectories)} trajectories, one each or None, got "
                f"{len(given)}."
            )
    # Cheap first: what is wrong with reruns or starts is said before any histogram is made.
    violations, series = dynamics_scores(reference, trajectories, reruns or {}, options)
    deviations, rmsd = deviation_scores(reference, trajectories, options)
    counted = samples(reference, trajectories, options)
    scores, curves = structure_scores(counted)
    scores += conformation_scores(reference, trajectories, options)
    transport, msd = transport_scores(reference, trajectories, options)
    stability = stability_scores(reference, trajectories, counted, options, temperatures, ends)
    return Scores(
        reference=_describe(reference),
        trajectories=tuple(_describe(frames) for frames in trajectories),
        settings={**asdict(options), "versions": _versions()},
        scores=(*scores, *violations, *deviations, *transport, *stability),
        curves=curves,
        series=(*series, *rmsd, *msd),
        costs=tuple(costs or ()),
    )


def _check(reference: Frames, trajectories: Sequence[Frames], options: Options) -> None:
    if not trajectories:
        raise EgraffError("expected at least one trajectory to score, got none.")
    for frames in (reference, *trajectories):
        if not len(frames):
            raise EgraffError(f"{frames.source}: expected at least one frame, got none.")
    for frames in trajectories:
        check_composition(reference, frames)
        if options.skip >= len(frames):
            raise EgraffError(
                f"{frames.source}: expected frames after the first {options.skip}, got none: "
                "lower --skip."
            )
    if options.starts and len(options.starts) != len(trajectories):
        raise EgraffError(
            f"expected one starting frame for each of the {len(trajectories)} trajectories, got "
            f"{len(options.starts)}: give --start once per trajectory, or not at all."
        )


def _check_temperatures(
    trajectories: Sequence[Frames], temperatures: Sequence[NDArray[np.float64] | None] | None
) -> None:
    if temperatures is None:
        return
    given = [None if one is None else len(one) for one in temperatures]
    expected = [len(frames) for frames in trajectories]
    if len(given) != len(expected) or any(
        one is not None and one != n for one, n in zip(given, expected, strict=True)
    ):
        raise EgraffError(
            f"expected {len(expected)} series of temperatures of "
            f"{', '.join(map(str, expected))} entries, one a frame, got {given}: take them at the "
            "steps of the frames."
        )


def _describe(frames: Frames) -> dict[str, Any]:
    return {
        "source": frames.source,
        "sha256": frames.sha256(),
        "n_frames": len(frames),
        "n_atoms": frames.n_atoms,
        "formula": formula(frames.species),
        "timestep_fs": frames.timestep_fs,
        "has_energy": frames.energy is not None,
        "has_forces": frames.forces is not None,
    }


def _versions() -> dict[str, str]:
    versions = {}
    for name in ("egraff_lmp", "MDAnalysis", "numpy"):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "unknown"
    return versions
