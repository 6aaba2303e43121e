"""`egraff train`: a force field from a YAML config."""

from __future__ import annotations

import json
import logging
import shlex
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated

import typer

from egraff_lmp.cli.console import errors, output, print_json
from egraff_lmp.cli.task import Changes, Json
from egraff_lmp.errors import EgraffError

if TYPE_CHECKING:
    from egraff_lmp.train.config import TrainConfig


def command(
    config: Annotated[
        str,
        typer.Argument(
            help="YAML config, or the name of shipped settings (nequip-paper), together with "
            "--train."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder of the checkpoints; by default it has the name of CONFIG."
        ),
    ] = None,
    train_on: Annotated[
        list[str] | None,
        typer.Option(
            "--train",
            help="Training frames for shipped settings: a file, or SET:PART such as "
            "gete:val; the option may be repeated.",
        ),
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(
            help="Validation frames for shipped settings; by default they are split off the "
            "training frames."
        ),
    ] = None,
    test: Annotated[
        list[str] | None, typer.Option(help="Frames for the final errors, for shipped settings.")
    ] = None,
    n_train: Annotated[
        int | None, typer.Option(min=1, help="Number of frames taken from each --train.")
    ] = None,
    n_validation: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of frames taken from each --validation, or split off the training frames.",
        ),
    ] = None,
    max_epochs: Annotated[
        int | None,
        typer.Option(min=1, help="Number of epochs, in place of stop.max_epochs of the config."),
    ] = None,
    changes: Changes = None,
    trust: Annotated[
        bool,
        typer.Option(
            "--trust",
            help="Open a start_from that runs code when it is opened: a MACE .model, a NequIP "
            "package. Give it only if you trust where the file came from.",
        ),
    ] = False,
    measure: Annotated[
        bool,
        typer.Option(
            "--benchmark",
            help="Time a few training steps on the kernels and on the reference network; "
            "nothing is written.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Show no progress.")] = False,
    as_json: Json = False,
) -> None:
    """Train a force field; repeating the command resumes it.

    Writes best.ckpt, last.ckpt, log.csv, learning_curve.png, parity.png and result.json. Exit
    status 75 after a batch system's signal, 130 after Ctrl-C: the same command goes on from the
    last epoch.
    """
    from egraff_lmp.train.config import load_config, named_config, shipped_configs

    path = Path(config)
    if config in shipped_configs() and not path.is_file():
        path, base = Path(f"{config}.yaml"), Path.cwd()
        if not train_on:
            raise EgraffError(
                f"{config}: expected data to train on, got none: give --train FILE or --train "
                "SET:PART, such as gete:val, and --validation or --n-validation."
            )
        options = {
            "train": train_on,
            "validation": validation,
            "test": test,
            "n_train": n_train,
            "n_validation": n_validation,
        }
        settings = named_config(
            config, {k: v for k, v in options.items() if v is not None}, changes or ()
        )
    elif train_on or validation or test or n_train or n_validation:
        names = ", ".join(shipped_configs())
        raise EgraffError(
            f"{config}: expected shipped settings ({names}) with --train, --validation, --test, "
            "--n-train or --n-validation: a file of your own names its data in its `data` section."
        )
    elif not path.is_file():
        names = ", ".join(shipped_configs())
        raise EgraffError(
            f"{config}: expected a training config (YAML) or shipped settings ({names}), there is "
            "no such file."
        )
    else:
        settings, base = load_config(path, changes or ()), path.resolve().parent
    if max_epochs is not None:
        stop = settings.stop.model_copy(update={"max_epochs": max_epochs})
        settings = settings.model_copy(update={"stop": stop})
    if measure:
        _benchmark(settings, base, as_json)
        return
    from egraff_lmp.train.run import (
        RESULT,
        train,
    )  # after the config, whose mistakes should show at once

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder = out if out is not None else path.with_suffix("")
    result = train(settings, folder, base=base, progress=not quiet, trust=trust)
    for part, values in (("validation", result.validation), ("test", result.test)):
        if values and not as_json:
            output.print(f"{part}: {_errors(dict(values))}", soft_wrap=True, highlight=False)
    errors.print(f"ended: {result.stop}", soft_wrap=True, highlight=False)
    if as_json:
        print_json({"out": folder, **json.loads((folder / RESULT).read_text(encoding="utf-8"))})
        return
    output.print(
        f"best epoch {result.best_epoch} of {result.epochs}: {result.checkpoint}\n"
        f"next: egraff deploy {shlex.quote(str(result.checkpoint))} model.pt",
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def _benchmark(settings: TrainConfig, base: Path, as_json: bool) -> None:
    """Print what a step of this training costs."""
    from egraff_lmp.train.benchmark import KERNELS, REFERENCE, benchmark

    found = benchmark(settings, base=base)
    if as_json:
        print_json(asdict(found))
        return
    lines = [
        f"steps of {found.batch_size} frames, {found.threads} threads",
        f"{'':<11}{'frames/s':>10}{'ms a frame':>12}{'peak MB':>10}",
    ]
    lines += [
        f"{name:<11}{cost.frames_per_second:>10.2f}{cost.ms_a_frame:>12.1f}"
        f"{1e3 * cost.peak_gb:>10.0f}"
        for name, cost in found.costs.items()
    ]
    if found.unavailable is not None:
        lines.append(f"There are no kernels for this network: {found.unavailable}.")
    else:
        share = found.costs[KERNELS].peak_gb / max(found.costs[REFERENCE].peak_gb, 1e-9)
        lines.append(
            f"The kernels are {median(found.speedups):.2f} times as fast as the reference network "
            f"({min(found.speedups):.2f} to {max(found.speedups):.2f} in {len(found.speedups)} "
            f"turns), and take {share:.2f} times its memory above the start."
        )
    output.print("\n".join(lines), soft_wrap=True, highlight=False)


def _errors(values: dict[str, float]) -> str:
    stress = ""
    if "stress_mae_mev_per_angstrom3" in values:
        stress = (
            f"; stress MAE {values['stress_mae_mev_per_angstrom3']:.3f} meV/A^3 "
            f"(zero stress: {values['zero_stress_mae_mev_per_angstrom3']:.3f})"
        )
    return (
        f"forces MAE {values['forces_mae_mev_per_angstrom']:.2f}, "
        f"RMSE {values['forces_rmse_mev_per_angstrom']:.2f} meV/A "
        f"(zero forces: MAE {values['zero_forces_mae_mev_per_angstrom']:.0f}); "
        f"energy MAE {values['energy_mae_mev_per_atom']:.3f}, "
        f"RMSE {values['energy_rmse_mev_per_atom']:.3f} meV/atom{stress}"
    )
