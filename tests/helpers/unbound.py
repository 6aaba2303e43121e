"""A calculator of what no force field should be."""

from __future__ import annotations

import numpy as np
from ase.calculators.calculator import Calculator, all_changes


class Outward(Calculator):
    """A crystal without binding: energy falls with volume."""

    implemented_properties = ["energy", "forces", "stress"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        volume = self.atoms.get_volume()
        self.results = {
            "energy": 100.0 / volume,
            "forces": np.zeros((len(self.atoms), 3)),
            "stress": np.array([-100.0 / volume**2] * 3 + [0.0] * 3),
        }
