"""`ladder`: a short way to write the negative controls of one model, from weak to strong.

What it asks for becomes ordinary models of the config, which is then as if they had been written
out: dumps and results know the models alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    TypeAdapter,
    ValidationError,
    field_validator,
)
from pydantic_core.core_schema import ValidationInfo

from egraff_lmp.bench.model import Name, Strict, listed, require_strength
from egraff_lmp.results.record import FEWER_FRAMES, NOISE, R_MAX, SHUFFLED, weakest_first

_KINDS = {"frames": FEWER_FRAMES, "noise": NOISE, "r_max": R_MAX}


class Ladder(Strict):
    """Negative controls of one model, each with one thing wrong: models named after it.

    Noise and shuffled weights are made of the trained model; every entry of `frames` and `r_max`
    is a training of its own.
    """

    of: Name = Field(description="name of the trained model that they are made of")
    frames: tuple[float, ...] = Field(
        default=(), description="parts of the training frames, such as [0.5, 0.25]"
    )
    noise: tuple[float, ...] = Field(
        default=(0.01, 0.03, 0.1), description="relative noise of the weights"
    )
    r_max: tuple[float, ...] = Field(default=(), description="cutoffs in A below that of `of`")
    shuffled: bool = Field(default=True, description="whether there is one with shuffled weights")

    @field_validator("frames", "noise", "r_max")
    @classmethod
    def _rungs(cls, strengths: tuple[float, ...], info: ValidationInfo) -> tuple[float, ...]:
        kind = _KINDS[str(info.field_name)]
        for strength in strengths:
            require_strength(kind, strength)
        if len(set(strengths)) != len(strengths):
            raise ValueError(f"a strength is given twice: {', '.join(map(str, strengths))}")
        return weakest_first(kind, strengths)

    def models(self) -> Iterator[dict[str, Any]]:
        """The controls as plain values of models, those of a kind from weak to strong."""
        for key, kind in _KINDS.items():
            for strength in getattr(self, key):
                shown = strength if kind == R_MAX else 100 * strength
                name = f"{self.of}-{kind}-{shown:g}"
                yield {"name": name, "control": kind, "of": self.of, "strength": strength}
        if self.shuffled:
            yield {"name": f"{self.of}-{SHUFFLED}", "control": SHUFFLED, "of": self.of}


def _written_out(ladders: tuple[Ladder, ...]) -> tuple[Ladder, ...]:
    """None: what they ask for stands among the models, see `with_rungs`."""
    return ()


_Some = Annotated[tuple[Ladder, ...], BeforeValidator(listed)]
# One ladder or a list of them.
Ladders = Annotated[_Some, AfterValidator(_written_out)]
_SOME: TypeAdapter[tuple[Ladder, ...]] = TypeAdapter(_Some)


def with_rungs(raw: Any) -> Any:
    """Plain values of a config with the models that its `ladder` asks for.

    A system of a matrix that names its models runs the controls of those it names. A ladder that is
    wrong adds none: its field is checked afterwards, and says what is wrong.
    """
    if not isinstance(raw, Mapping) or not raw.get("ladder"):
        return raw
    models = raw.get("models")
    try:
        ladders = _SOME.validate_python(raw["ladder"])
    except ValidationError:
        return raw
    if not isinstance(models, (list, tuple)):
        return raw
    rungs = [rung for ladder in ladders for rung in ladder.models()]
    changed = {**raw, "models": [*models, *rungs]}
    if isinstance(raw.get("systems"), (list, tuple)):
        changed["systems"] = [_with_named(system, rungs) for system in raw["systems"]]
    return changed


def _with_named(system: Any, rungs: list[dict[str, Any]]) -> Any:
    """A system with the names of the controls of the models that it names."""
    named = system.get("models") if isinstance(system, Mapping) else None
    if not isinstance(named, (list, tuple)):
        return system
    more = [rung["name"] for rung in rungs if rung["of"] in named and rung["name"] not in named]
    return {**system, "models": [*named, *more]}
