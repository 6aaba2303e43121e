"""Cost of rollouts and of a training: wall times, and what they mean per step and atom.

    FPS = steps / wall seconds,        us per atom and step = 1e6 wall / (steps N)

The FPS of Fu et al. counts steps (one frame a step). Without the hardware beside it a time is
nothing, so the record asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from egraff_lmp.errors import EgraffError
from egraff_lmp.score.metric import Context, Metric, Sample, Sums
from egraff_lmp.score.records import COST, Counts, Fact
from egraff_lmp.score.sums import distinct

SECONDS_A_DAY = 86400


@dataclass(frozen=True)
class Cost:
    """What MD steps of a rollout cost.

    Attributes:
        wall_seconds: of these steps, set-up left out.
        timestep_fs: None where it is not known.
        hardware: name of the processor or accelerator.
        ranks, threads: MPI ranks, and threads of each.
        precision: "float32" or "float64".
    """

    n_steps: int
    n_atoms: int
    wall_seconds: float
    timestep_fs: float | None
    hardware: str
    ranks: int
    threads: int
    precision: str

    def __post_init__(self) -> None:
        if min(self.n_steps, self.n_atoms, self.ranks, self.threads) < 1 or not (
            self.wall_seconds > 0 and (self.timestep_fs is None or self.timestep_fs > 0)
        ):
            raise EgraffError(
                "expected steps, atoms, ranks, threads, a wall time and a time step above 0, got "
                f"{self.n_steps}, {self.n_atoms}, {self.ranks}, {self.threads}, "
                f"{self.wall_seconds:g} s and {self.timestep_fs} fs: check the log of the run."
            )

    @property
    def sums(self) -> Sums:
        """What costs of several rollouts are added up by: see `_OF_SUMS`."""
        simulated = float("nan") if self.timestep_fs is None else self.n_steps * self.timestep_fs
        return np.array([
            self.wall_seconds, self.n_steps, float(self.n_steps) * self.n_atoms, simulated,
        ])  # fmt: skip

    @property
    def machine(self) -> Fact:
        """What it ran on."""
        return Fact(
            "machine",
            {
                "atoms": self.n_atoms, "ranks": self.ranks, "threads": self.threads,
                "hardware": self.hardware, "precision": self.precision,
            },
        )  # fmt: skip


# Row of the table to its value, of wall seconds, steps, steps times atoms, and simulated fs.
_OF_SUMS: dict[str, Callable[[float, float, float, float], float]] = {
    "ms_per_step": lambda seconds, steps, atom_steps, fs: 1e3 * seconds / steps,
    "us_per_atom_step": lambda seconds, steps, atom_steps, fs: 1e6 * seconds / atom_steps,
    "frames_per_second": lambda seconds, steps, atom_steps, fs: steps / seconds,
    "ns_per_day": lambda seconds, steps, atom_steps, fs: 1e-6 * fs * SECONDS_A_DAY / seconds,
    "minutes_per_1000_steps": lambda seconds, steps, atom_steps, fs: 1e3 * seconds / steps / 60,
}


def of_a_step(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """A cost of all steps of the rollouts whose cost is known; none without one."""
    costs = [one.cost for one in context.ran if one.cost is not None]
    if metric.key == "ns_per_day":
        costs = [cost for cost in costs if cost.timestep_fs is not None]
    if not costs:
        return
    facts = distinct(cost.machine for cost in costs)
    if len(costs) < len(context.ran):
        known = {"rollouts": len(costs), "of": len(context.ran)}
        facts = (Fact("rollouts-timed", known), *facts)
    yield Sample(
        COST,
        rollouts=[cost.sums[None] for cost in costs],
        value=lambda sums, own: _OF_SUMS[metric.key](*sums.tolist()),
        counts=Counts(starts=len(costs)),
        window=Fact("timed-steps", {"steps": sum(cost.n_steps for cost in costs)}),
        facts=facts,
        spread=False,
    )


def of_training(context: Context, metric: Metric, mode: str) -> Iterator[Sample]:
    """A cost of the training; none where it is not known, nor of an epoch where there was none."""
    training = context.training
    of_epoch = metric.key == "training_time_epoch"
    if training is None or (of_epoch and not training.epochs):
        return
    value = training.seconds / 60 / training.epochs if of_epoch else training.seconds
    yield Sample(
        COST,
        rollouts=[np.array([[value]])],
        value=lambda sums, own: float(sums[0]),
        window=Fact("epochs", {"epochs": training.epochs}),
        spread=False,
    )
