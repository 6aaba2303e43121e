"""Molecular dynamics of the checks, through the decks and launchers of `egraff run`."""

from __future__ import annotations

from typing import Any

from egraff_lmp.physics.record import Subject
from egraff_lmp.rollout.config import make_config
from egraff_lmp.rollout.datafile import Structure, type_order, write_data_file
from egraff_lmp.rollout.run import RolloutResult, run_rollout
from egraff_lmp.verify.checks.dynamics import HEAVY_AMU, LIGHT_AMU

FRAMES = 100


def timestep_fs(subject: Subject, structure: Structure) -> float:
    """For 300 K by the lightest atom: hydrogen 0.5 fs, lithium 1 fs, from sulphur on 2 fs."""
    masses = _masses(subject)
    lightest = min(masses[element] for element in set(structure.species))
    return 0.5 if lightest < LIGHT_AMU else 1.0 if lightest < HEAVY_AMU else 2.0


def run(subject: Subject, name: str, structure: Structure, **settings: Any) -> RolloutResult:
    """Run a rollout in the folder `name` of the results, or go on with it; see `RolloutConfig`.

    Raises:
        EgraffError: a set-up that LAMMPS refuses.
        Stopped: a signal ended it; the next call goes on.
    """
    order = type_order(structure.species, subject.contract.species, structure.source)
    data = subject.folder / f"{name}.data"
    if not data.is_file():
        write_data_file(data, structure, order, masses_amu=_masses(subject))
    every = max(1, subject.settings.steps // FRAMES)
    launch = subject.launch
    config = make_config(
        {
            "model": subject.model.absolute(),
            "data_file": data.absolute(),
            "boundary": structure.box().boundary,
            "elements": order,
            "out_dir": (subject.folder / name).absolute(),
            "seed": subject.settings.seed,
            "n_steps": subject.settings.steps,
            "dump_every": every,
            "ranks": launch.ranks,
            "threads": launch.threads,
            "launcher": launch.launcher,
            **settings,
        }
    )
    return run_rollout(config, subject.progress)


def _masses(subject: Subject) -> dict[str, float]:
    contract = subject.contract
    return dict(zip(contract.species, contract.masses_amu, strict=True))
