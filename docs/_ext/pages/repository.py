"""Files of the repository as pages: links in them lead to pages, pictures come along.

A page includes such a file by MyST's `include`; what is rewritten are relative links.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).resolve().parents[3]
# File of the repository to the page that includes it.
PAGES = {
    "README.md": "index",
    "CHANGELOG.md": "changelog",
    "CONTRIBUTING.md": "contributing",
    "benchmarks/README.md": "numbers",
    "benchmarks/alanine/README.md": "results/alanine",
    "benchmarks/full/README.md": "results",
    "benchmarks/decisive/README.md": "results/trained",
    "benchmarks/lips/README.md": "results/lips",
    "benchmarks/models/README.md": "numbers/models",
    "benchmarks/reduced/README.md": "results/reduced",
    "benchmarks/scaling/README.md": "numbers/scaling",
    "benchmarks/step/README.md": "numbers/step",
    "benchmarks/training/README.md": "numbers/training",
    "deployed_models/README.md": "reference/deployed_models",
    "egraff_lmp/train/configs/README.md": "reference/training_settings",
    "lammps_inputs/pair_style_egraff.md": "reference/pair_style",
}
_LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


def rewritten(text: str, file: Path) -> str:
    """The text of a file of the repository with its links as those of a page.

    What is no page, such as a folder, keeps its words and gets its path behind them.
    """

    def link(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        path, _, anchor = target.partition("#")
        inside = (file.parent / path).resolve().relative_to(ROOT).as_posix()
        if picture:
            return f"![{words}](/../{inside})"
        if inside in PAGES:
            return f"[{words}](/{PAGES[inside]}.md{f'#{anchor}' if anchor else ''})"
        return f"{words} (`{inside}`)"

    return _LINK.sub(link, text)


def _included(app: Sphinx, path: Path, page: str, content: list[str]) -> None:
    file = Path(os.path.normpath(Path(app.srcdir) / path))
    content[0] = rewritten(content[0], file)


def setup(app: Sphinx) -> dict[str, bool]:
    """Rewrite what pages include."""
    app.connect("include-read", _included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
