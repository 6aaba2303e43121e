"""The thermodynamic side file `thermo.csv` that the rollout decks write beside the dump."""

from __future__ import annotations

import csv
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase.units import bar
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError

THERMO_NAME = "thermo.csv"
COLUMNS = (
    "step",
    "time_fs",
    "temperature_kelvin",
    "potential_ev",
    "total_ev",
    "pressure_bar",
    "volume_a3",
)

# Of the pressure tensor, in the order of Voigt, where a deck writes it.
TENSOR = ("pxx_bar", "pyy_bar", "pzz_bar", "pyz_bar", "pxz_bar", "pxy_bar")
VOIGT = np.array([[0, 5, 4], [5, 1, 3], [4, 3, 2]])  # place of each component in it

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Thermo:
    """One row a written step, all arrays (R,), steps ascending and unique.

    Attributes:
        step: MD steps.
        time_fs: time in fs.
        temperature_kelvin: from the kinetic energy.
        potential_ev: potential energy of the whole system.
        total_ev: potential plus kinetic energy.
        pressure_bar: scalar pressure.
        volume_a3: volume in A^3.
    """

    step: NDArray[np.int64]
    time_fs: NDArray[np.float64]
    temperature_kelvin: NDArray[np.float64]
    potential_ev: NDArray[np.float64]
    total_ev: NDArray[np.float64]
    pressure_bar: NDArray[np.float64]
    volume_a3: NDArray[np.float64]

    def potential_at(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Potential energy in eV at the given steps, (T,); NaN at steps without a row."""
        where = np.searchsorted(self.step, steps)
        found = np.full(len(steps), np.nan)
        inside = where < len(self.step)
        inside[inside] = self.step[where[inside]] == steps[inside]
        found[inside] = self.potential_ev[where[inside]]
        return found

    def temperature_at(self, steps: NDArray[np.int64]) -> NDArray[np.float64] | None:
        """Temperature in K at the given steps, (T,), see `at_steps`; None without any row there."""
        return at_steps(steps, self.step, self.temperature_kelvin)

    def timestep_fs(self) -> float | None:
        """MD time step in fs, or None where it cannot be told or is not constant."""
        steps, times = np.diff(self.step), np.diff(self.time_fs)
        if not len(steps) or not np.isfinite(times).all() or not (times > 0).all():
            return None
        each = times / steps
        # Times are written with finitely many digits: allow for them, not for a real change.
        constant = np.allclose(each, np.median(each), rtol=1e-3)
        return float(times.sum() / steps.sum()) if constant else None


def at_steps(
    steps: NDArray[np.int64], known: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64] | None:
    """Values (T,) at `steps` from those (R,) at the steps `known`, ascending.

    Exact where a row was written; between rows the straight line, beyond the last row its value.
    None if no step lies among the rows.
    """
    if not len(known) or steps[-1] < known[0] or steps[0] > known[-1]:
        return None
    return np.interp(steps, known, values)


def read_thermo(path: str | Path) -> Thermo:
    """Read a `thermo.csv`, columns in any order, further columns ignored.

    A resumed run appends: header lines in the middle are skipped, and of two rows of the same step
    the later one counts. A last row that was cut short is dropped with a logged warning. "nan" and
    "inf" are values, as a run that broke writes them.

    Raises:
        EgraffError: no such file, a missing column, or a row that holds no numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise EgraffError(f"{path}: expected a thermo file, there is none: check the path.")
    text = path.read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if lines and not text.endswith("\n"):
        _log.warning("%s: the last line is cut short and was dropped", path)
        lines.pop()
    rows = list(csv.reader(lines))
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise EgraffError(
            f"{path}: expected a first line with the columns {','.join(COLUMNS)}, got "
            f"{','.join(header) or 'an empty file'}: {', '.join(missing)} missing."
        )
    by_step: dict[int, list[float]] = {}
    for row in rows[1:]:
        if [name.strip() for name in row] == header:
            continue
        values = _numbers(row, header, path)
        by_step[int(values[0])] = values
    table = np.array([by_step[step] for step in sorted(by_step)]).reshape(-1, len(COLUMNS))
    return Thermo(table[:, 0].astype(np.int64), *table[:, 1:].T)


def read_stress(path: str | Path, steps: NDArray[np.int64]) -> NDArray[np.float64] | None:
    """Stress at the given steps, (T, 3, 3) in eV/A^3, or None where a `thermo.csv` has none.

    It is minus the tensor of the pressure, which `in.rerun` alone writes: no time passes there, and
    the pressure is that of the forces, without a kinetic part. NaN at steps without a row.
    """
    with Path(path).open(encoding="utf-8", newline="") as stream:
        rows = {int(row["step"]): row for row in csv.DictReader(stream) if set(TENSOR) <= set(row)}
    if not rows:
        return None
    nothing = dict.fromkeys(TENSOR, "nan")
    found = (rows.get(int(step), nothing) for step in steps)
    values = np.array([[float(row[name]) for name in TENSOR] for row in found])
    return np.asarray(-bar * values[:, VOIGT])


def _numbers(row: list[str], header: list[str], path: Path) -> list[float]:
    """Values of a row in the order of COLUMNS."""
    try:
        fields = dict(zip(header, row, strict=True))
        return [float(fields[name]) for name in COLUMNS]
    except ValueError:
        raise EgraffError(
            f"{path}: expected {len(header)} numbers ({','.join(header)}), got the line "
            f"'{','.join(row)}': mend or remove that line."
        ) from None
