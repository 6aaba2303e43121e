"""The benchmark of a training step: its numbers, and that all sides train the same network."""

from __future__ import annotations

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

FORCE_FIELDS = ("nequip", "mace", "botnet", "torchmdnet", "allegro", "equiformer")
SAME_LOSS = 1e-5


@pytest.fixture
def load(root: Path, monkeypatch: pytest.MonkeyPatch):
    """A module of benchmarks/, whose files import each other by name."""
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    before = set(sys.modules)

    def one(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield one
    for name in set(sys.modules) - before:
        if name.startswith("_"):
            del sys.modules[name]


def case(load) -> dict:
    """Two turns of two sides; the machine is twice as slow in the second."""
    blocks = {
        "kernels": [
            {"seconds": [0.1, 0.1, 0.1], "peak_bytes": 1e6},
            {"seconds": [0.2, 0.2, 0.2], "peak_bytes": 2e6},
        ],
        "eager": [
            {"seconds": [0.8, 0.8, 0.8], "peak_bytes": 4e6},
            {"seconds": [1.6, 1.6, 1.6], "peak_bytes": 8e6},
        ],
    }
    return {
        "forcefield": "botnet",
        "system": "GeTe-200",
        "n_atoms": 200,
        "dtype": "float32",
        "sides": load("_training_report").summary(blocks, n_frames=5),
        "ratios": load("_step_report").ratios(blocks),
        "left_out": {"package": "no package at hand"},
    }


def test_summary(load) -> None:
    kernels = case(load)["sides"]["kernels"]
    assert kernels["ms_a_step"] == pytest.approx(150.0)
    assert kernels["smallest_ms_a_step"] == pytest.approx(100.0)
    assert kernels["ms_a_frame"] == pytest.approx(30.0)
    assert kernels["frames_per_second"] == pytest.approx(5 / 0.15)
    assert kernels["peak_mb"] == pytest.approx(2.0)


def test_table_and_its_place_in_a_readme(load, tmp_path: Path) -> None:
    report = load("_training_report")
    text = report.table([case(load)])
    lines = text.splitlines()
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
    assert "| 8.00 |  | 4.00 |" in lines[2]
    assert "package: no package at hand" in lines[4]
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{report.BEGIN}old\n{report.END}after\n")
    for _ in range(2):
        report.into_readme(text, readme)
        assert readme.read_text() == f"before\n{report.BEGIN}\n{text}\n{report.END}after\n"
    readme.write_text("no place\n")
    report.into_readme(text, readme)
    assert readme.read_text() == "no place\n"


def test_picture(load, tmp_path: Path) -> None:
    quantities = load("_training_report").QUANTITIES
    load("_step_report").picture([case(load)], tmp_path / "training.png", quantities)
    assert (tmp_path / "training.png").read_bytes().startswith(b"\x89PNG")


def test_losses_that_differ_end_it(load) -> None:
    training, library = load("training"), load("egraff_lmp.train.benchmark")
    first = {
        side: library.Block([1.0], [loss], 0.0)
        for side, loss in (("kernels", 1.0), ("eager", 1.000001), ("package", 1.01))
    }
    with pytest.raises(SystemExit, match="not the same network"):
        training.check_same(library.Turns(first, {}, {}))
    del first["package"]
    assert training.check_same(library.Turns(first, {}, {})) == {"kernels": 1.0, "eager": 1.000001}


@pytest.fixture
def one_thread():
    """Threads that wait for each other take long where other programs have the cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("key", FORCE_FIELDS)
def test_all_sides_have_the_same_loss(load, key: str) -> None:
    """Over two steps: gradients and optimiser are the same, too."""
    sides = load("_training_sides")
    frames = sides.labelled(sides.TRAINING_SYSTEMS["GeTe-200"])
    name = f"{key}-small"
    steps = {kernels: sides.own_step(name, frames, kernels) for kernels in ("auto", "off")}
    losses = {kernels: [step(), step()] for kernels, step in steps.items()}
    assert losses["auto"] == pytest.approx(losses["off"], rel=SAME_LOSS)
    assert losses["off"][0] != losses["off"][1]


def test_a_record_names_no_path(load) -> None:
    """The source of the frames is a data set, or says that they were made up."""
    sides = load("_training_sides")
    for system in sides.TRAINING_SYSTEMS.values():
        frames = sides.labelled(system)
        assert frames is None or frames.source in (system.source, "random packing")


@pytest.mark.slow
def test_every_side_runs_on_small_networks(root: Path, tmp_path: Path) -> None:
    """The packages' losses are those of this project (training.py ends if not)."""
    words = "--only nequip-small allegro-small mace-small equiformer-small --systems GeTe-200"
    done = subprocess.run(
        [
            *(sys.executable, str(root / "benchmarks" / "training.py"), *words.split()),
            *("--steps", "1", "--repeats", "1", "--threads", "1", "--out", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((tmp_path / "training.json").read_text())
    assert {"processor", "cores", "load_before", "versions", "threads"} <= set(content["machine"])
    assert [found["forcefield"] for found in content["cases"]] == words.split()[1:5]
    for found in content["cases"]:
        expected = {"kernels", "eager", "package"}
        if found["forcefield"] == "equiformer-small":
            assert set(found["left_out"]) == {"package"}
            expected.remove("package")
        assert set(found["sides"]) == set(found["first_loss"]) == expected, done.stdout
        losses = found["first_loss"]
        assert losses == pytest.approx(dict.fromkeys(losses, losses["eager"]), rel=SAME_LOSS)
        for row in found["sides"].values():
            assert all(is_number(value) for key, value in row.items() if key != "peak_mb")
            assert math.isfinite(row["peak_mb"])
        assert set(found["ratios"]) == {f"{a}/{b}" for a in expected for b in expected if a != b}
    assert all((tmp_path / name).stat().st_size for name in ("training.md", "training.png"))


def is_number(value: float) -> bool:
    """Finite and positive."""
    return math.isfinite(value) and value > 0
