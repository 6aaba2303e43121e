"""What every force field obeys, whatever its weights: symmetry, smoothness, locality, exchange."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import bulk
from exchange_host import exchange_host
from scipy.spatial.transform import Rotation

from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext, edge_forces
from egraff_lmp.forcefields.fast.table_of_networks import FAST, fast_network
from egraff_lmp.graph import find_edges

SPECIES = ("Ge", "Te", "S")
R_MAX = 4.0
KEYS = list(FORCE_FIELDS)
# Networks on the kernels obey the same laws: "nequip on kernels".
ON_KERNELS = " on kernels"
FAST_KEYS = [build.__module__.rpartition(".")[2] + ON_KERNELS for build in FAST.values()]
# Energies and forces here are of the order of 1 eV and eV/A; what remains is rounding.
SYMMETRY = 1e-8
# Central differences of step 1e-5 A: truncation of the order 1e-10 times a third derivative.
DIFFERENCE = 1e-6
# Force constants of crystals in which no shell of neighbours lies near r_max, and every site is
# one where a vector has to vanish, from displacements in A.
CRYSTALS = {
    "rocksalt": bulk("GeTe", "rocksalt", a=5.2, cubic=True),
    "fcc": bulk("Ge", "fcc", a=4.2, cubic=True),
    "bcc": bulk("Te", "bcc", a=3.3, cubic=True),
    "diamond": bulk("Ge", "diamond", a=5.4, cubic=True),
    "zincblende": bulk("GeTe", "zincblende", a=5.4, cubic=True),
}
DISPLACEMENTS = (1e-4, 1e-3, 1e-2)
# Central differences of step h are off by h^2 times a third derivative of the forces, which is at
# most 330 / A^2 in units of the force constant here (Allegro's paper preset).
ANHARMONICITY = 500.0


@pytest.fixture(scope="module", params=KEYS + FAST_KEYS)
def key(request: pytest.FixtureRequest) -> str:
    """One force field after the other, so that each is built once."""
    return str(request.param)


def random_network(key: str, settings: Mapping[str, Any]) -> torch.nn.Module:
    """A network with random weights and biases, in float64."""
    context = NetworkContext(SPECIES, R_MAX, 12.0, torch.float64, 3)
    network = FORCE_FIELDS[key].build(settings, context).eval()
    # Biases start at zero, where much vanishes that does not in a trained network.
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            # Of their own spread: some are stored with that of 1, some with 1 / sqrt(fan-in).
            spread = float(parameter.std(correction=0))
            parameter.add_(0.1 * (spread if spread > 0.0 else 1.0) * noise)
    return network


def network_of(key: str, preset: str) -> torch.nn.Module:
    """The network of a preset, on the kernels if the key says so."""
    name = key.removesuffix(ON_KERNELS)
    network = random_network(name, FORCE_FIELDS[name].presets[preset])
    return fast_network(network) if key.endswith(ON_KERNELS) else network


@pytest.fixture(scope="module")
def network(key: str) -> torch.nn.Module:
    """The small preset."""
    return network_of(key, "small")


@pytest.fixture(scope="module")
def cluster() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Types, positions and cell of 16 atoms of three species in a triclinic periodic cell."""
    rng = np.random.default_rng(1)
    cell = np.array([[7.0, 0.0, 0.0], [1.5, 6.5, 0.0], [-1.0, 0.9, 7.3]])
    return rng.integers(0, 3, 16), rng.random((16, 3)) @ cell, cell


def evaluate(
    network: torch.nn.Module, types: np.ndarray, positions: np.ndarray, cell: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Atomic energies (N,) and forces (N, 3); no cell: no periodicity."""
    pbc = (cell is not None,) * 3
    box = np.eye(3) if cell is None else cell
    edges = find_edges(positions, box, pbc, R_MAX)
    vectors = torch.tensor(edges.vectors(positions, box)).reshape(-1, 3).requires_grad_(True)
    index = torch.tensor(edges.index)
    energies = network(vectors, index, torch.tensor(types), len(types))["energy"]
    (gradient,) = torch.autograd.grad(energies.sum(), vectors, allow_unused=True)
    if gradient is None:
        gradient = torch.zeros_like(vectors)
    forces = edge_forces(gradient, index, len(types))
    return energies.detach().numpy(), forces.detach().numpy()


@pytest.mark.parametrize("sign", [1, -1], ids=["rotation", "reflection"])
def test_rotation_and_reflection(network: torch.nn.Module, cluster, sign: int) -> None:
    """Energies stay, forces turn along."""
    types, positions, cell = cluster
    q = sign * Rotation.random(random_state=4).as_matrix()
    energies, forces = evaluate(network, types, positions, cell)
    turned_energies, turned_forces = evaluate(network, types, positions @ q.T, cell @ q.T)
    assert np.ptp(energies) > 1e-3  # not constant
    assert np.abs(forces).max() > 1e-3
    np.testing.assert_allclose(turned_energies, energies, rtol=0, atol=SYMMETRY)
    np.testing.assert_allclose(turned_forces, forces @ q.T, rtol=0, atol=SYMMETRY)


def test_translation_and_permutation(network: torch.nn.Module, cluster) -> None:
    """Shifted across the cell's faces and in another order: the same energies and forces."""
    types, positions, cell = cluster
    energies, forces = evaluate(network, types, positions, cell)
    order = np.random.default_rng(2).permutation(len(types))
    moved = positions[order] + [1.3, -0.4, 2.2]
    other_energies, other_forces = evaluate(network, types[order], moved, cell)
    np.testing.assert_allclose(other_energies, energies[order], rtol=0, atol=SYMMETRY)
    np.testing.assert_allclose(other_forces, forces[order], rtol=0, atol=SYMMETRY)


def test_forces_are_differences(network: torch.nn.Module, cluster) -> None:
    """F = -dE/dx, for three atoms."""
    types, positions, cell = cluster
    _, forces = evaluate(network, types, positions, cell)
    step = 1e-5
    for atom, axis in ((0, 0), (7, 1), (15, 2)):
        total = []
        for sign in (1, -1):
            moved = positions.copy()
            moved[atom, axis] += sign * step
            total.append(evaluate(network, types, moved, cell)[0].sum())
        slope = (total[0] - total[1]) / (2 * step)
        assert forces[atom, axis] == pytest.approx(-slope, abs=DIFFERENCE)


@pytest.mark.parametrize("pair", list(itertools.combinations_with_replacement(range(3), 2)))
def test_continuous_at_the_cutoff(network: torch.nn.Module, pair: tuple[int, int]) -> None:
    """A neighbour that passes r_max changes nothing: alone, and beside other atoms.

    Just inside, a distance d below r_max, every envelope is below 20 (d / r_max)^2 and its slope
    below 40 d / r_max^2.
    """
    gap = 1e-6
    for others in ([], [[1.9, 0.7, 0.0], [-0.6, 2.1, 0.9]]):
        types = np.array([*pair, *([2] * len(others))])
        found = []
        for distance in (R_MAX - gap, R_MAX + gap):
            positions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, -distance], *others])
            found.append(evaluate(network, types, positions, None))
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=0, atol=1e-7)
        # The forces of the others move on by their own slope times the 2 gap between the two.
        np.testing.assert_allclose(found[0][1], found[1][1], rtol=0, atol=5e-5)


def test_isolated_atoms_and_nothing_at_all(network: torch.nn.Module) -> None:
    """Without neighbours the energy is finite and the type's own; no atoms give no energies."""
    energies, forces = evaluate(network, np.array([0, 1, 0]), np.eye(3) * 50.0, None)
    assert np.isfinite(energies).all()
    assert not forces.any()
    assert energies[0] == pytest.approx(energies[2], abs=SYMMETRY)
    energies, forces = evaluate(network, np.zeros(0, dtype=np.int64), np.zeros((0, 3)), None)
    assert energies.shape == (0,)


def test_scripted_is_eager(network: torch.nn.Module, cluster) -> None:
    """TorchScript computes the same."""
    from e3nn.util.jit import script

    types, positions, cell = cluster
    scripted = script(AtomicEnergyModel(network, 1.0, torch.zeros(3, dtype=torch.float64)))

    def as_network(*arguments: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.jit.optimized_execution(False):
            return {"energy": scripted(*arguments)["atomic_energy"]}

    for a, b in zip(
        evaluate(network, types, positions, cell),
        evaluate(as_network, types, positions, cell),  # type: ignore[arg-type]
        strict=True,
    ):
        np.testing.assert_allclose(b, a, rtol=0, atol=1e-12)


def test_exchanges_what_it_declares(network: torch.nn.Module, cluster) -> None:
    """As often and as wide as `exchange_widths`, also for a rank without atoms or edges.

    Backwards the same in the opposite order.
    """
    declared = list(network.exchange_widths)  # type: ignore[arg-type, call-overload]
    types, positions, cell = cluster
    for frame in (
        (types, positions, cell),
        (types[:2], np.eye(3)[:2] * 50, None),
        (types[:0], positions[:0], None),
    ):
        forward: list[int] = []
        reverse: list[int] = []
        with exchange_host(
            len(frame[0]),
            len(frame[0]),
            lambda rows, to=forward: to.append(rows.shape[1]),
            lambda rows, to=reverse: to.append(rows.shape[1]),
        ):
            evaluate(network, *frame)
        assert forward == declared
        assert reverse == declared[::-1]


def test_ghosts_are_used_through_the_exchange_alone(network: torch.nn.Module, cluster) -> None:
    """Split over two ranks in one process, the energies are those of the whole.

    Each half has the other half's atoms as ghosts. The exchange is played by recorded features: in
    layer k each half gets the ghosts' rows that a run of the other half sent. As every layer needs
    the ones before, the halves are run once a layer.
    """
    types, positions, cell = cluster
    whole, _ = evaluate(network, types, positions, cell)
    edges = find_edges(positions, cell, (True,) * 3, R_MAX)
    vectors = torch.tensor(edges.vectors(positions, cell))
    halves = [np.arange(0, 7), np.arange(7, 16)]
    sent: list[list[np.ndarray]] = [[], []]
    layers = len(network.exchange_widths)  # type: ignore[arg-type]

    def half(me: int) -> tuple[torch.Tensor, list[np.ndarray]]:
        """Energies of one half, and what it sent, with what the other half sent last time."""
        features_sent: list[np.ndarray] = []
        n_mine = len(halves[me])

        def play(rows: np.ndarray) -> None:
            known = sent[1 - me]
            rows[n_mine:] = known[len(features_sent)] if known else 0.0
            features_sent.append(rows[:n_mine].copy())

        order = np.concatenate([halves[me], halves[1 - me]])
        mine = np.isin(edges.index[0], halves[me])
        index = torch.tensor(np.ascontiguousarray(np.argsort(order)[edges.index[:, mine]]))
        with exchange_host(n_mine, len(types), play):
            found = network(vectors[mine], index, torch.tensor(types[order]), n_mine)
        return found["energy"].detach(), features_sent

    results = [half(0), half(1)]
    for _ in range(layers):
        sent = [features for _, features in results]
        results = [half(0), half(1)]
    split = torch.cat([energies for energies, _ in results])
    np.testing.assert_allclose(split, whole, rtol=0, atol=1e-12)


def force_constants(
    network: torch.nn.Module, crystal: Atoms, step: float, direction: np.ndarray
) -> np.ndarray:
    """(F(x + h d) - F(x - h d)) / 2 h, (N, 3), of a crystal's sites x displaced along d."""
    types = np.array([SPECIES.index(symbol) for symbol in crystal.symbols])
    plus, minus = (
        evaluate(network, types, crystal.positions + sign * step * direction, crystal.cell.array)[1]
        for sign in (1, -1)
    )
    return (plus - minus) / (2 * step)


def worst_change(network: torch.nn.Module, crystal: Atoms) -> list[float]:
    """How far the force constants of larger displacements are from those of the smallest.

    Relative to the largest, and to what `ANHARMONICITY` allows: 1 is the limit.
    """
    direction = np.random.default_rng(0).standard_normal((len(crystal), 3))
    direction -= direction.mean(axis=0)
    first, *others = (force_constants(network, crystal, step, direction) for step in DISPLACEMENTS)
    scale = np.abs(first).max()
    assert scale > 1e-3  # the crystal does resist
    return [
        float(np.abs(other - first).max() / scale / (ANHARMONICITY * step**2))
        for other, step in zip(others, DISPLACEMENTS[1:], strict=True)
    ]


@pytest.mark.parametrize("name", CRYSTALS)
def test_smooth_around_a_crystal(network: torch.nn.Module, name: str) -> None:
    """No forces on symmetric sites, and forces linear in small displacements from them.

    Features of degree l > 0 vanish there: a network that divides them by their own size is not
    differentiable at a perfect crystal.
    """
    crystal = CRYSTALS[name]
    types = np.array([SPECIES.index(symbol) for symbol in crystal.symbols])
    _, forces = evaluate(network, types, crystal.positions, crystal.cell.array)
    np.testing.assert_allclose(forces, 0.0, rtol=0, atol=SYMMETRY)
    assert max(worst_change(network, crystal)) < 1.0


@pytest.mark.study
@pytest.mark.parametrize("name", ["rocksalt", "diamond"])
def test_smooth_around_a_crystal_in_the_papers_settings(key: str, name: str) -> None:
    """The same with the networks of Tables 11-16."""
    network = network_of(key, "paper")
    assert max(worst_change(network, CRYSTALS[name])) < 1.0


def test_equiformers_own_norm_is_not_smooth_around_a_crystal() -> None:
    """The law sees what it is for: Equiformer as its authors wrote it."""
    settings = {**FORCE_FIELDS["equiformer"].presets["small"], "norm": "layer"}
    network = random_network("equiformer", settings)
    assert all(min(worst_change(network, crystal)) > 1.0 for crystal in CRYSTALS.values())
