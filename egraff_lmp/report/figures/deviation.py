"""RMSD and displacement over time, for each system (Fig. 8) and each model (Fig. 9)."""

from __future__ import annotations

from collections.abc import Iterator

from egraff_lmp.report.figures.base import Material, PageFigure
from egraff_lmp.report.figures.overtime import draw_by_model, draw_curves

_KINDS = (
    ("rmsd", "rmsd", "RMSD from the reference", "RMSD (Å)",
     "Root mean square deviation of a rollout from the reference at equal times, unwrapped and "
     "without drift, mean over the starts. Where rollouts have velocities of their own they part "
     "from the reference at once, the best model too."),
    ("displacement", "displacement", "Root mean square displacement", "displacement (Å)",
     "Square root of the mean squared displacement over the time between two frames, over all "
     "such pairs of a rollout, mean over the starts."),
)  # fmt: skip


def draw(material: Material) -> Iterator[PageFigure]:
    """Both quantities by cell, then by model."""
    for key, word, title, ordinate, says in _KINDS:
        yield from draw_curves(
            material, key, f"fig8-{word}", f"{title} by system (as Fig. 8)",
            says + " The band spans the starts.", ordinate, unit="A",
        )  # fmt: skip
        yield from draw_by_model(
            material, key, f"fig9-{word}", f"{title} by model (as Fig. 9)", says, ordinate, "A"
        )
