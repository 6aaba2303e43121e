"""Under which names a file that ASE reads keeps its labels, and which of them are taken.

Programs name ab-initio labels differently: ASE's own results are `energy`, `forces` and `stress`;
MACE's files say `REF_energy`, and a file may hold those of another model beside them. The names
that say "reference" come first, then ASE's own, then others. What is taken is logged, with a
warning where two names give other values.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from egraff_lmp.errors import EgraffError

logger = logging.getLogger(__name__)

# In order of preference.
NAMES = {
    "energy": ("REF_energy", "energy", "dft_energy", "DFT_energy", "Energy"),
    "forces": ("REF_forces", "forces", "dft_forces", "DFT_forces", "force", "Forces"),
    "stress": ("REF_stress", "stress", "dft_stress", "DFT_stress", "Stress"),
}
# -stress * volume, as MACE, GAP and NEP have it.
VIRIALS = ("REF_virials", "REF_virial", "virials", "virial", "dft_virial", "DFT_virial")
# Two sets of labels that differ by less were printed with other digits.
SAME = {"energy": 1e-5, "forces": 1e-4, "stress": 1e-6}


@dataclass(frozen=True)
class LabelKeys:
    """Names of the labels in a file; None looks for the usual ones (`NAMES`).

    Attributes:
        energy: of the energy in eV.
        forces: of the forces in eV/A.
        stress: of the stress in eV/A^3, positive under tension.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None

    def any(self) -> bool:
        """Whether a name is given."""
        return any(getattr(self, field.name) is not None for field in fields(self))


class LabelReader:
    """Reads the labels of the frames of one file, all under the same names.

    Args:
        images: the frames, `ase.Atoms`.
        source: the file, for messages.
        keys: names that the user chose.

    Raises:
        EgraffError: no frame has the name that was chosen.
    """

    def __init__(self, images: Sequence[Any], source: str, keys: LabelKeys) -> None:
        self._names = {what: _chosen(images, source, what, getattr(keys, what)) for what in NAMES}
        named = {what: name for what, name in self._names.items() if name not in (None, what)}
        if named:
            said = ", ".join(f"{what} from '{name}'" for what, name in named.items())
            logger.info("%s: the labels are read under other names: %s.", source, said)

    def energy(self, atoms: Any) -> float | None:
        """In eV, or None."""
        value = self._value(atoms, "energy")
        return None if value is None else float(value)

    def forces(self, atoms: Any) -> NDArray[np.float64] | None:
        """(N, 3) in eV/A, or None."""
        value = self._value(atoms, "forces")
        return None if value is None else np.asarray(value, dtype=np.float64)

    def stress(self, atoms: Any) -> NDArray[np.float64] | None:
        """(3, 3) in eV/A^3, or None; made of a virial where the file has no stress."""
        value = self._value(atoms, "stress")
        if value is not None:
            return _matrix(value)
        virial = next((v for name in VIRIALS if (v := _found(atoms, name)) is not None), None)
        volume = abs(float(np.linalg.det(np.asarray(atoms.cell))))
        return None if virial is None or not volume else -_matrix(virial) / volume

    def _value(self, atoms: Any, what: str) -> Any:
        name = self._names[what]
        return None if name is None else _found(atoms, name)


def _chosen(images: Sequence[Any], source: str, what: str, key: str | None) -> str | None:
    """The name under which `what` is read from this file; None where it has none."""
    if key is not None:
        if all(_found(atoms, key) is None for atoms in images):
            present = ", ".join(sorted({name for atoms in images for name in _all(atoms)}))
            raise EgraffError(
                f"{source}: expected the {what} of frames under the name '{key}' ({what}_key), no "
                f"frame has it: the names there are {present or 'none'}."
            )
        return key
    there = [name for name in NAMES[what] if any(_found(a, name) is not None for a in images)]
    if not there:
        return None
    rivals = [name for name in there[1:] if _differ(images, what, there[0], name)]
    if rivals:
        logger.warning(
            "%s: the %s of its frames stands under '%s' and, with other values, under '%s': "
            "'%s' is taken; choose with `data: {%s_key: NAME}`.",
            source, what, there[0], "', '".join(rivals), there[0], what,
        )  # fmt: skip
    return there[0]


def _differ(images: Sequence[Any], what: str, first: str, second: str) -> bool:
    for atoms in images:
        one, two = _found(atoms, first), _found(atoms, second)
        if one is None or two is None:
            continue
        one, two = np.asarray(one, dtype=np.float64), np.asarray(two, dtype=np.float64)
        if what == "stress":
            one, two = _matrix(one), _matrix(two)
        if one.shape != two.shape or np.abs(one - two).max(initial=0.0) > SAME[what]:
            return True
    return False


def _found(atoms: Any, name: str) -> Any:
    """A value of the calculator's results, of the frame or of its atoms."""
    results = {} if atoms.calc is None else atoms.calc.results
    # `free_energy` is what the forces of a smeared calculation belong to, but sets state `energy`.
    places = (place.get(name) for place in (results, atoms.info, atoms.arrays))
    return next((value for value in places if value is not None), None)


def _all(atoms: Any) -> Iterator[str]:
    yield from {} if atoms.calc is None else atoms.calc.results
    yield from atoms.info
    yield from (name for name in atoms.arrays if name not in ("numbers", "positions"))


def _matrix(value: Any) -> NDArray[np.float64]:
    array = np.asarray(value, dtype=np.float64)
    if array.shape == (6,):
        return np.asarray(voigt_6_to_full_3x3_stress(array), dtype=np.float64)
    return array.reshape(3, 3) if array.shape == (9,) else array
