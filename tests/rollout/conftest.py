"""A crystal that a shipped classical potential knows, and a tiny deployed model of its elements."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

PAIR = "sw"
COEFF = "CdTe.sw Cd Te"


@pytest.fixture(scope="session")
def cdte():
    """64 atoms of CdTe, shaken, as `ase.Atoms`."""
    from ase.build import bulk

    atoms = bulk("CdTe", "zincblende", a=6.48, cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    return atoms


@pytest.fixture
def make_settings(cdte, tmp_path):
    """A function from changes to the settings of a short rollout of CdTe with its potential.

    The folder holds a space and a dollar sign on purpose.
    """
    base = tmp_path / "my runs $x"
    base.mkdir()
    cdte.write(base / "cd te.traj")  # a format that keeps all digits

    def make(**changes):
        values = {
            "base": base,
            "pair": PAIR,
            "coeff": COEFF,
            "structure": "cd te.traj",
            "ensemble": "nvt",
            "temperature_kelvin": 600,
            "n_steps": 60,
            "dump_every": 10,
            "thermo_every": 5,
            "restart_every": 20,
            "out_dir": "out",
        }
        return {key: value for key, value in {**values, **changes}.items() if value is not None}

    return make


@pytest.fixture(scope="session")
def make_tiny_model(tmp_path_factory, cdte):
    """Force field -> a deployed model of Cd and Te (in this order: Te Cd), random, in float64."""
    torch = pytest.importorskip("torch")
    from egraff_lmp.contract import EnergyReference
    from egraff_lmp.data.frames import Frames
    from egraff_lmp.forcefields import AtomicEnergyModel, NetworkContext, force_field
    from egraff_lmp.forcefields.export import export_model

    def make(key: str) -> Path:
        entry = force_field(key)
        pytest.importorskip("allegro" if key == "allegro" else "nequip")
        species = ("Te", "Cd")
        context = NetworkContext(species, 4.0, 10.0, torch.float64, 0)
        model = AtomicEnergyModel(
            entry.build(entry.presets["small"], context), 0.05, torch.tensor([-2.0, -1.0])
        )
        frame = Frames(
            tuple(cdte.get_chemical_symbols()),
            np.array(cdte.positions)[None],
            np.array(cdte.cell)[None],
            (True, True, True),
            None,
            None,
            None,
            "shaken CdTe",
        )
        path = tmp_path_factory.mktemp("tiny model") / "te cd $1.pt"
        reference = EnergyReference("none", {"Te": -2.0, "Cd": -1.0})
        export_model(model, entry, context, reference, frame, {}, path)
        return path

    return make


@pytest.fixture(scope="session")
def tiny_model(make_tiny_model) -> Path:
    """A strictly local one."""
    return make_tiny_model("allegro")


@pytest.fixture
def without_stress(tiny_model, tmp_path) -> Path:
    """The strictly local model, with a contract that lists the labels of its training."""
    path = tmp_path / "no stress.pt"
    with zipfile.ZipFile(tiny_model) as old, zipfile.ZipFile(path, "w") as new:
        for item in old.infolist():
            content = old.read(item)
            if item.filename.endswith("egraff_contract.json"):
                contract = json.loads(content)
                contract["provenance"]["labels"] = ["energy", "forces"]
                content = json.dumps(contract).encode()
            new.writestr(item, content)
    return path
