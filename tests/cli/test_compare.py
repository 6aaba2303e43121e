from __future__ import annotations

import json

import ase.io
import numpy as np
import pytest
import torch
from ase import Atoms
from ase.io import write
from typer.testing import CliRunner

from egraff_lmp.cli import build_app
from egraff_lmp.compare.compare import Comparison, Difference
from egraff_lmp.compare.picture import draw_comparison
from egraff_lmp.contract import EnergyReference, read_contract, save_deployed
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.table import DATA_SETS, DATA_VARIABLE
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """A small deployed MACE and a structure file."""
    folder = tmp_path_factory.mktemp("compare")
    rng = np.random.default_rng(0)
    atoms = Atoms("Ge2Te6", rng.uniform(0, 6.5, (8, 3)), cell=np.eye(3) * 6.5, pbc=True)
    write(folder / "cell.extxyz", atoms)
    frame = Frames(
        tuple(atoms.symbols),
        atoms.positions[None],
        np.asarray(atoms.cell)[None],
        (True,) * 3,
        None,
        None,
        None,
        "cell",
    )
    force_field = FORCE_FIELDS["mace"]
    context = NetworkContext(("Ge", "Te"), 4.0, 10.0, torch.float64, 1)
    network = force_field.build(force_field.presets["small"], context)
    model = AtomicEnergyModel(network, 1.0, torch.zeros(2))
    reference = EnergyReference("none", {"Ge": 0.0, "Te": 0.0})
    export_model(model, force_field, context, reference, frame, {}, folder / "model.pt")
    return folder


def run(*words: str):
    return CliRunner().invoke(build_app(), ["compare", *map(str, words)])


@pytest.mark.mpi
def test_json_of_a_good_model(job):
    done = run(job / "model.pt", job / "cell.extxyz", "--ranks", "1,2", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["ok"] is True
    assert [d["second"] for d in found["differences"]] == ["1 rank(s)", "2 rank(s)"]
    assert found["n_atoms"] == 8
    assert all(d["forces_ev_per_a"] < 1e-10 for d in found["differences"])


@pytest.mark.mpi
def test_a_network_that_depends_on_the_ranks_is_found(job, tmp_path):
    """It stands for any that is not a function of the graph."""

    class Noisy(torch.nn.Module):
        def forward(
            self,
            edge_vectors: torch.Tensor,
            edge_index: torch.Tensor,
            types: torch.Tensor,
            n_local: int,
        ) -> dict[str, torch.Tensor]:
            energy = torch.zeros(n_local, dtype=torch.float64).index_add(
                0, edge_index[0], edge_vectors.square().sum(dim=1)
            )
            # The energy knows how many atoms this rank has.
            return {"atomic_energy": energy * float(n_local)}

    bad = tmp_path / "bad.pt"
    save_deployed(torch.jit.script(Noisy()), read_contract(job / "model.pt"), bad)
    done = run(bad, job / "cell.extxyz", "--ranks", "1,2")
    assert done.exit_code == 1
    assert "TOO LARGE" in done.stdout


@pytest.mark.mpi
def test_a_part_of_a_data_set(job, tmp_path, monkeypatch):
    """SET:PART as the neighbours take it; the file is one that stands in for the set's."""
    path = tmp_path / DATA_SETS["gete"].files["test"]
    path.parent.mkdir(parents=True)
    atoms = ase.io.read(job / "cell.extxyz")
    np.savez(path, pos=atoms.positions[None], cell=np.asarray(atoms.cell)[None], pbc=[True] * 3,
             atomic_numbers=atoms.numbers)  # fmt: skip
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    done = run(job / "model.pt", "gete:test", "--ranks", "1", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["n_atoms"] == 8
    absent = run(job / "model.pt", "gete:val", "--ranks", "1")
    assert isinstance(absent.exception, EgraffError)
    assert "egraff data fetch gete:val" in str(absent.exception)


@pytest.mark.parametrize("ranks", ["", "a,b", "0,1", "1;2"])
def test_bad_ranks(job, ranks):
    done = run(job / "model.pt", job / "cell.extxyz", "--ranks", ranks)
    assert isinstance(done.exception, EgraffError)
    assert "expected rank counts such as 1,2,4" in str(done.exception)


def test_a_picture(tmp_path):
    """Differences of exactly 0 and those that are too large have their place in it."""
    small = Difference("python", "1 rank(s)", 1e-12, 1e-14, 0.0, 1e-11, 1e-13, 1e-8, True)
    large = Difference("1 rank(s)", "2 rank(s)", 1.0, 0.1, 0.2, 0.3, 0.4, 1e-10, False)
    found = Comparison("m.pt", "0" * 64, "float64", "cell", 8, (small, large))
    draw_comparison(found, tmp_path / "a.png", "png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    draw_comparison(found, tmp_path / "a.svg", "svg")
    assert b"<svg" in (tmp_path / "a.svg").read_bytes()


def test_a_picture_of_no_format_is_refused_before_the_work():
    refused = run("none.pt", "none.xyz", "--plot", "a.txt")
    assert isinstance(refused.exception, EgraffError)
    assert "a.txt: expected a name that ends in .png" in str(refused.exception)


@pytest.mark.mpi
def test_programs_of_one_rank_are_not_ranks(job):
    """A launcher of another MPI: each program is alone, and agrees with itself."""
    done = run(job / "model.pt", job / "cell.extxyz", "--ranks", "2", "--launcher", "env N={ranks}")
    assert done.exit_code == 1
    assert "starts one LAMMPS on 2 rank(s), got one on 1" in str(done.exception)
