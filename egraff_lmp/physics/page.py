"""The page of a report: one self-contained HTML file with the report's stylesheet."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import egraff_lmp.report
from egraff_lmp.errors import require
from egraff_lmp.fileio import atomic_path, write_text
from egraff_lmp.physics.picture import draw
from egraff_lmp.physics.record import CheckResult, Report
from egraff_lmp.physics.table import CHECKS
from egraff_lmp.physics.words import count, sentence

PAGE = "index.html"
_TEMPLATE = "page.html.j2"
_STYLES = Path(egraff_lmp.report.__file__).parent / "sections"


def check_installed() -> None:
    """Raise where what a page needs is missing: call it before the work.

    Raises:
        EgraffError: jinja2, matplotlib or pillow is not installed.
    """
    try:
        import jinja2  # noqa: F401, optional
        import matplotlib  # noqa: F401, optional
        import PIL  # noqa: F401, optional
    except ImportError as error:
        raise require(error.name or "matplotlib", "report") from None


def write_picture(result: CheckResult, folder: Path) -> None:
    """Write NAME.png of a check that has something to show, whole or not at all."""
    if result.panels:
        with atomic_path(folder / f"{result.name}.png") as path:
            path.write_bytes(draw(result.panels)[0])


def write_page(report: Report, folder: Path) -> Path:
    """Write the page of what was checked so far, whole or not at all; its path."""
    path = folder / PAGE
    write_text(path, render(report))
    return path


def render(report: Report) -> str:
    """The page as text."""
    import jinja2  # optional

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([Path(__file__).parent, _STYLES]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"count": count, "sentence": sentence}
    sections = [
        (check, report.results[check.name], _picture(report.results[check.name]))
        for check in CHECKS
        if check.name in report.results
    ]
    missing = [check.name for check in CHECKS if check.name not in report.results]
    return environment.get_template(_TEMPLATE).render(
        report=report, sections=sections, missing=missing
    )


def _picture(result: CheckResult) -> Mapping[str, Any] | None:
    if not result.panels:
        return None
    png, width, height = draw(result.panels)
    address = "data:image/png;base64," + base64.b64encode(png).decode("ascii")
    return {"address": address, "width": width, "height": height}
