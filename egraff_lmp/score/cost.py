"""Cost of a rollout: frames per second and what it means per step and atom.

    FPS = steps / wall seconds,        us per atom and step = 1e6 wall / (steps N)

The FPS of Fu et al. counts steps (one frame a step). Without the hardware beside it a time is
nothing, so the record asks for it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from egraff_lmp.errors import EgraffError


@dataclass(frozen=True)
class Cost:
    """What a rollout cost.

    Attributes:
        n_steps: MD steps timed.
        n_atoms: N.
        wall_seconds: their wall time, set-up left out.
        timestep_fs: MD time step, None where it is not known.
        hardware: in words: processor or accelerator.
        ranks: MPI ranks.
        threads: threads of each rank.
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
    def ns_per_day(self) -> float | None:
        """Simulated ns in a day, None where the time step is not known."""
        if self.timestep_fs is None:
            return None
        return 1e-6 * self.timestep_fs * self.frames_per_second * 86400

    @property
    def machine(self) -> str:
        """What it ran on, in words."""
        return (
            f"{self.n_atoms} atoms on {self.ranks} MPI ranks of {self.threads} threads, "
            f"hardware {self.hardware}; precision {self.precision}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The attributes and what follows from them, by name."""
        return {
            **asdict(self),
            "ms_per_step": self.ms_per_step,
            "us_per_atom_step": self.us_per_atom_and_step,
            "frames_per_second": self.frames_per_second,
            "ns_per_day": self.ns_per_day,
        }
