"""The cards and findings of one system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.findings import findings
from egraff_lmp.report.words import title_of
from egraff_lmp.results.record import ModelResult
from egraff_lmp.score.records import COMPARISONS, RERUN_ORACLE, TRAJECTORY, Score
from egraff_lmp.score.table import METRICS

# An exact answer on the model's own frames says more than any other comparison, and one at equal
# times says least.
_BEST_FIRST = (
    RERUN_ORACLE,
    *(c for c in COMPARISONS if c not in (RERUN_ORACLE, TRAJECTORY)),
    TRAJECTORY,
)


def summary(page: Page) -> Mapping[str, Any]:
    """A card for each model with its headline metrics, and what the numbers mean."""
    models = page.results.systems[0].models
    shown = [metric for metric in METRICS.values() if metric.headline]
    return {
        "cards": [(one, [(metric, _best(one, metric.key)) for metric in shown]) for one in models],
        "findings": findings(models, [title_of(one) for one in models]),
    }


def _best(result: ModelResult, key: str) -> Score | None:
    """The value of the best comparison that has one."""
    found = (result.find(key, comparison) for comparison in _BEST_FIRST)
    return next((one for one in found if one is not None and one.value is not None), None)
