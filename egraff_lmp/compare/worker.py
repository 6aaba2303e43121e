"""The side of `evaluate_in_lammps` that runs under mpiexec: `python -m egraff_lmp.compare.worker`.

All ranks take part in every LAMMPS call; rank 0 writes what was gathered.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import egraff_lmp  # noqa: F401  (prepares this process for LAMMPS)
from egraff_lmp.fileio import atomic_path

# eV to bar A^3: nktv2p of units metal, with the digits that LAMMPS has for it.
BAR_A3_PER_EV = 1.6021765e6
NUMDIFF_DISPLACEMENT = 1e-4  # A
NUMDIFF_STRAIN = 1e-5
# LAMMPS' order of a symmetric tensor, and that of fix numdiff/virial.
PRESSURE_ORDER = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))
NUMDIFF_ORDER = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def commands(case: dict[str, Any]) -> list[str]:
    """The LAMMPS input of a case."""
    lines = [
        "units metal",
        "atom_style atomic",
        f"boundary {case['boundary']}",
        "atom_modify map yes",
        *case["before"],
        f'read_data "{case["data"]}"',
        f"pair_style egraff {case['style']}",
        f'pair_coeff * * "{case["model"]}" {" ".join(case["elements"])}',
        "compute atomic all pe/atom",
        "compute stress all pressure NULL virial",
        "compute atomic_sum all reduce sum c_atomic",
        "thermo_style custom step pe vol c_stress[*] c_atomic_sum",
        *case["after"],
    ]
    if case["numdiff_atoms"]:
        chosen = " ".join(map(str, case["numdiff_atoms"]))
        lines += [
            f"group chosen id {chosen}",
            f"fix forces chosen numdiff 1 {NUMDIFF_DISPLACEMENT}",
        ]
    if case["numdiff_virial"]:
        lines.append(f"fix strain all numdiff/virial 1 {NUMDIFF_STRAIN}")
    return [*lines, "run 0"]


def evaluate(case: dict[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Run one case; every rank returns the gathered arrays."""
    import lammps

    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        lmp.commands_list(commands(case))
        n = lmp.get_natoms()
        volume = lmp.get_thermo("vol")
        pressure = lmp.extract_compute("stress", lammps.LMP_STYLE_GLOBAL, lammps.LMP_TYPE_VECTOR)
        result = {
            "ranks": np.array(lmp.extract_setting("world_size")),
            "energy": np.array(lmp.get_thermo("pe")),
            "energies": np.array(lmp.gather("c_atomic", 1, 1)),
            "forces": np.array(lmp.gather_atoms("f", 1, 3)).reshape(n, 3),
            "virial": tensor(list(pressure[:6]), PRESSURE_ORDER) * volume / BAR_A3_PER_EV,
        }
        if case["numdiff_atoms"]:
            result["numdiff_forces"] = np.array(lmp.gather("f_forces", 1, 3)).reshape(n, 3)
        if case["numdiff_virial"]:
            strain = [lmp.extract_fix("strain", 0, 1, k) for k in range(6)]
            result["numdiff_virial"] = tensor(strain, NUMDIFF_ORDER) * volume / BAR_A3_PER_EV
        return result
    finally:
        lmp.close()


def tensor(
    values: Sequence[float] | NDArray[np.float64], order: Sequence[tuple[int, int]] = PRESSURE_ORDER
) -> NDArray[np.float64]:
    """A symmetric (3, 3) tensor of six components."""
    result = np.zeros((3, 3))
    for value, (a, b) in zip(values, order, strict=True):
        result[a, b] = result[b, a] = value
    return result


def main(job: str) -> int:
    """Evaluate every case of a job file; the first failure ends all ranks with status 1."""
    import lammps

    rank = _world_rank()
    for case in json.loads(Path(job).read_text()):
        try:
            result = evaluate(case)
        except lammps.MPIAbortException as error:
            # One rank alone failed, the others wait for it: leave without MPI_Finalize, and
            # mpiexec ends them.
            _tell(case, error)
            os._exit(1)
        except Exception as error:  # LAMMPS raises bare exceptions, on all ranks alike
            if rank == 0:
                _tell(case, error)
            return 1
        if rank == 0:
            with atomic_path(case["result"]) as temporary, open(temporary, "wb") as stream:
                np.savez(stream, allow_pickle=False, **result)
    return 0


def _tell(case: dict[str, Any], error: Exception) -> None:
    sys.stderr.write(f"{case['name']}: {error}\n")
    sys.stderr.flush()


def _world_rank() -> int:
    import lammps

    first = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    rank = first.extract_setting("world_rank")
    first.close()
    return int(rank)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
