"""The same file gives the same numbers on any number of ranks, and in Python.

One mpiexec evaluates many cases, each in a fresh LAMMPS.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import pytest
from decks import EVERYDAY, KEYS, LATER

from egraff_lmp.compare import Case, LammpsResult, evaluate_in_lammps
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.forcefields import FORCE_FIELDS

RANKS = (1, 2, 3, 4, 8)
# Rounding of sums in another order; see compare.py.
FORCES = {"float64": 1e-10, "float32": 5e-5}  # eV/A
ENERGY_RELATIVE = {"float64": 1e-12, "float32": 5e-5}
# Python wraps positions and adds lattice shifts, LAMMPS makes ghosts: other last digits.
PYTHON = {"float64": 1e-8, "float32": 5e-5}  # eV, eV/A
REAL = ("GeTe-200", "LiPS-83", "Li3P", "S", "3BPA")
MADE = (
    "tiny-cube",
    "tiny-sheared",
    "slab",
    "wire",
    "cluster",
    "left-handed",
    "one-atom",
    "no-edges",
    "corner",
)
DTYPES = ("float64", "float32")

# All force fields on all real systems; in float32 and on 3, 4 and 8 ranks `make test` has half.
REAL_RUNS = tuple(
    pytest.param(key, dtype, ranks, marks=(pytest.mark.study,) if study else ())
    for key in FORCE_FIELDS
    for dtype in DTYPES
    for ranks in RANKS
    for study in [key not in EVERYDAY and (dtype == "float32" or ranks > 2)]
)
ALONE = [run for run in REAL_RUNS if run.values[2] == 1]
TOGETHER = [run for run in REAL_RUNS if run.values[2] > 1]


Results = Callable[[str, str, int], dict[str, LammpsResult]]


def results_of(structures, model, names) -> Results:
    """`results(key, dtype, ranks)`: structure to result.

    One mpiexec gives those of all force fields that `make test` treats alike: starting eight ranks
    takes longer than what they do.
    """

    @functools.cache
    def together(keys: tuple[str, ...], dtypes: tuple[str, ...], ranks: int):
        cases = {
            (key, dtype, name): Case(f"{key} {dtype} {name}", structures[name], model(key, dtype))
            for key in keys
            for dtype in dtypes
            for name in names
        }
        return dict(zip(cases, evaluate_in_lammps(list(cases.values()), ranks), strict=True))

    def results(key: str, dtype: str, ranks: int) -> dict[str, LammpsResult]:
        everyday = key in EVERYDAY and names is REAL
        found = together(
            EVERYDAY if key in EVERYDAY else LATER, DTYPES if everyday else (dtype,), ranks
        )
        return {name: found[key, dtype, name] for name in names}

    return results


@pytest.fixture(scope="module")
def real_results(real_structures, model) -> Results:
    return results_of(real_structures, model, REAL)


@pytest.fixture(scope="module")
def made_results(made_structures, model) -> Results:
    return results_of(made_structures, model, MADE)


def check_same(a: LammpsResult, b: LammpsResult, dtype: str) -> None:
    assert np.abs(a.forces - b.forces).max() <= FORCES[dtype]
    assert np.abs(a.energies - b.energies).max() <= FORCES[dtype]
    assert abs(a.energy - b.energy) <= ENERGY_RELATIVE[dtype] * np.abs(a.energies).sum()
    assert np.abs(a.virial - b.virial).max() <= FORCES[dtype] * len(a.energies)


def check_python(result: LammpsResult, path, structure, dtype: str) -> None:
    python = DeployedModel(path).evaluate(
        structure.species, structure.positions, structure.cell, structure.pbc
    )
    assert np.abs(result.forces - python.forces).max() <= PYTHON[dtype]
    assert np.abs(result.energies - python.energies).max() <= PYTHON[dtype]
    assert abs(result.energy - python.energy) <= PYTHON[dtype] * len(python.energies)
    assert np.abs(result.virial - python.virial).max() <= PYTHON[dtype] * len(python.energies)


@pytest.mark.mpi
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(("key", "dtype", "ranks"), TOGETHER)
def test_real_systems_agree_over_ranks(real_results, key, dtype, name, ranks):
    one = real_results(key, dtype, 1)[name]
    # Forces of the size of real ones, or the tolerance says nothing.
    assert np.abs(one.forces).max() > 0.1
    check_same(one, real_results(key, dtype, ranks)[name], dtype)


@pytest.mark.mpi
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize(
    ("key", "dtype", "ranks"), [run for run in REAL_RUNS if run.values[2] == 1]
)
def test_real_systems_agree_with_python(
    real_results, real_structures, model, key, dtype, ranks, name
):
    found = real_results(key, dtype, ranks)[name]
    check_python(found, model(key, dtype), real_structures[name], dtype)


@pytest.mark.mpi
@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_corner_cases_agree_over_ranks_and_with_python(
    made_results, made_structures, model, key, name
):
    one = made_results(key, "float64", 1)[name]
    for ranks in (2, 4):
        check_same(one, made_results(key, "float64", ranks)[name], "float64")
    check_python(one, model(key, "float64"), made_structures[name], "float64")


@pytest.mark.mpi
@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_isolated_atoms_feel_no_force(made_results, key):
    for name in ("one-atom", "no-edges"):
        assert not made_results(key, "float64", 1)[name].forces.any()


VARIANTS = {
    "newton off": {"before": ("newton off",)},
    "processors 1 1 4": {"before": ("processors 1 1 *",)},
    "processors 4 1 1": {"before": ("processors * 1 1",)},
    "wide skin": {"after": ("neighbor 4.0 bin",)},
    "no skin": {"after": ("neighbor 0.0 bin",)},
    "far ghosts": {"after": ("comm_modify cutoff 12.0",)},
    "self test": {"style": "check yes"},
}


@pytest.mark.mpi
@pytest.mark.parametrize("ranks", [1, 2, 4])
@pytest.mark.parametrize("key", KEYS)
def test_settings_that_must_not_matter(made_structures, model, key, ranks):
    structure = made_structures["left-handed"]
    path = model(key, "float64")
    cases = [Case("plain", structure, path)]
    cases += [Case(name, structure, path, **kw) for name, kw in VARIANTS.items()]
    plain, *others = evaluate_in_lammps(cases, ranks)
    for other in others:
        check_same(plain, other, "float64")
