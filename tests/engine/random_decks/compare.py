"""How far LAMMPS is from Python, in units of the largest value there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from random_decks.draw import Draw
from random_decks.interactions import KCAL_PER_EV
from random_decks.reference import Frame, evaluate

# Sums in another order, and edge vectors whose last digit differs (Python wraps positions, LAMMPS
# shifts ghosts), which a network magnifies a thousand times or so.
TOLERANCE_FLOAT64 = 1e-9
# float32 carries 7 digits, of which a network loses one or two.
TOLERANCE_FLOAT32 = 5e-5
# LAMMPS' nktv2p: pressure times A^3 in units of energy.
PRESSURE = {"metal": 1.6021765e6, "real": 68568.415}
UNFIT = "not for LAMMPS"
QUANTITIES = ("energy", "energies", "forces", "virial", "six", "nine", "deviation")


@dataclass(frozen=True)
class Verdict:
    """What became of a draw.

    Attributes:
        state: "agrees", "refused" (as it must), "differs", "error", "hangs", "crashes", or UNFIT.
        text: what is wrong, or "".
        worst: quantity to the largest difference, relative to its scale.
    """

    state: str
    text: str
    worst: Mapping[str, float]
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether the draw did what it must."""
        return self.state in ("agrees", "refused", UNFIT)


def tolerance(draw: Draw) -> float:
    """Relative, by the precision of the models."""
    return TOLERANCE_FLOAT32 if draw.interactions.single else TOLERANCE_FLOAT64


def compare(draw: Draw, values: Mapping[str, np.ndarray], models: dict[str, Path]) -> Verdict:
    """The verdict on a deck that ran to its end."""
    worst = dict.fromkeys(QUANTITIES, 0.0)
    complaints = []
    for check in range(draw.checks):
        if f"{check}.energy" not in values:
            return Verdict("error", f"check {check} was never reached", worst)
        one = {k.split(".", 1)[1]: v for k, v in values.items() if k.startswith(f"{check}.")}
        for name, difference in _differences(draw, one, models).items():
            worst[name] = max(worst[name], difference)
            if not difference <= tolerance(draw):
                complaints.append(f"check {check}, step {one['step']}: {name}: {difference:.3e}")
    state = "differs" if complaints else "agrees"
    return Verdict(state, "\n".join(complaints), worst, float(values["seconds"]))


def frame_of(values: Mapping[str, np.ndarray]) -> Frame:
    """The atoms of a check."""
    cell = np.diag(values["high"] - values["low"]).astype(float)
    cell[1, 0], cell[2, 0], cell[2, 1] = values["tilts"]
    types = values["type"][:, 0].astype(np.int64)
    return Frame(types, values["x"] - values["low"], cell, values["periodic"].astype(bool))


def _differences(
    draw: Draw, values: Mapping[str, np.ndarray], models: dict[str, Path]
) -> dict[str, float]:
    """Quantity to |LAMMPS - Python| over its scale; NaN where LAMMPS has one."""
    units = draw.settings.units
    energy_unit = KCAL_PER_EV if units == "real" else 1.0
    pressure = PRESSURE[units] * energy_unit
    expected, deviation = evaluate(frame_of(values), draw.interactions, models)
    total_virial = values["pressure"] * values["volume"] / pressure
    found = {
        "energy": values["energy"] / energy_unit,
        "energies": values["c_pe"][:, 0] / energy_unit,
        "forces": values["f"] / energy_unit,
        "virial": total_virial,
        "six": -values["c_s"] / pressure,
        "nine": -values["c_c"] / pressure,
        "deviation": (
            values["c_dev"][:, 0] / energy_unit if draw.interactions.deviates else deviation
        ),
    }
    wanted = {
        "energy": expected.energies.sum(),
        "energies": expected.energies,
        "forces": expected.forces,
        "virial": expected.virial[:6],
        "six": expected.six,
        "nine": expected.nine,
        "deviation": deviation,
    }
    scales = {name: np.abs(value).max(initial=1.0) for name, value in wanted.items()}
    scales["deviation"] = scales["forces"]
    # Totals cancel; what rounds is the size of what is summed.
    scales["energy"] = max(1.0, np.abs(expected.energies).sum())
    scales["virial"] = max(1.0, np.abs(expected.six).sum(0).max())
    return {
        name: float(np.abs(found[name] - wanted[name]).max(initial=0.0) / scales[name])
        for name in QUANTITIES
    }
