"""The ASE calculator of a deployed file."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from egraff_lmp.contract import trained_on_stress
from egraff_lmp.deployed import DeployedModel

logger = logging.getLogger(__name__)


class EgraffCalculator(Calculator):
    """Energy, forces, stress and per-atom energies of a file written by `egraff deploy`.

        atoms.calc = EgraffCalculator("model.pt")

    Energies in eV, forces in eV/A, stress in eV/A^3 (ASE's sign: tension positive, Voigt order xx
    yy zz yz xz xy; only where all three directions are periodic).

    Args:
        model: path of the file.
        device: "cpu", "cuda" or "cuda:N".
        sha256: what the file must have; it is not loaded otherwise. A model file is a program.

    The precision is that of the file; there are no other arguments, and an unknown one is a
    TypeError.

    Raises:
        EgraffError: not a deployed file, another hash, an unknown element, no such device.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012

    def __init__(
        self,
        model: str | Path,
        device: str = "cpu",
        *,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        self.model = DeployedModel(model, device, sha256=sha256)
        self._name = Path(model).name
        self._warned = False

    def _warn_of_stress(self) -> None:
        """Say once that a model never saw a stress, where its contract tells so."""
        if not self._warned and trained_on_stress(self.model.contract) is False:
            logger.warning(
                "%s was trained without stress labels: its stress, and what follows it, may be far "
                "off; train it with stress, or check the pressure and volume that you find.",
                self._name,
            )
        self._warned = True

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill `self.results`; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        frame: Any = self.atoms
        result = self.model.evaluate(
            frame.get_chemical_symbols(),
            frame.get_positions(),
            np.asarray(frame.cell),
            frame.pbc,
        )
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "energies": result.energies,
            "forces": result.forces,
        }
        if frame.pbc.all():
            if "stress" in (properties or ()):
                self._warn_of_stress()
            stress = -result.virial / frame.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)
