"""The templates of the pages: jinja2 with everything escaped and nothing undefined."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from egraff_lmp.errors import require


def check_installed() -> None:
    """Raise where what a page needs is missing: call it before anything is drawn.

    Raises:
        EgraffError: jinja2 or matplotlib is not installed.
    """
    try:
        import jinja2  # noqa: F401
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise require(error.name or "matplotlib", "report") from None


def fill(template: str, **context: Any) -> str:
    """The text of `template`, a file beside this one, filled with `context`."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(template).render(**context)
