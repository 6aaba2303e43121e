"""What happens to the atoms before LAMMPS is asked: each is a few commands that end with a check.

A line `#@check` asks for a comparison at this point, `#@second COMMAND` goes to another instance of
LAMMPS in the same processes. Both are comments to LAMMPS.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from random_decks.chooser import Chooser
from random_decks.settings import Settings
from random_decks.systems import System

CHECK = "#@check"
SECOND = "#@second "


@dataclass(frozen=True)
class Scene:
    """What a history must know: the deck up to its first run can be repeated from here.

    Attributes:
        setup: all lines from `units` to the last before the first run.
        styles: pair_style and pair_coeff.
        after: the lines after them.
    """

    system: System
    settings: Settings
    setup: tuple[str, ...]
    styles: tuple[str, ...]
    after: tuple[str, ...]
    alone: bool


History = Callable[[Chooser, str, Scene], list[str]]


def runs(choose: Chooser, name: str) -> list[str]:
    """A run of no, one or some steps, in one piece or two."""
    steps = choose.pick(f"{name} steps", {0: 3, 1: 2, 4: 2, 7: 1})
    lines = [f"run {steps} post no", CHECK]
    if steps and choose.maybe(f"{name} goes on", 0.3):
        lines += ["run 2 pre no post no", CHECK]
    return lines


def migrate(choose: Chooser, name: str, scene: Scene) -> list[str]:
    return [f"run {choose.pick(f'{name} long', (3, 8, 15))} post no", CHECK]


def delete(choose: Chooser, name: str, scene: Scene) -> list[str]:
    share = choose.pick(f"{name} share", {0.3: 5, 0.7: 2, 1.0: 1})
    compress = choose.pick(f"{name} compress", ("no", "yes"))
    seed = choose.seed(name)
    command = f"delete_atoms random fraction {share} yes all NULL {seed} compress {compress}"
    return [command, *runs(choose, name)]


def create(choose: Chooser, name: str, scene: Scene) -> list[str]:
    count = choose.pick(f"{name} count", (1, 3, 8))
    kind = len(scene.system.elements)
    how = f"random {count} {choose.seed(name)} NULL overlap 2.0 maxtry 200 units box"
    return [f"create_atoms {kind} {how}", *runs(choose, name)]


def _axes(scene: Scene) -> list[int]:
    return [k for k in range(3) if scene.system.periodic[k]]


def change_box(choose: Chooser, name: str, scene: Scene) -> list[str]:
    axes = _axes(scene)
    how = choose.pick(f"{name} how", ("scale", "shear", "scale without remap"))
    if how == "shear" and len(axes) < 3:
        choose.fall_back(f"{name} how", "scale")
        how = "scale"
    if how == "shear":
        delta = choose.uniform(name, -0.2, 0.2) * scene.system.matrix[0, 0]
        tilted = [] if scene.system.is_tilted else ["change_box all triclinic"]
        lines = [*tilted, f"change_box all xy delta {delta:.12g} remap units box"]
    else:
        factors = {k: choose.uniform(f"{name} {k}", 0.95, 1.07) for k in axes}
        remap = " remap" if how != "scale without remap" else ""
        if not remap:  # a smaller box would push atoms onto their own images
            factors = {k: 1.0 + abs(factor - 1.0) for k, factor in factors.items()}
        words = " ".join(f"{'xyz'[k]} scale {factor:.12g}" for k, factor in factors.items())
        lines = [f"change_box all {words}{remap} units box"]
    return [*lines, *runs(choose, name)]


def displace(choose: Chooser, name: str, scene: Scene) -> list[str]:
    lines = []
    if choose.maybe(f"{name} far", 0.5):
        moves = [
            choose.uniform(f"{name} {k}", -60, 60) * scene.system.periodic[k] for k in (0, 1, 2)
        ]
        lines.append(f"displace_atoms all move {' '.join(f'{m:.12g}' for m in moves)} units box")
    lines.append(f"displace_atoms all random 0.1 0.1 0.1 {choose.seed(name)} units box")
    return [*lines, *runs(choose, name)]


def set_type(choose: Chooser, name: str, scene: Scene) -> list[str]:
    kind = int(choose.rng(name).integers(1, len(scene.system.elements) + 1))
    return [f"set group all type/fraction {kind} 0.4 {choose.seed(name)}", *runs(choose, name)]


def deform(choose: Chooser, name: str, scene: Scene) -> list[str]:
    axes = _axes(scene)
    lines, what = [f"neigh_modify {scene.settings.prompt_rebuild}"], f"{'xyz'[axes[0]]} scale 1.08"
    if len(axes) == 3 and choose.maybe(f"{name} flips", 0.6):
        # The tilt passes half the edge within the run.
        tilt = 1.1 * scene.system.matrix[0, 0]
        lines += [] if scene.system.is_tilted else ["change_box all triclinic"]
        what = f"xy delta {tilt:.12g} remap x flip yes"
    # fix deform moves box and atoms at the end of a step, after their forces were computed: the
    # last step is one that it leaves alone.
    steps = choose.pick(f"{name} steps", (5, 12))
    lines += [
        f"fix strain all deform 3 {what}",
        f'variable more equal "3*ceil((step+{steps})/3)+1-step"',
        "run ${more} post no",
        CHECK,
        "unfix strain",
    ]
    return [*lines, *runs(choose, f"{name} then")]


def npt(choose: Chooser, name: str, scene: Scene) -> list[str]:
    unit = 1.0 if scene.settings.units == "metal" else 1000.0
    shape = "tri" if scene.system.is_tilted else choose.pick(f"{name} shape", ("aniso", "iso"))
    damp, relax = 0.05 * unit, 0.1 * unit
    lines = [f"neigh_modify {scene.settings.prompt_rebuild}", "unfix move"]
    if scene.system.is_tilted and choose.maybe(f"{name} flips", 0.7):
        # Just beyond where fix npt flips the box: the first step does.
        edge = scene.system.matrix[0, 0]
        tilt = 0.62 * edge - scene.system.matrix[1, 0]
        lines += ["box tilt large", f"change_box all xy delta {tilt:.12g} remap units box"]
    target = f"{shape} 1000.0 1000.0 {relax}"
    lines.append(f"fix move all npt temp 300.0 300.0 {damp} {target}")
    steps = choose.pick(f"{name} steps", (3, 10))
    lines += [f"run {steps} post no", CHECK, "unfix move", "fix move all nve"]
    return [*lines, *runs(choose, f"{name} then")]


def rerun(choose: Chooser, name: str, scene: Scene) -> list[str]:
    file = f"{name.replace(' ', '-')}.dump"
    # The fix that asks for per-atom virials counts steps, which a rerun sets back.
    asking = [line for line in scene.after if line.startswith("fix ask ")]
    return [
        f"dump frames all custom 3 {file} id type x y z",
        "dump_modify frames format float %.17g",
        "run 6 post no",
        "undump frames",
        f"rerun {file} dump x y z",
        CHECK,
        *(["unfix ask", *asking] if asking else []),
        *runs(choose, name),
    ]


def restart(choose: Chooser, name: str, scene: Scene) -> list[str]:
    file = f"{name.replace(' ', '-')}.restart"
    styled = not scene.alone or choose.maybe(f"{name} names the style", 0.5)
    before = [line for line in scene.settings.head if not line.startswith(("units", "atom_"))]
    return [
        f"write_restart {file}",
        "clear",
        *before,
        f"read_restart {file}",
        *(scene.styles if styled else ()),
        *scene.after,
        *runs(choose, name),
    ]


def clear(choose: Chooser, name: str, scene: Scene) -> list[str]:
    return ["clear", *scene.setup, *runs(choose, name)]


def second(choose: Chooser, name: str, scene: Scene) -> list[str]:
    """The same deck in a second instance, a few steps ahead, while the first one goes on."""
    again = ["clear", *scene.setup, "run 2 post no", CHECK]
    more = ["run 1 post no", CHECK, SECOND + "run 1 post no", SECOND + CHECK]
    return [*(SECOND + line for line in again), *runs(choose, name), *more]


def minimize(choose: Chooser, name: str, scene: Scene) -> list[str]:
    return ["minimize 0.0 1.0e-8 4 20", CHECK, *runs(choose, name)]


def coefficients(choose: Chooser, name: str, scene: Scene) -> list[str]:
    """The styles once more, and another width of the skin."""
    return [*scene.styles, "neighbor 1.4 bin", *runs(choose, name)]


HISTORIES: Mapping[str, tuple[History, float]] = {
    "migrate": (migrate, 3),
    "delete": (delete, 2),
    "create": (create, 2),
    "change box": (change_box, 2),
    "displace": (displace, 2),
    "set type": (set_type, 2),
    "deform": (deform, 2),
    "npt": (npt, 2),
    "rerun": (rerun, 1),
    "restart": (restart, 2),
    "clear": (clear, 1),
    "second": (second, 1),
    "minimize": (minimize, 1),
    "coefficients": (coefficients, 1),
}


def _possible(chosen: str, scene: Scene) -> str:
    """The history itself, or the one that stands in for it where the system does not allow it."""
    if chosen == "change box" and not _axes(scene):
        return "displace"
    if chosen == "deform" and not _axes(scene):
        return "migrate"
    if chosen == "npt" and (len(_axes(scene)) < 3 or len(scene.system.ids) < 2):
        return "migrate"
    return chosen


def draw_history(choose: Chooser, scene: Scene) -> list[str]:
    """The first evaluation, then up to three histories, each with its checks."""
    lines = [f"run {choose.pick('first steps', {0: 3, 1: 1})} post no", CHECK]
    shares = {name: weight for name, (_, weight) in HISTORIES.items()}
    for place in range(choose.pick("histories", {0: 1, 1: 4, 2: 3, 3: 1})):
        chosen = choose.pick(f"history {place}", shares)
        if (possible := _possible(chosen, scene)) != chosen:
            choose.fall_back(f"history {place}", possible)
            chosen = possible
        history, _ = HISTORIES[chosen]
        lines += history(choose, f"{chosen} {place}", scene)
    return lines
