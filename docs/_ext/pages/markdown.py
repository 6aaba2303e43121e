"""Markdown that the build makes: a directive for it, and text that says in it what it says."""

from __future__ import annotations

import re
from collections.abc import Callable

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.util.docutils import SphinxDirective

_SPECIAL = re.compile(r"([\\*_<>\[\]{}$#|^~])")
_CODE = re.compile(r"(`+[^`]*`+)")


def plain(text: str | None) -> str:
    """A text of the package: what stands in backticks is code, nothing else has a meaning.

    Lines that are indented deeper than the first one are formulas or examples, shown as they are.
    """
    parts = []
    for paragraph in re.split(r"\n\s*\n", _dedented(text or "")):
        if paragraph.startswith("    "):
            parts.append(f"```text\n{_dedented(paragraph)}\n```")
        else:
            words = _CODE.split(" ".join(paragraph.split()))
            parts.append(
                "".join(one if one.startswith("`") else _SPECIAL.sub(r"\\\1", one) for one in words)
            )
    return "\n\n".join(parts)


def _dedented(text: str) -> str:
    first, _, rest = text.strip("\n").partition("\n")
    lines = rest.splitlines()
    if first.startswith(" "):
        lines, first = [first, *lines], ""
    margin = min((len(one) - len(one.lstrip()) for one in lines if one.strip()), default=0)
    return "\n".join([first, *(one[margin:] for one in lines)]).strip("\n")


def markdown_directive(make: Callable[[str], str]) -> type[SphinxDirective]:
    """A directive that stands for `make(ARGUMENT)`, parsed where it stands."""

    class Made(SphinxDirective):
        optional_arguments = 1
        final_argument_whitespace = True

        def run(self) -> list[nodes.Node]:
            text = make(self.arguments[0] if self.arguments else "")
            return self.parse(text)

        def parse(self, text: str) -> list[nodes.Node]:
            holder = nodes.container()
            holder.document = self.state.document
            self.state.nested_parse(StringList(text.splitlines(), self.name), 0, holder)
            return holder.children

    return Made
