"""The ASE calculator of a deployed file."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from egraff_lmp.contract import trained_on_stress
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.descriptors import descriptors, invariant_columns
from egraff_lmp.errors import EgraffError
from egraff_lmp.hessian import hessian

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
        self._columns: NDArray[np.int64] | None = None

    def _warn_of_stress(self) -> None:
        """Say once that a model never saw a stress, where its contract tells so."""
        if not self._warned and trained_on_stress(self.model.contract) is False:
            logger.warning(
                "%s was trained without stress labels: its stress, and what follows it, may be far "
                "off; train it with stress, or check the pressure and volume that you find.",
                self._name,
            )
        self._warned = True

    def get_property(self, name: str, atoms: Atoms | None = None, *rest: Any, **more: Any) -> Any:
        """One result; called by ASE, also for what is known: a stress is, after forces."""
        found = super().get_property(name, atoms, *rest, **more)
        if name == "stress" and found is not None:
            self._warn_of_stress()
        return found

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Fill `self.results`; called by ASE."""
        super().calculate(atoms, properties, system_changes)
        frame: Any = self.atoms
        result = self.model.evaluate(*self._arrays(frame))
        self.results = {
            "energy": result.energy,
            "free_energy": result.energy,
            "energies": result.energies,
            "forces": result.forces,
        }
        if frame.pbc.all():
            stress = -result.virial / frame.get_volume()
            self.results["stress"] = full_3x3_to_voigt_6_stress(stress)

    def get_descriptors(self, atoms: Atoms | None = None) -> NDArray[np.float64]:
        """Invariant features of each atom after the last layer, (N, width), dimensionless.

        MACE, NequIP, BOTNet, Equiformer and TorchMD-NET have them; of features that are vectors or
        tensors only the scalars are returned. Allegro has features of edges alone.

        Args:
            atoms: the structure; None takes that of the last calculation, which atoms that have
                moved since are not.

        Raises:
            EgraffError: the network has no features of atoms, or an unknown element.
        """
        if self._columns is None:
            self._columns = invariant_columns(self.model)
        return descriptors(self.model, *self._arrays(atoms), self._columns)

    def get_hessian(
        self,
        atoms: Atoms | None = None,
        *,
        method: str = "autograd",
        step: float = 0.005,
        of_atoms: Sequence[int] | None = None,
    ) -> NDArray[np.float64]:
        """Second derivatives of the energy by positions in eV/A^2, (3N, 3N); the cell is held.

        Args:
            atoms: the structure; None takes that of the last calculation, which atoms that have
                moved since are not.
            method: "autograd", exact, or "differences", central differences of forces.
            step: displacement of the differences in A.
            of_atoms: indices of n atoms whose rows are wanted, (3n, 3N); all if None.

        Raises:
            EgraffError: as `egraff_lmp.hessian.hessian` does, which says more of the errors.
        """
        return hessian(
            self.model, *self._arrays(atoms), method=method, step=step, of_atoms=of_atoms
        )

    def _arrays(
        self, atoms: Atoms | None
    ) -> tuple[list[str], NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
        """Elements, positions, cell and periodicity."""
        frame: Any = self.atoms if atoms is None else atoms
        if frame is None:
            raise EgraffError("expected a structure, got none: give the calculator's atoms.")
        return (
            frame.get_chemical_symbols(),
            frame.get_positions(),
            np.asarray(frame.cell),
            frame.pbc,
        )
