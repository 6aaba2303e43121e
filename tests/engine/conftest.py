"""Untrained models and the structures that the engine is tested on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from decks import STRENGTH

from egraff_lmp.contract import EnergyReference, read_contract, save_deployed
from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.rollout.datafile import Structure

R_MAX = 5.0
# One model for all systems here: it knows every element of GeTe, LiPS and 3BPA.
SPECIES = ("H", "Li", "C", "N", "O", "P", "S", "Ge", "Te")

ModelMaker = Callable[..., Path]


def as_frames(structure: Structure) -> Frames:
    """One frame without labels."""
    return Frames(
        structure.species,
        structure.positions[None],
        structure.cell[None],
        structure.pbc,
        None,
        None,
        None,
        structure.source,
    )


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> ModelMaker:
    """`exported(key, dtype, scale=20.0, r_max=5.0, seed=7)`: path of an untrained deployed model.

    An energy scale of 20 eV gives forces of the size of real ones, so that absolute tolerances
    mean what they say. Dynamics takes a smaller one: an untrained network has no repulsion.
    """
    folder = tmp_path_factory.mktemp("models")

    def make(
        key: str, dtype: str, scale: float = 20.0, r_max: float = R_MAX, seed: int = 7
    ) -> Path:
        path = folder / f"{key}-{dtype}-{scale:g}-{r_max:g}-{seed}.pt"
        if not path.exists():
            force_field = FORCE_FIELDS[key]
            context = NetworkContext(SPECIES, r_max, 20.0, getattr(torch, dtype), seed=seed)
            network = force_field.build(force_field.presets["small"], context)
            shift = torch.arange(len(SPECIES), dtype=torch.float64) * -0.1
            reference = EnergyReference("none", dict(zip(SPECIES, shift.tolist(), strict=True)))
            export_model(
                AtomicEnergyModel(network, scale * STRENGTH.get(key, 1.0), shift),
                force_field,
                context,
                reference,
                as_frames(_small_cell()),
                {},
                path,
            )
        return path

    return make


@pytest.fixture(scope="session")
def model(exported: ModelMaker) -> ModelMaker:
    """What `egraff deploy` writes; arguments as for `exported`."""
    return exported


@pytest.fixture(scope="session")
def quick_model(exported: ModelMaker) -> ModelMaker:
    """The same networks in one frozen graph: such a file loads ten times faster.

    For tests of many decks, each of which loads its model anew.
    """

    def make(*args: object, **options: object) -> Path:
        path = exported(*args, **options)
        frozen = path.with_suffix(".frozen.pt")
        if not frozen.exists():
            module = torch.jit.load(str(path)).eval()
            for parameter in module.parameters():
                parameter.requires_grad_(False)
            graph = torch.jit.freeze(module, optimize_numerics=False)
            save_deployed(graph, read_contract(path), frozen)
        return frozen

    return make


def _small_cell() -> Structure:
    rng = np.random.default_rng(3)
    positions = rng.uniform(0, 6.0, (8, 3))
    species = ("Ge", "Te", "Te", "S", "P", "Li", "C", "H")
    return Structure(species, positions, np.eye(3) * 6.0, (True, True, True), None, "small cell")


@pytest.fixture(scope="session")
def small_cell() -> Structure:
    """Eight atoms in a 6 A cube, less than 2 r_max."""
    return _small_cell()


def _npz(path: Path, index: int, name: str) -> Structure:
    from ase.data import chemical_symbols

    with np.load(path, allow_pickle=False) as raw:
        return Structure(
            tuple(chemical_symbols[z] for z in raw["atomic_numbers"]),
            raw["pos"][index].astype(float),
            raw["cell"].astype(float),
            tuple(bool(p) for p in raw["pbc"]),
            None,
            name,
        )


def _deepmd(folder: Path, index: int, name: str) -> Structure:
    names = (folder / "type_map.raw").read_text().split()
    types = np.loadtxt(folder / "type.raw", dtype=int)
    return Structure(
        tuple(names[t] for t in types),
        np.load(folder / "set.000/coord.npy")[index].reshape(-1, 3).astype(float),
        np.load(folder / "set.000/box.npy")[index].reshape(3, 3).astype(float),
        (True, True, True),
        None,
        name,
    )


@pytest.fixture(scope="session")
def real_structures(ab_initio_data: Path) -> dict[str, Structure]:
    """GeTe-200, LiPS-83 (triclinic), Li3P and S (cells below 2 r_max), 3BPA in its 50 A box."""
    mdbench = ab_initio_data / "MDBENCHGNN/Datasets"
    gete = _npz(mdbench / "GeTe/data/test/nequip_npz.npz", 0, "GeTe-200")
    return {
        "GeTe-200": gete,
        "LiPS-83": _npz(mdbench / "Data_lips/data/val/nequip_npz.npz", 0, "LiPS-83"),
        "Li3P": _deepmd(mdbench / "LiPS20/Li3P/3000K/deepmd/Li48P16S0", 500, "Li3P"),
        "S": _deepmd(mdbench / "LiPS20/S/3000K/deepmd/Li0P0S32", 500, "S"),
        "3BPA": _npz(mdbench / "3bpa/data/val/nequip_npz.npz", 0, "3BPA"),
    }


@pytest.fixture(scope="session")
def made_structures(small_cell: Structure) -> dict[str, Structure]:
    """Corners of the input space: mixed boundaries, one atom, no edges, a sheared tiny cell."""
    cube = np.eye(3) * 20.0
    sheared = np.array([[4.1, 0.0, 0.0], [2.0, 4.3, 0.0], [-1.7, 1.1, 4.6]])
    rng = np.random.default_rng(5)
    slab = rng.uniform(0, 1, (40, 3)) * [11.0, 11.0, 6.0]
    left = np.array([[0.0, 9.0, 1.0], [9.5, 0.0, 0.0], [0.5, 0.2, 9.1]])
    return {
        "tiny-cube": small_cell,
        "tiny-sheared": Structure(
            ("Ge", "Te"),
            np.array([[0.1, 0.2, 0.3], [2.0, 2.2, 2.4]]),
            sheared,
            (True,) * 3,
            None,
            "tiny-sheared",
        ),
        "slab": Structure(
            ("Ge", "Te") * 20, slab, np.diag([11.0, 11.0, 30.0]), (True, True, False), None, "slab"
        ),
        "wire": Structure(
            ("Ge", "Te") * 20, slab, np.diag([11.0, 20.0, 20.0]), (True, False, False), None, "wire"
        ),
        "cluster": Structure(
            ("Ge", "Te") * 20, slab, np.zeros((3, 3)), (False,) * 3, None, "cluster"
        ),
        "left-handed": Structure(
            ("Ge", "Te") * 20, slab, left, (True,) * 3, None, "left-handed rotated cell"
        ),
        "one-atom": Structure(
            ("Ge",), np.array([[1.0, 2.0, 3.0]]), cube, (True,) * 3, None, "one atom"
        ),
        "no-edges": Structure(
            ("Ge", "Te", "Te"),
            np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 11.0], [11.0, 1.0, 1.0]]),
            cube,
            (True,) * 3,
            None,
            "atoms beyond the cutoff of each other",
        ),
        "corner": Structure(
            ("Ge", "Te", "S"),
            np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 3.4], [3.0, 1.0, 1.0]]),
            cube,
            (True,) * 3,
            None,
            "three atoms in a corner: empty ranks, one rank without edges",
        ),
    }
