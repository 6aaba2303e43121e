"""The base of all records in configs of `egraff bench`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from egraff_lmp.errors import EgraffError

T = TypeVar("T", bound="Strict")


class Strict(BaseModel):
    """Unknown keys are errors: a misspelt one must not be ignored.

    Fields named in `later` came after results had been written. At their default they are left out
    of every dump, so that hashes of stages and the configs in `bench.json` stay what they were.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    later: ClassVar[tuple[str, ...]] = ()

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
            mistakes = "; ".join(
                f"{'.'.join(map(str, item['loc'])) or 'config'}: {item['msg']}"
                for item in error.errors()
            )
            raise EgraffError(f"{source}: {mistakes}.") from None
