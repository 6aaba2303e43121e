"""What a benchmark gave: frozen records of numbers and names, read once and shown by pages.

A system is one set of atoms at one temperature; a model that ran on it gave a `ModelResult`.
Sentences are made of these records by `egraff_lmp.report.words`, for people.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egraff_lmp.score.records import TOTAL, Score, Scores

DONE, FAILED, NOT_RUN = "done", "failed", "not run"
# Kinds of negative controls: one wrong in every way or two, and those of a chosen strength.
SHUFFLED, HALF_CUTOFF = "shuffled", "half-cutoff"
FEWER_FRAMES, NOISE, R_MAX = "frames", "noise", "r-max"

# Which of two strengths is nearer to the model that a control is made of: +1, the smaller one.
_NEARER = {FEWER_FRAMES: -1, NOISE: 1, R_MAX: -1}


def weakest_first(kind: str, strengths: Iterable[float]) -> tuple[float, ...]:
    """Strengths of controls of one kind, from that which is nearest to the model on."""
    return tuple(sorted(strengths, key=lambda strength: _NEARER.get(kind, 1) * strength))


@dataclass(frozen=True)
class NegativeControl:
    """A force field that is made to be wrong, so that scores can be seen to notice it.

    Attributes:
        kind: SHUFFLED (entries of every weight tensor permuted), HALF_CUTOFF, FEWER_FRAMES (trained
            on some of the frames), NOISE (of the weights) or R_MAX (trained with a shorter cutoff).
        of: name of the model that it is made of, or differs from in this alone; HALF_CUTOFF has
            none.
        strength: the fraction of the frames, the noise relative to the r.m.s. of each tensor, or
            the cutoff in A.
    """

    kind: str
    of: str | None = None
    strength: float | None = None


@dataclass(frozen=True)
class PaperRow:
    """A row of the paper's tables: a dataset and, where it has several rows, the condition."""

    dataset: str
    condition: str = ""

    @property
    def label(self) -> str:
        """As a row title."""
        return f"{self.dataset}, {self.condition}" if self.condition else self.dataset


@dataclass(frozen=True)
class Model:
    """A model of the benchmark; its name is unique there."""

    name: str
    forcefield: str  # its key, "nequip"
    control: NegativeControl | None = None  # None for an ordinary model
    settings: Mapping[str, Any] = field(default_factory=dict)  # all else that it was asked to be

    @property
    def taken_from(self) -> str:
        """Its checkpoint or deployed file, "" if the benchmark trained it."""
        return str(self.settings.get("checkpoint") or self.settings.get("deployed") or "")


@dataclass(frozen=True)
class Curve:
    """One line of a figure: `y` over `x`, with `low` and `high` as an optional band."""

    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Trouble:
    """Why something of a model is missing, or what broke down on the way.

    Attributes:
        stage: name of the stage, "" where there is none to blame.
        reason: the error or the breakdown, as it was reported.
        steps: of a rollout that broke down, how many MD steps it did; else None.
    """

    stage: str
    reason: str
    steps: int | None = None


@dataclass(frozen=True)
class Card:
    """A deployed model."""

    architecture: str  # its name for people
    parameters: int
    r_max: float  # cutoff in A
    precision: str  # "float32" or "float64"
    layers: int
    exchange_widths: tuple[int, ...]  # numbers for each ghost atom, by layer; () if strictly local
    file: str
    sha256: str
    citations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """How a model was trained; `energy` and `force` are validation errors (MAE) over epochs."""

    epochs: int
    best: int  # the epoch that was deployed
    stop: str  # why it ended
    seconds: float  # wall time
    energy: Curve | None = None  # meV/atom
    force: Curve | None = None  # meV/A


@dataclass(frozen=True)
class Rollout:
    """One rollout: number of its start (from 1), length in fs, temperature (K) over time (fs)."""

    number: int
    lasted_fs: float
    temperature: Curve | None = None


@dataclass(frozen=True)
class Equivariance:
    """How far F(Rx) is from R F(x) on one frame: largest force component, in meV/A.

    Attributes:
        rotation: under rotations.
        inversion: under inversion.
        rms_force: root mean square of the force components, beside them.
    """

    rotation: float
    inversion: float
    rms_force: float


@dataclass(frozen=True)
class ModelResult:
    """What one model gave on one system."""

    model: Model
    state: str  # DONE (there are scores of rollouts), FAILED or NOT_RUN
    troubles: tuple[Trouble, ...] = ()  # what failed or broke down on the way
    scores: Scores | None = None
    costs: tuple[Score, ...] = ()  # known without any scoring
    card: Card | None = None  # of the deployed file
    training: Training | None = None
    rollouts: tuple[Rollout, ...] = ()  # those that were begun, broken ones among them
    seen_unknown: bool = False  # its file does not say which frames it was trained on
    equivariance: Equivariance | None = None  # of the deployed file

    @property
    def values(self) -> tuple[Score, ...]:
        """All its values."""
        return (*(self.scores.scores if self.scores is not None else ()), *self.costs)

    def find(self, key: str, comparison: str, mode: str = "egraff", part: str = "") -> Score | None:
        """The value with these four, or None; where no part is given, of all atoms or pairs."""
        parts, wanted = (part,) if part else ("", TOTAL), (key, comparison, mode)
        for score in self.values:
            if score.part in parts and (score.key, score.comparison, score.mode) == wanted:
                return score
        return None


@dataclass(frozen=True)
class Snapshot:
    """One frame: elements, positions and cell (rows; zero without one) in A, forces in eV/A."""

    species: tuple[str, ...]
    positions: Sequence[Sequence[float]]
    cell: Sequence[Sequence[float]]
    forces: Sequence[Sequence[float]] | None = None


@dataclass(frozen=True)
class Reference:
    """The ground truth of a system, as it was found, or the reason why it could not be had."""

    species: Mapping[str, int] = field(default_factory=dict)  # element to number of atoms
    periodic: bool = True  # whether it has a cell
    frames: int | None = None
    trained_on: int = 0  # frames of the training part
    left_out: int = 0  # training frames that are held out as well
    origin: str = ""  # where its frames came from
    sha256: str = ""  # of its frames
    held_out_sha256: str = ""  # of the file of the held-out part
    first: Snapshot | None = None  # its first held-out frame
    reason: str = ""

    @property
    def atoms(self) -> int:
        """How many."""
        return sum(self.species.values())


@dataclass(frozen=True)
class Stage:
    """One stage of the chain; `fresh` says whether the last run did it, seconds are wall time."""

    name: str
    state: str
    seconds: float
    key: str
    attempts: int = 1
    fresh: bool = True


@dataclass(frozen=True)
class System:
    """One system at one temperature, with all that ran on it."""

    name: str  # of its folder: SYSTEM, or SYSTEM-TEMPERATUREK where the system has several
    system: str
    temperature_kelvin: float
    settings: Mapping[str, Any]  # the checked configuration as plain values, with its defaults
    time_series: bool  # whether frames of the reference have times
    steps: int  # MD steps of a rollout
    dump_every: int  # MD steps between its frames
    reference: Reference
    models: tuple[ModelResult, ...]
    paper: tuple[PaperRow, ...] = ()  # rows of the paper's tables that it stands for
    stages: tuple[Stage, ...] = ()  # of the chain, in order
    machine: Mapping[str, str] = field(default_factory=dict)  # hardware, versions and time
    page: Path | None = None  # its own

    @property
    def asked_fs(self) -> float:
        """Length of a rollout that reaches its end."""
        return self.steps * float(self.settings["rollout"]["timestep_fs"])

    @property
    def label(self) -> str:
        """For a reader, unique in a benchmark."""
        return f"{self.system}, {self.temperature_kelvin:g} K"

    @property
    def ran(self) -> bool:
        """Whether there are results of any model."""
        return any(result.state != NOT_RUN for result in self.models)

    def result(self, model: str) -> ModelResult | None:
        """What a model gave, None where it does not run here."""
        return next((found for found in self.models if found.model.name == model), None)

    @property
    def ordinary(self) -> tuple[ModelResult, ...]:
        """Results of the models that are no negative controls."""
        return tuple(found for found in self.models if found.model.control is None)


@dataclass(frozen=True)
class Results:
    """A benchmark, or several as one."""

    name: str
    title: str
    seed: str  # of everything random; one of each benchmark
    models: tuple[Model, ...]  # in the order of columns
    systems: tuple[System, ...]  # in the order of rows
    remarks: tuple[str, ...] = ()  # sentences of whoever wrote the configuration
    config: str = ""  # as YAML
    folder: Path = Path()

    def __iter__(self) -> Iterator[tuple[System, ModelResult]]:
        """Every model on every system."""
        return ((system, result) for system in self.systems for result in system.models)
