"""A miniature config, and stand-ins for the work of every stage that note which were done."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from synthetic_results import scores_of

from egraff_lmp.bench import parse_config
from egraff_lmp.bench.config import BenchConfig
from egraff_lmp.bench.model import Model
from egraff_lmp.bench.stage import Outcome, StageResult

STAGES = (
    "make_reference", "train_model", "deploy_model", "check_model", "run_start", "ask_oracle",
    "ask_committee", "score_model",
)  # fmt: skip

RAW: dict[str, Any] = {
    "name": "mini",
    "title": "CdTe in miniature",
    "seed": 3,
    "temperature_kelvin": 900,
    "reference": {
        "kind": "classical",
        "species": ["Cd", "Te"],
        "structure": "zincblende",
        "lattice_constant_angstrom": 6.48,
        "repeat": [1, 1, 2],
        "pair_style": "sw",
        "potential": "CdTe.sw",
        "timestep_fs": 2.0,
        "stride_fs": 20.0,
        "equilibration_ps": 1.0,
        "length_ps": 2.0,
    },
    "split": {
        "train": {"first": 0, "last": 40, "every": 5},
        "validation": {"first": 45, "last": 55, "every": 5},
        "held_out": {"first": 60, "last": 100},
    },
    "training": {
        "r_max": 4.8,
        "batch_size": 4,
        "device": "cpu",
        "threads": 1,
        "stop": {"max_epochs": 2},
    },
    "models": [
        {"name": "nequip", "forcefield": "nequip"},
        {"name": "allegro", "forcefield": "allegro"},
    ],
    "rollout": {"timestep_fs": 2.0, "length_fs": 200, "starts": [60, 80], "ranks": 2},
    "scoring": {"rerun_every": 10, "skip_fs": 40},
}


def config(**changes: Any) -> BenchConfig:
    """The miniature with dotted keys (with __ for the dot) replaced."""
    raw = copy.deepcopy(RAW)
    for path, value in changes.items():
        node = raw
        *parents, last = path.split("__")
        for part in parents:
            node = node[part]
        node[last] = value
    return parse_config(raw, "mini")


class Fakes:
    """Stands in for the work of every stage and notes which were done."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fail: dict[str, Exception] = {}

    def outcome(self, folder: Path, value: dict[str, Any], **content: str) -> Outcome:
        self.done.append(folder.name)
        if folder.name in self.fail:
            raise self.fail[folder.name]
        files = {}
        for name, text in content.items():
            files[name] = folder / name
            files[name].write_text(text)
        return Outcome(value, files)

    def make_reference(self, config: BenchConfig, progress: Any, folder: Path) -> Outcome:
        value = {
            "source": "fake", "n_frames": 100, "n_atoms": 16, "species": {"Cd": 8, "Te": 8},
            "cell": [], "parts": {"train": 8, "validation": 2, "held_out": 40}, "sha256": "ab",
        }  # fmt: skip
        text = repr(config.split) + repr(config.reference)
        parts = {name: text for name, _ in config.split.given}
        value["parts"] = {name: value["parts"][name] for name in parts}
        return self.outcome(folder, value, frames=text, **parts)

    def train_model(
        self, config: BenchConfig, model: Model, ref: StageResult, trust: bool, at: Path
    ) -> Outcome:
        value = {
            "best_epoch": 2, "epochs": 2, "validation": {}, "wall_seconds": 1.0, "stop": "done",
            "precision": "float32",
        }  # fmt: skip
        text = repr(config.training) + repr(model.training) + ref.sha256("train")
        return self.outcome(at, value, checkpoint=text, log="epoch\n1\n")

    def deploy_model(self, model: Model, trained: StageResult, seed: int, folder: Path) -> Outcome:
        value = {
            "architecture": model.name.title(), "r_max": 4.8, "n_layers": 2, "exchange_widths": [],
            "n_parameters": 1234, "dtype": "float32", "versions": {}, "citations": [],
        }  # fmt: skip
        broken = "" if model.control is None else f"{model.control} {model.strength} {seed}"
        text = trained.sha256("checkpoint") + broken
        return self.outcome(folder, value, model=text)

    def check_model(
        self, config: BenchConfig, dep: StageResult, ref: Any, checkpoint: Any, at: Path
    ) -> Outcome:
        value = {
            "energy_mae_mev_per_atom": 1.0, "energy_rmse_mev_per_atom": 2.0,
            "force_mae_mev_per_angstrom": 30.0, "force_rmse_mev_per_angstrom": 40.0,
            "force_scale_mev_per_angstrom": 500.0, "frames": 4,
        }  # fmt: skip
        return self.outcome(at, value, rerun=dep.sha256("model"))

    def run_start(
        self, config: BenchConfig, number: int, dep: StageResult, ref: Any, progress: Any, at: Path
    ) -> Outcome:
        if progress is not None:
            progress(config.steps, config.steps)
        value = {
            "status": "finished", "reason": "", "n_steps": config.steps, "seed": 1,
            "frame": config.rollout.starts[number], "ranks": 2, "threads": 1, "wall_seconds": 1.0,
            "ms_per_step": 10.0,
        }  # fmt: skip
        thermo = "time_fs,temperature_kelvin\n0,900\n"
        text = dep.sha256("model") + repr(config.rollout)
        return self.outcome(at, value, trajectory=text, thermo=thermo)

    def ask_oracle(self, config: BenchConfig, rollouts: Any, folder: Path) -> Outcome:
        text = "".join(rollout.sha256("trajectory") for rollout in rollouts)
        return self.outcome(folder, {"n_frames": 22}, oracle=text)

    def ask_committee(
        self, config: BenchConfig, members: Any, rollouts: Any, folder: Path
    ) -> Outcome:
        text = "".join(rollout.sha256("trajectory") for rollout in rollouts)
        text += "".join(deployed.sha256("model") for deployed in members.values())
        value = {"n_frames": 4, "members": list(members), "disagreement": 0.1}
        return self.outcome(folder, value, oracle=text)

    def score_model(
        self, config: BenchConfig, ref: Any, checked: Any, rollouts: Any, oracle: Any, at: Path
    ) -> Outcome:
        scores = scores_of(0, 0, **self.scored(config))
        return self.outcome(at, {"lengths": [11, 11], "scored": [0, 1]}, scores=scores.to_json())

    def scored(self, config: BenchConfig) -> dict[str, Any]:
        """Fields of the record of the scoring."""
        return {"scores": (), "curves": (), "series": ()}
