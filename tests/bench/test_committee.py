"""The other models as judges of a rollout: who judges whom, what is done anew, one real run."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

sys.path.insert(0, str(Path(__file__).parent))
from bench_fakes import RAW, Fakes, config

from egraff_lmp.bench import run_bench
from egraff_lmp.bench.config import BenchConfig
from egraff_lmp.bench.run import BenchResult
from egraff_lmp.errors import EgraffError

MODELS = [*RAW["models"], {"name": "torchmdnet", "forcefield": "torchmdnet"}]
SHUFFLED = {"name": "shuffled", "control": "shuffled", "of": "nequip"}
RATTLE_A, N_FRAMES = 0.05, 60


@pytest.fixture(scope="module")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rattled copper with EMT's energies and forces, in the place of ab-initio frames."""
    path = tmp_path_factory.mktemp("frames") / "copper.extxyz"
    frames = []
    for seed in range(N_FRAMES):
        atoms = bulk("Cu", cubic=True).repeat(2)
        atoms.rattle(RATTLE_A, seed=seed)
        atoms.calc = EMT()
        atoms.get_forces()
        frames.append(atoms)
    ase.io.write(path, frames)
    return path


def asked(
    copper: Path, *more: dict[str, Any], every: int | None = 5, **changes: Any
) -> BenchConfig:
    reference = {"kind": "ab-initio", "sources": [str(copper)], "stride_fs": 2.0}
    split = {
        "train": {"first": 0, "last": 20},
        "validation": {"first": 20, "last": 24},
        "held_out": {"first": 30, "last": N_FRAMES},
    }
    scoring = {"rerun_every": 10, **({} if every is None else {"committee_every": every})}
    rollout = {"timestep_fs": 2.0, "length_fs": 40, "starts": [30, 40], "ranks": 1}
    models = [*copy.deepcopy(MODELS), *more]
    return config(**{"reference": reference, "split": split, "rollout": rollout, "models": models,
                     "scoring": scoring, "temperature_kelvin": 300, **changes})  # fmt: skip


def judges(result: BenchResult) -> dict[str, list[str]]:
    return {c.model.name: c.oracle.value["members"] for c in result.models if c.oracle is not None}


def test_all_others_judge_and_what_is_broken_on_purpose_does_not(
    fakes: Fakes, copper: Path, tmp_path: Path
) -> None:
    told: list[int] = []
    result = run_bench(
        asked(copper, SHUFFLED), tmp_path, begin=lambda number, total, title: told.append(total)
    )
    assert result.complete
    assert judges(result) == {
        "nequip": ["allegro", "torchmdnet"],
        "allegro": ["nequip", "torchmdnet"],
        "torchmdnet": ["nequip", "allegro"],
        "shuffled": ["nequip", "allegro", "torchmdnet"],
    }
    assert set(told) == {len(told)} == {len(result.stages)}
    last = max(k for k, name in enumerate(fakes.done) if name.startswith("rollout"))
    assert all(fakes.done.index(f"oracle-{name}") > last for name in judges(result))


def test_a_change_of_one_model_is_a_change_of_its_judgements(
    fakes: Fakes, copper: Path, tmp_path: Path
) -> None:
    run_bench(asked(copper), tmp_path)
    fakes.done.clear()
    run_bench(asked(copper), tmp_path)
    assert fakes.done == []
    models = copy.deepcopy(MODELS)
    models[1]["training"] = {"batch_size": 1}
    run_bench(asked(copper, models=models), tmp_path)
    others = {f"{stage}-{name}" for stage in ("oracle", "score") for name in
              ("nequip", "torchmdnet")}  # fmt: skip
    assert {name for name in fakes.done if "allegro" not in name} == others
    fakes.done.clear()
    run_bench(asked(copper, models=models, every=4), tmp_path)
    assert {name.split("-")[0] for name in fakes.done} == {"oracle", "score"}


def test_a_committee_that_was_not_asked_for_leaves_results_alone(
    fakes: Fakes, copper: Path, tmp_path: Path
) -> None:
    without = asked(copper, every=None)
    assert "committee_every" not in without.model_dump_json()
    result = run_bench(without, tmp_path)
    assert judges(result) == {}
    fakes.done.clear()
    run_bench(asked(copper), tmp_path)
    assert {name.split("-")[0] for name in fakes.done} == {"oracle", "score"}


def test_a_judge_that_is_missing_stops_the_judgement_alone(
    fakes: Fakes, copper: Path, tmp_path: Path
) -> None:
    fakes.fail["train-allegro"] = EgraffError("training diverged.")
    result = run_bench(asked(copper), tmp_path)
    states = {stage.name: stage.state for stage in result.stages}
    assert states["oracle-nequip"] == "blocked"
    assert states["score-nequip"] == "done"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": RAW["models"]}, "at least 3 models that are no negative controls"),
        ({"models": [*RAW["models"], SHUFFLED]}, "got nequip, allegro"),
        ({"reference": RAW["reference"]}, "the ground truth itself is evaluated"),
        ({"scoring__committee_every": 0}, "scoring.committee_every"),
    ],
)
def test_mistakes_are_named(copper: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EgraffError, match=message):
        asked(copper, **changes)


@pytest.mark.slow
def test_a_committee_for_real(copper: Path, tmp_path: Path) -> None:
    small = {"max_epochs": 8}
    settings = asked(copper, SHUFFLED, training__r_max=4.0, training__stop=small)
    result = run_bench(settings, tmp_path)
    scores = {}
    for cell in result.models:
        assert cell.oracle is not None
        # Two rollouts of 21 frames, of which the frames 0, 5, 10, 15 and 20 are judged.
        assert cell.oracle.value["n_frames"] == 10
        record = json.loads(cell.score.path("scores").read_text())
        row = next(
            s for s in record["scores"]
            if (s["key"], s["comparison"], s["mode"]) == ("fv", "rerun-committee", "egraff")
        )  # fmt: skip
        between = cell.oracle.value["disagreement"]
        assert row["judge"] == {"members": cell.oracle.value["members"], "disagreement": between}
        cut = [s for s in record["series"] if s["comparison"] == "rerun-committee"]
        assert {len(s["values"]) for s in cut if s["key"] == "fv"} == {5}
        assert not [s for s in record["scores"] if s["comparison"] in ("rerun-oracle", "cost")]
        assert 0 < between < 1
        scores[cell.model.name] = row["value"]
    assert all(scores["shuffled"] > value for name, value in scores.items() if name != "shuffled")
    page = result.report.read_text()
    assert "rerun-committee" in page
    assert "by the mean of the other models" in page
    assert "among each other these give" in page
    assert np.isfinite(list(scores.values())).all()
