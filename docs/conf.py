"""Settings of the documentation: Sphinx with MyST, and four small extensions in _ext/.

Nothing is fetched: equations are MathML, fonts are those of the reader's system.
"""

from __future__ import annotations

import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent)]

from egraff_lmp import __version__  # noqa: E402

project = "egraff_lmp"
author = "The egraff_lmp developers"
copyright = "The egraff_lmp developers, MIT licence"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx_design",
    "sphinx-mathjax-offline",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "pages.commands",
    "pages.configs",
    "pages.metrics",
    "pages.output",
    "pages.plain_docstrings",
    "pages.repository",
]
exclude_patterns = ["_build", "_ext"]

myst_enable_extensions = ["colon_fence", "deflist", "attrs_inline"]
myst_heading_anchors = 3
smartquotes = False  # --option is no dash

nitpicky = True
# Packages whose documentation is elsewhere, and names of type checkers alone.
nitpick_ignore_regex = [
    ("py:.*", r"(numpy|np|torch|ase|mpi4py|MPI|pathlib|collections|typing|pydantic|os|lammps)\b.*"),
    ("py:.*", r"(NDArray|Path|Atoms|Calculator|NoneType|FieldInfo|_Pydantic\w+)\b.*"),
    # Configs, which have pages of their own, and what is no part of the public interface.
    ("py:.*", r"(egraff_lmp\.\w+\.\w+\.)?(RolloutConfig|BenchConfig|Matrix|PaperRow|Stopped)"),
    ("py:.*", r"egraff_lmp\.score\.(metric\.(Context|Sample)|cost\.Cost)"),
    (
        "py:.*",
        r"egraff_lmp\.(rollout\.box\.LammpsBox|results\.record\.Results|bench\.run\.ModelRun)",
    ),
    ("py:.*", r"(egraff_lmp\.verify\.(\w+)\.)?(Crystal|Deck|Context|Progress)"),
]
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_use_ivar = True  # attributes as one list, their types stand in the signature
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"egraff_lmp {release}"
html_static_path = ["_static"]
html_css_files = ["egraff.css"]
html_copy_source = False
html_show_sourcelink = False
pygments_style = "default"
pygments_dark_style = "monokai"
