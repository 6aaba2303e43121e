"""Train and deploy the models of `deployed_models/`, and write a card beside each.

    python benchmarks/deployed_models.py [--only gete-mace lips20-nequip] [--minutes 4 | --epochs 9]
    python benchmarks/deployed_models.py --again     # the same weights on this version's kernels

Needs the ab-initio data (EGRAFF_DATA). Names in AT_PAPER_SETTINGS are trained as
`trained_models.py` trains them, for an hour or so each. The others are demonstrations: the shipped
settings `*-small` on a part of the data for `--minutes` or `--epochs`, which makes weights that do
not depend on how busy the machine is. A training that was cut continues where it stopped.
Checkpoints stay in `models-work/`, which git ignores. With `--again` nothing is trained: a file
that holds its reference network is exported anew from its own weights.
"""

from __future__ import annotations

import argparse
import os
import textwrap
import time
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from trained_models import CHANGES, Training
from trained_models import MATERIALS as TRAINED_MATERIALS
from trained_models import WORK as TRAINED

from egraff_lmp.contract import KERNELS_UNAVAILABLE, Contract, read_contract
from egraff_lmp.data.frames import Frames
from egraff_lmp.data.table import read_source
from egraff_lmp.deployed import DeployedModel
from egraff_lmp.errors import EgraffError
from egraff_lmp.fileio import sha256_file, write_text
from egraff_lmp.forcefields import FORCE_FIELDS, AtomicEnergyModel, NetworkContext
from egraff_lmp.forcefields.export import export_model
from egraff_lmp.operators import load_operators
from egraff_lmp.train.config import parse_config
from egraff_lmp.train.deploy import deploy
from egraff_lmp.train.run import TrainResult, train

ROOT = Path(__file__).resolve().parents[1]
OUT, WORK = ROOT / "deployed_models", ROOT / "models-work"
# The others are demonstrations, until somebody has the hours.
AT_PAPER_SETTINGS = ("lips20-mace", "lips-mace", "lips-botnet")


@dataclass(frozen=True)
class Material:
    """What the models of one data set have in common.

    Attributes:
        data: the data section of a demonstration's training; None where there is no demonstration.
        speed: source and frame that the speed is measured on.
        text: what the card of a demonstration says of the data.
        limits: what the card warns of.
    """

    data: dict[str, Any] | None
    speed: tuple[str, int]
    text: str
    limits: str


MATERIALS = {
    "gete": Material(
        data={
            "train": ["gete:test"],
            "n_train": 100,
            "n_validation": 20,
            "test": ["gete:val"],
            "n_test": 60,
        },
        speed=("gete:val", 0),
        text=(
            "GeTe (40 Ge + 160 Te, 920 K) as released with EGraFFBench. Training and validation:\n"
            "  100 and 20 shuffled frames of `test`; errors on 60 shuffled frames of `val`, which\n"
            "  goes on where `test` ends. The published training file is not available. Energies\n"
            "  and forces of this set differ by as much as an error of 310 meV/A in every force\n"
            "  component would make (`egraff data check gete`); the paper's force fields have\n"
            "  force errors of 244 to 371 meV/A with 1500 frames."
        ),
        limits=(
            "liquid GeTe4 near 920 K and 0.0287 atoms/A^3, and nothing else: no isolated atoms,\n"
            "  no crystal, no surface. No stress was trained on: do not run NPT with it."
        ),
    ),
    "lips20": Material(
        data={
            "train": [f"lips20:{name}" for name in ("Li", "Li2S", "Li48P16S61", "P4S3", "Li7PS6")],
            "n_train": 40,
            "n_validation": 8,
            "n_test": 20,
        },
        speed=("lips20:Li7PS6", 500),
        text=(
            "LiPS20 at 3000 K as released with EGraFFBench, the five compositions that the paper\n"
            "  trains on (Li, Li2S, Li48P16S61, P4S3, Li7PS6): 40 shuffled frames of each for\n"
            "  training, 8 for validation, 20 for the errors."
        ),
        limits=(
            "those five compositions on their way from crystal to liquid; other compositions of\n"
            "  LiPS20 are a test of generalisation. No stress was trained on: do not run NPT."
        ),
    ),
    "lips": Material(
        data=None,
        speed=("lips:val", 0),
        text="",
        limits=(
            "Li27P12S44 near 520 K in the phase of its frames, and nothing else: no melt, no\n"
            "  other composition, no isolated atoms. No stress was trained on: do not run NPT."
        ),
    ),
}


def main() -> None:
    """Train, deploy, measure and describe each model that was asked for."""
    names = [
        f"{material}-{key}"
        for material, entry in MATERIALS.items()
        for key in FORCE_FIELDS
        if entry.data is not None or f"{material}-{key}" in AT_PAPER_SETTINGS
    ]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="NAME")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, default=4.0, help="of each demonstration")
    length.add_argument("--epochs", type=int, help="train for so many, however long they take")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--again", action="store_true", help="export the weights of the files anew")
    arguments = parser.parse_args()
    os.environ.setdefault("EGRAFF_DATA", str(ROOT.parent / "shared/data"))
    for name in arguments.only:
        path = OUT / f"{name}.pt"
        if arguments.again:
            export_again(path, MATERIALS[name.partition("-")[0]])
            continue
        if name in AT_PAPER_SETTINGS:
            made = at_paper_settings(name, arguments.threads)
        else:
            made = demonstration(name, arguments.threads, arguments.minutes, arguments.epochs)
        contract = deploy(made.result.checkpoint, path, dtype="float32")
        write_text(path.with_suffix(".md"), card(path, contract, made))


@dataclass(frozen=True)
class Made:
    """A finished training, and what the card says of how it came about.

    Attributes:
        result: the training.
        preset: settings that it began with.
        remark: what the model is worth, one or two sentences.
        data: the frames.
        command: makes it again.
        spent: how long it took, behind the number of epochs; empty where that says nothing.
    """

    result: TrainResult
    preset: str
    remark: str
    data: str
    command: str
    spent: str


def at_paper_settings(name: str, threads: int) -> Made:
    """The training of `trained_models.py`, finished there or here."""
    training = Training.parse(name)
    folder = TRAINED / name
    result = train(training.config(threads, None), folder)
    minutes = result.wall_seconds / 60
    return Made(
        result,
        f"{training.forcefield}-paper",
        f"The settings of EGraFFBench's tables; {CHANGES[training.forcefield][1]}.",
        "\n".join(textwrap.wrap(TRAINED_MATERIALS[training.material].text, 96)).replace(
            "\n", "\n  "
        )
        + "\n  The learning curve is in `benchmarks/models/README.md`.",
        f"python benchmarks/trained_models.py --only {name}",
        f" in {minutes:.0f} minutes",
    )


def demonstration(name: str, threads: int, minutes: float, epochs: int | None) -> Made:
    """A training of minutes."""
    material, _, key = name.partition("-")
    stop = {"max_epochs": 60, "max_minutes": minutes}
    if epochs is not None:
        stop = {"max_epochs": epochs, "max_minutes": None}
    config = parse_config(
        {
            "inherits": f"{key}-small",
            "data": MATERIALS[material].data,
            "batch_size": 2,
            "threads": threads,
            "device": "cpu",
            "schedule": {"name": "plateau", "patience": 4, "factor": 0.5},
            "stop": stop,
        },
        name,
    )
    result = train(config, WORK / name)
    command = f"python benchmarks/deployed_models.py --only {name}"
    return Made(
        result,
        f"{key}-small",
        "A demonstration of the chain, not a force field for science.",
        MATERIALS[material].text,
        command if epochs is None else f"{command} --epochs {epochs}",
        # How long a number of epochs takes depends on what else the machine does.
        f" in {result.wall_seconds / 60:.1f} minutes" if epochs is None else "",
    )


def export_again(path: Path, material: Material) -> None:
    """Export the reference network of a deployed file with kernels, where there are some for it.

    Raises:
        EgraffError: the file is on kernels already.
    """
    import torch

    old = read_contract(path)
    if old.operators:
        raise EgraffError(f"{path}: expected a file with its reference network: train it again.")
    record, config = old.provenance, old.provenance["config"]
    entry = FORCE_FIELDS[old.forcefield]
    context = NetworkContext(
        old.species,
        old.r_max,
        record["training"]["avg_num_neighbors"],
        getattr(torch, old.dtype),
        config["seed"],
    )
    model = AtomicEnergyModel(
        entry.build({**entry.presets[config["preset"]], **config["overrides"]}, context),
        record["training"]["scale_ev_per_angstrom"],
        torch.tensor([old.energy_reference.per_species_ev[element] for element in old.species]),
    )
    load_operators()
    # Buffers that the package has dropped since are constants; a weight must not be missing.
    held = {k: v for k, v in torch.jit.load(path).state_dict().items() if k in model.state_dict()}
    missing = [name for name, _ in model.named_parameters() if name not in held]
    if missing:
        raise EgraffError(f"{path}: expected the weights {', '.join(missing)}: train it again.")
    model.load_state_dict(held, strict=False)
    test = old.self_test
    frame = Frames(
        test.species,
        np.array(test.positions)[None],
        np.array(test.cell)[None],
        test.pbc,
        None,
        None,
        None,
        path.name,
    )
    contract = export_model(
        model,
        replace(entry, citations=old.citations),
        context,
        old.energy_reference,
        frame,
        {
            **{key: value for key, value in record.items() if key != KERNELS_UNAVAILABLE},
            "exported_again": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        },
        path,
        training_range=old.training_range,
    )
    milliseconds, n_atoms = speed(path, *material.speed)
    page = path.with_suffix(".md")
    changed = {
        "- **Speed**": f"- **Speed**: {milliseconds:.0f} ms for energy and forces of {n_atoms} "
        f"atoms, one thread, {'on fused kernels' if contract.operators else 'without kernels'}.",
        "- **SHA-256** of the file": f"- **SHA-256** of the file: `{sha256_file(path)}`",
    }
    lines = page.read_text().splitlines()
    for start, line in changed.items():
        (place,) = [k for k, old_line in enumerate(lines) if old_line.startswith(start)]
        lines[place] = line
    write_text(page, "\n".join(lines) + "\n")


def card(path: Path, contract: Contract, made: Made) -> str:
    """The model card in Markdown."""
    material = MATERIALS[path.stem.partition("-")[0]]
    milliseconds, n_atoms = speed(path, *material.speed)
    result = made.result
    test, validation = result.test, result.validation
    widths = ", ".join(str(width) for width in contract.exchange_widths) or "none: strictly local"
    hashes = "; ".join(
        f"{part} `{entry['sha256'][:16]}`" for part, entry in contract.provenance["data"].items()
    )
    cite = "\n".join(
        f"- **Cite**: {citation.text}" + (f" (doi:{citation.doi})." if citation.doi else ".")
        for citation in contract.citations
    )
    return f"""# {path.name}

{contract.architecture}, settings `{made.preset}`, {contract.n_parameters:,} weights,
{contract.dtype}, r_max {contract.r_max:g} A, {contract.n_layers} layers, exchange widths: {widths}.
Elements in order: {" ".join(contract.species)}.
{made.remark}

- **Data**: {made.data}
  SHA-256 of the parts: {hashes}.
- **Training**: {result.epochs} epochs{made.spent} on one core \
(best epoch {result.best_epoch}); `{made.command}`.
- **Errors** (mean absolute): test {test["energy_mae_mev_per_atom"]:.2f} meV/atom and \
{test["forces_mae_mev_per_angstrom"]:.1f} meV/A, where zero
  forces would score {test["zero_forces_mae_mev_per_angstrom"]:.0f} meV/A; validation \
{validation["energy_mae_mev_per_atom"]:.2f} meV/atom and \
{validation["forces_mae_mev_per_angstrom"]:.1f} meV/A.
- **Speed**: {milliseconds:.0f} ms for energy and forces of {n_atoms} atoms, one thread, \
{"on fused kernels" if contract.operators else "without kernels"}.
- **Limits**: {material.limits}
{cite}
- **SHA-256** of the file: `{sha256_file(path)}`
"""


def speed(path: Path, source: str, index: int) -> tuple[float, int]:
    """Milliseconds of one evaluation, the median of five after two to warm up, and the atoms.

    Processor time, which on one thread is the time that it takes on an idle core.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        frames = read_source(source, None)
        model = DeployedModel(path)
        times = []
        for _ in range(7):
            start = time.process_time()
            model.evaluate(frames.species, frames.positions[index], frames.cell[index], frames.pbc)
            times.append(time.process_time() - start)
    finally:
        torch.set_num_threads(threads)
    return 1000 * float(np.median(times[2:])), frames.n_atoms


if __name__ == "__main__":
    main()
