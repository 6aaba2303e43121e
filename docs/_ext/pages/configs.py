"""The directive `egraff-config MODULE:CLASS`: every key of a YAML file, from its schema."""

from __future__ import annotations

import types
from collections.abc import Iterator
from importlib import import_module
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from docutils import nodes
from docutils.statemachine import StringList
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from pages.markdown import plain

_WORDS = {str: "text", Path: "path", int: "whole number", float: "number", bool: "true or false",
          type(None): "null", Any: "any value"}  # fmt: skip
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}


def sections(root: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Place in the file to the class of what stands there; "" is the top."""
    found: dict[str, type[BaseModel]] = {"": root}
    waiting = [("", root)]
    while waiting:
        place, model = waiting.pop(0)
        for name, field in shown(model).items():
            several = "[]" if get_origin(_bare(field.annotation)) in (tuple, list) else ""
            for below in models_of(field.annotation):
                here = f"{place}.{name}{several}".lstrip(".")
                if len(models_of(field.annotation)) > 1 and "kind" in below.model_fields:
                    here += f" (kind: {get_args(below.model_fields['kind'].annotation)[0]})"
                found[here] = below
                waiting.append((here, below))
    return found


def shown(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """The fields that a file may have."""
    return {key: one for key, one in model.model_fields.items() if key != "base"}


def models_of(annotation: Any) -> list[type[BaseModel]]:
    """The classes of records in an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [one for argument in get_args(annotation) for one in models_of(argument)]


def _bare(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def type_words(annotation: Any) -> str:
    """A type in words: "text or null", "list of numbers"."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_words(arguments[0])
    if origin is Literal:
        return " | ".join(f"`{str(one).lower() if one is False else one}`" for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_words(one) for one in arguments))
    if origin in (list, tuple):
        inner = [type_words(one) for one in arguments if one is not Ellipsis]
        return f"list of {len(inner)}: {inner[0]}" if len(inner) > 1 else f"list of {inner[0]}"
    if origin is dict:
        return "mapping"
    return _WORDS.get(annotation, "section")


def _bounds(thing: Any) -> Iterator[str]:
    for mark in getattr(thing, "metadata", ()) or getattr(thing, "__metadata__", ()):
        yield from (
            f"{sign} {getattr(mark, key)}" for key, sign in _BOUNDS.items() if hasattr(mark, key)
        )


def entry(name: str, field: FieldInfo, link: str = "") -> str:
    """One key as a definition; `link` is the identity of its section."""
    bounds = dict.fromkeys([*_bounds(field), *_bounds(field.annotation)])
    facts = [", ".join([type_words(field.annotation), *bounds])]
    if field.is_required():
        facts += ["required"]
    elif not link and field.default not in (PydanticUndefined, {}, [], (), ""):
        facts += [f"default `{_yaml(field.default)}`"]
    text = plain(field.description)
    if link and not text:
        first = (models_of(field.annotation)[0].__doc__ or "").strip().splitlines()[0]
        text = plain(first[:1].lower() + first[1:].rstrip("."))
    if link:
        facts[0] = facts[0].replace("section", f'<a href="#{link}">section</a>', 1)
    return f"`{name}`\n: {text}{text and '; '}*{'; '.join(facts)}*\n"


def _yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(list(value) if isinstance(value, tuple) else value)


class ConfigDirective(SphinxDirective):
    """One section of the page for each section of the file."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """The sections; those of one class stand together."""
        module, _, name = self.arguments[0].partition(":")
        self.name_of_class = name
        places: dict[type[BaseModel], list[str]] = {}
        for place, model in sections(getattr(import_module(module), name)).items():
            places.setdefault(model, []).append(place)
        made: list[nodes.Node] = []
        for model, names in places.items():
            section = nodes.section(ids=[self._id(names)])
            section += nodes.title(", ".join(names), "", *self._title(names))
            text = [plain(cleandoc(model.__doc__ or "")), ""]
            text += [entry(key, one, self._link(one, places)) for key, one in shown(model).items()]
            self.state.nested_parse(StringList("\n".join(text).splitlines(), self.name), 0, section)
            made.append(section)
        return made

    def _id(self, names: list[str]) -> str:
        return nodes.make_id(f"{self.name_of_class} {' '.join(names) or 'top level'}")

    def _link(self, field: FieldInfo, places: dict[type[BaseModel], list[str]]) -> str:
        models = models_of(field.annotation)
        return self._id(places[models[0]]) if models else ""

    @staticmethod
    def _title(names: list[str]) -> list[nodes.Node]:
        if names == [""]:
            return [nodes.Text("Top level")]
        parts: list[nodes.Node] = []
        for name in names:
            parts += [nodes.Text(", "), nodes.literal(name, name)]
        return parts[1:]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("egraff-config", ConfigDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
