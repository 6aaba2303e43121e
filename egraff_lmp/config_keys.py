"""What to say of a key that a config does not know: the nearest one, and not the whole list."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel


def unknown_key(
    place: Sequence[Any], root: type[BaseModel], other_names: Mapping[str, str] | None = None
) -> str:
    """A sentence on an unknown key, without a full stop (see `closed`).

    Args:
        place: where pydantic found it: keys of sections, numbers of entries, tags of unions.
        root: the model of the whole config.
        other_names: what other programs call a key of this one, dotted.
    """
    name, sections = str(place[-1]), _sections(root, place[:-1])
    where = f" in '{'.'.join(map(str, place[:-1]))}'" if len(place) > 1 else ""
    known = list(dict.fromkeys(key for section in sections for key in section.model_fields))
    near = difflib.get_close_matches(name, known, n=1)
    if other_names and name in other_names:
        near = [other_names[name]]
    elif not near:
        near = sorted({path for path in _paths(root) if path.rpartition(".")[2] == name})
    if near:
        return f"unknown key '{name}'{where}: did you mean {_either(near)}?"
    return f"unknown key '{name}'{where}: the keys there are {', '.join(known)}"


def closed(text: str) -> str:
    """The text with a full stop, unless it ends in a question."""
    return text if text.endswith("?") else f"{text}."


def _either(names: Sequence[str]) -> str:
    return " or ".join(f"'{name}'" for name in names)


def _sections(root: type[BaseModel], place: Sequence[Any]) -> list[type[BaseModel]]:
    """The models that may stand at `place`; several where a union has no tag."""
    found = [root]
    for part in place:
        below = [
            model
            for section in found
            if part in section.model_fields
            for model in _models(section.model_fields[part].annotation)
        ]
        tagged = [section for section in found if part in _tags(section)]
        found = below or tagged or found  # the number of an entry changes nothing
    return found


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type: itself, or those of a union, a tuple, a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _tags(section: type[BaseModel]) -> tuple[Any, ...]:
    """By which a discriminated union tells a section from others."""
    kind = section.model_fields.get("kind")
    return () if kind is None else get_args(kind.annotation)


def _paths(section: type[BaseModel], above: str = "") -> Iterator[str]:
    """Dotted names of all keys in and below a section."""
    for name, info in section.model_fields.items():
        yield above + name
        for model in _models(info.annotation):
            yield from _paths(model, f"{above}{name}.")
