"""A matrix of benchmarks: force fields x systems x temperatures x starts, in one YAML file.

Every pair of a system and a temperature is a cell: an ordinary `BenchConfig`, made by laying the
values of the system, and then those of the temperature, over the common ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt, model_validator

from egraff_lmp.bench.config import BenchConfig, parse_config, read_raw
from egraff_lmp.bench.ladder import Ladders, with_rungs
from egraff_lmp.bench.model import Model, Models, Name, Strict, listed, named_apart
from egraff_lmp.errors import EgraffError
from egraff_lmp.report.printed import check_rows
from egraff_lmp.results.record import PaperRow

KIND = "matrix"
# Parts of a system that a temperature may change.
_SECTIONS = ("reference", "split", "training", "rollout", "scoring")


class PaperName(Strict):
    """A row of the paper's tables that a system stands for: `{dataset: 3BPA, condition: 300K}`."""

    dataset: str = Field(description="as it is printed in the papers' tables")
    condition: str = Field(default="", description="likewise, where a data set has several rows")

    @model_validator(mode="after")
    def _printed(self) -> PaperName:
        try:
            check_rows([self.row])
        except EgraffError as error:
            raise ValueError(str(error)) from None
        return self

    @property
    def row(self) -> PaperRow:
        """The row itself."""
        return PaperRow(self.dataset, self.condition)


# One row or a list of them.
PaperNames = Annotated[tuple[PaperName, ...], BeforeValidator(listed)]


class Temperature(Strict):
    """A temperature of a system, with what differs there from the system's other temperatures."""

    kelvin: PositiveFloat = Field(description="the temperature in K")
    reference: dict[str, Any] = Field(default={}, description="keys of `reference` that differ")
    split: dict[str, Any] = Field(default={}, description="keys of `split` that differ")
    rollout: dict[str, Any] = Field(default={}, description="keys of `rollout` that differ")
    scoring: dict[str, Any] = Field(default={}, description="keys of `scoring` that differ")
    paper: PaperNames = Field(default=(), description="rows of the paper's tables")
    remarks: tuple[str, ...] = Field(default=(), description="for the page")


class System(Strict):
    """One system: its data, and what it changes of the common settings.

    `models` names those of the matrix' models that run on it; all of them if it is left out.
    `paper` names the rows of the paper's tables that it stands for; a temperature with rows of its
    own has those instead. Several systems of one row are averaged.
    """

    name: Name = Field(description="of its folder")
    title: str = Field(description="on the page")
    reference: dict[str, Any] = Field(description="as in the config of one system")
    split: dict[str, Any] = Field(description="as in the config of one system")
    temperature: PositiveFloat | None = Field(default=None, description="in K, if it is one")
    temperatures: tuple[PositiveFloat | Temperature, ...] = Field(
        default=(), description="in K, if they are several"
    )
    training: dict[str, Any] = Field(default={}, description="laid over those of the matrix")
    rollout: dict[str, Any] = Field(default={}, description="laid over those of the matrix")
    scoring: dict[str, Any] = Field(default={}, description="laid over those of the matrix")
    models: tuple[str, ...] | None = Field(
        default=None, min_length=1, description="names of the models that run on it; null: all"
    )
    paper: PaperNames = Field(default=(), description="rows of the paper's tables")
    remarks: tuple[str, ...] = Field(default=(), description="for the page: limits of its data")

    @model_validator(mode="after")
    def _some_temperature(self) -> System:
        if (self.temperature is None) == (not self.temperatures):
            raise ValueError("give either temperature or temperatures, in K")
        kelvins = [condition.kelvin for condition in self.conditions]
        if len(set(kelvins)) != len(kelvins):
            raise ValueError(f"a temperature is given twice: {', '.join(map(str, kelvins))}")
        return self

    @property
    def conditions(self) -> tuple[Temperature, ...]:
        """The temperatures, each with its changes."""
        given = self.temperatures or (self.temperature or 0.0,)
        return tuple(t if isinstance(t, Temperature) else Temperature(kelvin=t) for t in given)


class Slurm(Strict):
    """What the script of the job array asks of Slurm."""

    time: str = Field(default="04:00:00", description="wall time of a task")
    partition: str | None = Field(default=None, description="partition of the tasks")
    account: str | None = Field(default=None, description="account that is charged")
    at_once: PositiveInt | None = Field(default=None, description="tasks that run at one time")
    options: tuple[str, ...] = Field(default=(), description="further #SBATCH options, as --x=y")
    setup: tuple[str, ...] = Field(default=(), description="lines of shell before the command")


class Matrix(Strict):
    """Common settings and the systems they are applied to."""

    later = ("ladder",)

    kind: Literal["matrix"] = Field(description="tells a matrix from the config of one system")
    name: Name = Field(description="of the folder of the results")
    title: str = Field(description="of the page")
    seed: int = Field(ge=1, lt=2**31 - 1000, description="of trainings, velocities and controls")
    models: Models = Field(description="the models that are compared")
    ladder: Ladders = Field(default=(), description="negative controls to add to the models")
    training: dict[str, Any] = Field(
        default={}, description="keys of a training config for all systems and models"
    )
    rollout: dict[str, Any] = Field(default={}, description="of all systems")
    scoring: dict[str, Any] = Field(default={}, description="of all systems")
    systems: tuple[System, ...] = Field(min_length=1, description="the systems")
    slurm: Slurm = Slurm()
    remarks: tuple[str, ...] = Field(default=(), description="for the page: limits of the matrix")

    @model_validator(mode="before")
    @classmethod
    def _with_ladder(cls, raw: Any) -> Any:
        return with_rungs(raw)

    @model_validator(mode="after")
    def _names(self) -> Matrix:
        named_apart("model", self.models)
        named_apart("system", self.systems)
        known = {model.name for model in self.models}
        for system in self.systems:
            unknown = sorted(set(system.models or ()) - known)
            if unknown:
                raise ValueError(
                    f"system {system.name} names models that are not among those of the matrix: "
                    f"{', '.join(unknown)}"
                )
        return self


@dataclass(frozen=True)
class CellConfig:
    """One system at one temperature, an ordinary benchmark."""

    name: str  # of its folder: SYSTEM, or SYSTEM-TEMPERATUREK where the system has several
    system: str
    config: BenchConfig
    paper: tuple[PaperRow, ...] = ()  # rows of its tables that it stands for, for the page alone


def load_matrix(source: str) -> tuple[Matrix, tuple[CellConfig, ...]]:
    """Read and check a matrix and all its cells: a path, or the name of a shipped one.

    Raises:
        EgraffError: there is none, it is no YAML, or a value is wrong; every mistake is listed.
    """
    return parse_matrix(*read_raw(source))


def yaml_text(asked: Matrix | Mapping[str, Any]) -> str:
    """A matrix as YAML that `load_matrix` reads, or the plain values of any config."""
    if isinstance(asked, Matrix):
        asked = asked.model_dump(mode="json", exclude_defaults=True)
    return str(yaml.safe_dump(asked, sort_keys=False, allow_unicode=True, width=90))


def parse_matrix(raw: Mapping[str, Any], source: str) -> tuple[Matrix, tuple[CellConfig, ...]]:
    """A checked matrix and its cells from plain values; `source` is named in errors.

    Raises:
        EgraffError: a value is wrong, in the matrix or in one of its cells.
    """
    matrix = Matrix.checked(raw, source)
    cells = tuple(
        _cell(matrix, system, condition, source)
        for system in matrix.systems
        for condition in system.conditions
    )
    names = [cell.name for cell in cells]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise EgraffError(
            f"{source}: expected systems whose folders differ, got {', '.join(twice)} twice: "
            "rename a system."
        )
    return matrix, cells


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` over `below`, mapping by mapping; lists and plain values replace each other.

    A mapping of another `kind` or `name` (another reference, another schedule) replaces the whole.
    """
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            tag = next((t for t in ("kind", "name") if t in value), None)
            value = dict(value) if tag and old.get(tag) != value[tag] else merged(old, value)
        result[key] = value
    return result


def _cell(matrix: Matrix, system: System, condition: Temperature, source: str) -> CellConfig:
    several = len(system.conditions) > 1
    name = f"{system.name}-{condition.kelvin:g}K" if several else system.name
    sections: dict[str, Any] = {}
    for level in (matrix, system, condition):
        sections = merged(sections, {one: getattr(level, one, {}) for one in _SECTIONS})
    where = f"{source}: system {name}"
    sections["rollout"] = _rollout(sections, where)
    chosen = [m for m in matrix.models if system.models is None or m.name in system.models]
    raw = {
        "name": name,
        "title": f"{system.title}, {condition.kelvin:g} K" if several else system.title,
        "seed": matrix.seed,
        "temperature_kelvin": condition.kelvin,
        **sections,
        "models": [_of_system(model, system).model_dump() for model in chosen],
        "remarks": [*system.remarks, *condition.remarks],
    }
    rows = tuple(named.row for named in condition.paper or system.paper)
    return CellConfig(name, system.name, parse_config(raw, where), rows)


def _of_system(model: Model, system: System) -> Model:
    """The model with the system's name in the path of what was trained before."""
    paths = {"checkpoint": model.checkpoint, "deployed": model.deployed}
    return model.model_copy(
        update={k: path.replace("{system}", system.name) for k, path in paths.items() if path}
    )


def _rollout(sections: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The rollout with `steps` turned into a length and a number of `starts` into frames."""
    rollout, reference = dict(sections["rollout"]), sections["reference"]
    try:
        if "steps" in rollout:
            if "length_fs" in rollout:
                raise EgraffError(f"{where}: rollout: give either steps or length_fs, not both.")
            rollout["length_fs"] = int(rollout.pop("steps")) * float(rollout["timestep_fs"])
        starts = rollout.get("starts")
        if isinstance(starts, int) and not isinstance(starts, bool):
            held_out = sections["split"]["held_out"]
            # Velocities are recovered from a frame before and one after the start.
            margin = 1 if rollout.get("velocities") == "recovered" else 0
            first, last = int(held_out["first"]) + margin, int(held_out["last"]) - margin
            needed = 0  # frames after a start; where there are no times, any frame will do
            if reference.get("time_series", True):
                needed = round(float(rollout["length_fs"]) / float(reference["stride_fs"]))
            rollout["starts"] = spread_starts(starts, first, last, needed)
    except (KeyError, TypeError, ValueError) as error:
        raise EgraffError(
            f"{where}: expected numbers for rollout.timestep_fs, rollout.steps or length_fs, "
            f"reference.stride_fs and split.held_out, got {error!r}: complete the system."
        ) from None
    return rollout


def spread_starts(number: int, first: int, last: int, needed: int) -> list[int]:
    """Start frames at equal distances over [first, last), each with `needed` frames after it.

    Where the part is too short for that they lie close together, down to all on one frame; they
    then differ in their velocities.
    """
    if number < 1:
        raise ValueError(f"rollout.starts must be at least 1, got {number}")
    room = max(1, last - first - needed)
    return [first + (k * room) // number for k in range(number)]
