"""vasprun.xml, OUTCAR and XDATCAR in the layout of VASP, without VASP.

Only what readers look at is written, with the widths and digits of VASP 6. `python
vasp_files.py [FOLDER]` writes the three files of a short run of copper with the effective-medium
theory of ASE.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import GPa

KBAR = 0.1 * GPa


def write_vasprun(path: Path, frames: Sequence[Atoms], *, forces: bool = True) -> Path:
    """The parts of a vasprun.xml that matter; `forces=False` leaves them and the stress out."""
    symbols = frames[0].get_chemical_symbols()
    rows = "".join(f"    <rc><c>{s}</c><c>1</c></rc>\n" for s in symbols)
    text = f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<modeling>
 <generator><i name="program" type="string">vasp </i></generator>
 <kpoints>
  <varray name="kpointlist"><v>0.0 0.0 0.0</v></varray><varray name="weights"><v>1.0</v></varray>
 </kpoints>
 <atominfo>
  <array name="atoms"><set>
{rows}  </set></array>
 </atominfo>
 <structure name="initialpos">
{_structure(frames[0])} </structure>
"""
    for atoms in frames:
        energy = atoms.get_potential_energy()
        names = ("e_fr_energy", "e_wo_entrp", "e_0_energy")
        values = "".join(f'<i name="{name}">{energy:16.8f}</i>' for name in names)
        text += f" <calculation>\n  <scstep><energy>{values}</energy></scstep>\n"
        text += f"  <structure>\n{_structure(atoms)}  </structure>\n"
        if forces:
            text += _varray("forces", atoms.get_forces())
            text += _varray("stress", -atoms.get_stress(voigt=False) / KBAR)
        text += f"  <energy>{values}</energy>\n </calculation>\n"
    path.write_text(f"{text}</modeling>\n")
    return path


def _structure(atoms: Atoms) -> str:
    cell = _varray("basis", atoms.cell.array)
    return f"  <crystal>\n{cell}  </crystal>\n" + _varray(
        "positions", atoms.get_scaled_positions(wrap=False)
    )


def _varray(name: str, rows: np.ndarray) -> str:
    lines = "".join("   <v>" + "".join(f"{x:16.8f}" for x in row) + " </v>\n" for row in rows)
    return f'  <varray name="{name}" >\n{lines}  </varray>\n'


def write_outcar(path: Path, frames: Sequence[Atoms], *, potcar: bool = True) -> Path:
    """The parts of an OUTCAR that matter; `potcar=False` leaves out the lines of the POTCAR."""
    kinds = _kinds(frames[0])
    named = [f" POTCAR:    PAW_PBE {symbol} 22Jun2005\n" for symbol, _ in kinds]
    text = " vasp.6.4.2 20Jul23 complex\n" + ("".join(2 * named) if potcar else "")
    text += f"""\
   k-points           NKPTS =      1   k-points in BZ     NKDIM =      1   number of bands    NBANDS=      1
   number of dos      NEDOS =    301   number of ions     NIONS ={len(frames[0]):7d}
   ions per type =          {"".join(f"{n:6d}" for _, n in kinds)}
   ISPIN  =      1    spin polarized calculation?
 k-points in reciprocal lattice and weights: Gamma
   0.00000000  0.00000000  0.00000000       1.000

"""  # noqa: E501
    for number, atoms in enumerate(frames, 1):
        stress = -atoms.get_stress() / KBAR
        voigt = stress[[0, 1, 2, 5, 3, 4]]  # XX YY ZZ XY YZ ZX
        energy = atoms.get_potential_energy()
        text += f"{'-' * 41} Iteration{number:5d}(   1)  {'-' * 39}\n"
        text += "  in kB  " + "".join(f"{x:12.5f}" for x in voigt) + "\n"
        text += "      direct lattice vectors                 reciprocal lattice vectors\n"
        for row, dual in zip(atoms.cell.array, atoms.cell.reciprocal(), strict=True):
            text += " " + "".join(f"{x:13.9f}" for x in (*row, *dual)) + "\n"
        text += " POSITION                                       TOTAL-FORCE (eV/Angst)\n"
        text += f" {'-' * 83}\n"
        for x, f in zip(atoms.positions, atoms.get_forces(), strict=True):
            text += "".join(f"{v:13.5f}" for v in x) + "".join(f"{v:14.6f}" for v in f) + "\n"
        text += f""" {"-" * 83}
  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)
  ---------------------------------------------------
  free  energy   TOTEN  = {energy:18.8f} eV

  energy  without entropy={energy:18.8f}  energy(sigma->0) ={energy:18.8f}

"""
    path.write_text(f"{text} General timing and accounting informations for this job:\n")
    return path


def write_xdatcar(path: Path, frames: Sequence[Atoms]) -> Path:
    """Positions alone, as an XDATCAR of a run at constant volume has them."""
    kinds = _kinds(frames[0])
    text = "copper\n           1\n"
    text += "".join(" " + "".join(f"{x:12.6f}" for x in row) + "\n" for row in frames[0].cell.array)
    text += "".join(f"{symbol:>5}" for symbol, _ in kinds) + "\n"
    text += "".join(f"{n:6d}" for _, n in kinds) + "\n"
    for number, atoms in enumerate(frames, 1):
        text += f"Direct configuration={number:6d}\n"
        for row in atoms.get_scaled_positions(wrap=False):
            text += "".join(f"{x:12.8f}" for x in row) + "\n"
    path.write_text(text)
    return path


def _kinds(atoms: Atoms) -> list[tuple[str, int]]:
    """Elements in the order of the file with their numbers; a POSCAR has them in blocks."""
    found: list[tuple[str, int]] = []
    for symbol in atoms.get_chemical_symbols():
        if found and found[-1][0] == symbol:
            found[-1] = (symbol, found[-1][1] + 1)
        else:
            found.append((symbol, 1))
    return found


def copper(n_frames: int = 20, kelvin: float = 800.0) -> list[Atoms]:
    """Frames of a run of 32 atoms with energies, forces and stresses, 10 fs apart."""
    from ase.build import bulk
    from ase.calculators.emt import EMT
    from ase.calculators.singlepoint import SinglePointCalculator
    from ase.md.langevin import Langevin
    from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
    from ase.units import fs

    rng = np.random.default_rng(1)
    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.calc = EMT()
    MaxwellBoltzmannDistribution(atoms, temperature_K=kelvin, rng=rng)
    run = Langevin(atoms, 5 * fs, temperature_K=kelvin, friction=0.01 / fs, rng=rng)
    frames = []
    for _ in range(n_frames):
        run.run(2)
        copy = atoms.copy()
        results = {name: atoms.calc.get_property(name) for name in ("energy", "forces", "stress")}
        copy.calc = SinglePointCalculator(copy, **results)
        frames.append(copy)
    return frames


def main() -> None:
    """Write the three files."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
    frames = copper()
    write_vasprun(folder / "vasprun.xml", frames)
    write_outcar(folder / "OUTCAR", frames)
    write_xdatcar(folder / "XDATCAR", frames)


if __name__ == "__main__":
    main()
