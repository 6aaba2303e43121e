"""The birth certificate of a rollout: `rollout.json` in its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_json

SCHEMA = 1
KIND = "egraff rollout"
RECORD = "rollout.json"

# running: not ended, or ended without a chance to say so (killed)
# finished: all steps done
# failed: the simulation broke down (lost atoms, non-finite numbers, temperature out of bounds)
# stopped: LAMMPS or its launcher ended for another reason; the same command goes on
STATES = ("running", "finished", "failed", "stopped")


@dataclass(frozen=True)
class Segment:
    """One start of LAMMPS.

    Attributes:
        first_step: step it started from.
        last_step: last step of thermo.csv when it was last looked at.
        ranks: MPI ranks.
        threads: of each rank, as asked for.
        device: as asked for.
        wall_seconds: time since its start, up to when it was last looked at.
        started: UTC, ISO 8601.
        log: name of its log in the folder.
        command: as a list of arguments, or "in process".
    """

    first_step: int
    last_step: int
    ranks: int
    threads: str
    device: str
    wall_seconds: float
    started: str
    log: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """What `rollout.json` holds.

    Attributes:
        status: see `STATES`.
        reason: why it failed or stopped, else "".
        n_steps: steps asked for.
        identity: everything that decides the trajectory: hashes of the inputs and the variables
            of the deck. A continued rollout must agree in all of it.
        inputs: where the inputs were.
        versions: of the programs that ran it first.
        hardware: of the machine that wrote it first.
        segments: the starts, in order.
    """

    status: str
    reason: str
    n_steps: int
    identity: Mapping[str, str]
    inputs: Mapping[str, str]
    versions: Mapping[str, str]
    hardware: Mapping[str, Any]
    segments: tuple[Segment, ...] = field(default=())

    @property
    def wall_seconds(self) -> float:
        """Time that LAMMPS ran, over all starts."""
        return sum(segment.wall_seconds for segment in self.segments)

    @property
    def last_step(self) -> int:
        """Last step reached."""
        return self.segments[-1].last_step if self.segments else 0

    def looked_at(self, last_step: int | None, wall_seconds: float) -> Record:
        """The record with its last segment brought up to date."""
        last = self.segments[-1]
        step = last.last_step if last_step is None else last_step
        segment = replace(last, last_step=step, wall_seconds=round(wall_seconds, 3))
        return replace(self, segments=(*self.segments[:-1], segment))

    def write(self, folder: Path) -> None:
        """Write it into `folder`, atomically."""
        value = {"kind": KIND, "schema": SCHEMA, **asdict(self)}
        write_json(folder / RECORD, value | {"wall_seconds": round(self.wall_seconds, 3)})


def read_record(folder: Path) -> Record | None:
    """The record in `folder`, or None if there is none.

    Raises:
        EgraffError: damaged, of another kind, or of a newer schema.
    """
    path = folder / RECORD
    if not path.is_file():
        return None
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if raw.get("kind") != KIND or not 1 <= raw["schema"] <= SCHEMA:
            raise EgraffError(
                f"{path}: expected a '{KIND}' of schema {SCHEMA} or older, got "
                f"{raw.get('kind')!r} of schema {raw.get('schema')}: update egraff_lmp or choose "
                "another out_dir."
            )
        segments = tuple(
            Segment(**{**item, "command": tuple(item["command"])}) for item in raw["segments"]
        )
        names = ("status", "reason", "n_steps", "identity", "inputs", "versions", "hardware")
        return Record(**{name: raw[name] for name in names}, segments=segments)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EgraffError(
            f"{path}: expected the record of a rollout, got {type(error).__name__}: {error}: "
            "choose another out_dir."
        ) from None
