"""Every judge of `egraff verify` fails what is above its threshold, and what is no number.

The judges are given what a right engine says of a model (`right`: from Python, in the columns and
units of the decks), with one number changed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import toys

from egraff_lmp.contract import read_contract
from egraff_lmp.deployed import DeployedModel, Evaluation
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file
from egraff_lmp.rollout.datafile import Structure
from egraff_lmp.verify import CHECKS
from egraff_lmp.verify.checks import cutoff, derivatives, dynamics, histories, settings
from egraff_lmp.verify.deck import BAR_A3_PER_EV, Deck, Outcome, static
from egraff_lmp.verify.finding import Check, Context, Finding, Subject, largest
from egraff_lmp.verify.precision import precision_of
from egraff_lmp.verify.python_side import PythonSide
from egraff_lmp.verify.ridders import steps
from egraff_lmp.verify.structures import crystals, self_test_frame

RANKS = (1, 2)
BY_NAME = {check.name: check for check in CHECKS}
# What is right gives at most a fifth of any threshold here, so that these two lie on its sides.
BELOW, ABOVE = 0.75, 1.25
MEMORY_KIB = 5e5
SIX = ((0, 1, 2, 0, 0, 1), (0, 1, 2, 1, 2, 2))
NINE = ((0, 1, 2, 0, 0, 1, 1, 2, 2), (0, 1, 2, 1, 2, 2, 0, 0, 1))


def key(structure: Structure) -> tuple[object, ...]:
    cell = np.asarray(structure.cell)
    return (structure.species, structure.positions.tobytes(), cell.tobytes(), structure.pbc)


Said = dict[tuple[object, ...], Evaluation | EgraffError]


class Recording(PythonSide):
    """Keeps what it is asked for."""

    def __init__(self, model: DeployedModel) -> None:
        super().__init__(model)
        self.said: Said = {}

    def one(self, structure: Structure) -> Evaluation:
        try:
            self.said[key(structure)] = found = super().one(structure)
        except EgraffError as error:
            self.said[key(structure)] = error
            raise
        return found

    def many(self, structures: Sequence[Structure]) -> list[Evaluation]:
        found = super().many(structures)
        self.said |= zip(map(key, structures), found, strict=True)
        return found


class Replayed(PythonSide):
    """Says again what was recorded, or what it was changed to."""

    def __init__(self, said: Said) -> None:
        self._said = said

    def one(self, structure: Structure) -> Evaluation:
        found = self._said[key(structure)]
        if isinstance(found, EgraffError):
            raise found
        return found

    def many(self, structures: Sequence[Structure]) -> list[Evaluation]:
        return [self.one(structure) for structure in structures]


Outcomes = dict[tuple[str, int], Outcome]


@dataclass(frozen=True)
class Told:
    """The evaluations of Python and the outcomes of LAMMPS; of these a judge looks at `asked`."""

    context: Context
    structures: tuple[tuple[object, ...], ...]
    evaluations: tuple[Evaluation | EgraffError, ...]
    outcomes: Outcomes
    asked: frozenset[tuple[str, int]]

    def judge(self, check: Check) -> tuple[Finding, ...]:
        context = replace(
            self.context,
            python=Replayed(dict(zip(self.structures, self.evaluations, strict=True))),
            lammps=lambda name, ranks: self.outcomes[name, ranks],
        )
        return tuple(check.judge(context))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return toys.save(toys.Pairs(toys.R_MAX), tmp_path_factory.mktemp("judges") / "model.pt")


@pytest.fixture(scope="module")
def told(model: Path) -> Callable[[str], Told]:
    """Name of a check -> what its judge is told of a right engine."""
    contract = read_contract(model)
    # An error of the radial functions, so that the check of tables applies.
    contract = replace(contract, radial_table_error=1e-9)
    frame = self_test_frame(contract)
    subject = Subject(model, sha256_file(model), contract, frame, crystals(contract, frame), RANKS)
    network = DeployedModel(model)
    quiet = PythonSide(network)
    found: dict[str, Told] = {}

    def make(name: str) -> Told:
        if name not in found:
            check = BY_NAME[name]
            outcomes = {
                (deck.name, ranks): right(deck, quiet)
                for deck in check.decks(subject)
                for ranks in deck.ranks
            }
            python = Recording(network)
            asked: set[tuple[str, int]] = set()

            def answer(deck: str, ranks: int) -> Outcome:
                asked.add((deck, ranks))
                return outcomes[deck, ranks]

            context = Context(subject, precision_of(contract), python, answer)
            check.judge(context)
            said = python.said
            found[name] = Told(
                context, tuple(said), tuple(said.values()), outcomes, frozenset(asked)
            )
        return found[name]

    return make


def right(deck: Deck, python: PythonSide) -> Outcome:
    """What a deck gives where LAMMPS is right; the structures have LAMMPS' own axes."""
    if deck.name.startswith("species"):
        return Outcome("pair_coeff: expected another element", ())
    if deck.name.startswith("hidden"):
        return Outcome("pair_style egraff: expected no such group", ())
    if deck.name.startswith("memory"):
        return Outcome("", ({"memory_kib": np.array(MEMORY_KIB)},) * len(deck.steps))
    if deck.name.startswith("dynamics: step"):
        # A fluctuation that falls with the square of the step.
        size = 4e-6 if deck.name.endswith("long") else 1e-6
        atoms = len(deck.structure.species)
        wave = np.cos(np.pi * np.arange(len(deck.steps)))
        return Outcome("", tuple({"etotal": np.array(atoms * size * x)} for x in wave))
    found = python.one(deck.structure)
    if deck.name == "dynamics: thermostat":
        return Outcome("", tuple(maxwell(deck)))
    first = values(deck, found)
    if deck.name.startswith("derivatives"):
        return Outcome("", (first, *({"pe": np.array(e)} for e in energies(deck, found))))
    return Outcome("", (first,) * len(deck.steps))


def values(deck: Deck, found: Evaluation) -> dict[str, np.ndarray]:
    """The columns of a static deck, in the units that it says."""
    real = deck.name == "units: real"
    kcal = settings.KCAL_PER_EV if real else 1.0
    pressure = settings.ATM_A3_PER_KCAL * kcal if real else BAR_A3_PER_EV
    atoms = len(found.energies)
    volume = abs(np.linalg.det(deck.structure.box().matrix))
    each = np.ones((atoms, 1)) / atoms
    return {
        "pe": np.array(found.energy * kcal),
        "vol": np.array(volume),
        "f": found.forces * kcal,
        "virial": found.virial[SIX] * pressure / volume,
        "c_energy": found.energies[:, None] * kcal,
        "c_stress": -each * found.virial[SIX] * pressure,
        "c_centroid": -each * found.virial[NINE] * pressure,
    }


def energies(deck: Deck, found: Evaluation) -> list[float]:
    """Of an energy that is linear in what the deck moves, in the order of its steps."""
    if deck.name == "derivatives: forces":
        slopes = -found.forces[derivatives._chosen(deck.structure)].ravel()
        first = derivatives.STEP_A
    else:
        slopes = -np.array([found.virial[a, b] for _, a, b in derivatives.STRAINS])
        first = derivatives.STRAIN
    return [
        found.energy + slope * sign * h
        for slope in slopes
        for h in steps(first)
        for sign in (1, -1)
    ]


def maxwell(deck: Deck):
    """Velocities of the bath's temperature in A/ps."""
    from ase import units
    from ase.data import atomic_masses, atomic_numbers

    mass = np.array([atomic_masses[atomic_numbers[e]] for e in deck.structure.species])
    width = 1000 * units.fs * np.sqrt(units.kB * dynamics.TEMPERATURE_KELVIN / mass)
    rng = np.random.default_rng(4)
    for _ in deck.steps:
        yield {"v": width[:, None] * rng.normal(size=(len(mass), 3))}


# --- one number changed ---------------------------------------------------------------------------

Change = Callable[[Told, float], Told]
Factor = float | Callable[[Told], float]


def python(which: int, column: str, factor: Factor = 1.0) -> Change:
    """The first number of a column of the evaluation `which`, raised by so much times `factor`."""

    def change(told: Told, size: float) -> Told:
        evaluations = list(told.evaluations)
        old = evaluations[which]
        new = np.array(getattr(old, column), dtype=np.float64)
        new[(0,) * new.ndim] += size * (factor(told) if callable(factor) else factor)
        evaluations[which] = replace(old, **{column: new if new.ndim else float(new)})
        return replace(told, evaluations=tuple(evaluations))

    return change


def lammps(deck: str, ranks: int, column: str, factor: Factor = 1.0, step: int = -1) -> Change:
    """The first number of a column of a deck after a step, raised by so much times `factor`."""

    def change(told: Told, size: float) -> Told:
        old = told.outcomes[deck, ranks]
        rows = list(old.steps)
        new = np.array(rows[step][column], dtype=np.float64)
        new[(0,) * new.ndim] += size * (factor(told) if callable(factor) else factor)
        rows[step] = {**rows[step], column: new}
        outcomes = {**told.outcomes, (deck, ranks): replace(old, steps=tuple(rows))}
        return replace(told, outcomes=outcomes)

    return change


def table_error(told: Told, size: float) -> Told:
    """The contract states such an error of its radial functions."""
    subject = told.context.subject
    subject = replace(subject, contract=replace(subject.contract, radial_table_error=size))
    return replace(told, context=replace(told.context, subject=subject))


def told_apart(told: Told, size: float) -> Told:
    """Forces that change by so much when the elements are exchanged."""
    evaluations = list(told.evaluations)
    base = evaluations[OF_SPECIES]
    evaluations[OF_SPECIES + 1] = replace(base, forces=base.forces + size)
    return replace(told, evaluations=tuple(evaluations))


def digits(told: Told, share: float) -> Told:
    """Energies of which only a share has more digits than float32."""
    old = told.evaluations[0]
    few = old.energies.astype(np.float32).astype(np.float64)
    few[: round(share * ATOMS)] = old.energies[: round(share * ATOMS)]
    return replace(told, evaluations=(replace(old, energies=few), *told.evaluations[1:]))


def scaling(told: Told, ratio: float) -> Told:
    """An energy that fluctuates by so much more with the longer step."""
    short = told.outcomes["dynamics: step short", 2]
    mean = np.mean([row["etotal"] for row in short.steps])
    # Both have an even number of rows on either side of the mean, and an odd one at the end.
    rows = tuple({"etotal": mean + ratio * (row["etotal"] - mean)} for row in short.steps)
    outcomes = {**told.outcomes, ("dynamics: step long", 2): Outcome("", rows)}
    return replace(told, outcomes=outcomes)


def not_refused(deck: str) -> Change:
    """The run goes on, with a force that is wrong by the size."""

    def change(told: Told, size: float) -> Told:
        context = told.context
        frame = static("frame", context.subject.frame, (2,))
        base = right(frame, PythonSide(DeployedModel(context.subject.model)))
        outcomes = {**told.outcomes, ("frame", 2): base, (deck, 2): base}
        return lammps(deck, 2, "f")(replace(told, outcomes=outcomes), size)

    return change


ATOMS = 27
VOLUME = 8.7**3
BAR = BAR_A3_PER_EV
PER_ATOM = ATOMS  # totals are judged per atom
N_JUMPS = 4 * 2 * len(cutoff.GAPS_A)  # ordered pairs of species, sides
# The last pair of species, beyond the cutoff, and not on the coarse grid.
LAST_DIMER = N_JUMPS + 3 * cutoff.DIMER_POINTS - 2
OF_SPECIES = 9  # after the crystals
CELL = "periodicity: cell below the cutoff (bcc Ge)"
STATIC = (("pe", PER_ATOM), ("f", 1.0), ("virial", PER_ATOM * BAR / VOLUME), ("c_energy", 1.0),
          ("c_stress", BAR), ("c_centroid", BAR))  # fmt: skip


def force_constant(told: Told) -> float:
    """eV/A of a displacement by 1e-4 A, by the force constant at 0.1 A of the first crystal."""
    return 1e-4 * max(1.0, largest(told.evaluations[4].forces) / 0.1)


def strained(told: Told) -> float:
    """The size that virials are relative to."""
    return largest(told.evaluations[0].virial)


def summed(column: str) -> Callable[[Told], float]:
    """The size that sums of a column are relative to."""
    return lambda told: float(np.abs(told.outcomes["frame", 2][column]).sum())


# The check, the finding, and how a size in the finding's unit enters what the judge is told.
CASES: list[tuple[str, str, Change]] = [
    ("self-test", "self test: energies", python(0, "energies")),
    ("self-test", "self test: forces", python(0, "forces")),
    ("self-test", "self test: energies in float64", digits),
    ("species", "species: told apart", told_apart),
    *(
        ("symmetry", f"symmetry: {name}", python(k, column, factor))
        for k, name in enumerate(("rotation", "inversion", "translation", "permutation"), 1)
        for column, factor in (("energies", 1.0), ("forces", 1.0), ("virial", PER_ATOM))
    ),
    ("derivatives", "derivatives: forces, Python", python(0, "forces")),
    ("derivatives", "derivatives: virial, Python", python(0, "virial", strained)),
    ("derivatives", "derivatives: forces, LAMMPS", lammps("derivatives: forces", 1, "f", step=0)),
    ("derivatives", "derivatives: virial, LAMMPS",
     lammps("derivatives: virial", 1, "virial", lambda t: strained(t) * BAR / VOLUME, step=0)),
    ("cutoff", "cutoff: jump of the energy", python(0, "energies", 1 / 3)),
    ("cutoff", "cutoff: jump of the forces", python(0, "forces", 1 / 3)),
    ("cutoff", "cutoff: continuity of dimers", python(LAST_DIMER, "energy")),
    ("crystals", "crystals: force at rest", python(0, "forces")),
    ("crystals", "crystals: growth of the force", python(1, "forces", force_constant)),
    ("isolated", "isolated: energy beyond the cutoff", python(2, "energy")),
    ("isolated", "isolated: force beyond the cutoff", python(2, "forces")),
    ("isolated", "isolated: one atom", lammps("isolated: one atom", 2, "c_energy")),
    ("isolated", "isolated: corner", lammps("isolated: corner", 2, "f")),
    *(
        ("periodicity", f"periodicity: doubled along {axis}", python(k, column, factor))
        for k, axis in enumerate("abc", 1)
        for column, factor in (("energies", 1.0), ("forces", 1.0), ("virial", PER_ATOM))
    ),
    ("periodicity", f"{CELL} as a supercell", python(5, "forces")),
    ("periodicity", CELL, lammps(CELL, 2, "f")),
    ("periodicity", "periodicity: slab", lammps("periodicity: slab", 1, "c_energy")),
    ("periodicity", "periodicity: wire", lammps("periodicity: wire", 2, "f")),
    ("periodicity", "periodicity: cluster", lammps("periodicity: cluster", 2, "pe", PER_ATOM)),
    *(
        ("parity", f"parity: {name}", lammps("frame", 1, column, factor))
        for name, (column, factor) in zip(
            ("energy", "forces", "virial", "per-atom energies"), STATIC[:4], strict=True
        )
    ),
    *(
        (check, finding, lammps(finding if finding != "ranks" else "frame", 2, column, factor))
        for check, finding in (
            ("ranks", "ranks"),
            ("grids", "grids: 2 slices along x"),
            ("grids", "grids: 2 slices along z"),
            ("grids", "grids: tiled"),
            ("newton", "newton: off"),
            ("round-trip", "round trip: restart"),
            ("round-trip", "round trip: data"),
        )
        for column, factor in STATIC
    ),
    ("newton", "newton: off, tiled, ranks without atoms",
     lammps("newton: off, tiled, ranks without atoms", 2, "c_centroid", BAR)),
    ("sums", "sums: energies", lammps("frame", 2, "pe", summed("c_energy"))),
    *(
        ("sums", f"sums: virials of {n} components",
         lammps("frame", 2, column, lambda t: max(BAR, summed("c_centroid")(t))))
        for n, column in ((6, "c_stress"), (9, "c_centroid"))
    ),
    ("hidden", "hidden: neigh_modify include", not_refused("hidden: neigh_modify include")),
    ("hidden", "hidden: comm_modify group", not_refused("hidden: comm_modify group")),
    ("units", "units: real against metal", lammps("units: real", 1, "f", settings.KCAL_PER_EV)),
    ("units", "units: real against metal",
     lammps("units: real", 1, "pe", settings.KCAL_PER_EV * PER_ATOM)),
    ("units", "units: real against metal",
     lammps("units: real", 1, "virial",
            settings.KCAL_PER_EV * settings.ATM_A3_PER_KCAL * PER_ATOM / VOLUME)),
    ("threads", "threads: 2", lammps("threads: 2", 1, "f")),
    ("threads", "threads: two instances", lammps("threads: two instances", 1, "f")),
    ("threads", "threads: another style, OPENMP",
     lammps("threads: another style, OPENMP", 1, "f")),
    ("determinism", "determinism", lammps("determinism: second", 2, "f")),
    ("memory", "memory: steps",
     lammps("memory: steps", 1, "memory_kib",
            histories.MEMORY_STEPS * (1 - 1 / histories.MEMORY_PARTS))),
    ("memory", "memory: reloads", lammps("memory: reloads", 1, "memory_kib", MEMORY_KIB)),
    ("dynamics", "dynamics: energy in NVE", lammps("dynamics: step short", 2, "etotal", PER_ATOM)),
    ("dynamics", "dynamics: scaling with the step, from below", scaling),
    ("dynamics", "dynamics: scaling with the step, from above", scaling),
    ("tables", "tables: error of the radial functions", table_error),
]  # fmt: skip


def named(findings: Sequence[Finding], name: str) -> list[Finding]:
    """Those of the name; a failing one may add the quantity."""
    found = [f for f in findings if f.name == name or f.name.startswith(f"{name}: ")]
    assert found, f"no finding {name!r} among {[finding.name for finding in findings]}"
    return found


def threshold(told: Told, check: str, name: str, change: Change) -> float:
    """That of the finding; where the right engine refuses, of what it would be if it did not."""
    for each in (told, change(told, 1.0)):
        for finding in named(each.judge(BY_NAME[check]), name):
            if finding.threshold is not None:
                return finding.threshold
    raise AssertionError(f"{name} has no threshold")


def test_every_check_has_a_case() -> None:
    assert {check for check, _, _ in CASES} == set(BY_NAME)


@pytest.mark.parametrize("check", BY_NAME)
def test_what_is_right_passes(told, check: str) -> None:
    findings = told(check).judge(BY_NAME[check])
    assert findings
    assert [finding for finding in findings if finding.verdict != "passed"] == []


@pytest.mark.parametrize(
    ("check", "name", "change"),
    [pytest.param(*case, id=f"{k}-{case[1]}") for k, case in enumerate(CASES)],
)
def test_the_threshold_is_where_it_is_stated(told, check: str, name: str, change: Change) -> None:
    """A quarter below it one verdict, a quarter above it the other."""
    limit = threshold(told(check), check, name, change)
    # Nothing at all is allowed: the least difference is too much.
    sizes = (BELOW * limit, ABOVE * limit) if limit else (0.0, 1e-12)
    below, above = (named(change(told(check), size).judge(BY_NAME[check]), name) for size in sizes)
    if below[0].at_least:
        below, above = above, below
    assert {finding.verdict for finding in below} == {"passed"}
    bad = [finding for finding in above if finding.verdict == "failed"]
    assert len(bad) == 1
    assert bad[0].value is not None
    assert math.isfinite(bad[0].value)


MANY = 20
# Which columns are each judged for themselves; of other checks all are spoilt together.
PYTHON_COLUMNS = dict.fromkeys(
    ("self-test", "symmetry", "cutoff", "isolated", "periodicity"),
    (("forces",), ("energies", "energy")),
)
LAMMPS_COLUMNS = {
    **{
        check: [(column,) for column, _ in STATIC]
        for check in ("ranks", "grids", "newton", "round-trip")
    },
    "parity": [(column,) for column, _ in STATIC[:4]],
    "sums": [("pe",), ("c_energy",), ("c_stress",), ("c_centroid",), ("virial",)],
    "units": [("pe",), ("f",), ("virial",)],
}


@pytest.mark.parametrize("number", [math.nan, math.inf])
@pytest.mark.parametrize("check", [check for check in BY_NAME if check not in ("hidden", "tables")])
def test_what_is_not_finite_fails_wherever_it_is(told, check: str, number: float) -> None:
    """In any one evaluation or deck that the judge looks at; Python's max passes over NaN."""
    base = told(check)
    missed = []
    with np.errstate(all="ignore"):
        # Every one of few, a part of many.
        for k in range(0, len(base.evaluations), 1 + len(base.evaluations) // MANY):
            old = base.evaluations[k]
            if isinstance(old, EgraffError):
                continue
            every = ("forces", "energies", "energy", "virial")
            for columns in PYTHON_COLUMNS.get(check, (every,)):
                changes = {c: np.full_like(getattr(old, c), number)[()] for c in columns}
                evaluations = list(base.evaluations)
                evaluations[k] = replace(old, **changes)
                if not fails(replace(base, evaluations=tuple(evaluations)), check):
                    missed.append((k, columns))
        for asked in sorted(base.asked):
            outcome = base.outcomes[asked]
            every = tuple({column for row in outcome.steps for column in row})
            for columns in LAMMPS_COLUMNS.get(check, (every,)):
                rows = tuple(
                    {c: np.full_like(v, number) if c in columns else v for c, v in row.items()}
                    for row in outcome.steps
                )
                changed = {**base.outcomes, asked: replace(outcome, steps=rows)}
                if rows and not fails(replace(base, outcomes=changed), check):
                    missed.append((asked, columns))
    assert missed == []


def fails(told: Told, check: str) -> bool:
    return any(finding.verdict == "failed" for finding in told.judge(BY_NAME[check]))


def test_errors_of_lammps_fail(told) -> None:
    """Of each deck that a judge looks at."""
    seen = 0
    for check in BY_NAME:
        base = told(check)
        for asked in base.asked:
            changed = {**base.outcomes, asked: Outcome("Lost atoms: original 27 current 26", ())}
            assert fails(replace(base, outcomes=changed), check), (check, asked)
            seen += 1
    assert seen > len(BY_NAME)


def test_what_should_be_refused_and_is_not_fails(told) -> None:
    base = told("species")
    assert len(base.asked) == 2
    for asked in base.asked:
        changed = {**base.outcomes, asked: Outcome("", ({},))}
        assert fails(replace(base, outcomes=changed), "species")
    (refusal,) = [k for k, e in enumerate(base.evaluations) if isinstance(e, EgraffError)]
    accepted = list(base.evaluations)
    accepted[refusal] = accepted[0]
    assert fails(replace(base, evaluations=tuple(accepted)), "species")
