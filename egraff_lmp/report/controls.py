"""Which scores can tell force fields that are broken on purpose: verdicts, sentences, a section.

Every score in `egraff` form is ranked, cell by cell, by the rules of `ranking`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from typing import TYPE_CHECKING, Any

from egraff_lmp.report.numbers import listed
from egraff_lmp.report.ranking import (
    CANNOT,
    NO_INFORMATION,
    NOT_AVAILABLE,
    NOT_BEYOND,
    NOT_LAST,
    SURVIVED,
    TELLS,
    Entry,
    Ranking,
    decorrelated,
    rank_control,
)
from egraff_lmp.score.records import (
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STABILITY,
    STRUCTURE,
    TRAJECTORY,
    TRANSPORT,
)
from egraff_lmp.score.table import METRICS, VIOLATION_INPUTS

if TYPE_CHECKING:
    from egraff_lmp.report.value import CellSummary, Value

# What stands behind a metric's name, in the order of the rows.
_COMPARISONS = {
    STRUCTURE: "",
    TRANSPORT: "",
    STABILITY: "",
    RERUN_REFERENCE: "on reference frames",
    RERUN_ORACLE: "by an oracle on its own frames",
    TRAJECTORY: "at equal times",
}
# Reruns on reference frames need no rollout.
_OF_ROLLOUTS = set(_COMPARISONS) - {RERUN_REFERENCE}
# Where the floor is noise, below which nothing can be ranked. Elsewhere it is what unrelated frames
# give, or another length of time.
_NOISE = {STRUCTURE, TRANSPORT}
# Of all atoms or pairs; those of single elements are in scores.json.
_PAIRS = ("", "total", "phi", "psi")
MARKS = {
    TELLS: "✓", NOT_BEYOND: "≈", NOT_LAST: "✓!", CANNOT: "✗", NO_INFORMATION: "∅",
    NOT_AVAILABLE: "–",
}  # fmt: skip


@dataclass(frozen=True)
class ControlVerdict:
    """One score of one control in one cell.

    Attributes:
        cell: name of the cell.
        system, temperature_kelvin: of the cell.
        control: name of the model that is broken on purpose.
        kind: "shuffled" or "half-cutoff".
        key, comparison, pair: the score, as in `Value`.
        label: name of the score for a reader.
        sees: what it claims to see: "structure", "dynamics" or "energies".
        value: of the control.
        floor: reference against reference; of FV and EV, what unrelated frames give.
        ranking: where the control stands.
        alone: the verdict of the score of whatever frames there are, broken rollouts or not.
    """

    cell: str
    system: str
    temperature_kelvin: float
    control: str
    kind: str
    key: str
    comparison: str
    pair: str
    label: str
    sees: str
    value: float | None
    floor: float | None
    ranking: Ranking
    alone: str

    @property
    def where(self) -> str:
        """The cell for a reader."""
        return f"{self.system}, {self.temperature_kelvin:g} K"


def controls(cells: Sequence[CellSummary]) -> list[ControlVerdict]:
    """Verdicts on all scores of all controls; none where there is no control."""
    found = []
    for control in cells:
        if control.control is None:
            continue
        models = [c for c in cells if c.cell == control.cell and c.control is None]
        found += [
            _verdict(control, models, key, comparison, pair)
            for key, comparison, pair in _scores([control, *models])
        ]
    return found


def uninformative(cells: Sequence[CellSummary]) -> dict[str, float | None]:
    """Where FV at equal times carries no information.

    Returns:
        Name of a cell for a reader to FV of the reference against itself at another time.
    """
    found = {}
    for name in dict.fromkeys(cell.cell for cell in cells):
        here = [cell for cell in cells if cell.cell == name]
        if _unrelated(here):
            values = [cell.find("fv", TRAJECTORY, "egraff") for cell in here]
            floor = next((v.floor for v in values if v is not None and v.floor is not None), None)
            found[f"{here[0].system}, {here[0].temperature_kelvin:g} K"] = floor
    return found


def controls_json(verdicts: Sequence[ControlVerdict]) -> list[dict[str, Any]]:
    """Plain values, for `scores.json`; what stands in `ranking` on one level with the rest."""
    rows = []
    for verdict in verdicts:
        row = asdict(verdict)
        row |= row.pop("ranking")
        row["no_better"] = list(row["no_better"])
        rows.append(row)
    return rows


def section(cells: Sequence[CellSummary], labels: Mapping[str, str]) -> dict[str, Any] | None:
    """What the section of the page shows, None where there is no control.

    Args:
        cells: of the matrix.
        labels: name of a cell to the title of its column.
    """
    verdicts = controls(cells)
    if not verdicts:
        return None
    tables = []
    for name in dict.fromkeys(v.control for v in verdicts):
        mine = [v for v in verdicts if v.control == name]
        columns = [cell for cell in labels if any(v.cell == cell for v in mine)]
        by_row: dict[str, dict[str, ControlVerdict]] = {}
        for verdict in mine:
            by_row.setdefault(verdict.label, {})[verdict.cell] = verdict
        rows = [
            {
                "label": label,
                "sees": next(iter(row.values())).sees,
                "entries": [_entry(row.get(cell)) for cell in columns],
            }
            for label, row in by_row.items()
        ]
        tables.append({
            "name": name, "kind": mine[0].kind, "columns": [labels[c] for c in columns],
            "rows": rows,
        })  # fmt: skip
    return {"tables": tables, "sentences": sentences(verdicts), "marks": MARKS}


def sentences(verdicts: Sequence[ControlVerdict]) -> list[str]:
    """One for each score and control that it does not tell in some cell."""
    say: dict[str, Callable[[ControlVerdict], str]] = {
        CANNOT: lambda v: f"cannot tell {v.control} in {v.where} ({_why(v)})",
        NOT_LAST: lambda v: (
            f"sees that {v.control} is broken in {v.where}, where {listed(v.ranking.no_better)} "
            f"{'is' if len(v.ranking.no_better) == 1 else 'are'} no better"
        ),
        NOT_BEYOND: lambda v: (
            f"has {v.control} last in {v.where}, but not beyond the intervals ({_why(v)})"
        ),
    }
    grouped: dict[tuple[str, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.ranking.verdict in say:
            parts = grouped.setdefault((verdict.label, verdict.control), [])
            parts.append(say[verdict.ranking.verdict](verdict))
    return [f"{label} {'; it '.join(parts)}." for (label, _), parts in grouped.items()]


def no_information(cells: Sequence[CellSummary]) -> str:
    """The sentence on FV at equal times, "" where it does not apply."""
    where = [
        name if floor is None else f"{name} (the reference against itself: {floor:.3f})"
        for name, floor in uninformative(cells).items()
    ]
    if not where:
        return ""
    return (
        f"FV at equal times (“trajectory”) carries no information in {listed(where)}: no rollout "
        "follows the reference there, and any two unrelated sets of forces read 0.70 to 0.71 "
        "(1/√2 = 0.7071), so that a value near it says nothing about a model, and one above it "
        "only that forces are too large or too small. Neither does EV at equal times, which pairs "
        "the same frames."
    )


def _scores(cells: Sequence[CellSummary]) -> list[tuple[str, str, str]]:
    """Key, comparison and pair of all scores that a model in one of `cells` has."""
    known = {
        (value.key, value.comparison, value.pair)
        for cell in cells
        for value in cell.values
        if value.mode == "egraff" and value.value is not None and value.pair in _PAIRS
    }
    order = {key: number for number, key in enumerate(METRICS)}
    ranks = {comparison: number for number, comparison in enumerate(_COMPARISONS)}
    return sorted(
        (one for one in known if one[0] in order and one[1] in ranks),
        key=lambda one: (ranks[one[1]], order[one[0]], one[2]),
    )


def _verdict(
    control: CellSummary, models: Sequence[CellSummary], key: str, comparison: str, pair: str
) -> ControlVerdict:
    metric = METRICS[key]
    values = [cell.find(key, comparison, "egraff", pair) for cell in (control, *models)]
    floor = next((v.floor for v in values if v is not None and v.floor is not None), None)
    entries = [
        _entry_of(cell, value, comparison)
        for cell, value in zip((control, *models), values, strict=True)
    ]
    violation = metric.input in VIOLATION_INPUTS
    if violation and comparison == TRAJECTORY and _unrelated([control, *models]):
        reason = "no rollout follows the reference: unrelated forces give 0.7071 for any model"
        ranking = alone = Ranking(NO_INFORMATION, None, len(entries), (), reason)
    else:
        noise = floor if comparison in _NOISE else None
        ranking = rank_control(entries[0], entries[1:], better=metric.better, floor=noise)
        whole = [replace(entry, survived=1.0) for entry in entries]
        alone = rank_control(whole[0], whole[1:], better=metric.better, floor=noise)
    label = " ".join(filter(None, (metric.label, pair.replace("total", ""),
                                   _COMPARISONS[comparison])))  # fmt: skip
    return ControlVerdict(
        cell=control.cell,
        system=control.system,
        temperature_kelvin=control.temperature_kelvin,
        control=control.model,
        kind=control.control or "",
        key=key,
        comparison=comparison,
        pair=pair,
        label=label,
        sees=metric.sees,
        value=entries[0].value,
        floor=floor,
        ranking=ranking,
        alone=alone.verdict,
    )


def _entry_of(cell: CellSummary, value: Value | None, comparison: str) -> Entry:
    survived, span = 1.0, None
    if comparison in _OF_ROLLOUTS:
        whole = cell.find(SURVIVED, "rollouts")
        if whole is not None and whole.value is not None:
            survived, span = whole.value, whole.interval
    if value is None or value.value is None or not isfinite(value.value):
        return Entry(cell.model, None, None, survived, span)
    return Entry(cell.model, value.value, value.interval, survived, span)


def _unrelated(cells: Sequence[CellSummary]) -> bool:
    """Whether FV at equal times carries no information in these, which are of one cell."""
    return decorrelated([
        _entry_of(cell, cell.find("fv", TRAJECTORY, "egraff"), TRAJECTORY)
        for cell in cells
        if cell.control is None
    ])  # fmt: skip


def _entry(verdict: ControlVerdict | None) -> dict[str, str]:
    """One field of the table."""
    if verdict is None:
        return {"mark": "", "text": "not defined here", "aside": "", "hint": "", "state": "absent"}
    ranking = verdict.ranking
    text, hint = ranking.verdict, ranking.reason
    if ranking.verdict == NOT_LAST:
        text = f"tells, but {listed(ranking.no_better)} no better"
    if ranking.broke and ranking.verdict in (TELLS, NOT_LAST):
        text += ", as it broke"
        hint += f"; the score of what frames there are: {verdict.alone}"
        if verdict.comparison != STABILITY and verdict.alone not in (TELLS, NOT_LAST):
            text += f" (by its frames: {verdict.alone})"
    return {
        "mark": MARKS[ranking.verdict],
        "text": text,
        "aside": "" if ranking.rank is None else f"{ranking.rank} of {ranking.of}",
        "hint": hint,
        "state": "ok" if ranking.verdict in (TELLS, NOT_LAST) else "weak",
    }


def _why(verdict: ControlVerdict) -> str:
    who = verdict.ranking.no_better
    behind = f"{listed(who)} at or behind it; " if who else ""
    return behind + verdict.ranking.reason
