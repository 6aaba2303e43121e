"""From the results of the stages to the record that the report shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import yaml

from egraff_lmp.bench.config import BenchConfig, Classical
from egraff_lmp.bench.curves import (
    by_committee,
    rdf_curves,
    read_columns,
    score_rows,
    split_series,
    thin,
    violation_curves,
)
from egraff_lmp.bench.model import SHUFFLED
from egraff_lmp.bench.stage import FAILED, StageResult
from egraff_lmp.report import Accuracy, Cost, Curve, Failure, ModelReport, Report
from egraff_lmp.report.numbers import counted, listed, number
from egraff_lmp.report.record import COMMITTEE
from egraff_lmp.score.records import RERUN_ORACLE

if TYPE_CHECKING:
    from egraff_lmp.bench.run import Cell

_LIMITS = (
    "FV and EV of the kind “trajectory” compare frames at equal times of two trajectories that "
    "separate within a fraction of a picosecond, whatever the quality of the model. Once they "
    "have, FV is 0.7071 for every model, and a value near it is neither good nor bad.",
    "Intervals cover sampling: frames and starts. They do not cover another training seed, "
    "another training set, or other settings of the network.",
    "The floor is taken between the two halves of the held-out part, each half as long as what the "
    "rollouts are compared with: it overstates the noise somewhat, and it cannot see what is "
    "common to both halves.",
    "A radial distribution function averages over angles and time: a model can reproduce it and "
    "still be wrong in vibrations, diffusion or energies.",
    "The models are small and were trained for minutes, so that the whole run is short. Their "
    "errors are not those of the architectures, and the comparison does not rank them.",
)
_NO_ORACLE = (
    "There is no “rerun-oracle”: the ground truth is density-functional theory, which LAMMPS "
    "cannot re-evaluate on the models' own frames. EV and FV along the rollouts are therefore "
    "known only on reference frames (rerun-reference) and by comparison in time (trajectory)."
)
_COMMITTEE = (
    "The ground truth is density-functional theory, which LAMMPS cannot re-evaluate on the models' "
    "own frames. “Rerun-committee” asks the other models in its place: an error that all of them "
    "share is not seen, and a value below what they give among each other (see the notes of the "
    "values) may be their own error."
)
_NO_TIMES = (
    "The reference is no time series: its frames sample the ensemble and have no times. Structure "
    "is compared with all held-out frames; EV and FV of the kind “trajectory” are left out."
)


def assemble(config: BenchConfig, reference: StageResult, cells: Sequence[Cell]) -> Report:
    """The report of a run, whatever part of it gave results."""
    scores = [_scores(cell.score) for cell in cells]
    first = next((s for s in scores if s is not None), None)
    stages = [reference, *(stage for cell in cells for stage in cell.stages)]
    limits = [*config.remarks, *_LIMITS]
    if not isinstance(config.reference, Classical):
        judged = config.scoring.committee_every is not None
        limits.insert(len(config.remarks), _COMMITTEE if judged else _NO_ORACLE)
    if not config.time_series:
        limits.insert(len(config.remarks), _NO_TIMES)
    return Report(
        title=config.title,
        what=_what(config, reference, cells, stages),
        reference=_reference_pairs(config, reference),
        protocol=_protocol_pairs(config),
        rdf=rdf_curves(first, "egraff reference") if first else {},
        temperature_kelvin=config.temperature_kelvin,
        models=[
            _model(config, reference, cell, score)
            for cell, score in zip(cells, scores, strict=True)
        ],
        limits=limits,
        stages=[
            (s.name, _state(s), s.seconds, s.key) for s in stages
        ],
        provenance=_provenance(config, reference, cells),
        config=yaml.safe_dump(
            config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=90
        ),
    )  # fmt: skip


def _scores(score: StageResult) -> Mapping[str, Any] | None:
    if not score.done:
        return None
    return dict(json.loads(score.path("scores").read_text(encoding="utf-8")))


def _what(
    config: BenchConfig,
    reference: StageResult,
    cells: Sequence[Cell],
    stages: Sequence[StageResult],
) -> str:
    names = listed([_architecture(cell) for cell in cells]) if cells else "No models"
    seconds = sum(stage.seconds for stage in stages)
    if not reference.done:
        return f"The reference trajectory could not be had: {reference.reason}"
    source = (
        f"a classical potential ({config.reference.potential}) that plays the ab-initio method"
        if isinstance(config.reference, Classical)
        else "ab-initio molecular dynamics"
    )
    return (
        f"{names} were trained on {reference.value['parts']['train']} frames of "
        f"{source}, deployed as TorchScript files, run in LAMMPS at "
        f"{config.temperature_kelvin:g} K on {counted(config.rollout.ranks, 'MPI rank')} from "
        f"{len(config.rollout.starts)} starts each, and compared with the part of the reference "
        f"that was held out. All of it took {seconds / 60:.1f} minutes of wall time."
    )


def _reference_pairs(config: BenchConfig, reference: StageResult) -> list[tuple[str, str]]:
    settings = config.reference
    split = config.split
    pairs = []
    if reference.done:
        value = reference.value
        formula = " ".join(f"{n} {s}" for s, n in value["species"].items())
        pairs += [
            (
                "system",
                f"{value['n_atoms']} atoms ({formula}), "
                + ("periodic" if value.get("periodic", True) else "not periodic"),
            ),
            (
                "frames",
                f"{value['n_frames']}, "
                + (
                    f"one every {settings.stride_fs:g} fs"
                    if config.time_series
                    else "no time series"
                ),
            ),
        ]
        if value.get("left_out"):
            pairs.append(
                ("left out", f"{value['left_out']} training frames that are held out as well")
            )
    if isinstance(settings, Classical):
        pairs += [
            ("potential", f"{settings.pair_style}, {settings.potential} (ships with LAMMPS)"),
            (
                "made by",
                f"LAMMPS, NVT at {config.temperature_kelvin:g} K, time step "
                f"{settings.timestep_fs:g} fs, after {settings.equilibration_ps:g} ps that were "
                f"thrown away; seed {config.seed}",
            ),
        ]
    else:
        pairs.append(("sources", ", ".join(settings.sources)))
    for name, part in (
        ("trained on", split.train),
        ("validated on", split.validation),
        ("held out", split.held_out),
    ):
        every = "" if part.every == 1 else f", every {part.every}th"
        count = len(range(part.first, part.last, part.every))
        where = f" of each of {', '.join(part.sources)}" if part.sources else ""
        text = f"frames {part.first} to {part.last - 1}{every}{where}: {count} frames"
        pairs.append((name, text + (" each" if len(part.sources) > 1 else "")))
    return pairs


def _protocol_pairs(config: BenchConfig) -> list[tuple[str, str]]:
    rollout = config.rollout
    seeds = [config.seed + k for k in range(len(rollout.starts))]
    length = config.steps * rollout.timestep_fs
    return [
        (
            "ensemble",
            "NVE"
            if rollout.ensemble == "nve"
            else f"NVT, Nosé–Hoover, {config.temperature_kelvin:g} K, time constant "
            f"{rollout.damping_fs:g} fs",
        ),
        ("time step", f"{rollout.timestep_fs:g} fs"),
        (
            "length",
            f"{config.steps} steps, {length / 1000:.3g} ps; a frame every "
            f"{config.dump_every} steps ({config.stride_fs:g} fs)"
            + (", as in the reference" if config.time_series else ""),
        ),
        ("starts", "held-out frames " + ", ".join(map(str, rollout.starts))),
        (
            "initial velocities",
            "those of the reference, by central differences of the frames around the start"
            if rollout.velocities == "recovered"
            else f"Maxwell–Boltzmann at {config.temperature_kelvin:g} K, seeds "
            + ", ".join(map(str, seeds)),
        ),
        (
            "ends a rollout",
            "lost atoms, values that are not finite, a temperature outside "
            + " to ".join(
                f"{bound * config.temperature_kelvin:g}"
                for bound in config.scoring.temperature_bounds
            )
            + " K; at the latest its length",
        ),
        ("left out for g(r)", f"the first {config.scoring.skip_fs:g} fs of each rollout"),
        (
            "parallel",
            f"{counted(rollout.ranks, 'MPI rank')}, {counted(rollout.threads, 'thread')} each, "
            f"{rollout.device}",
        ),
    ]


def _model(
    config: BenchConfig, reference: StageResult, cell: Cell, scores: Mapping[str, Any] | None
) -> ModelReport:
    found: dict[str, Any] = {}
    if scores is not None:
        every = config.scoring.committee_every
        lengths = [-(-n // (every or 1)) for n in cell.score.value["lengths"]]
        if every is not None:
            scores = by_committee(scores)
        series = split_series(scores, {COMMITTEE if every else RERUN_ORACLE: lengths})
        found = {
            "scores": score_rows(scores),
            "rdf": rdf_curves(scores, "egraff trajectory"),
            "energy_violation": violation_curves(series, "ev"),
            "force_violation": violation_curves(series, "fv"),
        }
    # A shuffled model was not trained: the errors of its training are those of another.
    log = {} if cell.model.control == SHUFFLED else _log(cell.train)
    return ModelReport(
        key=cell.model.name,
        architecture=_architecture(cell),
        locality=_locality(cell),
        facts=_facts(cell),
        accuracy=Accuracy(**cell.check.value) if cell.check.done else None,
        cost=_cost(cell, reference),
        temperature=[_temperature(k, r) for k, r in enumerate(cell.rollouts, 1) if r.done],
        energy_learning=_learning(log, "validation_energy_mae_mev_per_atom"),
        force_learning=_learning(log, "validation_forces_mae_mev_per_angstrom"),
        failures=_failures(cell),
        **found,
    )


def _architecture(cell: Cell) -> str:
    if cell.deploy.done:
        return str(cell.deploy.value["architecture"])
    from egraff_lmp.forcefields import force_field

    return force_field(cell.model.forcefield).architecture


def _locality(cell: Cell) -> str:
    if not cell.deploy.done:
        return "not deployed"
    value = cell.deploy.value
    if not value["exchange_widths"]:
        return f"strictly local, {value['n_layers']} layers, no exchange"
    widths = ", ".join(map(str, value["exchange_widths"]))
    return f"message passing, {value['n_layers']} layers, exchanges {widths} numbers per ghost atom"


def _facts(cell: Cell) -> list[tuple[str, str]]:
    facts = []
    if cell.deploy.done:
        value = cell.deploy.value
        facts += [
            ("parameters", number(int(value["n_parameters"]))),
            ("cutoff", f"{value['r_max']:g} Å"),
            ("precision", value["dtype"]),
            ("file", f"{cell.deploy.folder.name}/{cell.deploy.files['model'][0]}"),
            ("SHA-256 of the file", cell.deploy.sha256("model")),
        ]
    if cell.train.done:
        value = cell.train.value
        facts.append(
            (
                "training",
                f"{value['epochs']} epochs, best {value['best_epoch']}; ended because: "
                f"{value['stop']}",
            )
        )
    if cell.deploy.done:
        facts += [("cite", c["text"]) for c in cell.deploy.value["citations"]]
    return facts


def _cost(cell: Cell, reference: StageResult) -> Cost | None:
    if not cell.train.done:
        return None
    timed = [r.value for r in cell.rollouts if r.done and r.value["ms_per_step"] is not None]
    rows = [(v["ms_per_step"], v["n_steps"]) for v in timed]
    steps = sum(n for _, n in rows)
    per_step = sum(ms * n for ms, n in rows) / steps if steps else None
    atoms = int(reference.value["n_atoms"])
    settings = next(iter(cell.rollouts)).value if timed else {}
    return Cost(
        train_seconds=cell.train.value["wall_seconds"],
        epochs=cell.train.value["epochs"],
        ms_per_step=per_step,
        us_per_atom_step=None if per_step is None else 1000 * per_step / atoms,
        ranks=int(settings.get("ranks", 0)),
        threads=int(settings.get("threads", 0)),
        precision=cell.train.value["precision"],
        atoms=atoms,
        steps=steps or None,
    )


def _temperature(start: int, rollout: StageResult) -> Curve:
    columns = read_columns(rollout.path("thermo"), ["time_fs", "temperature_kelvin"])
    return thin(columns["time_fs"], columns["temperature_kelvin"], f"start {start}")


def _log(train: StageResult) -> dict[str, list[float]]:
    names = (
        "epoch",
        "validation_energy_mae_mev_per_atom",
        "validation_forces_mae_mev_per_angstrom",
    )
    return read_columns(train.path("log"), names) if train.done else {}


def _learning(log: Mapping[str, list[float]], name: str) -> list[Curve]:
    return [Curve("", log["epoch"], log[name])] if log.get(name) else []


def _failures(cell: Cell) -> list[Failure]:
    """Stages that failed, and rollouts that broke down; not those that merely wait for them."""
    failed = [Failure(s.name, s.reason) for s in cell.stages if s.state == FAILED]
    broken = [
        Failure(r.name, f"{r.value['reason']} after {r.value['n_steps']} steps")
        for r in cell.rollouts
        if r.done and r.value["status"] != "finished"
    ]
    return failed + broken


def _state(stage: StageResult) -> str:
    state = stage.state if stage.fresh else f"{stage.state} earlier"
    return state if stage.attempts < 2 else f"{state}, {stage.attempts} attempts"


def _provenance(
    config: BenchConfig, reference: StageResult, cells: Sequence[Cell]
) -> list[tuple[str, str]]:
    from egraff_lmp.runs.machine import hardware, versions

    machine = hardware()
    found = dict(versions())
    for cell in cells:
        if cell.deploy.done:
            found.update(cell.deploy.value["versions"])
    pairs = [
        ("written", datetime.now(timezone.utc).isoformat(timespec="seconds")),
        ("hardware", f"{machine['processor'] or machine['machine']}, {machine['cores']} cores"),
        ("system", str(machine["system"])),
        ("versions", ", ".join(f"{name} {found[name]}" for name in sorted(found, key=str.lower))),
        ("seed", str(config.seed)),
    ]
    if reference.done:
        pairs += [
            ("reference", str(reference.value["source"])),
            ("SHA-256 of its frames", str(reference.value["sha256"])),
            ("SHA-256 of the held-out part", reference.sha256("held_out")),
        ]
    return pairs
