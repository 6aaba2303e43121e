"""Every block of code in README.md, and every command line of any page.

A ```bash or ```python block is run; what takes hours is replaced by a smaller form of itself, as
the tables below say, and nothing else is. A ```sh block is for a machine or a state that is not
here: the table names what tries it.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
sys.path.append(str(DOCS))  # it is no package
sys.path.append(str(ROOT / "tests" / "interop"))

import run_pages  # noqa: E402
from command_lines import commands_of, complaint  # noqa: E402

README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCKS = BLOCK.findall(README)

# By how a block begins: what tries it instead.
ELSEWHERE = {
    "make demo": "`make demo` runs in tests/bench, `make test` is what runs this",
    "pip install torch": "packaging/smoke.py .",
    "pip install 'dist/": "packaging/smoke.py dist/*.whl (`make smoke`)",
    "#!/bin/bash": "no Slurm here; docs/tutorials/cluster.md runs what stands in the job",
}
# Blocks that take minutes run in `make study`.
LONG = ("egraff train mace-small", "egraff bench reduced")
# By how a command begins: (what it says, the smaller form).
SMALLER = {
    "mpiexec -n 2 lmp": ("-var steps 100", "-var steps 10"),
    "from egraff_lmp.rollout": ('"n_steps": 200', '"n_steps": 20'),
    "egraff train mace-small": (
        "--n-train 100 --n-validation 20",
        "--n-train 4 --n-validation 2 --set stop.max_epochs=1",
    ),
    "egraff train my.yaml --out": ("runs/train", "runs/mine"),
    "egraff deploy my.ckpt": ("my.ckpt", "runs/train/best.ckpt"),
    "egraff relax my.pt": ("--cell", "--cell --fmax 20"),
    "egraff deviation": ("--select 20", "--select 2"),
    "egraff compare": ("--ranks 1,2,4", "--ranks 1,2"),
    "egraff verify my.pt": ("my.pt", "my.pt --ranks 1,2 --only parity"),
    "egraff bench gete": ("gete", "gete --dry-run"),
    "egraff data make water": (
        "water",
        "water --out made --frames 4 --n-train 2 --n-validation 1 --n-test 1 "
        "--equilibration-ps 0.1 --pressure-ps 0.1 --molecules 64",
    ),
    "egraff bench reduced": ("reduced", "reduced --dry-run"),
    "egraff bench full --cell": ("lips", "lips --dry-run"),
    "egraff bench full --submit": ("slurm", "slurm --dry-run"),
    "egraff bench full": ("full", "full --dry-run"),
    "egraff bench decisive": ("decisive", "decisive --dry-run"),
    "egraff bench benzene": ("benzene", "benzene --dry-run"),
    "egraff bench molecules": ("molecules", "molecules --dry-run"),
    "egraff bench physics": ("MODEL", "deployed_models/gete-mace.pt --only diatomics"),
    # Results of a benchmark: one that fits into a test.
    "egraff report": ("bench-full", "bench-demo"),
}

# The diatomic curves of a demonstration are no good, and the command says so by its status.
STATUS = {"egraff bench physics": 1}


def smaller(command: str) -> str:
    """The form of a command that is run here."""
    for start, (said, form) in SMALLER.items():
        if command.startswith(start):
            assert said in command, f"README has no {said!r} in {command!r} any more"
            return command.replace(said, form, 1)
    return command


def chosen(language: str, *, long: bool) -> list[str]:
    return [b for kind, b in BLOCKS if kind == language and b.startswith(LONG) == long]


def test_what_is_not_run_has_a_reason() -> None:
    for language, block in BLOCKS:
        if language == "sh":
            assert any(block.startswith(start) for start in ELSEWHERE), block
    assert {kind for kind, _ in BLOCKS} <= {"sh", "bash", "python", "output", "lammps", "yaml"}
    assert not re.search(r"^    \w.*\w", re.sub(BLOCK, "", README), re.MULTILINE), "fence it"


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[run_pages.Shell]:
    """In a folder with what the checkout has."""
    for name in ("deployed_models", "lammps_inputs"):
        (tmp_path / name).symlink_to(ROOT / name)
    found = run_pages.Shell(tmp_path)
    yield found
    found.close()


def run(shell: run_pages.Shell, command: str) -> str:
    out, statuses = shell.run(command)
    expected = [status for start, status in STATUS.items() if command.startswith(start)]
    assert list(statuses) == expected, f"{command}\n{out}"
    return out


@pytest.mark.mpi
def test_the_deck_prints_what_the_page_says(shell: run_pages.Shell) -> None:
    (block,) = chosen("bash", long=False)
    printed = "".join(run(shell, smaller(command)) for command in commands_of(block))
    (said,) = (b for kind, b in BLOCKS if kind == "output")
    for line in said.splitlines():
        wanted = run_pages.words(line)
        assert any(run_pages.words(one) == wanted for one in printed.splitlines()), (line, printed)


@pytest.mark.mpi
@pytest.mark.parametrize("block", chosen("python", long=False), ids=lambda b: b.split()[1])
def test_the_scripts_run(shell: run_pages.Shell, block: str) -> None:
    (shell.folder / "script.py").write_text(smaller(block))
    assert run(shell, "python script.py").strip()


def test_the_settings_of_a_training_are_valid(tmp_path: Path) -> None:
    from egraff_lmp.train.config import load_config

    (block,) = (b for kind, b in BLOCKS if kind == "yaml")
    path = tmp_path / "my.yaml"
    path.write_text(block)
    assert load_config(path).second_stage is not None


@pytest.mark.mpi
@pytest.mark.study
@pytest.mark.parametrize("block", chosen("bash", long=True), ids=lambda b: b.split()[1])
def test_the_long_blocks_run(shell: run_pages.Shell, block: str) -> None:
    """All commands of a block, one after the other, with the files that they name."""
    if "EGRAFF_DATA" not in os.environ:
        pytest.skip("needs the ab-initio data")
    run(shell, f"export EGRAFF_DATA={shlex.quote(os.environ['EGRAFF_DATA'])}")
    prepare(shell)
    if "bench-full" in block:
        run(shell, "egraff bench demo --out bench-demo")
    for command in commands_of(block):
        run(shell, smaller(command))


def prepare(shell: run_pages.Shell) -> None:
    """Files of the user: frames, models of other packages, a trajectory."""
    import torch
    from interop_files import NEQUIP, mace_model, save_checkpoint

    folder = shell.folder
    (folder / "my.yaml").write_text(
        "inherits: mace-small\ndata: {train: [frames.extxyz], n_validation: 1}\n"
        "stop: {max_epochs: 1}\nthreads: 1\n"
    )
    torch.save(mace_model(), folder / "my.model")
    save_checkpoint(NEQUIP, folder / "best.ckpt")
    for name, model in (("a.pt", "gete-nequip.pt"), ("b.pt", "gete-mace.pt")):
        (folder / name).symlink_to(ROOT / "deployed_models" / model)
    (deck,) = (b for kind, b in BLOCKS if kind == "bash" and b.startswith("mpiexec"))
    (folder / "runs" / "gete").mkdir(parents=True)
    steps = smaller(deck.replace("\\\n", " ")).replace("steps 10", "steps 40")
    run(shell, f"{steps.strip()} -var out runs/gete")
    (folder / "traj.lammpstrj").symlink_to("runs/gete/traj.lammpstrj")
    # Four frames with the labels of a calculation.
    (folder / "prepare.py").write_text(PREPARE)
    run(shell, "python prepare.py && egraff data convert gete:val reference.npz")


PREPARE = """
import ase.io
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from egraff_lmp.data.table import read_source

found = read_source("gete:val")
frames = []
for k in range(4):
    atoms = Atoms(found.species, found.positions[k], cell=found.cell[k], pbc=found.pbc)
    atoms.calc = SinglePointCalculator(atoms, energy=found.energy[k], forces=found.forces[k])
    frames.append(atoms)
ase.io.write("frames.extxyz", frames)
ase.io.write("test.extxyz", frames)
ase.io.write("frame.extxyz", frames[0])
ase.io.write("POSCAR", frames[0], sort=True)
"""


def lines_of_pages() -> list[tuple[str, str]]:
    """Every command line of `egraff` in README and documentation, with its page."""
    found = []
    others = (ROOT / name for name in ("README.md", "deployed_models/README.md"))
    for page in (*others, *sorted(DOCS.rglob("*.md"))):
        if "_build" in page.parts:
            continue
        for language, block in BLOCK.findall(page.read_text()):
            if language in ("sh", "bash"):
                found += [
                    (str(page.relative_to(ROOT)), line)
                    for line in commands_of(block)
                    if line.startswith("egraff ")
                ]
    return found


def test_every_command_line_names_commands_and_options_that_there_are() -> None:
    lines = lines_of_pages()
    assert len(lines) > 60
    wrong = [f"{page}: {line}: {said}" for page, line in lines if (said := complaint(line))]
    assert not wrong, "\n".join(wrong)
    assert complaint("egraff train my.yaml --epochen 3")
    assert complaint("egraff trian my.yaml")
