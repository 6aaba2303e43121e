"""What run.sh and job.slurm of `egraff init` call: `python -m egraff_lmp.cli.script COMMAND`.

COMMAND starts LAMMPS on the deck beside them. It is looked at, completed so that a run which was
stopped goes on, printed, and then takes the place of this program.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence

from egraff_lmp.cli.console import errors
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable
from egraff_lmp.locking import locked
from egraff_lmp.rollout.again import carry_out, decide, read_request, warning
from egraff_lmp.rollout.run import LOCK_SECONDS


def start(words: Sequence[str]) -> None:
    """Become the command, unless nothing is left to do.

    Raises:
        EgraffError: what lies in the folder would be lost, or LAMMPS cannot be started.
    """
    request = read_request(words)
    require_writable(request.folder)
    caution = warning(request)
    request.folder.mkdir(parents=True, exist_ok=True)
    with locked(request.folder, LOCK_SECONDS) as lock:
        found = decide(request)
        carry_out(request, found)
        _say(found.message)
        if not found.command:
            return
        _say(f"egraff: warning: {caution}" if caution else "")
        _say(shlex.join(found.command))
        os.set_inheritable(lock, True)  # LAMMPS holds the folder from here on
        try:
            os.execvp(found.command[0], found.command)
        except OSError as error:
            raise EgraffError(
                f"expected to start {found.command[0]}, got: {error.strerror}: write the scripts "
                "again with `egraff init --force`."
            ) from None


def _say(text: str) -> None:
    if text:
        errors.print(text, highlight=False, markup=False, soft_wrap=True)


def main() -> int:
    """Entry point; a user's mistake is one clear paragraph and exit status 1."""
    try:
        start(sys.argv[1:])
    except EgraffError as error:
        errors.print(f"egraff: {error}", style="red", highlight=False, markup=False, soft_wrap=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
