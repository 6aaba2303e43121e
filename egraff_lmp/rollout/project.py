"""What `egraff init` writes: data file, deck with its settings, job scripts for plain `lmp`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from egraff_lmp.contract import read_contract, stress_warning
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable, write_text
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.box import require_cell_for_pressure
from egraff_lmp.rollout.datafile import Structure, data_text, type_order
from egraff_lmp.rollout.deck import deck_path, number
from egraff_lmp.rollout.launch import lammps_program
from egraff_lmp.rollout.potential import check_name, element_words
from egraff_lmp.rollout.source import read_structure

DATA = "structure.data"
SHELL = "run.sh"
SLURM = "job.slurm"
_QUOTED = ("model", "data", "elements", "boundary")
_REPEATED = """\
# Repeated, it goes on from the newest restart file, or says that it is finished; with
# {script} -var steps 20000 it goes on to these steps. Further arguments go to LAMMPS.
# Results of other settings are overwritten with --force alone."""


@dataclass(frozen=True)
class Project:
    """What `init_project` wrote.

    Attributes:
        folder: where it lies.
        files: data file, deck, shell script, Slurm script.
        elements: element of each LAMMPS type, in type order.
        n_atoms: atoms of the structure.
        command: what to type next.
        warning: what the user should know of it, or "".
    """

    folder: Path
    files: tuple[Path, ...]
    elements: tuple[str, ...]
    n_atoms: int
    command: str
    warning: str = ""


def init_project(
    folder: str | Path,
    structure: str,
    model: str | Path,
    temperature_kelvin: float,
    *,
    ensemble: str = "nvt",
    n_steps: int = 1000,
    timestep_fs: float = 1.0,
    ranks: int = 1,
    frame: int = -1,
    elements: Sequence[str] | None = None,
    force: bool = False,
) -> Project:
    """Write data file, deck and job scripts with one order of elements, that of the model.

    Args:
        folder: made if missing.
        structure: file that `read_structure` reads, or SET:PART ("gete:test").
        model: deployed model; the deck names it by its absolute path.
        temperature_kelvin: of the velocities and the thermostat.
        ensemble: a key of `deck.DECKS` other than "rerun".
        n_steps: steps (or iterations of a minimisation).
        timestep_fs: time step.
        ranks: MPI ranks in the job scripts.
        frame: which frame of `structure`; negative counts from the end.
        elements: element of each type where `structure` is a LAMMPS data file without them.
        force: overwrite files that exist.

    Raises:
        EgraffError: unknown elements, files that exist, wrong values, no place to write.
    """
    _check(folder, ensemble, temperature_kelvin, timestep_fs, n_steps, ranks)
    deck = deck_path(ensemble)
    model = Path(model).absolute()
    contract = read_contract(model)
    check_name(model)
    start = read_structure(structure, frame, elements=elements)
    order = type_order(start.species, contract.species, start.source)
    settings = {"model": str(model), **_settings(start, order, ensemble, n_steps)}
    if ensemble != "minimise":
        settings["temperature"] = number(temperature_kelvin)
        settings["timestep_fs"] = number(timestep_fs)
    masses = dict(zip(contract.species, contract.masses_amu, strict=True))
    texts = {
        DATA: data_text(start, order, masses_amu=masses),
        deck.name: _deck_text(deck, settings),
        SHELL: _shell_text(deck.name, ranks),
        SLURM: _slurm_text(deck.name, ranks),
    }
    folder = Path(folder)
    _write(folder, texts, force)
    return Project(
        folder,
        tuple(folder / name for name in texts),
        order,
        len(start.species),
        f"bash {shlex.quote(str(folder / SHELL))}",
        stress_warning(contract, "npt") if ensemble == "npt" else "",
    )


def _settings(
    start: Structure, order: Sequence[str], ensemble: str, n_steps: int
) -> dict[str, str]:
    boundary = start.box().boundary
    if ensemble == "npt":
        require_cell_for_pressure(boundary, start.source)
    return {
        "data": DATA,
        "elements": element_words(order),
        "boundary": boundary,
        "steps": str(n_steps),
    }


def _check(
    folder: str | Path, ensemble: str, temperature: float, timestep: float, steps: int, ranks: int
) -> None:
    require_writable(folder)
    if ensemble == "rerun":
        raise EgraffError("expected nve, nvt, npt or minimise, got 'rerun', which needs a dump.")
    if temperature < 0 or timestep <= 0 or steps < 1 or ranks < 1:
        raise EgraffError(
            "expected a temperature of 0 K or more, and a time step, steps and ranks above 0, got "
            f"{temperature} K, {timestep} fs, {steps} steps, {ranks} ranks."
        )


def _write(folder: Path, texts: Mapping[str, str], force: bool) -> None:
    present = [name for name in texts if (folder / name).exists()]
    if present and not force:
        raise EgraffError(
            f"{folder}: {', '.join(present)} would be overwritten: choose another folder, or add "
            "--force."
        )
    for name, text in texts.items():
        write_text(folder / name, text)
    (folder / SHELL).chmod(0o755)


def _deck_text(deck: Path, settings: Mapping[str, str]) -> str:
    """The deck with the settings in front: a variable keeps the first value it is given."""
    lines = [
        "# Settings written by `egraff init`; -var NAME VALUE on the command line comes first.",
        "",
    ]
    for name, value in settings.items():
        shown = f'"{value}"' if name in _QUOTED else value
        lines.append(f"variable {name} index {shown}")
    return "\n".join(lines) + "\n\n" + deck.read_text(encoding="utf-8")


def _shell_text(deck: str, ranks: int) -> str:
    return f"""#!/bin/bash
# Runs the deck on this machine: ./{SHELL}, or RANKS=4 ./{SHELL}.
{_REPEATED.format(script=f"./{SHELL}")}
# Ctrl-C ends dynamics with a restart file (a minimisation has none, and begins anew).
set -euo pipefail
cd "$(dirname "${{BASH_SOURCE[0]}}")"
{_command(deck, f"${{RANKS:-{ranks}}}")}
"""


def _slurm_text(deck: str, ranks: int) -> str:
    return f"""#!/bin/bash
#SBATCH --job-name=egraff
#SBATCH --ntasks={ranks}
#SBATCH --cpus-per-task=1
#SBATCH --time=24:00:00
#SBATCH --signal=B:USR1@120
# Submit from this folder: sbatch {SLURM}. One rank to a GPU; add e.g. --gpus-per-task=1.
# The mpiexec of this environment starts its ranks through Slurm. With a LAMMPS of the site, use
# its launcher instead: srun lmp -in {deck}.
# Two minutes before the time limit Slurm says so: restart.final is written, the status is 75.
{_REPEATED.format(script=f"sbatch {SLURM}")}
set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
{_command(deck, "$SLURM_NTASKS")}
"""


def _command(deck: str, ranks: str) -> str:
    python, lmp = shlex.quote(sys.executable), shlex.quote(lammps_program())
    mpiexec = shlex.quote(mpi_program("mpiexec"))
    return f"""\
# egraff_lmp.cli.script looks at the results, prints the command, and becomes it.
exec {python} -m egraff_lmp.cli.script \\
    {mpiexec} -n "{ranks}" {lmp} -in {deck} "$@\""""
