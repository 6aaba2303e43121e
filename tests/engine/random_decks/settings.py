"""How LAMMPS is told to run: what must not matter to any result."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from random_decks.chooser import Chooser
from random_decks.models import KINDS
from random_decks.systems import System

# Eight ranks on two cores take several times as long as two.
RANKS: Mapping[int, float] = {1: 24, 2: 28, 4: 18, 3: 14, 8: 5, 6: 5, 5: 3, 7: 3}
# Rebuilds of the neighbour list, and the steps that may pass between two.
REBUILDS: Mapping[str, int] = {
    "every 1 delay 0 check yes": 1,
    "every 1 delay 0 check no": 1,
    "every 2 delay 0 check yes": 2,
    "every 1 delay 4 check yes": 5,
    "every 5 delay 0 check no": 5,
    "every 3 delay 6 check yes": 9,
}
ALWAYS = next(iter(REBUILDS))
EVERY_STEP = "every 1 delay 0 check no"
# Of the fastest atom in a step, A.
FASTEST = 0.25
ATOM_STYLES = {"atomic": 5, "charge": 2, "molecular": 1, "full": 2, "bond": 1}
MAPS = {"map yes": 3, "": 3, "map array": 2, "map hash": 3}
NEWTON = {"newton on": 5, "newton off": 4, "newton off on": 1, "newton on off": 1}
GRIDS = {"": 5, "processors * 1 1": 2, "processors 1 * 1": 1, "processors 1 1 *": 1}
COMM = {"brick": 5, "brick shift": 1, "tiled": 1, "tiled rcb": 2, "tiled fix": 1}
SORTS = {"": 3, "sort 0 0": 1, "sort 1 0.0": 1, "sort 1 2.5": 1}


@dataclass(frozen=True)
class Settings:
    """One choice of everything."""

    ranks: int
    newton: str
    grid: str
    comm: str
    atom_style: str
    map: str
    sort: str
    units: str
    skin: float
    neighbor: str
    rebuild: str
    binsize: str
    ghosts: str
    halo: bool
    threads: int
    omp: int
    omp_by_command: bool
    virials_every_step: bool
    step_length: float
    perturb: int

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of the command line of LAMMPS."""
        by_line = self.omp and not self.omp_by_command
        return ("-sf", "omp", "-pk", "omp", str(self.omp)) if by_line else ()

    @property
    def head(self) -> tuple[str, ...]:
        """What comes before the box is made."""
        modify = " ".join(word for word in (self.map, self.sort) if word)
        by_command = self.omp and self.omp_by_command
        lines = (
            f"package omp {self.omp}" if by_command else "",
            "suffix omp" if by_command else "",
            f"units {self.units}",
            f"atom_style {self.atom_style}",
            f"atom_modify {modify}" if modify else "",
            self.newton,
            self.grid,
            "comm_style tiled" if self.comm.startswith("tiled") else "",
        )
        return tuple(line for line in lines if line)

    @property
    def tail(self) -> tuple[str, ...]:
        """What comes after the pair coefficients."""
        lines = (
            f"neighbor {self.skin} {self.neighbor}",
            f"neigh_modify {self.rebuild}",
            f"neigh_modify binsize {self.binsize}" if self.binsize else "",
            f"comm_modify {self.ghosts}" if self.ghosts else "",
            "balance 1.0 shift xyz 10 1.01" if self.comm == "brick shift" else "",
            "balance 1.0 rcb" if self.comm == "tiled rcb" else "",
            "fix even all balance 2 1.0 rcb" if self.comm == "tiled fix" else "",
        )
        return tuple(line for line in lines if line)

    @property
    def prompt_rebuild(self) -> str:
        """Words of `neigh_modify` that are safe for atoms that forces or a fix move."""
        return EVERY_STEP if self.rebuild == EVERY_STEP else ALWAYS

    @property
    def timestep(self) -> float:
        """So short that forces hardly change the velocities: atoms fly as they were told."""
        return 0.0002 if self.units == "metal" else 0.2

    @property
    def speed(self) -> float:
        """Of the fastest atom, A/ps or A/fs."""
        return self.step_length / self.timestep


def draw_settings(choose: Chooser, system: System, members: tuple[str, ...]) -> Settings:
    """Settings under which LAMMPS can run `system`."""
    skin = choose.pick("skin", {1.0: 4, 0.3: 2, 2.0: 2, 0.0: 1})
    rebuild = choose.pick("rebuild", dict.fromkeys(REBUILDS, 1.0) | {ALWAYS: 4.0})
    if skin == 0.0 and rebuild != ALWAYS:
        choose.fall_back("rebuild", ALWAYS)
        rebuild = ALWAYS
    halo = choose.maybe("halo", 0.12)
    r_max = max(KINDS[name].r_max for name in members)
    ghosts = choose.pick("ghosts", {"": 8, "cutoff 9.5": 1, "vel yes": 1})
    reach = max(r_max * (3 if halo else 1), 9.5 if ghosts.startswith("cutoff") else 0.0) + skin
    # CommTiled refuses cutoffs beyond a period; boxes may shrink by a tenth.
    comm = choose.pick("comm", COMM)
    if comm.startswith("tiled") and not 0.85 * system.shortest_period > reach:
        choose.fall_back("comm", "brick")
        comm = "brick"
    ranks = choose.pick("ranks", RANKS)
    grid = choose.pick("grid", GRIDS)
    # At a rebuild LAMMPS hands an atom to a rank beside its own and no farther: one that has
    # crossed a whole subdomain by then is lost, whatever the pair style is.
    farthest = 0.5 * skin + FASTEST * REBUILDS[rebuild]
    if ranks > 1 and thinnest_subdomain(system, ranks, grid) < farthest:
        choose.fall_back("rebuild", EVERY_STEP)
        rebuild = EVERY_STEP
    # An atom may go half the skin before the list is old; the last tenth is left to the forces.
    safe = 0.45 * skin / REBUILDS[rebuild] if REBUILDS[rebuild] > 1 else FASTEST
    return Settings(
        ranks,
        choose.pick("newton", NEWTON),
        grid,
        comm,
        choose.pick("atom style", ATOM_STYLES),
        choose.pick("map", MAPS),
        choose.pick("sort", SORTS),
        choose.pick("units", {"metal": 3, "real": 1}),
        skin,
        choose.pick("neighbor", {"bin": 3, "nsq": 1}),
        rebuild,
        choose.pick("binsize", {"": 8, "2.1": 1}),
        ghosts,
        halo,
        choose.pick("threads", {0: 4, 1: 1, 2: 1}) if ranks == 1 else 0,
        choose.pick("omp", {0: 12, 1: 1, 2: 1, 3: 1, 4: 1}),
        choose.maybe("omp by command", 0.4),
        choose.maybe("virials every step", 0.5),
        min(safe, choose.uniform("step length", 0.02, FASTEST)),
        _poison(choose),
    )


def thinnest_subdomain(system: System, ranks: int, grid: str) -> float:
    """Width in A of the thinnest slab that a rank gets along any edge of the box.

    Where `grid` leaves the choice to LAMMPS it takes the grid of the least surface. A face that
    follows the atoms (`s`, `m`) leaves no more than their extent.
    """
    extents = np.ptp(system.positions, axis=0)
    follows = [bool(set(word) & {"s", "m"}) for word in system.boundary]
    edges = np.where(follows, extents, np.diag(system.matrix))
    counts = [
        np.array(shape)
        for shape in itertools.product(range(1, ranks + 1), repeat=3)
        if math.prod(shape) == ranks
    ]
    if grid:
        places = [ranks if word == "*" else 1 for word in grid.split()[1:]]
        counts = [np.array(places)]
    surfaces = [sum((edges / shape).prod() * shape / np.maximum(edges, 1e-9)) for shape in counts]
    return float((edges / counts[int(np.argmin(surfaces))]).min())


def _poison(choose: Chooser) -> int:
    """A byte for freed memory, its complement for fresh memory (MALLOC_PERTURB_).

    Many of them make doubles of 1e-300 or so, which no sum would notice. Those named here and
    their complements make numbers from 1e-6 to 1e6; the others make infinite or huge ones.
    """
    if choose.maybe("any poison", 0.4):
        return int(choose.rng("poison").integers(1, 256))
    return choose.pick("poison", (0x40, 0xBF, 0x3F, 0xC0, 0x41, 0xBE))
