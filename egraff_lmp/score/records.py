"""The records that scoring returns, and their JSON form.

Records hold names and numbers alone; sentences are made of them by `words`, for people.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Field,
    PlainSerializer,
    PlainValidator,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)

from egraff_lmp.errors import EgraffError

SCHEMA = 3
# Raised whenever rows of the table of metrics, or their numbers, change: benchmarks score anew.
SCORING = 2
KIND = "egraff scores"
SCHEMA_FILE = Path(__file__).with_name("scores.schema.json")  # `make schema` writes it
# What a value compares.
STRUCTURE = "structure"
TRAJECTORY = "trajectory"
RERUN_REFERENCE = "rerun-reference"
RERUN_ORACLE = "rerun-oracle"
RERUN_COMMITTEE = "rerun-committee"
TRANSPORT = "transport"
THERMODYNAMICS = "thermodynamics"
STABILITY = "stability"
SURVIVAL = "survival"
COST = "cost"
COMPARISONS = (
    STRUCTURE, TRAJECTORY, RERUN_REFERENCE, RERUN_ORACLE, RERUN_COMMITTEE, TRANSPORT,
    THERMODYNAMICS, STABILITY, SURVIVAL, COST,
)  # fmt: skip
MODES = ("egraff", "paper")
REFERENCE, ROLLOUTS = "reference", "rollouts"  # sides of a curve
RERUNS = (RERUN_REFERENCE, RERUN_ORACLE, RERUN_COMMITTEE)
TOTAL = "total"
# Code of the fact that no model can have the structure of the reference.
OTHER_SURFACE = "other-surface"
# Codes of the facts that frames, or all of them, lie behind the loss of stability.
AFTER_LOSS, NO_STABLE_FRAME = "after-loss-of-stability", "no-stable-frame"
# Codes of the facts that rollout and reference are of different boxes.
OTHER_BOX = ("other-size", "other-density", "other-shape")
# Columns of a table of values with their units; value, interval and floor are in the row's unit.
_COLUMNS = {
    "key": "", "mode": "", "comparison": "", "part": "", "unit": "", "value": "see unit",
    "interval_low": "see unit", "interval_high": "see unit", "floor": "see unit",
    "floor_high": "see unit",
    "frames": "frames", "frames_reference": "frames", "starts": "starts", "zero": "frames",
    "failed": "frames", "resampled_units": "", "resampled_of": "", "distribution": "",
    "window": "", "absence": "", "facts": "",
}  # fmt: skip


def _array(values: Any) -> NDArray[np.float64]:
    if isinstance(values, np.ndarray):
        return values
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _plain(values: NDArray[np.float64]) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


# One-dimensional; what is not finite is null in JSON.
Array = Annotated[
    NDArray[np.float64],
    PlainValidator(_array),
    PlainSerializer(_plain),
    WithJsonSchema({"type": "array", "items": {"anyOf": [{"type": "number"}, {"type": "null"}]}}),
]

Number = Annotated[int, Field(ge=0)]
Mode = Annotated[str, Field(pattern=f"^({'|'.join(MODES)})$")]
Comparison = Annotated[str, Field(pattern=f"^({'|'.join(COMPARISONS)})$")]
Side = Annotated[str, Field(pattern=f"^({REFERENCE}|{ROLLOUTS}|)$")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Fact:
    """Something that a reader of a value must know.

    Attributes:
        code: which fact it is, a key of `words.SENTENCES`.
        values: the numbers and names that belong to it.
    """

    code: str
    values: Mapping[str, str | int | float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class RunEnd:
    """What ended a rollout before its time.

    Attributes:
        frame: index of the first frame that violates a criterion; of a window, its first frame.
        cause: which criterion, with the number that was out of bounds.
    """

    frame: int
    cause: Fact


@dataclass(frozen=True)
class Lifetime:
    """How long a rollout stayed physical.

    Attributes:
        time_fs: time of its end, or its length where nothing ended it (a lower bound).
        end: what ended it, or None.
    """

    time_fs: float
    end: RunEnd | None = None


@dataclass(frozen=True)
class Judge:
    """Who evaluated a rollout's own frames in place of the ground truth.

    Attributes:
        members: names of the force fields whose mean it is.
        disagreement: geometric mean of FV over all pairs of them; a value below it may be the
            members' own error.
    """

    members: tuple[str, ...]
    disagreement: float


@dataclass(frozen=True)
class Counts:
    """What a value was computed from.

    Attributes:
        frames: of the rollouts, or of the model.
        frames_reference: of the reference.
        starts: independent rollouts; None for reruns, which have none of their own.
        zero: frames left out of a geometric mean because they agree exactly.
        failed: frames left out because they are not finite.
    """

    frames: Number = 0
    frames_reference: Number = 0
    starts: Number | None = None
    zero: Number = 0
    failed: Number = 0


@dataclass(frozen=True)
class Resampled:
    """What an interval was drawn over: `units` of "starts", "clusters" of them, or "blocks"."""

    units: int
    of: str


@dataclass(frozen=True)
class Score:
    """One value with everything that is needed to read it.

    Attributes:
        key: row of `table.METRICS`.
        mode: "egraff" or "paper".
        comparison: one of `COMPARISONS`.
        part: "total", a pair of elements, an element, or "phi" and "psi"; "" where there are no
            parts.
        unit: "%", "bit", "A", "fs", ...; "1" for pure numbers.
        value: in `unit`, or None where it is not available (`absence` says why).
        interval: confidence interval, or None where there is too little to draw from.
        floor: of structure what a perfect model would read with rollouts of this number and
            length, elsewhere reference against reference, see `words.FLOOR`; None where there are
            too few frames.
        floor_high: what 95 % of perfect models stay below (or another confidence); a value up to it
            is not told apart from a perfect model. None where the floor is no such value.
        per_start: the value of each rollout alone, in the order given.
        counts: frames and starts.
        resampled: what the interval was drawn over.
        window: frames, times and distances that the value covers.
        absence: why there is no value.
        facts: what else a reader must know.
        distribution: "g" (radial distribution) or "h" (pair distances of a molecule) where the
            value is one of these curves.
        judge: the committee of a `rerun-committee`.
        lifetimes: of each rollout, for values that are made of them.
    """

    key: str
    mode: Mode
    comparison: Comparison
    part: str
    unit: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    floor: float | None = None
    floor_high: float | None = None
    per_start: tuple[float | None, ...] = ()
    counts: Counts = Counts()
    resampled: Resampled | None = None
    window: Fact | None = None
    absence: Fact | None = None
    facts: tuple[Fact, ...] = ()
    distribution: str = ""
    judge: Judge | None = None
    lifetimes: tuple[Lifetime, ...] = ()

    @property
    def like_perfect(self) -> bool:
        """Whether the value is one that a perfect model would have as well; see `floor_high`."""
        known = self.value is not None and self.floor_high is not None
        return known and float(self.value or 0.0) <= float(self.floor_high or 0.0)

    def fact(self, code: str) -> Fact | None:
        """The fact with this code, or None."""
        return next((fact for fact in self.facts if fact.code == code), None)


@dataclass(frozen=True)
class Series:
    """A quantity frame by frame, of one rollout or rerun; the MSD over the lag.

    Attributes:
        key: row of `METRICS`, or "msd".
        mode: "egraff" or "paper".
        comparison: as in `Score`.
        start: index of the rollout, 0 for reruns.
        step_fs: time between entries, or None where unknown.
        values: (T,), NaN where a frame is not finite.
    """

    key: str
    mode: Mode
    comparison: Comparison
    start: int
    step_fs: float | None
    values: Array


@dataclass(frozen=True)
class Curves:
    """One quantity over another one, of all atoms and of their parts.

    Attributes:
        name: "g" (radial distribution), "h" (pair distances of a molecule), "S" (structure factor
            over |q|; of pairs the partials of Faber and Ziman), "angle" (density of bond angles),
            "n" (part of the atoms over their number of neighbours), "vdos" (density of vibrations
            over the frequency) or "msd" (mean squared displacement over the lag).
        x: (B,), the middle of a bin where there are bins.
        x_unit: of x, "A", "1/A", "degrees", "THz", "fs"; "1" for pure numbers.
        y: part ("total", a pair "Ge-Te", an element "Ge", an angle "Te-Ge-Te") to (B,) values.
        y_unit: of these, "1" for pure numbers.
        n_frames: frames averaged over.
        mode: "egraff" or "paper".
        side: whose they are, `REFERENCE` or `ROLLOUTS`; "" where there is one side alone.
    """

    name: str
    x: Array
    x_unit: str
    y: Mapping[str, Array]
    y_unit: str
    n_frames: int
    mode: Mode = "egraff"
    side: Side = ""


@dataclass(frozen=True)
class Source:
    """What was scored.

    Attributes:
        source: where the frames came from.
        sha256: of the frames.
        n_frames, n_atoms: numbers of them.
        formula: "Ge40 Te160".
        timestep_fs: time between frames, or None.
        has_energy, has_forces: whether there are labels.
    """

    source: str
    sha256: Sha256
    n_frames: int
    n_atoms: int
    formula: str
    timestep_fs: float | None
    has_energy: bool
    has_forces: bool


@dataclass(frozen=True)
class Scores:
    """All values of one reference against the rollouts of one model.

    Attributes:
        reference: the ground truth.
        rollouts: each rollout.
        settings: everything that was chosen: r_max, bins, skipped frames, blocks, seed, ...
        versions: of the programs.
        scores: the values.
        curves: of reference and rollouts, one record for each name, mode and side.
        series: EV(t), FV(t), RMSD(t) and MSD over the lag.
        left_out: indices of rollouts that were too short to be scored.
    """

    reference: Source
    rollouts: tuple[Source, ...]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    scores: tuple[Score, ...]
    curves: tuple[Curves, ...]
    series: tuple[Series, ...]
    left_out: tuple[int, ...] = ()

    def find(
        self,
        key: str,
        comparison: str | None = None,
        part: str | None = None,
        mode: str | None = None,
    ) -> Score:
        """The value of metric `key`, the first one of those that fit.

        Where there are parts and none is given it is the total.

        Raises:
            KeyError: no such value was computed.
        """
        for score in self.scores:
            if (
                score.key == key
                and comparison in (None, score.comparison)
                and (score.part in ("", TOTAL) if part is None else score.part == part)
                and mode in (None, score.mode)
            ):
                return score
        raise KeyError(f"no score {key} {comparison or ''} {part or ''}")

    def drawn(self, side: str, *names: str, mode: str = "egraff") -> Curves | None:
        """The curves of a side, `REFERENCE` or `ROLLOUTS`, with the first of the names there is."""
        for name in names:
            for one in self.curves:
                if (one.name, one.side, one.mode) == (name, side, mode):
                    return one
        return None

    def to_dict(self) -> dict[str, Any]:
        """Plain values only; whatever is not finite becomes None."""
        return {"kind": KIND, "schema": SCHEMA, **json.loads(_adapter().dump_json(self))}

    def to_json(self) -> str:
        """JSON text of `to_dict`, strict (no NaN)."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str, source: str = "scores") -> Scores:
        """The record of `to_json`.

        Raises:
            EgraffError: another kind or schema, or a damaged file; `source` is named.
        """
        try:
            raw = json.loads(text)
            kind, schema = raw["kind"], raw["schema"]
        except (ValueError, KeyError, TypeError, AttributeError):
            kind, schema = None, None
        if (kind, schema) != (KIND, SCHEMA):
            raise EgraffError(
                f"{source}: expected {KIND} of schema {SCHEMA}, got {kind} of schema {schema}: "
                "score the rollouts again."
            )
        try:
            return _adapter().validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"]))
            raise EgraffError(
                f"{source}: expected the record of a scoring, got {where}: {first['msg']}: score "
                "the rollouts again."
            ) from None

    def to_csv(self) -> str:
        """The values as a table: names of the columns, their units, then a row for each value."""
        return table_text([{}] * len(self.scores), self.scores)


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


@cache
def _adapter() -> TypeAdapter[Scores]:
    return TypeAdapter(Scores)


def schema_text() -> str:
    """The text of `SCHEMA_FILE`, the JSON schema of `Scores.to_json`."""
    found = _adapter().json_schema()
    # What has no value says why.
    value, absence = {"value": {"type": "number"}}, {"absence": {"type": "object"}}
    found["$defs"]["Score"]["anyOf"] = [
        {"properties": value, "required": ["value"]},
        {"properties": absence, "required": ["absence"]},
    ]
    return text_of_schema(found, KIND)


def text_of_schema(found: Mapping[str, Any], kind: str) -> str:
    """The text of a JSON schema of records that are written with a kind and `SCHEMA`."""
    head = {"kind": {"const": kind}, "schema": {"const": SCHEMA}}
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **found,
        "properties": {**found["properties"], **head},
        "required": [*head, *found["required"]],
    }
    return json.dumps(whole, indent=1) + "\n"
