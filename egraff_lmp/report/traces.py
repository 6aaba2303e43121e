"""The curves of one model in one cell of a matrix, as the figures need them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from egraff_lmp.report.record import Curve


@dataclass(frozen=True)
class Traces:
    """Curves of one model in one cell.

    Attributes:
        cell: name of the cell.
        model: name of the model.
        distribution: "g" (g(r) of a periodic system) or "h" (pair distances of a molecule, 1/A).
        reference: total g(r) or h(r) of the held-out frames, r in A; None without any score.
        rollout: the same of the rollouts.
        over_time: "ev" and "fv" of the trajectory comparison, "rmsd" (A) from the reference, and
            "displacement" (A, root mean square, over the lag), t in fs; the band spans the starts.
        lasted_fs: how long each rollout lasted.
        asked_fs: how long it should have.
    """

    cell: str
    model: str
    distribution: str = "g"
    reference: Curve | None = None
    rollout: Curve | None = None
    over_time: Mapping[str, Curve] = field(default_factory=dict)
    lasted_fs: tuple[float, ...] = ()
    asked_fs: float = 0.0
