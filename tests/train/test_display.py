"""What is seen of a training."""

from __future__ import annotations

import io

from rich.console import Console

from egraff_lmp.train import run
from egraff_lmp.train.display import Display
from egraff_lmp.train.run import train


def test_bar_on_a_terminal(toy_config, tmp_path, monkeypatch):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=120)
    monkeypatch.setattr(run, "Display", lambda: Display(console))
    train(toy_config(stop__max_epochs=2), tmp_path / "out")
    text = stream.getvalue()
    assert "epoch 2/2" in text
    assert "meV/A" in text
