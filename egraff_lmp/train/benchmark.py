"""What a training step costs, measured on kernels and on the reference network in turns.

Each side is a process of its own, so that its peak memory is its own; the others sleep while one
runs, and a ratio is taken within a turn, so that a busy machine slows all sides alike.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import signal
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from multiprocessing.context import SpawnProcess
from pathlib import Path

import torch

from egraff_lmp.errors import EgraffError
from egraff_lmp.forcefields.fast import KernelsUnavailable, TrainedNetwork
from egraff_lmp.train.checkpoint import Record
from egraff_lmp.train.config import TrainConfig
from egraff_lmp.train.data import read_parts, species_order
from egraff_lmp.train.graphs import Batch, EpochSampler, Graph, build_graphs, collate, split
from egraff_lmp.train.memory import GB, current_gb, forget_peak, peak_gb, status_bytes
from egraff_lmp.train.module import ForceFieldModule
from egraff_lmp.train.record import make_record

KERNELS, REFERENCE = "kernels", "reference"
STEPS, REPEATS = 3, 3
# TorchScript looks at its inputs in the first call and compiles in the second.
WARM_UP = 2
_END_SECONDS = 10.0

Step = Callable[[], float]
"""One step of a training, which returns the loss before it."""


@dataclass(frozen=True)
class Block:
    """Consecutive steps of a side.

    Attributes:
        seconds: of each step.
        losses: before each step.
        peak_bytes: most resident memory since the first step of all, above that before it.
    """

    seconds: list[float]
    losses: list[float]
    peak_bytes: float


@dataclass(frozen=True)
class Turns:
    """What `in_turns` found.

    Attributes:
        first: the warm-up of each side, whose first loss is that of the initial weights.
        blocks: the blocks of each side, one a turn.
        failed: the sides that could not start or run, and why.
    """

    first: dict[str, Block]
    blocks: dict[str, list[Block]]
    failed: dict[str, str]


@dataclass(frozen=True)
class Cost:
    """What a side costs.

    Attributes:
        ms_a_frame: median over the steps.
        frames_per_second: its reciprocal.
        peak_gb: most resident memory above that before the first step.
    """

    ms_a_frame: float
    frames_per_second: float
    peak_gb: float


@dataclass(frozen=True)
class Benchmark:
    """The two ways to run a training, beside each other.

    Attributes:
        costs: by name, `KERNELS` (absent where there are none) and `REFERENCE`.
        speedups: time of the reference network over that of the kernels, one a turn.
        unavailable: why there are no kernels, or None.
        threads: of each process.
        batch_size: frames of a batch.
    """

    costs: dict[str, Cost]
    speedups: list[float]
    unavailable: str | None
    threads: int
    batch_size: int


class TrainingSteps:
    """Steps of a training without its epochs: gradient, bound on it, optimiser and average.

    Args:
        module: what is trained.
        batches: taken in turn.
    """

    def __init__(self, module: ForceFieldModule, batches: Sequence[Batch]) -> None:
        self.module = module
        self.batches = batches
        self.optimiser = module.configure_optimizers()
        self.done = 0
        module.evaluated  # noqa: B018 (is made when it is first asked for)

    def __call__(self) -> float:
        """Take one batch; the loss before it.

        Raises:
            EgraffError: the loss or its gradient is not finite.
        """
        batch = self.batches[self.done % len(self.batches)]
        every = self.module.config.accumulate
        if self.done % every == 0:
            self.optimiser.zero_grad()
        parts = split(batch, self.module.max_edges)
        loss = sum(self.module.add_gradient(part, batch) for part in parts)
        self.done += 1
        if self.done % every == 0:
            self.module.move(self.optimiser)
            if self.module.average is not None:
                self.module.average.update(self.module.model)
        return loss


def in_turns(
    sides: Mapping[str, Callable[[], Step]], *, threads: int, steps: int, repeats: int
) -> Turns:
    """Run the steps of several sides in turns, each in a process of its own.

    Args:
        sides: by name, what makes the step in the process; it is sent there by pickle.
        threads: of each process.
        steps: of a block.
        repeats: turns, one block of every side each.
    """
    found = Turns({}, {}, {})
    with _started(sides, threads) as running:

        def ask(name: str, n: int) -> Block | None:
            side = running[name]
            try:
                side.send(n)
                answer = side.recv()
            except (EOFError, OSError):
                answer = "its process ended, which may be for want of memory"
            if isinstance(answer, Block):
                return answer
            found.failed[name] = answer
            found.blocks.pop(name, None)
            del running[name]
            return None

        for name in list(running):
            block = ask(name, WARM_UP)
            if block is not None:
                found.first[name] = block
        for _ in range(repeats):
            for name in list(running):
                block = ask(name, steps)
                if block is not None:
                    found.blocks.setdefault(name, []).append(block)
    return found


@contextmanager
def _started(
    sides: Mapping[str, Callable[[], Step]], threads: int
) -> Iterator[dict[str, multiprocessing.connection.Connection]]:
    """A process for each side, at the other end of a connection; all end with the block."""
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    ends: dict[str, multiprocessing.connection.Connection] = {}
    try:
        for name, make in sides.items():
            ends[name], theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, make, threads), daemon=True)
            process.start()
            theirs.close()
            processes.append(process)
        yield dict(ends)
    finally:
        for end in ends.values():
            end.close()
        for process in processes:
            process.join(_END_SECONDS)
            process.kill()
            process.join()


def _serve(
    end: multiprocessing.connection.Connection, make: Callable[[], Step], threads: int
) -> None:
    """In the process of a side: so many steps as each message says, until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    torch.set_num_threads(threads)
    try:
        n = end.recv()  # a side is made in its own turn
        step = make()
        before = _begin()
        while True:
            seconds, losses = [], []
            for _ in range(n):
                start = time.perf_counter()
                losses.append(step())
                seconds.append(time.perf_counter() - start)
            end.send(Block(seconds, losses, _most() - before))
            n = end.recv()
    except (EOFError, BrokenPipeError):
        return
    except Exception as problem:
        expected = isinstance(problem, EgraffError | KernelsUnavailable)
        end.send(str(problem) if expected else f"{type(problem).__name__}: {problem}")


def _begin() -> float:
    """Resident bytes now; the peak starts anew."""
    try:
        forget_peak()
        return status_bytes("VmRSS")
    except OSError:
        return GB * current_gb(torch.device("cpu"))


def _most() -> float:
    """Most resident bytes since `_begin`."""
    try:
        return status_bytes("VmHWM")
    except OSError:
        return GB * peak_gb(torch.device("cpu"))


def speed_ratios(upper: Sequence[Block], lower: Sequence[Block]) -> list[float]:
    """Median time of a step of `upper` over that of `lower`, one a turn."""
    return [
        statistics.median(one.seconds) / statistics.median(other.seconds)
        for one, other in zip(upper, lower, strict=True)
    ]


def benchmark(
    config: TrainConfig, *, base: Path | None = None, steps: int = STEPS, repeats: int = REPEATS
) -> Benchmark:
    """Measure steps of a training on a CPU, on kernels and on the reference network.

    Nothing is written. Both train on the same batches, those that the training begins with.

    Args:
        config: of the training; `kernels` and `devices` have no effect.
        base: folder that relative paths of the config start from.
        steps: of a block.
        repeats: blocks of each side, in turns.

    Raises:
        EgraffError: bad data or settings, a GPU, or the reference network cannot be trained.
    """
    if config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available()):
        raise EgraffError(
            "expected a training on a CPU, for which the kernels are: set `device: cpu` to "
            "measure it here."
        )
    parts = read_parts(config, base)
    species = species_order(parts, config.species)
    graphs = [graph for part in parts.train for graph in build_graphs(part, species, config.r_max)]
    record = make_record(config, parts, graphs, base)
    order = list(EpochSampler(len(graphs), config.seed))
    starts = islice(range(0, len(order), config.batch_size), WARM_UP + steps * repeats)
    groups = [[graphs[i] for i in order[at : at + config.batch_size]] for at in starts]
    groups = [group for group in groups if len(group) == len(groups[0])]
    largest = max(graphs, key=lambda graph: graph.edge_index.shape[1])
    threads = config.threads or torch.get_num_threads()
    found = in_turns(
        {
            name: partial(_steps, config, record, groups, largest, on_kernels=name == KERNELS)
            for name in (KERNELS, REFERENCE)
        },
        threads=threads,
        steps=steps,
        repeats=repeats,
    )
    if REFERENCE in found.failed:
        raise EgraffError(f"a training step failed: {found.failed[REFERENCE]}")
    frames = len(groups[0])
    on_kernels = found.blocks.get(KERNELS)
    return Benchmark(
        costs={name: cost(blocks, frames) for name, blocks in found.blocks.items()},
        speedups=speed_ratios(found.blocks[REFERENCE], on_kernels) if on_kernels else [],
        unavailable=found.failed.get(KERNELS),
        threads=threads,
        batch_size=frames,
    )


def cost(blocks: Sequence[Block], frames: int) -> Cost:
    """Of all steps of a side, whose batches hold so many frames."""
    seconds = statistics.median(second for block in blocks for second in block.seconds) / frames
    return Cost(1e3 * seconds, 1.0 / seconds, max(block.peak_bytes for block in blocks) / GB)


def _steps(
    config: TrainConfig,
    record: Record,
    groups: Sequence[Sequence[Graph]],
    largest: Graph,
    *,
    on_kernels: bool,
) -> TrainingSteps:
    """Steps of a training that starts, in the process that takes them.

    Raises:
        KernelsUnavailable: there are none for this network.
    """
    torch.manual_seed(config.seed)
    module = ForceFieldModule(
        record.build(), config.model_copy(update={"kernels": "auto" if on_kernels else "off"})
    )
    if on_kernels:
        require_kernels(module)
    module.bound_memory(largest)
    return TrainingSteps(module, [collate(group) for group in groups])


def require_kernels(module: ForceFieldModule) -> None:
    """End where a training would go on with the reference network.

    Raises:
        KernelsUnavailable: there are none for this network.
    """
    if module.evaluated is module.model:
        TrainedNetwork(module.model.network)
        raise KernelsUnavailable("the training does not use them")
