"""Energy conservation in NVE, and the distribution of velocities in NVT."""

from __future__ import annotations

import numpy as np
from ase import units

from egraff_lmp.verify.deck import Deck, system
from egraff_lmp.verify.finding import Context, Finding, Subject, at_least, at_most, failed

TEMPERATURE_KELVIN = 300.0
SPAN_FS = 48.0
POINTS = 24
# Steps of the lightest atom: hydrogen 0.5 fs, anything from lithium on 1 fs, from sulphur on 2 fs.
LIGHT_AMU, HEAVY_AMU = 5.0, 30.0
# The energy of velocity Verlet oscillates by an amount that falls with the square of the step;
# halving must bring 4. Higher orders, and the few oscillations of a short run, change that.
RATIO_LOW, RATIO_HIGH = 2.5, 6.5
# eV an atom: what 300 K has in one degree of freedom, 0.013, times 1 per cent.
CONSERVED_EV = 1.3e-4
# Below this fluctuation of the total energy per atom float32 rounding rules, and no ratio is seen.
FLOOR_EV = {"float32": 2e-7, "float64": 1e-11}
DAMP_FS = 20.0
NVT_SAMPLES = 10
SAMPLE_FS = 40.0  # two damping times: velocities have forgotten 86 per cent
# Probability of a distance this large from the Maxwell-Boltzmann distribution by chance.
SIGNIFICANCE = 1e-5


def timestep_fs(subject: Subject) -> float:
    """The larger of the two steps, for the lightest species."""
    masses = dict(zip(subject.contract.species, subject.contract.masses_amu, strict=True))
    lightest = min(masses[element] for element in subject.frame.species)
    return 0.5 if lightest < LIGHT_AMU else 1.0 if lightest < HEAVY_AMU else 2.0


def decks(subject: Subject) -> tuple[Deck, ...]:
    """The frame at 300 K for 48 fs with two steps; and with a Langevin thermostat."""
    long = timestep_fs(subject)
    return (
        *(_nve(subject, long / k, f"dynamics: step {name}") for name, k in _STEPS.items()),
        _nvt(subject),
    )


_STEPS = {"long": 1, "short": 2}


def _nve(subject: Subject, step_fs: float, name: str) -> Deck:
    every = round(SPAN_FS / step_fs / POINTS)
    start = (
        *system(),
        f"velocity all create {TEMPERATURE_KELVIN} 4711 mom yes loop geom",
        f"timestep {step_fs / 1000}",
        "fix move all nve",
        "run 0 post no",
    )
    run = (f"run {every} post no",)
    return Deck(
        name, subject.frame, (start, *[run] * POINTS), _ranks(subject), {}, {}, ("etotal", "pe")
    )


def _nvt(subject: Subject) -> Deck:
    """From rest: what it reaches in ten damping times is the thermostat's, not the start's."""
    step_fs = timestep_fs(subject)
    damp = DAMP_FS / 1000
    start = (
        *system(),
        f"timestep {step_fs / 1000}",
        "fix move all nve",
        f"fix bath all langevin {TEMPERATURE_KELVIN} {TEMPERATURE_KELVIN} {damp} 4711",
        f"run {round(10 * DAMP_FS / step_fs)} post no",
    )
    run = (f"run {round(SAMPLE_FS / step_fs)} post no",)
    return Deck(
        "dynamics: thermostat",
        subject.frame,
        (start, *[run] * NVT_SAMPLES),
        _ranks(subject),
        {"v": 3},
    )


def _ranks(subject: Subject) -> tuple[int, ...]:
    """Two ranks where they are asked for: the slowest decks, and exchange belongs to dynamics."""
    return (2,) if 2 in subject.ranks else subject.ranks[:1]


def judge(context: Context) -> tuple[Finding, ...]:
    """Size of the energy's fluctuation, how it falls with the step, and velocities."""
    return (*_conservation(context), *_velocities(context))


def _conservation(context: Context) -> list[Finding]:
    ranks = _ranks(context.subject)[0]
    found = [context.lammps(f"dynamics: step {name}", ranks) for name in _STEPS]
    for outcome in found:
        if outcome.error:
            return [failed("dynamics: energy in NVE", outcome.error)]
    atoms = len(context.subject.frame.species)
    long, short = (
        float(np.std([float(step["etotal"]) for step in outcome.steps])) / atoms
        for outcome in found
    )
    end = abs(float(found[1].steps[-1]["etotal"] - found[1].steps[0]["etotal"])) / atoms
    step = timestep_fs(context.subject)
    findings = [
        at_most("dynamics: energy in NVE", end, CONSERVED_EV, "eV/atom",
                f"{SPAN_FS:g} fs in steps of {step / 2:g} fs"),
    ]  # fmt: skip
    name, where = "dynamics: scaling with the step", f"{step:g} against {step / 2:g} fs"
    if long < FLOOR_EV[context.subject.contract.dtype]:
        reason = f"the energy fluctuates by {long:.1e} eV/atom, which is rounding"
        return [*findings, Finding(name, "not applicable", reason=reason)]
    ratio = long / short
    return [
        *findings,
        at_least(f"{name}, from below", ratio, RATIO_LOW, "times (4 expected)", where),
        at_most(f"{name}, from above", ratio, RATIO_HIGH, "times (4 expected)", where),
    ]


def _velocities(context: Context) -> list[Finding]:
    """Kolmogorov-Smirnov distance of each species' velocities from Maxwell's."""
    outcome = context.lammps("dynamics: thermostat", _ranks(context.subject)[0])
    if outcome.error:
        return [failed("dynamics: velocities in NVT", outcome.error)]
    from scipy.stats import kstest  # half a second to import

    contract, frame = context.subject.contract, context.subject.frame
    masses = dict(zip(contract.species, contract.masses_amu, strict=True))
    findings = []
    for element in sorted(set(frame.species)):
        chosen = np.array(frame.species) == element
        v = np.concatenate([step["v"][chosen].ravel() for step in outcome.steps[1:]])
        # In A/ps; ase's unit of mass is amu, that of velocity A/sqrt(amu/eV).
        width = np.sqrt(units.kB * TEMPERATURE_KELVIN / masses[element]) * 1000 * units.fs
        probability = float(kstest(v / width, "norm").pvalue)
        where = f"{element}, {len(v)} components"
        findings.append(
            at_least("dynamics: velocities in NVT", probability, SIGNIFICANCE, "probability", where)
        )
    return findings
