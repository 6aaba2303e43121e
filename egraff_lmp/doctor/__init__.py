"""`egraff doctor`: what is wrong with an installation, in sentences.

One check for each file, one row for each check in the table below. A check looks at one thing and
returns findings; whatever could crash or hang it does in a process of its own (`probe`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor

from egraff_lmp.doctor.compiled import check_compiled
from egraff_lmp.doctor.cores import check_cores
from egraff_lmp.doctor.finding import Check, Context, Finding
from egraff_lmp.doctor.lammps_library import check_lammps
from egraff_lmp.doctor.launcher import check_launcher
from egraff_lmp.doctor.mpi_flavour import check_mpi4py
from egraff_lmp.doctor.packages import check_packages
from egraff_lmp.doctor.program import check_program
from egraff_lmp.doctor.python import check_python
from egraff_lmp.doctor.torch_library import check_torch
from egraff_lmp.doctor.variables import check_variables
from egraff_lmp.errors import EgraffError

CHECKS = (
    Check("python", check_python),
    Check("packages", check_packages),
    Check("compiled", check_compiled),
    Check("torch", check_torch),
    Check("lammps", check_lammps),
    Check("lmp", check_program),
    Check("mpiexec", check_launcher),
    Check("mpi4py", check_mpi4py),
    Check("cores", check_cores),
    Check("variables", check_variables),
)
# The checks wait for processes that read disks more than they compute.
_AT_ONCE = 3


def diagnose(
    context: Context | None = None,
    only: Collection[str] = (),
    begin: Callable[[str], None] | None = None,
) -> list[Finding]:
    """All findings, in the order of the table.

    Args:
        context: environment and patience; by default this process'.
        only: names of the checks to make; empty for all.
        begin: told the name of each check when it starts.

    Raises:
        EgraffError: an unknown name in `only`.
    """
    context = context or Context()
    names = [check.name for check in CHECKS]
    if unknown := sorted(set(only) - set(names)):
        raise EgraffError(f"expected checks out of {', '.join(names)}, got {', '.join(unknown)}.")
    chosen = [check for check in CHECKS if not only or check.name in only]

    def look(check: Check) -> list[Finding]:
        if begin is not None:
            begin(check.name)
        try:
            return check.run(context)
        except Exception as error:  # a check that breaks is a finding too, never a traceback
            got = f"the check itself broke: {type(error).__name__}: {error}"
            return [Finding(check.name, "failed", got, advice="report this with `--json`")]

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return [finding for findings in pool.map(look, chosen) for finding in findings]


__all__ = ["CHECKS", "Check", "Context", "Finding", "diagnose"]
