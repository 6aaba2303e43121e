"""`egraff doctor`: explains a broken installation."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

import egraff_lmp
from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Json

if TYPE_CHECKING:
    from egraff_lmp.doctor import Finding

_STYLES = {"ok": "green", "warning": "yellow", "failed": "red"}
_INDENT = max(map(len, _STYLES)) + 1


def command(
    as_json: Json = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Make this check alone (mpiexec, torch, ...); the option may be repeated."
        ),
    ] = None,
    timeout_seconds: Annotated[
        float, typer.Option("--timeout", min=1.0, help="Seconds that one probe may take.")
    ] = 180.0,
) -> None:
    """Check the installation: Python, torch, LAMMPS, MPI, threads, GPUs, packages.

    Exit status: 0 all works (warnings allowed), 1 something failed.
    """
    from egraff_lmp.doctor import Context, diagnose

    with _progress() as begin:
        findings = diagnose(Context(timeout_seconds=timeout_seconds), only or (), begin)
    n_failed = sum(finding.state == "failed" for finding in findings)
    if as_json:
        print_json(
            {
                "schema": 1,
                "egraff_lmp": egraff_lmp.__version__,
                "healthy": n_failed == 0,
                "findings": [asdict(finding) for finding in findings],
            }
        )
    else:
        for finding in findings:
            _show(finding)
        _verdict(findings, n_failed)
    if n_failed:
        raise typer.Exit(1)


@contextmanager
def _progress() -> Iterator[Callable[[str], None] | None]:
    """On a terminal, what is being looked at."""
    if not errors.is_terminal:
        yield None
        return
    with errors.status("looking ...") as status:
        yield lambda name: status.update(f"looking at {name} ...")


def _show(finding: Finding) -> None:
    """State, title and what was found; below, indented, what was expected and what to do."""
    _block(finding.state, f"{finding.title}: {finding.got}", _STYLES[finding.state])
    if finding.expected:
        _block("", f"expected {finding.expected}")
    if finding.advice:
        _block("", f"{'next' if finding.state != 'ok' else 'note'}: {finding.advice}")


def _block(label: str, text: str, style: str = "") -> None:
    """One hanging paragraph, without the trailing blanks and broken words of a table cell."""
    indent = " " * _INDENT
    lines = textwrap.wrap(
        text,
        max(output.width, 2 * _INDENT),
        initial_indent=indent,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )
    first, *others = lines
    head = Text(label.ljust(_INDENT), style=style).append(first[_INDENT:], style="default")
    output.print(head, *map(Text, others), sep="\n", soft_wrap=True)


def _verdict(findings: list[Finding], n_failed: int) -> None:
    n_warnings = sum(finding.state == "warning" for finding in findings)
    text = f"{n_failed} failed, {n_warnings} warning(s), {len(findings)} looked at"
    output.print(f"\n{text}", style="red" if n_failed else "green", highlight=False)
