"""The chain of `egraff bench`: which stages there are, on what each depends, in which order.

    reference -> train -> deploy -> check   (the model on held-out frames)
                                 -> rollout (one per start) -> oracle -> score -> page

What a stage does is in `work`; every stage is done once (see `stage`). The page is made anew each
time, of what `gather` reads from the folder.
Training and deployment may lie in a folder that several runs share; see `run_bench`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from egraff_lmp import __version__
from egraff_lmp.bench import work
from egraff_lmp.bench.config import BenchConfig
from egraff_lmp.bench.folder import REPORT, SUMMARY, made
from egraff_lmp.bench.gather import read_results
from egraff_lmp.bench.model import UNTRAINED, Model
from egraff_lmp.bench.stage import Stage, StageResult, now, run_stage, stage_key
from egraff_lmp.fileio import sha256_file, write_json
from egraff_lmp.locking import locked
from egraff_lmp.report.page import write_page
from egraff_lmp.results.record import FEWER_FRAMES, NOISE, SHUFFLED
from egraff_lmp.runs.machine import hardware, machine_words, versions
from egraff_lmp.score.records import SCHEMA, SCORING
from egraff_lmp.score.words import counted

WAIT = math.inf  # for another run that trains the same model
SHARED_DIGITS = 16  # of the hash that names a folder of shared models


def nobody(*told: object) -> None:
    """Who is told of stages where nobody listens."""


Begin = Callable[[int, int, str], None]
End = Callable[[int, int, StageResult], None]


@dataclass(frozen=True)
class ModelRun:
    """All stages of one model; one that is not trained has the training of its origin."""

    model: Model
    train: StageResult
    deploy: StageResult
    check: StageResult
    rollouts: tuple[StageResult, ...]
    oracle: StageResult | None
    score: StageResult

    @property
    def stages(self) -> tuple[StageResult, ...]:
        """The results in the order of the chain; a training belongs to the model of its name."""
        oracle = () if self.oracle is None else (self.oracle,)
        train = () if self.model.control in UNTRAINED else (self.train,)
        return (*train, self.deploy, self.check, *self.rollouts, *oracle, self.score)


@dataclass(frozen=True)
class BenchResult:
    """What a run gave: the HTML page, the reference, and the stages of each model."""

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


def run_bench(
    config: BenchConfig,
    out: str | Path,
    begin: Begin = nobody,
    end: End = nobody,
    progress: work.Progress | None = None,
    models: str | Path | None = None,
    trust: bool = False,
) -> BenchResult:
    """Run, or go on with, the whole chain and write `report.html` and `bench.json` into `out`.

    A stage that fails is part of the result; those that do not depend on it go on.

    Args:
        config: what to do.
        out: folder of the results; one run at a time may write into it.
        begin: told (number of the stage, stages in all, title) before each.
        end: told (number of the stage, stages in all, result) after each.
        progress: told of (steps done, steps in all) while LAMMPS runs.
        models: folder of trained models that several runs share: a model with the same settings
            and the same frames is trained once, and who comes while another run trains it waits.
            None keeps them in `out`.
        trust: open a `start_from` of a training that runs code when it is opened.

    Raises:
        EgraffError: another run writes into `out`, or it holds foreign files.
    """
    out = made(out)
    with locked(out):
        shared = None if models is None else Path(models).absolute()
        result = _Chain(config, out, shared, begin, end, progress, trust).run()
        record = {
            "kind": "egraff bench",
            "schema": 1,
            "config": config.model_dump(mode="json"),
            "complete": result.complete,
            "machine": _provenance(result),
            "stages": [stage.to_dict(out) for stage in result.stages],
        }
        write_json(out / SUMMARY, record)
        write_page(read_results(out), result.report)
    return result


@dataclass
class _Chain:
    """The stages of one run, done one after the other; `found` has what each gave, by name."""

    config: BenchConfig
    out: Path
    shared: Path | None
    begin: Begin
    end: End
    progress: work.Progress | None
    trust: bool
    found: dict[str, StageResult] = field(default_factory=dict)

    def run(self) -> BenchResult:
        """All of them."""
        config = self.config
        reference = self.do(
            "reference",
            "reference trajectory",
            {"reference": work.potential_inputs(config), "split": config.split.model_dump()},
            partial(work.make_reference, config, self.progress),
        )
        # Models that judge each other have to be there first.
        together = config.scoring.committee_every is not None
        runs = []
        for models in [config.models] if together else [(model,) for model in config.models]:
            for model in models:
                self.simulate(model)
            runs += [self.judge(model) for model in models]
        return BenchResult(self.out / REPORT, reference, tuple(runs))

    def do(
        self,
        name: str,
        title: str,
        inputs: Mapping[str, Any],
        do: Callable[[Path], work.Outcome],
        *needs: StageResult,
        out: Path | None = None,
    ) -> StageResult:
        """Do a stage and tell of it; in a folder of other runs too, when none of them is there."""
        config, number = self.config, len(self.found) + 1
        total = 1 + len({one for model in config.models for one in config.stages_of(model)})
        self.begin(number, total, title)
        stage = Stage(name, title, _versioned(inputs), do, needs)
        if out is None or out == self.out:
            result = run_stage(stage, self.out)
        else:
            with locked(out, WAIT):
                result = run_stage(stage, out)
        self.end(number, total, result)
        self.found[name] = result
        return result

    def train(self, model: Model) -> StageResult:
        """Train a model; where runs share their models, in a folder named after what decides it."""
        config, name, reference = self.config, f"train-{model.name}", self.found["reference"]
        if model.ready is not None:
            return self.take(name, model, Path(model.ready))
        parts = {
            part: [digest for _, digest in work.part_files(reference, part)]
            for part in ("train", "validation")
        }
        settings = config.train_settings(model, *parts).model_dump(mode="json")
        inputs: dict[str, Any] = {"settings": settings, "parts": parts}
        if model.control == FEWER_FRAMES:
            inputs["frames"] = model.strength
        start = settings["start_from"]
        if start is not None and Path(start).is_file():
            # Another file of that name is another training.
            inputs["start_from"] = sha256_file(Path(start))
        out = self.out
        if self.shared is not None and reference.done:
            out = self.shared / stage_key(name, _versioned(inputs))[:SHARED_DIGITS]
            out.mkdir(parents=True, exist_ok=True)
        do = partial(work.train_model, config, model, reference, self.trust)
        return self.do(name, f"train {model.name}", inputs, do, reference, out=out)

    def take(self, name: str, model: Model, path: Path) -> StageResult:
        """The stage of a model that was trained before."""
        digest = sha256_file(path) if path.is_file() else None
        what = "checkpoint" if model.checkpoint is not None else "deployed"
        inputs = {what: digest, "forcefield": model.forcefield}
        take = work.take_checkpoint if model.checkpoint is not None else work.take_deployed
        do = partial(take, model, path)
        return self.do(name, f"take {model.name} from {path.name}", inputs, do)

    def simulate(self, model: Model) -> None:
        """One model up to its rollouts; its deployment lies where its training does."""
        config, reference, name = self.config, self.found["reference"], model.name
        trained = config.trained(model)
        train = self.found.get(f"train-{trained.name}") or self.train(trained)
        # The inputs of ordinary models are what they were before there were controls.
        control: dict[str, Any] = {}
        if model.control == SHUFFLED:
            control = {"shuffle_seed": config.seed}
        elif model.control == NOISE:
            control = {"noise": model.strength, "noise_seed": config.seed}
        before = train.path("checkpoint") if trained.ready is not None and train.done else None
        deploy = self.do(
            f"deploy-{name}",
            f"deploy {name}",
            {"checkpoint": train.sha256("checkpoint"), **control},
            partial(work.deploy_model, model, train, config.seed),
            train,
            out=train.folder.parent,
        )
        common = {"model": deploy.sha256("model"), "stride_fs": config.stride_fs}
        common |= config.rollout.machine
        protocol = config.rollout.model_dump(mode="json", include={"ensemble", "velocities"})
        self.do(
            f"check-{name}",
            f"{name} on held-out frames",
            {**common, "held_out": reference.sha256("held_out"),
             "every": config.scoring.rerun_every},
            partial(work.check_model, config, deploy, reference, before),
            deploy,
        )  # fmt: skip
        for number, frame in enumerate(config.rollout.starts):
            self.do(
                f"rollout-{name}-{number + 1}",
                f"rollout {number + 1} of {name}: {config.steps} steps at "
                f"{config.temperature_kelvin:g} K on {counted(config.rollout.ranks, 'rank')}",
                {**common, "frames": reference.sha256("frames"), "frame": frame,
                 "seed": config.seed + number, "steps": config.steps,
                 "timestep_fs": config.rollout.timestep_fs,
                 "damping_fs": config.rollout.damping_fs,
                 "temperature_kelvin": config.temperature_kelvin, **protocol},
                partial(work.run_start, config, number, deploy, reference, self.progress),
                deploy,
            )  # fmt: skip

    def judge(self, model: Model) -> ModelRun:
        """The stages that look at the finished rollouts; those that failed are left out."""
        config, reference, name = self.config, self.found["reference"], model.name
        before = (self.found.get(stage) for stage in config.stages_of(model))
        train, deploy, check, *rollouts = (stage for stage in before if stage is not None)
        kept = [rollout for rollout in rollouts if rollout.done]
        oracle = self.ask(model, kept, *(kept or rollouts[:1]))
        score = self.do(
            f"score-{name}",
            f"score {name}",
            {
                "scoring": config.scoring.model_dump(mode="json"),
                "seed": config.seed,
                "stride_fs": config.stride_fs,
                "first": config.split.held_out.first,
                "starts": [rollout.value["frame"] for rollout in kept],
                "held_out": reference.sha256("held_out"),
                "rerun": check.sha256("rerun"),
                "oracle": None if oracle is None else oracle.sha256("oracle"),
                "trajectories": [rollout.sha256("trajectory") for rollout in kept],
                "scores": [SCHEMA, SCORING],
                "temperature_kelvin": config.temperature_kelvin,
                "time_series": config.time_series,
                "asked": [config.steps, config.rollout.timestep_fs, len(config.rollout.starts)],
                "ended": [
                    [r.value.get(name) for name in ("status", "reason", "n_steps")] for r in kept
                ],
                "thermo": [rollout.sha256("thermo") for rollout in kept],
            },
            partial(work.score_model, config, reference, check, kept, oracle),
            *(kept or [check]),  # errors on held-out frames need no rollout
        )
        return ModelRun(model, train, deploy, check, tuple(rollouts), oracle, score)

    def ask(
        self, model: Model, kept: Sequence[StageResult], *needs: StageResult
    ) -> StageResult | None:
        """The ground truth, or the other models, on the frames of rollouts, where there is one."""
        config = self.config
        inputs: dict[str, Any]
        members: dict[str, StageResult] = {}
        if config.exact:
            who = "the exact reference"
            inputs = {"potential": work.potential_inputs(config)}
            do = partial(work.ask_oracle, config, kept)
        elif config.scoring.committee_every is not None:
            who = "the other models"
            others = [m.name for m in config.ordinary if m.name != model.name]
            members = {name: self.found[f"deploy-{name}"] for name in others}
            inputs = {
                "members": {name: deploy.sha256("model") for name, deploy in members.items()},
                "every": config.scoring.committee_every,
                "stride_fs": config.stride_fs,
                **config.rollout.machine,
            }
            do = partial(work.ask_committee, config, members, kept)
        else:
            return None
        inputs["trajectories"] = [rollout.sha256("trajectory") for rollout in kept]
        title = f"{who} on the frames of {model.name}"
        return self.do(f"oracle-{model.name}", title, inputs, do, *needs, *members.values())


def _versioned(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {"egraff_lmp": __version__, **inputs}


def _provenance(result: BenchResult) -> dict[str, str]:
    """Where and with what it was run, in words by name."""
    machine = hardware()
    found = dict(versions())
    for one in result.models:
        found.update(one.deploy.value.get("versions", {}))
    return {
        "written": now(),
        "hardware": machine_words("", machine),
        "operating system": str(machine["system"]),
        "versions": ", ".join(f"{name} {found[name]}" for name in sorted(found, key=str.lower)),
    }
