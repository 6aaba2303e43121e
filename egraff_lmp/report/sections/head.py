"""The head of the page, the cards and findings of one system, and what was run on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from egraff_lmp.report.base import Page
from egraff_lmp.report.figures.base import colour_of
from egraff_lmp.report.findings import findings
from egraff_lmp.report.numbers import DASH, NBSP, number
from egraff_lmp.report.words import COMPARED, UNITS, trouble_words
from egraff_lmp.results.record import DONE, FAILED, ModelResult, Part, Reference, System
from egraff_lmp.score.records import COMPARISONS, RERUN_ORACLE, STRUCTURE, Score
from egraff_lmp.score.table import METRICS
from egraff_lmp.score.words import counted, listed

# An exact answer on the model's own frames says more than any other comparison.
_BEST_FIRST = (RERUN_ORACLE, *(c for c in COMPARISONS if c != RERUN_ORACLE))


def title_of(result: ModelResult) -> str:
    """A model for a reader: its name, and its architecture where that is known and another."""
    name = result.model.name
    if result.card is None or result.card.architecture.lower() == name.lower():
        return result.card.architecture if result.card is not None else name
    return f"{name}: {result.card.architecture}"


def header(page: Page) -> Mapping[str, Any]:
    """Title, what was run, and the way to other pages and files."""
    system = page.single
    linked = [(one.label, page.link(one)) for one in page.systems]
    return {
        "what": _of_one(system) if system is not None else _of_several(page),
        "systems": linked if system is None else [],
    }


def _of_one(system: System) -> str:
    reference = system.reference
    if reference.frames is None:
        return f"The reference trajectory could not be had: {reference.reason}"
    names = tuple(title_of(one) for one in system.models)
    who = listed(names) if names else "No models"
    source = (
        "ab-initio molecular dynamics"
        if reference.potential is None
        else f"a classical potential ({reference.potential.name}) that plays the ab-initio method"
    )
    seconds = sum(stage.seconds for stage in system.stages)
    return (
        f"{who} were trained on {reference.trained_on} frames of {source}, deployed as "
        f"TorchScript files, run in LAMMPS at {system.temperature_kelvin:g} K on "
        f"{counted(system.protocol.ranks, 'MPI rank')} from {len(system.protocol.starts)} starts "
        "each, and compared with the part of the reference that was held out. All of it took "
        f"{seconds / 60:.1f} minutes of wall time."
    )


def _of_several(page: Page) -> str:
    states = [result.state for _, result in page.results]
    done, failed = states.count(DONE), states.count(FAILED)
    waiting = len(states) - done - failed
    controls = sum(model.control is not None for model in page.models)
    text = f"{counted(len(page.models) - controls, 'force field')}"
    text += f" and {counted(controls, 'negative control')}" if controls else ""
    text += (
        f" on {len(page.systems)} pairs of system and temperature: of {len(states)} pairs of a "
        f"model and a system, {done} have scores"
    )
    text += f", {failed} failed" if failed else ""
    text += f", {waiting} {'has' if waiting == 1 else 'have'} not been run" if waiting else ""
    return text + "."


def summary(page: Page) -> Mapping[str, Any] | None:
    """A card for each model, what the numbers mean, and what failed."""
    system = page.single
    if system is None:
        return None
    names = [title_of(one) for one in system.models]
    return {
        "cards": [_card(page, one) for one in system.models],
        "findings": findings(system.models, names),
        "troubles": [
            (name, trouble_words(trouble))
            for name, one in zip(names, system.models, strict=True)
            for trouble in one.troubles
        ],
    }


def _card(page: Page, result: ModelResult) -> dict[str, Any]:
    return {
        "name": title_of(result),
        "kind": _locality(result),
        "control": result.model.control,
        "colour": colour_of(page.results, result.model.name),
        "lines": [
            _line(result, metric.key) for metric in METRICS.values() if metric.headline
        ],
    }  # fmt: skip


def _locality(result: ModelResult) -> str:
    card = result.card
    if card is None:
        return "not deployed"
    if not card.exchange_widths:
        return f"strictly local, {counted(card.layers, 'layer')}, no exchange"
    widths = ", ".join(map(str, card.exchange_widths))
    return (
        f"message passing, {counted(card.layers, 'layer')}, exchanges {widths} numbers per ghost "
        "atom"
    )


def _line(result: ModelResult, key: str) -> tuple[str, str, str]:
    """Name, value and an aside of a headline metric: of its best comparison that has a value."""
    metric = METRICS[key]
    found = (result.find(key, comparison) for comparison in _BEST_FIRST)
    score = next((one for one in found if one is not None and one.value is not None), None)
    name = metric.title or metric.label
    if score is None:
        return name, DASH, "no result"
    if score.comparison in COMPARED:
        name += f", {score.comparison}"
    return name, text_of(score), _aside(score)


def _aside(score: Score) -> str:
    machine = score.fact("machine")
    ranks = machine.values.get("ranks") if machine is not None else None
    if isinstance(ranks, int):
        return counted(ranks, "rank")
    if score.floor is not None and score.comparison == STRUCTURE:
        return f"floor {number(score.floor)}"
    return ""


def text_of(score: Score) -> str:
    """A value with its unit; a number of starts as a part of all."""
    if score.value is not None and score.unit == "starts":
        return f"{score.value:.0f} of {score.counts.starts}"
    unit = UNITS.get(score.unit, score.unit)
    return f"{number(score.value)}{NBSP}{unit}" if unit else number(score.value)


def setup(page: Page) -> Mapping[str, Any] | None:
    """What was run: reference and protocol of one system."""
    system = page.single
    if system is None:
        return None
    return {"reference": _reference(system), "protocol": _protocol(system)}


def _reference(system: System) -> list[tuple[str, str]]:
    reference = system.reference
    pairs = []
    if reference.frames is not None:
        formula = " ".join(f"{n} {s}" for s, n in reference.species.items())
        box = "periodic" if reference.periodic else "not periodic"
        every = f"one every {reference.stride_fs:g} fs"
        times = every if reference.time_series else "no time series"
        pairs.append(("system", f"{reference.atoms} atoms ({formula}), {box}"))
        pairs.append(("frames", f"{reference.frames}, {times}"))
    if reference.left_out:
        said = f"{reference.left_out} training frames that are held out as well"
        pairs.append(("left out", said))
    pairs += _origin(system, reference)
    return [*pairs, *((part.name, _part(part)) for part in reference.parts)]


def _origin(system: System, reference: Reference) -> list[tuple[str, str]]:
    potential = reference.potential
    if potential is None:
        return [("sources", ", ".join(reference.sources))]
    return [
        ("potential", f"{potential.style}, {potential.name} (ships with LAMMPS)"),
        (
            "made by",
            f"LAMMPS, NVT at {system.temperature_kelvin:g} K, time step "
            f"{potential.timestep_fs:g} fs, after {potential.equilibration_ps:g} ps that were "
            f"thrown away; seed {system.seed}",
        ),
    ]


def _part(part: Part) -> str:
    every = "" if part.every == 1 else f", every {part.every}th"
    place = f" of each of {', '.join(part.sources)}" if part.sources else ""
    count = counted(len(range(part.first, part.last, part.every)), "frame")
    each = " each" if len(part.sources) > 1 else ""
    return f"frames {part.first} to {part.last - 1}{every}{place}: {count}{each}"


def _protocol(system: System) -> list[tuple[str, str]]:
    protocol, kelvin = system.protocol, system.temperature_kelvin
    ensemble = (
        "NVE"
        if protocol.ensemble == "nve"
        else f"NVT, Nosé–Hoover, {kelvin:g} K, time constant {protocol.damping_fs:g} fs"
    )
    seeds = ", ".join(str(system.seed + k) for k in range(len(protocol.starts)))
    bounds = " to ".join(f"{bound * kelvin:g}" for bound in protocol.temperature_bounds)
    as_reference = ", as in the reference" if system.reference.time_series else ""
    return [
        ("ensemble", ensemble),
        ("time step", f"{protocol.timestep_fs:g} fs"),
        (
            "length",
            f"{protocol.steps} steps, {protocol.asked_fs / 1000:.3g} ps; a frame every "
            f"{protocol.dump_every} steps ({system.reference.stride_fs:g} fs){as_reference}",
        ),
        ("starts", "held-out frames " + ", ".join(map(str, protocol.starts))),
        (
            "initial velocities",
            "those of the reference, by central differences of the frames around the start"
            if protocol.velocities == "recovered"
            else f"Maxwell–Boltzmann at {kelvin:g} K, seeds {seeds}",
        ),
        (
            "ends a rollout",
            f"lost atoms, values that are not finite, a temperature outside {bounds} K; at the "
            "latest its length",
        ),
        ("left out for g(r)", f"the first {protocol.skip_fs:g} fs of each rollout"),
        (
            "parallel",
            f"{counted(protocol.ranks, 'MPI rank')}, {counted(protocol.threads, 'thread')} each, "
            f"{protocol.device}",
        ),
    ]
