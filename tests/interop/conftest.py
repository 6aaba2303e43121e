"""Native files of other packages, and the frames to compare on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import ase
import ase.io
import numpy as np
import pytest
from interop_files import (
    ALLEGRO,
    NEQUIP,
    R_MAX,
    RICH_ALLEGRO,
    RICH_NEQUIP,
    SPECIES,
    save_checkpoint,
)


@pytest.fixture(scope="session")
def frames() -> dict[str, ase.Atoms]:
    """A triclinic cell below 2 r_max, one smaller than r_max, a slab and a molecule."""
    rng = np.random.default_rng(11)
    tilted = np.array([[5.1, 0.0, 0.0], [1.4, 5.3, 0.0], [-0.9, 0.8, 4.9]])
    tiny = np.array([[2.9, 0.0, 0.0], [0.6, 3.1, 0.0], [-0.5, 0.4, 3.2]])

    def packed(symbols: str, cell: np.ndarray, pbc: bool | tuple[bool, bool, bool]) -> ase.Atoms:
        positions = rng.uniform(0, 1, (len(ase.Atoms(symbols)), 3)) @ cell
        atoms = ase.Atoms(symbols, positions=positions, cell=cell, pbc=pbc)
        for _ in range(200):  # move atoms apart that overlap
            distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
            np.fill_diagonal(distances, 9.0)
            close = np.argwhere(distances < 1.1)
            if not len(close):
                break
            atoms.positions[close[0][0]] += rng.normal(0, 0.6, 3)
        return atoms

    return {
        "triclinic": packed("H3O3Ge2", tilted, True),
        "tiny": packed("OGe", tiny, True),
        "slab": packed("H2O2Ge2", tilted, (True, True, False)),
        "molecule": ase.Atoms("H2OGe", [[0, 0, 0], [1.5, 0.1, 0], [0.6, 1.0, 0.2], [1.9, 2.0, 1]]),
    }


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where native files go."""
    return tmp_path_factory.mktemp("native")


@pytest.fixture(scope="session")
def nequip_files(folder: Path) -> Callable[[str], Path]:
    """`nequip_files(name)`: a checkpoint "nequip", "nequip-rich", "nequip-ema", "allegro", ..."""
    configs = {
        "nequip": NEQUIP,
        "nequip-rich": RICH_NEQUIP,
        "nequip-ema": NEQUIP,
        "nequip-float32": {**NEQUIP, "model_dtype": "float32"},
        "allegro": ALLEGRO,
        "allegro-rich": RICH_ALLEGRO,
    }

    def make(name: str) -> Path:
        path = folder / f"{name}.ckpt"
        if not path.exists():
            save_checkpoint(configs[name], path, ema=name.endswith("ema"))
        return path

    return make


@pytest.fixture(scope="session")
def packages(folder: Path, frames: dict[str, ase.Atoms]) -> dict[str, Path]:
    """`.nequip.zip` files of a NequIP and an Allegro, written by `nequip-package build`."""
    ase.io.write(folder / "frames.extxyz", [frames["triclinic"]] * 2)
    mapper = "nequip.data.transforms.ChemicalSpeciesToAtomTypeMapper"
    data = {
        "_target_": "nequip.data.datamodule.ASEDataModule",
        "seed": 1,
        "split_dataset": {"file_path": str(folder / "frames.extxyz"), "train": 1, "val": 1},
        "transforms": [
            {"_target_": mapper, "model_type_names": list(SPECIES)},
            {"_target_": "nequip.data.transforms.NeighborListTransform", "r_max": R_MAX},
        ],
    }
    files, calls = {}, []
    for key, config in (("nequip", RICH_NEQUIP), ("allegro", ALLEGRO)):
        checkpoint = save_checkpoint(config, folder / f"to-package-{key}.ckpt", data=data)
        files[key] = folder / f"{key}.nequip.zip"
        calls.append(f"main(['build', {str(checkpoint)!r}, {str(files[key])!r}])")
    # A process of its own: the program changes logging and torch's defaults.
    code = "from nequip.scripts.package import main; " + "; ".join(calls)
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    return files
