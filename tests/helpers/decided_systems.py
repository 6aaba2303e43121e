"""Systems for the decision of which force field, with parts that are computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from synthetic_results import results, score

from egraff_lmp.results.record import Model, ModelResult, NegativeControl, System
from egraff_lmp.score.records import (
    COST,
    RERUN_REFERENCE,
    STRUCTURE,
    SURVIVAL,
    TRANSPORT,
    Curves,
)

# Of this g(r), sum (1 - g)^2 = sum g^2 = 4: Wright's factor of g = 1 is 100 %.
G = np.array([0.0, 0.0, 0.0, 2.0])
FLUID = Curves("g", np.arange(4) + 0.5, "A", {"total": G}, "1", 100, side="reference")
Interval = tuple[float, float]


def model(
    name: str = "a",
    wf: float | None = 60.0,
    span: Interval | None = (52.0, 76.0),
    *,
    vdos: float | None = 0.4,
    rmse: float | None = 50.0,
    forces: Interval | None = (30.0, 90.0),
    survived: float = 1.0,
    cost: float | None = 10.0,
    control: NegativeControl | None = None,
    **of_structure: Any,
) -> ModelResult:
    """Parts 0.5 (0.4 to 0.7), 0.25, 0.25 (0.15 to 0.45) and 0, if nothing else is said."""
    structure = {"part": "total", "floor": 20.0, "interval": span, **of_structure}
    values = [
        score(wf, "wf", STRUCTURE, **structure),
        score(rmse, "force_rmse", RERUN_REFERENCE, interval=forces, floor=70.0),
        score(200.0, "force_rms_reference", RERUN_REFERENCE),
        score(survived, "survived", SURVIVAL, interval=None),
    ]
    if vdos is not None:
        values.append(score(vdos, "vdos_jsd", TRANSPORT, interval=(vdos, vdos), floor=0.2))
    costs = () if cost is None else (score(cost, "us_per_atom_step", COST, interval=None),)
    whole = results(1, 1).systems[0].models[0]
    assert whole.scores is not None
    scores = replace(whole.scores, scores=tuple(values), curves=(FLUID,))
    what = Model(name, "mace", control)
    return replace(whole, model=what, scores=scores, costs=costs)


def bulk(*models: ModelResult) -> System:
    return replace(results(1, 1).systems[0], models=models)
