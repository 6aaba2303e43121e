"""The input of COLVARS, and the grids that it writes.

COLVARS: G. Fiorin, M. L. Klein, J. Henin, Mol. Phys. 111, 3345 (2013); well-tempered metadynamics:
A. Barducci, G. Bussi, M. Parrinello, Phys. Rev. Lett. 100, 020603 (2008).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.metadynamics.settings import Settings
from egraff_lmp.score.arrays import Floats

NAMES = ("first", "second")  # of the two torsions, in COLVARS
# What COLVARS puts behind its prefix: the surface, and how often each bin was visited.
SURFACE, VISITS = ".pmf", ".visits.dat"


def colvars_input(settings: Settings) -> str:
    """COLVARS' configuration: two torsions, well-tempered metadynamics, a histogram of visits.

    Energies are in eV (LAMMPS' units metal), angles in degrees. The bias is kept on a grid; the
    surface is written at the end of each `run` of LAMMPS, and scaled by (T + dT) / dT.
    """
    lines = ["colvarsTrajFrequency 0", "colvarsRestartFrequency 0"]
    for name, torsion in zip(NAMES, settings.torsions, strict=True):
        lines += ["colvar {", f"  name {name}", f"  width {settings.bin_degrees:.17g}"]
        lines += ["  lowerBoundary -180.0", "  upperBoundary 180.0", "  dihedral {"]
        for place, atom in enumerate(torsion.atoms, 1):
            lines += [f"    group{place} {{", f"      atomNumbers {atom}", "    }"]
        lines += ["  }", "}"]
    extra_kelvin = (settings.bias_factor - 1) * settings.temperature_kelvin
    names = " ".join(NAMES)
    sigma = f"{settings.width_degrees:.17g}"
    lines += ["metadynamics {", "  name hills", f"  colvars {names}"]
    lines += [f"  hillWeight {settings.height_ev:.17g}", f"  gaussianSigmas {sigma} {sigma}"]
    lines += [f"  newHillFrequency {settings.hill_every}", "  wellTempered on"]
    lines += [f"  biasTemperature {extra_kelvin:.17g}", "  useGrids on"]
    lines += ["  writeFreeEnergyFile on", "  writeHillsTrajectory off", "}"]
    lines += ["histogram {", "  name visits", f"  colvars {names}", "}"]
    return "\n".join(lines) + "\n"


def read_grid(path: Path, bins: int) -> Floats:
    """Values of a grid of two torsions, (bins, bins), the first torsion along the first axis.

    Raises:
        EgraffError: there is none, or it is another grid.
    """
    try:
        table = np.loadtxt(path, comments="#", ndmin=2)
    except (OSError, ValueError):
        table = np.zeros((0, 3))
    if table.shape != (bins * bins, 3) or not np.isfinite(table).all():
        raise EgraffError(
            f"{path}: expected a grid of COLVARS with {bins} x {bins} values, got "
            f"{len(table)} rows: see the log beside it."
        )
    return table[:, 2].reshape(bins, bins)
