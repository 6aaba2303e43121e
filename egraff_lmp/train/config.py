"""What `egraff train` reads: a YAML file, checked key by key before anything heavy is imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from egraff_lmp.config_keys import closed, unknown_key
from egraff_lmp.data.label_names import LabelKeys
from egraff_lmp.errors import EgraffError
from egraff_lmp.overrides import overlaid
from egraff_lmp.yaml_file import read_yaml


class Section(BaseModel):
    """A part of the config: frozen, and unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataConfig(Section):
    """Where the frames come from and how they are split.

    A source is a path (relative to the config file; $VARIABLES are expanded) or SET:PART of
    `egraff_lmp.data.table.DATA_SETS`. Counts are per source, whatever compositions it holds.
    """

    train: list[str] = Field(min_length=1, description="sources of the training frames")
    validation: list[str] = Field(default=[], description="split off `train` where empty")
    test: list[str] = Field(default=[], description="sources for the errors of the end")
    n_train: int | None = Field(default=None, ge=1, description="frames of each train source")
    n_validation: int | None = Field(
        default=None,
        ge=1,
        description="of each validation source, or split off each train source that is larger",
    )
    n_test: int | None = Field(default=None, ge=1, description="split off `train` if test is empty")
    split: Literal["shuffled", "contiguous"] = Field(
        default="shuffled", description="how parts are split off: at random, or in order of time"
    )
    gap: int = Field(default=0, ge=0, description="frames left out between contiguous parts")
    leakage: Literal["error", "warn"] = Field(
        default="error", description="what frames are that stand in two parts"
    )
    units: Literal["error", "warn"] = Field(
        default="error", description="what forces are that seem to be in kcal/mol/A, not a unit"
    )
    energy_key: str | None = Field(default=None, description="name of energies in files of ASE")
    forces_key: str | None = Field(default=None, description="likewise; the usual ones if none")
    stress_key: str | None = Field(default=None, description="likewise")

    @property
    def keys(self) -> LabelKeys:
        """Names of the labels in files that ASE reads."""
        return LabelKeys(self.energy_key, self.forces_key, self.stress_key)


class ReferenceConfig(Section):
    """The zero of the energies; see `egraff_lmp.train.reference`.

    auto: the energies of isolated atoms where the training files hold one of each element, else
    least squares.
    """

    method: Literal["auto", "least_squares", "isolated_atoms", "mean", "none", "unchanged"] = Field(
        default="auto",
        description="how the energy of each element is found; unchanged: those of `start_from`, "
        "which auto moves by what labels and start differ by",
    )
    isolated_atoms_ev: dict[str, float] = Field(
        default={}, description="energy of an isolated atom of each element in eV"
    )
    isolated_atoms: str | None = Field(default=None, description="file with one-atom frames")


class LossConfig(Section):
    """Weights and form of the errors, in units that make zero forces and zero stress a loss of 1.

    Energies and forces are in units of the training scale, the root mean square of the forces, and
    the stress in units of its own. squared: mean squares of energies (per atom, or of whole
    frames), force components and stress components. absolute: mean absolute energies and stress
    components, and mean lengths of the force errors (Liao & Smidt 2023).
    """

    energy: float = Field(default=1.0, ge=0, description="weight of the energy error")
    forces: float = Field(default=1.0, ge=0, description="weight of the force error")
    stress: float = Field(default=0.0, ge=0, description="weight of the stress error; 0: not used")
    stress_scale: Literal["rms", "forces"] = Field(
        default="rms", description="forces: the scale of the forces, as releases up to 0.1 had it"
    )
    kind: Literal["squared", "absolute"] = Field(
        default="squared", description="form of the errors"
    )
    energy_per: Literal["atom", "frame"] = Field(
        default="atom", description="squared: energies per atom, or of whole frames"
    )


class SecondStageConfig(Section):
    """A last stage with other weights, a constant rate and an average of its own (SWA).

    Izmailov et al. 2018 average uniformly. MACE and BOTNet are trained with such a stage, energies
    weighted high; `mace-torch` keeps the exponential average of the first stage in it.
    """

    start_epoch: int = Field(ge=1, description="epochs of the first stage")
    energy: float = Field(default=1000.0, ge=0, description="weight of the energy error")
    forces: float = Field(default=1.0, ge=0, description="weight of the force error")
    stress: float = Field(default=0.0, ge=0, description="weight of the stress error")
    learning_rate: float = Field(default=0.001, gt=0, description="of all steps of the stage")
    average: Literal["uniform", "exponential"] = Field(
        default="uniform", description="exponential: that of the first stage goes on"
    )


class OptimiserConfig(Section):
    """Adam, its AMSGrad variant, or AdamW."""

    name: Literal["adam", "amsgrad", "adamw"] = Field(
        default="amsgrad", description="which of the three"
    )
    learning_rate: float = Field(default=0.005, gt=0, description="at the start, after a warm-up")
    weight_decay: float = Field(default=0.0, ge=0, description="decoupled from the step for adamw")
    weight_decay_on: Literal["all", "authors"] = Field(
        default="all", description="authors: the parameters that the force field's authors decay"
    )
    gradient_clip: float | None = Field(default=10.0, gt=0, description="bound on the norm")


class ScheduleConfig(Section):
    """The learning rate over epochs: lower on a plateau of the validation loss, or a cosine.

    A warm-up multiplies it by a factor that rises linearly from step to step to 1.
    """

    name: Literal["plateau", "cosine", "constant"] = Field(
        default="plateau", description="form of the schedule"
    )
    patience: int = Field(default=25, ge=0, description="plateau: epochs without improvement")
    factor: float = Field(default=0.5, gt=0, lt=1, description="plateau: times the rate")
    epochs: int | None = Field(default=None, ge=1, description="cosine: length; max_epochs if none")
    final_fraction: float = Field(default=0.01, ge=0, le=1, description="cosine: last over first")
    minimum: float = Field(default=0.0, ge=0, description="plateau: lowest rate")
    warmup_epochs: int = Field(default=0, ge=0, description="length of the warm-up in epochs")
    warmup_steps: int = Field(default=0, ge=0, description="more than the epochs' steps, if larger")


class StopConfig(Section):
    """When training ends; may be changed between resumes.

    With one exception: a cosine without `schedule.epochs` is as long as `max_epochs`.
    """

    max_epochs: int = Field(default=1000, ge=1, description="epochs in all")
    max_minutes: float | None = Field(
        default=None, gt=0, description="wall time of training in minutes, over all resumes"
    )
    patience: int | None = Field(default=None, ge=1, description="epochs without improvement")
    min_learning_rate: float | None = Field(
        default=None, gt=0, description="ends where the rate falls below it"
    )


class TrainConfig(Section):
    """One training run."""

    forcefield: str = Field(description="nequip, allegro, botnet, mace, equiformer or torchmdnet")
    data: DataConfig = Field(description="the frames")
    preset: str = Field(default="small", description="size of the network: small, paper, ...")
    overrides: dict[str, Any] = Field(default={}, description="settings on top of the preset")
    r_max: float = Field(default=5.0, gt=0, description="cutoff radius in A")
    species: list[str] | None = Field(default=None, description="type order; alphabetical if none")
    start_from: str | None = Field(
        default=None,
        description="what the training begins with (fine-tuning): a checkpoint of `egraff train`, "
        "a MACE .model, or a NequIP or Allegro checkpoint or package; the network's settings are "
        "the file's, and need not be stated",
    )
    start_elements: Literal["auto", "keep", "cut"] = Field(
        default="auto",
        description="elements of `start_from` without frames: keep them or cut them out; auto: cut "
        "out of files of other packages",
    )
    dtype: Literal["float32", "float64"] = Field(
        default="float32", description="precision of the network; energies are summed in float64"
    )
    reference: ReferenceConfig = ReferenceConfig()
    loss: LossConfig = LossConfig()
    optimiser: OptimiserConfig = OptimiserConfig()
    schedule: ScheduleConfig = ScheduleConfig()
    stop: StopConfig = StopConfig()
    batch_size: int = Field(default=5, ge=1, description="frames of a batch, in each process")
    accumulate: int = Field(
        default=1, ge=1, description="batches of each step, whose gradients are averaged"
    )
    memory_gb: float | None = Field(
        default=None,
        gt=0,
        description="of a step of one process, for which batches are computed in parts; half of "
        "the memory there is if none",
    )
    ema_decay: float | None = Field(
        default=0.99, gt=0, lt=1, description="of the average of weights that is validated and kept"
    )
    second_stage: SecondStageConfig | None = None
    seed: int = Field(default=0, ge=0, description="of the weights, the split and the order")
    threads: int | None = Field(default=None, ge=1, description="torch's choice if none")
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto", description="auto: a GPU where torch finds one"
    )
    devices: int = Field(default=1, ge=1, description="GPUs, or processes on a CPU")
    kernels: Literal["auto", "off"] = Field(
        default="auto", description="off: the reference network, slower; the same up to rounding"
    )
    tensorboard: bool = Field(default=False, description="write event files beside the checkpoints")
    logger: Literal["none", "wandb"] = Field(
        default="none",
        description="wandb: send the rows of log.csv to Weights & Biases, too (package wandb; its "
        "own variables, such as WANDB_MODE=offline and WANDB_PROJECT, are obeyed)",
    )

    @model_validator(mode="after")
    def _something_to_learn(self) -> TrainConfig:
        if self.loss.energy == 0 and self.loss.forces == 0 and self.loss.stress == 0:
            raise ValueError("all weights of `loss` are 0: nothing would be learnt")
        stage = self.second_stage
        if stage is not None and stage.energy == 0 and stage.forces == 0 and stage.stress == 0:
            raise ValueError("all weights of `second_stage` are 0: nothing would be learnt")
        if stage is not None and stage.average == "uniform" and self.ema_decay is None:
            raise ValueError(
                "second_stage averages weights, and ema_decay: null keeps no average: give a decay"
            )
        return self

    @model_validator(mode="after")
    def _distinct_species(self) -> TrainConfig:
        if self.species is not None and len(set(self.species)) != len(self.species):
            raise ValueError(f"species lists an element twice: {self.species}")
        return self

    @model_validator(mode="after")
    def _something_to_start_from(self) -> TrainConfig:
        if self.reference.method == "unchanged" and self.start_from is None:
            raise ValueError("reference.method is unchanged, and there is no start_from")
        return self

    @property
    def learns_stress(self) -> bool:
        """Whether a stage has the stress in its loss."""
        return bool(self.loss.stress or (self.second_stage and self.second_stage.stress))

    @property
    def cosine_epochs(self) -> int:
        """Length of the cosine schedule in epochs."""
        return self.schedule.epochs or self.stop.max_epochs

    def sha256(self) -> str:
        """Hash of all that decides the course of the training.

        Hence not of the bounds of its end, nor of the paths of the data and of `start_from`, whose
        contents are hashed apart.
        """
        paths = {"train": True, "validation": True, "test": True}
        course = self.model_dump(
            mode="json",
            exclude={"stop": True, "data": paths, **dict.fromkeys(_NOT_THE_COURSE, True)},
        )
        if self.schedule.name == "cosine":
            course["schedule"]["epochs"] = self.cosine_epochs
        if not self.learns_stress:
            del course["loss"]["stress_scale"]
        if self.reference.method == "auto":  # where no file held isolated atoms
            course["reference"]["method"] = "least_squares"
        if self.start_elements == "auto":
            del course["start_elements"]
        for (section, key), earlier in _LATER.items():
            if (course[section] or {}).get(key, _ABSENT) == earlier:
                del course[section][key]
        return hashlib.sha256(json.dumps(course, sort_keys=True).encode()).hexdigest()


SHIPPED = Path(__file__).parent / "configs"
_NOT_THE_COURSE = (
    "start_from",
    "threads",
    "device",
    "tensorboard",
    "logger",
    "memory_gb",
    "kernels",
)
# Keys that earlier versions did not know, and the value that does what they did: with it, a config
# has the hash that it had, and its run can be resumed.
_LATER = {
    ("optimiser", "weight_decay_on"): "all",
    ("second_stage", "average"): "uniform",
    ("loss", "stress_scale"): "forces",
    ("data", "energy_key"): None,
    ("data", "forces_key"): None,
    ("data", "stress_key"): None,
}
_ABSENT = object()


def load_config(path: str | Path, settings: Sequence[str] = ()) -> TrainConfig:
    """The config of a YAML file.

    Args:
        path: the file.
        settings: KEY=VALUE each, laid over it; see `egraff_lmp.overrides`.

    Raises:
        EgraffError: no such file, no YAML, an unknown key (with the allowed ones), a wrong value.
    """
    path = Path(path)
    if not path.is_file():
        raise EgraffError(f"{path}: expected a training config (YAML), there is no such file.")
    try:
        raw = read_yaml(path, _UniqueKeys)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise EgraffError(f"{path}: expected a training config in YAML: {error}") from None
    if not isinstance(raw, dict):
        raise EgraffError(
            f"{path}: expected a training config, keys and values in YAML, got "
            f"{type(raw).__name__}: it needs at least `forcefield` and `data: train`."
        )
    return parse_config(overlaid(raw, settings), str(path))


def shipped_configs() -> dict[str, Path]:
    """Name to file of the training settings that come with the package, such as nequip-paper."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.yaml"))}


def named_config(name: str, data: dict[str, Any], settings: Sequence[str] = ()) -> TrainConfig:
    """Shipped settings on given data.

    Args:
        name: of `shipped_configs`.
        data: the data section, as in a config.
        settings: KEY=VALUE each, laid over it; see `egraff_lmp.overrides`.

    Raises:
        EgraffError: no such name, or wrong data.
    """
    return parse_config(overlaid({"inherits": name, "data": data}, settings), name)


def parse_config(raw: dict[str, Any], where: str) -> TrainConfig:
    """The config of a mapping; `where` names it in messages.

    With `inherits: NAME` the keys are laid over the shipped settings of that name.
    """
    raw = dict(raw)
    if "inherits" in raw:
        raw = _overlaid(_shipped(raw.pop("inherits"), where), raw)
    try:
        return TrainConfig.model_validate(raw)
    except ValidationError as error:
        raise EgraffError(f"{where}: {_explain(error)}") from None


def _shipped(name: Any, where: str) -> dict[str, Any]:
    shipped = shipped_configs()
    if not isinstance(name, str) or name not in shipped:
        raise EgraffError(
            f"{where}: 'inherits': expected one of {', '.join(shipped)}, got {name!r}."
        )
    found = read_yaml(shipped[name], _UniqueKeys)
    return dict(found)


def _overlaid(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """`above` over `below`, section by section; a section of null is taken out."""
    result = dict(below)
    for key, value in above.items():
        old = result.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            value = _overlaid(old, value)
        result[key] = value
    return result


class _UniqueKeys(yaml.SafeLoader):
    """A key given twice is an error, not a silent choice of the second."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                raise yaml.constructor.ConstructorError(
                    None, None, f"expected a name as key, got {key!r}", key_node.start_mark
                )
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
            sentences.append(closed(unknown_key(item["loc"], TrainConfig, _OTHER_NAMES)))
        elif item["type"] == "missing":
            sentences.append(f"the key '{name}' is missing.")
        elif not place:
            sentences.append(f"{item['msg'].removeprefix('Value error, ')}.")
        else:
            got = item["input"]
            sentences.append(f"'{name}': {_lower(item['msg'])}, got {got!r}.")
    return " ".join(sentences)


# What other programs call it.
_OTHER_NAMES = {
    "epochs": "stop.max_epochs",
    "n_epochs": "stop.max_epochs",
    "max_num_epochs": "stop.max_epochs",
    "lr": "optimiser.learning_rate",
    "cutoff": "r_max",
    "model": "forcefield",
    "patience": "stop.patience",
}


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:]
