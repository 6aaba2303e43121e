"""How fast is scoring, against ASE and for large systems?

    python benchmarks/scoring.py [--quick] [--json FILE]

small: RDF, Wright's factor, JSD, EV and FV of 1000 frames of 200 atoms (GeTe's density and
composition) against as many reference frames; in the same run ASE's `Analysis.get_rdf` on some of
the same frames, to the same r_max with as many bins, its time a frame multiplied. Ours includes
both modes, partials, intervals and floors; ASE's is the total g(r) alone, of the rollout alone.

Wall times depend on what else the machine does; the processor time beside them hardly does, nor
does the ratio of two of them. Run it under `nice` on a machine that others need.

large: the same values for 100 frames of 100 000 atoms: structure against the small reference, EV
and FV of a rerun on the same frames; wall time and peak memory of a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from _gete import packed

from egraff_lmp.data.frames import Frames
from egraff_lmp.runs.machine import hardware
from egraff_lmp.score import METRICS, Rerun, Rollout
from egraff_lmp.score.align import pair_reruns
from egraff_lmp.score.estimate import estimate
from egraff_lmp.score.metric import Context
from egraff_lmp.score.options import Options

SMALL_SECONDS, SMALL_RATIO = 4.0, 10.0  # at most, at least
LARGE_SECONDS, LARGE_BYTES = 120.0, 1.5e9  # at most; 0.2e9 are torch, which vesin imports
VIBRATION_A = 0.3
REPEATS = 3
# Rows that are timed: what the paper scores.
ROWS = (
    "wf", "jsd", "wf_unrooted", "jsd_raw", "rdf_mae", "rdf_mae_eq3", "ev", "ev_eq4",
    "ev_released", "fv",
)  # fmt: skip


@dataclass(frozen=True)
class Times:
    """Seconds: of the wall, of all threads' processor time, of the main thread's."""

    wall: float
    cpu: float
    main_thread: float

    @classmethod
    def now(cls) -> Times:
        """The three clocks."""
        return cls(time.perf_counter(), time.process_time(), time.thread_time())

    def until_now(self) -> Times:
        """What has passed since."""
        end = Times.now()
        return Times(end.wall - self.wall, end.cpu - self.cpu, end.main_thread - self.main_thread)

    def times(self, factor: float) -> Times:
        """The same, longer."""
        return Times(self.wall * factor, self.cpu * factor, self.main_thread * factor)


def vibrating(n_frames: int, copies: int = 1, forces: bool = True, seed: int = 0) -> Frames:
    """Frames around a random packing, repeated `copies` times along each axis.

    Forces are random: what EV and FV cost does not depend on them.
    """
    atoms = packed().repeat(copies)
    random = np.random.default_rng(seed)
    positions = np.empty((n_frames, len(atoms), 3))
    for frame in positions:  # one by one: temporaries of all frames would be the peak of memory
        frame[:] = atoms.positions + random.normal(0, VIBRATION_A, atoms.positions.shape)
    return Frames(
        species=tuple(atoms.get_chemical_symbols()),
        positions=positions,
        cell=np.broadcast_to(atoms.cell.array, (n_frames, 3, 3)).copy(),
        pbc=(True, True, True),
        energy=random.normal(size=n_frames) if forces else None,
        forces=random.normal(size=positions.shape) if forces else None,
        timestep_fs=1.0,
        source="random packing",
    )


def score(reference: Frames, rollout: Frames, **reruns: Rerun) -> int:
    """RDF, Wright's factor, JSD, EV and FV; returns the number of values."""
    named = {name.replace("_", "-"): rerun for name, rerun in reruns.items()}
    for name, rerun in named.items():
        pair_reruns(rerun.truth, rerun.model, name)
    context = Context(reference, [Rollout(rollout)], Options(), named)
    found = [
        estimate(METRICS[key], mode, sample, context.options)
        for key in ROWS
        for mode in METRICS[key].modes
        for sample in METRICS[key].samples(context, METRICS[key], mode)
    ]
    return sum(one.value is not None for one in found)


def small(n_frames: int, ase_frames: int) -> dict[str, Any]:
    """Seconds of ours, of ASE's, and their ratio, each repeat taking turns."""
    from ase import Atoms
    from ase.geometry.analysis import Analysis

    reference, rollout = vibrating(n_frames, seed=1), vibrating(n_frames, seed=2)
    r_max, n_bins = 9.5, 190
    ours: list[Times] = []
    theirs: list[Times] = []
    for _ in range(REPEATS):
        before = Times.now()
        n_values = score(reference, rollout)
        ours.append(before.until_now())
        images = [
            Atoms(rollout.species, x, cell=rollout.cell[0], pbc=True)
            for x in rollout.positions[:ase_frames]
        ]
        before = Times.now()
        with warnings.catch_warnings():  # it is about to move within ASE; it is what people use
            warnings.simplefilter("ignore", FutureWarning)
            Analysis(images).get_rdf(r_max, n_bins)
        theirs.append(before.until_now().times(n_frames / ase_frames))
    ratios = [b.wall / a.wall for a, b in zip(ours, theirs, strict=True)]
    cpu_ratios = [b.cpu / a.cpu for a, b in zip(ours, theirs, strict=True)]
    return {
        "frames": n_frames,
        "values": n_values,
        "seconds": min(one.wall for one in ours),
        "seconds_all": [one.wall for one in ours],
        "cpu_seconds": min(one.cpu for one in ours),
        "main_thread_seconds": min(one.main_thread for one in ours),
        "ase_seconds": min(one.wall for one in theirs),
        "ase_cpu_seconds": min(one.cpu for one in theirs),
        "ratio": float(np.median(ratios)),
        "ratios": ratios,
        "cpu_ratio": float(np.median(cpu_ratios)),
    }


def large(n_frames: int, copies: int) -> dict[str, Any]:
    """Seconds and peak bytes of this process, frames included."""
    reference = vibrating(200, seed=1)
    rollout = vibrating(n_frames, copies, seed=2)
    # The ground truth on the same frames: other energies and forces.
    truth = Frames(
        species=rollout.species,
        positions=rollout.positions,
        cell=rollout.cell,
        pbc=rollout.pbc,
        energy=-np.asarray(rollout.energy),
        forces=-np.asarray(rollout.forces),
        timestep_fs=rollout.timestep_fs,
        source="truth",
    )
    held = rollout.positions.nbytes + 2 * np.asarray(rollout.forces).nbytes
    before = Times.now()
    n_values = score(reference, rollout, rerun_oracle=Rerun(truth, rollout))
    took = before.until_now()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "frames": n_frames,
        "atoms": rollout.n_atoms,
        "values": n_values,
        "seconds": took.wall,
        "cpu_seconds": took.cpu,
        "peak_bytes": peak,
        "bytes_of_the_frames": held,
    }


def main() -> int:
    """Prints both, writes JSON; 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, no targets")
    parser.add_argument("--json", type=Path, help="write the numbers here")
    parser.add_argument("--part", choices=("small", "large"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    sizes = {
        "small": (100, 2) if arguments.quick else (1000, 10),
        "large": (4, 4) if arguments.quick else (100, 8),
    }
    if arguments.part:
        print(json.dumps({"small": small, "large": large}[arguments.part](*sizes[arguments.part])))
        return 0
    machine = hardware()
    numbers: dict[str, Any] = {
        "machine": machine["processor"],
        "cores": machine["cores"],
    }
    for part in sizes:  # a process each: the peak of memory is a process's
        words = [sys.executable, __file__, "--part", part, *["--quick"] * arguments.quick]
        ended = subprocess.run(words, capture_output=True, text=True, check=False)
        if ended.returncode:
            print(ended.stderr, file=sys.stderr)
            return ended.returncode
        numbers[part] = json.loads(ended.stdout.splitlines()[-1])
    a, b = numbers["small"], numbers["large"]
    print(f"{numbers['cores']} cores, {numbers['machine']}")
    print(
        f"{a['frames']} frames of 200 atoms: {a['seconds']:.2f} s for {a['values']} values, "
        f"{a['cpu_seconds']:.2f} s of processors, {a['main_thread_seconds']:.2f} s of them the "
        "main thread's\n"
        f"  ASE's g(r): {a['ase_seconds']:.1f} s, {a['ratio']:.0f} times as long "
        f"({min(a['ratios']):.0f} .. {max(a['ratios']):.0f}); {a['ase_cpu_seconds']:.1f} s of "
        f"processors, {a['cpu_ratio']:.0f} times as much"
    )
    print(
        f"{b['frames']} frames of {b['atoms']} atoms: {b['seconds']:.1f} s, "
        f"{b['cpu_seconds']:.1f} s of processors, peak {b['peak_bytes'] / 1e9:.2f} GB, of which "
        f"{b['bytes_of_the_frames'] / 1e9:.2f} GB frames"
    )
    met = {
        f"small in {SMALL_SECONDS:g} s": a["seconds"] <= SMALL_SECONDS,
        f"{SMALL_RATIO:g} times faster than ASE": a["ratio"] >= SMALL_RATIO,
        f"large in {LARGE_SECONDS:g} s": b["seconds"] <= LARGE_SECONDS,
        f"large in {LARGE_BYTES / 1e9:g} GB": b["peak_bytes"] <= LARGE_BYTES,
    }
    numbers["met"] = met
    if arguments.json:
        arguments.json.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
    if arguments.quick:
        return 0
    for target, reached in met.items():
        print(f"{'met   ' if reached else 'MISSED'} {target}")
    return 0 if all(met.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
