"""Docstrings are plain text with Google's sections: characters of reStructuredText mean nothing."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_SPECIAL = re.compile(r"([\\*|]|_(?=\W|$))")
_CODE = re.compile(r"(`+[^`]*`+)")
_SEVERAL = re.compile(r"^(\s+[a-z]\w*)((?:, [a-z]\w*)+)(?=: )")  # attributes of one description
_BOUNDS = re.compile(r"Annotated\[(\w+), FieldInfo\((?:[^()]|\([^()]*\))*\)\]")


def _escaped(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    for k, line in enumerate(lines):
        line = _SEVERAL.sub(lambda found: found[1] + found[2].replace(", ", "/"), line)
        parts = _CODE.split(line)
        lines[k] = "".join(
            f"``{one.strip('`')}``" if one.startswith("`") else _SPECIAL.sub(r"\\\1", one)
            for one in parts
        )


def _without_bounds(
    app: Sphinx,
    what: str,
    name: str,
    thing: Any,
    options: Any,
    signature: str | None,
    to: str | None,
) -> tuple[str | None, str | None]:
    """`int` in place of pydantic's record of an int that is at least 0."""
    return signature and _BOUNDS.sub(r"\1", signature), to


def setup(app: Sphinx) -> dict[str, bool]:
    """Before napoleon, which makes markup of Google's sections."""
    app.connect("autodoc-process-docstring", _escaped, priority=400)
    app.connect("autodoc-process-signature", _without_bounds)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
