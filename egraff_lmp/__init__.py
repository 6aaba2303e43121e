"""Equivariant graph-neural-network force fields in LAMMPS, exact on any number of MPI ranks.

Importing this package prepares the process for LAMMPS (see `paths.activate`), so that

    import egraff_lmp, lammps
    lmp = lammps.lammps()

knows `pair_style egraff`. torch is imported only when a model is evaluated from Python.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import activate

if TYPE_CHECKING:
    from egraff_lmp.calculator import EgraffCalculator

__version__ = "0.1.0"
__all__ = ["EgraffCalculator", "EgraffError", "__version__"]

activate()


def __getattr__(name: str) -> Any:
    if name == "EgraffCalculator":
        from egraff_lmp.calculator import EgraffCalculator

        return EgraffCalculator
    raise AttributeError(f"module 'egraff_lmp' has no attribute '{name}'")
