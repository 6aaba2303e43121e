"""Scores of rollouts: metrics as pure functions on arrays, one file each, one table."""

from egraff_lmp.score.rdf import RDF, radial_distribution
from egraff_lmp.score.records import Score, Scores, Series
from egraff_lmp.score.score import score_trajectory
from egraff_lmp.score.table import METRICS, Metric

__all__ = [
    "METRICS",
    "RDF",
    "Metric",
    "Score",
    "Scores",
    "Series",
    "radial_distribution",
    "score_trajectory",
]
