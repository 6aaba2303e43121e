"""The table of metrics: one row each. Scoring, command line, pages and tests iterate over it.

To add a metric, write a file with its pure function and its samples (see `metric.Sample`), and add
a row here.
"""

from __future__ import annotations

import numpy as np

from egraff_lmp.score import curves, violation
from egraff_lmp.score.accuracy import (
    errors,
    mean_absolute,
    root_mean_square,
    root_mean_square_of_reference,
)
from egraff_lmp.score.conductivity import (
    collective,
    conductivities,
    haven_ratio,
    nernst_einstein,
)
from egraff_lmp.score.cost import of_a_step, of_training
from egraff_lmp.score.deviation import deviations, divergence_times
from egraff_lmp.score.dynamics import growth, violations
from egraff_lmp.score.free_energy import free_energies
from egraff_lmp.score.lifetime import lifetimes
from egraff_lmp.score.metric import (
    BULK,
    MOLECULE,
    NOTHING,
    SEES_DYNAMICS,
    SEES_ENERGIES,
    SEES_FORCES,
    Metric,
)
from egraff_lmp.score.options import MODES, PAPER
from egraff_lmp.score.order import (
    bond_angle_divergences,
    coordination_divergences,
    tetrahedral_errors,
    units_intact,
)
from egraff_lmp.score.pair_counts import FU
from egraff_lmp.score.records import COST, RERUN_REFERENCE, STRUCTURE, SURVIVAL
from egraff_lmp.score.scattering import structure_factor_errors
from egraff_lmp.score.structure import structure
from egraff_lmp.score.survival import finished, shortest, survived
from egraff_lmp.score.thermodynamics import energy_drifts, pressures, temperature_errors
from egraff_lmp.score.transport import diffusivities, diffusivity_errors, diffusivity_errors_eq4
from egraff_lmp.score.vibrations import vdos_divergences

# Wall times: known before any rollout is scored, and no part of the record of a benchmark.
COSTS = (
    Metric(
        "training_time", "training", of_training, "s", "wall time of the training",
        sees=NOTHING,
    ),
    Metric(
        "training_time_epoch", "training, an epoch", of_training, "min/epoch",
        "wall time of an epoch of the training", modes=(PAPER,), sees=NOTHING,
    ),
    Metric(
        "ms_per_step", "time of a step", of_a_step, "ms/step",
        "wall time of the MD loop as LAMMPS reports it, dumps included, set-up left out",
        sees=NOTHING, title="Time of a step", headline=(COST,),
    ),
    Metric(
        "us_per_atom_step", "time of a step and atom", of_a_step, "us/atom/step",
        "the same for each atom", sees=NOTHING,
    ),
    Metric(
        "frames_per_second", "steps a second", of_a_step, "1/s",
        "FPS of Fu et al. (2023): MD steps a second", better="higher", sees=NOTHING,
    ),
    Metric(
        "ns_per_day", "simulated time a day", of_a_step, "ns/day",
        "simulated time in a day of wall time", better="higher", sees=NOTHING,
    ),
    Metric(
        "minutes_per_1000_steps", "time of 1000 steps", of_a_step, "min",
        "wall time of 1000 steps, as in the paper's Table 4", modes=(PAPER,), sees=NOTHING,
    ),
)  # fmt: skip

_ROWS = (
    Metric(
        "wf", "WF", structure("rdf", curves.wright_factor), "%",
        "Wright's factor 100 sqrt(sum (g - g_ref)^2 / sum g_ref^2); rooted: the 9 % rule applies",
        accepted_below=curves.ACCEPTED_BELOW, title="Wright's factor of g(r)",
        headline=(STRUCTURE,),
    ),
    Metric(
        "jsd", "JSD", structure("probability", curves.jensen_shannon), "bit",
        "Jensen-Shannon divergence, base 2, of the normalised pair-distance distributions p(r)",
        bounds=(0.0, 1.0), title="JSD of pair distances", headline=(STRUCTURE,),
    ),
    Metric(
        "wf_unrooted", "WF unrooted", structure("paper_rdf", curves.wright_factor_unrooted), "%",
        "Wright's factor without the root, as in the paper's script; the 9 % rule does not apply",
        modes=(PAPER,),
    ),
    Metric(
        "jsd_raw", "JSD raw g",
        structure("paper_rdf", curves.jensen_shannon_paper, of_volume=True), "1",
        "mean over bins of the divergence terms of raw g(r), natural log; scales with V/N^2",
        modes=(PAPER,),
    ),
    Metric(
        "rdf_mae", "RDF MAE", structure("rdf", curves.curve_error, integral=True), "A",
        "integral of |g - g_ref| dr up to r_max", systems=(BULK,),
    ),
    Metric(
        "rdf_mae_eq3", "RDF MAE eq. 3",
        structure("paper_rdf", curves.curve_error, integral=True, printed=FU), "A",
        "the same on g over N rho up to 6 A in 500 bins, eq. 2 and 3 of Fu et al. (2023)",
        modes=(PAPER,), systems=(BULK,),
    ),
    Metric(
        "coordination_error", "neighbours error",
        structure("rdf", curves.coordination_error, integral=True), "%",
        "difference of the number of nearest neighbours, up to the first minimum of the "
        "reference's g(r), from that of the reference", systems=(BULK,),
    ),
    Metric(
        "h_mae", "h(r) MAE", structure("rdf", curves.curve_error, integral=True, printed=FU), "1",
        "integral of |h - h_ref| dr of the pair distances of a molecule (Fu et al., 2023); "
        "`paper`: up to 10 A in 500 bins",
        modes=MODES, bounds=(0.0, 2.0), systems=(MOLECULE,),
    ),
    Metric(
        "free_energy", "F(angle) MAE", free_energies, "eV rad",
        "integral of |F - F_ref| over phi or psi of alanine dipeptide, eq. 6 and 7 of Fu et al.",
        systems=(MOLECULE,),
    ),
    Metric(
        "ev", "EV", violations("relative_energy", violation.energy_violation), "1",
        "geometric mean of eq. 4 on energies per atom relative to the mean of the reference",
        bounds=(0.0, 2.0), sees=SEES_ENERGIES, title="Energy violation",
        headline=(RERUN_REFERENCE,),
    ),
    Metric(
        "ev_eq4", "EV eq. 4", violations("total_energy", violation.energy_violation), "1",
        "geometric mean of eq. 4 as printed, on total energies with their arbitrary zero",
        modes=(PAPER,), bounds=(0.0, 2.0), sees=SEES_ENERGIES,
    ),
    Metric(
        "ev_released", "EV tables",
        violations("total_energy", violation.energy_violation_released), "1",
        "geometric mean of |E^ - E|/(|E^| + |E|), which the paper's tables hold (times 1e5)",
        modes=(PAPER,), bounds=(0.0, 1.0), sees=SEES_ENERGIES,
    ),
    Metric(
        "fv", "FV", violations("forces", violation.force_violation), "1",
        "geometric mean of |F^ - F|/(|F^| + |F|), an error of forces; 0.7071 is what unrelated "
        "ones give",
        modes=MODES, bounds=(0.0, 1.0), uncorrelated=violation.UNCORRELATED, sees=SEES_FORCES,
        title="Force violation", headline=(RERUN_REFERENCE,),
    ),
    Metric(
        "fv_growth", "FV growth", growth, "1",
        "FV over the last fifth of the rollouts, by the ground truth or a committee on their own "
        "frames, over that of the first fifth", sees=SEES_DYNAMICS,
    ),
    Metric(
        "energy_mae", "energy MAE", errors("energies", mean_absolute, per_atom=True), "meV/atom",
        "mean absolute error of the energy per atom on reference frames",
        sees=SEES_ENERGIES, title="Energy error (MAE)",
    ),
    Metric(
        "energy_rmse", "energy RMSE", errors("energies", root_mean_square, per_atom=True),
        "meV/atom", "root mean square error of the energy per atom on reference frames",
        sees=SEES_ENERGIES,
    ),
    Metric(
        "energy_mae_structure", "energy MAE of the structure",
        errors("energies", mean_absolute), "meV",
        "mean absolute error of the energy of all atoms together on reference frames",
        modes=(PAPER,), sees=SEES_ENERGIES,
    ),
    Metric(
        "energy_mae_offset_free", "energy MAE without offset",
        errors("energies", mean_absolute, per_atom=True, without_offset=True), "meV/atom",
        "the same of the energy per atom without the mean error of the composition: a wrong zero "
        "moves no atom", sees=SEES_ENERGIES,
    ),
    Metric(
        "force_mae", "force MAE", errors("forces", mean_absolute), "meV/A",
        "mean absolute error of a force component on reference frames", modes=MODES,
        sees=SEES_FORCES, title="Force error (MAE)", headline=(RERUN_REFERENCE,),
    ),
    Metric(
        "force_rmse", "force RMSE", errors("forces", root_mean_square), "meV/A",
        "root mean square error of a force component on reference frames", sees=SEES_FORCES,
    ),
    Metric(
        "stress_mae", "stress MAE", errors("stress", mean_absolute), "meV/A^3",
        "mean absolute error of a component of the stress on reference frames", systems=(BULK,),
        sees=SEES_FORCES,
    ),
    Metric(
        "force_rms_reference", "rms force of the reference",
        errors("forces", root_mean_square_of_reference), "meV/A",
        "root mean square of a force component of the reference frames, beside the errors",
        better="", sees=NOTHING,
    ),
    Metric(
        "rmsd", "RMSD", deviations, "A",
        "mean over time of the RMSD of unwrapped positions without drift, mass-weighted",
        sees=SEES_DYNAMICS,
    ),
    Metric(
        "divergence_time", "divergence time", divergence_times, "fs",
        "time until the RMSD from a reference with the same first state passes a threshold",
        better="higher", sees=SEES_DYNAMICS,
    ),
    Metric(
        "diffusivity", "D", diffusivities, "A^2/ps",
        "diffusivity of the rollouts, slope/6 of the MSD over all time origins in a window of lags "
        "in which atoms diffuse", systems=(BULK,), better="", sees=NOTHING,
    ),
    Metric(
        "diffusivity_error", "|D - D_ref|", diffusivity_errors, "A^2/ps",
        "error of that diffusivity; of reference and rollouts each in a window of its own",
        systems=(BULK,), sees=SEES_DYNAMICS,
    ),
    Metric(
        "diffusivity_error_eq4", "|D - D_ref| eq. 4", diffusivity_errors_eq4, "A^2/ps",
        "the same with D = |x(T) - x(0)|^2/(6 T), eq. 4 of Fu et al. (2023), whether anything "
        "diffuses or not", modes=(PAPER,), systems=(BULK,), sees=SEES_DYNAMICS,
    ),
    Metric(
        "conductivity_nernst_einstein", "conductivity (Nernst-Einstein)",
        conductivities(nernst_einstein), "S/cm",
        "ionic conductivity of the rollouts as if ions moved independently, from the diffusivity "
        "of Li, Na or K with the charge +1", systems=(BULK,), better="", sees=NOTHING,
    ),
    Metric(
        "conductivity", "conductivity", conductivities(collective), "S/cm",
        "ionic conductivity of the rollouts from the displacement of all ions together, the "
        "Einstein form of Green and Kubo's", systems=(BULK,), better="", sees=NOTHING,
    ),
    Metric(
        "haven_ratio", "Haven ratio", conductivities(haven_ratio), "1",
        "ratio of these two; 1 for ions that move independently", systems=(BULK,), better="",
        sees=NOTHING,
    ),
    Metric(
        "vdos_jsd", "VDOS JSD", vdos_divergences, "bit",
        "Jensen-Shannon divergence, base 2, of the normalised vibrational densities of states",
        bounds=(0.0, 1.0), sees=SEES_DYNAMICS,
    ),
    Metric(
        "temperature_error", "|mean T - T|", temperature_errors, "K",
        "difference of the mean kinetic temperature of the rollouts from that of their thermostat",
        sees=NOTHING,
    ),
    Metric(
        "energy_drift", "energy drift", energy_drifts, "meV/atom/ps",
        "slope of the total energy over time at constant energy, its absolute value",
        sees=NOTHING,
    ),
    Metric(
        "pressure", "mean pressure", pressures, "GPa",
        "mean pressure of the rollouts, kinetic part included", bounds=(-np.inf, np.inf),
        systems=(BULK,), better="", sees=NOTHING,
    ),
    Metric(
        "stability", "stable for", lifetimes, "fs",
        "time to the first violation: bonds, g(r) of a window, values that are not finite",
        modes=MODES, better="higher", sees=SEES_DYNAMICS,
    ),
    Metric(
        "finished_starts", "rollouts that reached their end", finished, "starts",
        "rollouts that did all the steps that were asked for", better="higher", sees=NOTHING,
        title="Stability: rollouts that reached their end", headline=(SURVIVAL,),
    ),
    Metric(
        "shortest_rollout", "shortest rollout", shortest, "fs",
        "length of the rollout that ended first", better="higher", sees=NOTHING,
    ),
    Metric(
        "survived", "part of the rollouts before they broke", survived, "1",
        "part of the time asked for that all rollouts together were whole; a molecule also ends "
        "where its first bond breaks", bounds=(0.0, 1.0), better="higher", sees=NOTHING,
    ),
    Metric(
        "sq_error", "S(q) error", structure_factor_errors, "%",
        "relative r.m.s. difference of the static structure factor from the reference's: S(q) as "
        "neutrons see it, and the Faber-Ziman partials", systems=(BULK,),
    ),
    Metric(
        "angle_jsd", "angle JSD", bond_angle_divergences, "bit",
        "Jensen-Shannon divergence, base 2, of the distributions of angles between bonds",
        bounds=(0.0, 1.0), systems=(BULK,),
    ),
    Metric(
        "coordination_jsd", "coordination JSD", coordination_divergences, "bit",
        "Jensen-Shannon divergence, base 2, of the distributions of numbers of neighbours in first "
        "shells", bounds=(0.0, 1.0), systems=(BULK,),
    ),
    Metric(
        "tetrahedral_error", "q error", tetrahedral_errors(0), "1",
        "difference of the mean tetrahedral order q of C, Si and Ge from that of the reference",
        systems=(BULK,),
    ),
    Metric(
        "tetrahedral_fraction_error", "tetrahedral fraction error",
        tetrahedral_errors(1, scale=100.0), "%",
        "difference of the part of C, Si and Ge atoms that are tetrahedral from that of the "
        "reference", bounds=(0.0, 100.0), systems=(BULK,),
    ),
    Metric(
        "units_intact", "units intact", units_intact, "%",
        "part of the P atoms that have the bonds to S and P of the first frame",
        bounds=(0.0, 100.0), better="higher", systems=(BULK,),
    ),
    *COSTS,
)  # fmt: skip

METRICS: dict[str, Metric] = {row.key: row for row in _ROWS}
