"""A matrix as a Slurm job array: one task a cell, MPI inside the task."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from egraff_lmp.bench.folder import COPY
from egraff_lmp.bench.matrix import CellConfig, Matrix
from egraff_lmp.bench.matrix_run import prepare
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_text
from egraff_lmp.untrusted import unprintable

SCRIPT, LOGS = "submit.sbatch", "slurm"
NOTICE = "B:TERM@60"  # to the program itself, a minute before the limit: it ends cleanly


def render_script(
    matrix: Matrix,
    cells: Sequence[CellConfig],
    out: str | Path,
    workdir: str | Path,
    trust: bool = False,
) -> Path:
    """Write the script of the job array into the folder of the matrix, and return its path.

    Task k runs cell number k and then writes the summary of all that is there, so the last task to
    end leaves the page of the whole matrix. A task that reached its limit ends with
    status 75 and is submitted again as it is.

    Args:
        matrix, cells, out: the matrix, all its cells, its folder.
        workdir: folder that relative paths of the matrix start from.
        trust: whether the tasks have `--trust`.

    Raises:
        EgraffError: see `matrix_run.prepare`.
    """
    out = prepare(matrix, cells, out)
    (out / LOGS).mkdir(exist_ok=True)
    wishes = matrix.slurm
    tasks = max(cell.config.rollout.ranks for cell in cells)
    threads = max(cell.config.rollout.threads for cell in cells)
    at_once = f"%{wishes.at_once}" if wishes.at_once else ""
    options = [
        f"--job-name=egraff-{matrix.name}",
        f"--array=0-{len(cells) - 1}{at_once}",
        "--nodes=1",
        f"--ntasks={tasks}",
        f"--cpus-per-task={threads}",
        f"--time={wishes.time}",
        f"--signal={NOTICE}",  # an option of the user's own comes later, and wins
        *([f"--partition={wishes.partition}"] if wishes.partition else []),
        *([f"--account={wishes.account}"] if wishes.account else []),
        f"--chdir={Path(workdir).absolute()}",
        f"--output={out / LOGS}/%x-%A-%a.log",
        *wishes.options,
    ]
    _check(options)
    program = [sys.executable, "-c", "from egraff_lmp.cli import main; main()"]
    words = ["bench", str(out / COPY), "--out", str(out), *(["--trust"] if trust else [])]
    command = shlex.join([*program, *words])
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {_quoted(option)}" for option in options),
        "",
        "# One task of the array is one cell of the matrix:",
        *(f"#   {number}: {cell.name}" for number, cell in enumerate(cells)),
        f"export OMP_NUM_THREADS={threads}",
        *wishes.setup,
        f'exec {command} --cell "$SLURM_ARRAY_TASK_ID"',
        "",
    ]
    path = out / SCRIPT
    write_text(path, "\n".join(lines))
    return path


def _check(options: Sequence[str]) -> None:
    for option in options:
        if unprintable(option) or '"' in option or not option.startswith("--"):
            raise EgraffError(
                f"slurm.options: expected options of sbatch such as --qos=normal, got {option!r}."
            )


def _quoted(option: str) -> str:
    """An option as sbatch reads it: like a shell, as far as spaces are concerned."""
    name, equals, value = option.partition("=")
    return f'{name}{equals}"{value}"' if " " in value else option


def submit(script: Path) -> str | None:
    """Hand the script to `sbatch`.

    Returns:
        The number of the job, or None where there is no `sbatch` on the PATH.

    Raises:
        EgraffError: `sbatch` refused it.
    """
    program = shutil.which("sbatch")
    if program is None:
        return None
    done = subprocess.run([program, str(script)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = " ".join((done.stderr or done.stdout).split())
        raise EgraffError(
            f"expected sbatch to take {script}, got status {done.returncode}: {said}: correct "
            "`slurm:` in the matrix."
        )
    number = re.search(r"\d+", done.stdout)
    return number.group() if number else done.stdout.strip()
