"""What is seen of a training."""

from __future__ import annotations

import csv
import io
import json
import math

import pytest
from rich.console import Console

from egraff_lmp.train import run
from egraff_lmp.train.checkpoint import load_checkpoint
from egraff_lmp.train.display import Display, clock, epoch_line, speed
from egraff_lmp.train.run import train
from egraff_lmp.train.saving import csv_text

ROW = {
    "epoch": 3,
    "train_loss": 0.25,
    "validation_loss": 0.5,
    "validation_forces_mae_mev_per_angstrom": 81.23,
    "validation_energy_mae_mev_per_atom": 1.5,
    "learning_rate": 0.005,
    "frames_per_second": 25.0,
    "peak_memory_gb": 0.8125,
}


@pytest.mark.parametrize("width", [60, 120])
def test_bar_on_a_terminal(toy_config, tmp_path, monkeypatch, width):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=width, color_system=None)
    monkeypatch.setattr(run, "Display", lambda: Display(console))
    train(toy_config(stop__max_epochs=2), tmp_path / "out")
    text = stream.getvalue()
    for said in ("epoch 2/2", "meV/A", "frames/s", "GB", " left"):
        assert said in text
    bars = [line for line in text.split("\r") if "━" in line]
    assert bars
    for line in bars:  # whole, in one line
        visible = line.rstrip("\n").split("\x1b[2K")[-1].split("\n")[-1]
        assert len(visible) <= width
        assert "…" not in visible


def test_an_epoch_in_words():
    assert epoch_line(ROW, 30, left=75) == (
        "epoch 3/30  loss 0.25  val 0.5  F 81.2 meV/A  E 1.50 meV/atom  lr 0.005  "
        "25 frames/s, 40 ms a frame  peak 0.81 GB  1:15 left"
    )
    name = "stress_mae_mev_per_angstrom3"
    stress = {**ROW, f"validation_{name}": 3.21, f"validation_zero_{name}": 8.54}
    assert "  S 3.21 meV/A^3 (zero: 8.54)  " in epoch_line(stress, 30)
    assert "left" not in epoch_line(ROW, 30)


def test_times_and_speeds_in_words():
    assert [clock(seconds) for seconds in (0, 9.6, 75, 3675)] == ["0:00", "0:10", "1:15", "1:01:15"]
    assert speed(2.0) == "2 frames/s, 500 ms a frame"
    assert speed(0.0) == ""


def test_speed_and_memory_are_in_the_log_and_the_result(toy_config, tmp_path):
    result = train(toy_config(stop__max_epochs=3), tmp_path / "out", progress=False)
    with open(result.log) as stream:
        log = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(stream)]
    speeds = sorted(row["frames_per_second"] for row in log)
    assert speeds[0] > 0
    # 8 frames in no more than the time of the epoch, which validation is a part of
    starts = [0.0, *[row["wall_seconds"] for row in log]]
    for row, start in zip(log, starts, strict=False):
        assert 8 / row["frames_per_second"] <= row["wall_seconds"] - start + 1e-6
    told = json.loads((tmp_path / "out/result.json").read_text())
    assert told["frames_per_second"] == result.frames_per_second
    assert result.frames_per_second == pytest.approx(speeds[1])
    assert told["peak_memory_gb"] == pytest.approx(max(row["peak_memory_gb"] for row in log))
    assert 0.05 < told["peak_memory_gb"] < 100


def test_rows_of_an_earlier_release_lack_columns(toy_config, tmp_path):
    """A resume goes on with its log, and says what it knows."""
    train(toy_config(stop__max_epochs=1), tmp_path / "out", progress=False)
    kept = load_checkpoint(tmp_path / "out/last.ckpt").state["history"]
    old = {k: v for k, v in kept[0].items() if k not in ("frames_per_second", "peak_memory_gb")}
    lines = csv_text([old, {**kept[0], "epoch": 2}]).splitlines()
    assert lines[0] == ",".join(kept[0])
    assert [len(line.split(",")) for line in lines] == [len(kept[0])] * 3
    (first, second) = csv.DictReader(lines)
    assert first["frames_per_second"] == ""
    assert math.isfinite(float(second["frames_per_second"]))
