"""What does a training step cost, and how many times faster is it than the other ways to train?

    python benchmarks/training.py [--only mace ...] [--systems GeTe-200 ...] [--quick]

For each force field (paper presets) and batch, the same untrained network in float32, one step with
energy and forces in the loss: two derivatives, a bound on the gradient, AMSGrad. The first losses
of all sides are compared.

    kernels     this project's step on its kernels (`kernels: auto` in a config)
    eager       the same on the network in plain PyTorch (`kernels: off`)
    package     that of the force field's own package: its model, its loss, its step

Every side is a process of its own that sleeps while the others run, and whose peak of resident
memory is that above the memory before its first step. The sides of a case take turns, and a ratio
is taken within a turn, so that a busy machine slows all of them. Results: JSON, a table (markdown,
also into the README.md of the folder if that has a place for it) and a picture.
"""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from _step_report import picture, ratios
from _subjects import SUBJECTS
from _training_report import QUANTITIES, into_readme, summary, table
from _training_sides import (
    DTYPE,
    NO_PACKAGE,
    TRAINING_SYSTEMS,
    context_for,
    labelled,
    own_step,
    package_step,
)
from engine import machine

from egraff_lmp.data.frames import Frames
from egraff_lmp.fileio import write_json, write_text
from egraff_lmp.forcefields import FORCE_FIELDS
from egraff_lmp.train.benchmark import Turns, in_turns

SIDES = ("kernels", "eager", "package")
# Losses of the same weights in float32, summed in another order.
SAME_LOSS = 1e-4
# At least, on GeTe-200: time of eager over kernels; and at most: peak of kernels over eager.
SPEED_TARGETS = {
    "nequip": 8.0,
    "botnet": 3.0,
    "mace": 3.0,
    "equiformer": 2.5,
    "torchmdnet": 2.0,
    "allegro": 1.3,
}
MEMORY_TARGETS = {"nequip": 1 / 3, "equiformer": 1 / 3}
_JUDGED = "GeTe-200"


def sides_of(subject: str, frames: Frames, wanted: list[str]) -> tuple[dict, dict[str, str]]:
    """What makes each side that is wanted and can run, and why others cannot."""
    makers = {
        "kernels": partial(own_step, subject, frames, "auto"),
        "eager": partial(own_step, subject, frames, "off"),
        "package": partial(package_step, subject, frames),
    }
    left_out = {}
    reason = NO_PACKAGE.get(SUBJECTS[subject].key)
    if reason is not None and "package" in wanted:
        left_out["package"] = reason
    return {side: makers[side] for side in wanted if side not in left_out}, left_out


def check_same(found: Turns) -> dict[str, float]:
    """The first loss of each side: all must train the same network, or comparing means nothing."""
    losses = {side: block.losses[0] for side, block in found.first.items()}
    expected = losses.get("eager", next(iter(losses.values()), 0.0))
    for side, loss in losses.items():
        if abs(loss - expected) > SAME_LOSS * abs(expected):
            sys.exit(f"not the same network: a loss of {loss} by {side}, expected {expected}")
    return losses


def measure(subject: str, system: str, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """All sides of one case, in turns."""
    frames = labelled(TRAINING_SYSTEMS[system])
    if frames is None:
        print(f"  {system}: left out, its data are not on this machine (EGRAFF_DATA)")
        return None
    sides, left_out = sides_of(subject, frames, arguments.sides)
    found = in_turns(
        sides, threads=arguments.threads, steps=arguments.steps, repeats=arguments.repeats
    )
    for side, reason in found.failed.items():
        print(f"    {side}: left out, {reason}")
    losses = check_same(found)
    blocks = {side: [asdict(block) for block in parts] for side, parts in found.blocks.items()}
    return {
        "forcefield": subject,
        "system": system,
        "source": frames.source,
        "dtype": DTYPE,
        "n_frames": len(frames),
        "n_atoms": len(frames) * frames.n_atoms,
        "edges_an_atom": context_for(SUBJECTS[subject], frames).avg_num_neighbors,
        "first_loss": losses,
        "sides": summary(blocks, len(frames)),
        "ratios": ratios(blocks),
        "left_out": left_out | found.failed,
        "blocks": blocks,
    }


def show(case: dict[str, Any]) -> None:
    """One case as it is finished, and whether it meets the targets."""
    print(f"  {case['system']}: {case['n_atoms']} atoms, {case['edges_an_atom']:.1f} edges an atom")
    sides = case["sides"]
    for side, row in sides.items():
        times = [
            f"  {other}/this {ratio['median']:.2f} ({ratio['smallest']:.2f} .. "
            f"{ratio['largest']:.2f})"
            for other in ("eager", "package")
            if (ratio := case["ratios"].get(f"{other}/{side}"))
        ]
        print(
            f"    {side:<9}{row['ms_a_step']:9.1f} ms a step (smallest "
            f"{row['smallest_ms_a_step']:.1f}) {row['frames_per_second']:8.2f} frames/s  peak "
            f"{row['peak_mb']:6.0f} MB{''.join(times)}"
        )
    for side, reason in case["left_out"].items():
        print(f"    {side:<9}{reason}")
    key = case["forcefield"]
    if case["system"] != _JUDGED or not {"kernels", "eager"} <= set(sides):
        return
    if key in SPEED_TARGETS:
        times = case["ratios"]["eager/kernels"]["median"]
        target = SPEED_TARGETS[key]
        print(f"    at least {target:g} times as fast as eager: {_verdict(times >= target)}")
    if key in MEMORY_TARGETS:
        share = sides["kernels"]["peak_mb"] / sides["eager"]["peak_mb"]
        target = MEMORY_TARGETS[key]
        print(f"    at most {target:.2f} of eager's peak: {share:.2f}, {_verdict(share <= target)}")


def _verdict(met: bool) -> str:
    return "met" if met else "missed"


def parse() -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--only", nargs="+", choices=SUBJECTS, default=list(FORCE_FIELDS), metavar="NAME")
    add("--systems", nargs="+", choices=TRAINING_SYSTEMS, default=list(TRAINING_SYSTEMS))
    add("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    add("--threads", type=int, default=2, help="of each side (default 2)")
    add("--steps", type=int, default=3, help="of a block (default 3)")
    add("--repeats", type=int, default=5, help="blocks of a side (default 5)")
    add("--quick", action="store_true", help="2 repeats of 1 step")
    add("--out", type=Path, default=Path("benchmarks/training"), help="folder of the results")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.steps, arguments.repeats = 1, 2
    arguments.threads = max(1, min(arguments.threads, len(os.sched_getaffinity(0))))
    return arguments


def main() -> None:
    """Measures, prints and writes."""
    arguments = parse()
    facts = machine() | {"threads": arguments.threads}
    print(f"{facts['processor']}, {facts['cores']} cores, load {facts['load_before']:.2f} at start")
    if facts["load_before"] > 0.5:
        print("other programs are running: times are too long, ratios less certain")
    cases = []
    for subject in arguments.only:
        print(subject, flush=True)
        for system in arguments.systems:
            case = measure(subject, system, arguments)
            if case is not None:
                show(case)
                cases.append(case)
    if not any(case["sides"] for case in cases):
        sys.exit("nothing was measured")
    text = table(cases)
    write_json(arguments.out / "training.json", {"machine": facts, "cases": cases})
    write_text(arguments.out / "training.md", text)
    into_readme(text, arguments.out / "README.md")
    picture(cases, arguments.out / "training.png", QUANTITIES)
    print(f"written: {arguments.out}/training.json, training.md, training.png")


if __name__ == "__main__":
    main()
