"""How much of a step is spent outside the network, and what does a second rank bring?

    python benchmarks/engine.py [--quick] [--json FILE]

For each force field, untrained, preset small, float32, one thread a rank: GeTe with 200 and 1600
atoms in LAMMPS on 1 and 2 ranks, and the same network (same seed, energies compared) through its
own package's ASE calculator. All cases of a force field take turns inside of one MPI job; a number
is the median over repeats of a ratio taken within a repeat, smallest and largest beside it.

Outside of the network is all of a step but the network's own arithmetic: neighbour lists, building
the graph, exchanging features and atoms, integration.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from _gete import gete
from _networks import deploy

from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.paths import mpi_program
from egraff_lmp.runs.machine import hardware, versions

OUTSIDE_TARGET = 0.05  # at most, 200 atoms on one rank
EFFICIENCY_TARGETS = {1: 0.60, 2: 0.85}  # at least, by copies along each axis: 200, 1600 atoms
RANKS = 2
Blocks = dict[str, list[dict[str, float]]]


@dataclass(frozen=True)
class Ratio:
    """Median, smallest and largest over repeats."""

    median: float
    smallest: float
    largest: float

    def __str__(self) -> str:
        return f"{self.median:6.3f}  ({self.smallest:.3f} .. {self.largest:.3f})"


def over_repeats(blocks: Blocks, ratio: Callable[[dict[str, dict[str, float]]], float]) -> Ratio:
    """A ratio of what was measured within one repeat, over all repeats."""
    n = len(next(iter(blocks.values())))
    values = [ratio({name: block[i] for name, block in blocks.items()}) for i in range(n)]
    return Ratio(float(np.median(values)), min(values), max(values))


def outside(blocks: Blocks, case: str) -> Ratio:
    """Share of a step that is not spent inside the network."""
    return over_repeats(blocks, lambda b: 1.0 - b[case]["network"] / b[case]["step"])


def efficiency(blocks: Blocks, copies: int) -> Ratio:
    """t1 / (N tN), 1 where N ranks are N times as fast."""
    one, many = f"{copies}x1", f"{copies}x{RANKS}"
    return over_repeats(blocks, lambda b: b[one]["step"] / (RANKS * b[many]["step"]))


def measure(key: str, arguments: argparse.Namespace, folder: Path) -> Blocks:
    """Deploys a force field and times it in a job of its own."""
    atoms, _ = gete()
    structure, model, task = (folder / f"{key}.{end}" for end in ("extxyz", "pt", "json"))
    ase.io.write(structure, atoms)
    deploy(key, arguments.preset, atoms, model)
    description = {
        "key": key,
        "preset": arguments.preset,
        "structure": str(structure),
        "model": str(model),
        "copies": list(EFFICIENCY_TARGETS),
        "ranks": RANKS,
        "steps": arguments.steps,
        "repeats": arguments.repeats,
        "upstream": not arguments.no_upstream,
    }
    task.write_text(json.dumps(description), encoding="utf-8")
    worker = Path(__file__).with_name("_timed.py")
    # -m mpi4py: an exception on one rank ends all of them.
    command = [sys.executable, "-m", "mpi4py", str(worker), str(task)]
    ended = subprocess.run(
        [mpi_program("mpiexec"), "-n", str(RANKS), *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode != 0:
        sys.exit(f"{key}: the timed job ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    return json.loads(task.with_suffix(".out").read_text(encoding="utf-8"))


def report(key: str, blocks: Blocks) -> dict[str, Any]:
    """Prints a force field's numbers; returns them."""
    values: dict[str, Any] = {"blocks": blocks}
    print(f"\n{FORCE_FIELDS[key].architecture}")
    for copies, target in EFFICIENCY_TARGETS.items():
        atoms = 200 * copies**3
        one, many = (
            float(np.median([block["step"] for block in blocks[f"{copies}x{ranks}"]]))
            for ranks in (1, RANKS)
        )
        print(f"  {atoms} atoms: {1e3 * one:.1f} ms a step on 1 rank, {1e3 * many:.1f} on {RANKS}")
        ratio = efficiency(blocks, copies)
        _line(f"efficiency t1/({RANKS} t{RANKS})", ratio, f">= {target}", ratio.median >= target)
        values[f"efficiency_{atoms}"] = ratio.median
        for ranks in (1, RANKS):
            share = outside(blocks, f"{copies}x{ranks}")
            values[f"outside_{atoms}_on_{ranks}"] = share.median
            judged = copies == 1 and ranks == 1
            target_text = f"<= {OUTSIDE_TARGET}" if judged else ""
            _line(f"outside, {ranks} rank(s)", share, target_text, share.median <= OUTSIDE_TARGET)
    if "upstream" in blocks:
        ratio = over_repeats(blocks, lambda b: b["upstream"]["step"] / b["1x1"]["step"])
        _line("own ASE calculator / this", ratio, "", True)
        values["upstream_over_this"] = ratio.median
    return values


def _line(name: str, ratio: Ratio, target: str, met: bool) -> None:
    verdict = f"  target {target}: {'met' if met else 'missed'}" if target else ""
    print(f"    {name:<26}{ratio}{verdict}")


def machine() -> dict[str, Any]:
    """What the numbers were taken on."""
    names = ("egraff_lmp", "torch", "lammps", "nequip", "nequip-allegro", "mace-torch")
    return {
        **hardware(),
        "load_before": os.getloadavg()[0],
        "versions": versions(names),
    }


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=10, help="of a block (default 10)")
    parser.add_argument("--repeats", type=int, default=5, help="blocks of a case (default 5)")
    parser.add_argument("--quick", action="store_true", help="3 repeats of 5 steps")
    parser.add_argument("--preset", default="small", help="of the force fields (default small)")
    parser.add_argument("--only", choices=FORCE_FIELDS, action="append", help="this force field")
    parser.add_argument("--no-upstream", action="store_true", help="leave out the ASE calculators")
    parser.add_argument("--json", type=Path, help="write all blocks to this file too")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.steps, arguments.repeats = 5, 3
    return arguments


def main() -> None:
    """Measures and prints."""
    arguments = parse()
    facts = machine()
    print(f"{facts['processor']}, {facts['cores']} cores, load {facts['load_before']:.2f} at start")
    if facts["cores"] < RANKS:
        sys.exit(f"expected {RANKS} cores for {RANKS} ranks of one thread, got {facts['cores']}")
    if facts["load_before"] > 0.5:
        print("other programs are running: times are too long, ratios less certain")
    print(f"{gete()[1]}, float32, 1 thread a rank")
    print(f"median (smallest .. largest) of {arguments.repeats} x {arguments.steps} steps")
    value: dict[str, Any] = {"machine": facts, "structure": gete()[1]}
    with tempfile.TemporaryDirectory(prefix="egraff-bench-") as folder:
        for key in arguments.only or FORCE_FIELDS:
            value[key] = report(key, measure(key, arguments, Path(folder)))
    if arguments.json:
        from egraff_lmp.fileio import write_json

        write_json(arguments.json, value)


if __name__ == "__main__":
    main()
