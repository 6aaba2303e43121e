"""What the checks of a data set are given, measure once, and return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from egraff_lmp.data import timeline
from egraff_lmp.data.entry import ORDERED
from egraff_lmp.data.frames import Frames

ERROR, WARNING, NOTE = "error", "warning", "note"
# Statistics of consecutive frames are taken over so many frames at most, which bounds memory.
MAX_FRAMES = 5000
# Cosines between consecutive displacements: -0.5 for independent frames, above 0.5 where velocities
# carry on; in between the frames are related but too far apart to difference.
CONTINUOUS, UNRELATED = 0.5, -0.25


@dataclass(frozen=True)
class Finding:
    """One thing that a check found.

    Attributes:
        check: key of the check.
        level: "error" (unusable), "warning" (usable if you know), "note" (good to know).
        part: the part or parts it is about.
        message: a sentence with the numbers.
        values: the numbers themselves.
    """

    check: str
    level: str
    part: str
    message: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PartInput:
    """A part and what is known of it beforehand.

    Attributes:
        name: display name.
        frames: the frames.
        order: SERIES, ORDERED, INDEPENDENT, SCAN, or None where nobody says.
        timestep_fs: between frames of a series, or of the simulation behind an ordered part.
        gaps: (T - 1,) simulation steps between frames, or None.
        temperature_kelvin: the stated temperature, or None.
        r_max: cutoff in A that cells are compared with.
        n_frames: how many frames it should have, or None.
    """

    name: str
    frames: Frames
    order: str | None = None
    timestep_fs: float | None = None
    gaps: NDArray[np.int64] | None = None
    temperature_kelvin: float | None = None
    r_max: float = 5.0
    n_frames: int | None = None


@dataclass(frozen=True)
class CheckResult:
    """All findings of a set, and the measured numbers of each part."""

    name: str
    parts: Mapping[str, Mapping[str, Any]]
    findings: tuple[Finding, ...]

    def count(self, level: str) -> int:
        """Findings of a level."""
        return sum(finding.level == level for finding in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The same as plain dictionaries, for JSON."""
        return {
            "name": self.name,
            "parts": {name: dict(facts) for name, facts in self.parts.items()},
            "findings": [asdict(finding) for finding in self.findings],
        }


class Measured:
    """Statistics of a part, taken once and shared by the checks."""

    def __init__(self, part: PartInput) -> None:
        self.part = part
        self.frames = part.frames.select(slice(0, MAX_FRAMES))
        usable = len(self.frames) > 1 and bool(np.isfinite(self.frames.positions).all())
        if any(self.frames.pbc):
            usable = usable and timeline.smallest_height(self.frames) > 0
        self.vectors = timeline.displacements(self.frames) if usable else np.zeros((0, 0, 3))
        self.continuity = timeline.continuity(self.vectors) if usable else float("nan")
        self.jumps = timeline.jumps(self.vectors) if usable else np.zeros(0, dtype=np.int64)
        self.ratio = timeline.against_random(self.frames, self.vectors) if usable else float("nan")
        gaps = part.gaps
        self.gaps = None if gaps is None or len(gaps) < len(self.vectors) else gaps
        self.one_step = np.ones(len(self.vectors), dtype=bool)
        if self.gaps is not None:
            self.one_step = np.asarray(self.gaps[: len(self.vectors)] == 1)
        elif usable:
            self.one_step[self.jumps] = False

    @property
    def resolved(self) -> bool:
        """Whether consecutive frames are close enough in time to be differenced."""
        if self.gaps is not None and self.part.order == ORDERED:
            return True
        return self.continuity > CONTINUOUS
