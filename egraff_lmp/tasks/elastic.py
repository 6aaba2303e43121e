"""Elastic constants from stresses of strained cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.optimize import LBFGS
from ase.units import GPa
from numpy.typing import NDArray

from egraff_lmp.errors import require
from egraff_lmp.tasks.relax import FMAX
from egraff_lmp.tasks.structure import require_crystal

STEPS = 200  # of a relaxation


@dataclass(frozen=True)
class ElasticConstants:
    """The stiffness of a crystal.

    Attributes:
        stiffness_gpa: (6, 6) in Voigt order xx yy zz yz xz xy, symmetrised.
        bulk_modulus_gpa: Voigt's average.
        shear_modulus_gpa: Voigt's average.
        stable: whether all eigenvalues are positive (Born's criterion).
        largest_stress_gpa: component of the stress of the structure that was given: of a crystal
            under stress the constants are others.
        converged: whether every relaxation reached its bound.
    """

    stiffness_gpa: NDArray[np.float64]
    bulk_modulus_gpa: float
    shear_modulus_gpa: float
    stable: bool
    largest_stress_gpa: float
    converged: bool


def elastic_constants(
    atoms: Atoms, *, strain: float = 0.01, relaxed: bool = True
) -> ElasticConstants:
    """Fit stress over strain in six directions (matscipy), five points in each.

    The structure should be relaxed, its cell too: constants of a stressed crystal are others.

    Args:
        atoms: a crystal with a calculator.
        strain: largest strain.
        relaxed: relax the positions at each strain.

    Raises:
        EgraffError: no crystal, or matscipy is not there.
    """
    require_crystal(atoms, "elastic")
    try:
        from matscipy.elasticity import fit_elastic_constants
    except ImportError:
        raise require("matscipy", "tasks") from None
    work = atoms.copy()
    work.calc = atoms.calc
    stress = float(np.abs(work.get_stress()).max()) / GPa
    reached: list[bool] = []

    class Recorded(LBFGS):
        """Keeps what matscipy does not return."""

        def run(self, *arguments: Any, **named: Any) -> bool:
            reached.append(bool(super().run(*arguments, **named)))
            return reached[-1]

    stiffness, _ = fit_elastic_constants(
        work,
        symmetry="triclinic",
        N_steps=5,
        delta=strain / 2,
        optimizer=Recorded if relaxed else None,
        fmax=FMAX,
        steps=STEPS,
        logfile=None,
        verbose=False,
    )
    c = np.asarray(stiffness) / GPa
    c = 0.5 * (c + c.T)
    return ElasticConstants(
        stiffness_gpa=c,
        bulk_modulus_gpa=float(c[:3, :3].sum() / 9),
        shear_modulus_gpa=float(
            (np.trace(c[:3, :3]) - (c[0, 1] + c[0, 2] + c[1, 2]) + 3 * np.trace(c[3:, 3:])) / 15
        ),
        stable=bool((np.linalg.eigvalsh(c) > 0).all()),
        largest_stress_gpa=stress,
        converged=all(reached),
    )
