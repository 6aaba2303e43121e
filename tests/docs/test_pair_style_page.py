"""Every block of LAMMPS commands on the page of the pair style and in README.md, run in LAMMPS.

A stanza of a block runs as it stands, on the melt of the repository; names of files that a reader
has stand for files of the repository.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.launch import lammps_program

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "lammps_inputs" / "pair_style_egraff.md").read_text()
README = (ROOT / "README.md").read_text()
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What the reader has, and a file of the repository.
FILES = {
    "deployed_models/gete-nequip.pt": "gete-nequip.pt",
    "lips.pt": "lips-mace.pt",
    "gete.pt": "gete-mace.pt",
    "trusted.pt": "gete-mace.pt",
    "model.pt": "gete-mace.pt",
    "mine.pt": "gete-botnet.pt",
    "seed1.pt": "gete-nequip.pt",
    "seed2.pt": "gete-mace.pt",
    "seed3.pt": "gete-botnet.pt",
}
HASH = "17314c14548e..."
# By how a stanza begins: why it is not run here. The styles of other packages need their files.
ELSEWHERE = {
    "pair_style egraff keyword": "a form and no command",
    "fix ID all egraff/checkpoint": "a form and no command; tests/engine/test_checkpoint.py",
    "pair_style nequip": "tests/engine/test_foreign.py",
    "pair_style allegro": "tests/engine/test_foreign.py",
    "pair_style mace": "tests/engine/test_foreign.py",
}
MELT = "atom_modify map yes\nread_data {root}/lammps_inputs/gete.data\n"
# Li P S S, far enough from each other for any force field.
FOUR_TYPES = """atom_modify map yes
region box block 0 9 0 9 0 9
create_box 4 box
mass 1 6.94
mass 2 30.974
mass 3*4 32.06
create_atoms 1 single 1 1 1
create_atoms 2 single 3.5 1 1
create_atoms 3 single 1 3.5 1
create_atoms 4 single 3.5 3.5 2
"""
MODEL = "pair_style egraff\npair_coeff * * gete.pt Ge Te\n"


def stanzas() -> list[str]:
    found = [
        stanza.strip() + "\n"
        for language, block in FENCED.findall(PAGE) + FENCED.findall(README)
        if language == "lammps"
        for stanza in block.split("\n\n")
    ]
    assert len(found) >= 12
    return [one for one in found if not one.startswith(tuple(ELSEWHERE))]


def deck(stanza: str) -> str:
    """The stanza between a box with atoms and a step."""
    stanza = stanza.removeprefix("units       metal\n")
    with_types = FOUR_TYPES if "Li P S S" in stanza else MELT.format(root=ROOT)
    coefficients = "" if "pair_style" in stanza else MODEL
    text = f"units metal\n{with_types}{coefficients}{stanza}run 1\n"
    trusted = ROOT / "deployed_models" / FILES["trusted.pt"]
    text = text.replace(HASH, hashlib.sha256(trusted.read_bytes()).hexdigest())
    for name, file in FILES.items():
        text = re.sub(rf"(?<= ){re.escape(name)}(?= )", str(ROOT / "deployed_models" / file), text)
    return text


@pytest.mark.mpi
@pytest.mark.parametrize("stanza", stanzas(), ids=lambda text: text.split("\n")[0])
def test_a_block_of_the_page_runs(stanza: str, tmp_path: Path) -> None:
    path = tmp_path / "in.page"
    path.write_text(deck(stanza))
    done = subprocess.run(
        [mpi_program("mpiexec"), "-n", "2", lammps_program(), "-in", str(path)],
        cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{path.read_text()}\n{done.stdout}{done.stderr}"
    assert "Loop time" in done.stdout


def test_every_block_has_a_language() -> None:
    """What is indented or has none is seen by no test."""
    assert {language for language, _ in FENCED.findall(PAGE)} == {"lammps"}
    assert not re.search(r"^    \S", FENCED.sub("", PAGE), re.MULTILINE)
