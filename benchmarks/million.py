"""One million GeTe atoms: three NVE steps of NequIP (paper preset, untrained) on 2 ranks.

    python benchmarks/million.py [--copies 20 25 10] [--steps 3] [--ranks 2]

Prints the most memory that all ranks held together, seconds a step, microseconds an atom and core,
and the drift of the energy an atom. Takes about ten minutes and 18 GB.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _gete import gete
from _subjects import SUBJECTS, context_of, deploy, species_of

from egraff_lmp.data.lammps_log import read_lammps_log
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file

DECK = """units metal
atom_modify map yes
read_data {data}
replicate {copies}
pair_style egraff
pair_coeff * * {model} {elements}
neighbor 0.5 bin
velocity all create 600 7 loop geom
timestep 0.001
fix move all nve
thermo_style custom step temp pe etotal
thermo_modify norm yes format float %.12g
thermo 1
run {steps}
"""


def main() -> None:
    """Deploy, run, watch the memory, and tell."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--copies", type=int, nargs=3, default=[20, 25, 10], metavar="N")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--ranks", type=int, default=2)
    arguments = parser.parse_args()
    frame = gete()[0]
    elements = species_of(frame)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, data, deck = folder / "nequip.pt", folder / "gete.data", folder / "in.million"
        context = context_of(SUBJECTS["nequip"], frame, "float32")
        deploy(SUBJECTS["nequip"], context, frame, model)
        structure = Structure(
            tuple(frame.get_chemical_symbols()),
            frame.get_positions(wrap=True),
            frame.cell.array,
            (True, True, True),
            None,
            "million",
        )
        write_data_file(data, structure, elements)
        text = DECK.format(
            data=data,
            copies=" ".join(map(str, arguments.copies)),
            model=model,
            elements=" ".join(elements),
            steps=arguments.steps,
        )
        deck.write_text(text, encoding="utf-8")
        log = folder / "log.lammps"
        output, peak = run(deck, log, arguments.ranks)
        told = read_lammps_log(log)
    print(output.split("Setting up Verlet run")[-1].split("MPI task timing")[0].strip())
    energies = [
        float(row[3])
        for row in (line.split() for line in output.splitlines())
        if len(row) == 4 and row[0].isdigit()
    ]
    if told.n_steps != arguments.steps or len(energies) != arguments.steps + 1:
        sys.exit(output[-2000:])
    n_atoms = len(frame) * math.prod(arguments.copies)
    seconds = told.seconds / told.n_steps
    print(f"\n{n_atoms:,} atoms, {seconds:.1f} s a step")
    print(f"{1e6 * seconds * arguments.ranks / n_atoms:.0f} us an atom and core")
    print(f"peak memory of all ranks together: {peak / 1e9:.1f} GB")
    print(f"drift of the energy: {max(energies) - min(energies):.1e} eV an atom")


def run(deck: Path, log: Path, ranks: int) -> tuple[str, int]:
    """What LAMMPS printed (into `log`), and the most bytes that its processes held together."""
    program = str(Path(sys.executable).with_name("lmp"))
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            [mpi_program("mpiexec"), "-n", str(ranks), program, "-in", str(deck), "-log", "none"],
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, held_by_descendants(process.pid))
            time.sleep(0.5)
    return log.read_text(encoding="utf-8", errors="replace"), peak


def held_by_descendants(pid: int) -> int:
    """Resident bytes of a process and all that it started; shared pages count in each."""
    parents: dict[int, int] = {}
    pages: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
            pages[int(entry.name)] = int((entry / "statm").read_text().split()[1])
        except OSError:
            continue  # it has ended
        parents[int(entry.name)] = int(stat[1])
    family = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in family} - family
        if not more:
            break
        family |= more
    return sum(pages.get(member, 0) for member in family) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
