"""How far do ranks scale? What a step sends, by counts.

    python benchmarks/scaling.py [--run 2 4 8] [--out benchmarks/scaling]

For NequIP (paper preset) on GeTe and on a LiPS20 crystal, from 200 to 10^7 atoms on 1 to 10^4
ranks, of a brick decomposition: atoms a rank, atoms of other ranks that a rank holds, ranks that it
exchanges with, kilobytes and messages a layer and step, the busiest rank's edges over the mean, and
redundant work (edges evaluated over edges owned, which is 1: nothing is evaluated twice).

Where they come from:

    ghosts      the volume around a brick as deep as atoms of a liquid are in its neighbour lists
                (less than the cutoff and the skin), times the density
    peers       the bricks that this volume reaches
    imbalance   the edges of every brick, counted in the replicated frame
    run         the same numbers as `pair_style egraff` prints them, of ranks on this machine, which
                has fewer cores than that: counts are right, times are not taken

Counts of both are checked against each other wherever both are there. Times are not predicted.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from _gete import gete
from _subjects import SUBJECTS, context_of, deploy, edges_of, first_frame, species_of
from ase import Atoms
from numpy.typing import NDArray

from egraff_lmp.fileio import write_json, write_text
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file

R_MAX, SKIN = 5.0, 1.0  # A
BYTES = 4  # of a number in float32
ATOMS = (200, 1600, 12_800, 100_000, 1_000_000, 10_000_000)
RANKS = (1, 2, 8, 64, 512, 1000, 4096, 10_000)
# Edges and corners are held less deep than faces, and small bricks are mostly edges and corners.
AGREEMENT = 0.15


@dataclass(frozen=True)
class Count:
    """What the ranks of a run hold and send.

    Attributes:
        system, atoms, ranks: of the run.
        grid: bricks along the axes.
        atoms_a_rank: mean.
        ghosts_a_rank: atoms of other ranks that a rank holds, mean.
        peers: ranks that a rank exchanges with, the most.
        kilobytes_a_layer: that a rank receives in the widest layer, forward and backward, mean.
        messages_a_layer: that a rank receives, forward and backward.
        kilobytes_a_step: of all layers.
        imbalance: edges of the busiest rank over the mean.
        ghosts_run, peers_run, imbalance_run: the same as a run prints them, or None.
    """

    system: str
    atoms: int
    ranks: int
    grid: tuple[int, int, int]
    atoms_a_rank: float
    ghosts_a_rank: float
    peers: int
    kilobytes_a_layer: float
    messages_a_layer: int
    kilobytes_a_step: float
    imbalance: float
    ghosts_run: float | None = None
    peers_run: int | None = None
    imbalance_run: float | None = None


def main() -> None:
    """Count, run where there are not too many ranks, compare, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", type=int, nargs="*", default=[2, 4, 8], metavar="RANKS")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "scaling")
    arguments = parser.parse_args()
    counts: list[Count] = []
    with tempfile.TemporaryDirectory() as folder:
        for name, frame in systems().items():
            context = context_of(SUBJECTS["nequip"], frame, "float32")
            model = Path(folder) / f"{name.replace(' ', '-')}.pt"
            deploy(SUBJECTS["nequip"], context, frame, model)
            widths = widths_of(model)
            for copies in sorted({copies_for(frame, atoms) for atoms in ATOMS}, key=math.prod):
                for ranks in sorted({*RANKS, *arguments.run}):
                    count = counted(name, frame, copies, ranks, widths)
                    if count is None:
                        continue
                    if ranks in arguments.run and count.atoms <= 13_000:
                        count = ran(count, frame, copies, model, Path(folder))
                    counts.append(count)
                    print(line(count))
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_json(arguments.out / "scaling.json", [asdict(count) for count in counts])
    write_text(arguments.out / "README.md", table(counts))
    picture(counts, arguments.out / "scaling.png")
    print(f"written: {arguments.out}/README.md, scaling.json, scaling.png")


def systems() -> dict[str, Atoms]:
    """A GeTe frame, and the first frame of Li7PS6 where its data are on this machine."""
    found = {"GeTe": gete()[0]}
    crystal = first_frame("lips20:Li7PS6")
    if crystal is not None:
        found["LiPS20 Li7PS6"] = crystal
    return found


def widths_of(model: Path) -> tuple[int, ...]:
    """Numbers an atom of each exchange."""
    from egraff_lmp.contract import read_contract

    return read_contract(model).exchange_widths


def copies_for(frame: Atoms, atoms: int) -> tuple[int, int, int]:
    """Copies of the frame along its axes, to about so many atoms in a block as cubic as it gets."""
    edge = (atoms * frame.get_volume() / len(frame)) ** (1 / 3)
    lengths = frame.cell.lengths()
    return tuple(max(1, round(edge / length)) for length in lengths)  # type: ignore[return-value]


def brick_grid(ranks: int, lengths: NDArray[np.float64]) -> tuple[int, int, int]:
    """The grid with the least surface, which is LAMMPS' choice."""
    grids = [
        (a, b, ranks // a // b)
        for a in range(1, ranks + 1)
        if ranks % a == 0
        for b in range(1, ranks // a + 1)
        if ranks // a % b == 0
    ]

    def surface(grid: tuple[int, int, int]) -> float:
        x, y, z = lengths / grid
        return x * y + y * z + z * x

    return min(grids, key=surface)


def counted(
    name: str, frame: Atoms, copies: tuple[int, int, int], ranks: int, widths: tuple[int, ...]
) -> Count | None:
    """By formula and from the replicated frame; None where a rank would have under 20 atoms."""
    atoms = len(frame) * math.prod(copies)
    if atoms / ranks < 20:
        return None
    lengths = frame.cell.lengths() * copies
    grid = brick_grid(ranks, lengths)
    density = atoms / math.prod(lengths)
    reach = depth_of_ghosts(density)
    ghosts = float(density * reached_volume(lengths / grid, lengths, reach))
    peers = reached_bricks(grid, lengths)
    per_row = BYTES * ghosts / 1000
    return Count(
        system=name,
        atoms=atoms,
        ranks=ranks,
        grid=grid,
        atoms_a_rank=atoms / ranks,
        ghosts_a_rank=ghosts,
        peers=peers,
        kilobytes_a_layer=2 * max(widths) * per_row,
        messages_a_layer=2 * peers,
        kilobytes_a_step=2 * sum(widths) * per_row,
        imbalance=imbalance(frame, copies, grid),
    )


def depth_of_ghosts(density: float) -> float:
    """How deep the ghosts of a flat face go on average, A: below the cutoff and the skin.

    At a depth d an atom is held if an atom of the brick lies in the cap of its sphere of radius R
    that reaches over the face, which has a height of R - d: in a liquid of this density (atoms/A^3)
    that is so in 1 - exp(-density * volume) of all cases.
    """
    radius = R_MAX + SKIN
    height = (np.arange(1000) + 0.5) / 1000 * radius
    caps = math.pi * height**2 * (radius - height / 3)
    return float(np.mean(1 - np.exp(-density * caps)) * radius)


def reached_volume(brick: NDArray[np.float64], box: NDArray[np.float64], reach: float) -> float:
    """The volume within reach of a brick, without it, A^3.

    Along an axis where the surroundings meet themselves, all of the box belongs to them.
    """
    closed = brick + 2 * reach >= box
    a = np.where(closed, box, brick)
    own = float(np.prod(brick))
    open_axes = [k for k in range(3) if not closed[k]]
    total = float(np.prod(a))
    # A box with rounded edges and corners, of as many dimensions as are open.
    flat = float(np.prod(a[closed])) if closed.any() else 1.0
    sides = a[open_axes]
    if len(sides) == 1:
        total += flat * 2 * reach
    elif len(sides) == 2:
        total += flat * (2 * reach * sides.sum() + math.pi * reach**2)
    elif len(sides) == 3:
        x, y, z = sides
        total += 2 * reach * (x * y + y * z + z * x) + math.pi * reach**2 * (x + y + z)
        total += 4 / 3 * math.pi * reach**3
    return total - own


def reached_bricks(grid: tuple[int, int, int], box: NDArray[np.float64]) -> int:
    """Other bricks within reach along every axis."""
    reach = R_MAX + SKIN
    along = [
        min(n, 1 + 2 * math.ceil(reach * n / length)) if n > 1 else 1
        for n, length in zip(grid, box, strict=True)
    ]
    return math.prod(along) - 1


def imbalance(frame: Atoms, copies: tuple[int, int, int], grid: tuple[int, int, int]) -> float:
    """Edges of the busiest brick over the mean: every atom's neighbours counted in its brick."""
    edges = edges_of(frame, R_MAX)
    degree = np.bincount(edges.index[0], minlength=len(frame)).astype(float)
    scaled = frame.get_scaled_positions(wrap=True)
    # Every axis by itself: which brick an atom of each copy lies in.
    places = [
        np.minimum(
            ((scaled[:, k, None] + np.arange(copies[k])) / copies[k] * grid[k]).astype(int),
            grid[k] - 1,
        )
        for k in range(3)
    ]
    total = np.zeros(grid)
    for i, number in enumerate(degree):
        counts = [np.bincount(places[k][i], minlength=grid[k]) for k in range(3)]
        total += number * np.einsum("a,b,c->abc", *counts)
    return float(total.max() / total.mean())


def ran(
    count: Count, frame: Atoms, copies: tuple[int, int, int], model: Path, folder: Path
) -> Count:
    """With what a run on so many ranks prints."""
    species = species_of(frame)
    data = folder / "block.data"
    structure = Structure(
        tuple(frame.get_chemical_symbols()),
        frame.get_positions(wrap=True),
        frame.cell.array,
        (True, True, True),
        None,
        "scaling",
    )
    write_data_file(data, structure, species)
    lines = (
        "units metal",
        "atom_modify map yes",
        f"read_data {data}",
        "replicate " + " ".join(map(str, copies)),
        f"neighbor {SKIN} bin",
        "pair_style egraff",
        f"pair_coeff * * {model} {' '.join(species)}",
        "run 0",
    )
    deck = folder / "in.scaling"
    deck.write_text("\n".join(lines) + "\n", encoding="utf-8")
    program = str(Path(sys.executable).with_name("lmp"))
    command = [mpi_program("mpiexec"), "-n", str(count.ranks), program]
    ended = subprocess.run(
        [*command, "-in", str(deck), "-log", "none"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    held = re.search(r"atoms held of other ranks: (\d+), of at most (\d+)", ended.stdout)
    busiest = re.search(r"busiest rank / mean: ([\d.]+)", ended.stdout)
    if ended.returncode or not held or not busiest:
        told = ended.stdout[-2000:] + ended.stderr[-500:]
        raise SystemExit(f"LAMMPS ended with {ended.returncode}:\n{told}")
    found = replace(
        count,
        ghosts_run=int(held[1]) / count.ranks,
        peers_run=int(held[2]),
        imbalance_run=float(busiest[1]),
    )
    apart = abs(found.ghosts_run / found.ghosts_a_rank - 1)  # type: ignore[operator]
    if apart > AGREEMENT:
        print(f"  the next: counted and run differ by {100 * apart:.0f} %")
    return found


def line(count: Count) -> str:
    """For the terminal."""
    run = ""
    if count.ghosts_run is not None:
        run = f"  run: {count.ghosts_run:.0f}, {count.peers_run}, {count.imbalance_run:.2f}"
    return (
        f"{count.system:<14} {count.atoms:>9} atoms {count.ranks:>6} ranks: "
        f"{count.ghosts_a_rank:>8.0f} ghosts a rank, {count.peers:>3} peers, "
        f"{count.kilobytes_a_layer:>8.0f} kB a layer, imbalance {count.imbalance:.2f}{run}"
    )


def table(counts: list[Count]) -> str:
    """Markdown."""
    head = (
        "# What ranks hold and send\n\nCounted by `python benchmarks/scaling.py`: NequIP, paper "
        "preset, float32, r_max 5 A, skin 1 A. Numbers in brackets are what `pair_style egraff` "
        "printed on so many ranks. Blocks are copies of one frame: where every brick holds whole "
        "copies, the edges are even by construction.\n\n![counts](scaling.png)\n\n"
        "| system | atoms | ranks | atoms a rank | atoms of others a rank (run) | peers (run) | "
        "kB a layer and rank | messages a layer and rank | kB a step and rank | busiest / mean "
        "edges (run) | edges evaluated / owned |\n" + "|---" * 11 + "|\n"
    )

    def run(value: float | None, form: str) -> str:
        return "" if value is None else f" ({value:{form}})"

    rows = [
        f"| {c.system} | {c.atoms:,} | {c.ranks:,} | {c.atoms_a_rank:,.0f} | "
        f"{c.ghosts_a_rank:,.0f}{run(c.ghosts_run, ',.0f')} | {c.peers}{run(c.peers_run, 'd')} | "
        f"{c.kilobytes_a_layer:,.0f} | {c.messages_a_layer} | {c.kilobytes_a_step:,.0f} | "
        f"{c.imbalance:.2f}{run(c.imbalance_run, '.2f')} | 1.00 |"
        for c in counts
    ]
    return head + "\n".join(rows) + "\n"


def picture(counts: list[Count], path: Path) -> None:
    """Ghosts an own atom, and imbalance, against the atoms of a rank."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    names = list(dict.fromkeys(count.system for count in counts))
    for name, marker, colour in zip(names, itertools.cycle("os"), ("C0", "C1"), strict=False):
        own = [c for c in counts if c.system == name and c.ranks > 1]
        label = f"{name}, counted"
        left.plot(
            [c.atoms_a_rank for c in own],
            [c.ghosts_a_rank / c.atoms_a_rank for c in own],
            marker,
            ms=4,
            mfc="none",
            color=colour,
            label=label,
        )
        right.plot(
            [c.atoms_a_rank for c in own],
            [c.imbalance for c in own],
            marker,
            ms=4,
            mfc="none",
            color=colour,
            label=label,
        )
        real = [c for c in own if c.ghosts_run is not None]
        left.plot(
            [c.atoms_a_rank for c in real],
            [c.ghosts_run / c.atoms_a_rank for c in real],  # type: ignore[operator]
            "x",
            ms=5,
            color=colour,
            label=f"{name}, run",
        )
        right.plot(
            [c.atoms_a_rank for c in real],
            [c.imbalance_run for c in real],  # type: ignore[misc]
            "x",
            ms=5,
            color=colour,
            label=f"{name}, run",
        )
    left.set(
        xscale="log",
        yscale="log",
        xlabel="atoms a rank",
        ylabel="atoms of other ranks held, an own atom",
    )
    right.set(xscale="log", xlabel="atoms a rank", ylabel="edges of the busiest rank / mean")
    left.legend(fontsize=8)
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
