"""The table of checks: one row each, in the order of the page."""

from __future__ import annotations

from egraff_lmp.physics.checks import compression, crystals, defects, diatomics, heating, nve
from egraff_lmp.physics.record import Check

CHECKS = (
    Check(
        "diatomics",
        "Pairs of atoms",
        "Energy and force of two isolated atoms over their distance, for every pair of elements. "
        "The curve has to be repulsive at short distances, smooth, with one minimum at most, and "
        "has to reach the energy of two isolated atoms at the cutoff. Models of bulk phases have "
        "never seen such pairs: what fails here happens where two atoms come close, in a hot or "
        "compressed system.",
        diatomics.judge,
    ),
    Check(
        "crystals",
        "Crystals",
        "Relaxation and equation of state of known crystals of the model's elements, and of the "
        "structure that was given. References are volumes measured at room temperature, so that "
        "only gross differences are failures.",
        crystals.judge,
    ),
    Check(
        "defects",
        "Displaced atoms and vacancies",
        "Single atoms of the known crystals that are stable, displaced along the vectors of the "
        "cell and towards a neighbour, or taken away. A displaced atom has to cost energy, "
        "smoothly and alike where the crystal's symmetry says so. Vacancies, with all positions "
        "relaxed, have to cost energy in an element, and in a compound for each formula unit and "
        "against crystals of the elements. They are compared with no measured formation energy.",
        defects.judge,
    ),
    Check(
        "heating",
        "Heating ramp",
        "Molecular dynamics in LAMMPS with a thermostat that goes evenly from 300 K to 3000 K. The "
        "number is the thermostat's temperature before the first failure: atoms lost, an overflow, "
        "a guard of the pair style, or two atoms far inside each other.",
        heating.judge,
    ),
    Check(
        "compression",
        "Compression ramp",
        "The volume is shrunk in steps to 60 per cent, and the positions are relaxed after every "
        "step. The number is the volume before the first failure: a pressure that falls, two atoms "
        "far inside each other, or numbers that are not finite.",
        compression.judge,
    ),
    Check(
        "nve",
        "Conservation in a large cell",
        "Molecular dynamics in LAMMPS without a thermostat: the drift of the total energy, the "
        "movement of the centre of mass, and the sum of all forces.",
        nve.judge,
    ),
)
