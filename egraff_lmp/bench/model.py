"""The models of a comparison, negative controls among them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from egraff_lmp.bench.strict import Strict
from egraff_lmp.results.record import SHUFFLED


class Model(Strict):
    """One model of the comparison.

    `settings` changes the preset of the force field; `training` changes the common training
    settings for this model.

    A negative control is made to be wrong, to see which scores can tell: "shuffled" is the trained
    model `of` with the entries of every weight tensor permuted, and is not trained itself;
    "half-cutoff" is trained as any other, with half the r_max.
    """

    later = ("control", "of")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    forcefield: str = ""
    preset: str = "small"
    settings: dict[str, Any] = Field(default={})
    training: dict[str, Any] = Field(default={})
    control: Literal["shuffled", "half-cutoff"] | None = None
    of: str | None = None

    @model_validator(mode="after")
    def _origin(self) -> Model:
        if self.control != SHUFFLED:
            if not self.forcefield:
                raise ValueError(f"model {self.name}: expected forcefield, got none")
            if self.of is not None:
                raise ValueError(f"model {self.name}: `of` belongs to `control: {SHUFFLED}` alone")
            return self
        if self.of is None:
            raise ValueError(f"model {self.name}: `control: {SHUFFLED}` needs `of`, a model's name")
        if self.settings or self.training or self.preset != "small":
            raise ValueError(
                f"model {self.name} is not trained: leave preset, settings and training to "
                f"{self.of}"
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
    """The same models, shuffled ones with the force field of what they are made of.

    Raises:
        ValueError: `of` names no trained model of these.
    """
    trained = {model.name: model for model in models if model.control != SHUFFLED}
    found = []
    for model in models:
        if model.of is not None:
            origin = trained.get(model.of)
            if origin is None:
                raise ValueError(
                    f"model {model.name}: expected `of` to name a trained model "
                    f"({', '.join(trained) or 'there is none'}), got '{model.of}'"
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
