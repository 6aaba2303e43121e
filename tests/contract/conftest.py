"""A contract with every field set."""

from __future__ import annotations

import pytest
import torch

from egraff_lmp.contract import (
    Citation,
    Contract,
    EnergyReference,
    Output,
    SelfTest,
    save_deployed,
)


@pytest.fixture
def contract() -> Contract:
    """Numbers that show rounding: thirds, huge and tiny ones."""
    return Contract(
        architecture="NequIP",
        forcefield="nequip",
        r_max=5.0 / 3.0,
        n_layers=3,
        exchange_widths=(64, 128),
        species=("Ge", "Te"),
        masses_amu=(72.63, 127.6),
        dtype="float32",
        energy_reference=EnergyReference("least_squares", {"Ge": -39821.1 / 3, "Te": 1e-17}),
        memory_bytes_per_edge=3130.7174362508613,
        n_parameters=25400,
        provenance={
            "data": {
                "train": {
                    "sources": ["gete:test"],
                    "formulas": ["Ge40Te160"],
                    "n_frames": [200],
                    "sha256": "ab" * 32,
                }
            },
            "training": {"epochs": 12, "wall_seconds": 90.0},
            "validation_errors": {"forces_mae_mev_per_angstrom": 81.25},
            "seed": 7,
        },
        citations=(Citation("An Author, A Title (2024)", doi="10.1/2"), Citation("Another")),
        versions={"torch": "2.13.0"},
        self_test=SelfTest(
            species=("Ge", "Te"),
            positions=((0.1, 0.2, 0.3), (1 / 3, 2 / 3, 1.0)),
            cell=((5.0, 0.0, 0.0), (0.5, 5.0, 0.0), (0.0, 0.0, 5.0)),
            pbc=(True, False, True),
            energies=(-0.1, -39821.123456789012),
            forces=((1e-16, 0.0, 0.25), (-1e-16, 0.0, -0.25)),
            n_edges=14,
        ),
        outputs=(Output("charge", "atom", 1),),
    )


@pytest.fixture
def deployed(contract, tmp_path):
    """A file with that contract and a trivial network."""
    path = tmp_path / "model.pt"
    save_deployed(torch.jit.script(torch.nn.Linear(1, 1)), contract, path)
    return path
