"""A certificate in two forms side by side: Markdown for people, JSON for programs.

Nothing is read back from the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_json, write_text
from egraff_lmp.verify.finding import Finding
from egraff_lmp.verify.run import SCHEMA, Certificate
from egraff_lmp.verify.table import CHECKS

SUFFIX = ".certificate.md"
_COLUMNS = ("verdict", "measured", "value", "allowed", "unit", "where")
_RIGHT = ("value", "allowed")


def default_path(model: Path) -> Path:
    """Where the certificate of a model lies: beside it."""
    return model.with_suffix(SUFFIX)


def record_path(path: Path) -> Path:
    """Where the JSON form of a certificate lies: beside it."""
    return path.with_suffix(".json")


def write(certificate: Certificate, path: Path) -> None:
    """Write the text to `path` and the JSON form beside it, each whole or not at all."""
    write_json(record_path(path), to_json(certificate))
    write_text(path, text(certificate))


def read_verdict(path: Path) -> tuple[str, str, bool]:
    """Name of the model, SHA-256 of its file, and whether it passed, from a JSON form.

    Raises:
        EgraffError: not a certificate of this schema.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["schema"] != SCHEMA:
            raise ValueError
        return str(found["model"]), str(found["sha256"]), bool(found["passed"])
    except (ValueError, KeyError, TypeError):
        raise EgraffError(
            f"{path}: expected a certificate of schema {SCHEMA} that `egraff verify` wrote, got "
            "something else: make it again."
        ) from None


def to_json(certificate: Certificate) -> dict[str, Any]:
    """Plain values with a schema number."""
    values = asdict(certificate)
    values["findings"] = [
        {"check": check, **asdict(finding)}
        for check, group in certificate.findings.items()
        for finding in group
    ]
    return {"schema": SCHEMA, "passed": certificate.passed, **values}


def text(certificate: Certificate) -> str:
    """The certificate as Markdown."""
    findings = certificate.all_findings
    counts = {
        verdict: sum(finding.verdict == verdict for finding in findings)
        for verdict in ("passed", "failed", "not applicable")
    }
    ranks = ", ".join(map(str, certificate.ranks))
    lines = [
        f"# Certificate of {certificate.model}: {'passed' if certificate.passed else 'FAILED'}",
        "",
        f"{certificate.architecture} in {certificate.dtype}, verified on {ranks} MPI rank(s) with "
        f"{certificate.structure} ({certificate.n_atoms} atoms).",
        f"Of {len(findings)} measurements {counts['passed']} passed, {counts['failed']} failed, "
        f"and {counts['not applicable']} do not apply.",
        "",
        f"- SHA-256 of the file: `{certificate.sha256}`",
        f"- Date: {certificate.date}",
        "- Versions: " + ", ".join(f"{k} {v}" for k, v in certificate.versions.items()),
        "",
    ]
    troubles = [sentence(finding) for finding in findings if finding.verdict == "failed"]
    if troubles:
        lines += ["## What failed", "", *(f"- {trouble}" for trouble in troubles), ""]
    titles = {check.name: check.title for check in CHECKS}
    for check, group in certificate.findings.items():
        lines += [f"## {check}: the model {titles[check]}", "", *_table(group), ""]
    lines += _openkim(certificate.findings)
    return "\n".join(lines).rstrip() + "\n"


def sentence(finding: Finding) -> str:
    """One finding in words."""
    where = f" ({finding.where})" if finding.where else ""
    if finding.value is None or finding.threshold is None:
        ending = f" because {finding.reason}" if finding.verdict == "not applicable" else ""
        if finding.verdict == "failed":
            ending = f": {finding.reason}"
        return f"`{finding.name}`{where} is {finding.verdict}{ending}."
    bound = "at least" if finding.at_least else "at most"
    unit = f" {finding.unit}" if finding.unit else ""
    return (
        f"`{finding.name}`{where} is {number(finding.value)}{unit}, where {bound} "
        f"{number(finding.threshold)} is allowed."
    )


def number(value: float | None) -> str:
    """A measured number, in two digits."""
    if value is None:
        return ""
    return f"{value:.1e}" if value and not 0.01 <= abs(value) < 1000 else f"{value:.3g}"


def row(finding: Finding) -> tuple[str, ...]:
    """The cells of a finding, as in the columns of the table."""
    bound = "" if finding.threshold is None else ">= " if finding.at_least else "<= "
    verdict = "FAILED" if finding.verdict == "failed" else finding.verdict
    remark = "; ".join(filter(None, (finding.where, finding.reason)))
    return (
        verdict,
        finding.name,
        number(finding.value),
        bound + number(finding.threshold),
        finding.unit,
        remark,
    )


def _table(findings: Iterable[Finding]) -> list[str]:
    """Aligned, so that the table reads as text too; `|` would end a cell."""
    rows = [tuple(cell.replace("|", "/") for cell in row(finding)) for finding in findings]
    widths = [max(len(cells[k]) for cells in (_COLUMNS, *rows)) for k in range(len(_COLUMNS))]

    def line(cells: tuple[str, ...]) -> str:
        padded = (
            cell.rjust(width) if name in _RIGHT else cell.ljust(width)
            for cell, width, name in zip(cells, widths, _COLUMNS, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    rule = "|".join(
        "-" * (width + 1) + (":" if name in _RIGHT else "-")
        for width, name in zip(widths, _COLUMNS, strict=True)
    )
    return [line(_COLUMNS), f"|{rule}|", *map(line, rows)]


def _openkim(made: Iterable[str]) -> list[str]:
    """OpenKIM's names of what was checked."""
    rows = [
        (kim, check.name) for check in CHECKS if check.name in set(made) for kim in check.openkim
    ]
    if not rows:
        return []
    head = "## OpenKIM's verification checks that these cover"
    return [head, "", *(f"- {kim}: {name}" for kim, name in sorted(rows))]
