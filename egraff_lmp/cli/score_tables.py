"""Scores on a terminal: a table for each comparison and mode, and what its reader must know."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich import box
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from egraff_lmp.cli.console import output
from egraff_lmp.score.options import MODES
from egraff_lmp.score.records import (
    COMPARISONS,
    COST,
    OTHER_BOX,
    RERUN_COMMITTEE,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    RERUNS,
    STABILITY,
    STRUCTURE,
    SURVIVAL,
    THERMODYNAMICS,
    TOTAL,
    TRAJECTORY,
    TRANSPORT,
    Score,
    Scores,
    Source,
)
from egraff_lmp.score.table import METRICS
from egraff_lmp.score.words import FLOOR, counted, explain, say, say_resampled

TITLES = {
    STRUCTURE: "Structure",
    TRAJECTORY: "Rollout at time t against reference at time t",
    RERUN_REFERENCE: "Model re-evaluated on reference frames",
    RERUN_ORACLE: "Reference potential re-evaluated on rollout frames",
    RERUN_COMMITTEE: "A committee re-evaluated on rollout frames",
    TRANSPORT: "Transport and vibrations",
    THERMODYNAMICS: "Temperature, energy and pressure of the rollouts",
    STABILITY: "Stability",
    SURVIVAL: "Survival",
    COST: "Cost",
}

WIDE = 1000  # columns, in which no table is cut


def show(scores: Scores) -> None:
    """Print everything that a scoring gave."""
    _line("Reference", scores.reference)
    for number, rollout in enumerate(scores.rollouts, 1):
        _line(f"Rollout {number}", rollout)
    banners = _banners(scores)
    for line in banners:
        _text(f"Attention: {line}.", style="bold yellow")
    confidence = f"{100 * scores.settings['confidence']:g} %"
    groups: dict[tuple[str, str], list[Score]] = {
        (comparison, mode): [] for comparison in COMPARISONS for mode in MODES
    }
    for score in scores.scores:
        groups[score.comparison, score.mode].append(score)
    shown: set[tuple[str, str]] = set()
    for (comparison, mode), group in groups.items():
        notes = [line for line in _notes(group) if line not in banners]
        if all(score.value is None for score in group):
            # The same reason in both modes is told once.
            if group and (comparison, notes[0]) not in shown:
                _text(f"\n{TITLES[comparison]}", style="bold")
                _text("; ".join(notes), indent=2)
                shown.add((comparison, notes[0]))
            continue
        _text(f"\n{TITLES[comparison]} ({mode} mode)", style="bold")
        _print_rows(group, confidence)
        for line in [*_remarks(group), *notes]:
            _text(line, indent=2)
    _text(f"\nFloor: {FLOOR}. Intervals: block bootstrap.")


def _banners(scores: Scores) -> list[str]:
    """What is said before all tables: that rollout and reference are of different boxes."""
    facts = {
        fact.code: fact for one in scores.scores for fact in one.facts if fact.code in OTHER_BOX
    }
    return [say(facts[code]) for code in OTHER_BOX if code in facts]


def _line(title: str, source: Source) -> None:
    step = f", every {source.timestep_fs:g} fs" if source.timestep_fs else ""
    _text(f"{title}: {source.source}")
    _text(f"{source.n_frames} frames of {source.formula}{step}", indent=2)


def _print_rows(group: Sequence[Score], confidence: str) -> None:
    """A table, or where that would cut values on a narrow terminal, a line for each."""
    columns = _columns(group, confidence)
    rows = [[cell(score) for cell in columns.values()] for score in group]
    names = [_name(score) for score in group]
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("metric")
    for name in columns:
        table.add_column(name, justify="left" if name == "part" else "right", no_wrap=True)
    for name, cells in zip(names, rows, strict=True):
        table.add_row(name, *cells)
    if Measurement.get(output, output.options.update(width=WIDE), table).minimum <= output.width:
        output.print(table)
        return
    _text("")
    for name, cells in zip(names, rows, strict=True):
        named = (f"{column} {cell}" for column, cell in zip(columns, cells, strict=True) if cell)
        _text(f"{name}: {', '.join(named)}", indent=2)
    _text("")


def _columns(group: Sequence[Score], confidence: str) -> dict[str, Callable[[Score], str]]:
    """Columns of a table besides the first, less those that are empty."""
    # Of violations reference against reference is what unrelated frames give: no lower bound.
    floor = "unrelated" if group[0].comparison in (TRAJECTORY, *RERUNS) else "floor"
    columns: dict[str, Callable[[Score], str]] = {"value": lambda score: _number(score.value)}
    if any(score.part not in ("", TOTAL) for score in group):
        columns = {"part": lambda score: score.part, **columns}
    if any(score.interval for score in group):
        columns[confidence] = lambda score: _interval(score.interval)
    if any(score.floor is not None for score in group):
        columns[floor] = lambda score: _number(score.floor)
    return columns


def _name(score: Score) -> str:
    unit = "" if score.unit == "1" else f" {score.unit}"
    return METRICS[score.key].label + unit


def _remarks(group: Sequence[Score]) -> list[str]:
    """Frames, rollouts one by one, and limits, said once for a table."""
    lines = []
    first = next(score for score in group if score.value is not None)
    counts = first.counts
    if counts.frames:
        starts = f", {counts.starts} starts" if counts.starts and counts.starts > 1 else ""
        drawn = f"; intervals over {say_resampled(first.resampled)}" if first.resampled else ""
        lines.append(f"{counts.frames} frames against {counts.frames_reference}{starts}{drawn}")
    for what, number in (
        ("agree exactly and are left out", max(score.counts.zero for score in group)),
        ("failed (not finite) and are left out", max(score.counts.failed for score in group)),
    ):
        if number:
            lines.append(f"{counted(number, 'frame')} {what}")
    for score in group:
        metric = METRICS[score.key]
        if score.comparison == COST and len(score.per_start) > 1:
            each = ", ".join(map(_number, score.per_start))
            lines.append(f"{metric.label} of each rollout: {each} {score.unit}")
        limit = metric.uncorrelated
        told = score.comparison != TRAJECTORY or score.fact("no-information")
        if limit is not None and not told:
            lines.append(f"{metric.label} of unrelated frames: {limit:.4f}")
        bulk = score.distribution != "h"  # the rule is one of g(r)
        if metric.accepted_below and bulk and score.part == TOTAL and score.value is not None:
            verdict = "passes" if score.value < metric.accepted_below else "fails"
            lines.append(f"{metric.label} total {verdict} the {metric.accepted_below:g} % rule")
    return lines


def _notes(group: Sequence[Score]) -> list[str]:
    """What the scores of a table say besides, each thing once, with its rows where they differ."""
    told: dict[str, list[Score]] = {}
    for score in group:
        for line in explain(score):
            told.setdefault(line, []).append(score)
    return [
        line if len(scores) == len(group) else f"{_rows(scores, group)}: {line}"
        for line, scores in told.items()
    ]


def _rows(scores: Sequence[Score], group: Sequence[Score]) -> str:
    """Names of some rows of a table; a metric's alone for all of its rows."""
    names = []
    for key in dict.fromkeys(score.key for score in scores):
        parts = [score.part for score in scores if score.key == key]
        whole = len(parts) == sum(score.key == key for score in group)
        label = METRICS[key].label
        names += [label] if whole else [f"{label} {part}".rstrip() for part in parts]
    return ", ".join(names)


def _interval(interval: tuple[float, float] | None) -> str:
    return "-" if interval is None else "..".join(map(_short, interval))


def _short(value: float) -> str:
    """Three digits, whole numbers from 1000 on."""
    return f"{value:.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _text(text: str, style: str = "", indent: int = 0) -> None:
    output.print(Padding(Text(text, style=style), (0, 0, 0, indent)))
