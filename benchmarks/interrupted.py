"""Run a matrix once undisturbed and once killed several times, and compare every number.

    python benchmarks/interrupted.py [--config reduced] [--kills 5] [--out bench-interrupted]

The second run is killed (SIGKILL to the program, mpiexec and LAMMPS together) at moments drawn over
the time of the first, and then left to finish. All of scores.csv must be equal but wall times.
What is in --out is gone on with, so that the script itself can be interrupted.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from egraff_lmp.fileio import write_json

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = [sys.executable, "-c", "from egraff_lmp.cli import main; main()"]
WALL_TIMES = "cost"  # the comparison in scores.csv that holds them
STATE = "interrupted.json"


def main() -> int:
    """Both runs and the comparison; the exit status is 1 where a number differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", default="reduced")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("bench-interrupted"))
    arguments = parser.parse_args()
    os.environ.setdefault("EGRAFF_DATA", str(ROOT.parent / "shared/data"))
    out = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    state = json.loads((out / STATE).read_text()) if (out / STATE).exists() else {"killed": []}

    if "whole_s" not in state:
        began = time.monotonic()
        started(arguments.config, out / "whole").wait()
        state["whole_s"] = time.monotonic() - began
        write_json(out / STATE, state)
    draw = random.Random(arguments.seed)
    waits = [
        state["whole_s"] * draw.uniform(0.5, 1.5) / (arguments.kills + 1)
        for _ in range(arguments.kills)
    ]
    for wait in waits[len(state["killed"]) :]:
        process = started(arguments.config, out / "killed")
        try:
            process.wait(wait)
            break  # it was finished before
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        state["killed"].append(round(wait, 1))
        write_json(out / STATE, state)
    started(arguments.config, out / "killed").wait()

    whole, killed = (numbers(out / name) for name in ("whole", "killed"))
    different = [key for key in {*whole, *killed} if whole.get(key) != killed.get(key)]
    sys.stdout.write(
        f"undisturbed: {state['whole_s'] / 60:.1f} min; killed {len(state['killed'])} times, after "
        f"{', '.join(f'{s:.0f}' for s in state['killed'])} s of a run; {len(whole)} rows of "
        f"scores.csv, {len(different)} differ\n"
    )
    for key in different[:20]:
        sys.stdout.write(f"  {key}: {whole.get(key)} / {killed.get(key)}\n")
    return 1 if different or not whole else 0


def started(config: str, out: Path) -> subprocess.Popen[bytes]:
    """`egraff bench CONFIG` in a session of its own, with its words in a log beside its folder."""
    with open(out.with_suffix(".log"), "ab") as log:
        return subprocess.Popen(
            [*PROGRAM, "bench", config, "--out", str(out)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def numbers(out: Path) -> dict[tuple[str, ...], dict[str, str]]:
    """Rows of the table of scores by what they are; wall times are left out."""
    names = ("system", "temperature_kelvin", "model", "key", "mode", "comparison", "part")
    with open(out / "scores.csv", newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["comparison"] != WALL_TIMES]
    return {tuple(row[name] for name in names): row for row in rows}


if __name__ == "__main__":
    sys.exit(main())
