"""Forces and virial are the derivatives of the energy that LAMMPS sees."""

from __future__ import annotations

import numpy as np
import pytest
from decks import EVERYDAY, LATER

from egraff_lmp.compare import Case, evaluate_in_lammps

# Central differences with a displacement of 1e-4 A are off by h^2 times the third derivative,
# about 1e-7 eV/A here; the strain derivative likewise.
FORCES = 1e-6  # of the largest force
VIRIAL = 1e-5  # of the largest component
CHOSEN = (1, 17, 32)
ALL = ("GeTe-200", "LiPS-83", "Li3P", "S", "3BPA")
# `make test` takes the cell below the cutoff for the later force fields, `make study` all.
RUNS = [
    *[(key, ranks, ALL) for key in EVERYDAY for ranks in (1, 2, 4)],
    *[(key, 2, ("Li3P",)) for key in LATER],
    *[
        pytest.param(key, ranks, ALL, marks=pytest.mark.study)
        for key in LATER
        for ranks in (1, 2, 4)
    ],
]


@pytest.mark.mpi
@pytest.mark.parametrize(("key", "ranks", "names"), RUNS)
def test_numdiff_on_real_systems(real_structures, model, key, ranks, names):
    # 3BPA has no volume to strain: its virial is compared in the periodic ones.
    keys = [(key, name) for name in names]
    cases = [
        Case(
            f"{key} {name}",
            real_structures[name],
            model(key, "float64"),
            numdiff_atoms=tuple(i for i in CHOSEN if i <= len(real_structures[name].species)),
            numdiff_virial=name != "3BPA",
        )
        for key, name in keys
    ]
    for (key, name), result in zip(keys, evaluate_in_lammps(cases, ranks), strict=True):
        chosen = [i - 1 for i in CHOSEN if i <= len(result.energies)]
        difference = (result.forces - result.numdiff_forces)[chosen]
        assert np.abs(difference).max() <= FORCES * np.abs(result.forces).max(), (key, name)
        if result.numdiff_virial is not None:
            strain = np.abs(result.virial - result.numdiff_virial).max()
            assert strain <= VIRIAL * np.abs(result.virial).max(), (key, name)
