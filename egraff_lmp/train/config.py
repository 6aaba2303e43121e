"""What `egraff train` reads: a YAML file, checked key by key before anything heavy is imported."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Hashable
from pathlib import Path
from typing import Any, Literal, get_args

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from egraff_lmp.errors import EgraffError


class Section(BaseModel):
    """A part of the config: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(Section):
    """Where the frames come from and how they are split.

    A source is a path (relative to the config file; $VARIABLES are expanded) or SET:PART of
    `egraff_lmp.data.table.DATA_SETS`. Each source holds one composition; counts are per source.
    """

    train: list[str] = Field(min_length=1)
    validation: list[str] = Field(default=[], description="split off `train` where empty")
    test: list[str] = []
    n_train: int | None = Field(default=None, ge=1, description="frames of each train source")
    n_validation: int | None = Field(default=None, ge=1)
    n_test: int | None = Field(default=None, ge=1, description="split off `train` if test is empty")
    split: Literal["shuffled", "contiguous"] = "shuffled"
    gap: int = Field(default=0, ge=0, description="frames left out between contiguous parts")
    leakage: Literal["error", "warn"] = "error"


class ReferenceConfig(Section):
    """The zero of the energies; see `egraff_lmp.train.reference`."""

    method: Literal["least_squares", "isolated_atoms", "mean", "none"] = "least_squares"
    isolated_atoms_ev: dict[str, float] = {}
    isolated_atoms: str | None = Field(default=None, description="file with one-atom frames")


class LossConfig(Section):
    """Weights of the squared errors: energy per atom and force component, in training scales."""

    energy: float = Field(default=1.0, ge=0)
    forces: float = Field(default=1.0, ge=0)


class OptimiserConfig(Section):
    """Adam, its AMSGrad variant, or AdamW."""

    name: Literal["adam", "amsgrad", "adamw"] = "amsgrad"
    learning_rate: float = Field(default=0.005, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    gradient_clip: float | None = Field(default=10.0, gt=0, description="bound on the norm")


class ScheduleConfig(Section):
    """The learning rate over epochs: halved on a plateau of the validation loss, or a cosine."""

    name: Literal["plateau", "cosine", "constant"] = "plateau"
    patience: int = Field(default=25, ge=0, description="plateau: epochs without improvement")
    factor: float = Field(default=0.5, gt=0, lt=1, description="plateau: times the rate")
    epochs: int | None = Field(default=None, ge=1, description="cosine: length; max_epochs if none")
    final_fraction: float = Field(default=0.01, ge=0, le=1, description="cosine: last over first")


class StopConfig(Section):
    """When training ends; may be changed between resumes."""

    max_epochs: int = Field(default=1000, ge=1)
    max_minutes: float | None = Field(default=None, gt=0, description="over all resumes")
    patience: int | None = Field(default=None, ge=1, description="epochs without improvement")
    min_learning_rate: float | None = Field(default=None, gt=0)


class TrainConfig(Section):
    """One training run."""

    forcefield: str
    data: DataConfig
    preset: str = "small"
    overrides: dict[str, Any] = Field(default={}, description="settings on top of the preset")
    r_max: float = Field(default=5.0, gt=0, description="A")
    species: list[str] | None = Field(default=None, description="type order; alphabetical if none")
    dtype: Literal["float32", "float64"] = "float32"
    reference: ReferenceConfig = ReferenceConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    stop: StopConfig = StopConfig()
    batch_size: int = Field(default=5, ge=1)
    ema_decay: float | None = Field(default=0.99, gt=0, lt=1)
    seed: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1, description="torch's choice if none")
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @model_validator(mode="after")
    def _something_to_learn(self) -> TrainConfig:
        if self.loss.energy == 0 and self.loss.forces == 0:
            raise ValueError("loss.energy and loss.forces are both 0: nothing would be learnt")
        return self

    @model_validator(mode="after")
    def _distinct_species(self) -> TrainConfig:
        if self.species is not None and len(set(self.species)) != len(self.species):
            raise ValueError(f"species lists an element twice: {self.species}")
        return self

    @property
    def cosine_epochs(self) -> int:
        """Length of the cosine schedule in epochs."""
        return self.schedule.epochs or self.stop.max_epochs

    def sha256(self) -> str:
        """Hash of all that decides the course of the training.

        Hence not of the bounds of its end, nor of the data's paths, whose content is hashed apart.
        """
        paths = {"train": True, "validation": True, "test": True}
        course = self.model_dump(
            mode="json", exclude={"stop": True, "threads": True, "device": True, "data": paths}
        )
        if self.schedule.name == "cosine":
            course["schedule"]["epochs"] = self.cosine_epochs
        return hashlib.sha256(json.dumps(course, sort_keys=True).encode()).hexdigest()


def load_config(path: str | Path) -> TrainConfig:
    """The config of a YAML file.

    Raises:
        EgraffError: no such file, no YAML, an unknown key (with the allowed ones), a wrong value.
    """
    path = Path(path)
    if not path.is_file():
        raise EgraffError(f"{path}: expected a training config (YAML), there is no such file.")
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EgraffError(f"{path}: expected a training config in YAML: {error}") from None
    if not isinstance(raw, dict):
        raise EgraffError(
            f"{path}: expected a training config, keys and values in YAML, got "
            f"{type(raw).__name__}: it needs at least `forcefield` and `data: train`."
        )
    return parse_config(raw, str(path))


def parse_config(raw: dict[str, Any], where: str) -> TrainConfig:
    """The config of a mapping; `where` names it in messages."""
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        raise EgraffError(f"{where}: {_explain(error)}") from None


class _UniqueKeys(yaml.SafeLoader):
    """A key given twice is an error, not a silent choice of the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is given twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _explain(error: ValidationError) -> str:
    sentences = []
    for item in error.errors():
        place = [str(part) for part in item["loc"]]
        name = ".".join(place)
        if item["type"] == "extra_forbidden":
            sentences.append(_unknown_key(place))
        elif item["type"] == "missing":
            sentences.append(f"the key '{name}' is missing.")
        elif not place:
            sentences.append(f"{item['msg'].removeprefix('Value error, ')}.")
        else:
            got = item["input"]
            sentences.append(f"'{name}': {_lower(item['msg'])}, got {got!r}.")
    return " ".join(sentences)


def _unknown_key(place: list[str]) -> str:
    section = _section(place[:-1])
    allowed = list(section.model_fields)
    close = difflib.get_close_matches(place[-1], allowed, n=1)
    where = f" in '{'.'.join(place[:-1])}'" if len(place) > 1 else ""
    guess = f" (did you mean '{close[0]}'?)" if close else ""
    return f"unknown key '{place[-1]}'{where}{guess}; the keys there are {', '.join(allowed)}."


def _section(place: list[str]) -> type[BaseModel]:
    section: type[BaseModel] = TrainConfig
    for part in place:
        annotation = section.model_fields[part].annotation
        candidates = (annotation, *get_args(annotation))
        section = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return section


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
