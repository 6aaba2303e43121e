"""The page of a benchmark: sections in order, filled from records, in one self-contained file.

No network, figures embedded; a few lines of script sort tables. A page of one system looks into it,
a page of several compares them: every section decides whether it has something to show.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from egraff_lmp.errors import EgraffError, require
from egraff_lmp.fileio import write_json, write_text
from egraff_lmp.report import words
from egraff_lmp.report.base import Page, Section
from egraff_lmp.report.figures import draw_all, write_files
from egraff_lmp.report.figures.base import PageFigure
from egraff_lmp.report.numbers import number, span
from egraff_lmp.report.sections.controls import controls
from egraff_lmp.report.sections.decision import decision
from egraff_lmp.report.sections.findings import findings_of_systems
from egraff_lmp.report.sections.foretells import foretells
from egraff_lmp.report.sections.ladder import ladder
from egraff_lmp.report.sections.paper import paper
from egraff_lmp.report.sections.scores import groups, headlines, more
from egraff_lmp.report.sections.summary import summary
from egraff_lmp.report.sections.tail import curves, figures, provenance, troubles
from egraff_lmp.results.export import export, to_csv, to_dict
from egraff_lmp.results.record import Results
from egraff_lmp.score.words import counted, listed

SCORES, TABLE = "scores.json", "scores.csv"
# What to take and what was found, then curves, then tables, then what stands behind all of it.
SECTIONS = (
    Section("header", ""),
    Section("decision", "Which force field", decision),
    Section("summary", "Summary", summary, single=True),
    Section("map", "At one glance", single=False),
    Section("findings", "Findings", findings_of_systems, single=False),
    Section("curves", "Curves", curves, single=True),
    Section("figures", "Figures", figures),
    Section("setup", "What was run", single=True),
    Section("headlines", "Scores", headlines, single=False),
    Section("groups", "Scores", groups, single=True),
    Section("more", "All other scores", more, single=False),
    Section("ladder", "What each score resolves", ladder),
    Section("controls", "Negative controls", controls),
    Section("foretells", "Does force error foretell simulation?", foretells),
    Section("paper", "The papers' tables", paper),
    # The summary of a single system says so itself.
    Section("troubles", "What failed", troubles, single=False),
    Section("limits", "Limits"),
    Section("provenance", "Provenance", provenance),
)


def write_page(
    results: Results, path: str | Path, *, tables: Path | None = None, figures: bool = True
) -> Path:
    """Write the page atomically, its values and the files of its figures.

    Args:
        results: what it shows.
        path: where it goes; the figures' files go to STEM-files beside it.
        tables: folder of scores.json and scores.csv; None puts them beside the page.
        figures: False leaves out the figures that take seconds, and the files of all.

    Raises:
        EgraffError: the output cannot be written, or jinja2 or matplotlib is not installed.
    """
    path = Path(path).absolute()
    check_output(path)
    check_installed()
    files = path.with_name(f"{path.stem}-files")
    tables = path.parent if tables is None else tables
    found = export(results)
    drawn = draw_all(results, cheap=not figures)
    tables.mkdir(exist_ok=True)
    write_json(tables / SCORES, to_dict(found))
    write_text(tables / TABLE, to_csv(found))
    if figures:
        write_files(drawn, files)
    text = render(
        results,
        drawn,
        folder=path.parent,
        files=quote(files.name) if figures else "",
        tables="" if tables == path.parent else f"{quote(tables.name)}/",
    )
    write_text(path, text)
    return path


def check_output(path: Path) -> None:
    """Refuse a page that cannot be written, before anything is read for it.

    Raises:
        EgraffError: it is a folder, has none to lie in, or a file is where its figures go.
    """
    if path.is_dir():
        raise EgraffError(f"{path}: expected a file for the page, got a folder: name a file.")
    if not path.parent.is_dir():
        raise EgraffError(
            f"{path}: expected a file in a folder that exists, {path.parent} does not: make it, or "
            "choose another."
        )
    files = path.with_name(f"{path.stem}-files")
    if files.exists() and not files.is_dir():
        raise EgraffError(f"{files}: expected a folder for the figures, got a file: move it away.")


def check_installed() -> None:
    """Raise where what a page needs is missing: call it before anything is drawn.

    Raises:
        EgraffError: jinja2 or matplotlib is not installed.
    """
    try:
        import jinja2  # noqa: F401, optional
        import matplotlib  # noqa: F401, optional
    except ImportError as error:
        raise require(error.name or "matplotlib", "report") from None


def render(results: Results, figures: Sequence[PageFigure] = (), **where: Any) -> str:
    """The page as text, with figures that are already drawn; arguments as in `Page`."""
    page = Page(results, figures, **where)
    shown = [
        (section, context)
        for section in SECTIONS
        if section.single in (None, page.single is not None)
        and (context := section.context(page)) is not None
    ]
    return _environment().get_template("page.html.j2").render(page=page, sections=shown)


def _environment() -> Any:
    """Templates with everything escaped and nothing undefined."""
    import jinja2  # optional

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "sections"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals["COMPARED"] = words.COMPARED
    environment.filters |= {
        "counted": counted, "g": "{:g}".format, "listed": listed, "number": number, "span": span,
        "no_information": words.no_information, "ranks": words.ranks_of,
        "title_of": words.title_of, "trouble_words": words.trouble_words, "unit": words.unit_of,
    }  # fmt: skip
    return environment
