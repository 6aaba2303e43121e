"""Environment variables that bring in a second copy of something."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from egraff_lmp.doctor.finding import Context, Finding
from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import PLUGIN_LIBRARY, mpi_library, native_dir

# The loader searches LD_LIBRARY_PATH before the folders that the compiled part names (RUNPATH).
_LIBRARIES = ("libmpi.so.12", "libtorch_cpu.so", "libc10.so", "liblammps.so.0")


def check_variables(context: Context) -> list[Finding]:
    """LAMMPS_PLUGIN_PATH, LD_LIBRARY_PATH and LD_PRELOAD."""
    findings = [
        *_plugin_findings(context.environment.get("LAMMPS_PLUGIN_PATH", "")),
        *_library_findings(context.environment.get("LD_LIBRARY_PATH", "")),
        *_preload_findings(context.environment.get("LD_PRELOAD", "")),
    ]
    return findings or [Finding("environment variables", "ok", "nothing in the way")]


def _plugin_findings(value: str) -> list[Finding]:
    try:
        own = native_dir().resolve()
    except EgraffError:
        own = None
    others = [
        folder
        for folder in filter(None, value.split(":"))
        if (Path(folder) / PLUGIN_LIBRARY).is_file() and Path(folder).resolve() != own
    ]
    if not others:
        return []
    return [
        Finding(
            "LAMMPS_PLUGIN_PATH",
            "warning",
            f"another {PLUGIN_LIBRARY} in {_listed(others)}",
            expected=f"none, or {own}" if own else "none",
            advice="remove that folder from LAMMPS_PLUGIN_PATH (`unset LAMMPS_PLUGIN_PATH`)",
        )
    ]


def _library_findings(value: str) -> list[Finding]:
    own = mpi_library()
    allowed = own.resolve() if own else None
    seconds = [
        path
        for folder in dict.fromkeys(filter(None, value.split(":")))
        for name in _LIBRARIES
        if (path := Path(folder) / name).is_file() and path.resolve() != allowed
    ]
    # Without the wheel MPI comes from the site, and LD_LIBRARY_PATH is how.
    if own is None:
        seconds = [path for path in seconds if not path.name.startswith("libmpi")]
    if not seconds:
        return []
    return [
        Finding(
            "LD_LIBRARY_PATH",
            "warning",
            f"{_listed(map(str, seconds))}",
            expected="no second copy: `lmp` would take it before the installed one",
            advice="`unset LD_LIBRARY_PATH`, or unload the module that sets it",
        )
    ]


def _preload_findings(value: str) -> list[Finding]:
    suspects = [word for word in value.replace(":", " ").split() if "libmpi" in Path(word).name]
    if not suspects:
        return []
    return [
        Finding(
            "LD_PRELOAD",
            "warning",
            _listed(suspects),
            expected="no MPI library",
            advice="`unset LD_PRELOAD`",
        )
    ]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names)
