"""The structure that the benchmark times where the ab-initio one is absent."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest


@pytest.fixture(scope="module")
def gete(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("_gete", root / "benchmarks" / "_gete.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_packing_has_the_right_density_and_no_close_pairs(gete):
    atoms = gete.packed()
    assert atoms.get_chemical_symbols().count("Ge") == gete.N_GE
    assert len(atoms) == gete.N_GE + gete.N_TE
    assert len(atoms) / atoms.get_volume() == pytest.approx(gete.DENSITY, rel=1e-12)
    distances = atoms.get_all_distances(mic=True)
    np.fill_diagonal(distances, np.inf)
    assert distances.min() >= gete.CLOSEST


def test_packing_is_used_where_there_is_no_data(gete, monkeypatch, tmp_path):
    monkeypatch.setenv("EGRAFF_DATA", str(tmp_path))
    atoms, source = gete.gete()
    assert source == "random packing"
    assert np.array_equal(atoms.positions, gete.packed().positions)


def test_real_structure(gete, monkeypatch, ab_initio_data):
    monkeypatch.setenv("EGRAFF_DATA", str(ab_initio_data))
    atoms, source = gete.gete()
    assert "ab-initio" in source
    assert len(atoms) == gete.N_GE + gete.N_TE
    # the packing stands in for it: same density to a percent
    packed = gete.packed()
    assert atoms.get_volume() == pytest.approx(packed.get_volume(), rel=0.01)
