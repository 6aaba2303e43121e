"""Networks on the kernels that are trained are their reference networks, gradients included."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from exchange_host import exchange_host
from package_mace import R_MAX, SPECIES, package_mace

from egraff_lmp.data.frames import Frames
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.equiformer import EARLIER
from egraff_lmp.forcefields.fast import KernelsUnavailable, TrainedNetwork, fast_network
from egraff_lmp.forcefields.fast.table import measured_table
from egraff_lmp.forcefields.fast.trained_radial import TrainedConvolution
from egraff_lmp.train.config import TrainConfig, parse_config
from egraff_lmp.train.evaluate import predict
from egraff_lmp.train.graphs import Batch, build_graphs, collate
from egraff_lmp.train.kernels import evaluated_model

# Relative to the largest energy, force and stress, and to the largest number of a parameter's
# gradient: sums of some thousand products in another order, carried through three layers and two
# derivatives. It is below 2e-5 and 2e-14 here.
ROUNDING = {torch.float32: 1e-4, torch.float64: 2e-13}
# Of the largest gradient of all parameters: one that is smaller is as exact as this one.
SMALL = 1e-3
# Of the same numbers, in float32 with tables and without: half of the error of a table's slopes,
# which is at most 4e-5, in the forces, and twice float32's rounding.
TABULATED = 5e-5
F64 = torch.float64
# Bytes of a pickled network, or of a scripted one, that are no numbers of its own.
OVERHEAD = 300_000
Settings = Mapping[str, Any]
MACE = {"num_interactions": 2, "MLP_irreps": "4x0e", "radial_MLP": [8, 8], "num_bessel": 4}
ET = {"embedding_dimension": 16, "num_heads": 4, "num_rbf": 6}
EQUIFORMER = {
    "embedding": [8, 4],
    "head": [4, 2],
    "feed_forward": [12, 8],
    "feature": 8,
    "num_rbf": 6,
    "radial_hidden": [8],
}
DEGREE_2 = {"embedding": [6, 3, 3], "head": [3, 3, 3], "feed_forward": [6, 3, 3], "feature": 6}
NEQUIP = {"num_features": 5, "radial_mlp_width": 8, "num_bessels": 4}
CUTOFFS = {"H": 2.6, "O": {"H": 2.9, "O": 3.6, "Ge": R_MAX}, "Ge": R_MAX}
ALLEGRO = {
    "num_scalar_features": 8,
    "num_tensor_features": 5,
    "num_bessels": 4,
    "allegro_mlp_hidden_layers_width": 8,
    "scalar_embed_mlp_hidden_layers_width": 8,
    "readout_mlp_hidden_layers_width": 8,
}
# Presets, and settings that take another way through the code: name to key, preset and changes.
# Those of the paper are as deep in kind, and narrower.
PRESETS: dict[str, tuple[str, str, Settings]] = {
    f"{key} small": (key, "small", {}) for key in FORCE_FIELDS
}
VARIANTS: dict[str, tuple[str, str, Settings]] = {
    "mace paper": ("mace", "paper", {**MACE, "hidden_irreps": "4x0e + 4x1o + 4x2e"}),
    "mace of scalars": ("mace", "small", {**MACE, "hidden_irreps": "5x0e", "correlation": 1}),
    "botnet paper": (
        "botnet",
        "paper",
        {**MACE, "num_interactions": 3, "hidden_irreps": "4x0e + 4x1o + 4x2e"},
    ),
    "botnet of one layer": ("botnet", "small", {**MACE, "num_interactions": 1}),
    "botnet of scalars": ("botnet", "small", {**MACE, "hidden_irreps": "5x0e", "max_ell": 1}),
    "nequip paper": ("nequip", "paper", {**NEQUIP, "num_layers": 3}),
    "nequip resnet": ("nequip", "small", {**NEQUIP, "convnet_resnet": True}),
    "nequip without self-connection": ("nequip", "small", {**NEQUIP, "convnet_sc": False}),
    "nequip of linear radial weights": ("nequip", "small", {**NEQUIP, "radial_mlp_depth": 0}),
    "nequip cutoffs": ("nequip", "small", {**NEQUIP, "per_edge_type_cutoff": CUTOFFS}),
    "nequip constant roots": ("nequip", "small", {**NEQUIP, "bessel_trainable": False}),
    "allegro paper": ("allegro", "paper", ALLEGRO),
    "allegro of one layer": ("allegro", "small", {**ALLEGRO, "num_layers": 1}),
    "allegro cutoffs": ("allegro", "small", {**ALLEGRO, "per_edge_type_cutoff": CUTOFFS}),
    "allegro linear read-out": (
        "allegro",
        "small",
        {**ALLEGRO, "readout_mlp_hidden_layers_depth": 0},
    ),
    "allegro without coupling": (
        "allegro",
        "small",
        {**ALLEGRO, "l_max": 2, "tp_path_channel_coupling": False},
    ),
    "equiformer paper": ("equiformer", "paper", {**EQUIFORMER, **DEGREE_2, "num_layers": 2}),
    "equiformer original": (
        "equiformer",
        "paper-original",
        {**EQUIFORMER, **DEGREE_2, "num_layers": 2},
    ),
    "equiformer earlier": ("equiformer", "small", {**EQUIFORMER, **EARLIER}),
    "equiformer of one block": ("equiformer", "small", {**EQUIFORMER, "num_layers": 1}),
    "torchmdnet paper": ("torchmdnet", "paper", {**ET, "num_layers": 3}),
    "torchmdnet original": ("torchmdnet", "paper-original", {**ET, "num_layers": 2}),
    "torchmdnet of one layer": ("torchmdnet", "small", {**ET, "num_layers": 1}),
}
# Models of the package that were not made by its builder here.
FOREIGN: dict[str, Settings] = {
    "first not residual": {},
    "none residual": {"interaction_cls": "RealAgnosticInteractionBlock"},
    "cutoff outside": {"apply_cutoff": False},
    "one layer": {"num_interactions": 1},
}
# Those whose radial weights are read from tables when they are trained.
WITH_TABLES = ("nequip small", "mace small", "botnet small", "nequip paper", "nequip cutoffs")
# By this factor more waves before the cutoff, twice: some tables are then too coarse.
FINER = 1.6
ALL = [*PRESETS, *VARIANTS, *(f"foreign mace, {name}" for name in FOREIGN)]
WITHOUT_KERNELS: dict[str, Callable[[], torch.nn.Module]] = {
    "allegro of three layers": lambda: built("allegro", "small", {**ALLEGRO, "num_layers": 3}, F64),
    "botnet by element": lambda: built("botnet", "small", {**MACE, "radial": "element"}, F64),
    "mace with a density": lambda: package_mace(
        F64, interaction_cls="RealAgnosticDensityInteractionBlock"
    ),
    "torchmdnet of three heads": lambda: built(
        "torchmdnet", "small", {"embedding_dimension": 12, "num_heads": 3}, F64
    ),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are nothing to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def built(key: str, preset: str, changes: Settings, dtype: torch.dtype) -> torch.nn.Module:
    entry = FORCE_FIELDS[key]
    context = NetworkContext(SPECIES, R_MAX, 11.0, dtype, 0)
    return entry.build({**entry.presets[preset], **changes}, context)


def model_of(name: str, dtype: torch.dtype = F64) -> AtomicEnergyModel:
    """A network with random biases, too, and the scale and shift of a training."""
    foreign = name.removeprefix("foreign mace, ")
    if foreign in FOREIGN:
        network: torch.nn.Module = package_mace(dtype, **FOREIGN[foreign]).requires_grad_(True)
    else:
        key, preset, changes = {**PRESETS, **VARIANTS}[name]
        network = built(key, preset, changes, dtype)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=F64)
            spread = float(parameter.std(correction=0))
            parameter.add_(0.1 * (spread if spread > 0.0 else 1.0) * noise.to(parameter))
    return AtomicEnergyModel(network, 0.7, torch.tensor([-1.0, 2.0, 0.5], dtype=F64))


def on_kernels(model: AtomicEnergyModel) -> AtomicEnergyModel:
    return AtomicEnergyModel(TrainedNetwork(model.network), model.scale, model.shift)


def frames(
    species: tuple[str, ...], positions: np.ndarray, cell: np.ndarray | None, seed: int
) -> Frames:
    """One frame with labels of no meaning."""
    rng = np.random.default_rng(seed)
    n = len(species)
    return Frames(
        species=species,
        positions=positions[None],
        cell=(np.eye(3) * 30 if cell is None else cell)[None],
        pbc=(cell is not None,) * 3,
        energy=rng.normal(size=1),
        forces=rng.normal(size=(1, n, 3)),
        timestep_fs=None,
        source="made",
        stress=rng.normal(size=(1, 3, 3)) * 0.01,
    )


def batch_of(kind: str = "all") -> Batch:
    """A cell smaller than the cutoff, a cluster, and atoms without neighbours, or one of these."""
    rng = np.random.default_rng(1)
    cell = np.array([[3.1, 0.0, 0.0], [0.4, 3.6, 0.0], [-0.3, 0.5, 4.3]])
    small = np.array([[0.1, 0.2, 0.0], [0.45, 0.6, 0.5], [0.8, 0.3, 0.7]]) @ cell
    cluster = np.array([[0.0, 0, 0], [1.3, 0.2, 0], [0.3, 1.6, 0.4], [0.9, 0.8, 2.1], [-1, 0.9, 1]])
    cluster += rng.normal(0, 0.1, (5, 3))
    parts = {
        "cell": frames(("H", "Ge", "O"), small, cell, 1),
        "cluster": frames(
            ("O", "H", "Ge", "H", "O"), cluster + rng.normal(0, 0.1, (5, 3)), None, 2
        ),
        "alone": frames(("Ge", "H"), np.array([[0.0, 0, 0], [0, 0, 20]]), None, 3),
    }
    chosen = list(parts.values()) if kind == "all" else [parts[kind]]
    return collate([graph for each in chosen for graph in build_graphs(each, SPECIES, R_MAX)])


def gradients(
    model: torch.nn.Module, named: Mapping[str, torch.nn.Parameter], batch: Batch
) -> tuple[list[torch.Tensor], dict[str, torch.Tensor | None]]:
    """Energies, forces and stress, and the gradient of a loss of all three, as in training."""
    for parameter in named.values():
        parameter.grad = None
    found = predict(model, batch, create_graph=True)
    loss = (
        ((found.energy - batch.energy) ** 2).sum()
        + ((found.forces - batch.forces) ** 2).sum()
        + 100 * ((found.stress - batch.stress.nan_to_num()) ** 2).sum()  # a cluster has no label
    )
    loss.backward(inputs=[parameter for parameter in named.values() if parameter.requires_grad])
    taken = {name: parameter.grad for name, parameter in named.items()}
    return [each.detach() for each in found], taken


def require_same(model: AtomicEnergyModel, batch: Batch, dtype: torch.dtype) -> None:
    """All that training takes, on kernels and from the reference."""
    named = dict(model.named_parameters())
    expected, gradient = gradients(model, named, batch)
    got, on_fast = gradients(on_kernels(model), named, batch)
    for one, other in zip(got, expected, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=ROUNDING[dtype] * scale)
    largest = max(float(g.abs().max()) for g in gradient.values() if g is not None)
    # Without edges an atom's energy may be zero whatever the weights.
    assert largest > 1e-3 or not len(batch.edge_vectors)
    for name, other in gradient.items():
        one = on_fast[name]
        if one is None:  # where nothing depends on it
            assert other is None or not other.any(), name
            continue
        assert other is not None, name
        scale = max(float(other.abs().max()), SMALL * largest)
        error = float((one - other).abs().max())
        assert error <= ROUNDING[dtype] * scale, (name, error / scale)


@pytest.mark.parametrize("name", ALL)
def test_is_the_reference(name: str) -> None:
    """Periodic images, a cluster and atoms alone, in one batch; and again after a step."""
    model, batch = model_of(name), batch_of()
    require_same(model, batch, F64)
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.01)
    optimiser.step()
    require_same(model, batch, F64)


@pytest.mark.parametrize("name", ALL)
def test_is_the_reference_in_float32(name: str) -> None:
    """Radial weights from tables, whose errors are like rounding."""
    require_same(model_of(name, torch.float32), batch_of(), torch.float32)


def tables_of(network: TrainedNetwork) -> list[int]:
    """Intervals of each table of a trained network."""
    modules = network.modules()
    return [each.intervals for each in modules if isinstance(each, TrainedConvolution)]


def roughen(network: torch.nn.Module) -> None:
    """Radial weights that go up and down many times before the cutoff."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "roots" in name:
                parameter.mul_(80.0)


@pytest.mark.parametrize("name", WITH_TABLES)
def test_tables_in_float32(name: str) -> None:
    """Each layer has one, its errors are those of `table`, and derivatives are the exact ones."""
    model, batch = model_of(name, torch.float32), batch_of()
    fast = on_kernels(model)
    assert all(tables_of(fast.network))
    for each in fast.modules():
        if isinstance(each, TrainedConvolution):
            made = each.coefficients(each.intervals).detach().double()
            made = made.view(each.intervals + 3, each.n_paths, -1)
            assert measured_table(each.exact(), made).is_good()
    named = dict(model.named_parameters())
    values, with_tables = gradients(fast, named, batch)
    fast.network.drop_tables()
    assert not any(tables_of(fast.network))
    expected, without = gradients(fast, named, batch)
    for one, other in zip(values, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=TABULATED * float(other.abs().max()))
    largest = max(float(g.abs().max()) for g in without.values() if g is not None)
    for key, other in without.items():
        one = with_tables[key]
        if other is None or one is None:
            assert one is other
            continue
        scale = max(float(other.abs().max()), SMALL * largest)
        assert float((one - other).abs().max()) <= TABULATED * scale, key


def test_no_tables_in_float64() -> None:
    """The exact network trains there."""
    for name in WITH_TABLES:
        assert not tables_of(TrainedNetwork(model_of(name).network))


def test_tables_are_as_fine_as_the_weights_need() -> None:
    """Measured anew when they are chosen; none is good enough for weights that are too rough."""
    model, batch = model_of("nequip small", torch.float32), batch_of()
    fast = on_kernels(model)
    at_first = tables_of(fast.network)
    with torch.no_grad():
        for parameter in model.network.parameters():
            parameter.mul_(1.01)
    assert fast.network.choose_tables() == 0
    roughen(model.network)
    # What they are read from follows from the weights at every step, how fine it is does not.
    predict(fast, batch)
    assert tables_of(fast.network) == at_first
    layers = len(at_first)
    assert fast.network.choose_tables() == fast.network.without_tables == layers
    assert tables_of(fast.network) == layers * [0]
    named = dict(model.named_parameters())
    expected, _ = gradients(model, named, batch)
    got, _ = gradients(fast, named, batch)
    for one, other in zip(got, expected, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=ROUNDING[torch.float32] * scale)


def test_finer_tables_for_rougher_weights() -> None:
    """The smallest that is good, each time."""
    model = model_of("nequip small", torch.float32)
    network = TrainedNetwork(model.network)
    found = [tables_of(network)]
    for _ in range(2):
        with torch.no_grad():
            for name, parameter in model.network.named_parameters():
                if "roots" in name:
                    parameter.mul_(FINER)
        network.choose_tables()
        found.append(tables_of(network))
    for layer in zip(*found, strict=True):
        assert layer[0] <= layer[1] <= layer[2]
        assert 0 < layer[0] < layer[2]


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit_of_the_gradients(threads: int) -> None:
    """Tables and what is read from them included."""
    model, batch = model_of("nequip small", torch.float32), batch_of()
    fast, named = on_kernels(model), dict(model.named_parameters())
    _, expected = gradients(fast, named, batch)
    torch.set_num_threads(threads)
    _, got = gradients(fast, named, batch)
    for name, one in got.items():
        other = expected[name]
        assert one is other or (one is not None and other is not None and torch.equal(one, other))


@pytest.mark.parametrize("kind", ["cell", "cluster", "alone"])
@pytest.mark.parametrize("name", PRESETS)
def test_kinds_of_batches(name: str, kind: str) -> None:
    """Alone, without edges, nothing depends on most weights."""
    require_same(model_of(name), batch_of(kind), F64)


@pytest.mark.parametrize("name", PRESETS)
def test_evaluation_leaves_the_reference_alone(name: str) -> None:
    """Its weights, buffers and modes are the same objects and numbers as before."""
    model, batch = model_of(name), batch_of("cell")
    state = {key: (value, value.clone()) for key, value in model.state_dict(keep_vars=True).items()}
    grads = {key: value.requires_grad for key, (value, _) in state.items()}
    modes = [module.training for module in model.modules()]
    fast = on_kernels(model)
    for _ in range(2):
        predict(fast, batch, create_graph=True).forces.sum().backward()
    predict(fast, batch)
    after = model.state_dict(keep_vars=True)
    assert list(after) == list(state)
    for key, (value, copied) in state.items():
        assert after[key] is value
        assert value.requires_grad == grads[key]
        assert torch.equal(value, copied)
    assert [module.training for module in model.modules()] == modes


def test_derived_numbers_follow_the_weights() -> None:
    """Those of an evaluation before a change are not those after it."""
    model, batch = model_of("nequip small"), batch_of("cell")
    fast = on_kernels(model)
    before = predict(fast, batch).energy
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.1)
    after = predict(fast, batch).energy
    assert abs(float(after - before)) > 1e-3
    torch.testing.assert_close(after, predict(model, batch).energy, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", PRESETS)
def test_ghosts_are_used_through_the_exchange_alone(name: str) -> None:
    """Neighbours of an atom that are copies of others: the gradient of a loss is the same."""
    model = model_of(name)
    batch = batch_of("cell")
    n = len(batch.types)
    # Each edge ends at a ghost of its own neighbour, of which every atom has two.
    kinds = torch.arange(batch.edge_index.size(1)) % 2
    owners = np.tile(np.arange(n), 2)
    index = torch.stack([batch.edge_index[0], batch.edge_index[1] + n * (1 + kinds)])
    types = torch.cat([batch.types, batch.types[torch.from_numpy(owners)]])
    named = {key: p for key, p in model.named_parameters() if p.requires_grad}
    fast = on_kernels(model)

    def forward(rows: np.ndarray) -> None:
        rows[n:] = rows[owners]

    def reverse(rows: np.ndarray) -> None:
        np.add.at(rows, owners, rows[n:].copy())

    def derivatives(index: torch.Tensor, types: torch.Tensor) -> list[torch.Tensor]:
        vectors = batch.edge_vectors.clone().requires_grad_(True)
        energy = fast(vectors, index, types, n)["atomic_energy"]
        (slope,) = torch.autograd.grad(energy.sum(), vectors, create_graph=True)
        loss = (energy**2).sum() + (slope**2).sum()
        found = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
        return [energy.detach(), slope.detach(), *found]

    expected = derivatives(batch.edge_index, batch.types)
    with exchange_host(n, 3 * n, forward, reverse):
        got = derivatives(index, types)
    largest = max(float(each.abs().max()) for each in expected)
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=ROUNDING[F64] * largest)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=["float32", "float64"])
@pytest.mark.parametrize("name", PRESETS)
def test_a_deployed_network_forgets_the_reference(name: str, dtype: torch.dtype) -> None:
    """It can be pickled, holds nothing but its own numbers, and lets the reference go."""
    model = model_of(name, dtype).requires_grad_(False)
    fast = fast_network(model.network)
    reference = weakref.ref(model.network)
    del model
    gc.collect()
    assert reference() is None
    pickled = pickle.dumps(fast)
    own = sum(tensor.numel() * tensor.element_size() for tensor in fast.state_dict().values())
    assert len(pickled) < 1.05 * own + OVERHEAD
    graph = batch_of("cell")
    arguments = (graph.edge_vectors, graph.edge_index, graph.types, len(graph.types))
    again = pickle.loads(pickled)
    assert torch.equal(again(*arguments)["energy"], fast(*arguments)["energy"])
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(fast), file)
    assert file.getbuffer().nbytes < 1.05 * own + OVERHEAD


def test_a_trained_network_can_be_copied_with_its_model() -> None:
    """The copy's numbers follow from the copy's weights, and not from those of the original."""
    model, batch = model_of("mace small"), batch_of("cell")
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter.mul_(1.1)
    require_same(other, batch, F64)
    require_same(model, batch, F64)


def config(**changes: object) -> TrainConfig:
    raw = {"forcefield": "mace", "data": {"train": ["x"]}, "device": "cpu", **changes}
    return parse_config(raw, "test")


@pytest.mark.parametrize("name", WITHOUT_KERNELS)
def test_without_kernels_the_reference_is_trained(name: str) -> None:
    network = WITHOUT_KERNELS[name]().requires_grad_(True)
    with pytest.raises(KernelsUnavailable):
        TrainedNetwork(network)
    model = AtomicEnergyModel(network, 1.0, torch.zeros(3, dtype=F64))
    assert evaluated_model(model, config()) is model
    named = dict(model.named_parameters())
    _, taken = gradients(evaluated_model(model, config()), named, batch_of("cell"))
    assert any(gradient is not None and gradient.any() for gradient in taken.values())


def test_when_the_reference_is_evaluated() -> None:
    """Where the config or the device says so."""
    model = model_of("mace small")
    assert evaluated_model(model, config(kernels="off")) is model
    assert evaluated_model(model, config(), "cuda") is model
    fast = evaluated_model(model, config())
    assert isinstance(fast, AtomicEnergyModel)
    assert isinstance(fast.network, TrainedNetwork)
    assert torch.equal(fast.scale, model.scale)
    assert torch.equal(fast.shift, model.shift)
