"""One metric alone of frames, without the cost of a whole scoring."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from egraff_lmp.data.frames import Frames
from egraff_lmp.score import METRICS, Rerun, Rollout, Score
from egraff_lmp.score.estimate import estimate
from egraff_lmp.score.metric import Context
from egraff_lmp.score.options import EGRAFF, Options


def values_of(
    key: str,
    reference: Frames,
    rollouts: Sequence[Frames | Rollout],
    reruns: Mapping[str, Rerun] | None = None,
    **choices: Any,
) -> dict[str, Score]:
    """The scores of a row of the table by part."""
    ran = [one if isinstance(one, Rollout) else Rollout(one) for one in rollouts]
    options = Options(**{"n_resamples": 40, **choices})
    context = Context(reference, ran, options, reruns or {}, ran=ran)
    samples = METRICS[key].samples(context, METRICS[key], EGRAFF)
    return {one.part: estimate(METRICS[key], EGRAFF, one, options) for one in samples}
