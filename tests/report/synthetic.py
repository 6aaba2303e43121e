"""A report with every part filled, made of numbers that occur nowhere else on the page."""

from __future__ import annotations

import math

from egraff_lmp.report import Accuracy, Cost, Curve, Failure, ModelReport, Report, Score

R = [0.05 * k + 0.025 for k in range(120)]
T = [10.0 * k for k in range(200)]


def g_of_r(shift: float, width: float = 0.12) -> list[float]:
    peaks = ((2.8, 3.9), (4.6, 2.2), (5.4, 1.4))
    return [
        (1 - math.exp(-((r / 2.6) ** 14)))
        + sum(h * math.exp(-(((r - c - shift) / (2 * width)) ** 2)) for c, h in peaks)
        - 0.3
        for r in R
    ]


def model(key: str, name: str, locality: str, shift: float, **changes: object) -> ModelReport:
    noise = [1 + 0.2 * math.sin(0.37 * k + shift * 50) for k in range(len(T))]
    values: dict[str, object] = {
        "facts": (("parameters", "41 233"), ("cutoff", "4.6 Å"), ("model SHA-256", "ab" * 32)),
        "accuracy": Accuracy(3.21, 4.32, 54.3, 76.5, 987.0, 123, "held-out part, 2.46 ps"),
        "cost": Cost(101.0, 37, 12.3, 193.0, 2, 1, "float32", 64, 3456),
        "scores": (
            Score("WF", "total", "egraff", "%", 5.67, (4.56, 6.78), 1.23, "0.5–4 ps", 350, 3),
            Score("WF", "Cd-Te", "egraff", "%", 6.54, (5.43, 7.65), 1.32, "0.5–4 ps", 350, 3),
            Score("WF", "total", "paper", "%", 0.321, None, 0.0151, "0.5–4 ps", 350, 3),
            Score("JSD", "total", "egraff", "bit", 0.00123, (0.00112, 0.00134), 2.1e-4, "", 350, 3),
            Score(
                "EV",
                "rerun-oracle",
                "egraff",
                "",
                0.0412,
                None,
                None,
                "all",
                350,
                3,
                kind="violation",
            ),
            Score(
                "FV",
                "rerun-oracle",
                "egraff",
                "",
                0.0389,
                (0.038, 0.0398),
                None,
                "all",
                350,
                3,
                kind="violation",
            ),
            Score(
                "FV",
                "trajectory",
                "egraff",
                "",
                0.698,
                None,
                0.7069,
                "all",
                350,
                3,
                kind="violation",
            ),
            Score(
                "EV",
                "paper-only",
                "paper",
                "",
                None,
                note="not available: DFT cannot be rerun",
                kind="violation",
            ),
        ),
        "rdf": {"total": Curve("", R, g_of_r(shift)), "Cd-Te": Curve("", R, g_of_r(shift, 0.1))},
        "energy_violation": {
            "rerun-oracle": Curve("", T, [0.04 * n for n in noise]),
            "trajectory": Curve("", T, [0.3 * n for n in noise]),
        },
        "force_violation": {
            "rerun-oracle": Curve("", T, [0.039 * n for n in noise]),
            "trajectory": Curve(
                "",
                T,
                [0.7 * (1 - math.exp(-t / 100)) + 0.03 for t in T],
                [0.65 * (1 - math.exp(-t / 100)) + 0.03 for t in T],
                [0.75 * (1 - math.exp(-t / 100)) + 0.03 for t in T],
            ),
        },
        "temperature": [Curve(f"start {k}", T, [1000 * n for n in noise]) for k in range(3)],
        "energy_learning": [
            Curve("train", list(range(30)), [40 * math.exp(-k / 9) + 2 for k in range(30)]),
            Curve("validation", list(range(30)), [44 * math.exp(-k / 9) + 3 for k in range(30)]),
        ],
        "force_learning": [
            Curve("train", list(range(30)), [400 * math.exp(-k / 9) + 40 for k in range(30)]),
            Curve("validation", list(range(30)), [420 * math.exp(-k / 9) + 45 for k in range(30)]),
        ],
    }
    values.update(changes)
    return ModelReport(key, name, locality, **values)  # type: ignore[arg-type]


def full_report(**changes: object) -> Report:
    values: dict[str, object] = {
        "title": "CdTe at 1000 K: NequIP and Allegro in LAMMPS",
        "what": "Two force fields were trained on a reference trajectory and scored.",
        "reference": (("system", "64 atoms of CdTe"), ("held-out", "frames 300 to 650")),
        "protocol": (("time step", "2 fs"), ("thermostat", "Nosé–Hoover, 0.1 ps")),
        "rdf": {"total": Curve("", R, g_of_r(0)), "Cd-Te": Curve("", R, g_of_r(0, 0.1))},
        "temperature_kelvin": 1000.0,
        "models": (
            model("nequip", "NequIP", "message passing", 0.02),
            model("allegro", "Allegro", "strictly local", -0.03),
        ),
        "limits": ("After decorrelation FV says nothing about the model.",),
        "stages": (("train nequip", "done", 101.0, "cd" * 32),),
        "provenance": (("hardware", "2 × Example CPU"), ("LAMMPS", "22 Jul 2025")),
        "config": "name: demo\nseed: 7\n",
    }
    values.update(changes)
    return Report(**values)  # type: ignore[arg-type]


def failed_model() -> ModelReport:
    return ModelReport(
        "mace",
        "MACE",
        "message passing",
        failures=(Failure("rollout 1", "lost atoms at step 17 <of 100>"),),
    )
