"""The records of configs: what all have in common, and models, negative controls among them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from egraff_lmp.config_keys import closed, unknown_key
from egraff_lmp.errors import EgraffError
from egraff_lmp.results.record import FEWER_FRAMES, NOISE, R_MAX, SHUFFLED

T = TypeVar("T", bound="Strict")
# Of folders and files, and in the scripts of jobs.
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


def listed(value: Any) -> Any:
    """A list of it, where a config gives one mapping in the place of a list of them."""
    return [value] if isinstance(value, Mapping) else value


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt one must not be ignored.

    Fields named in `later` came after results had been written. At their default they are left out
    of every dump, so that hashes of stages and the configs in `bench.json` stay what they were.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    later: ClassVar[tuple[str, ...]] = ()
    # What other configs and other programs call a key, dotted.
    other_names: ClassVar[Mapping[str, str]] = {}

    @model_serializer(mode="wrap")
    def _without_later(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = dump(self)
        for name in self.later:
            if getattr(self, name) == type(self).model_fields[name].default:
                plain.pop(name, None)
        return plain

    @classmethod
    def checked(cls: type[T], raw: Mapping[str, Any], source: str) -> T:
        """The record of plain values.

        Raises:
            EgraffError: every mistake with the place where it stands; `source` is named.
        """
        try:
            return cls.model_validate(raw)
        except ValidationError as error:
            mistakes = "; ".join(_mistake(item, cls) for item in error.errors())
            raise EgraffError(closed(f"{source}: {mistakes}")) from None


def _mistake(item: Any, root: type[Strict]) -> str:
    if item["type"] == "extra_forbidden":
        return unknown_key(item["loc"], root, root.other_names)
    return f"{'.'.join(map(str, item['loc'])) or 'config'}: {item['msg']}"


# Controls that are made of the weights of a trained model, and those that are trained as it was.
UNTRAINED = (SHUFFLED, NOISE)
TRAINED_AS = (FEWER_FRAMES, R_MAX)
# What the strength of a control is, for messages; others have none.
STRENGTHS = {
    FEWER_FRAMES: "a part of the training frames between 0 and 1 (0.25 is 25 %)",
    NOISE: "a noise relative to the weights between 0 and 1 (0.03 is 3 %)",
    R_MAX: "a cutoff in A above 0",
}


def require_strength(kind: str, strength: float | None) -> None:
    """Refuse what no control of a kind can have.

    Raises:
        ValueError: it is missing or out of bounds, or the kind has none.
    """
    wanted = STRENGTHS.get(kind)
    if wanted is None:
        if strength is not None:
            raise ValueError(f"`strength` belongs to `control: {' | '.join(STRENGTHS)}` alone")
    elif strength is None or not 0 < strength < (inf if kind == R_MAX else 1):
        raise ValueError(f"expected {wanted}, got {'none' if strength is None else strength}")


class Model(Strict):
    """One model of the comparison.

    `settings` changes the preset of the force field; `training` changes the common training
    settings for this model.

    A negative control is made to be wrong, to see which scores can tell. Of the trained model `of`,
    "shuffled" has the entries of every weight tensor permuted, and "noise" has Gaussian noise added
    to them, as large as `strength` times the tensor's root mean square; neither is trained itself.
    "frames" is trained as `of` on `strength` of its training frames, evenly chosen, for as many
    epochs, and "r-max" with a cutoff of `strength` in A. "half-cutoff" is trained as any other
    model, with half the r_max. A `ladder` writes such models.

    With `checkpoint` nothing is trained: the file is one that `egraff train` wrote elsewhere. With
    `deployed` the model is a deployed file as it is. Frames that either was trained on are left out
    where errors on held-out frames are measured, as far as the file says which they were.
    """

    later = ("control", "of", "strength", "checkpoint", "deployed")

    name: Name = Field(description="of its folder and its column")
    forcefield: str = Field(
        default="", description="nequip, allegro, botnet, mace, equiformer or torchmdnet"
    )
    preset: str = Field(default="small", description="size of the network: small, paper, ...")
    settings: dict[str, Any] = Field(default={}, description="settings on top of the preset")
    training: dict[str, Any] = Field(
        default={}, description="keys of a training config that differ for this model"
    )
    control: Literal["shuffled", "half-cutoff", "frames", "noise", "r-max"] | None = Field(
        default=None, description="makes the model a negative control"
    )
    of: str | None = Field(
        default=None, description="name of the trained model that the control is made of"
    )
    strength: float | None = Field(
        default=None, description="of frames: their part; of noise: relative; of r-max: in A"
    )
    checkpoint: str | None = Field(
        default=None,
        description="best.ckpt of `egraff train`, in place of a training; in a matrix {system} "
        "stands for the name of the system",
    )
    deployed: str | None = Field(
        default=None, description="a deployed file (NAME.pt) likewise, which is run as it is"
    )

    @property
    def ready(self) -> str | None:
        """The file of a model that was trained before; None of others."""
        return self.checkpoint or self.deployed

    @model_validator(mode="after")
    def _trained_before(self) -> Model:
        if self.checkpoint is not None and self.deployed is not None:
            raise ValueError(
                f"model {self.name}: expected either checkpoint or deployed, got both: leave one "
                "out"
            )
        if self.ready is not None and (
            self.settings or self.training or self.preset != "small" or self.control is not None
        ):
            raise ValueError(
                f"model {self.name} is taken from {self.ready}: leave preset, settings, "
                "training and control out"
            )
        return self

    @model_validator(mode="after")
    def _origin(self) -> Model:
        try:
            require_strength(self.control or "", self.strength)
        except ValueError as error:
            raise ValueError(f"model {self.name}: {error}") from None
        if self.control not in (*UNTRAINED, *TRAINED_AS):
            if not self.forcefield:
                raise ValueError(f"model {self.name}: expected forcefield, got none")
            if self.of is not None:
                kinds = " | ".join((*UNTRAINED, *TRAINED_AS))
                raise ValueError(f"model {self.name}: `of` belongs to `control: {kinds}` alone")
            return self
        if self.of is None:
            raise ValueError(
                f"model {self.name}: `control: {self.control}` needs `of`, a model's name"
            )
        if self.settings or self.training or self.preset != "small":
            how = "is not trained" if self.control in UNTRAINED else f"is trained as {self.of} is"
            raise ValueError(
                f"model {self.name} {how}: leave preset, settings and training to {self.of}"
            )
        return self


def named_apart(what: str, named: Iterable[Any]) -> None:
    """Refuse records of one name.

    Raises:
        ValueError: two have the same; all are listed.
    """
    names = [one.name for one in named]
    if len(set(names)) != len(names):
        raise ValueError(f"every {what} needs a name of its own, got {', '.join(names)}")


def _with_origins(models: tuple[Model, ...]) -> tuple[Model, ...]:
    """The same models, controls with the force field of what they are made of.

    Raises:
        ValueError: `of` names no trained model of these.
    """
    trained = {model.name: model for model in models if model.of is None}
    found = []
    for model in models:
        if model.of is not None:
            origin = trained.get(model.of)
            if origin is None:
                raise ValueError(
                    f"model {model.name}: expected `of` to name a trained model "
                    f"({', '.join(trained) or 'there is none'}), got '{model.of}'"
                )
            if origin.ready is not None and model.control in TRAINED_AS:
                raise ValueError(
                    f"model {model.name} is trained as {origin.name} is, which is taken from a "
                    "file: leave it out, or have the benchmark train both"
                )
            if origin.deployed is not None:
                raise ValueError(
                    f"model {model.name} is made of the weights of {origin.name}, which are fixed "
                    "in a deployed file: leave it out, or give `checkpoint` in place of `deployed`"
                )
            if model.forcefield not in ("", origin.forcefield):
                raise ValueError(
                    f"model {model.name}: expected the force field of {origin.name}, "
                    f"{origin.forcefield}, got {model.forcefield}: leave it out"
                )
            model = model.model_copy(update={"forcefield": origin.forcefield})
        found.append(model)
    return tuple(found)


# Those of a comparison, each with its force field.
Models = Annotated[tuple[Model, ...], Field(min_length=1), AfterValidator(_with_origins)]
