"""From a configuration to what will be done: nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import require_writable
from egraff_lmp.rollout.box import require_cell_for_pressure
from egraff_lmp.rollout.config import RolloutConfig
from egraff_lmp.rollout.datafile import (
    Structure,
    data_text,
    elements_of_data_file,
    type_order,
)
from egraff_lmp.rollout.deck import check_out_dir, deck_path, number
from egraff_lmp.rollout.launch import lammps_command
from egraff_lmp.rollout.potential import Potential, classical, deployed_model, element_words
from egraff_lmp.rollout.restart import RESUMED, Restart, newest_restart
from egraff_lmp.rollout.source import read_structure
from egraff_lmp.runs.record import Record, read_record

DATA = "start.data"


@dataclass(frozen=True)
class Plan:
    """What a rollout will do.

    Attributes:
        config: the settings.
        out_dir: absolute path of its folder.
        deck_text: the LAMMPS input.
        data_text: the LAMMPS data file.
        variables: deck variables that decide the trajectory.
        identity: see `Record`.
        model_sha256: of the deployed model, or "none".
        inputs: where model and structure come from.
        record: the record of an earlier start in the same folder, or None.
        restart: what to go on from, or None to start at step 0.
        warning: what the user should know of it, or "".
    """

    config: RolloutConfig
    out_dir: Path
    deck_text: str
    data_text: str
    variables: dict[str, str]
    identity: dict[str, str]
    model_sha256: str
    inputs: dict[str, str]
    record: Record | None
    restart: Restart | None
    warning: str = ""

    @property
    def deck(self) -> Path:
        """The copy of the deck in the folder, which is what LAMMPS runs."""
        return self.out_dir / deck_path(self.config.ensemble).name

    @property
    def data(self) -> Path:
        """The data file in the folder."""
        return self.out_dir / DATA

    @property
    def log(self) -> Path:
        """Log of the next start."""
        return self.out_dir / f"log.{len(self.record.segments) if self.record else 0}.lammps"

    @property
    def first_step(self) -> int:
        """Step that the next start begins with."""
        return self.restart.step if self.restart else 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to run."""
        if self.record is None:
            return False
        if self.record.status == "failed":
            return True
        return self.first_step >= self.config.n_steps

    @property
    def run_variables(self) -> dict[str, str]:
        """All deck variables of the next start."""
        config = self.config
        values = self.variables | {
            "data": str(self.data),
            "out": str(self.out_dir),
            "steps": str(config.n_steps),
            "device": config.device,
            "threads": str(config.threads),
            "check": "yes" if config.check else "no",
            "restart_minutes": number(config.restart_minutes),
            "restart_every": str(config.restart_every or 0),
            "wall_minutes": number(config.wall_minutes or 0),
            "guard": "yes" if config.guard else "no",
            # What was checked here is what LAMMPS loads, whatever happens to the file meanwhile.
            "sha256": self.model_sha256,
        }
        if self.restart:
            # The outputs are cut off before the step of the restart, see `restart.cut_outputs`.
            values |= {"restart": RESUMED, "rewrite_first": "yes"}
        return values

    @property
    def command(self) -> list[str]:
        """The command of the next start."""
        config = self.config
        return lammps_command(self.deck, self.run_variables, config.ranks, config.launcher)


def make_plan(config: RolloutConfig) -> Plan:
    """Check everything that can be checked without writing.

    Raises:
        EgraffError: missing files, elements that do not fit, or a folder that holds another
            rollout or cannot be written into.
    """
    out_dir = config.path(config.out_dir)
    if not _is_finished(config, out_dir):
        require_writable(out_dir)
    potential = _potential(config)
    check_out_dir(out_dir)
    text, elements, boundary, source = _start(config, potential)
    if config.ensemble == "npt":
        require_cell_for_pressure(boundary, source)
    variables = {
        **potential.variables,
        "elements": element_words(elements),
        "boundary": boundary,
        **_conditions(config),
    }
    deck = deck_path(config.ensemble).read_text(encoding="utf-8")
    record = read_record(out_dir)
    kept = out_dir / deck_path(config.ensemble).name
    if record is not None and kept.is_file():
        deck = kept.read_text(encoding="utf-8")  # an update of the package changes no rollout
    hidden = ("model", "pair", "coeff")  # where a model lies does not matter, its hash does
    identity = {
        "potential": potential.sha256 or potential.title,
        "pair": config.pair or "egraff",
        "coefficients": config.coeff or "",
        "structure": _sha256(text),
        "deck": _sha256(deck),
        "ensemble": config.ensemble,
        **{name: value for name, value in variables.items() if name not in hidden},
    }
    if record is not None:
        _same_rollout(record, identity, config, out_dir)
    restart = None
    if record is not None:
        restart = newest_restart(out_dir, config.dump_every, config.row_every)
    inputs = {"potential": potential.title, "structure": source}
    model_sha256 = "none" if config.model is None else potential.sha256
    warning = potential.warning if config.ensemble == "npt" else ""
    return Plan(
        config, out_dir, deck, text, variables, identity, model_sha256, inputs, record, restart,
        warning,
    )  # fmt: skip


def _is_finished(config: RolloutConfig, out_dir: Path) -> bool:
    """Whether results that are only read lie in the folder, as far as can be seen."""
    try:
        record = read_record(out_dir)
    except OSError:
        return False
    return record is not None and record.status == "finished" and record.n_steps >= config.n_steps


def _potential(config: RolloutConfig) -> Potential:
    if config.model is not None:
        return deployed_model(config.path(config.model))
    return classical(config.pair or "", config.coeff or "", config.base)


def _start(config: RolloutConfig, potential: Potential) -> tuple[str, tuple[str, ...], str, str]:
    """(text of the data file, elements in type order, boundary, where it comes from)."""
    if config.data_file is not None:
        path = config.path(config.data_file)
        elements = config.elements or elements_of_data_file(path)
        if not path.is_file():
            raise EgraffError(f"{path}: expected a LAMMPS data file, there is none.")
        _known(elements, potential, str(path))
        boundary = config.boundary or "p p p"
        return path.read_text(encoding="utf-8"), elements, boundary, str(path)
    structure = _structure(config)
    elements = config.elements or type_order(structure.species, potential.species, structure.source)
    _known(elements, potential, structure.source)
    text = data_text(structure, elements, masses_amu=potential.masses_amu)
    return text, elements, structure.box().boundary, structure.source


def _structure(config: RolloutConfig) -> Structure:
    name = str(config.structure)
    if config.velocities == "create":
        return read_structure(name, config.frame, base=config.base)
    from ase.io import read

    try:
        atoms = read(config.path(Path(name)), index=config.frame, parallel=False)
    except Exception as error:  # each of ASE's readers raises what it likes
        raise EgraffError(
            f"{name}: expected a file with velocities that ASE reads, got {error}."
        ) from None
    if isinstance(atoms, list):
        raise EgraffError(f"{name}: expected one frame, got {len(atoms)}.")
    structure = Structure.from_atoms(atoms, f"{name}, frame {config.frame}")
    if structure.velocities is None:
        raise EgraffError(
            f"{name}: expected velocities to keep, got none: write them into the file (momenta) "
            "or leave `velocities: create`."
        )
    return structure


def _known(elements: Sequence[str], potential: Potential, source: str) -> None:
    if potential.species is not None:
        type_order(elements, potential.species, source)


def _conditions(config: RolloutConfig) -> dict[str, str]:
    """Deck variables of the ensemble and the output."""
    target = max(config.temperature_kelvin, config.temperature_end_kelvin or 0)
    hottest = config.temperature_max_kelvin or 10 * target + 1000
    values = {
        "temperature": number(config.temperature_kelvin),
        "timestep_fs": number(config.timestep_fs),
        "seed": str(config.seed),
        "velocities": config.velocities,
        "dump_every": str(config.dump_every),
        "thermo_every": str(config.row_every),
        "rebuild_every": str(config.rebuild_every),
        "temperature_max": number(hottest),
    }
    if config.ensemble in ("nvt", "npt"):
        values["damping_fs"] = number(config.damping_fs)
    if config.temperature_end_kelvin is not None:
        values["temperature_end"] = number(config.temperature_end_kelvin)
    if config.ensemble == "npt":
        values["pressure"] = number(config.pressure_bar)
        values["pressure_damping_fs"] = number(config.pressure_damping_fs)
        values["coupling"] = config.coupling
    return values


def _same_rollout(
    record: Record, identity: dict[str, str], config: RolloutConfig, out_dir: Path
) -> None:
    """Refuse to go on with another rollout's files."""
    names = sorted(set(record.identity) | set(identity))
    changed = [
        f"{name} ({record.identity.get(name, 'none')[:24]} -> {identity.get(name, 'none')[:24]})"
        for name in names
        if record.identity.get(name) != identity.get(name)
    ]
    if changed:
        raise EgraffError(
            f"{out_dir}: holds a rollout with another {', '.join(changed)}: choose another "
            "out_dir, or remove that one."
        )
    if record.status == "finished" and config.n_steps < record.n_steps:
        raise EgraffError(
            f"{out_dir}: holds a finished rollout of {record.n_steps} steps, fewer "
            f"({config.n_steps}) cannot be run into it: choose another out_dir."
        )


def _sha256(text: str) -> str:
    return sha256(text.encode()).hexdigest()
