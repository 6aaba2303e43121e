"""Scores of rollouts: metrics as pure functions on arrays, one file a family, one table."""

from egraff_lmp.score.metric import Metric, Rerun, Training
from egraff_lmp.score.rdf import radial_distribution
from egraff_lmp.score.records import Curves, Fact, Judge, Lifetime, RunEnd, Score, Scores, Series
from egraff_lmp.score.rollout import Rollout, read_rollout
from egraff_lmp.score.score import cost_scores, score_trajectory
from egraff_lmp.score.table import METRICS

__all__ = [
    "METRICS",
    "Curves",
    "Fact",
    "Judge",
    "Lifetime",
    "Metric",
    "Rerun",
    "Rollout",
    "RunEnd",
    "Score",
    "Scores",
    "Series",
    "Training",
    "cost_scores",
    "radial_distribution",
    "read_rollout",
    "score_trajectory",
]
