"""Values as the rows of a CSV table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a scoring writes its own table
    from egraff_lmp.score.records import Score

# Columns of a table of values with their units; value, interval and floor are in the row's unit.
_COLUMNS = {
    "key": "", "mode": "", "comparison": "", "part": "", "unit": "", "value": "see unit",
    "interval_low": "see unit", "interval_high": "see unit", "floor": "see unit",
    "frames": "frames", "frames_reference": "frames", "starts": "starts", "zero": "frames",
    "failed": "frames", "resampled_units": "", "resampled_of": "", "distribution": "",
    "window": "", "absence": "", "facts": "",
}  # fmt: skip


def table_row(score: Score) -> dict[str, Any]:
    """One value on one level; facts are JSON, as their numbers differ from metric to metric."""
    low, high = score.interval or (None, None)
    plain = {name: getattr(score, name) for name in _COLUMNS if hasattr(score, name)}
    facts = [asdict(fact) for fact in score.facts]
    return {
        **plain, "interval_low": low, "interval_high": high, **asdict(score.counts),
        "resampled_units": score.resampled and score.resampled.units,
        "resampled_of": score.resampled and score.resampled.of,
        "window": score.window and json.dumps(asdict(score.window)),
        "absence": score.absence and json.dumps(asdict(score.absence)),
        "facts": json.dumps(facts) if facts else None,
    }  # fmt: skip


def table_text(
    prefixes: Iterable[Mapping[str, Any]],
    scores: Iterable[Score],
    units: Mapping[str, str] | None = None,
) -> str:
    """CSV text of values.

    Args:
        prefixes: for each value, what stands before it in its row.
        scores: the values.
        units: names of the columns of the prefixes, with their units.
    """
    columns = {**(units or {}), **_COLUMNS}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerow(columns)
    for prefix, score in zip(prefixes, scores, strict=True):
        writer.writerow({**prefix, **table_row(score)})
    return stream.getvalue()
