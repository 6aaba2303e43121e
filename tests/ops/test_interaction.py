"""A layer as one operator against the operators that it is made of, and what it keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from egraff_lmp.forcefields.fast.table import make_table

DTYPES = (torch.float32, torch.float64)
# Relative to the largest number: rounding of sums of about a hundred products, twice.
ROUNDING = {torch.float32: 2e-5, torch.float64: 1e-12}
ROWS = 4  # one scalar, one vector
# Scalar and vector, times harmonics of degrees 0 and 1, to a scalar, and to two vectors side by
# side: (l1, l2, l3, row in, step, row out, step).
PATHS = [0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 2, 1, 0, 1, 1, 1, 2, 2]
N_PATHS, ROWS_SUMMED = 3, 7
# The scalars activate themselves, and gate the vector.
GATE = ([0, 0, 1, -1, 1, 1, 3, 0], [1.5, 0.7])


class Layer:
    """Random atoms, edges and weights of one layer.

    Args:
        channels: 16 fills registers of some instruction sets, 5 of none.
        tabulated: whether the radial weights come from a table.
        n_types: sets of weights of the linear maps.
        n_local, n_all: atoms; there is no host, so the features are those of all atoms.
    """

    def __init__(
        self,
        dtype: torch.dtype = torch.float64,
        channels: int = 16,
        tabulated: bool = True,
        n_types: int = 2,
        n_local: int = 40,
        n_all: int = 43,
        gate: bool = True,
        skip: bool = True,
    ) -> None:
        generator = torch.Generator().manual_seed(7)

        def random(*shape: int) -> torch.Tensor:
            return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

        n_edges = 9 * n_local
        self.channels, self.n_local = channels, n_local
        self.features = random(n_all, ROWS, channels).requires_grad_(True)
        self.harmonics = random(n_edges, 4).requires_grad_(True)
        self.radial = torch.rand(n_edges, generator=generator, dtype=torch.float64).to(dtype)
        self.weights = random(n_edges, N_PATHS, channels)
        table = make_table(
            lambda x: ((1 - x) ** 3).view(-1, 1, 1).expand(-1, N_PATHS, channels), 64
        )
        self.table = table.coefficients.to(dtype)
        self.edges = torch.stack(
            [torch.randint(0, n, (n_edges,), generator=generator) for n in (n_local, n_all)]
        )
        self.types = torch.randint(0, n_types, (n_all,), generator=generator)
        self.tabulated = tabulated
        self.gate: tuple[list[int], list[float]] = GATE if gate else ([], [])
        square = channels * channels
        # Scalars to scalars, vectors to vectors; after the convolution two vectors to one.
        self.up = ([0, 1, 1, 0, 1, 0, 1, 1, 3, 1, 1, square], random(n_types, 2 * square))
        self.down = ([0, 1, 1, 0, 1, 0, 1, 2, 3, 1, 1, square], random(n_types, 3 * square))
        self.skip = (self.up[0], random(n_types, 2 * square)) if skip else None
        (self.radial if tabulated else self.weights).requires_grad_(True)

    @property
    def inputs(self) -> list[torch.Tensor]:
        return [self.features, self.harmonics, self.radial if self.tabulated else self.weights]

    def of_edges(self) -> tuple[Any, Any, Any]:
        if self.tabulated:
            return None, self.radial, self.table
        return self.weights, None, None

    def transposed(self, linear: tuple[list[int], torch.Tensor]) -> torch.Tensor:
        blocks, weights = linear
        turned = torch.empty_like(weights)
        for k in range(0, len(blocks), 6):
            n_in, n_out = blocks[k + 1] * self.channels, blocks[k + 4] * self.channels
            part = slice(blocks[k + 5], blocks[k + 5] + n_in * n_out)
            matrices = weights[:, part].view(-1, n_in, n_out)
            turned[:, part] = matrices.transpose(1, 2).reshape(len(weights), -1)
        return turned

    def run(self, features: torch.Tensor | None = None) -> torch.Tensor:
        """The operator."""

        def pair(linear: Any) -> list[torch.Tensor]:
            return [linear[1], self.transposed(linear)] if linear else []

        return torch.ops.egraff.interaction(
            self.features if features is None else features,
            self.harmonics,
            *self.of_edges(),
            self.edges,
            self.types,
            self.n_local,
            *self.gate,
            False,
            pair(self.up),
            self.up[0],
            ROWS,
            PATHS,
            pair(self.down),
            self.down[0],
            ROWS,
            pair(self.skip),
            self.skip[0] if self.skip else [],
        )

    def linear(self, x: torch.Tensor, linear: Any) -> torch.Tensor:
        types = self.types[: len(x)] if len(linear[1]) > 1 else None
        return torch.ops.egraff.node_linear(x, linear[1], types, linear[0], ROWS, self.channels)

    def summed(self, up: torch.Tensor) -> torch.Tensor:
        weights, radial, table = self.of_edges()
        if weights is not None:
            return torch.ops.egraff.convolution(
                up, self.harmonics, weights, self.edges, self.n_local, PATHS
            )
        return torch.ops.egraff.tabulated_convolution(
            up, self.harmonics, radial, table, self.edges, self.n_local, PATHS
        )

    def plain(self) -> torch.Tensor:
        """The operators one after the other."""
        x = self.features
        if self.gate[0]:
            x = torch.ops.egraff.gate(x, *self.gate)
        out = self.linear(self.summed(self.linear(x, self.up)), self.down)
        if self.skip:
            out = out + self.linear(x[: self.n_local], self.skip)
        return out


def require_same(layer: Layer, dtype: torch.dtype) -> None:
    got, expected = layer.run(), layer.plain()
    cotangent = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1)).to(dtype)
    pairs = [(got, expected)]
    pairs += zip(
        torch.autograd.grad(got, layer.inputs, cotangent),
        torch.autograd.grad(expected, layer.inputs, cotangent),
        strict=True,
    )
    for one, other in pairs:
        assert one.shape == other.shape
        scale = float(other.detach().abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=ROUNDING[dtype] * scale)


@pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
@pytest.mark.parametrize("channels", [16, 32, 5])
@pytest.mark.parametrize("tabulated", [True, False], ids=["table", "weights"])
def test_is_its_parts(
    instructions: str, dtype: torch.dtype, channels: int, tabulated: bool
) -> None:
    """Value and all gradients, with registers filled by the channels and not."""
    require_same(Layer(dtype, channels, tabulated), dtype)


@pytest.mark.parametrize(
    "change",
    [{"gate": False}, {"skip": False}, {"n_types": 1}, {"n_local": 3, "n_all": 600}],
    ids=str,
)
def test_parts_that_are_not_there(change: dict[str, Any]) -> None:
    require_same(Layer(**change), torch.float64)


def test_more_atoms_than_one_piece() -> None:
    """Gates and linear maps go by 512 atoms a thread, the convolution by 32 and 256."""
    require_same(Layer(n_local=1300, n_all=1310), torch.float64)


def test_no_atoms() -> None:
    layer = Layer(n_local=1, n_all=1)
    layer.n_local, layer.edges = 0, layer.edges[:, :0]
    layer.features = layer.features[:0].detach().requires_grad_(True)
    layer.types = layer.types[:0]
    layer.harmonics = layer.harmonics[:0].detach().requires_grad_(True)
    layer.radial = layer.radial[:0].detach().requires_grad_(True)
    out = layer.run()
    assert out.shape == (0, ROWS, 16)
    assert all(not g.numel() for g in torch.autograd.grad(out.sum(), layer.inputs))


def test_threads_change_no_bit() -> None:
    layer = Layer(torch.float32, 32, n_local=700, n_all=700)
    results = []
    for threads in (1, 2, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            out = layer.run()
            results.append([out, *torch.autograd.grad(out.square().sum(), layer.inputs)])
        finally:
            torch.set_num_threads(before)
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def chain(layer: Layer, length: int) -> torch.Tensor:
    out = layer.features
    for _ in range(length):
        out = layer.run(out)
    return out


@pytest.mark.parametrize("length", [1, 2, 5, 6])
def test_what_is_computed_anew_is_the_same(monkeypatch: pytest.MonkeyPatch, length: int) -> None:
    """Every second input is not kept: same bits, also where the backward pass runs twice."""
    layer = Layer(torch.float32, 32, n_local=60, n_all=60)
    layer.down = (layer.down[0], layer.down[1] / 60)
    results = []
    for atoms in ("1000", "0"):
        monkeypatch.setenv("EGRAFF_RECOMPUTE_ATOMS", atoms)
        energy = chain(layer, length).square().sum()
        first = torch.autograd.grad(energy, layer.inputs, retain_graph=True)
        second = torch.autograd.grad(energy, layer.inputs)
        assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
        results.append(first)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))
    assert all(torch.isfinite(gradient).all() for gradient in results[0])


def test_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """One input a layer, and with recomputation one of two; nothing that is wider."""
    layer = Layer(torch.float32, 32, n_local=60, n_all=60)
    an_input = layer.features.numel() * 4

    def kept() -> int:
        seen: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            chain(layer, 6)
        return sum(seen.values())

    monkeypatch.setenv("EGRAFF_RECOMPUTE_ATOMS", "1000")
    assert kept() == 6 * an_input
    monkeypatch.setenv("EGRAFF_RECOMPUTE_ATOMS", "60")
    assert kept() == 3 * an_input


def test_without_gradients() -> None:
    layer = Layer()
    expected = layer.run().detach()
    with torch.no_grad():
        assert torch.equal(layer.run(), expected)


def test_misuse(monkeypatch: pytest.MonkeyPatch) -> None:
    layer = Layer()
    monkeypatch.setenv("EGRAFF_RECOMPUTE_ATOMS", "many")
    with pytest.raises(RuntimeError, match="expected a number of atoms in EGRAFF_RECOMPUTE_ATOMS"):
        layer.run()
    monkeypatch.delenv("EGRAFF_RECOMPUTE_ATOMS")
    layer.types = layer.types[:5]
    with pytest.raises(RuntimeError, match="at least 40 atoms whose types are there"):
        layer.run()
    layer = Layer()
    layer.up[1].requires_grad_(True)
    with pytest.raises(RuntimeError, match="expected constant weights"):
        layer.run()
    layer = Layer()
    layer.edges = layer.edges + 40
    with pytest.raises(RuntimeError, match="expected a centre below 40"):
        layer.run()
