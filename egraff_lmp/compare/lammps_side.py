"""Evaluating frames with LAMMPS on a number of MPI ranks, from a process that is not one of them.

One `mpiexec` evaluates any number of cases, each in a LAMMPS instance of its own: starting torch on
eight ranks takes longer than a frame.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.contract import read_contract
from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.box import LammpsBox
from egraff_lmp.rollout.datafile import Structure, type_order, write_data_file
from egraff_lmp.rollout.potential import check_name


@dataclass(frozen=True)
class Case:
    """One evaluation.

    Attributes:
        name: names the case in messages.
        structure: the atoms.
        model: deployed file.
        style: keywords of `pair_style egraff`.
        before: LAMMPS commands before the box is made (`newton off`, `processors ...`).
        after: LAMMPS commands after the pair coefficients.
        numdiff_atoms: IDs whose forces `fix numdiff` recomputes by central differences.
        numdiff_virial: whether `fix numdiff/virial` recomputes the virial.
    """

    name: str
    structure: Structure
    model: Path
    style: str = ""
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    numdiff_atoms: tuple[int, ...] = ()
    numdiff_virial: bool = False


@dataclass(frozen=True)
class LammpsResult:
    """What LAMMPS says of a case, in the frame of its structure.

    Attributes:
        energy: eV.
        energies: (N,) in eV.
        forces: (N, 3) in eV/A.
        virial: (3, 3) in eV; pressure times volume, without kinetic part.
        numdiff_forces: (N, 3) in eV/A, zero but for `numdiff_atoms`; or None.
        numdiff_virial: (3, 3) in eV; or None.
    """

    energy: float
    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    virial: NDArray[np.float64]
    numdiff_forces: NDArray[np.float64] | None
    numdiff_virial: NDArray[np.float64] | None


def evaluate_in_lammps(
    cases: Sequence[Case], ranks: int, launcher: str | None = None
) -> list[LammpsResult]:
    """Evaluate every case with LAMMPS on `ranks` MPI ranks.

    Args:
        cases: what to evaluate.
        ranks: MPI ranks.
        launcher: template such as "srun -n {ranks}"; None is this environment's mpiexec.

    Raises:
        EgraffError: LAMMPS refused a case (the message is LAMMPS' own), or cannot name its model,
            or ran on another number of ranks.
    """
    for case in cases:
        check_name(Path(case.model).absolute())
    with tempfile.TemporaryDirectory(prefix="egraff-compare-") as folder:
        job = Path(folder) / "job.json"
        boxes = [_write_case(case, Path(folder), index) for index, case in enumerate(cases)]
        job.write_text(
            json.dumps([_describe(case, Path(folder), i) for i, case in enumerate(cases)])
        )
        words = (launcher or f"{mpi_program('mpiexec')} -n {{ranks}}").split()
        command = [word.replace("{ranks}", str(ranks)) for word in words]
        command += [sys.executable, "-m", "egraff_lmp.compare.worker", str(job)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        for i in range(len(cases)):
            _require_ranks(Path(folder) / f"{i}.npz", ranks)
        results = [_read_case(Path(folder), i, box) for i, box in enumerate(boxes)]
        missing = [cases[i].name for i, result in enumerate(results) if result is None]
        if missing or done.returncode:
            raise EgraffError(_failure(done, missing, ranks))
        return [result for result in results if result is not None]


def _write_case(case: Case, folder: Path, index: int) -> LammpsBox:
    elements = _elements(case)
    write_data_file(folder / f"{index}.data", case.structure, elements)
    return case.structure.box()


def _elements(case: Case) -> tuple[str, ...]:
    known = read_contract(case.model).species
    return type_order(case.structure.species, known, case.structure.source)


def _describe(case: Case, folder: Path, index: int) -> dict[str, object]:
    return {
        "name": case.name,
        "data": str(folder / f"{index}.data"),
        "result": str(folder / f"{index}.npz"),
        "boundary": case.structure.box().boundary,
        "model": str(Path(case.model).absolute()),
        "elements": list(_elements(case)),
        "style": case.style,
        "before": list(case.before),
        "after": list(case.after),
        "numdiff_atoms": list(case.numdiff_atoms),
        "numdiff_virial": case.numdiff_virial,
    }


def _require_ranks(path: Path, ranks: int) -> None:
    """Refuse the result of another number of ranks; a missing file is told elsewhere.

    A launcher of another MPI starts many programs of one rank each, and all of them agree.
    """
    if not path.is_file():
        return
    with np.load(path, allow_pickle=False) as raw:
        found = int(raw["ranks"])
    if found != ranks:
        raise EgraffError(
            f"expected a launcher that starts one LAMMPS on {ranks} rank(s), got one on {found}: "
            "take the launcher of the MPI that LAMMPS was built with; `egraff doctor` tells which."
        )


def _read_case(folder: Path, index: int, box: LammpsBox) -> LammpsResult | None:
    path = folder / f"{index}.npz"
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as raw:
        rotation = box.rotation
        numdiff = box.from_lammps(raw["numdiff_forces"]) if "numdiff_forces" in raw else None
        strain = raw.get("numdiff_virial")
        return LammpsResult(
            energy=float(raw["energy"]),
            energies=raw["energies"],
            forces=box.from_lammps(raw["forces"]),
            virial=rotation @ raw["virial"] @ rotation.T,
            numdiff_forces=numdiff,
            numdiff_virial=None if strain is None else rotation @ strain @ rotation.T,
        )


def _failure(done: subprocess.CompletedProcess[str], missing: list[str], ranks: int) -> str:
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
    reason = lines[0].strip() if lines else (done.stderr.strip().splitlines() or ["no message"])[-1]
    which = f" ({missing[0]})" if missing else ""
    return f"LAMMPS on {ranks} rank(s) stopped{which}: {reason}"
