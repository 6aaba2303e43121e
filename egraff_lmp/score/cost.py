"""Cost of a rollout: frames per second and what it means per step and atom.

    FPS = steps / wall seconds,        us per atom and step = 1e6 wall / (steps N)

The FPS of Fu et al. counts steps (one frame a step). Without the hardware beside it a time is
nothing, so the record asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from egraff_lmp.errors import EgraffError


@dataclass(frozen=True)
class Cost:
    """What a rollout cost.

    Attributes:
        n_steps: MD steps timed.
        n_atoms: N.
        wall_seconds: their wall time, set-up left out.
        timestep_fs: MD time step.
        hardware: in words: processor or accelerator.
        ranks: MPI ranks.
        threads: threads of each rank.
        precision: "float32" or "float64".
    """

    n_steps: int
    n_atoms: int
    wall_seconds: float
    timestep_fs: float
    hardware: str
    ranks: int
    threads: int
    precision: str

    def __post_init__(self) -> None:
        if min(self.n_steps, self.n_atoms, self.ranks, self.threads) < 1 or not (
            self.wall_seconds > 0 and self.timestep_fs > 0
        ):
            raise EgraffError(
                "expected steps, atoms, ranks, threads, a wall time and a time step above 0, got "
                f"{self.n_steps}, {self.n_atoms}, {self.ranks}, {self.threads}, "
                f"{self.wall_seconds:g} s and {self.timestep_fs:g} fs: check the log of the run."
            )

    @property
    def frames_per_second(self) -> float:
        """MD steps a second."""
        return self.n_steps / self.wall_seconds

    @property
    def ms_per_step(self) -> float:
        """Milliseconds a step."""
        return 1e3 * self.wall_seconds / self.n_steps

    @property
    def us_per_atom_and_step(self) -> float:
        """Microseconds an atom and step, over all ranks."""
        return 1e6 * self.wall_seconds / (self.n_steps * self.n_atoms)

    @property
    def ns_per_day(self) -> float:
        """Simulated ns in a day."""
        return 1e-6 * self.timestep_fs * self.frames_per_second * 86400
