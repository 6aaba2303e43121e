"""Does mpiexec start one LAMMPS on many ranks, or many LAMMPS on one rank each?"""

from __future__ import annotations

import shutil
from pathlib import Path

from egraff_lmp.doctor.finding import Context, Finding
from egraff_lmp.doctor.probe import Probe, python_probe
from egraff_lmp.paths import mpi_program

RANKS = 2
_NAMES = ("mpiexec", "mpirun")


def check_launcher(context: Context) -> list[Finding]:
    """Starts two ranks with the mpiexec that `egraff run` uses and with those on the PATH."""
    path = context.environment.get("PATH")
    own = shutil.which(mpi_program("mpiexec"), path=path)
    findings = [_own_finding(own, context)]
    tried = {Path(own).resolve()} if own else set()
    for name in _NAMES:
        program = shutil.which(name, path=path)
        if program is None or Path(program).resolve() in tried:
            continue
        tried.add(Path(program).resolve())
        if own and Path(program).resolve().parent == Path(own).resolve().parent:
            continue  # mpirun of the same installation
        findings.append(_foreign_finding(program, own, context))
    return findings


def _start(program: str, context: Context) -> Probe:
    launcher = (program, "-n", str(RANKS))
    return python_probe("rank", context.timeout_seconds, context.environment, launcher)


def _sizes(probe: Probe) -> list[int]:
    return [result["size"] for result in probe.results if "size" in result]


def _is_one_world(probe: Probe) -> bool:
    """Whether one LAMMPS of all ranks ran to its end.

    A rank that sees so many knows it by all of them: that mpiexec may lose the line which another
    one printed is no fault of the installation.
    """
    return set(_sizes(probe)) == {RANKS} and not probe.failure


def _own_finding(own: str | None, context: Context) -> Finding:
    title = "mpiexec"
    if own is None:
        return Finding(
            title,
            "failed",
            "none",
            expected="the mpiexec that goes with LAMMPS' MPI library",
            advice="`pip install mpich`, or load the module of the MPI that LAMMPS was built with",
        )
    probe = _start(own, context)
    if _is_one_world(probe):
        return Finding(title, "ok", f"{own} starts {RANKS} ranks")
    return Finding(
        title,
        "failed",
        f"{own}: {_outcome(probe)}",
        expected=f"one LAMMPS of {RANKS} ranks",
        advice="`pip install --force-reinstall mpich`; where a batch system forbids mpiexec here, "
        "repeat this inside of a job",
    )


def _foreign_finding(program: str, own: str | None, context: Context) -> Finding:
    title = f"{Path(program).name} on the PATH"
    probe = _start(program, context)
    sizes = _sizes(probe)
    if _is_one_world(probe):
        return Finding(title, "ok", f"{program}, another one, starts {RANKS} ranks too")
    if not sizes:
        return Finding(
            title,
            "warning",
            f"{program}, which could not be tried: {_outcome(probe)}",
            expected=f"{own}" if own else "the mpiexec of LAMMPS' MPI library",
            advice=_path_advice(own),
        )
    return Finding(
        title,
        "failed",
        f"{program} of another MPI starts {_outcome(probe)}, each of which would run the whole "
        "simulation and write to the same files",
        expected=f"one LAMMPS of {RANKS} ranks",
        advice=_path_advice(own),
    )


def _path_advice(own: str | None) -> str:
    if own is None:
        return "load the module of the MPI that LAMMPS was built with"
    return (
        f"put this environment first: `export PATH={Path(own).parent}:$PATH` (or activate it); "
        "`egraff run` does not depend on it"
    )


def _outcome(probe: Probe) -> str:
    sizes = _sizes(probe)
    if sizes and set(sizes) == {1} and len(sizes) > 1:
        return f"{len(sizes)} times a LAMMPS of 1 rank"
    if sizes and not probe.failure:
        return f"LAMMPS on {len(sizes)} rank(s), of sizes {', '.join(map(str, sizes))}"
    return probe.failure or "no rank answered"
