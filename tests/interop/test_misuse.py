"""Files that cannot be taken over: one sentence that names the part, and no code run unasked."""

from __future__ import annotations

import json
import os
import pickle
import zipfile

import e3nn
import numpy as np
import pytest
import torch
from interop_files import ALLEGRO, NEQUIP, mace_model, save_checkpoint

from egraff_lmp.contract import read_contract
from egraff_lmp.data.ase_io import frames_from_images
from egraff_lmp.errors import EgraffError
from egraff_lmp.interop import mace
from egraff_lmp.interop.foreign import made_frame
from egraff_lmp.interop.recognise import look
from egraff_lmp.train.deploy_file import deploy_file

ZBL = {"_target_": "nequip.nn.pair_potential.ZBL", "units": "metal", "chemical_species": ["H"]}


class Payload:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return (os.mkdir, (self.path,))


@pytest.fixture(scope="module")
def plain_mace(folder):
    path = folder / "plain.model"
    torch.save(mace_model(), path)
    return path


def refused(path, out, match, **options):
    with pytest.raises(EgraffError, match=match) as caught:
        deploy_file(path, out, **options)
    assert "\n" not in str(caught.value)
    assert not out.exists()
    return str(caught.value)


def test_a_pickle_is_not_opened_unasked(tmp_path):
    model = mace_model(num_interactions=1, hidden_irreps="2x0e")
    model.heads = Payload(tmp_path / "ran")
    path = tmp_path / "bad.model"
    torch.save(model, path)
    message = refused(path, tmp_path / "m.pt", "MACE model")
    assert "--trust" in message
    assert "runs whatever code" in message
    assert not (tmp_path / "ran").exists()
    with pytest.raises((EgraffError, TypeError)):
        deploy_file(path, tmp_path / "m.pt", trust=True)
    assert (tmp_path / "ran").exists()  # the payload works: the first refusal prevented it


def test_a_package_is_not_opened_unasked(packages, tmp_path):
    message = refused(packages["nequip"], tmp_path / "m.pt", "torch.package archive")
    assert "--trust" in message


def test_suffix_does_not_matter(plain_mace, nequip_files, tmp_path):
    for path, title in ((plain_mace, "MACE"), (nequip_files("nequip"), None)):
        copy = tmp_path / "file.bin"
        copy.write_bytes(path.read_bytes())
        if title:
            refused(copy, tmp_path / "m.pt", title)
        else:
            assert deploy_file(copy, tmp_path / "m.pt").forcefield == "nequip"


def test_a_file_of_the_old_format_is_recognised(tmp_path):
    model = mace_model(num_interactions=1, hidden_irreps="2x0e")
    torch.save(model, tmp_path / "m.model", _use_new_zipfile_serialization=False)
    refused(tmp_path / "m.model", tmp_path / "m.pt", "--trust")


def test_nequip_checkpoint_with_objects_wants_trust(nequip_files, tmp_path):
    raw = torch.load(nequip_files("nequip"), weights_only=False)
    raw["callbacks"] = {"mine": Payload(tmp_path / "ran")}
    path = tmp_path / "objects.ckpt"
    torch.save(raw, path)
    refused(path, tmp_path / "m.pt", "holds Python objects.*--trust")
    assert not (tmp_path / "ran").exists()
    assert deploy_file(path, tmp_path / "m.pt", trust=True).forcefield == "nequip"


def changed(nequip_files, path, **changes):
    raw = torch.load(nequip_files("nequip"), weights_only=False)
    raw["hyper_parameters"]["model"] = {**raw["hyper_parameters"]["model"], **changes}
    torch.save(raw, path)
    return path


@pytest.mark.parametrize("trust", [False, True])
def test_a_config_does_not_call_what_it_names(trust, nequip_files, tmp_path):
    """A checkpoint that is read without running code must not run any through its config."""
    payload = {"_target_": "os.mkdir", "path": str(tmp_path / "ran")}
    for changes in ({"pair_potential": payload}, {"_target_": "os.mkdir"}):
        path = changed(nequip_files, tmp_path / "calls.ckpt", **changes)
        refused(path, tmp_path / "m.pt", r"got os\.mkdir in its config", trust=trust)
    assert not (tmp_path / "ran").exists()


def test_unsupported_parts_of_nequip(nequip_files, tmp_path):
    out = tmp_path / "m.pt"
    path = changed(nequip_files, tmp_path / "a.ckpt", pair_potential=ZBL)
    refused(path, out, r"nequip\.nn\.pair_potential\.ZBL")
    path = changed(nequip_files, tmp_path / "b.ckpt", _target_="nequip.model.ModelFromPackage")
    refused(path, out, "refers to another file")
    path = changed(nequip_files, tmp_path / "c.ckpt", num_features=7)
    refused(path, out, "weights do not fit")
    path = changed(nequip_files, tmp_path / "d.ckpt", type_names=["H", "O", "Ge1"])
    refused(path, out, "chemical elements as type names, got Ge1")
    path = changed(nequip_files, tmp_path / "e.ckpt", r_max="far")
    refused(path, out, "that the installed nequip builds")
    raw = torch.load(nequip_files("nequip"), weights_only=False)
    del raw["hyper_parameters"]
    torch.save(raw, tmp_path / "f.ckpt")
    refused(tmp_path / "f.ckpt", out, "lacks 'hyper_parameters'")


def test_swapped_averages(nequip_files, tmp_path):
    raw = torch.load(nequip_files("nequip-ema"), weights_only=False)
    raw["state_dict"]["ema._extra_state"]["is_holding_ema_weights"] = False
    torch.save(raw, tmp_path / "swapped.ckpt")
    refused(tmp_path / "swapped.ckpt", tmp_path / "m.pt", "in the middle of a validation")


UNSUPPORTED = {
    "two heads": (
        {"heads": ["a", "b"], "atomic_energies": np.ones((2, 3))},
        "2 heads.*mace_select_head",
    ),
    "attention": (
        {"interaction_cls": "RealAgnosticAttResidualInteractionBlock"},
        "RealAgnosticAttResidualInteractionBlock",
    ),
    "further inputs": (
        {
            "embedding_specs": {
                "charge": {"type": "continuous", "in_dim": 1, "per": "graph", "emb_dim": 2}
            }
        },
        "charge",
    ),
}


@pytest.mark.parametrize("name", list(UNSUPPORTED))
def test_unsupported_parts_of_mace(name, tmp_path):
    changes, match = UNSUPPORTED[name]
    torch.save(mace_model(**changes), tmp_path / "m.model")
    refused(tmp_path / "m.model", tmp_path / "m.pt", match, trust=True)


def test_other_classes(tmp_path):
    model = mace_model()
    model.scale_shift = None
    torch.save(model.products, tmp_path / "part.model")
    refused(tmp_path / "part.model", tmp_path / "m.pt", "the class ModuleList", trust=True)


def test_a_wrong_import_is_noticed(plain_mace, nequip_files, tmp_path, monkeypatch):
    """The check must see a scale that is off by a millionth, and a missing term."""
    zero = mace._zero
    with monkeypatch.context() as patch:
        patch.setattr(mace, "_zero", lambda *a: (zero(*a)[0] * (1 + 1e-6), zero(*a)[1]))
        refused(plain_mace, tmp_path / "m.pt", "differ by", trust=True)
    from egraff_lmp.interop import nequip_model

    build = nequip_model.NequIPNetwork
    with monkeypatch.context() as patch:
        patch.setattr(
            nequip_model, "NequIPNetwork", lambda parts, r_max: build(parts, r_max + 1e-4)
        )
        refused(nequip_files("nequip"), tmp_path / "m.pt", "differ by")


def test_weights_that_are_not_numbers(tmp_path):
    model = mace_model()
    with torch.no_grad():
        model.interactions[0].linear_up.weight.fill_(float("nan"))
    torch.save(model, tmp_path / "nan.model")
    refused(tmp_path / "nan.model", tmp_path / "m.pt", "differ by nan", trust=True)


def test_older_pickles_of_e3nn(plain_mace, frames, tmp_path, monkeypatch):
    """e3nn 0.4.4 wrote compiled parts without their kind, and other attributes."""
    from e3nn.util.codegen import CodeGenMixin

    state = CodeGenMixin.__getstate__

    def older(self):
        found = state(self)
        parts = found.get("__codegen__", {})
        return {**found, "__codegen__": {name: value[1] for name, value in parts.items()}}

    defaults = e3nn.get_optimization_defaults()
    e3nn.set_optimization_defaults(jit_mode="script")  # as it was
    try:
        model = mace_model()
    finally:
        e3nn.set_optimization_defaults(jit_mode=defaults["jit_mode"])
    del model.spherical_harmonics.sph_func
    for module in model.modules():
        if type(module).__name__ == "Activation":
            del module.paths
    with monkeypatch.context() as patch:
        patch.setattr(CodeGenMixin, "__getstate__", older)
        torch.save(model, tmp_path / "old.model")
    now = CodeGenMixin.__setstate__
    deploy_file(tmp_path / "old.model", tmp_path / "old.pt", trust=True)
    assert CodeGenMixin.__setstate__ is now
    deploy_file(plain_mace, tmp_path / "new.pt", trust=True)
    tests = [read_contract(tmp_path / name).self_test for name in ("old.pt", "new.pt")]
    assert tests[0] == tests[1]


def test_wrong_element_and_wrong_names(plain_mace, frames, tmp_path):
    frame = frames_from_images([frames["molecule"]], "frame.xyz")
    gold = frames_from_images([frames["molecule"].copy()], "gold.xyz")
    object.__setattr__(gold, "species", ("Au", *frame.species[1:]))
    refused(plain_mace, tmp_path / "m.pt", "H O Ge.*got Au", trust=True, frame=gold)
    refused(plain_mace, tmp_path / "m.pt", "float32, float64, got 'half'", dtype="half")
    with pytest.raises(EgraffError, match="name of a model file"):
        deploy_file(plain_mace, plain_mace, trust=True)
    with pytest.raises(EgraffError, match="name of a model file"):
        deploy_file(plain_mace, tmp_path, trust=True)


def test_garbage(tmp_path):
    path, out = tmp_path / "file", tmp_path / "m.pt"
    path.write_text("hello")
    refused(path, out, "file of another kind")
    path.write_bytes(b"\x80\x02garbage")
    refused(path, out, "file of another kind")
    path.write_bytes(pickle.dumps({"epoch": 1, "model": {"interactions.0.linear_up.weight": 1}}))
    refused(path, out, "training checkpoint of MACE")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/readme.txt", json.dumps({}))
    refused(path, out, "another kind")
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), str(path))
    refused(path, out, "TorchScript export of another program")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/model/package_metadata.txt", "nothing")
    refused(path, out, "could not be opened", trust=True)
    torch.save({"pytorch-lightning_version": "2", "run_stage": 1, "state_dict": 1}, path)
    refused(path, out, "lacks 'hyper_parameters'")
    damaged = path.read_bytes()
    path.write_bytes(damaged[: len(damaged) // 2])
    refused(path, out, "truncated")


def test_looking_runs_nothing(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(pickle.dumps(Payload(tmp_path / "ran")))
    assert look(path).names
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("species", [("H",), ("Cs", "F"), ("H", "He", "Li", "Be", "B", "C", "N")])
@pytest.mark.parametrize("r_max", [2.0, 6.0])
def test_made_frame(species, r_max):
    """Every species is there, has neighbours, and no two atoms overlap."""
    from egraff_lmp.graph import find_edges

    frame = made_frame(species, r_max)
    assert set(frame.species) == set(species)
    edges = find_edges(frame.positions[0], frame.cell[0], frame.pbc, r_max)
    lengths = np.linalg.norm(edges.vectors(frame.positions[0], frame.cell[0]), axis=1)
    assert set(edges.index[0]) == set(range(frame.n_atoms))
    assert lengths.min() > 0.3 * min(r_max, 2.0)


def test_allegro_with_repulsion(tmp_path):
    """A part that the builder knows, and this project does not."""
    config = {**ALLEGRO, "pair_potential": {**ZBL, "chemical_species": ["H", "O", "Ge"]}}
    path = save_checkpoint(config, tmp_path / "zbl.ckpt")
    refused(path, tmp_path / "m.pt", r"pair_potential\.ZBL")
    assert NEQUIP["r_max"] == ALLEGRO["r_max"]
