"""The table of data sets against Table 10 of the paper and against the files."""

from __future__ import annotations

import numpy as np
import pytest

from egraff_lmp.data.table import DATA_SETS, DATA_VARIABLE, data_root, data_set, read_source
from egraff_lmp.errors import EgraffError

# Table 10: temperatures in K and time steps in fs of the forward simulations.
TABLE_10 = {
    "acetylacetone": [(300, 1.0), (600, 0.5)],
    "3bpa": [(300, 1.0), (600, 1.0)],
    "aspirin": [(500, 0.5)],
    "ethanol": [(500, 0.5)],
    "lips": [(520, 1.0)],
    "lips20": [(3000, 1.0)],
    "gete": [(920, 0.12)],
}


def test_conditions_are_those_of_table_10():
    got = {
        key: [(c.temperature_kelvin, c.timestep_fs) for c in entry.conditions]
        for key, entry in DATA_SETS.items()
    }
    assert got == TABLE_10
    for key, entry in DATA_SETS.items():
        assert entry.key == key
        assert (entry.temperature_kelvin, entry.timestep_fs) == TABLE_10[key][0]
        assert entry.r_max == 5.0
        assert entry.citations


@pytest.mark.parametrize("key", list(DATA_SETS))
def test_files_hold_the_species_of_the_entry(ab_initio_data, key):
    entry, seen, n_read = DATA_SETS[key], set(), 0
    for part in entry.files:
        if not entry.path(part).exists():
            continue
        frames = entry.read(part)
        seen |= set(frames.species)
        n_read += 1
        assert frames.timestep_fs == entry.frame_stride_fs.get(part)
        assert frames.energy is not None
        assert frames.forces is not None
    assert n_read > 0
    assert seen == set(entry.species)


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
        data_set("water")
