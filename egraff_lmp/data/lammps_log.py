"""What a LAMMPS log tells of a run: time, ranks, temperatures, lost atoms, the error at its end.

Line-style thermo output only (`thermo_style custom` and `one`); of a run that broke down the rows
up to there are kept.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError
from egraff_lmp.runs.messages import clean_message

# "Loop time of 3.46552 on 2 procs for 100 steps with 64 atoms"
_LOOP = re.compile(r"^Loop time of (\S+) on (\d+) procs for (\d+) steps with (\d+) atoms")
# "98.7% CPU use with 2 MPI tasks x 1 OpenMP threads"
_OPENMP = re.compile(r"CPU use with \d+ MPI tasks x (\d+) OpenMP threads")
# "  2 rank(s) (2 on this node), device cpu, 1 thread(s) per rank", of pair_style egraff
_RANKS = re.compile(r"rank\(s\).* device (\S+), (\d+) thread\(s\) per rank")
# "  Allegro float32, 2 layer(s), r_max 4.8 A", of pair_style egraff
_PRECISION = re.compile(r"\b(float32|float64), \d+ layer\(s\)")
# "ERROR: Lost atoms: original 64 current 60 (src/thermo.cpp:494)", or a WARNING
_LOST = re.compile(r"^(?:ERROR|WARNING).*Lost atoms: original (\d+) current (\d+)")
_STEP_FS = re.compile(r"^\s+Time step\s+: (\S+)")
_UNITS = re.compile(r"^\s+Unit style\s+: (\S+)")
_FS = {"metal": 1000.0, "real": 1.0}  # fs in a unit of time


@dataclass(frozen=True)
class LammpsLog:
    """What one or more logs of the same run say, all starts together.

    Attributes:
        seconds: loop time in s of all runs that ended; set-up is not in it.
        n_steps: their steps.
        n_atoms: atoms at the end of the last of them; 0 where none ended.
        ranks: MPI ranks of the last of them; 0 where none ended.
        threads: threads of each rank, 0 where unknown.
        device: "cpu" or "cuda", "" where unknown.
        precision: "float32" or "float64" of the force field, "" where unknown.
        timestep_fs: MD time step, None where unknown.
        step: (R,) steps of the thermo rows, ascending and unique.
        temperature_kelvin: (R,) of the same rows; empty if `Temp` was not written.
        lost: (atoms at the start, atoms left) where atoms were lost, else None.
        error: the message that ended the last log, "" if none did.
    """

    seconds: float
    n_steps: int
    n_atoms: int
    ranks: int
    threads: int
    device: str
    precision: str
    timestep_fs: float | None
    step: NDArray[np.int64]
    temperature_kelvin: NDArray[np.float64]
    lost: tuple[int, int] | None
    error: str


def read_lammps_log(*paths: str | Path) -> LammpsLog:
    """Read the logs of a run, the first start first.

    Raises:
        EgraffError: no such file.
    """
    loops: list[tuple[float, int, int, int]] = []
    told: dict[str, str] = {}
    rows: dict[int, float] = {}
    lost, error = None, ""
    for path in map(Path, paths):
        if not path.is_file():
            raise EgraffError(f"{path}: expected a LAMMPS log, there is no such file: check --log.")
        # What an earlier start lost or complained of, a later one has got over.
        lost, error = None, ""
        columns: list[str] = []
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            words = line.split()
            if words[:1] == ["Step"]:
                columns = words
            elif columns and len(words) == len(columns) and "Temp" in columns:
                row = _row(words)
                if row:
                    rows[int(row[columns.index("Step")])] = row[columns.index("Temp")]
            if found := _LOOP.match(line):
                seconds, ranks, steps, atoms = found.groups()
                loops.append((float(seconds), int(ranks), int(steps), int(atoms)))
                columns = []
            elif found := _LOST.match(line):
                lost = (int(found[1]), int(found[2]))
            if line.startswith("ERROR"):
                error = error or clean_message(line)
            _note(told, line)
    step_fs = float(told.get("step", "nan")) * _FS.get(told.get("units", ""), float("nan"))
    order = sorted(rows)
    return LammpsLog(
        seconds=sum(loop[0] for loop in loops),
        n_steps=sum(loop[2] for loop in loops),
        n_atoms=loops[-1][3] if loops else 0,
        ranks=loops[-1][1] if loops else 0,
        threads=int(told.get("threads", told.get("openmp", 0))),
        device=told.get("device", ""),
        precision=told.get("precision", ""),
        timestep_fs=step_fs if np.isfinite(step_fs) else None,
        step=np.array(order, dtype=np.int64),
        temperature_kelvin=np.array([rows[step] for step in order], dtype=np.float64),
        lost=lost,
        error=error,
    )


def _row(words: list[str]) -> list[float]:
    """Numbers of a thermo row, [] for a line that is none (a warning between the rows)."""
    try:
        values = [float(word) for word in words]
    except ValueError:
        return []
    return values if np.isfinite(values[0]) else []


def _note(told: dict[str, str], line: str) -> None:
    """Keep what a line says of machine and time step; the last one counts."""
    if found := _RANKS.search(line):
        told["device"], told["threads"] = found.groups()
    for name, pattern in (
        ("openmp", _OPENMP), ("precision", _PRECISION), ("step", _STEP_FS), ("units", _UNITS),
    ):  # fmt: skip
        if found := pattern.search(line):
            told[name] = found[1]
