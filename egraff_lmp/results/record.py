"""What a benchmark gave: frozen records of numbers and names, read once and shown by pages.

A system is one set of atoms at one temperature; a model that ran on it gave a `ModelResult`.
Sentences are made of these records by `egraff_lmp.report.words`, for people.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from egraff_lmp.score.records import TOTAL, Score, Scores

DONE, FAILED, NOT_RUN = "done", "failed", "not run"
SHUFFLED, HALF_CUTOFF = "shuffled", "half-cutoff"


@dataclass(frozen=True)
class NegativeControl:
    """A force field that is made to be wrong, so that scores can be seen to notice it.

    Attributes:
        kind: "shuffled" (entries of every weight tensor permuted) or "half-cutoff".
        of: name of the trained model that a shuffled one is made of, else None.
    """

    kind: str
    of: str | None = None


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
    """A model of the benchmark.

    Attributes:
        name: unique in the benchmark.
        forcefield: its key, "nequip".
        control: how it is a negative control, None for an ordinary model.
        settings: everything else that it was asked to be, as plain values.
    """

    name: str
    forcefield: str
    control: NegativeControl | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


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
    """A deployed model.

    Attributes:
        architecture: its name for people.
        parameters: how many.
        r_max: cutoff in A.
        precision: "float32" or "float64".
        layers: how many.
        exchange_widths: numbers exchanged for each ghost atom, layer by layer; () where strictly
            local.
        file: where it lies.
        sha256: of the file.
        citations: what to cite.
    """

    architecture: str
    parameters: int
    r_max: float
    precision: str
    layers: int
    exchange_widths: tuple[int, ...]
    file: str
    sha256: str
    citations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Training:
    """How a model was trained.

    Attributes:
        epochs: how many.
        best: the epoch that was deployed.
        stop: why it ended.
        seconds: wall time.
        energy, force: validation errors (MAE) over epochs in meV/atom and meV/A, or None.
    """

    epochs: int
    best: int
    stop: str
    seconds: float
    energy: Curve | None = None
    force: Curve | None = None


@dataclass(frozen=True)
class Rollout:
    """One rollout: number of its start (from 1), length in fs, temperature (K) over time (fs)."""

    number: int
    lasted_fs: float
    temperature: Curve | None = None


@dataclass(frozen=True)
class ModelResult:
    """What one model gave on one system.

    Attributes:
        model: which model.
        state: "done" (there are scores of rollouts), "failed" or "not run".
        troubles: what failed or broke down on the way.
        scores: the record of its scoring, or None.
        costs: values of cost, which are known without any scoring.
        card: of the deployed file, or None.
        training: or None.
        rollouts: those that were begun, broken ones among them.
    """

    model: Model
    state: str
    troubles: tuple[Trouble, ...] = ()
    scores: Scores | None = None
    costs: tuple[Score, ...] = ()
    card: Card | None = None
    training: Training | None = None
    rollouts: tuple[Rollout, ...] = ()

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
class Reference:
    """The ground truth of a system, as it was found.

    Attributes:
        species: element to number of atoms; empty where the reference could not be had.
        periodic: whether it has a cell.
        frames: how many, None where the reference could not be had.
        trained_on: frames of the training part.
        left_out: training frames that are held out as well.
        origin: where its frames came from, as recorded.
        sha256, held_out_sha256: of its frames and of the file of the held-out part.
        reason: why it could not be had, "" where it could.
    """

    species: Mapping[str, int] = field(default_factory=dict)
    periodic: bool = True
    frames: int | None = None
    trained_on: int = 0
    left_out: int = 0
    origin: str = ""
    sha256: str = ""
    held_out_sha256: str = ""
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
    """One system at one temperature, with all that ran on it.

    Attributes:
        name: of its folder: SYSTEM, or SYSTEM-TEMPERATUREK where the system has several.
        system: name of the system.
        temperature_kelvin: of its rollouts.
        settings: the checked configuration as plain values, defaults filled in.
        time_series: whether frames of the reference have times.
        steps, dump_every: MD steps of a rollout, and between its frames.
        reference: what was run against.
        models: what each model gave.
        paper: rows of the paper's tables that it stands for.
        stages: of the chain, in order.
        machine: hardware, versions and time of the run, by name; {} where not recorded.
        page: its own page, or None.
    """

    name: str
    system: str
    temperature_kelvin: float
    settings: Mapping[str, Any]
    time_series: bool
    steps: int
    dump_every: int
    reference: Reference
    models: tuple[ModelResult, ...]
    paper: tuple[PaperRow, ...] = ()
    stages: tuple[Stage, ...] = ()
    machine: Mapping[str, str] = field(default_factory=dict)
    page: Path | None = None

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
    """A benchmark.

    Attributes:
        name: of the benchmark, or several.
        title: of its page.
        seed: of everything random, or several.
        models: in the order of columns.
        systems: in the order of rows.
        remarks: sentences of whoever wrote the configuration.
        config: as YAML.
        folder: where it lies.
    """

    name: str
    title: str
    seed: str
    models: tuple[Model, ...]
    systems: tuple[System, ...]
    remarks: tuple[str, ...] = ()
    config: str = ""
    folder: Path = Path()

    def __iter__(self) -> Iterator[tuple[System, ModelResult]]:
        """Every model on every system."""
        return ((system, result) for system in self.systems for result in system.models)
