"""Networks on the kernels are their reference networks, and a file that holds one says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from egraff_lmp.contract import EnergyReference, read_contract, save_deployed
from egraff_lmp.data.frames import Frames
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.forcefields.fast import KernelsUnavailable, fast_network
from egraff_lmp.forcefields.fast.proof import TOLERANCE, random_graphs, require_equal
from egraff_lmp.forcefields.fast.table import make_table, read_table

SPECIES = ("Ge", "Te", "S")
R_MAX = 4.0


def reference(dtype: torch.dtype, **changes: object) -> torch.nn.Module:
    """A random NequIP of three layers with both parities and l_max 2, or as changed."""
    settings = {
        **FORCE_FIELDS["nequip"].presets["small"],
        "num_layers": 3,
        "l_max": 2,
        "parity": True,
        "num_features": 8,
        **changes,
    }
    context = NetworkContext(SPECIES, R_MAX, 12.0, dtype, 3)
    return FORCE_FIELDS["nequip"].build(settings, context).eval()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
@pytest.mark.parametrize("changes", [{}, {"l_max": 3, "num_layers": 2}], ids=["l2", "l3"])
def test_equals_the_reference(dtype: torch.dtype, changes: dict[str, object]) -> None:
    """Energies and edge gradients on random clusters."""
    network = reference(dtype, **changes)
    graphs = random_graphs(len(SPECIES), R_MAX)
    assert sum(graph[0].shape[0] for graph in graphs) > 500
    difference = require_equal(fast_network(network), network, graphs, dtype)
    assert difference <= TOLERANCE[dtype]


def test_proof_finds_a_difference() -> None:
    """One weight off by a thousandth is refused, and the message says what to do."""
    network = reference(torch.float64)
    fast = fast_network(network)
    with torch.no_grad():
        fast.layers[1].interaction.down[0, 0] *= 1.001
    with pytest.raises(EgraffError, match="--reference"):
        require_equal(fast, network, random_graphs(len(SPECIES), R_MAX), torch.float64)


def test_proof_finds_what_is_no_number() -> None:
    """NaN is a difference."""
    network = reference(torch.float64)
    fast = fast_network(network)
    with torch.no_grad():
        fast.layers[1].interaction.down[0, 0] = float("nan")
    with pytest.raises(EgraffError, match="inf"):
        require_equal(fast, network, random_graphs(len(SPECIES), R_MAX), torch.float64)


def test_without_kernels() -> None:
    """An architecture, or a degree, that the kernels do not cover."""
    with pytest.raises(KernelsUnavailable, match="no kernels"):
        fast_network(torch.nn.Linear(1, 1))
    with pytest.raises(KernelsUnavailable, match="degrees up to 3"):
        fast_network(reference(torch.float64, l_max=4, num_layers=2, parity=False))


def test_table_converges() -> None:
    """Fourth order in the value, third in the slope: 16 and 8 times less with half the step."""
    phases = torch.linspace(0, 3, 4, dtype=torch.float64).view(1, 2, 2)
    coarse, fine = (
        make_table(lambda x: torch.cos(9 * x.view(-1, 1, 1) + phases), n) for n in (64, 128)
    )
    assert coarse.value_error / fine.value_error == pytest.approx(16, rel=0.2)
    assert coarse.slope_error / fine.slope_error == pytest.approx(8, rel=0.2)


def test_table_ends_smoothly() -> None:
    """Where the function vanishes at the cutoff, so do value, slope and curvature."""
    table = make_table(lambda x: ((1 - x) ** 3).view(-1, 1, 1), 32).coefficients
    x = torch.tensor([1 - 1e-6], dtype=torch.float64, requires_grad=True)
    value = read_table(table, x)
    (slope,) = torch.autograd.grad(value.sum(), x)
    assert abs(float(value.detach())) < 1e-12
    assert abs(float(slope)) < 1e-6


@pytest.fixture(scope="module")
def frame() -> Frames:
    rng = np.random.default_rng(4)
    positions = np.array([[x, y, z] for x in (0, 3) for y in (0, 3) for z in (0, 3)], dtype=float)
    positions += rng.uniform(-0.3, 0.3, positions.shape)
    species = ("Ge", "Te", "Te", "S", "Ge", "Te", "S", "Te")
    return Frames(
        species, positions[None], np.eye(3)[None] * 6, (True,) * 3, None, None, None, "made"
    )


def export(dtype: torch.dtype, frame: Frames, path: Path, **options: bool) -> Path:
    shift = torch.zeros(3, dtype=torch.float64)
    export_model(
        AtomicEnergyModel(reference(dtype), 20.0, shift),
        FORCE_FIELDS["nequip"],
        NetworkContext(SPECIES, R_MAX, 12.0, dtype, 3),
        EnergyReference("none", dict.fromkeys(SPECIES, 0.0)),
        frame,
        {},
        path,
        **{"kernels": True, **options},
    )
    return path


def test_file_with_and_without(tmp_path: Path, frame: Frames) -> None:
    """The contract names the operators and the tables' error; both files give the same."""
    fast = export(torch.float32, frame, tmp_path / "fast.pt")
    slow = export(torch.float32, frame, tmp_path / "slow.pt", kernels=False)
    contract = read_contract(fast)
    assert "interaction" in contract.operators
    assert 0.0 < contract.radial_table_error < 1e-5
    assert not read_contract(slow).operators
    assert contract.n_parameters == read_contract(slow).n_parameters > 0
    arguments = (frame.species, frame.positions[0], frame.cell[0], frame.pbc)
    a, b = (DeployedModel(path).evaluate(*arguments) for path in (fast, slow))
    largest = np.abs(b.forces).max()
    assert largest > 0.01
    np.testing.assert_allclose(a.forces, b.forces, rtol=0, atol=5e-5 * largest)


def test_unknown_operator_is_named(tmp_path: Path, frame: Frames) -> None:
    """A file of a later version: one line that says which operator is missing."""
    path = export(torch.float64, frame, tmp_path / "model.pt")
    contract = dataclasses.replace(read_contract(path), operators=("gate", "telepathy"))
    later = tmp_path / "later.pt"
    save_deployed(torch.jit.load(str(path)), contract, later)
    with pytest.raises(EgraffError, match="without telepathy"):
        DeployedModel(later)
