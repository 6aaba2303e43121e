"""What each stage does: small functions from a folder to an `Outcome`.

Paths inside the folder of the run are relative to it wherever they enter an input hash or another
program's record, so that a whole run can be moved.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import units
from numpy.typing import NDArray

from egraff_lmp.bench.config import BenchConfig, Classical
from egraff_lmp.bench.equivariance import equivariance
from egraff_lmp.bench.frames import (
    archive,
    crystal,
    held_out,
    judged,
    parts_of,
    read_ab_initio,
    rollout_of,
    write_npz,
)
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.stage import Outcome, StageResult
from egraff_lmp.contract import Contract, read_contract
from egraff_lmp.data import Frames
from egraff_lmp.data.lammps_log import read_lammps_log
from egraff_lmp.data.split import frame_hashes
from egraff_lmp.data.table import read_source
from egraff_lmp.data.velocities import recovered_velocities
from egraff_lmp.errors import EgraffError, NotEqualError
from egraff_lmp.fileio import atomic_path, write_text
from egraff_lmp.references.oracle import ask
from egraff_lmp.results.record import FEWER_FRAMES, NOISE, SHUFFLED, Equivariance
from egraff_lmp.rollout import RolloutResult, classical, make_config, rerun, run_rollout
from egraff_lmp.runs.machine import machine_words
from egraff_lmp.score.committee import committee_mean, disagreement
from egraff_lmp.score.metric import Rerun
from egraff_lmp.score.options import EGRAFF, LEAVE_OUT
from egraff_lmp.score.records import RERUN_COMMITTEE, RERUN_ORACLE, RERUN_REFERENCE, Judge
from egraff_lmp.score.score import score_trajectory

FRAMES = "frames"
BEFORE = "trained before the benchmark"  # why the training of such a model ended
_OF_TRAINING = ("best_epoch", "epochs", "wall_seconds")
# Errors on held-out frames by their names in the record of a check, and in the table of metrics.
ERRORS = {
    "energy_mae_mev_per_atom": "energy_mae",
    "energy_rmse_mev_per_atom": "energy_rmse",
    "force_mae_mev_per_angstrom": "force_mae",
    "force_rmse_mev_per_angstrom": "force_rmse",
    "force_scale_mev_per_angstrom": "force_rms_reference",
}

# Told of (steps done, steps in all) while LAMMPS runs.
Progress = Callable[[int, int], None]


def make_reference(config: BenchConfig, progress: Progress | None, folder: Path) -> Outcome:
    """Read or make the reference, and write it and its parts as archives."""
    settings = config.reference
    extra: dict[str, Any] = {}
    if isinstance(settings, Classical):
        frames, extra = _simulate(config, settings, progress, folder)
    else:
        frames = read_ab_initio(settings)
    parts, names, left_out = parts_of(frames, config)
    if left_out:
        extra["left_out"] = left_out
    files = {}
    for name, part in {FRAMES: frames, **parts}.items():
        files[name] = folder / f"{name}.npz"
        write_npz(part, files[name])
    value = {
        "source": frames.source,
        "n_frames": len(frames),
        "n_atoms": frames.n_atoms,
        "species": {s: frames.species.count(s) for s in sorted(set(frames.species))},
        "cell": frames.cell[0].tolist(),
        "periodic": all(frames.pbc),
        "parts": {name: sum(len(parts[f]) for f in files) for name, files in names.items()},
        "part_files": names,
        "sha256": frames.sha256(),
        **extra,
    }
    return Outcome(value, files)


def _simulate(
    config: BenchConfig, settings: Classical, progress: Progress | None, folder: Path
) -> tuple[Frames, dict[str, Any]]:
    """The classical reference by the same deck and thermostat as the rollouts."""
    start = folder / "crystal.npz"
    write_npz(crystal(settings), start)
    skipped = round(1000 * settings.equilibration_ps / settings.stride_fs)
    kept = round(1000 * settings.length_ps / settings.stride_fs)
    every = round(settings.stride_fs / settings.timestep_fs)
    result = _run_lammps(
        config,
        progress,
        folder,
        structure=str(start.name),
        base=folder,
        pair=settings.pair_style,
        coeff=settings.coefficients,
        elements=settings.species,
        timestep_fs=settings.timestep_fs,
        n_steps=(skipped + kept) * every,
        dump_every=every,
        seed=config.seed,
        ranks=1,
    )
    if result.status != "finished":
        raise EgraffError(f"the reference broke down: {result.reason}")
    frames = result.frames().select(slice(skipped + 1, skipped + 1 + kept))
    return frames, {"seed": config.seed, "steps": result.n_steps}


def _run_lammps(
    config: BenchConfig, progress: Progress | None, folder: Path, **settings: Any
) -> RolloutResult:
    """A rollout at the temperature and on the hardware of the bench; `settings` come first."""
    common = {
        "ensemble": "nvt",
        "launcher": config.rollout.launcher,
        "temperature_kelvin": config.temperature_kelvin,
        "damping_fs": config.rollout.damping_fs,
        "out_dir": (folder / "run").absolute(),
        **config.rollout.machine,
    }
    return run_rollout(make_config({**common, **settings}, "rollout"), progress)


def train_model(
    config: BenchConfig, model: Model, reference: StageResult, trust: bool, folder: Path
) -> Outcome:
    """Train one model; a killed training goes on from its last epoch.

    `trust` opens a `start_from` that runs code when it is opened.
    """
    from egraff_lmp.train.run import train  # torch: seconds, for a training alone

    parts = {
        part: [path for path, _ in part_files(reference, part)] for part in ("train", "validation")
    }
    if model.control == FEWER_FRAMES and model.strength is not None:
        parts["train"] = some_of(parts["train"], model.strength, reference.folder, folder)
    settings = config.train_settings(model, parts["train"], parts["validation"])
    result = train(settings, folder / "training", base=reference.folder, trust=trust)
    value = {
        "best_epoch": result.best_epoch,
        "epochs": result.epochs,
        "validation": dict(result.validation),
        "wall_seconds": result.wall_seconds,
        "stop": result.stop,
        "precision": settings.dtype,
    }
    return Outcome(value, {"checkpoint": result.checkpoint, "log": result.log})


def _copy(path: Path, target: Path) -> None:
    with atomic_path(target) as temporary:
        shutil.copyfile(path, temporary)


def take_checkpoint(model: Model, path: Path, folder: Path) -> Outcome:
    """A model that was trained before: its checkpoint, and the curve of its training."""
    from egraff_lmp.train.finished import read_finished  # torch: seconds, for such a model alone

    found = read_finished(path)
    if found.forcefield != model.forcefield:
        raise EgraffError(
            f"{path}: expected a checkpoint of {model.forcefield}, as model {model.name} says, got "
            f"one of {found.forcefield}: correct forcefield or checkpoint."
        )
    value = {
        "best_epoch": found.best_epoch,
        "epochs": found.epochs,
        "validation": dict(found.validation),
        "wall_seconds": found.wall_seconds,
        "stop": BEFORE,
        "precision": found.dtype,
    }
    copy, log = folder / "model.ckpt", folder / "log.csv"
    _copy(path, copy)
    write_text(log, found.log)
    return Outcome(value, {"checkpoint": copy, "log": log})


def take_deployed(model: Model, path: Path, folder: Path) -> Outcome:
    """A deployed file as it is: a copy, and what its contract says of its training."""
    contract = read_contract(path)
    if contract.forcefield != model.forcefield:
        raise EgraffError(
            f"{path}: expected a deployed {model.forcefield}, as model {model.name} says, got "
            f"{contract.forcefield}: correct forcefield or deployed."
        )
    value = {"stop": BEFORE, "precision": contract.dtype}
    training = contract.provenance.get("training", {})
    value |= {key: training[key] for key in _OF_TRAINING if key in training}
    copy = folder / "model.pt"
    _copy(path, copy)
    return Outcome(value, {"checkpoint": copy})


def some_of(paths: Sequence[str], part: float, base: Path, folder: Path) -> list[str]:
    """Archives of a part of the frames of others, evenly chosen, at least one of each.

    Args:
        paths: of the archives, relative to `base`.
        part: of the frames, below 1.
        base: folder that paths start from, also of those that are returned.
        folder: where the new archives go.
    """
    found = []
    for path in paths:
        frames = archive(base / path, None)
        number = max(1, round(part * len(frames)))
        chosen = frames.select(np.arange(number) * len(frames) // number)
        write_npz(chosen, folder / Path(path).name)
        found.append(os.path.relpath(folder / Path(path).name, base))
    return found


def part_files(reference: StageResult, part: str) -> list[tuple[str, str]]:
    """Paths in the reference's folder and hashes of a part's files, one for each source."""
    names = reference.value.get("part_files", {}).get(part, [part])
    return [reference.files[name] for name in names] if reference.done else []


def deploy_model(model: Model, trained: StageResult, seed: int, folder: Path) -> Outcome:
    """Turn the best checkpoint into a deployed file; `seed` is of what a control has random."""
    from egraff_lmp.train.deploy import deploy  # torch: seconds, for a deployment alone
    from egraff_lmp.train.noise import WeightNoise

    path = folder / f"{model.name}.pt"
    if model.deployed is not None:
        _copy(trained.path("checkpoint"), path)
        return Outcome(_card(model, read_contract(path)), {"model": path})
    noise = None
    if model.control == NOISE and model.strength is not None:
        noise = WeightNoise(model.strength, seed)
    make = partial(
        deploy,
        trained.path("checkpoint"),
        path,
        shuffle_seed=seed if model.control == SHUFFLED else None,
        noise=noise,
    )
    try:
        contract = make()
    except NotEqualError:
        if model.control is None:
            raise
        # Weights that were made wrong may carry float32's rounding on beyond any bound.
        contract = make(kernels=False)
    return Outcome(_card(model, contract), {"model": path})


def _card(model: Model, contract: Contract) -> dict[str, Any]:
    """What a page says of a deployed file."""
    strength = "" if model.strength is None else f", {model.strength:g}"
    control = "" if model.control is None else f" ({model.control} control{strength})"
    return {
        "architecture": contract.architecture + control,
        "r_max": contract.r_max,
        "n_layers": contract.n_layers,
        "exchange_widths": list(contract.exchange_widths),
        "n_parameters": contract.n_parameters,
        "dtype": contract.dtype,
        "versions": dict(contract.versions),
        "citations": [asdict(citation) for citation in contract.citations],
    }


def run_start(
    config: BenchConfig,
    number: int,
    deployed: StageResult,
    reference: StageResult,
    progress: Progress | None,
    folder: Path,
) -> Outcome:
    """One rollout from one held-out frame; a breakdown is a result with what there was of it."""
    result = _run_lammps(
        config,
        progress,
        folder,
        **start_of(config, number, reference, folder),
        model=deployed.path("model").absolute(),
        ensemble=config.rollout.ensemble,
        timestep_fs=config.rollout.timestep_fs,
        n_steps=config.steps,
        dump_every=config.dump_every,
        seed=config.seed + number,
        guard=False,  # how long and how a model goes wrong is what is measured
    )
    value = {
        "status": result.status,
        "reason": result.reason,
        "n_steps": result.n_steps,
        "seed": config.seed + number,
        "frame": config.rollout.starts[number],
        "ranks": config.rollout.ranks,
        "threads": config.rollout.threads,
        "hardware": machine_words(config.rollout.device),
        "wall_seconds": result.wall_seconds,
        "ms_per_step": ms_per_step(result.out_dir),
    }
    return Outcome(value, {"trajectory": result.trajectory, "thermo": result.thermo})


def ms_per_step(folder: Path) -> float | None:
    """Milliseconds a step over all logs of a rollout; None if no run in them ended.

    The loop time leaves out reading, set-up and the first evaluation.
    """
    log = read_lammps_log(*sorted(folder.glob("log.*.lammps")))
    return 1000 * log.seconds / log.n_steps if log.n_steps else None


def start_of(
    config: BenchConfig, number: int, reference: StageResult, folder: Path
) -> dict[str, Any]:
    """The settings of a rollout that say where it starts; with velocities in a file of its own."""
    frame = config.rollout.starts[number]
    if config.rollout.velocities != "recovered":
        base = reference.folder.absolute()
        return {"structure": reference.files[FRAMES][0], "base": base, "frame": frame}
    frames = archive(reference.path(FRAMES), config.stride_fs)
    velocities = recovered_velocities(frames, frame)
    atoms = ase.Atoms(
        frames.species, frames.positions[frame], cell=frames.cell[frame], pbc=frames.pbc
    )
    atoms.set_velocities(velocities / units.fs)
    path = (folder / "start.extxyz").absolute()
    ase.io.write(path, atoms)
    return {"structure": path.name, "base": path.parent, "frame": 0, "velocities": "keep"}


def check_model(
    config: BenchConfig,
    deployed: StageResult,
    reference: StageResult,
    before: Path | None,
    folder: Path,
) -> Outcome:
    """The model on held-out reference frames, through LAMMPS `rerun`.

    `before` is the file of a model which was trained elsewhere: what it has seen is left out.
    """
    truth = held_out(config, reference)
    chosen = None if before is None else _unseen(truth, before)
    truth = _checked(config, truth, chosen)
    seen = _on_frames(config, deployed, truth, folder / "rerun")
    found = score_trajectory(truth, [], reruns={RERUN_REFERENCE: Rerun(truth, seen)}, mode=EGRAFF)
    errors = {name: found.find(key).value for name, key in ERRORS.items()}
    value: dict[str, Any] = {**errors, "frames": len(truth)}
    turned = _equivariance(deployed.path("model"), truth)
    if np.isfinite([turned.rotation, turned.inversion, turned.rms_force]).all():
        value["equivariance"] = asdict(turned)
    if chosen is not None:
        value["unseen"] = chosen
    elif before is not None:
        value["seen_unknown"] = True
    return _archived("rerun", seen, folder, value)


def _equivariance(model: Path, frames: Frames) -> Equivariance:
    """Of a deployed file, on the first of some frames."""
    from egraff_lmp.deployed import DeployedModel  # torch: seconds, for a model alone

    deployed = DeployedModel(model)

    def forces(positions: NDArray[np.float64], cell: NDArray[np.float64]) -> NDArray[np.float64]:
        return deployed.evaluate(frames.species, positions, cell, frames.pbc).forces

    return equivariance(forces, frames.positions[0], frames.cell[0])


def _unseen(truth: Frames, path: Path) -> list[int] | None:
    """Numbers of the held-out frames that a model was not trained on; None if its file is silent.

    Args:
        truth: the held-out frames.
        path: a checkpoint or a deployed file.
    """
    from egraff_lmp.train import finished  # torch: seconds, for such a model alone

    deployed = path.suffix == ".pt"
    seen = finished.seen_by_deployed(path) if deployed else finished.seen_frames(path)
    if seen is None:
        return None
    found = [k for k, value in enumerate(frame_hashes(truth)) if value not in seen]
    if not found:
        raise EgraffError(
            "expected held-out frames that the model has not seen, it was trained on all of them: "
            "its errors there would say nothing; choose another held-out part."
        )
    return found


def _checked(config: BenchConfig, truth: Frames, unseen: Sequence[int] | None) -> Frames:
    """The held-out frames that a model is evaluated on; of a model trained here, all are unseen."""
    every = slice(None, None, config.scoring.rerun_every)
    return truth.select(every if unseen is None else np.array(unseen[every], dtype=np.int64))


def _on_frames(config: BenchConfig, deployed: StageResult, frames: Frames, folder: Path) -> Frames:
    """A deployed model's energies and forces on frames, through LAMMPS `rerun`."""
    settings = config.rollout
    path = deployed.path("model")
    return rerun(path, frames, folder, **settings.machine, launcher=settings.launcher)


def ask_oracle(config: BenchConfig, rollouts: Sequence[StageResult], folder: Path) -> Outcome:
    """The reference force field on the rollouts' own frames."""
    settings = config.reference
    frames, _ = judged(config, [rollout_of(config, one).frames for one in rollouts])
    if not isinstance(settings, Classical):
        if settings.oracle is None:
            raise EgraffError(
                "expected a reference that can be evaluated, got ab-initio frames without an "
                "oracle."
            )
        seen = ask(settings.oracle, frames, folder / "rerun")
        return _archived("oracle", seen, folder, {"n_frames": len(seen)})
    seen = rerun(
        classical(settings.pair_style, settings.coefficients),
        frames,
        folder / "rerun",
        elements=settings.species,
        launcher=config.rollout.launcher,
    )
    return _archived("oracle", seen, folder, {"n_frames": len(seen)})


def ask_committee(
    config: BenchConfig,
    members: Mapping[str, StageResult],
    rollouts: Sequence[StageResult],
    folder: Path,
) -> Outcome:
    """The mean of other models on the rollouts' own frames, through LAMMPS `rerun`."""
    frames, _ = judged(config, [rollout_of(config, one).frames for one in rollouts])
    seen = [_on_frames(config, one, frames, folder / name) for name, one in members.items()]
    value = {"n_frames": len(frames), "members": list(members), "disagreement": disagreement(seen)}
    return _archived("oracle", committee_mean(seen), folder, value)


def _archived(name: str, frames: Frames, folder: Path, value: Mapping[str, Any]) -> Outcome:
    path = folder / f"{name}.npz"
    write_npz(frames, path)
    return Outcome(value, {name: path})


def score_model(
    config: BenchConfig,
    reference: StageResult,
    checked: StageResult,
    rollouts: Sequence[StageResult],
    oracle: StageResult | None,
    folder: Path,
) -> Outcome:
    """All scores of one model as `scores.json`; without a rollout, those of held-out frames."""
    truth = held_out(config, reference)
    ran = [rollout_of(config, result) for result in rollouts]
    trajectories = [one.frames for one in ran]
    reruns = _reruns(config, truth, checked, trajectories, oracle)
    first = config.split.held_out.first
    starts = tuple(result.value["frame"] - first for result in rollouts)
    scores = score_trajectory(
        truth,
        ran,
        reruns=reruns,
        mode="both",
        r_max=config.scoring.r_max_angstrom,
        bin_width=config.scoring.bin_width_angstrom,
        skip=round(config.scoring.skip_fs / config.stride_fs),
        starts=starts if config.time_series else (),
        seed=config.seed,
        temperature_kelvin=config.temperature_kelvin,
        temperature_bounds=config.scoring.temperature_bounds,
        time_series=config.time_series,
        short=LEAVE_OUT,
        n_asked=len(config.rollout.starts),
    )
    path = folder / "scores.json"
    write_text(path, scores.to_json() + "\n")
    lengths = [len(frames) for frames in trajectories]
    scored = [number for number in range(len(ran)) if number not in scores.left_out]
    return Outcome({"lengths": lengths, "scored": scored}, {"scores": path})


def _reruns(
    config: BenchConfig,
    truth: Frames,
    checked: StageResult,
    trajectories: Sequence[Frames],
    oracle: StageResult | None,
) -> dict[str, Rerun]:
    """What was evaluated on held-out frames, and on the rollouts' own, as far as it was."""
    reruns = {}
    if checked.done:
        some = _checked(config, truth, checked.value.get("unseen"))
        reruns[RERUN_REFERENCE] = Rerun(some, archive(checked.path("rerun"), some.timestep_fs))
    if oracle is not None and oracle.done:
        model, lengths = judged(config, trajectories)
        asked = archive(oracle.path("oracle"), model.timestep_fs)
        members = oracle.value.get("members")
        judge = Judge(tuple(members), oracle.value["disagreement"]) if members else None
        reruns[RERUN_COMMITTEE if members else RERUN_ORACLE] = Rerun(asked, model, judge, lengths)
    return reruns


def potential_inputs(config: BenchConfig) -> Mapping[str, Any]:
    """What decides the reference: its settings, and the content of the files that they name."""
    settings = config.reference
    value: dict[str, Any] = settings.model_dump(mode="json")
    if isinstance(settings, Classical):
        potential = classical(settings.pair_style, settings.coefficients)
        value |= {
            "potential_sha256": potential.sha256,
            "temperature_kelvin": config.temperature_kelvin,
            "damping_fs": config.rollout.damping_fs,
            "seed": config.seed,
        }
    else:
        value["sources_sha256"] = read_ab_initio(settings).sha256()
    elsewhere = dict.fromkeys(source for _, part in config.split.given for source in part.sources)
    if elsewhere:
        value["split_sha256"] = {source: read_source(source).sha256() for source in elsewhere}
    return value
