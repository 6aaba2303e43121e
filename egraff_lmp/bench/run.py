"""The chain of `egraff bench`: which stages there are, on what each depends, in which order.

    reference -> train -> deploy -> check   (the model on held-out frames)
                                 -> rollout (one per start) -> oracle -> score -> page

What a stage does is in `work`; every stage is done once (see `stage`). The page is made anew each
time, of what `gather` reads from the folder.
Training and deployment may lie in a folder that several runs share; see `run_bench`.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

from egraff_lmp import __version__
from egraff_lmp.bench import work
from egraff_lmp.bench.config import BenchConfig, Classical
from egraff_lmp.bench.folder import REPORT, SUMMARY
from egraff_lmp.bench.gather import read_results
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.stage import Stage, StageResult, run_stage, stage_key
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import write_json
from egraff_lmp.locking import locked
from egraff_lmp.report.page import write_page
from egraff_lmp.results.record import SHUFFLED
from egraff_lmp.runs.machine import hardware, versions
from egraff_lmp.score.records import SCHEMA
from egraff_lmp.score.words import counted

WAIT = math.inf  # for another run that trains the same model
SHARED_DIGITS = 16  # of the hash that names a folder of shared models

# Called with (number of the stage, stages in all, its title).
Begin = Callable[[int, int, str], None]
# Called with (number of the stage, stages in all, its result).
End = Callable[[int, int, StageResult], None]


@dataclass(frozen=True)
class Simulated:
    """What one model gave up to its rollouts."""

    model: Model
    train: StageResult
    deploy: StageResult
    check: StageResult
    rollouts: tuple[StageResult, ...]


@dataclass(frozen=True)
class ModelRun(Simulated):
    """All stages of one model."""

    oracle: StageResult | None
    score: StageResult

    @property
    def stages(self) -> tuple[StageResult, ...]:
        """The results in the order of the chain; a training belongs to the model of its name."""
        oracle = () if self.oracle is None else (self.oracle,)
        train = () if self.model.control == SHUFFLED else (self.train,)
        return (*train, self.deploy, self.check, *self.rollouts, *oracle, self.score)


@dataclass(frozen=True)
class BenchResult:
    """What a run gave.

    Attributes:
        report: the HTML page.
        reference: result of the reference stage.
        models: the stages of each; empty where the reference failed.
    """

    report: Path
    reference: StageResult
    models: tuple[ModelRun, ...]

    @property
    def stages(self) -> tuple[StageResult, ...]:
        """All results in the order of the chain."""
        return (self.reference, *(result for one in self.models for result in one.stages))

    @property
    def complete(self) -> bool:
        """Whether every stage has its result and every rollout but a control's reached its end."""
        return all(result.done for result in self.stages) and all(
            rollout.value["status"] == "finished"
            for one in self.models
            if one.model.control is None
            for rollout in one.rollouts
        )


@dataclass
class _Runner:
    """Runs stages one after the other and tells of them."""

    out: Path
    models: Path | None
    total: int
    begin: Begin | None
    end: End | None
    progress: work.Progress | None
    number: int = field(default=0)

    def __call__(
        self,
        name: str,
        title: str,
        inputs: Mapping[str, Any],
        do: Callable[[Path], work.Outcome],
        *needs: StageResult,
        out: Path | None = None,
    ) -> StageResult:
        self.number += 1
        if self.begin is not None:
            self.begin(self.number, self.total, title)
        stage = Stage(name, title, {"egraff_lmp": __version__, **inputs}, do, needs)
        if out is None:
            result = run_stage(stage, self.out)
        else:
            with locked(out, WAIT):
                result = run_stage(stage, out)
        if self.end is not None:
            self.end(self.number, self.total, result)
        return result

    def shared(self, name: str, inputs: Mapping[str, Any]) -> Path | None:
        """Folder for stages that other runs may need too, named after what decides the first."""
        if self.models is None:
            return None
        key = stage_key(name, {"egraff_lmp": __version__, **inputs})
        folder = self.models / key[:SHARED_DIGITS]
        folder.mkdir(parents=True, exist_ok=True)
        return folder


def run_bench(
    config: BenchConfig,
    out: str | Path,
    begin: Begin | None = None,
    end: End | None = None,
    progress: work.Progress | None = None,
    models: str | Path | None = None,
) -> BenchResult:
    """Run, or go on with, the whole chain and write `report.html` and `bench.json` into `out`.

    A stage that fails is part of the result; those that do not depend on it go on.

    Args:
        config: what to do.
        out: folder of the results; one run at a time may write into it.
        begin: told of each stage before it begins.
        end: told of each stage's result.
        progress: told of (steps done, steps in all) while LAMMPS runs.
        models: folder of trained models that several runs share: a model with the same settings
            and the same frames is trained once, and who comes while another run trains it waits.
            None keeps them in `out`.

    Raises:
        EgraffError: another run writes into `out`, or it holds foreign files.
    """
    out = Path(out).absolute()
    if out.exists() and not out.is_dir():
        raise EgraffError(f"{out}: expected a folder for the results, got a file: choose another.")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        oracles = isinstance(config.reference, Classical) or config.scoring.committee_every
        per_model = 4 + len(config.rollout.starts) + (1 if oracles else 0)
        untrained = sum(model.control == SHUFFLED for model in config.models)
        total = 1 + per_model * len(config.models) - untrained
        shared = None if models is None else Path(models).absolute()
        run = _Runner(out, shared, total, begin, end, progress)
        reference = run(
            "reference",
            "reference trajectory",
            {"reference": work.potential_inputs(config), "split": config.split.model_dump()},
            partial(work.make_reference, config, progress),
        )
        trained: dict[str, _Trained] = {}
        simulated = (_simulate(config, model, reference, trained, run) for model in config.models)
        if config.scoring.committee_every is None:
            models_run = tuple(_judge(config, one, (), reference, run) for one in simulated)
        else:  # models that judge each other have to be there first
            everyone = tuple(simulated)
            models_run = tuple(_judge(config, one, everyone, reference, run) for one in everyone)
        result = BenchResult(out / REPORT, reference, models_run)
        _write(config, result, out)
    return result


@dataclass(frozen=True)
class _Trained:
    """A training and the folder that it shares with other runs, if it does."""

    result: StageResult
    shared: Path | None


def _train(config: BenchConfig, model: Model, reference: StageResult, run: _Runner) -> _Trained:
    name = model.name
    settings = config.train_settings(model, "train", "validation").model_dump(mode="json")
    parts = {part: _hashes(reference, part) for part in ("train", "validation")}
    inputs = {"settings": settings, "parts": parts}
    shared = run.shared(f"train-{name}", inputs) if reference.done else None
    result = run(
        f"train-{name}",
        f"train {name}",
        inputs,
        partial(work.train_model, config, model, reference),
        reference,
        out=shared,
    )
    return _Trained(result, shared)


def _simulate(
    config: BenchConfig,
    model: Model,
    reference: StageResult,
    trained: dict[str, _Trained],
    run: _Runner,
) -> Simulated:
    """One model up to its rollouts; `trained` holds those trained so far, and gets this one's."""
    name = model.name
    origin = config.trained(model)
    if origin.name not in trained:
        trained[origin.name] = _train(config, origin, reference, run)
    train = trained[origin.name].result
    seed = config.seed if model.control == SHUFFLED else None
    # The inputs of ordinary models are what they were before there were controls.
    control = {} if seed is None else {"shuffle_seed": seed}
    deploy = run(
        f"deploy-{name}",
        f"deploy {name}",
        {"checkpoint": _hash(train, "checkpoint"), **control},
        partial(work.deploy_model, model, train, shuffle_seed=seed),
        train,
        out=trained[origin.name].shared,
    )
    common = {"model": _hash(deploy, "model"), "stride_fs": config.stride_fs}
    machine = _machine(config)
    protocol = config.rollout.model_dump(mode="json", include={"ensemble", "velocities"})
    check = run(
        f"check-{name}",
        f"{name} on held-out frames",
        {**common, **machine, "held_out": _hash(reference, "held_out"),
         "every": config.scoring.rerun_every},
        partial(work.check_model, config, deploy, reference),
        deploy,
    )  # fmt: skip
    rollouts = tuple(
        run(
            f"rollout-{name}-{number + 1}",
            f"rollout {number + 1} of {name}: {config.steps} steps at "
            f"{config.temperature_kelvin:g} K on {counted(config.rollout.ranks, 'rank')}",
            {**common, **machine, "frames": _hash(reference, "frames"), "frame": frame,
             "seed": config.seed + number, "steps": config.steps,
             "timestep_fs": config.rollout.timestep_fs, "damping_fs": config.rollout.damping_fs,
             "temperature_kelvin": config.temperature_kelvin, **protocol},
            partial(work.run_start, config, number, deploy, reference, run.progress),
            deploy,
        )
        for number, frame in enumerate(config.rollout.starts)
    )  # fmt: skip
    return Simulated(model, train, deploy, check, rollouts)


def _judge(
    config: BenchConfig,
    one: Simulated,
    everyone: Sequence[Simulated],
    reference: StageResult,
    run: _Runner,
) -> ModelRun:
    """The stages that look at the finished rollouts; those that failed are left out.

    Of `everyone` the committee is made, where there is to be one.
    """
    name = one.model.name
    kept = [rollout for rollout in one.rollouts if rollout.done]
    needs = kept or one.rollouts[:1]
    dumps = [_hash(rollout, "trajectory") for rollout in kept]
    oracle = None
    if isinstance(config.reference, Classical):
        oracle = run(
            f"oracle-{name}",
            f"the exact reference on the frames of {name}",
            {"potential": work.potential_inputs(config), "trajectories": dumps},
            partial(work.ask_oracle, config, kept),
            *needs,
        )
    elif config.scoring.committee_every is not None:
        deployed = {other.model.name: other.deploy for other in everyone}
        members = {m.name: deployed[m.name] for m in config.committee(one.model)}
        oracle = run(
            f"oracle-{name}",
            f"the other models on the frames of {name}",
            {"members": {key: _hash(deploy, "model") for key, deploy in members.items()},
             "every": config.scoring.committee_every, "stride_fs": config.stride_fs,
             **_machine(config), "trajectories": dumps},
            partial(work.ask_committee, config, members, kept),
            *needs,
            *members.values(),
        )  # fmt: skip
    score = run(
        f"score-{name}",
        f"score {name}",
        {
            "scoring": config.scoring.model_dump(mode="json"),
            "seed": config.seed,
            "stride_fs": config.stride_fs,
            "first": config.split.held_out.first,
            "starts": [rollout.value["frame"] for rollout in kept],
            "held_out": _hash(reference, "held_out"),
            "rerun": _hash(one.check, "rerun"),
            "oracle": None if oracle is None else _hash(oracle, "oracle"),
            "trajectories": dumps,
            "scores": SCHEMA,
        },
        partial(work.score_model, config, reference, one.check, kept, oracle),
        *(kept or [one.check]),  # errors on held-out frames need no rollout
    )
    return ModelRun(
        one.model, one.train, one.deploy, one.check, one.rollouts, oracle=oracle, score=score
    )


def _machine(config: BenchConfig) -> dict[str, Any]:
    """What of the machine may change numbers."""
    return config.rollout.model_dump(mode="json", include={"ranks", "threads", "device"})


def _hash(result: StageResult, name: str) -> str | None:
    """Hash of a file of an earlier stage, None if that gave no result."""
    return result.sha256(name) if result.done else None


def _hashes(result: StageResult, part: str) -> list[str]:
    """Hashes of the files of a part of the reference, one for each source; none without one."""
    if not result.done:
        return []
    return [result.sha256(name) for name in result.value.get("part_files", {}).get(part, [part])]


def _write(config: BenchConfig, result: BenchResult, out: Path) -> None:
    """`bench.json`, and the page of what stands in it."""
    write_json(
        out / SUMMARY,
        {
            "kind": "egraff bench",
            "schema": 1,
            "config": config.model_dump(mode="json"),
            "complete": result.complete,
            "machine": _provenance(result),
            "stages": [_plain(stage, out) for stage in result.stages],
        },
    )
    write_page(read_results(out), result.report)


def _plain(stage: StageResult, out: Path) -> dict[str, Any]:
    names = ("name", "state", "fresh", "reason", "seconds", "attempts", "finished", "key", "value")
    files = {
        name: {"path": os.path.relpath(stage.folder / path, out), "sha256": digest}
        for name, (path, digest) in stage.files.items()
    }
    return {**{name: getattr(stage, name) for name in names}, "files": files}


def _provenance(result: BenchResult) -> dict[str, str]:
    """Where and with what it was run, in words by name."""
    machine = hardware()
    found = dict(versions())
    for one in result.models:
        if one.deploy.done:
            found.update(one.deploy.value["versions"])
    return {
        "written": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "hardware": f"{machine['processor'] or machine['machine']}, {machine['cores']} cores",
        "operating system": str(machine["system"]),
        "versions": ", ".join(f"{name} {found[name]}" for name in sorted(found, key=str.lower)),
    }
