"""From the stages of one model to the record of what it gave."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from egraff_lmp.bench.config import BenchConfig
from egraff_lmp.bench.model import Model as ModelConfig
from egraff_lmp.bench.stage import StageResult
from egraff_lmp.errors import EgraffError
from egraff_lmp.results import record
from egraff_lmp.results.curves import read_columns, thin
from egraff_lmp.results.record import DONE, FAILED, SHUFFLED
from egraff_lmp.score import cost_scores
from egraff_lmp.score.cost import Cost
from egraff_lmp.score.metric import Training
from egraff_lmp.score.records import Score, Scores

Stages = Mapping[str, StageResult]
_LEARNING = ("validation_energy_mae_mev_per_atom", "validation_forces_mae_mev_per_angstrom")


def model_of(model: ModelConfig) -> record.Model:
    """A model of a configuration as a record."""
    plain = model.model_dump(mode="json", include={"preset", "settings", "training"})
    control = None if model.control is None else record.NegativeControl(model.control, model.of)
    return record.Model(model.name, model.forcefield, control, plain)


def model_result(config: BenchConfig, model: ModelConfig, stages: Stages) -> record.ModelResult:
    """What a model gave, whatever part of its stages has results.

    Args:
        config: of the system.
        model: one of its models.
        stages: all stages of the system by name.
    """
    names = ("reference", *config.stages_of(model))
    own = {name: stages[name] for name in names if name in stages}
    done = {name: stage for name, stage in own.items() if stage.done}
    reference, train, deploy, score = (done.get(names[k]) for k in (0, 1, 2, -1))
    rollouts = {
        number: done[name]
        for number in range(1, len(config.rollout.starts) + 1)
        if (name := f"rollout-{model.name}-{number}") in done
    }
    troubles = _troubles(own.values())
    scores = None
    if score is not None:
        path = score.path("scores")
        try:
            scores = Scores.from_json(path.read_text(encoding="utf-8"), path.name)
        except EgraffError as error:
            troubles.append(record.Trouble(score.name, str(error)))
        except (OSError, ValueError) as error:
            troubles.append(record.Trouble(score.name, f"{path.name} cannot be read: {error}"))
    timed = (int(reference.value["n_atoms"]) if reference else 0, list(rollouts.values()))
    return record.ModelResult(
        model=model_of(model),
        state=DONE if scores is not None and scores.scores and rollouts else FAILED,
        troubles=tuple(troubles),
        scores=scores,
        costs=_costs(config, model, train, *timed),
        card=None if deploy is None else _card(deploy),
        training=None if train is None else _training(model, train),
        rollouts=tuple(_rollout(config, number, stage) for number, stage in rollouts.items()),
    )


def _troubles(stages: Iterable[StageResult]) -> list[record.Trouble]:
    """What failed or broke down; what was only blocked is left out."""
    found = []
    for stage in stages:
        value = stage.value
        if stage.state == FAILED:
            found.append(record.Trouble(stage.name, stage.reason))
        elif value.get("status", "finished") != "finished":
            found.append(record.Trouble(stage.name, value["reason"], value["n_steps"]))
    return found


def _costs(
    config: BenchConfig,
    model: ModelConfig,
    train: StageResult | None,
    atoms: int,
    rollouts: Sequence[StageResult],
) -> tuple[Score, ...]:
    """Values of cost; a shuffled model was not trained."""
    costs = [
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
        for value in (rollout.value for rollout in rollouts)
        if value["ms_per_step"] and value["n_steps"]
    ]
    training = None
    if train is not None and model.control != SHUFFLED:
        training = Training(train.value["wall_seconds"], train.value["epochs"])
    return cost_scores(costs, training)


def _card(deploy: StageResult) -> record.Card:
    value = deploy.value
    return record.Card(
        architecture=value["architecture"],
        parameters=int(value["n_parameters"]),
        r_max=value["r_max"],
        precision=value["dtype"],
        layers=value["n_layers"],
        exchange_widths=tuple(value["exchange_widths"]),
        file=deploy.files["model"][0],
        sha256=deploy.sha256("model"),
        citations=tuple(citation["text"] for citation in value["citations"]),
    )


def _training(model: ModelConfig, train: StageResult) -> record.Training:
    value = train.value
    # A shuffled model was not trained: the errors of its training are those of another.
    curves = (
        () if model.control == SHUFFLED else read_columns(train.path("log"), "epoch", *_LEARNING)
    )
    energy, force = curves or (None, None)
    return record.Training(
        value["epochs"], value["best_epoch"], value["stop"], value["wall_seconds"], energy, force
    )  # fmt: skip


def _rollout(config: BenchConfig, number: int, stage: StageResult) -> record.Rollout:
    curves = read_columns(stage.path("thermo"), "time_fs", "temperature_kelvin")
    lasted = stage.value["n_steps"] * config.rollout.timestep_fs
    return record.Rollout(number, lasted, thin(curves[0]) if curves else None)
