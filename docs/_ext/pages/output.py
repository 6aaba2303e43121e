"""Blocks of what a command printed, and of LAMMPS commands, are shown without colours."""

from __future__ import annotations

from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx


def setup(app: Sphinx) -> dict[str, bool]:
    """Make the two names known."""
    app.add_lexer("output", TextLexer)
    app.add_lexer("lammps", TextLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
