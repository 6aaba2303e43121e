"""Names of the files in an output folder of `egraff bench`.

OUT/report.html, scores.json, scores.csv   the page and its values
OUT/report-files/                          every figure of the page as PNG, its data as CSV
OUT/bench.json                             of one system: the results of its stages
OUT/STAGE/                                 of one system: see `stage`
OUT/matrix.yaml                            of a matrix: as it was asked for
OUT/models/HASH/                           of a matrix: trained models that systems share
OUT/SYSTEM[-TEMPERATUREK]/                 of a matrix: the folder of one system
"""

from __future__ import annotations

from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable

REPORT, SCORES, TABLE, FIGURES = "report.html", "scores.json", "scores.csv", "report-files"
SUMMARY = "bench.json"
COPY, MODELS = "matrix.yaml", "models"
RESERVED = {MODELS, REPORT, COPY, SCORES, TABLE, FIGURES}


def made(out: str | Path) -> Path:
    """The absolute path of an output folder, which is made if there is none.

    Raises:
        EgraffError: it is a file, or cannot be written into.
    """
    out = Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise EgraffError(f"{out}: expected a folder for the results, got a file: choose another.")
    require_writable(out)
    out.mkdir(parents=True, exist_ok=True)
    return out
