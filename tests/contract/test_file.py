"""Reading contracts from files: one clear sentence for each file that is something else."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import zipfile

import pytest
import torch

from egraff_lmp.contract import CONTRACT_MEMBER, SCHEMA, read_contract, save_deployed
from egraff_lmp.contract.schema import KIND
from egraff_lmp.errors import EgraffError


def test_contract_of_a_deployed_file(deployed, contract):
    assert read_contract(deployed) == contract
    assert torch.jit.load(str(deployed))(torch.zeros(1, 1)).shape == (1, 1)


def test_reading_needs_no_torch(deployed):
    code = (
        "import sys; from egraff_lmp.contract import read_contract; "
        f"assert read_contract({str(deployed)!r}).forcefield == 'nequip'; "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def scripted(path, **extra):
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(path), _extra_files=extra)


def other_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


CASES = {
    "empty": (lambda p, good: p.write_bytes(b""), "an empty file"),
    "truncated": (lambda p, good: p.write_bytes(good[: len(good) // 2]), "a truncated file"),
    "pickle": (lambda p, good: p.write_bytes(pickle.dumps({"a": 1})), "a Python pickle"),
    "text": (lambda p, good: p.write_text("hello"), "no TorchScript archive"),
    "checkpoint": (lambda p, good: torch.save({"state_dict": {}}, p), "a training checkpoint"),
    "export": (lambda p, good: scripted(p), "without an egraff contract"),
    "nequip": (
        lambda p, good: scripted(p, **{"r_max": "5.0", "type_names": "Ge Te"}),
        r"nequip-compile.*egraff deploy",
    ),
    "zip": (lambda p, good: other_zip(p), "zip archive of another kind"),
    "folder": (lambda p, good: p.mkdir(), "got a folder"),
    "missing": (lambda p, good: None, "no such file"),
    "newer": (
        lambda p, good: scripted(p, **{CONTRACT_MEMBER: json.dumps({"kind": KIND, "schema": 99})}),
        f"schema {SCHEMA} or older, got 99",
    ),
    "damaged": (lambda p, good: scripted(p, **{CONTRACT_MEMBER: "{"}), "not valid JSON"),
}


@pytest.mark.parametrize("case", list(CASES))
def test_misuse(case, deployed, tmp_path):
    make, message = CASES[case]
    path = tmp_path / case
    make(path, deployed.read_bytes())
    with pytest.raises(EgraffError, match=message) as caught:
        read_contract(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_real_nequip_export(tmp_path):
    from nequip.model import NequIPGNNModel
    from nequip.model.inference_models.torchscript import save_torchscript_model

    from egraff_lmp.forcefields.nequip_package import nequip_state

    with nequip_state():
        model = NequIPGNNModel(
            seed=0,
            model_dtype="float32",
            type_names=["Ge", "Te"],
            r_max=4.0,
            num_layers=1,
            l_max=1,
            num_features=2,
            avg_num_neighbors=10.0,
            do_derivatives=False,
        )
        path = tmp_path / "model.nequip.pth"
        metadata = {"r_max": "4.0", "type_names": "Ge Te"}
        save_torchscript_model(model, metadata, str(path), "cpu")
    with pytest.raises(EgraffError, match=r"NequIP or Allegro export.*egraff deploy"):
        read_contract(path)


def test_mace_export_is_named(tmp_path):
    path = tmp_path / "model-lammps.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x/code/__torch__/mace/calculators/lammps_mace.py", "")
    with pytest.raises(EgraffError, match=r"a MACE export.*egraff deploy.*pair_style mace"):
        read_contract(path)


def test_file_is_replaced_whole_or_not_at_all(deployed, contract, monkeypatch):
    before = deployed.read_bytes()

    def fails(module, path, **_):
        with open(path, "wb") as stream:
            stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch.jit, "save", fails)
    with pytest.raises(OSError, match="disk full"):
        save_deployed(torch.jit.script(torch.nn.Linear(1, 1)), contract, deployed)
    assert deployed.read_bytes() == before
    assert [p.name for p in deployed.parent.iterdir()] == [deployed.name]
