"""From output folders of `egraff bench` to records: what is on disk, and nothing else.

Every system is read from the `bench.json` that its run wrote and from the scores that it names, so
that systems may be run in any order, by any number of jobs, and be looked at at any time.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase.data import chemical_symbols

from egraff_lmp.bench.config import BenchConfig, parse_config
from egraff_lmp.bench.folder import COPY, REPORT, SUMMARY
from egraff_lmp.bench.matrix import CellConfig, Matrix, load_matrix, yaml_text
from egraff_lmp.bench.model import UNTRAINED, Model
from egraff_lmp.bench.stage import StageResult
from egraff_lmp.data.arrays import load_first, load_npz, npz_names
from egraff_lmp.errors import EgraffError
from egraff_lmp.report.page import check_output, write_page
from egraff_lmp.results import record
from egraff_lmp.results.curves import read_columns, thin
from egraff_lmp.results.record import DONE, FAILED, NOT_RUN
from egraff_lmp.score import cost_scores
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.metric import Training
from egraff_lmp.score.records import Scores

# Columns of the log of a training: validation errors (MAE) in meV/atom and meV/A.
_LEARNING = ("validation_energy_mae_mev_per_atom", "validation_forces_mae_mev_per_angstrom")


def read_results(folder: str | Path) -> record.Results:
    """What is in the output folder of a matrix or of a single system.

    Raises:
        EgraffError: there is no such folder, or no results in it.
    """
    folder = Path(folder).absolute()
    if not folder.is_dir():
        raise EgraffError(f"{folder}: expected an output folder of `egraff bench`, found none.")
    if (folder / COPY).is_file():
        found = matrix_results(*load_matrix(str(folder / COPY)), folder)
    elif (folder / SUMMARY).is_file():
        found = _single(folder)
    else:
        raise EgraffError(
            f"{folder}: expected an output folder of `egraff bench` with {COPY} or {SUMMARY}, "
            "found neither: name the folder given to --out."
        )
    if not any(system.ran for system in found.systems):
        reasons = "; ".join(dict.fromkeys(t.reason for _, one in found for t in one.troubles))
        raise EgraffError(
            f"{folder}: expected results, no cell has any ({reasons}): run `egraff bench` first."
        )
    return found


def matrix_results(
    matrix: Matrix,
    cells: Sequence[CellConfig],
    folder: Path,
    refused: Mapping[str, str] | None = None,
) -> record.Results:
    """Whatever there is of a matrix; cell NAME lies in folder/NAME.

    `refused` are cells that could not even begin, with the reason.
    """
    systems = (_system(c, folder / c.name, (refused or {}).get(c.name)) for c in cells)
    return _results(matrix, systems, yaml_text(matrix), folder, matrix.remarks)


def _single(folder: Path) -> record.Results:
    try:
        raw = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EgraffError(
            f"{folder / SUMMARY}: expected the record of a run, got {error!r}: run `egraff bench` "
            "again."
        ) from None
    config = parse_config(raw, str(folder / SUMMARY))
    system = _system(CellConfig(folder.name, config.name, config), folder)
    return _results(config, [system], yaml_text(raw), folder)


def _results(
    asked: Matrix | BenchConfig,
    systems: Iterable[record.System],
    config: str,
    folder: Path,
    remarks: tuple[str, ...] = (),
) -> record.Results:
    models = tuple(map(_model_of, asked.models))
    return record.Results(asked.name, asked.title, str(asked.seed), models, tuple(systems),
                          remarks, config, folder)  # fmt: skip


def merge(runs: Sequence[record.Results]) -> record.Results:
    """Several benchmarks as one; a system that several of them list has the results of one.

    Raises:
        EgraffError: two have different results of a system, or give one name to two models.
    """
    models: dict[str, record.Model] = {}
    systems: dict[str, tuple[record.System, Path]] = {}
    for run in runs:
        for model in run.models:
            if models.setdefault(model.name, model) != model:
                raise EgraffError(
                    f"{run.folder}: expected model {model.name} to be that of the runs before it, "
                    "got other settings: report them apart, or rename one."
                )
        for system in run.systems:
            old, folder = systems.setdefault(system.name, (system, run.folder))
            if not old.ran:
                systems[system.name] = system, run.folder
            elif system.ran and _results_of(old) != _results_of(system):
                raise EgraffError(
                    f"expected cell {system.name} to have results in one folder, or the same in "
                    f"all, got different ones in {folder} and {run.folder}: leave one out."
                )
    return record.Results(
        name="+".join(dict.fromkeys(run.name for run in runs)),
        title=" + ".join(dict.fromkeys(run.title for run in runs)),
        seed=", ".join(dict.fromkeys(run.seed for run in runs)),
        models=tuple(models.values()),
        systems=tuple(system for system, _ in systems.values()),
        remarks=tuple(dict.fromkeys(sentence for run in runs for sentence in run.remarks)),
        config="---\n".join(dict.fromkeys(run.config for run in runs)),
        folder=runs[0].folder,
    )


def _results_of(system: record.System) -> list[tuple[Any, ...]]:
    """What two folders with the same results have in common; where they lie does not matter."""
    return [(one.model, one.state, one.troubles, one.values) for one in system.models]


def _system(cell: CellConfig, folder: Path, refused: str | None = None) -> record.System:
    config = cell.config
    raw, reason = _read(config, folder)
    stages = {stage.name: stage for stage in raw.get("stages", ())}
    state = NOT_RUN
    if refused is not None:
        raw, reason, state = {}, refused, FAILED
    trouble = (record.Trouble("", reason),)
    plain = config.model_dump(mode="json")
    return record.System(
        name=cell.name,
        system=cell.system,
        temperature_kelvin=config.temperature_kelvin,
        # Dumps leave out what came later and has its default.
        settings={**plain, "rollout": dict(config.rollout), "scoring": dict(config.scoring)},
        time_series=config.time_series,
        steps=config.steps,
        dump_every=config.dump_every,
        reference=_reference(stages.get("reference")),
        models=tuple(
            _model_result(config, model, stages)
            if raw
            else record.ModelResult(_model_of(model), state, trouble)
            for model in config.models
        ),
        paper=cell.paper,
        stages=tuple(
            record.Stage(s.name, s.state, s.seconds, s.key, s.attempts, s.fresh)
            for s in stages.values()
        ),
        machine=raw.get("machine", {}),
        page=folder / REPORT if raw and (folder / REPORT).is_file() else None,
    )


def _read(config: BenchConfig, folder: Path) -> tuple[dict[str, Any], str]:
    """`bench.json`, or nothing and why its results are not those of this configuration."""
    try:
        raw = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
        same = raw["config"] == json.loads(config.model_dump_json())
        raw["stages"] = [StageResult.from_dict(stage, folder) for stage in raw["stages"]]
    except FileNotFoundError:
        return {}, "not run yet, or not to its end"
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return {}, f"{SUMMARY} cannot be read: {error}"
    return (raw, "") if same else ({}, "run with other settings; not yet with these")


def _reference(stage: StageResult | None) -> record.Reference:
    if stage is None or not stage.done:
        return record.Reference(reason="" if stage is None else stage.reason)
    value = stage.value
    return record.Reference(
        species=value["species"],
        periodic=value.get("periodic", True),
        frames=value["n_frames"],
        trained_on=value["parts"].get("train", 0),
        left_out=value.get("left_out", 0),
        origin=str(value["source"]),
        sha256=str(value["sha256"]),
        held_out_sha256=stage.files["held_out"][1],
        first=_snapshot(stage.path("held_out"), value.get("periodic", True)),
    )


def _snapshot(path: Path, periodic: bool) -> record.Snapshot | None:
    """The first frame of an archive that a stage wrote, None where it cannot be read."""
    try:
        numbers = load_npz(path, ("atomic_numbers",))["atomic_numbers"]
        positions = load_first(path, "pos")
        cell = load_first(path, "cell")
        forces = load_first(path, "forces") if "forces" in npz_names(path) else None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, EgraffError):
        return None
    own = numbers.reshape(-1, len(positions))[0]
    return record.Snapshot(
        species=tuple(chemical_symbols[number] for number in own),
        positions=positions.tolist(),
        cell=(cell if periodic else np.zeros((3, 3))).tolist(),
        forces=None if forces is None else forces.tolist(),
    )


def _model_of(model: Model) -> record.Model:
    """A model of a configuration as a record."""
    asked = {"preset", "settings", "training"}
    if model.ready is not None:
        asked = {"checkpoint" if model.checkpoint else "deployed"}
    plain = model.model_dump(mode="json", include=asked)
    control = None
    if model.control is not None:
        control = record.NegativeControl(model.control, model.of, model.strength)
    return record.Model(model.name, model.forcefield, control, plain)


def _model_result(
    config: BenchConfig, model: Model, stages: Mapping[str, StageResult]
) -> record.ModelResult:
    """What a model gave, whatever part of its stages has results."""
    names = ("reference", *config.stages_of(model))
    begun = {name: stages[name] for name in names if name in stages}
    done = {name: stage for name, stage in begun.items() if stage.done}
    reference, train, deploy, check, score = (done.get(names[k]) for k in (0, 1, 2, 3, -1))
    starts = enumerate(names[4 : 4 + len(config.rollout.starts)], 1)
    rollouts = {number: done[name] for number, name in starts if name in done}
    troubles = []
    for stage in begun.values():  # what was only blocked is no trouble of its own
        value = stage.value
        if stage.state == FAILED:
            troubles.append(record.Trouble(stage.name, stage.reason))
        elif value.get("status", "finished") != "finished":
            troubles.append(record.Trouble(stage.name, value["reason"], value["n_steps"]))
    scores = None
    if score is not None:
        path = score.path("scores")
        try:
            scores = Scores.from_json(path.read_text(encoding="utf-8"), path.name)
        except EgraffError as error:
            troubles.append(record.Trouble(score.name, str(error)))
        except (OSError, ValueError) as error:
            troubles.append(record.Trouble(score.name, f"{path.name} cannot be read: {error}"))
    # A model that was not trained itself: time and errors of its training are those of another.
    known = _known(train)
    own = None if model.control in UNTRAINED else known
    spent = None if own is None else Training(own.value["wall_seconds"], own.value["epochs"])
    costs = _costs(config, int(reference.value["n_atoms"]) if reference else 0, train, rollouts)
    return record.ModelResult(
        model=_model_of(model),
        state=DONE if scores is not None and scores.scores and rollouts else FAILED,
        troubles=tuple(troubles),
        scores=scores,
        costs=cost_scores(costs, spent),
        card=None if deploy is None else _card(deploy),
        training=None if known is None else _training(known, own),
        seen_unknown=check is not None and bool(check.value.get("seen_unknown")),
        rollouts=tuple(_rollout(config, number, stage) for number, stage in rollouts.items()),
        equivariance=_equivariance(check),
    )


def _known(train: StageResult | None) -> StageResult | None:
    """A training, unless it is that of a deployed file which says nothing of it."""
    return train if train is not None and "epochs" in train.value else None


def _equivariance(check: StageResult | None) -> record.Equivariance | None:
    """What an earlier check did not measure is not known."""
    found = None if check is None else check.value.get("equivariance")
    return None if found is None else record.Equivariance(**found)


def _costs(
    config: BenchConfig, atoms: int, train: StageResult | None, rollouts: Mapping[int, StageResult]
) -> list[Cost]:
    return [
        Cost(
            n_steps=value["n_steps"],
            n_atoms=atoms,
            wall_seconds=1e-3 * value["ms_per_step"] * value["n_steps"],
            timestep_fs=config.rollout.timestep_fs,
            hardware=value.get("hardware") or "not recorded",
            ranks=value["ranks"],
            threads=value.get("threads", 1),
            precision=str(train.value.get("precision", "")) if train is not None else "",
        )
        for value in (rollout.value for rollout in rollouts.values())
        if value["ms_per_step"] and value["n_steps"]
    ]


def _card(deploy: StageResult) -> record.Card:
    value = deploy.value
    file, digest = deploy.files["model"]
    return record.Card(
        architecture=value["architecture"],
        parameters=int(value["n_parameters"]),
        r_max=value["r_max"],
        precision=value["dtype"],
        layers=value["n_layers"],
        exchange_widths=tuple(value["exchange_widths"]),
        file=file,
        sha256=digest,
        citations=tuple(citation["text"] for citation in value["citations"]),
    )


def _training(train: StageResult, own: StageResult | None) -> record.Training:
    value = train.value
    has_log = own is not None and "log" in own.files
    curves = read_columns(own.path("log"), "epoch", *_LEARNING) if own and has_log else ()
    energy, force = curves or (None, None)
    return record.Training(
        value["epochs"], value["best_epoch"], value["stop"], value["wall_seconds"], energy, force
    )


def _rollout(config: BenchConfig, number: int, stage: StageResult) -> record.Rollout:
    curves = read_columns(stage.path("thermo"), "time_fs", "temperature_kelvin")
    lasted = stage.value["n_steps"] * config.rollout.timestep_fs
    return record.Rollout(number, lasted, thin(curves[0]) if curves else None)


def write_report(folders: Sequence[str | Path], output: str | Path) -> Path:
    """One page of several output folders, with figures, scores.json and scores.csv beside it.

    Args:
        folders: of matrices or of single systems.
        output: the page; figures and tables go to STEM-files beside it.

    Raises:
        EgraffError: a folder is missing or holds no results, two hold different results of one
            system, or the output cannot be written.
    """
    output = Path(output).absolute()
    check_output(output)
    runs = [read_results(folder) for folder in dict.fromkeys(Path(f).absolute() for f in folders)]
    return write_page(merge(runs), output, tables=output.with_name(f"{output.stem}-files"))
