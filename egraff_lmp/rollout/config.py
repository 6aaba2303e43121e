"""What a rollout is: its configuration file, checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from egraff_lmp.data.table import DATA_SETS
from egraff_lmp.errors import EgraffError, require
from egraff_lmp.untrusted import check_element

try:
    import yaml
    from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

    from egraff_lmp.config_keys import closed, unknown_key
    from egraff_lmp.overrides import overlaid
    from egraff_lmp.yaml_file import read_yaml
except ImportError as error:
    raise require({"yaml": "pyyaml"}.get(error.name or "", "pydantic"), "rollout") from None

_BOUNDARY = re.compile(r"[pfsm]{1,2}( [pfsm]{1,2}){2}")
# The presets of the decks, by the data sets whose conditions (Table 10) they are.
PRESETS = {"GeTe": "gete", "LiPS": "lips", "LiPS20": "lips20"}


class RolloutConfig(BaseModel):
    """A rollout: which potential, from which structure, under which conditions, on what.

    Relative paths are taken from `base`, which `read_config` sets to the folder of the file.
    Either `model` or the pair (`pair`, `coeff`) drives the atoms; they start from a frame of
    `structure` or from a LAMMPS `data_file`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    base: Path = Field(default=Path("."), exclude=True)

    model: Path | None = Field(default=None, description="file written by `egraff deploy`")
    pair: str | None = Field(default=None, description="pair_style line, in place of a model")
    coeff: str | None = Field(default=None, description="what follows `pair_coeff * *`, with pair")
    elements: tuple[str, ...] | None = Field(
        default=None, description="in type order; those of model and structure if null"
    )

    structure: str | None = Field(
        default=None, description="a file that egraff or ASE reads, or SET:PART such as gete:test"
    )
    frame: int = Field(default=-1, description="index of the frame in it; -1 is the last one")
    data_file: Path | None = Field(default=None, description="LAMMPS data file")
    boundary: str | None = Field(default=None, description="of a data_file; p p p if null")

    ensemble: Literal["nve", "nvt", "npt"] = Field(default="nvt", description="Nose-Hoover")
    preset: str | None = Field(
        default=None,
        description="GeTe, LiPS or LiPS20: temperature and time step of EGraFFBench's Table 10",
    )
    temperature_kelvin: float = Field(
        default=300.0, ge=0, description="of the velocities and the thermostat in K"
    )
    temperature_end_kelvin: float | None = Field(
        default=None, ge=0, description="nvt: the thermostat goes there evenly over all n_steps"
    )
    timestep_fs: float = Field(default=1.0, gt=0, description="MD time step in fs")
    damping_fs: float = Field(default=100.0, gt=0, description="of the thermostat in fs")
    pressure_bar: float = Field(default=0.0, description="npt: the target in bar")
    pressure_damping_fs: float = Field(default=1000.0, gt=0, description="npt: in fs")
    coupling: Literal["iso", "aniso", "tri"] = Field(
        default="iso", description="npt: which lengths of the box change together"
    )
    velocities: Literal["create", "keep"] = Field(
        default="create", description="drawn, or those of the data_file"
    )
    seed: int = Field(default=12345, gt=0, lt=2**31, description="of the velocities")

    n_steps: int = Field(gt=0, description="MD steps in all")
    dump_every: int = Field(default=10, gt=0, description="steps between frames")
    thermo_every: int | None = Field(
        default=None, gt=0, description="steps between rows of thermo.csv; dump_every if null"
    )
    restart_minutes: float = Field(
        default=5.0, ge=0, description="wall time between restarts; 0: none"
    )
    restart_every: int | None = Field(
        default=None, gt=0, description="steps between restarts, more often than restart_minutes"
    )
    rebuild_every: int = Field(
        default=10, gt=0, description="steps; restarts lie at multiples of it"
    )
    wall_minutes: float | None = Field(
        default=None, gt=0, description="wall time of one start, which then ends cleanly"
    )
    temperature_max_kelvin: float | None = Field(
        default=None, gt=0, description="ends the run; 10 times the target and 1000 K if null"
    )

    out_dir: Path = Field(description="folder of the results")
    ranks: int = Field(default=1, gt=0, description="MPI ranks")
    threads: int | Literal["auto"] = Field(
        default="auto", description="of a rank; auto divides the cores by the ranks of a node"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU where torch finds one"
    )
    check: bool = Field(
        default=False, description="evaluate the model's self-test frame before the run"
    )
    guard: bool = Field(
        default=True, description="end the run where its atoms do what no simulation survives"
    )
    launcher: str | None = Field(
        default=None, description='such as "srun -n {ranks}"; mpiexec if null'
    )

    @model_validator(mode="before")
    @classmethod
    def _apply_preset(cls, raw: Any) -> Any:
        if not isinstance(raw, dict) or raw.get("preset") is None:
            return raw
        if raw["preset"] not in PRESETS:
            raise ValueError(f"expected preset {', '.join(PRESETS)}, got {raw['preset']!r}")
        row = DATA_SETS[PRESETS[raw["preset"]]]
        values = {"temperature_kelvin": row.temperature_kelvin, "timestep_fs": row.timestep_fs}
        return {**values, **raw}

    @model_validator(mode="after")
    def _consistent(self) -> RolloutConfig:
        if (self.model is None) == (self.pair is None):
            raise ValueError("expected either model, or pair and coeff")
        if (self.pair is None) != (self.coeff is None):
            raise ValueError("expected pair and coeff together")
        if (self.structure is None) == (self.data_file is None):
            raise ValueError("expected either structure or data_file")
        if self.boundary is not None and self.data_file is None:
            raise ValueError("boundary goes with data_file; a structure brings its own")
        for element in self.elements or ():
            check_element(element, "elements")
        if self.boundary is not None and not _BOUNDARY.fullmatch(self.boundary):
            raise ValueError(f"expected a boundary such as 'p p p', got {self.boundary!r}")
        if self.dump_every % self.row_every:
            raise ValueError(
                f"expected dump_every ({self.dump_every}) to be a multiple of thermo_every "
                f"({self.row_every}), so that every frame has its energy"
            )
        if self.temperature_end_kelvin is not None and self.ensemble != "nvt":
            raise ValueError("temperature_end_kelvin goes with the ensemble nvt")
        if self.launcher is not None and "{ranks}" not in self.launcher:
            raise ValueError("expected {ranks} in launcher, as in 'srun -n {ranks}'")
        return self

    @property
    def row_every(self) -> int:
        """Steps between rows of thermo.csv."""
        return self.dump_every if self.thermo_every is None else self.thermo_every

    def path(self, value: Path) -> Path:
        """`value` as an absolute path, relative ones taken from `base`."""
        return (self.base / value.expanduser()).absolute()


def make_config(values: dict[str, Any], source: str = "the rollout's settings") -> RolloutConfig:
    """A checked configuration.

    Raises:
        EgraffError: unknown, missing or contradictory settings; the message names all of them.
    """
    try:
        return RolloutConfig(**values)
    except ValidationError as error:
        sentences = "; ".join(map(_sentence, error.errors()))
        raise EgraffError(closed(f"{source}: {sentences}")) from None


def read_config(path: str | Path, settings: Sequence[str] = (), **overrides: Any) -> RolloutConfig:
    """The configuration in a YAML file.

    Args:
        path: the file.
        settings: KEY=VALUE each, laid over it; see `egraff_lmp.overrides`.
        overrides: entries that replace those of the file where they are not None.

    Raises:
        EgraffError: no such file, no YAML, or wrong settings.
    """
    path = Path(path)
    if not path.is_file():
        raise EgraffError(f"{path}: expected a rollout configuration (YAML), there is none.")
    try:
        values = read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EgraffError(f"{path}: expected YAML, got: {error}") from None
    if not isinstance(values, dict):
        raise EgraffError(f"{path}: expected settings such as 'n_steps: 1000', got none.")
    values = overlaid(values, settings)
    values |= {key: value for key, value in overrides.items() if value is not None}
    return make_config({"base": path.absolute().parent, **values}, str(path))


# What other parts of this program, and other programs, call it.
_OTHER_NAMES = {
    "temperature": "temperature_kelvin",
    "steps": "n_steps",
    "timestep": "timestep_fs",
    "out": "out_dir",
    "data": "data_file",
    "pressure": "pressure_bar",
}


def _sentence(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return unknown_key(error["loc"], RolloutConfig, _OTHER_NAMES)
    if error["type"] == "missing":
        return f"the setting '{where}' is missing"
    message = error["msg"].removeprefix("Value error, ")
    return message if not where else f"{where}: {message}, got {error['input']!r}"
