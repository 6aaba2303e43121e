"""Rollouts: data files, decks, launchers; `egraff init` and `egraff run`.

`run_rollout(make_config({...}))` runs a deck through its launcher, `run_in_process` on an mpi4py
communicator, and `rerun` evaluates a potential on frames.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from egraff_lmp.rollout.datafile import Structure, type_order, write_data_file
from egraff_lmp.rollout.potential import Potential, classical, deployed_model
from egraff_lmp.rollout.rerun import rerun

if TYPE_CHECKING:
    from egraff_lmp.rollout.config import RolloutConfig, make_config, read_config
    from egraff_lmp.rollout.in_process import run_in_process
    from egraff_lmp.rollout.project import init_project
    from egraff_lmp.rollout.run import RolloutResult, run_rollout

__all__ = [
    "Potential",
    "RolloutConfig",
    "RolloutResult",
    "Structure",
    "classical",
    "deployed_model",
    "init_project",
    "make_config",
    "read_config",
    "rerun",
    "run_in_process",
    "run_rollout",
    "type_order",
    "write_data_file",
]

# Names whose modules need an extra (pydantic, mpi4py, MDAnalysis), imported when asked for.
_LAZY = {
    "RolloutConfig": "config",
    "make_config": "config",
    "read_config": "config",
    "run_in_process": "in_process",
    "init_project": "project",
    "RolloutResult": "run",
    "run_rollout": "run",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"egraff_lmp.rollout.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'egraff_lmp.rollout' has no attribute '{name}'")
