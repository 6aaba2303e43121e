"""Bound coherent neutron scattering lengths of the elements in fm, for natural isotopes.

H. Rauch and W. Waschkowski, Neutron Data Booklet (eds. A.-J. Dianoux and G. Lander, 2nd ed., 2003),
section 1.1. Real parts at thermal energies; Sm, Eu and Gd are left out, as theirs depend on the
wavelength (resonances), and so are elements without a measured value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from egraff_lmp.score.arrays import Floats

SCATTERING_LENGTHS_FM = {
    "H": -3.7409, "He": 3.0985, "Li": -1.93, "Be": 7.79, "B": 5.3, "C": 6.6472, "N": 9.36,
    "O": 5.8037, "F": 5.654, "Ne": 4.566, "Na": 3.63, "Mg": 5.375, "Al": 3.449, "Si": 4.15071,
    "P": 5.13, "S": 2.847, "Cl": 9.5792, "Ar": 1.909, "K": 3.67, "Ca": 4.7, "Sc": 12.1,
    "Ti": -3.37, "V": -0.443, "Cr": 3.635, "Mn": -3.75, "Fe": 9.45, "Co": 2.49, "Ni": 10.3,
    "Cu": 7.718, "Zn": 5.68, "Ga": 7.288, "Ge": 8.185, "As": 6.58, "Se": 7.97, "Br": 6.79,
    "Kr": 7.81, "Rb": 7.08, "Sr": 7.02, "Y": 7.75, "Zr": 7.16, "Nb": 7.054, "Mo": 6.715,
    "Tc": 6.8, "Ru": 7.02, "Rh": 5.9, "Pd": 5.91, "Ag": 5.922, "Cd": 4.83, "In": 4.065,
    "Sn": 6.2239, "Sb": 5.57, "Te": 5.68, "I": 5.28, "Xe": 4.69, "Cs": 5.42, "Ba": 5.07,
    "La": 8.24, "Ce": 4.84, "Pr": 4.44, "Nd": 7.87, "Tb": 7.34, "Dy": 16.9, "Ho": 8.44,
    "Er": 7.79, "Tm": 7.07, "Yb": 12.41, "Lu": 7.21, "Hf": 7.77, "Ta": 6.91, "W": 4.755,
    "Re": 9.2, "Os": 10.7, "Ir": 10.6, "Pt": 9.6, "Au": 7.9, "Hg": 12.595, "Tl": 8.776,
    "Pb": 9.4024, "Bi": 8.5242, "Th": 10.31, "U": 8.417,
}  # fmt: skip


def scattering_lengths(species: Sequence[str]) -> Floats:
    """Length of each atom in fm, (N,); NaN where the element is not in the table."""
    return np.array([SCATTERING_LENGTHS_FM.get(element, np.nan) for element in species])
