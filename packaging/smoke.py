"""Tries a wheel, an sdist or a checkout in an empty environment, as a user would.

    python packaging/smoke.py dist/*.whl                       # with the Python that runs this
    python packaging/smoke.py --python python3.12 dist/*.whl
    python packaging/smoke.py .                                # `pip install .`

Makes an environment and a working folder outside of the checkout and removes both afterwards. With
what a simulation needs and nothing else: `egraff doctor`, a deck on 2 ranks, and the OpenMP
runtimes of a process that has torch, LAMMPS and the plugin. Then with the extra `all`: a training
step. Needs the standard library alone. Exit status 1: a step failed, with the end of its output.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "deployed_models" / "gete-botnet.pt"
# Variables that would lead a process out of the environment under trial.
FOREIGN = ("PYTHON", "LD_LIBRARY_PATH", "LD_PRELOAD", "VIRTUAL_ENV", "CONDA", "EGRAFF_", "LAMMPS_")
# A deck is a fraction of a second, an installation of torch with CUDA some minutes.
TIMEOUT_SECONDS = 3600
TAIL_LINES = 40

WHERE = "from egraff_lmp import paths; print(paths.decks_dir(), paths.native_dir(), sep='\\n')"

# An OpenMP runtime comes with torch and one with LAMMPS; a third would be ours.
RUNTIMES = """
import pathlib, re, sys, torch, lammps
from egraff_lmp import EgraffCalculator
from ase.io import read
atoms = read(sys.argv[2], format="lammps-data")
atoms.calc = EgraffCalculator(sys.argv[1])
atoms.get_forces()
lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
lmp.commands_string("units metal\\nregion r block 0 9 0 9 0 9\\ncreate_box 2 r\\n"
                    f"pair_style egraff\\npair_coeff * * {sys.argv[1]} Ge Te")
loaded = set(re.findall(r"/\\S*/lib(?:gomp|omp|iomp5)[^/\\s]*$",
             pathlib.Path("/proc/self/maps").read_text(), re.M))
print(*sorted(loaded), sep="\\n")
home = pathlib.Path(sys.prefix).resolve()
owners = sorted(pathlib.Path(p).resolve().relative_to(home).parts[3] for p in loaded)
sys.exit(None if owners == ["lammps.libs", "torch"] else
         f"expected one OpenMP runtime of torch and one of LAMMPS, got {owners}")
"""

FRAMES = """
import numpy
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
random, frames = numpy.random.default_rng(1), []
for _ in range(6):
    atoms = bulk("Cu", cubic=True) * (2, 2, 1)
    atoms.positions += random.normal(scale=0.1, size=atoms.positions.shape)
    atoms.calc = EMT()
    atoms.get_forces()
    frames.append(atoms)
write("frames.extxyz", frames)
"""

# Four frames in one batch: one step.
TRAINING = """\
inherits: botnet-small
data: {train: [frames.extxyz], n_train: 4, n_validation: 2}
batch_size: 4
stop: {max_epochs: 1}
"""


class StepFailed(Exception):
    """A step of the trial ended with a status other than zero."""


class Trial:
    """One environment, one working folder, and the steps that are made in them."""

    def __init__(self, folder: Path, python: str) -> None:
        self.bin = folder / "env" / "bin"
        self.work = folder / "work"
        self.work.mkdir()
        temporary = folder / "tmp"  # of pip and all others, removed with the rest
        temporary.mkdir()
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)
        }
        self.environment["TMPDIR"] = str(temporary)
        self.environment["PATH"] = f"{self.bin}{os.pathsep}{os.environ['PATH']}"
        self.step("make the environment", [python, "-m", "venv", str(folder / "env")])

    def step(self, title: str, command: Sequence[str]) -> str:
        """What the command prints, standard error included.

        Raises:
            StepFailed: with the end of that, where the command does not end with 0.
        """
        begin = time.monotonic()
        done = subprocess.run(
            list(command),
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        state = "ok" if done.returncode == 0 else "FAILED"
        print(f"{state:6} {time.monotonic() - begin:7.1f} s  {title}", flush=True)
        if done.returncode != 0:
            tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
            raise StepFailed(
                f"{title}: expected exit status 0, got {done.returncode} of {' '.join(command)}:\n"
                f"{tail}\nNext: repeat it with --keep, in the folder that is printed then."
            )
        return done.stdout

    def python(self, title: str, code: str, *arguments: str) -> str:
        """A step of Python code."""
        return self.step(title, [str(self.bin / "python"), "-c", code, *arguments])

    def install(self, requirement: str) -> None:
        """Takes a path or a requirement to pip."""
        pip = [str(self.bin / "python"), "-m", "pip", "install"]
        self.step(f"install {Path(requirement).name}", [*pip, requirement])


def simulate(trial: Trial) -> None:
    """What the package does without its extras."""
    print(trial.step("egraff doctor", [str(trial.bin / "egraff"), "doctor"]))
    found = trial.python("find the decks and libraries", WHERE).splitlines()
    decks, native = map(Path, found)
    for folder in (decks, native):
        if trial.bin.parent not in folder.parents:
            raise StepFailed(f"expected a folder of {trial.bin.parent}, got {folder}")
    model = str(shutil.copy(MODEL, trial.work))
    structure = str(decks / "gete.data")
    variables = {"preset": "GeTe", "steps": "20", "model": model, "data": structure}
    settings = [word for name, value in variables.items() for word in ("-var", name, value)]
    lmp = [str(trial.bin / "lmp"), "-in", str(decks / "in.nvt"), *settings]
    printed = trial.step(
        "a deck on 2 ranks",
        [str(trial.bin / "mpiexec"), "-n", "2", *lmp, "-var", "elements", "Ge Te"],
    )
    if "2 rank(s)" not in printed or "Loop time" not in printed:
        raise StepFailed(f"a deck on 2 ranks: expected a run on 2 ranks, got\n{printed}")
    print(trial.python("one OpenMP runtime each", RUNTIMES, model, structure))


def train(trial: Trial) -> None:
    """One training step, on frames that ASE's effective medium theory labels."""
    trial.python("frames", FRAMES)
    (trial.work / "one_step.yaml").write_text(TRAINING, encoding="utf-8")
    trial.step(
        "one training step",
        [str(trial.bin / "egraff"), "train", "one_step.yaml", "--out", "training"],
    )
    if not (trial.work / "training" / "best.ckpt").is_file():
        raise StepFailed("one training step: expected training/best.ckpt, got none")


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("target", type=Path, help="a wheel, an sdist or a checkout")
    parser.add_argument("--python", default=sys.executable, help="of the environment")
    parser.add_argument("--keep", action="store_true", help="leave the environment there")
    options = parser.parse_args()
    target = options.target.resolve()
    if not target.exists():
        print(f"expected a wheel, an sdist or a checkout, got {target}: say `make wheel` first")
        return 1
    # Ended from outside, it still removes what it made.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    folder = Path(tempfile.mkdtemp(prefix="egraff-smoke-"))
    try:
        trial = Trial(folder, options.python)
        trial.install(str(target))
        simulate(trial)
        trial.install("egraff_lmp[all]")  # is there already, and brings its extras
        train(trial)
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if options.keep:
            print(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
