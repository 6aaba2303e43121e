"""`egraff verify`: a certificate for one deployed file.

One row for each check in `table.CHECKS`, one file for each check in `checks/`. A check names the
LAMMPS inputs that it needs (`Deck`); all of a number of ranks run in one `mpiexec` (`launch`,
`worker`); then it judges what came back, and what Python says of the same file, and returns
findings. `certificate` writes them down.
"""

from egraff_lmp.verify.finding import Check, Context, Finding, Subject
from egraff_lmp.verify.run import Certificate, Progress, verify
from egraff_lmp.verify.table import CHECKS

__all__ = [
    "CHECKS",
    "Certificate",
    "Check",
    "Context",
    "Finding",
    "Progress",
    "Subject",
    "verify",
]
