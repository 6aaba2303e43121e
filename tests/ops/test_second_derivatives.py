"""Second derivatives of every operator, by finite differences in float64.

`gradgradcheck` compares the derivatives of the first gradients by all inputs and cotangents, which
is what the training on forces takes, with central differences.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from egraff_lmp.forcefields.fast.table import make_table

pytestmark = pytest.mark.usefixtures("one_thread")
OPS = torch.ops.egraff
Function = Callable[..., torch.Tensor | tuple[torch.Tensor, ...]]
# Rows of features: one scalar, one vector. Scalars and vectors times harmonics of degrees 0 and 1.
ROWS = 4
PATHS = [0, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 1, 1, 2, 1, 0, 1, 1, 1, 2, 2, 1, 1, 0, 1, 1, 7, 1]
N_PATHS, ROWS_SUMMED = 4, 8
GATE = ([0, 0, 1, -1, 1, 1, 3, 0, 2, 1, 1, 2, 1, 3, 1, -1], [1.5, 0.7, 1.1, 0.9])
ATOMS, EDGES, CHANNELS = 3, 5, 2


def _random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64).requires_grad_(True)


def _edges(n_centers: int = ATOMS, n_all: int = ATOMS) -> torch.Tensor:
    return torch.stack([torch.randint(0, n, (EDGES,)) for n in (n_centers, n_all)])


def _radial() -> torch.Tensor:
    """Inside of the table's intervals, whose third derivatives jump at the knots."""
    place = (torch.randint(1, 15, (EDGES,)) + 0.3 + 0.4 * torch.rand(EDGES)).double()
    return (place / 16).requires_grad_(True)


def _table(columns: tuple[int, ...]) -> torch.Tensor:
    def radial(x: torch.Tensor) -> torch.Tensor:
        powers = torch.arange(1, 1 + columns[0] * columns[1]).view(1, *columns)
        return (1 - x).view(-1, 1, 1) ** 3 * torch.cos(powers * x.view(-1, 1, 1))

    return make_table(radial, 16).coefficients


def _harmonics() -> tuple[Function, list[torch.Tensor]]:
    return lambda v: OPS.edge_harmonics(v, 3, torch.float64), [_random(EDGES, 3)]


def _convolution() -> tuple[Function, list[torch.Tensor]]:
    edges = _edges()
    return (
        lambda x, y, w: OPS.convolution(x, y, w, edges, ATOMS, PATHS),
        [_random(ATOMS, ROWS, CHANNELS), _random(EDGES, 4), _random(EDGES, N_PATHS, CHANNELS)],
    )


def _tabulated_convolution() -> tuple[Function, list[torch.Tensor]]:
    edges, table = _edges(), _table((N_PATHS, CHANNELS))
    return (
        lambda x, y, r: OPS.tabulated_convolution(x, y, r, table, edges, ATOMS, PATHS),
        [_random(ATOMS, ROWS, CHANNELS), _random(EDGES, 4), _radial()],
    )


def _linear(n_types: int) -> tuple[Function, list[torch.Tensor]]:
    types = torch.randint(0, n_types, (ATOMS,)) if n_types > 1 else None
    square = CHANNELS * CHANNELS
    blocks = [0, 1, 1, 0, 1, 0, 1, 1, 3, 1, 1, square, 0, 1, 1, 0, 1, 2 * square]

    def run(x: torch.Tensor, w: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
        return OPS.node_linear(x, w, types, blocks, ROWS, CHANNELS, None, bias)

    return run, [
        _random(ATOMS, ROWS, CHANNELS),
        _random(n_types, 3 * square + 1),
        _random(ROWS, CHANNELS),
    ]


def _constant_linear() -> tuple[Function, list[torch.Tensor]]:
    """With its transposed copy, as in a deployed network."""
    weights = torch.randn(1, CHANNELS * CHANNELS).double()
    turned = weights.view(CHANNELS, CHANNELS).t().reshape(1, -1).contiguous()
    return (
        lambda x: (
            OPS.node_linear(x, weights, None, [0, 1, 4, 0, 1, 0], ROWS, CHANNELS, turned) ** 2
        ),
        [_random(ATOMS, ROWS, CHANNELS)],
    )


def _gate() -> tuple[Function, list[torch.Tensor]]:
    return lambda x: OPS.gate(x, *GATE), [_random(ATOMS, ROWS + 1, CHANNELS)]


def _contraction() -> tuple[Function, list[torch.Tensor]]:
    """Terms of one to three factors, factors that stand twice and three times among them."""
    types = torch.randint(0, 2, (ATOMS,))
    keys = [
        (0, -1, -1),
        (0, 0, -1),
        (0, 0, 0),
        (0, 0, 2),
        (0, 1, 1),
        (0, 1, 2),
        (1, 2, -1),
        (2, 2, 2),
    ]
    terms = [n for i, j, k in keys for row in (0, 2) for n in (row, i, j, k)]
    return (
        lambda x, c: OPS.symmetric_contraction(x, c, types, terms, 3),
        [_random(ATOMS, 3, CHANNELS), _random(2, len(terms) // 4, CHANNELS)],
    )


def _radial_table() -> tuple[Function, list[torch.Tensor]]:
    kinds = torch.randint(0, 2, (EDGES,))
    table = torch.stack([_table((1, 3))[:, 0], 2 * _table((1, 3))[:, 0]])
    return lambda x, t: OPS.radial_table(x, t, kinds), [_radial(), table.requires_grad_(True)]


def _constant_radial_table() -> tuple[Function, list[torch.Tensor]]:
    """As a deployed network has it."""
    kinds = torch.zeros(EDGES, dtype=torch.int64)
    table = _table((1, 19)).transpose(0, 1).contiguous()
    return lambda x: OPS.radial_table(x, table, kinds), [_radial()]


def _attention(rows: int) -> tuple[Function, list[torch.Tensor]]:
    edges, own = _edges(), min(4, rows)
    return (
        lambda q, x, y, w, o: OPS.et_attention(q, x, y, w, o, edges, 2),
        [
            _random(ATOMS, 4),
            _random(ATOMS, rows, 4),
            _random(EDGES, 4),
            _random(EDGES, own, 4),
            _random(own, 4),
        ],
    )


def _tabulated_attention() -> tuple[Function, list[torch.Tensor]]:
    edges, table, own = _edges(), _table((4, 4)), torch.randn(4, 4).double()
    return (
        lambda q, x, y, r: OPS.tabulated_et_attention(q, x, y, r, table, own, edges, 2),
        [_random(ATOMS, 4), _random(ATOMS, 7, 4), _random(EDGES, 4), _radial()],
    )


def _interaction(tabulated: bool) -> tuple[Function, list[torch.Tensor]]:
    edges, types = _edges(), torch.randint(0, 2, (ATOMS,))
    table = _table((N_PATHS, CHANNELS))
    square = CHANNELS * CHANNELS
    blocks = [0, 1, 1, 0, 1, 0, 1, 1, 3, 1, 1, square]
    down = [0, 1, 1, 0, 1, 0, 1, 2, 3, 1, 1, square]

    def pair(blocks: list[int], n_types: int) -> list[torch.Tensor]:
        weights = torch.randn(n_types, 3 * square).double()
        turned = torch.empty_like(weights)
        for k in range(0, len(blocks), 6):
            n_in, n_out = blocks[k + 1] * CHANNELS, blocks[k + 4] * CHANNELS
            part = slice(blocks[k + 5], blocks[k + 5] + n_in * n_out)
            matrices = weights[:, part].view(-1, n_in, n_out)
            turned[:, part] = matrices.transpose(1, 2).reshape(n_types, -1)
        return [weights, turned]

    maps = pair(blocks, 2), pair(down, 1), pair(blocks, 2)

    def run(x: torch.Tensor, y: torch.Tensor, of_edges: torch.Tensor) -> torch.Tensor:
        return OPS.interaction(
            x,
            y,
            *((None, of_edges, table) if tabulated else (of_edges, None, None)),
            edges,
            types,
            ATOMS,
            [0, 0, 1, -1, 1, 1, 3, 0],
            [1.5, 0.7],
            False,
            maps[0],
            blocks,
            ROWS,
            PATHS,
            maps[1],
            down,
            ROWS,
            maps[2],
            blocks,
        )

    of_edges = _radial() if tabulated else _random(EDGES, N_PATHS, CHANNELS)
    return run, [_random(ATOMS, ROWS, CHANNELS), _random(EDGES, 4), of_edges]


def _convolution_map() -> tuple[Function, list[torch.Tensor]]:
    edges, square = _edges(), CHANNELS * CHANNELS
    # The first two paths give scalars, the other rows are left as they are not read.
    blocks = [0, 1, 1, 0, 1, 0, 7, 1, 1, 1, 1, square]

    def run(
        x: torch.Tensor, y: torch.Tensor, w: torch.Tensor, linear: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        result: torch.Tensor = OPS.convolution_map(
            x, y, w, edges, ATOMS, PATHS, linear, blocks, 2, bias
        )
        return result

    return run, [
        _random(ATOMS, ROWS, CHANNELS),
        _random(EDGES, 4),
        _random(EDGES, N_PATHS, CHANNELS),
        _random(1, 2 * square),
        _random(2, CHANNELS),
    ]


CASES: dict[str, Callable[[], tuple[Function, list[torch.Tensor]]]] = {
    "edge_harmonics": _harmonics,
    "convolution": _convolution,
    "tabulated_convolution": _tabulated_convolution,
    "convolution_map": _convolution_map,
    "node_linear": lambda: _linear(1),
    "node_linear by type": lambda: _linear(2),
    "node_linear of constants": _constant_linear,
    "gate": _gate,
    "scaled_silu": lambda: (OPS.scaled_silu, [_random(ATOMS, 2, CHANNELS), _random(ATOMS, 2)]),
    "scaled_silu of many": lambda: (OPS.scaled_silu, [_random(1, 1, 19), _random(1, 1)]),
    "symmetric_contraction": _contraction,
    "radial_table": _radial_table,
    "radial_table of constants": _constant_radial_table,
    "et_attention of scalars": lambda: _attention(2),
    "et_attention without vectors": lambda: _attention(4),
    "et_attention": lambda: _attention(7),
    "tabulated_et_attention": _tabulated_attention,
    "interaction": lambda: _interaction(False),
    "interaction by table": lambda: _interaction(True),
    "exchange": lambda: (lambda x: OPS.exchange(x) ** 3, [_random(ATOMS, CHANNELS)]),
}


# Whose second derivatives are composed of torch's own operators, or of those of other cases: what
# depends on the instruction set is their first pass, which their own files test with each.
COMPOSED = {name for name in CASES if "attention" in name or name.split("_")[0] == "tabulated"}
COMPOSED |= {"interaction", "interaction by table"}


def require_gradients(name: str) -> None:
    torch.manual_seed(4)
    run, inputs = CASES[name]()
    torch.autograd.gradcheck(run, inputs)
    torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize("name", sorted(CASES.keys() - COMPOSED))
def test_gradients(name: str, instructions: str) -> None:
    require_gradients(name)


@pytest.mark.parametrize("name", sorted(COMPOSED))
def test_gradients_of_compositions(name: str) -> None:
    """With the instruction set of this processor."""
    require_gradients(name)


@pytest.mark.parametrize("name", CASES)
def test_inputs_that_depend_on_each_other(name: str) -> None:
    """As in a network, whose features follow from the edges: the chain rule, recorded or not."""
    torch.manual_seed(4)
    run, leaves = CASES[name]()
    inputs: list[torch.Tensor] = []
    for leaf in leaves:
        # Little, so that distances stay in the intervals that they are in.
        before = torch.stack([each.sum() for each in inputs]).sum() if inputs else 0.0
        inputs.append(leaf + 1e-3 * before)

    def squares(given: list[torch.Tensor]) -> torch.Tensor:
        found = run(*given)
        results = [found] if isinstance(found, torch.Tensor) else list(found)
        return torch.stack([(result**2).sum() for result in results]).sum()

    apart = [each.detach().requires_grad_(True) for each in inputs]
    # Attention without vectors does not read the harmonics.
    of_inputs = torch.autograd.grad(squares(apart), apart, materialize_grads=True)
    expected = torch.autograd.grad(inputs, leaves, of_inputs, retain_graph=True)
    for record in (True, False):
        got = torch.autograd.grad(squares(inputs), leaves, create_graph=record, retain_graph=True)
        for one, other in zip(got, expected, strict=True):
            assert other.any()
            torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def test_every_operator_is_here() -> None:
    """The names of all operators that have gradients: a new one must be added above."""
    schemas = torch._C._jit_get_all_schemas()
    names = {
        schema.name.removeprefix("egraff::") for schema in schemas if "egraff::" in schema.name
    }
    parts = ("_backward", "_second", "_weights", "_coefficients")
    # convolution_linear has no autograd of its own; settling takes no tensors.
    found = {name for name in names if not name.endswith(parts)}
    found -= {"convolution_linear", "settle_vector_functions"}
    assert found == {name.split(" ")[0] for name in CASES}


def require_same_bits(gradients: Callable[[], list[torch.Tensor]], threads: int) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        expected = gradients()
        torch.set_num_threads(threads)
        assert all(torch.equal(a, b) for a, b in zip(gradients(), expected, strict=True))
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_no_bit_of_a_trained_table(threads: int, instructions: str) -> None:
    """300 edges and columns of several panels, the last of them neither full nor of registers."""
    torch.manual_seed(0)
    x, table = torch.rand(300, requires_grad=True), torch.randn(2, 11, 397, requires_grad=True)
    kinds = torch.randint(0, 2, (300,))

    def gradients() -> list[torch.Tensor]:
        values = OPS.radial_table(x, table, kinds)
        first = torch.autograd.grad((values**3).sum(), (x, table), create_graph=True)
        loss = sum((each**2).sum() for each in first)
        return [*first, *torch.autograd.grad(loss, (x, table))]

    require_same_bits(gradients, threads)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_bit(threads: int) -> None:
    """Gradients of trained weights: 70 atoms, where threads have shares of them."""
    torch.manual_seed(0)
    features = torch.randn(70, 3, 40, requires_grad=True)
    types = torch.randint(0, 2, (70,))
    terms = [0, 0, 1, 2, 1, 0, 1, 2, 1, 1, 2, -1]
    coefficients = torch.randn(2, 3, 40, requires_grad=True)

    def gradients() -> list[torch.Tensor]:
        out = OPS.symmetric_contraction(features, coefficients, types, terms, 2)
        (dx,) = torch.autograd.grad((out**2).sum(), features, create_graph=True)
        return list(torch.autograd.grad((dx**2).sum(), (features, coefficients)))

    require_same_bits(gradients, threads)


def test_third_derivatives_are_refused() -> None:
    """Where there are none: an error, not a wrong number."""
    x, c = _random(ATOMS, 3, CHANNELS), _random(1, 1, CHANNELS)
    types = torch.zeros(ATOMS, dtype=torch.int64)
    out = OPS.symmetric_contraction(x, c, types, [0, 0, 1, 2], 1)
    (dx,) = torch.autograd.grad((out**2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="symmetric_contraction: a third derivative is not"):
        torch.autograd.grad((dx**2).sum(), x, create_graph=True)
