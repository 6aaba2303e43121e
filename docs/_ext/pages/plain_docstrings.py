"""Docstrings are plain text with Google's sections: characters of reStructuredText mean nothing."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_SPECIAL = re.compile(r"([\\*|]|_(?=\W|$))")
_CODE = re.compile(r"(`+[^`]*`+)")


def _escaped(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    for k, line in enumerate(lines):
        parts = _CODE.split(line)
        lines[k] = "".join(
            f"``{one.strip('`')}``" if one.startswith("`") else _SPECIAL.sub(r"\\\1", one)
            for one in parts
        )


def setup(app: Sphinx) -> dict[str, bool]:
    """Before napoleon, which makes markup of Google's sections."""
    app.connect("autodoc-process-docstring", _escaped, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
