"""The records that scoring returns, and their JSON form."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.score.cost import Cost
from egraff_lmp.score.rdf import RDF

SCHEMA = 1
SCHEMA_FILE = Path(__file__).with_name("scores.schema.json")  # of `Scores.to_json`
KIND = "egraff scores"
STRUCTURE = "structure"
TRAJECTORY = "trajectory"
RERUN_REFERENCE = "rerun-reference"
RERUN_ORACLE = "rerun-oracle"
TRANSPORT = "transport"
STABILITY = "stability"
# Units of the columns of scores.csv; those of value, interval and floor stand in the row itself.
COLUMN_UNITS = {
    **dict.fromkeys(("value", "interval_low", "interval_high", "floor"), "see unit"),
    **dict.fromkeys(("n_frames", "n_frames_reference", "n_zero", "n_failed"), "frames"),
    "n_starts": "starts",
}
FLOOR = (
    "the same formula on the first half of the reference frames against the second half; for EV, "
    "FV and RMSD, frame by frame at equal index; for a stability, the second half against the "
    "criteria from the first"
)


@dataclass(frozen=True)
class Score:
    """One value with everything that is needed to read it.

    Attributes:
        key: row of `METRICS`.
        mode: "egraff" or "paper".
        comparison: "structure", "trajectory", "rerun-reference", "rerun-oracle", "transport" or
            "stability".
        pair: "total" or a pair of elements for structure ("phi" or "psi" for free energies),
            "total" or an element for transport, "" otherwise.
        value: in `unit`, or None where it is not available (`note` says why).
        unit: "%", "bit", "A", "fs", "A^2/ps", "eV rad" or "1".
        interval: confidence interval, or None where there is too little to draw from.
        resampled: what the interval was drawn over ("5 starts", "10 blocks of 30 frames").
        floor: reference against reference, see `FLOOR`; None where there are too few frames.
        n_frames_reference: reference frames used.
        n_frames: frames of the trajectory (or of the model) used.
        n_starts: independent rollouts, or None for reruns, which have none of their own.
        per_start: the value for each rollout alone, in the order given.
        n_zero: frames left out of the geometric mean because they agree exactly.
        n_failed: frames left out because they are not finite.
        window: frames and, for structure, distances that the value covers.
        note: what else the reader must know; the reason if the value is None.
    """

    key: str
    mode: str
    comparison: str
    pair: str
    value: float | None
    unit: str
    interval: tuple[float, float] | None
    resampled: str
    floor: float | None
    n_frames_reference: int
    n_frames: int
    n_starts: int | None
    per_start: tuple[float, ...]
    n_zero: int
    n_failed: int
    window: str
    note: str


@dataclass(frozen=True)
class Series:
    """EV(t), FV(t) or RMSD(t) of one rollout or rerun, or its MSD over the lag.

    Attributes:
        key: row of `METRICS`.
        mode: "egraff" or "paper".
        comparison: as in `Score`.
        start: index of the rollout, 0 for reruns.
        step_fs: time between entries, or None where unknown.
        values: (T,), NaN where a frame is not finite.
    """

    key: str
    mode: str
    comparison: str
    start: int
    step_fs: float | None
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """All values of one reference against one or more rollouts.

    Attributes:
        reference: source, sha256, frames, atoms and time step of the reference.
        trajectories: the same for each rollout.
        settings: everything that was chosen: r_max, bins, skipped frames, blocks, seed, ...
        scores: the values.
        curves: RDFs by name ("egraff reference", "egraff trajectory", "paper reference", ...).
        series: EV(t), FV(t), RMSD(t) and MSD over the lag.
        costs: of each rollout, or None where no log told; empty where none was asked for.
    """

    reference: Mapping[str, Any]
    trajectories: tuple[Mapping[str, Any], ...]
    settings: Mapping[str, Any]
    scores: tuple[Score, ...]
    curves: Mapping[str, RDF]
    series: tuple[Series, ...]
    costs: tuple[Cost | None, ...] = ()

    def find(
        self, key: str, comparison: str | None = None, pair: str = "total", mode: str | None = None
    ) -> Score:
        """The value of metric `key`.

        Args:
            key: row of `METRICS`.
            comparison: one of the three for EV and FV; not needed for the others.
            pair: "total", a pair of elements, an element or an angle, where there are several.
            mode: needed only for a metric of both modes.

        Raises:
            KeyError: no such value was computed.
        """
        for score in self.scores:
            if (
                score.key == key
                and (comparison is None or score.comparison == comparison)
                and (score.comparison not in (STRUCTURE, TRANSPORT) or score.pair == pair)
                and (mode is None or score.mode == mode)
            ):
                return score
        raise KeyError(f"no score {key} {comparison or ''} {pair}")

    def to_dict(self) -> dict[str, Any]:
        """Plain values only; whatever is not finite becomes None."""
        plain = _plain({
            "kind": KIND,
            "schema": SCHEMA,
            "reference": dict(self.reference),
            "trajectories": list(self.trajectories),
            "settings": dict(self.settings),
            "floor": FLOOR,
            "scores": [asdict(score) for score in self.scores],
            "curves": {name: asdict(curve) for name, curve in self.curves.items()},
            "series": [asdict(series) for series in self.series],
            "costs": [None if cost is None else cost.to_dict() for cost in self.costs],
        })  # fmt: skip
        return dict(plain)

    def to_json(self) -> str:
        """JSON text of `to_dict`, strict (no NaN)."""
        return json.dumps(self.to_dict(), indent=1, allow_nan=False)

    def to_csv(self) -> str:
        """The values as a table: names of the columns, their units, then a row for each value."""
        columns = [one.name for one in fields(Score) if one.name != "per_start"]
        place = columns.index("interval")
        columns[place : place + 1] = ["interval_low", "interval_high"]
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerow({name: COLUMN_UNITS.get(name, "") for name in columns})
        for score in self.to_dict()["scores"]:
            low, high = score.pop("interval") or (None, None)
            writer.writerow({**score, "interval_low": low, "interval_high": high})
        return stream.getvalue()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.bool_, bool)):
        return bool(value)
    if isinstance(value, (float, np.floating)):
        return float(value) if np.isfinite(value) else None
    return int(value) if isinstance(value, np.integer) else value
