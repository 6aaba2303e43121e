"""What does a step cost, and how many times faster is it than the other ways to run the network?

    python benchmarks/step.py [--forcefields mace ...] [--systems GeTe-200 ...] [--quick]

For each force field (paper presets, and a MACE of foundation size), system and precision, the same
untrained network, energies compared, as

    own             its own package's ASE calculator
    eager           the network in tree, operation by operation (the reference path)
    deployed        the deployed file through ASE (EgraffCalculator)
    lammps RxT      the deployed file in LAMMPS on R ranks with T threads each
    symmetrix xT    symmetrix-xl on T threads, for MACE, where it is installed

Every side is a process of its own that sleeps while the others run; all sides of a case take turns,
and a ratio is taken within a turn, so that a busy machine slows both. The rate of matrix products
of the machine is measured in the same turns. Results: JSON, a table (markdown) and a picture.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import torch
from _operations import operations_an_atom
from _step_report import picture, ratios, summary, table
from _subjects import DEFAULT_SUBJECTS, SUBJECTS, SYSTEMS, context_of, deploy, species_of, structure
from ase import Atoms
from engine import machine

from egraff_lmp.fileio import write_json, write_text
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file

# Energies of the same network, summed in another order; an untrained network's are of order 1 eV.
SAME_ENERGY = {"float32": 2e-4, "float64": 1e-7}
# Sides of the eager kind keep megabytes an atom.
EAGER_ATOMS = 1600
_GEMM = 1024


@dataclass
class Child:
    """A side in a process of its own."""

    process: subprocess.Popen[str]
    errors: Path
    energy: float = 0.0

    def ask(self, steps: int | None = None) -> dict[str, Any]:
        """Let it run that many steps; without a number, wait for its start."""
        if steps is not None:
            self.process.stdin.write(f"{steps}\n")
            self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            last = self.errors.read_text(encoding="utf-8").strip().splitlines()[-3:]
            raise ChildEnded(f"ended with {self.process.returncode}: {' / '.join(last)}")
        return json.loads(line)

    def end(self) -> None:
        """Close its input, on which it ends."""
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


class ChildEnded(RuntimeError):
    """A side that could not start or run; the message has the last lines of its errors."""


def gemm_rates(dtype: str, threads: tuple[int, ...]) -> dict[int, float]:
    """Operations a second of a square matrix product, by threads."""
    rates = {}
    a = torch.rand(_GEMM, _GEMM, dtype=getattr(torch, dtype))
    for n in threads:
        torch.set_num_threads(n)
        torch.mm(a, a)
        seconds = []
        for _ in range(5):
            start = time.perf_counter()
            torch.mm(a, a)
            seconds.append(time.perf_counter() - start)
        rates[n] = 2.0 * _GEMM**3 / float(np.median(seconds))
    return rates


def sides_of(subject: str, n_atoms: int, arguments: argparse.Namespace) -> dict[str, dict]:
    """Name and task of each side that is wanted and can run."""
    cores = len(os.sched_getaffinity(0))
    threads = max(1, min(cores, arguments.threads))
    tasks: dict[str, dict] = {}
    key = SUBJECTS[subject].key
    if n_atoms <= arguments.eager_atoms:
        if "own" in arguments.sides and key in ("nequip", "allegro", "mace"):
            tasks["own"] = {"side": "own", "threads": threads}
        if "eager" in arguments.sides:
            tasks["eager"] = {"side": "eager", "threads": threads}
    if "deployed" in arguments.sides:
        tasks["deployed"] = {"side": "deployed", "threads": threads}
    if "lammps" in arguments.sides:
        for layout in arguments.layouts:
            ranks, per_rank = map(int, layout.split("x"))
            if ranks * per_rank > cores:
                sys.exit(f"--layouts {layout}: expected at most {cores} cores")
            tasks[f"lammps {layout}"] = {"side": "lammps", "ranks": ranks, "threads": per_rank}
    # Its compiler needs more than ten minutes for couplings of hidden 2e.
    if "symmetrix" in arguments.sides and subject == "mace-foundation" and find_spec("symmetrix"):
        for n in sorted({1, threads}):
            tasks[f"symmetrix x{n}"] = {"side": "symmetrix", "threads": n}
    return tasks


def start(name: str, task: dict[str, Any], folder: Path) -> Child:
    """A child process of a task; `ask()` waits until it is ready."""
    file = folder / f"{name.replace(' ', '-')}.json"
    write_json(file, task)
    command = [sys.executable, str(Path(__file__).with_name("_turn.py")), str(file)]
    if task["side"] == "lammps":
        ranks = str(task["ranks"])
        # -m mpi4py: an exception on one rank ends all of them.
        command = [mpi_program("mpiexec"), "-n", ranks, command[0], "-m", "mpi4py", *command[1:]]
    errors = file.with_suffix(".err")
    with open(errors, "w", encoding="utf-8") as stream:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(task["threads"])},
        )
    return Child(process, errors)


@contextlib.contextmanager
def started(tasks: dict[str, dict], folder: Path) -> Iterator[dict[str, Child]]:
    """The sides that could start, ready to run; one after the other, ended after the block."""
    children: dict[str, Child] = {}
    try:
        for name, task in tasks.items():
            child = start(name, task, folder)
            children[name] = child
            try:
                child.energy = child.ask()["energy"]
            except ChildEnded as problem:
                print(f"    {name}: left out, {problem}")
                children.pop(name).end()
        yield children
    finally:
        for child in children.values():
            child.end()


def check_same(children: dict[str, Child], dtype: str) -> None:
    """All sides must run the same network, or comparing them means nothing."""
    energies = {name: child.energy for name, child in children.items()}
    middle = float(np.median(list(energies.values())))
    for name, energy in energies.items():
        if abs(energy - middle) > SAME_ENERGY[dtype] * max(1.0, abs(middle)):
            sys.exit(f"not the same network: {energy} eV by {name}, the others {middle} eV")


def measure(subject: str, system: str, dtype: str, arguments: argparse.Namespace) -> dict | None:
    """All sides of one case, in turns."""
    atoms = structure(SYSTEMS[system])
    frame = structure(replace(SYSTEMS[system], copies=(1, 1, 1)))
    if atoms is None or frame is None:
        print(f"  {system}: left out, its data are not on this machine (EGRAFF_DATA)")
        return None
    context = context_of(SUBJECTS[subject], frame, dtype)
    operations = operations_an_atom(subject, context, frame)
    with tempfile.TemporaryDirectory(prefix="egraff-step-") as name:
        folder = Path(name)
        tasks = sides_of(subject, len(atoms), arguments)
        common = files(subject, atoms, frame, dtype, folder)
        blocks: dict[str, list[dict[str, Any]]] = {}
        rates: list[dict[int, float]] = []
        with started({key: common | task for key, task in tasks.items()}, folder) as children:
            check_same(children, dtype)
            cores = sorted({task["threads"] * task.get("ranks", 1) for task in tasks.values()})
            for repeat in range(arguments.repeats + 1):
                found = gemm_rates(dtype, tuple(cores))
                for side, child in children.items():
                    block = child.ask(arguments.steps)
                    if repeat:  # the first block warms up: TorchScript, allocator, caches
                        blocks.setdefault(side, []).append(block)
                if repeat:
                    rates.append(found)
    sides = summary(blocks, len(atoms))
    for side, row in sides.items():
        used = tasks[side]["threads"] * tasks[side].get("ranks", 1)
        rate = float(np.median([each[used] for each in rates]))
        network = row["ms_a_step"] * row.get("network_share", 1.0)
        row["gemm_share"] = operations * len(atoms) / (1e-3 * network) / rate
    return {
        "forcefield": subject,
        "system": system,
        "dtype": dtype,
        "n_atoms": len(atoms),
        "edges_an_atom": context.avg_num_neighbors,
        "operations_an_atom": operations,
        "gemm_per_second": {n: float(np.median([r[n] for r in rates])) for n in rates[0]},
        "sides": sides,
        "ratios": ratios(blocks),
    }


def files(subject: str, atoms: Atoms, frame: Atoms, dtype: str, folder: Path) -> dict[str, Any]:
    """The structure, its data file and the deployed network, and where they are."""
    names = {"structure": "all.extxyz", "frame": "frame.extxyz", "data": "all.data"}
    paths = {key: str(folder / name) for key, name in names.items()} | {
        "model": str(folder / "model.pt")
    }
    ase.io.write(paths["structure"], atoms)
    ase.io.write(paths["frame"], frame)
    species = species_of(frame)
    symbols = tuple(atoms.get_chemical_symbols())
    cell = atoms.cell.array
    block = Structure(symbols, atoms.get_positions(), cell, (True, True, True), None, "benchmark")
    write_data_file(paths["data"], block, species)
    context = context_of(SUBJECTS[subject], frame, dtype)
    deploy(SUBJECTS[subject], context, frame, Path(paths["model"]))
    return paths | {"subject": subject, "dtype": dtype, "species": list(species)}


def show(case: dict[str, Any]) -> None:
    """One case as it is finished."""
    print(
        f"  {case['system']}, {case['dtype']}: {case['edges_an_atom']:.1f} edges and "
        f"{case['operations_an_atom'] / 1e6:.2f} MFLOP an atom"
    )
    for side, row in case["sides"].items():
        ratio = case["ratios"].get(f"eager/{side}")
        times = (
            f"  eager/this {ratio['median']:6.2f} ({ratio['smallest']:.2f} .. "
            f"{ratio['largest']:.2f})"
            if ratio
            else ""
        )
        print(
            f"    {side:<13}{row['ms_a_step']:9.2f} ms a step {row['us_an_atom']:8.1f} us an atom  "
            f"p99/median {row['p99_over_median']:.2f}  GEMM {100 * row['gemm_share']:3.0f} %  "
            f"peak {row['peak_kb_an_atom']:.0f} kB an atom{times}"
        )


def parse() -> argparse.Namespace:
    """Command line."""
    all_sides = ("own", "eager", "deployed", "lammps", "symmetrix")
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--forcefields", nargs="+", choices=SUBJECTS, default=list(DEFAULT_SUBJECTS))
    add("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS))
    add("--dtypes", nargs="+", choices=tuple(SAME_ENERGY), default=["float32"])
    add("--sides", nargs="+", choices=all_sides, default=list(all_sides))
    add("--layouts", nargs="+", default=["1x1", "2x1", "1x2"], help="ranks x threads of LAMMPS")
    add("--threads", type=int, default=2, help="of the Python sides (default 2)")
    add("--steps", type=int, default=10, help="of a block (default 10)")
    add("--repeats", type=int, default=5, help="blocks of a side (default 5)")
    add("--quick", action="store_true", help="3 repeats of 3 steps")
    add("--eager-atoms", type=int, default=EAGER_ATOMS, help="most atoms of own and eager")
    add("--out", type=Path, default=Path("benchmarks/step"), help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.steps, arguments.repeats = 3, 3
    return arguments


def main() -> None:
    """Measures, prints and writes."""
    arguments = parse()
    facts = machine()
    print(f"{facts['processor']}, {facts['cores']} cores, load {facts['load_before']:.2f} at start")
    if facts["load_before"] > 0.5:
        print("other programs are running: times are too long, ratios less certain")
    cases = []
    for subject in arguments.forcefields:
        print(subject)
        for system in arguments.systems:
            for dtype in arguments.dtypes:
                case = measure(subject, system, dtype, arguments)
                if case is not None:
                    show(case)
                    cases.append(case)
    if not cases:
        sys.exit("nothing was measured")
    write_json(arguments.out / "step.json", {"machine": facts, "cases": cases})
    write_text(arguments.out / "step.md", table(cases))
    picture(cases, arguments.out / "step.png")
    print(f"written: {arguments.out}/step.json, step.md, step.png")


if __name__ == "__main__":
    main()
