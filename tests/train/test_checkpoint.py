"""Checkpoints: rebuilt as trained, and everything else is refused with the next step."""

from __future__ import annotations

import json
import pickle

import pytest
import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.train.checkpoint import RECORD_KEY, SCHEMA, Record, load_checkpoint
from egraff_lmp.train.evaluate import evaluate
from egraff_lmp.train.graphs import build_graphs
from egraff_lmp.train.run import train


@pytest.fixture
def trained(toy_config, tmp_path):
    config = toy_config(stop__max_epochs=3, dtype="float32")
    return train(config, tmp_path / "out", progress=False)


def test_rebuilt_model_has_the_validation_errors_of_the_log(trained, toy, toy_config):
    from egraff_lmp.train.data import read_parts

    checkpoint = load_checkpoint(trained.checkpoint)
    (held_out,) = read_parts(toy_config(), None).validation
    graphs = build_graphs(held_out, checkpoint.record.species, checkpoint.record.r_max)
    errors = evaluate(checkpoint.build(), graphs).as_dict()
    assert errors == pytest.approx(dict(trained.validation), rel=1e-6)
    # and these are the averaged weights, not the last ones
    raw = checkpoint.weights["model.network.mlp.0.weight"]
    average = checkpoint.state["average"]["average"]["network.mlp.0.weight"]
    assert torch.equal(checkpoint.build().network.mlp[0].weight, average)
    assert not torch.equal(raw, average)


def test_without_averaging_the_weights_themselves_are_taken(toy_config, tmp_path):
    result = train(toy_config(ema_decay=None, stop__max_epochs=1), tmp_path / "x", progress=False)
    checkpoint = load_checkpoint(result.checkpoint)
    built = checkpoint.build().network.mlp[0].weight
    assert torch.equal(built, checkpoint.weights["model.network.mlp.0.weight"])


def test_float64_from_float32_rebuilds_constants(trained):
    checkpoint = load_checkpoint(trained.checkpoint)
    double = checkpoint.build("float64").network
    exact = torch.linspace(1, 4, 8, dtype=torch.float64) / 3 * 3
    assert torch.equal(double.centres, exact)
    assert not torch.equal(checkpoint.build().network.centres.double(), exact)
    assert double.mlp[0].weight.dtype == torch.float64
    assert torch.equal(double.mlp[0].weight.float(), checkpoint.build().network.mlp[0].weight)


def test_checkpoints_hold_no_code(trained):
    raw = torch.load(trained.checkpoint, weights_only=True)
    record = Record.from_plain(raw[RECORD_KEY])
    assert record.to_plain() == raw[RECORD_KEY]
    assert json.loads(record.config)["forcefield"] == "toy"
    assert record.provenance["data"]["train"]["n_frames"] == [8]
    assert record.provenance["versions"]["torch"] == torch.__version__
    assert record.provenance["hardware"]["processor"]


def test_weights_that_do_not_fit(trained, tmp_path):
    raw = torch.load(trained.checkpoint, weights_only=True)
    raw[RECORD_KEY]["settings"] = json.dumps({"width": 5, "dropout": 0.0})
    torch.save(raw, tmp_path / "odd.ckpt")
    with pytest.raises(EgraffError, match=r"do not fit the toy network.*versions"):
        load_checkpoint(tmp_path / "odd.ckpt").build()


class Payload:
    """Unpickling it would write a file."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def misuse(tmp_path, trained):
    """Name to (path, expected message)."""
    good = trained.checkpoint.read_bytes()
    ran = tmp_path / "code-was-run"
    files = {
        "empty.ckpt": (b"", "an empty file"),
        "cut.ckpt": (good[: len(good) // 2], "a truncated file"),
        "text.ckpt": (b"hello", "a file of another kind"),
        "pickle.ckpt": (pickle.dumps(Payload(ran)), "a file of another kind"),
    }
    for name, (content, message) in files.items():
        (tmp_path / name).write_bytes(content)
        yield tmp_path / name, message
    torch.save({"model": Payload(ran)}, tmp_path / "evil.ckpt")
    yield tmp_path / "evil.ckpt", "a pickle that would run code"
    torch.save({"state_dict": {}, "pytorch-lightning_version": "2"}, tmp_path / "foreign.ckpt")
    yield tmp_path / "foreign.ckpt", "checkpoint of another program"
    torch.save([1, 2], tmp_path / "list.ckpt")
    yield tmp_path / "list.ckpt", "checkpoint of another program"
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(tmp_path / "model.pt"))
    yield tmp_path / "model.pt", "egraff inspect"
    raw = torch.load(trained.checkpoint, weights_only=True)
    raw[RECORD_KEY]["schema"] = SCHEMA + 1
    torch.save(raw, tmp_path / "newer.ckpt")
    yield tmp_path / "newer.ckpt", "update egraff_lmp"
    yield tmp_path, "got a folder"
    yield tmp_path / "none.ckpt", "no such file"


def test_every_other_file_is_named_and_none_runs_code(trained, tmp_path):
    for path, message in misuse(tmp_path, trained):
        with pytest.raises(EgraffError, match=message) as caught:
            load_checkpoint(path)
        assert str(path) in str(caught.value)
    assert not (tmp_path / "code-was-run").exists()
