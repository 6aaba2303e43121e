"""The values of a benchmark as `scores.json` and `scores.csv`: the rows of single scorings with
the system and the model before them, the verdicts on negative controls, what each score resolves,
which force field is the best one for what, and how force errors correlate with scores of
simulations.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from egraff_lmp.results.controls import ControlVerdict, verdicts
from egraff_lmp.results.correlation import (
    Correlation,
    PooledCorrelation,
    correlations,
    pooled,
)
from egraff_lmp.results.decision import Decision, decisions
from egraff_lmp.results.ladder import Resolution, RungVerdict, resolutions, rung_verdicts
from egraff_lmp.results.record import Results, Trouble
from egraff_lmp.score.records import SCHEMA, Score, table_text, text_of_schema

KIND = "egraff benchmark scores"
SCHEMA_FILE = Path(__file__).with_name("scores.schema.json")  # `make schema` writes it


@dataclass(frozen=True, kw_only=True)
class Row(Score):
    """A value and where it belongs; `control` is the kind of a negative control, else None."""

    cell: str
    system: str
    temperature_kelvin: float
    model: str
    forcefield: str
    control: str | None


@dataclass(frozen=True)
class State:
    """What became of one model on one system."""

    cell: str
    system: str
    temperature_kelvin: float
    model: str
    control: str | None
    state: str
    troubles: tuple[Trouble, ...]


@dataclass(frozen=True)
class Export:
    """Everything that `scores.json` holds, but for its kind and schema."""

    name: str
    models: tuple[State, ...]
    scores: tuple[Row, ...]
    controls: tuple[ControlVerdict, ...]
    ladder: tuple[RungVerdict, ...]
    resolutions: tuple[Resolution, ...]
    decisions: tuple[Decision, ...]
    correlations: tuple[Correlation, ...]
    pooled_correlations: tuple[PooledCorrelation, ...]


# Columns that `scores.csv` has before those of a single scoring, with their units.
_PLACE = {field.name: "" for field in fields(Row) if field.name in Row.__annotations__}
_PLACE["temperature_kelvin"] = "K"


def export(results: Results) -> Export:
    """The values of a benchmark as records."""
    states, rows = [], []
    for system, result in results:
        control = result.model.control and result.model.control.kind
        place: dict[str, Any] = {
            "cell": system.name, "system": system.system, "model": result.model.name,
            "temperature_kelvin": system.temperature_kelvin, "control": control,
        }  # fmt: skip
        states.append(State(**place, state=result.state, troubles=result.troubles))
        forcefield = result.model.forcefield
        rows += [Row(**vars(one), **place, forcefield=forcefield) for one in result.values]
    rungs = rung_verdicts(results)
    found = correlations(results)
    return Export(
        results.name, tuple(states), tuple(rows), verdicts(results), rungs, resolutions(rungs),
        decisions(results), found, pooled(results, found),
    )  # fmt: skip


def to_dict(found: Export) -> dict[str, Any]:
    """The content of `scores.json`: plain values; whatever is not finite becomes None."""
    return {"kind": KIND, "schema": SCHEMA, **json.loads(_adapter().dump_json(found))}


def to_csv(found: Export) -> str:
    """The content of `scores.csv`: names of the columns, their units, then a row for each value."""
    prefixes = [{name: getattr(row, name) for name in _PLACE} for row in found.scores]
    return table_text(prefixes, found.scores, _PLACE)


def schema_text() -> str:
    """The text of `SCHEMA_FILE`, the JSON schema of `to_dict`."""
    return text_of_schema(_adapter().json_schema(), KIND)


@cache
def _adapter() -> TypeAdapter[Export]:
    return TypeAdapter(Export)
