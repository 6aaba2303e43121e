"""A draw: everything that LAMMPS is told, and everything that Python needs to know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from random_decks.chooser import Chooser
from random_decks.histories import Scene, draw_history
from random_decks.interactions import Interactions, draw_interactions, draw_members
from random_decks.refusals import draw_refusal
from random_decks.settings import Settings, draw_settings
from random_decks.systems import System, draw_system

# Every reduction asks for the per-atom values at the steps that print.
PROBES = (
    "compute pe all pe/atom",
    "compute s all stress/atom NULL virial",
    "compute c all centroid/stress/atom NULL virial",
    "compute p all pressure NULL virial",
    "compute all_pe all reduce sum c_pe",
    "compute all_s all reduce sum c_s[1] c_s[2] c_s[3] c_s[4] c_s[5] c_s[6]",
    "compute all_c all reduce sum c_c[1] c_c[2] c_c[3] c_c[4] c_c[5] c_c[6] c_c[7] c_c[8] c_c[9]",
    "thermo_style custom step pe press c_p[1] c_all_pe c_all_s[1] c_all_c[1]",
)
DEVIATION = (
    "compute dev all egraff/atom deviation",
    "compute all_dev all reduce max c_dev",
    "thermo_style custom step pe press c_p[1] c_all_pe c_all_s[1] c_all_c[1] c_all_dev",
)
EVERY_STEP = "fix ask all ave/atom 1 1 1 c_s[1] c_c[1] c_pe"


@dataclass(frozen=True)
class Draw:
    """One deck.

    Attributes:
        name: "SEED:INDEX", and ":choice=place,..." if choices were fixed; it repeats the draw.
        files: name to text; they lie beside the deck.
        lines: commands, `{MODEL:name}` where a model file goes.
        interactions: what Python sums.
        expects: pattern of the message with which it must refuse, or "".
        words: choices, for the summary.
        replaced: choices that were impossible, as "chosen -> what stands in for it".
        made: choices, as places among their options.
    """

    name: str
    system: System
    settings: Settings
    files: Mapping[str, str]
    lines: tuple[str, ...]
    interactions: Interactions
    expects: str
    words: Mapping[str, str]
    replaced: Mapping[str, str]
    made: Mapping[str, int]

    @property
    def checks(self) -> int:
        """How many comparisons its lines ask for."""
        return sum(line.endswith("#@check") for line in self.lines)

    @property
    def digest(self) -> str:
        """First 12 digits of the SHA-256 of its text: another draw may have had its name before."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:12]

    def text(self) -> str:
        """The whole deck as one can save and run it."""
        parts = [f"# deck {self.name}"]
        parts += [f"# ---- file {name}\n{text}# ----" for name, text in self.files.items()]
        arguments = " ".join(self.settings.arguments)
        parts += [
            f"# mpiexec -n {self.settings.ranks} lmp {arguments} -in deck",
            f"# environment: MALLOC_PERTURB_={self.settings.perturb} OMP_NUM_THREADS=1",
            f"# models: {', '.join(self.interactions.members)} (random_decks/models.py)",
            *self.lines,
        ]
        return "\n".join(parts) + "\n"


def make_draw(seed: int, index: int, fixed: Mapping[str, int] | None = None) -> Draw:
    """The draw of a seed and an index; `fixed` as for `Chooser`."""
    choose = Chooser(seed, index, fixed)
    system = draw_system(choose)
    members = draw_members(choose)
    settings = draw_settings(choose, system, members)
    words = [f"threads {settings.threads}"] if settings.threads else []
    words += ["exchange no"] if settings.halo else []
    interactions = draw_interactions(
        choose, system.elements, settings.units, " ".join(words), members
    )
    repeats = _replicas(choose, system)
    setup = (
        *settings.head,
        f"boundary {' '.join(system.boundary)}",
        "box tilt large",
        "read_data atoms.data",
        *repeats,
        *interactions.lines,
    )
    after = (
        *settings.tail,
        *PROBES,
        *(DEVIATION if interactions.deviates else ()),
        *((EVERY_STEP,) if settings.virials_every_step else ()),
        f"timestep {settings.timestep}",
        "fix move all nve",
    )
    scene = Scene(
        system,
        settings,
        (*setup, *after),
        interactions.lines,
        after,
        interactions.style == "alone",
    )
    if choose.maybe("refusal", 0.06):
        expects, lines = draw_refusal(choose, scene)
    else:
        expects, lines = "", (*scene.setup, *draw_history(choose, scene))
    fixes = ",".join(f"{key}={place}" for key, place in sorted(choose.fixed.items()))
    name = f"{seed}:{index}" + (f":{fixes}" if fixes else "")
    files = {"atoms.data": data_text(system, settings)}
    return Draw(
        name,
        system,
        settings,
        files,
        lines,
        interactions,
        expects,
        choose.words,
        choose.replaced,
        choose.made,
    )


def parse_name(name: str) -> Draw:
    """The draw that a name belongs to."""
    seed, index, *rest = name.split(":", 2)
    fixed = dict(pair.rsplit("=", 1) for pair in rest[0].split(",")) if rest and rest[0] else {}
    return make_draw(int(seed), int(index), {key: int(place) for key, place in fixed.items()})


def _replicas(choose: Chooser, system: System) -> tuple[str, ...]:
    few = len(system.ids) <= 12 and all(system.periodic)
    if not few or not choose.maybe("replicate", 0.2):
        return ()
    return (f"replicate {choose.pick('replicas', ('1 1 2', '2 1 1', '2 2 1', '1 3 1'))}",)


def data_text(system: System, settings: Settings) -> str:
    """The data file, without a digit lost."""
    n = len(system.ids)
    lines = ["random deck", "", f"{n} atoms", f"{len(system.elements)} atom types", ""]
    for axis, name in enumerate("xyz"):
        high = system.low[axis] + system.matrix[axis, axis]
        lines.append(f"{system.low[axis]:.17g} {high:.17g} {name}lo {name}hi")
    if system.is_tilted:
        xy, xz, yz = system.matrix[1, 0], system.matrix[2, 0], system.matrix[2, 1]
        lines.append(f"{xy:.17g} {xz:.17g} {yz:.17g} xy xz yz")
    lines += ["", "Masses", ""]
    lines += [f"{k} {mass:.17g}" for k, mass in enumerate(system.masses, 1)]
    lines += ["", f"Atoms # {settings.atom_style}", ""]
    columns = {
        "atomic": "{id} {type} {x}",
        "charge": "{id} {type} {q:.17g} {x}",
        "molecular": "{id} 1 {type} {x}",
        "bond": "{id} 1 {type} {x}",
        "full": "{id} 1 {type} {q:.17g} {x}",
    }[settings.atom_style]
    for k in range(n):
        x = " ".join(f"{value:.17g}" for value in system.positions[k])
        lines.append(
            columns.format(id=system.ids[k], type=system.types[k], q=system.charges[k], x=x)
        )
    lines += ["", "Velocities", ""]
    for k in range(n):
        v = " ".join(f"{value:.17g}" for value in system.directions[k] * settings.speed)
        lines.append(f"{system.ids[k]} {v}")
    return "\n".join(lines) + "\n"
