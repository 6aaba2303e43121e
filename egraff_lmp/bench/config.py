"""What `egraff bench` is asked to do: one YAML file, checked before anything runs.

Frames of the reference are counted over all its sources in order, from 0; a part is the half-open
range [first, last) of them, every `every`-th frame. A part with sources of its own counts the
frames of each of them instead: that is how a model learns from one set and runs on another.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import yaml
from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from egraff_lmp.bench.ladder import Ladders, with_rungs
from egraff_lmp.bench.model import UNTRAINED, Model, Models, Name, Strict, named_apart
from egraff_lmp.errors import EgraffError
from egraff_lmp.overrides import overlaid
from egraff_lmp.results.record import HALF_CUTOFF, R_MAX
from egraff_lmp.score.committee import MIN_MEMBERS
from egraff_lmp.score.stability import TEMPERATURE_BOUNDS
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.config import parse_config as parse_training
from egraff_lmp.yaml_file import read_yaml

SHIPPED = Path(__file__).resolve().parent / "configs"


class Classical(Strict):
    """A reference made on the spot: a crystal, melted or not, under a classical potential.

    The potential can be evaluated on any frame, so energy and force violation are exact.
    """

    kind: Literal["classical"] = Field(description="a classical potential is the ground truth")
    species: tuple[str, ...] = Field(min_length=1, description="elements of the crystal's sites")
    structure: Literal["zincblende", "rocksalt", "cesiumchloride", "fcc", "bcc", "diamond"] = Field(
        description="crystal to begin with"
    )
    lattice_constant_angstrom: PositiveFloat = Field(description="of the conventional cell in A")
    repeat: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        description="conventional cells along each axis"
    )
    pair_style: str = Field(description="pair style of LAMMPS")
    potential: str = Field(description="potential file that ships with LAMMPS")
    timestep_fs: PositiveFloat = Field(description="time step of the reference in fs")
    stride_fs: PositiveFloat = Field(description="time between frames in fs")
    equilibration_ps: PositiveFloat = Field(description="time before the first frame in ps")
    length_ps: PositiveFloat = Field(description="length of the reference in ps")

    @property
    def coefficients(self) -> str:
        """What follows `pair_coeff * *`."""
        return " ".join([self.potential, *self.species])


class AbInitio(Strict):
    """A reference that is read: parts of a known data set ("gete:test") or paths, in time order.

    With `time_series: false` the frames sample an ensemble and have no times: structure is scored
    against all held-out frames, nothing is compared at equal times, and `stride_fs` is the time
    between dumped frames of a rollout alone. `periodic: false` drops the cell of frames that hold a
    single molecule in a large box. Where a force field that can be evaluated made the frames
    (`egraff data make`), `oracle` names it, and energy and force violation are exact.
    """

    later = ("oracle",)

    kind: Literal["ab-initio"] = Field(description="frames that are read")
    sources: tuple[str, ...] = Field(
        min_length=1, description="files, or SET:PART such as gete:test, in order of time"
    )
    stride_fs: PositiveFloat = Field(description="time between frames in fs")
    time_series: bool = Field(default=True, description="whether the frames follow each other")
    periodic: Literal[False] | None = Field(
        default=None, description="false drops the cell; null takes the frames as they are"
    )
    oracle: Literal["water", "alanine_dipeptide", "alanine_dipeptide_vacuum"] | None = Field(
        default=None, description="reference force field that made the frames"
    )


class Part(Strict):
    """Frames [first, last), every `every`-th, of the reference or of each of `sources`.

    Each source holds one composition, which may be another than the reference's.
    """

    first: int = Field(ge=0, description="number of the first frame, from 0")
    last: PositiveInt = Field(description="number of the frame behind the last one")
    every: PositiveInt = Field(default=1, description="takes every so many frames")
    sources: tuple[str, ...] = Field(default=(), description="other sources than the reference's")

    @model_validator(mode="after")
    def _not_empty(self) -> Part:
        if self.last <= self.first:
            raise ValueError(f"a part needs last > first, got first {self.first}, last {self.last}")
        return self


class Split(Strict):
    """Which frames are trained on, steer the training, and are kept for the scores.

    Where all models were trained before (`checkpoint`, `deployed`) there are held-out frames alone.
    """

    train: Part | None = Field(default=None, description="frames that the models learn from")
    validation: Part | None = Field(
        default=None, description="frames that decide which epoch is kept"
    )
    held_out: Part = Field(description="frames that rollouts start from and are compared with")

    @model_validator(mode="after")
    def _disjoint(self) -> Split:
        if self.held_out.sources:
            raise ValueError("held_out must be a part of the reference: leave its sources out")
        for (name, part), (other, its) in combinations(self.given, 2):
            # Different sources may still hold the same frames: that is found by their content.
            same = set(part.sources) & set(its.sources) or not (part.sources or its.sources)
            if same and part.first < its.last and its.first < part.last:
                raise ValueError(
                    f"the parts {name} and {other} share frames: a model would be scored on what "
                    "it has seen"
                )
        return self

    @property
    def given(self) -> tuple[tuple[str, Part], ...]:
        """Name and part of those that there are."""
        return tuple((name, part) for name, part in self if part is not None)


class Rollout(Strict):
    """The simulations: NVT (Nose-Hoover) or NVE from held-out frames, each with its own seed.

    `starts` are frame numbers of the reference; start number k has the seed `seed` + k, of its
    Maxwell-Boltzmann velocities. Recovered velocities are the reference's own, by central
    differences of the frames around the start. The time between dumped frames is that of the
    reference. `launcher` starts LAMMPS in place of mpiexec, such as "srun -n {ranks}"; it decides
    no number, and is not recorded.
    """

    later = ("ensemble", "velocities")

    timestep_fs: PositiveFloat = Field(description="MD time step in fs")
    length_fs: PositiveFloat = Field(
        description="length of each rollout in fs; a matrix may give `steps` in its place"
    )
    starts: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        min_length=1, description="frames to start from; a matrix may give their number"
    )
    damping_fs: PositiveFloat = Field(default=100.0, description="of the thermostat in fs")
    ranks: PositiveInt = Field(default=2, description="MPI ranks of a rollout")
    threads: PositiveInt = Field(default=1, description="threads of a rank")
    device: Literal["auto", "cpu", "cuda"] = Field(default="cpu", description="of the rollouts")
    ensemble: Literal["nvt", "nve"] = Field(default="nvt", description="Nose-Hoover, or none")
    velocities: Literal["maxwell-boltzmann", "recovered"] = Field(
        default="maxwell-boltzmann", description="drawn, or those of the reference"
    )
    launcher: str | None = Field(
        default=None, exclude=True, description="starts LAMMPS in place of mpiexec"
    )

    @property
    def machine(self) -> dict[str, Any]:
        """What of the machine may change numbers."""
        return {"ranks": self.ranks, "threads": self.threads, "device": self.device}

    @field_validator("launcher")
    @classmethod
    def _with_ranks(cls, launcher: str | None) -> str | None:
        if launcher is not None and "{ranks}" not in launcher:
            raise ValueError(f"expected {{ranks}} in it, as in 'srun -n {{ranks}}', got {launcher}")
        return launcher


class Scoring(Strict):
    """How rollouts are compared with the held-out part.

    `skip_fs` is left out at the beginning of each rollout for the structure (it starts from a
    reference frame, and the thermostat has to settle). A rollout whose temperature leaves
    `temperature_bounds`, multiples of the target, ends there. With `committee_every`, that many
    frames of a rollout apart, the other models are asked about it where the ground truth cannot be.
    """

    later = ("temperature_bounds", "committee_every")

    r_max_angstrom: PositiveFloat | None = Field(
        default=None, description="range of g(r) in A; half of the smallest cell height if null"
    )
    bin_width_angstrom: PositiveFloat = Field(default=0.05, description="bins of g(r) in A")
    skip_fs: float = Field(
        default=0.0, ge=0, description="left out at the beginning of each rollout in fs"
    )
    rerun_every: PositiveInt = Field(
        default=1, description="every so many held-out frames are evaluated by the models"
    )
    temperature_bounds: tuple[float, float] = Field(
        default=TEMPERATURE_BOUNDS, description="multiples of the target that end a rollout"
    )
    committee_every: PositiveInt | None = Field(
        default=None, description="every so many frames of a rollout are judged by the others"
    )

    @model_validator(mode="after")
    def _target_within(self) -> Scoring:
        low, high = self.temperature_bounds
        if not 0 <= low < 1 < high:
            raise ValueError(
                f"temperature_bounds are multiples of the target below and above 1, got {low:g} "
                f"and {high:g}"
            )
        return self


class BenchConfig(Strict):
    """The whole chain: reference, models, rollouts, scores."""

    later = ("ladder",)
    other_names: ClassVar = {
        "temperature": "temperature_kelvin",
        "steps": "rollout.length_fs",
        "n_steps": "rollout.length_fs",
        "timestep": "rollout.timestep_fs",
        "epochs": "training.stop.max_epochs",
        "cutoff": "training.r_max",
    }

    name: Name = Field(description="of the folder of the results")
    title: str = Field(description="of the page")
    seed: int = Field(ge=1, lt=2**31 - 1000, description="of trainings, velocities and controls")
    temperature_kelvin: PositiveFloat = Field(description="temperature of the rollouts in K")
    reference: Annotated[Classical | AbInitio, Field(discriminator="kind")] = Field(
        description="the ground truth"
    )
    split: Split = Field(description="the parts of the reference")
    training: dict[str, Any] = Field(
        default={},
        description="keys of a training config but forcefield, preset, overrides and data",
    )
    models: Models = Field(description="the models that are compared")
    ladder: Ladders = Field(default=(), description="negative controls to add to the models")
    rollout: Rollout = Field(description="the simulations")
    scoring: Scoring = Scoring()
    remarks: tuple[str, ...] = Field(default=(), description="for the report: limits of the data")

    @model_validator(mode="before")
    @classmethod
    def _with_ladder(cls, raw: Any) -> Any:
        return with_rungs(raw)

    @model_validator(mode="after")
    def _consistent(self) -> BenchConfig:
        named_apart("model", self.models)
        first, last = self.split.held_out.first, self.split.held_out.last
        recovered = self.rollout.velocities == "recovered"
        for start in self.rollout.starts:
            if not first <= start < last:
                raise ValueError(
                    f"rollout.starts: frame {start} is not in the held-out part [{first}, {last})"
                )
            if recovered and not first < start < last - 1:
                raise ValueError(
                    f"rollout.starts: frame {start} needs a held-out frame before and one after it "
                    "to recover velocities from"
                )
        if recovered and not self.time_series:
            raise ValueError(
                "rollout.velocities: only a time series has velocities to recover; use "
                "maxwell-boltzmann"
            )
        stride, step = self.stride_fs, self.rollout.timestep_fs
        if self.dump_every < 1 or abs(self.dump_every * step - stride) > 1e-6 * stride:
            raise ValueError(
                f"reference.stride_fs = {stride} fs must be a whole multiple of the time step, "
                f"{step} fs: frames of reference and rollout are compared at equal times"
            )
        committee = self.scoring.committee_every is not None
        if committee and self.exact:
            raise ValueError(
                "scoring.committee_every: the ground truth itself is evaluated on the rollouts' "
                "frames here; leave it out"
            )
        if committee and len(self.ordinary) <= MIN_MEMBERS:
            raise ValueError(
                f"scoring.committee_every: expected at least {MIN_MEMBERS + 1} models that are no "
                f"negative controls, so that each has {MIN_MEMBERS} others to judge it, got "
                f"{', '.join(model.name for model in self.ordinary) or 'none'}"
            )
        from egraff_lmp.forcefields import force_field  # torch: seconds, for a check alone

        for model in self.models:
            force_field(model.forcefield)
            if self.trained(model).ready is not None:
                continue
            settings = self.train_settings(self.trained(model), "train", "validation")
            if self.split.train is None or self.split.validation is None:
                raise ValueError(
                    f"split: expected train and validation, of which model {model.name} "
                    "learns, got none: give both, or a checkpoint or deployed file of the model"
                )
            if model.control == R_MAX:
                whole = self.train_settings(self.origin(model), "train", "validation")
                if settings.r_max >= whole.r_max:
                    raise ValueError(
                        f"model {model.name}: expected a strength below the r_max of {model.of}, "
                        f"{whole.r_max:g} A, got {settings.r_max:g} A: leave it out"
                    )
        return self

    @property
    def ordinary(self) -> tuple[Model, ...]:
        """The models that are no negative controls; those of a committee judge each other."""
        return tuple(model for model in self.models if model.control is None)

    def origin(self, model: Model) -> Model:
        """What a control is made of, or differs from in one thing; the model itself of others."""
        return next(other for other in self.models if other.name == (model.of or model.name))

    def trained(self, model: Model) -> Model:
        """The model that is trained for `model`: itself, or what it is made of."""
        return self.origin(model) if model.control in UNTRAINED else model

    def train_settings(
        self, model: Model, train: str | Sequence[str], validation: str | Sequence[str]
    ) -> TrainConfig:
        """Settings of the trainer for one model, with the path or paths of its two parts.

        The half-cutoff control gets half the r_max of the others, one that is trained as another
        model the settings of that.

        Raises:
            EgraffError: a key that the trainer does not know, or a wrong value.
        """
        origin = self.origin(model)
        given = {"seed": self.seed, **self.training, **origin.training}
        settled = {
            "forcefield": origin.forcefield,
            "preset": origin.preset,
            "overrides": origin.settings,
            "data": {"train": _listed(train), "validation": _listed(validation)},
        }
        taken = sorted(given.keys() & settled.keys())
        if taken:
            raise ValueError(f"training: {', '.join(taken)} must be left to split and models")
        settings = parse_training({**given, **settled}, f"training of model {model.name}")
        if settings.start_from is not None:  # from the folder that `checkpoint` starts from, too
            start = Path(settings.start_from).expanduser().absolute()
            settings = settings.model_copy(update={"start_from": str(start)})
        if model.control == HALF_CUTOFF:
            settings = settings.model_copy(update={"r_max": settings.r_max / 2})
        if model.control == R_MAX:
            settings = settings.model_copy(update={"r_max": model.strength})
        return settings

    def stages_of(self, model: Model) -> tuple[str, ...]:
        """Names of the stages after the reference that give a model's results, in order."""
        name = model.name
        rollouts = (f"rollout-{name}-{k}" for k in range(1, len(self.rollout.starts) + 1))
        asked = self.exact or self.scoring.committee_every is not None
        return (
            f"train-{self.trained(model).name}", f"deploy-{name}", f"check-{name}", *rollouts,
            *((f"oracle-{name}",) if asked else ()), f"score-{name}",
        )  # fmt: skip

    @property
    def exact(self) -> bool:
        """Whether the ground truth can be evaluated on any frame."""
        return isinstance(self.reference, Classical) or self.reference.oracle is not None

    @property
    def time_series(self) -> bool:
        """Whether frames of the reference can be compared with a rollout's at equal times."""
        return isinstance(self.reference, Classical) or self.reference.time_series

    @property
    def stride_fs(self) -> float:
        """Time between the frames that are scored, of reference and rollout alike."""
        return self.reference.stride_fs

    @property
    def dump_every(self) -> int:
        """Steps between dumped frames of a rollout."""
        return round(self.stride_fs / self.rollout.timestep_fs)

    @property
    def steps(self) -> int:
        """Steps of a rollout: a whole number of dumps."""
        dumps = max(1, round(self.rollout.length_fs / self.stride_fs))
        return dumps * self.dump_every


def _listed(paths: str | Sequence[str]) -> list[str]:
    return [paths] if isinstance(paths, str) else list(paths)


def shipped() -> dict[str, Path]:
    """Name to path of the configs that come with the package."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def load_config(source: str | os.PathLike[str]) -> BenchConfig:
    """Read and check the config of one system: a path, or the name of a shipped one.

    Raises:
        EgraffError: there is none, it is no YAML, or a value is wrong; every mistake is listed.
    """
    return parse_config(*read_raw(source))


def read_raw(
    source: str | os.PathLike[str], settings: Sequence[str] = ()
) -> tuple[dict[str, Any], str]:
    """The plain values of a config and its path; nothing but the YAML is checked.

    Args:
        source: the file, or the name of a shipped one.
        settings: KEY=VALUE each, laid over it; see `egraff_lmp.overrides`.

    Raises:
        EgraffError: there is none, or it is no mapping in YAML.
    """
    known = shipped()
    path = known.get(str(source), Path(source))
    if not path.is_file():
        raise EgraffError(
            f"{source}: expected a YAML file or one of the shipped configs "
            f"({', '.join(known)}), found neither: check the path."
        )
    try:
        raw = read_yaml(path)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EgraffError(
            f"{path}: expected YAML, got a file that does not parse: {error}"
        ) from None
    if not isinstance(raw, dict):
        raise EgraffError(f"{path}: expected a YAML mapping, got {type(raw).__name__}.")
    return overlaid(raw, settings), str(path)


parse_config = BenchConfig.checked
