"""Settings: every mistake is named, and the presets are those of the table of data sets."""

import pytest

from egraff_lmp.data.table import DATA_SETS
from egraff_lmp.errors import EgraffError

pytest.importorskip("pydantic")
from egraff_lmp.rollout.config import PRESETS, make_config, read_config

GOOD = {"model": "m.pt", "structure": "s.xyz", "n_steps": 100, "out_dir": "out"}


def test_good_settings_and_defaults():
    config = make_config(GOOD)
    assert config.row_every == config.dump_every == 10
    assert config.ranks == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"temprature_kelvin": 300},
            "unknown key 'temprature_kelvin': did you mean 'temperature_kelvin'",
        ),
        ({"n_steps": None}, "'n_steps' is missing"),
        ({"n_steps": 0}, "n_steps.*greater than 0"),
        ({"n_steps": "many"}, "n_steps.*'many'"),
        ({"timestep_fs": -1}, "timestep_fs"),
        ({"seed": 0}, "seed"),
        ({"ensemble": "nph"}, "ensemble.*nve"),
        ({"pair": "sw", "coeff": "x"}, "either model, or pair and coeff"),
        ({"model": None}, "either model, or pair and coeff"),
        ({"model": None, "pair": "sw"}, "pair and coeff together"),
        ({"data_file": "x.data"}, "either structure or data_file"),
        ({"structure": None}, "either structure or data_file"),
        ({"boundary": "f f f"}, "goes with data_file"),
        ({"dump_every": 10, "thermo_every": 3}, "multiple of thermo_every"),
        ({"launcher": "srun -n 4"}, "{ranks}"),
        ({"preset": "GaAs"}, "GeTe, LiPS, LiPS20, got 'GaAs'"),
    ],
)
def test_mistakes_are_named(changes, message):
    values = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    with pytest.raises(EgraffError, match=message):
        make_config(values)


def test_all_mistakes_at_once():
    with pytest.raises(EgraffError, match=r"ranks.*unknown key 'x'") as caught:
        make_config({**GOOD, "ranks": 0, "x": 1})
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_those_of_the_data_sets(preset):
    row = DATA_SETS[PRESETS[preset]]
    config = make_config({**GOOD, "preset": preset})
    assert config.temperature_kelvin == row.temperature_kelvin
    assert config.timestep_fs == row.timestep_fs
    assert make_config({**GOOD, "preset": preset, "timestep_fs": 0.5}).timestep_fs == 0.5


def test_paths_start_from_the_file(tmp_path):
    path = tmp_path / "a b.yaml"
    path.write_text("{model: m.pt, structure: s.xyz, n_steps: 10, out_dir: out, ranks: 2}")
    config = read_config(path, ranks=4)
    assert config.path(config.out_dir) == tmp_path / "out"
    assert config.ranks == 4


@pytest.mark.parametrize("text", ["a: [1", "", "- 1\n- 2", "\x00"])
def test_files_that_are_no_settings(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(EgraffError, match=r"x\.yaml"):
        read_config(path)
    with pytest.raises(EgraffError, match="there is none"):
        read_config(tmp_path / "y.yaml")
