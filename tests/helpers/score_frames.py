"""Scoring of frames in tests, with what a rollout has besides them given in lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import Rerun, Rollout, RunEnd, Scores, score_trajectory
from egraff_lmp.score.cost import Cost


def score_frames(
    reference: Frames,
    rollouts: Frames | Sequence[Frames],
    *,
    reruns: Mapping[str, tuple[Frames, Frames]] | None = None,
    temperatures: Sequence[NDArray[np.float64] | None] | None = None,
    ends: Sequence[RunEnd | None] | None = None,
    costs: Sequence[Cost | None] | None = None,
    **choices: Any,
) -> Scores:
    """`score_trajectory` of frames; one rollout or several, reruns as (truth, model)."""
    frames = [rollouts] if isinstance(rollouts, Frames) else list(rollouts)
    nothing = [None] * len(frames)
    ran = [
        Rollout(one, kelvin, end, cost)
        for one, kelvin, end, cost in zip(
            frames, temperatures or nothing, ends or nothing, costs or nothing, strict=True
        )
    ]
    pairs = {name: Rerun(*pair) for name, pair in (reruns or {}).items()}
    return score_trajectory(reference, ran, reruns=pairs, **choices)
