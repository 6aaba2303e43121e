"""What is asked of a made data set, and what a force field that makes it can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from egraff_lmp.contract.schema import Citation
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.split import METHODS
from egraff_lmp.errors import EgraffError

PARTS = ("train", "val", "test")
SEGMENT_FRAMES = 1000  # kept at a time: what a stop can cost, and one file of the unfinished run


@dataclass(frozen=True)
class Plan:
    """A trajectory and the parts that are drawn from it.

    Attributes:
        frames: frames of the trajectory.
        stride_fs: time between them.
        timestep_fs: time step of the simulation.
        temperature_kelvin: of the thermostat.
        equilibration_ps: simulated before the first frame.
        sizes: frames of train, val and test.
        method: how they are drawn, a name in `data.split.METHODS`.
        seed: of positions, velocities, thermostat and draw.
    """

    frames: int
    stride_fs: float
    timestep_fs: float
    temperature_kelvin: float
    equilibration_ps: float
    sizes: tuple[int, int, int]
    method: str
    seed: int

    def __post_init__(self) -> None:
        positive = {
            "frames": self.frames,
            "the time between frames": self.stride_fs,
            "the time step": self.timestep_fs,
            "the temperature": self.temperature_kelvin,
        }
        for name, value in positive.items():
            if not 0 < value < float("inf"):
                raise EgraffError(f"expected {name} above zero, got {value:g}.")
        if not 0 <= self.equilibration_ps < float("inf"):
            raise EgraffError(
                f"expected an equilibration of 0 ps or more, got {self.equilibration_ps:g}."
            )
        if not 0 < self.seed < 2**31 - 10_000:
            raise EgraffError(f"expected a seed from 1 to {2**31 - 10_001}, got {self.seed}.")
        if abs(self.every * self.timestep_fs - self.stride_fs) > 1e-6 * self.stride_fs:
            raise EgraffError(
                f"expected a time between frames that is a whole multiple of the time step, "
                f"{self.timestep_fs:g} fs, got {self.stride_fs:g} fs."
            )
        if self.method not in METHODS:
            raise EgraffError(f"expected a split out of {', '.join(METHODS)}, got '{self.method}'.")
        if min(self.sizes) < 0 or sum(self.sizes) > self.frames:
            raise EgraffError(
                f"expected parts (train, val, test) of {self.frames} frames together at most, got "
                f"{' + '.join(map(str, self.sizes))}: make more frames (--frames), or smaller "
                "parts."
            )

    @property
    def every(self) -> int:
        """Steps between frames."""
        return max(1, round(self.stride_fs / self.timestep_fs))

    @property
    def settling_steps(self) -> int:
        """Steps before the first frame, a whole number of strides."""
        strides = -(-1000 * self.equilibration_ps // self.stride_fs)
        return int(strides) * self.every

    @property
    def segments(self) -> list[int]:
        """Frames of each segment of the trajectory."""
        whole, rest = divmod(self.frames, SEGMENT_FRAMES)
        return [SEGMENT_FRAMES] * whole + ([rest] if rest else [])

    def to_dict(self) -> dict[str, Any]:
        """The same as plain values, for JSON."""
        return {**asdict(self), "sizes": list(self.sizes)}


@dataclass(frozen=True)
class Segment:
    """Consecutive frames of the trajectory, with means over them of what is no label."""

    frames: Frames
    means: Mapping[str, float]


class Maker(Protocol):
    """A reference force field with its simulation program.

    `begin` leaves the state from which `advance(work, 0)` goes on; segment k needs what segment
    k - 1 left in the folder, and nothing else, so that an ended run can be taken up.
    """

    @property
    def key(self) -> str:
        """Of the data set."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def citations(self) -> Sequence[Citation]:
        """What to cite with the set."""

    def settings(self) -> dict[str, Any]:
        """What beside the plan decides the numbers, for JSON: parameters, versions of programs."""

    def begin(self, plan: Plan, work: Path) -> Mapping[str, float]:
        """Bring the system to equilibrium; facts about that, such as the density."""

    def advance(self, plan: Plan, work: Path, number: int) -> Segment:
        """Segment `number` of the trajectory."""
