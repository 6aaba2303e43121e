"""What a report shows: frozen records of numbers, with no knowledge of how they were made.

Every number carries its unit in its name, in its `unit` field, or in the axis label of its curve.
A part that is missing is `None` or empty together with a reason; the page then says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

STRUCTURE, VIOLATION, MOTION = "structure", "violation", "motion"
# What a page calls `rerun-oracle` where the oracle is other models, not the ground truth.
COMMITTEE = "rerun-committee"


@dataclass(frozen=True)
class Score:
    """One row of the table of scores.

    Attributes:
        metric: "WF", "JSD", "EV", "FV", "RMSD", "|D - D_ref|", "stable for", ...
        subject: what it was computed for: "total", "Cd-Te", "Cd", "trajectory", "rerun-oracle".
        mode: "egraff" or "paper": the form of the formula.
        unit: "%", "bit", or "" for a pure number.
        value: the value, or None where it is not available (`note` says why).
        interval: confidence interval (low, high), or None.
        floor: the same formula applied to reference against reference, or None. For structure it
            is what sampling alone gives; for violations, what two unrelated frames give.
        window: frames or time the value was computed on.
        frames: frames used.
        starts: independent rollouts used.
        note: what a reader must know: kind of interval, why there is no value.
        kind: "structure", "violation" or "motion": decides the table.
    """

    metric: str
    subject: str
    mode: str
    unit: str
    value: float | None
    interval: tuple[float, float] | None = None
    floor: float | None = None
    window: str = ""
    frames: int | None = None
    starts: int | None = None
    note: str = ""
    kind: str = STRUCTURE


@dataclass(frozen=True)
class Curve:
    """One line of a plot: `y` over `x`, with `low` and `high` as an optional band."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Accuracy:
    """Errors of energy and forces on frames the model was not trained on."""

    energy_mae_mev_per_atom: float
    energy_rmse_mev_per_atom: float
    force_mae_mev_per_angstrom: float
    force_rmse_mev_per_angstrom: float
    force_scale_mev_per_angstrom: float
    frames: int
    window: str


@dataclass(frozen=True)
class Cost:
    """What training and a step cost, and on what."""

    train_seconds: float | None
    epochs: int | None
    ms_per_step: float | None
    us_per_atom_step: float | None
    ranks: int
    threads: int
    precision: str
    atoms: int
    steps: int | None = None


@dataclass(frozen=True)
class Failure:
    """A stage that did not give its result: part of the result."""

    stage: str
    reason: str


@dataclass(frozen=True)
class ModelReport:
    """Everything the page says about one model.

    Attributes:
        key: name in the config.
        architecture: display name.
        locality: "message passing" or "strictly local".
        facts: (name, value) pairs of the model card: parameters, cutoff, hash.
        accuracy: errors on held-out frames.
        cost: training and rollout times.
        scores: rows of the table of scores.
        rdf: pair ("total", "Cd-Te") to the model's g(r), x in A.
        energy_violation: comparison ("trajectory", ...) to EV(t), x in fs.
        force_violation: the same for FV(t).
        temperature: one curve per start, x in fs, y in K.
        energy_learning: training and validation curves, x in epochs, y in meV/atom.
        force_learning: the same in meV/A.
        failures: stages that failed, with their reasons.
    """

    key: str
    architecture: str
    locality: str
    facts: Sequence[tuple[str, str]] = ()
    accuracy: Accuracy | None = None
    cost: Cost | None = None
    scores: Sequence[Score] = ()
    rdf: Mapping[str, Curve] = field(default_factory=dict)
    energy_violation: Mapping[str, Curve] = field(default_factory=dict)
    force_violation: Mapping[str, Curve] = field(default_factory=dict)
    temperature: Sequence[Curve] = ()
    energy_learning: Sequence[Curve] = ()
    force_learning: Sequence[Curve] = ()
    failures: Sequence[Failure] = ()


@dataclass(frozen=True)
class Report:
    """One page.

    Attributes:
        title: of the page.
        what: one paragraph: what was run, on what, how long.
        reference: (name, value) pairs describing the reference data and the held-out part.
        protocol: (name, value) pairs describing training and rollout.
        rdf: pair to the reference's g(r).
        temperature_kelvin: of the thermostat.
        models: one entry per model.
        limits: what the numbers cannot say, one sentence or two each.
        stages: (stage, state, wall time in s, key) of the chain.
        provenance: (name, value) pairs: hashes, versions, seeds, hardware.
        config: the configuration as YAML text.
    """

    title: str
    what: str
    reference: Sequence[tuple[str, str]]
    protocol: Sequence[tuple[str, str]]
    rdf: Mapping[str, Curve]
    temperature_kelvin: float
    models: Sequence[ModelReport]
    limits: Sequence[str]
    stages: Sequence[tuple[str, str, float, str]]
    provenance: Sequence[tuple[str, str]]
    config: str
