"""Results of a benchmark with every part filled, of any size, made of closed forms.

Every metric of the table has values, and all of them differ, so that a number on a page or in a
file tells where it came from.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from egraff_lmp.results.record import (
    DONE,
    NOT_RUN,
    Card,
    Curve,
    Model,
    ModelResult,
    NegativeControl,
    PaperRow,
    Reference,
    Results,
    Rollout,
    Stage,
    System,
    Training,
    Trouble,
)
from egraff_lmp.score.options import EGRAFF
from egraff_lmp.score.records import (
    COST,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STABILITY,
    STRUCTURE,
    SURVIVAL,
    THERMODYNAMICS,
    TOTAL,
    TRAJECTORY,
    TRANSPORT,
    Counts,
    Curves,
    Fact,
    Lifetime,
    Resampled,
    Score,
    Scores,
    Series,
    Source,
)
from egraff_lmp.score.table import METRICS

FORCEFIELDS = ("nequip", "allegro", "botnet", "mace", "equiformer", "torchmdnet")
ARCHITECTURES = ("NequIP", "Allegro", "BOTNet", "MACE", "Equiformer", "TorchMD-Net")
ROWS = (
    (PaperRow("GeTe"),),
    (PaperRow("LiPS"),),
    (PaperRow("Acetylacetone"), PaperRow("Acetylacetone", "300K")),
    (PaperRow("LiPS20"), PaperRow("LiPS20", "Train structures")),
    (PaperRow("LiPS20"), PaperRow("LiPS20", "Test structures")),
    (PaperRow("Benzene", "trained on Aspirin"),),
)
R = np.arange(180) * 0.05 + 0.025
T = np.arange(80) * 10.0
SHUFFLED = NegativeControl("shuffled", "nequip")
MACHINE = Fact("machine", {"atoms": 64, "ranks": 2, "threads": 1, "hardware": "2 × Example CPU",
                           "precision": "float32"})  # fmt: skip
WINDOW = Fact("distances", {"skip": 25, "r_max": 8.5, "bin_width": 0.05})
SETTINGS: Mapping[str, Any] = {
    "seed": 7,
    "remarks": (),
    "reference": {"kind": "classical", "pair_style": "sw", "potential": "CdTe.sw",
                  "timestep_fs": 2.0, "stride_fs": 10.0, "equilibration_ps": 1.0},
    "split": {
        "train": {"first": 0, "last": 200, "every": 1, "sources": ()},
        "validation": {"first": 210, "last": 290, "every": 5, "sources": ()},
        "held_out": {"first": 300, "last": 650, "every": 1, "sources": ()},
    },
    "rollout": {"ensemble": "nvt", "timestep_fs": 2.0, "damping_fs": 100.0, "starts": (300, 400),
                "velocities": "maxwell-boltzmann", "ranks": 2, "threads": 1, "device": "cpu"},
    "scoring": {"temperature_bounds": (0.0, 3.0), "skip_fs": 250.0, "committee_every": None},
}  # fmt: skip
# Comparisons of a metric; those that are not named have that of their structure.
COMPARED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("ev", "fv"), (TRAJECTORY, RERUN_REFERENCE, RERUN_ORACLE)),
    **dict.fromkeys(("ev_eq4", "ev_released"), (TRAJECTORY, RERUN_REFERENCE)),
    "fv_growth": (RERUN_ORACLE,),
    **dict.fromkeys(("rmsd", "divergence_time"), (TRAJECTORY,)),
    **dict.fromkeys(
        ("diffusivity", "diffusivity_error", "diffusivity_error_eq4", "vdos_jsd", "conductivity",
         "conductivity_nernst_einstein", "haven_ratio"), (TRANSPORT,),
    ),
    **dict.fromkeys(("temperature_error", "energy_drift", "pressure"), (THERMODYNAMICS,)),
    **dict.fromkeys(("stability", "units_intact"), (STABILITY,)),
    **dict.fromkeys(("finished_starts", "shortest_rollout", "survived"), (SURVIVAL,)),
    **dict.fromkeys(
        ("training_time", "training_time_epoch", "ms_per_step", "us_per_atom_step",
         "frames_per_second", "ns_per_day", "minutes_per_1000_steps"), (COST,),
    ),
    **dict.fromkeys(
        ("energy_mae", "energy_rmse", "energy_mae_structure", "energy_mae_offset_free",
         "force_mae", "force_rmse", "stress_mae", "force_rms_reference"), (RERUN_REFERENCE,),
    ),
}  # fmt: skip


def places() -> Iterator[tuple[str, str, str, str]]:
    """Key, comparison, mode and part of every value that a model has."""
    for metric in METRICS.values():
        for comparison in COMPARED.get(metric.key, (STRUCTURE,)):
            for mode in metric.modes:
                parts = (TOTAL, "Cd-Te") if comparison == STRUCTURE else ("",)
                for part in parts if mode == EGRAFF else parts[:1]:
                    yield metric.key, comparison, mode, part


PLACES = tuple(places())


def value_of(
    system: int, model: int, key: str, comparison: str, mode: str = EGRAFF, part: str = ""
) -> float:
    """The number that stands in a place; all differ."""
    found = [one for one in PLACES if one[:3] == (key, comparison, mode)]
    place = PLACES.index(next(one for one in found if part in (one[3], "") or not one[3]))
    if key in ("finished_starts", "survived"):
        return 1.0
    return round(0.05 + 0.01 * system + 0.1 * model + 0.0007 * place, 6)


def score(
    number: float | None, key: str, comparison: str, mode: str = EGRAFF, part: str = "",
    **changes: Any,
) -> Score:  # fmt: skip
    """One value with an interval 10 % below and 20 % above it."""
    fields: dict[str, Any] = {
        "unit": METRICS[key].unit,
        "value": number,
        "interval": None if number is None else (0.9 * number, 1.2 * number),
        "counts": Counts(frames=350, frames_reference=290, starts=2),
        "window": WINDOW if comparison == STRUCTURE else None,
        "resampled": Resampled(12, "blocks"),
        "distribution": "g" if comparison == STRUCTURE else "",
        "facts": (MACHINE,) if comparison == COST else (),
    }
    return Score(key, mode, comparison, part, **{**fields, **changes})


def scores_of(system: int, model: int, **changes: Any) -> Scores:
    """The record of a scoring: every metric but costs, with curves and series."""
    values = []
    for place in PLACES:
        if place[1] == COST:
            continue
        more: dict[str, Any] = {}
        number = value_of(system, model, *place)
        if place[1] in (STRUCTURE, TRAJECTORY):
            more["floor"] = round(0.5 * number, 6)
        if place[0] == "stability":
            more["lifetimes"] = (Lifetime(790.0), Lifetime(400.0))
        if place[1] == SURVIVAL:
            more["interval"] = None
        values.append(score(number, *place, **more))
    source = Source("made up", "ab" * 32, 290, 64, "Cd32 Te32", 10.0, True, True)
    fields: dict[str, Any] = {"scores": tuple(values), "curves": tuple(curves_of(system, model)),
                              "series": tuple(series_of(model))}  # fmt: skip
    return Scores(source, (source, source), {}, {}, **{**fields, **changes})


def curves_of(system: int, model: int) -> Iterator[Curves]:
    """Every kind of curve: a peak that moves with the model, and a line for the MSD."""
    pairs, angles, elements = (TOTAL, "Cd-Te"), (TOTAL, "Te-Cd-Te"), (TOTAL, "Te")
    kinds = (
        ("h", R, "A", pairs, "1/A") if system % 2 else ("g", R, "A", pairs, "1"),
        ("S", R, "1/A", pairs, "1"), ("angle", 20 * R, "degrees", angles, "1/degree"),
        ("n", np.arange(12.0), "1", pairs, "1"), ("vdos", R, "THz", elements, "1/THz"),
    )  # fmt: skip
    for side, shift, frames in (("reference", 0.0, 290), ("rollouts", 0.02 * model, 350)):
        for name, x, x_unit, parts, y_unit in kinds:
            middle = x[len(x) // 3]
            peak = np.exp(-(((x / middle - 1 - shift) / 0.2) ** 2))
            yield Curves(name, x, x_unit, dict.fromkeys(parts, peak), y_unit, frames, side=side)
        msd = dict.fromkeys(elements, 1e-3 * (1 + shift) * T[1:])
        yield Curves("msd", T[1:], "fs", msd, "A^2", frames, side=side)


def series_of(model: int) -> Iterator[Series]:
    """EV(t), FV(t), RMSD(t) and the MSD of two starts."""
    fv = 0.7071 - 0.4 * np.exp(-T / (50 + 20 * model))
    rmsd = 0.01 * np.sqrt(T * (1 + model))
    for start in range(2):
        more = 1 + 0.1 * start
        for comparison, factor in ((TRAJECTORY, 1.0), (RERUN_ORACLE, 0.1)):
            yield Series("fv", EGRAFF, comparison, start, 10.0, factor * more * fv)
            yield Series("ev", EGRAFF, comparison, start, 10.0, 0.1 * factor * more * fv)
        yield Series("rmsd", EGRAFF, TRAJECTORY, start, 10.0, more * rmsd)
        yield Series("msd", EGRAFF, TRANSPORT, start, 10.0, (more * rmsd) ** 2)


def result(system: int, model: int, what: Model, **changes: Any) -> ModelResult:
    """What a model gave, everything filled."""
    costs = [p for p in PLACES if p[1] == COST]
    card = Card(
        ARCHITECTURES[model % 6], 41233, 4.6, "float32", 2, (32, 64) if model % 2 == 0 else (),
        f"deploy-{what.name}/{what.name}.pt", f"{model:x}b" * 32, ("A. Author, A title (2020)",),
    )  # fmt: skip
    epochs = list(range(30))
    training = Training(
        37, 31, "patience was used up", 101.0,
        Curve(epochs, [44 * math.exp(-k / 9) + 3 for k in epochs]),
        Curve(epochs, [420 * math.exp(-k / 9) + 45 for k in epochs]),
    )  # fmt: skip
    kelvin = [1000 * (1 + 0.2 * math.sin(0.37 * k + model)) for k in range(len(T))]
    fields: dict[str, Any] = {
        "scores": scores_of(system, model),
        "costs": tuple(score(value_of(system, model, *p), *p, interval=None) for p in costs),
        "card": card,
        "training": training,
        "rollouts": tuple(
            Rollout(k, lasted, Curve(T.tolist(), kelvin)) for k, lasted in ((1, 790.0), (2, 400.0))
        ),
    }
    return ModelResult(what, DONE, **{**fields, **changes})


def system(number: int, models: tuple[ModelResult, ...], **changes: Any) -> System:
    """A system of two starts of 790 fs."""
    fields: dict[str, Any] = {
        "settings": SETTINGS,
        "time_series": True,
        "steps": 395,
        "dump_every": 5,
        "reference": Reference({"Cd": 32, "Te": 32}, True, 650, 200, 3, "LAMMPS", "ef" * 32,
                               "fe" * 32),
        "paper": ROWS[number % len(ROWS)],
        "stages": (Stage("reference", "done", 12.3, "cd" * 32), Stage("train-nequip", "done", 101.0,
                   "dc" * 32, 2, fresh=False)),
        "machine": {"hardware": "2 × Example CPU, 16 cores", "versions": "LAMMPS 22 Jul 2025"},
    }  # fmt: skip
    return System(f"cell{number}", f"system{number}", 300.0,
                  models=models, **{**fields, **changes})  # fmt: skip


def results(systems: int = 6, models: int = 6, controls: int = 0) -> Results:
    """`systems` systems and `models` models, the last `controls` of them shuffled.

    Of several systems, the last model has not been run on the first one.
    """
    whats = tuple(
        Model(name, name, SHUFFLED if k >= models - controls else None)
        for k, name in enumerate(FORCEFIELDS[:models])
    )
    found = [
        system(s, tuple(result(s, m, what) for m, what in enumerate(whats))) for s in range(systems)
    ]
    if systems > 1:
        waits = Trouble("", "not run yet, or not to its end")
        last = ModelResult(whats[-1], NOT_RUN, (waits,))
        found[0] = replace(found[0], models=(*found[0].models[:-1], last))
    return Results("closed", "A matrix of closed forms", "7", whats, tuple(found),
                   ("Nothing was run.",), "kind: matrix\nseed: 7\n")  # fmt: skip


def of_models(whole: Results, change: Any) -> Results:
    """The results with `change(system, result)` in place of every result."""
    return replace(
        whole,
        systems=tuple(
            replace(one, models=tuple(change(one, result) for result in one.models))
            for one in whole.systems
        ),
    )


def trained_apart(whole: Results) -> Results:
    """The results with deployed files of its own on every system."""

    def change(one: System, given: ModelResult) -> ModelResult:
        sha256 = hashlib.sha256(f"{one.name} {given.model.name}".encode()).hexdigest()
        return replace(given, card=given.card and replace(given.card, sha256=sha256))

    return of_models(whole, change)


def with_scores(given: ModelResult, *changed: Score) -> ModelResult:
    """A result with these values in place of those with the same place; others stay."""
    assert given.scores is not None

    def place(one: Score) -> tuple[str, ...]:
        return one.key, one.comparison, one.mode, one.part

    known = {place(one): one for one in given.scores.scores}
    known |= {place(one): one for one in changed}
    return replace(given, scores=replace(given.scores, scores=tuple(known.values())))
