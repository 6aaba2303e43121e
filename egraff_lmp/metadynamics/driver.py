"""What a metadynamics runs on: a deployed model, a reference force field, or LAMMPS' own styles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.references.oracle import ORACLES
from egraff_lmp.rollout.potential import deployed_model

# With no pair style, LAMMPS still builds a neighbour list, of whatever range: one molecule.
NO_PAIR = ("pair_style zero 10.0 nocoeff", "pair_coeff * *")


@dataclass(frozen=True)
class Driver:
    """The forces of a metadynamics.

    Attributes:
        title: for records and messages.
        sha256: of the model file; "" where there is none.
        commands: LAMMPS' commands behind `read_data`, for the elements of the types.
        species: elements that it knows; None where it takes any.
        masses_amu: of these elements; empty takes standard masses.
        oracle: name of the reference force field whose forces are added by `fix external`, or "".
    """

    title: str
    sha256: str
    commands: Callable[[Sequence[str]], tuple[str, ...]]
    species: tuple[str, ...] | None
    masses_amu: Mapping[str, float]
    oracle: str = ""


def model_driver(path: str | Path, temperature_kelvin: float, threads: int = 1) -> Driver:
    """A file written by `egraff deploy`, by `pair_style egraff` with its guard.

    Args:
        path: the file.
        temperature_kelvin: of the thermostat; ten times this and 1000 K ends a run as broken.
        threads: of the one rank.

    Raises:
        EgraffError: no such file, or not a deployed model.
    """
    model = deployed_model(path)
    hottest = 10 * temperature_kelvin + 1000

    def commands(elements: Sequence[str]) -> tuple[str, ...]:
        return (
            f"pair_style egraff threads {threads} guard yes max_temperature {hottest:g}",
            f'pair_coeff * * "{model.variables["model"]}" {" ".join(elements)}',
        )

    return Driver(Path(path).name, model.sha256, commands, model.species, model.masses_amu)


def oracle_driver(key: str) -> Driver:
    """A reference force field of one molecule, through LAMMPS' `fix external`.

    Raises:
        EgraffError: an unknown one, one that LAMMPS cannot ask at every step, or its program is
            not installed.
    """
    able = [row.key for row in ORACLES.values() if row.begin is not None]
    if key not in able:
        raise EgraffError(
            f"expected an oracle of one molecule out of {', '.join(able)}, got '{key}'."
        )
    begin = ORACLES[key].begin
    if begin is not None:
        begin()  # what is missing is said before the work
    return Driver(ORACLES[key].title, "", lambda elements: NO_PAIR, None, {}, key)


def commands_driver(title: str, commands: Sequence[str]) -> Driver:
    """LAMMPS' own commands in a model's place, which act on atoms of style atomic.

    Args:
        title: for the record.
        commands: as in an input, behind `read_data`; without a pair style, begin with `NO_PAIR`.
    """
    return Driver(title, "", lambda elements: tuple(commands), None, {})
