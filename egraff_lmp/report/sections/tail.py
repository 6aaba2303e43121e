"""Figures, what failed, what the numbers cannot say, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.numbers import number
from egraff_lmp.report.sections.head import title_of
from egraff_lmp.report.words import no_information, stage_words, troubles_words
from egraff_lmp.results.record import ModelResult, System

_TRAJECTORY = (
    "FV and EV of the kind “trajectory” compare frames at equal times of two trajectories that "
    "separate within a fraction of a picosecond, whatever the quality of the model. Once they "
    "have, FV is 0.7071 for every model, and a value near it is neither good nor bad."
)
_INTERVALS = (
    "Intervals cover sampling: frames and starts. They do not cover another training seed, "
    "another training set, or other settings of a network."
)
_FLOOR = (
    "The floor is taken between the two halves of the held-out part, each half as long as what the "
    "rollouts are compared with: it overstates the noise somewhat, and it cannot see what is "
    "common to both halves. A value at or below its floor cannot be told from that of a perfect "
    "model on this much data."
)
_STRUCTURE = (
    "A radial distribution function averages over angles and time: a model can reproduce it and "
    "still be wrong in vibrations, diffusion or energies."
)
_SMALL = (
    "The models are small and were trained for minutes, so that the whole run is short. Their "
    "errors are not those of the architectures, and the comparison does not rank them."
)
_NO_ORACLE = (
    "There is no “rerun-oracle”: the ground truth is density-functional theory, which LAMMPS "
    "cannot re-evaluate on the models' own frames. EV and FV along the rollouts are therefore "
    "known only on reference frames (rerun-reference) and by comparison in time (trajectory)."
)
_COMMITTEE = (
    "The ground truth is density-functional theory, which LAMMPS cannot re-evaluate on the models' "
    "own frames. “Rerun-committee” asks the other models in its place: an error that all of them "
    "share is not seen, and a value below what they give among each other (see the notes of the "
    "values) may be their own error."
)
_NO_TIMES = (
    "The reference is no time series: its frames sample the ensemble and have no times. Structure "
    "is compared with all held-out frames; EV and FV of the kind “trajectory” are left out."
)


def heat_map(page: Page) -> Mapping[str, Any] | None:
    """The headline metrics of several systems at one glance."""
    return None if page.single is not None else {"drawn": page.figures_of("map")}


def figures(page: Page) -> Mapping[str, Any] | None:
    """The figures over several systems."""
    drawn = page.figures_of("figures")
    return {"drawn": drawn} if drawn else None


def troubles(page: Page) -> Mapping[str, Any] | None:
    """What went wrong on each system; models with one state and reason share a line."""
    if page.single is not None:
        return None  # the summary of the system says so
    found: dict[tuple[str, str, str], list[str]] = {}
    for system, result in page.results:
        if result.troubles:
            place = (system.label, result.state, troubles_words(result.troubles))
            found.setdefault(place, []).append(result.model.name)
    return {
        "troubles": [
            {"label": label, "models": ", ".join(models), "state": state, "reason": reason}
            for (label, state, reason), models in found.items()
        ]
    }


def limits(page: Page) -> Mapping[str, Any]:
    """What the numbers cannot say: of the benchmark, then of each system."""
    system = page.single
    said = no_information(page.results) if not page.verdicts else ""
    if system is None:
        by_system = [(one.label, one.remarks) for one in page.systems if one.remarks]
        general = [*page.results.remarks, said, _INTERVALS, _FLOOR]
    else:
        by_system = []
        general = [
            *page.results.remarks, *system.remarks, *_of_reference(system), said, _TRAJECTORY,
            _INTERVALS, _FLOOR, _STRUCTURE, _SMALL,
        ]  # fmt: skip
    return {"sentences": list(filter(None, general)), "by_system": by_system}


def _of_reference(system: System) -> list[str]:
    found = [] if system.reference.time_series else [_NO_TIMES]
    if system.reference.potential is None:
        found.append(_COMMITTEE if system.protocol.committee else _NO_ORACLE)
    return found


def provenance(page: Page) -> Mapping[str, Any]:
    """Hardware, versions, hashes, stages and configuration."""
    system = page.single
    pairs = [("seed", page.results.seed)]
    if system is None:
        names = dict.fromkeys(name for one in page.systems for name in one.machine)
        machines = [
            (name, "; ".join(dict.fromkeys(one.machine.get(name, "") for one in page.systems)))
            for name in names
            if name != "written"
        ]
        pairs = [("written", page.written), *pairs, *machines]
        return {"pairs": pairs, "cards": [], "stages": []}
    reference = system.reference
    pairs = [*system.machine.items(), *pairs]
    if reference.frames is not None:
        pairs += [
            ("reference", reference.origin),
            ("SHA-256 of its frames", reference.sha256),
            ("SHA-256 of the held-out part", reference.held_out_sha256),
        ]
    return {
        "pairs": pairs,
        "cards": [(title_of(one), facts) for one in system.models if (facts := _facts(one))],
        "stages": [(s.name, stage_words(s), number(s.seconds), s.key) for s in system.stages],
    }


def _facts(result: ModelResult) -> list[tuple[str, str]]:
    card, training = result.card, result.training
    facts = []
    if card is not None:
        facts += [
            ("parameters", number(card.parameters)),
            ("cutoff", f"{card.r_max:g} Å"),
            ("precision", card.precision),
            ("file", card.file),
            ("SHA-256 of the file", card.sha256),
        ]
    if training is not None:
        said = f"{training.epochs} epochs, best {training.best}; ended because: {training.stop}"
        facts.append(("training", said))
    return facts + [("cite", text) for text in (card.citations if card is not None else ())]
