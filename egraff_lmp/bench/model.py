"""The models of a comparison, negative controls among them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

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

    name: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", description="of its folder and its column"
    )
    forcefield: str = Field(
        default="", description="nequip, allegro, botnet, mace, equiformer or torchmdnet"
    )
    preset: str = Field(default="small", description="size of the network: small, paper, ...")
    settings: dict[str, Any] = Field(default={}, description="settings on top of the preset")
    training: dict[str, Any] = Field(
        default={}, description="keys of a training config that differ for this model"
    )
    control: Literal["shuffled", "half-cutoff"] | None = Field(
        default=None, description="makes the model a negative control"
    )
    of: str | None = Field(default=None, description="shuffled: name of the trained model")

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


def with_origins(models: tuple[Model, ...]) -> tuple[Model, ...]:
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
