"""The table of data sets against Table 10 of the paper and against the files."""

from __future__ import annotations

import re

import numpy as np
import pytest
from platformdirs import user_data_path

from egraff_lmp.data.entry import known_checksums
from egraff_lmp.data.table import DATA_SETS, DATA_VARIABLE, data_root, data_set, read_source
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file

# Table 10: temperatures in K and time steps in fs of the forward simulations.
TABLE_10 = {
    "acetylacetone": [(300, 1.0), (600, 0.5)],
    "3bpa": [(300, 1.0), (600, 1.0)],
    "aspirin": [(500, 0.5)],
    "ethanol": [(500, 0.5)],
    "lips": [(520, 1.0)],
    "lips20": [(3000, 1.0)],
    "gete": [(920, 0.12)],
    **{key: [(500, 0.5)] for key in ("naphthalene", "salicylic_acid", "benzene")},
}
# Appendix D of "Forces are not enough".
ELSEWHERE = {"water": [(300, 1.0)], "alanine_dipeptide": [(300, 2.0)]}
# Table 9: atoms of the compositions of LiPS20.
TABLE_9 = {
    "beta-Li3PS4": 64,
    "gamma-Li3PS4": 128,
    "Li2P2S6": 80,
    "Li2PS3-hex": 96,
    "Li2PS3-orth": 96,
    "Li2S": 96,
    "Li3P": 64,
    "Li4P2S6": 96,
    "Li7P3S11": 84,
    "Li7PS6": 56,
    "Li48P16S61": 125,
    "P2S5": 28,
    "P4S3": 56,
    "g67": 260,
    "g70": 253,
    "g75": 255,
    "g80": 254,
    "Li": 54,
    "P": 48,
    "S": 32,
}


def test_conditions_are_those_of_table_10():
    got = {
        key: [(c.temperature_kelvin, c.timestep_fs) for c in entry.conditions]
        for key, entry in DATA_SETS.items()
    }
    assert got == TABLE_10 | ELSEWHERE
    for key, entry in DATA_SETS.items():
        assert entry.key == key
        assert (entry.temperature_kelvin, entry.timestep_fs) == got[key][0]
        assert entry.r_max == 5.0
        assert entry.citations


@pytest.mark.parametrize("key", list(DATA_SETS))
def test_files_hold_the_species_of_the_entry(ab_initio_data, key):
    entry, seen = DATA_SETS[key], set()
    present = [part for part in entry.files if entry.exists(part)]
    if not present:
        pytest.skip(f"no files of {key} at {ab_initio_data}")
    for part in present:
        frames = entry.read(part)
        seen |= set(frames.species)
        assert frames.timestep_fs == entry.frame_stride_fs.get(part)
        assert frames.energy is not None
        assert frames.forces is not None or part in entry.scans
    assert seen == set(entry.species)


def test_every_entry_is_complete():
    for entry in DATA_SETS.values():
        assert entry.homepage.startswith("http")
        assert entry.licence
        assert entry.split
        assert set(entry.remote) <= set(entry.files)
        assert set(entry.whole) <= set(entry.files)
        assert set(entry.beside) <= set(entry.files) - set(entry.whole)
        assert set(entry.scans) <= set(entry.beside)
        for part in entry.files:
            assert entry.remote.get(part) or entry.obtain, f"{entry.key}:{part}"
            assert entry.order_of(part) in ("series", "ordered", "independent", "scan")
            for file in entry.remote.get(part, ()):
                assert file.path.startswith(entry.files[part])


def test_what_is_released_beside_the_split():
    """Scans are no ensemble of any temperature; the files at 600 K say so."""
    acac, bpa = DATA_SETS["acetylacetone"], DATA_SETS["3bpa"]
    assert {acac.temperature_of(part) for part in acac.scans} == {None}
    assert {bpa.temperature_of(part) for part in (*bpa.scans, "train_mixedT")} == {None}
    assert {part: acac.temperature_of(part) for part in ("test", "test_300K", "test_600K")} == {
        "test": 300.0, "test_300K": 300.0, "test_600K": 600.0,
    }  # fmt: skip
    assert bpa.temperature_of("test_1200K") == 1200.0
    assert [part for part in acac.files if acac.in_split(part)] == ["train", "val", "test"]
    (file,) = acac.remote["test_600K"]
    assert file.url.endswith("BOTNet-datasets/raw/HEAD/dataset_acac/test_MD_600K.xyz")
    (file,) = bpa.remote["dihedral_beta150"]
    assert file.url.endswith("dataset_3BPA/test_dih_beta150.xyz")


def test_lips20_is_that_of_table_9():
    entry = DATA_SETS["lips20"]
    atoms = {
        name: sum(map(int, re.findall(r"\d+", path.rsplit("/", 1)[1])))
        for name, path in entry.files.items()
    }
    assert atoms == TABLE_9
    grouped = [part for parts in entry.groups.values() for part in parts]
    assert sorted(grouped) == sorted(TABLE_9)
    assert (len(entry.groups["train"]), len(entry.groups["crystal"])) == (5, 4)


def test_checksums_are_those_of_the_files(ab_initio_data):
    seen = 0
    for path, expected in known_checksums().items():
        if (ab_initio_data / path).is_file():
            assert sha256_file(ab_initio_data / path) == expected, path
            seen += 1
    assert seen > 0
    assert len(DATA_SETS["lips20"].checksums("S")) == 7
    assert not DATA_SETS["lips20"].checksums("P2S5")


def test_gaps_between_frames(ab_initio_data, tmp_path, monkeypatch):
    gaps = DATA_SETS["lips20"].gaps()
    assert (gaps.size, gaps.sum()) == (999, 5000)
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert DATA_SETS["lips20"].gaps() is None


def test_gete_is_the_composition_of_the_paper(ab_initio_data):
    frames = read_source("gete:test")
    assert (len(frames), frames.n_atoms) == (300, 200)
    assert (frames.species.count("Ge"), frames.species.count("Te")) == (40, 160)
    assert frames.energy.mean() == pytest.approx(-39830.06, abs=0.01)


def test_sources_by_path_and_variable(tmp_path, monkeypatch):
    np.savez(tmp_path / "a.npz", pos=np.zeros((1, 1, 3)), atomic_numbers=[1])
    monkeypatch.setenv("SOME_FOLDER", str(tmp_path))
    for source, base in (
        (str(tmp_path / "a.npz"), None),
        ("a.npz", tmp_path),
        ("$SOME_FOLDER/a.npz", tmp_path / "elsewhere"),
    ):
        assert read_source(source, base).species == ("H",)


def test_mistakes(tmp_path, monkeypatch):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    assert data_root() == tmp_path
    with pytest.raises(EgraffError, match=f"its part 'test'.*set {DATA_VARIABLE}"):
        read_source("gete:test")
    with pytest.raises(EgraffError, match="part out of train, test, val, got 'dev'"):
        read_source("gete:dev")
    with pytest.raises(EgraffError, match="data set out of gete, lips"):
        data_set("toluene")


def test_without_the_variable_the_folder_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.delenv(DATA_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert data_root() == user_data_path("egraff_lmp", appauthor=False)
    with pytest.raises(EgraffError, match=r"gete:test.*set EGRAFF_DATA to the folder") as caught:
        read_source("gete:test")
    assert f"it is not set, so that {data_root()} is taken" in str(caught.value)
    monkeypatch.setenv(DATA_VARIABLE, "")  # set to nothing is not set
    assert data_root() == user_data_path("egraff_lmp", appauthor=False)
