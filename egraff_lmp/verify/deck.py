"""LAMMPS inputs of the checks, and what comes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.compare.worker import BAR_A3_PER_EV, tensor
from egraff_lmp.rollout.datafile import Structure

# A deck whose step takes longer hangs: a step is one evaluation, or a hundred of a small system.
PATIENCE_SECONDS = 180.0
MEASURED = (
    "compute energy all pe/atom",
    "compute stress all stress/atom NULL virial",
    "compute centroid all centroid/stress/atom NULL virial",
    "compute virial all pressure NULL virial",
    "compute sums all reduce sum c_energy c_stress[*] c_centroid[*]",
    "thermo_style custom step pe vol c_virial[*] c_sums[*]",
)
PER_ATOM = {"f": 3, "c_energy": 1, "c_stress": 6, "c_centroid": 9}
VECTORS = {"virial": 6}


Values = Mapping[str, NDArray[np.float64]]  # name to what was gathered after a step


@dataclass(frozen=True)
class Deck:
    """One LAMMPS input, in steps; after each step the same columns are gathered.

    In its commands {data} is the data file of `structure`, {model} the deployed file, {elements}
    its species in type order and {folder} a folder of the deck's own.

    Attributes:
        name: unique among the decks of a run.
        structure: the atoms.
        steps: lists of commands; the first makes the system.
        ranks: the numbers of ranks that it runs on.
        per_atom: columns to gather, name to width: "f", "x", "v", "c_ID".
        vectors: global vectors of computes, ID to length.
        thermo: thermo keywords.
        arguments: command-line arguments of LAMMPS.
        beside: whether a second LAMMPS of the same input lives in the same process.
    """

    name: str
    structure: Structure
    steps: tuple[tuple[str, ...], ...]
    ranks: tuple[int, ...]
    per_atom: Mapping[str, int] = field(default_factory=lambda: {"f": 3})
    vectors: Mapping[str, int] = field(default_factory=dict)
    thermo: tuple[str, ...] = ("pe",)
    arguments: tuple[str, ...] = ()
    beside: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a deck gave.

    Attributes:
        error: LAMMPS' message without its source position; "" if all steps ran.
        steps: name to value after each step that ran; per-atom columns are sorted by ID.
    """

    error: str
    steps: tuple[Values, ...]

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """A value after the last step."""
        return self.steps[-1][name]


def system(
    style: str = "egraff",
    coeff: Sequence[str] = ('pair_coeff * * "{model}" {elements}',),
    before: Sequence[str] = (),
    units: str = "metal",
    boundary: str = "{boundary}",
) -> tuple[str, ...]:
    """Commands that make a system of the deck's structure."""
    return (
        f"units {units}",
        "atom_style atomic",
        f"boundary {boundary}",
        "atom_modify map yes",
        *before,
        'read_data "{data}"',
        f"pair_style {style}",
        *coeff,
    )


def static(
    name: str,
    structure: Structure,
    ranks: tuple[int, ...],
    *,
    style: str = "egraff",
    before: Sequence[str] = (),
    after: Sequence[str] = (),
    more: Sequence[tuple[str, ...]] = (),
    boundary: str = "{boundary}",
    arguments: tuple[str, ...] = (),
    beside: bool = False,
) -> Deck:
    """A deck that measures everything of one configuration, and of what `more` makes of it."""
    first = (
        *system(style, before=before, boundary=boundary),
        *MEASURED,
        *after,
        "run 0 post no",
    )
    return Deck(
        name,
        structure,
        (first, *more),
        ranks,
        PER_ATOM,
        VECTORS,
        ("pe", "vol"),
        arguments,
        beside,
    )


def virial_ev(values: Values) -> NDArray[np.float64]:
    """The virial (3, 3) in eV, in LAMMPS' frame, of what `static` gathered in units metal."""
    return tensor(values["virial"]) * float(values["vol"]) / BAR_A3_PER_EV
