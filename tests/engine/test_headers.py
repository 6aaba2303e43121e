"""Which headers the compiled code includes, and can include by the flags of the build."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# One of each of torch's libraries, and those of our own that include them.
TORCH = (
    "torch/torch.h",
    "torch/script.h",
    "ATen/ATen.h",
    "c10/macros/Macros.h",
    "caffe2/serialize/inline_container.h",
    "network.h",
    "peak_memory.h",
    "operator.h",
)


@pytest.fixture(scope="module")
def commands() -> dict[Path, dict]:
    """How the last build in this folder compiled each source file."""
    builds = sorted(ROOT.glob("build/*/compile_commands.json"), key=lambda p: p.stat().st_mtime)
    if not builds:
        pytest.skip("the package was not built in this folder")
    return {Path(entry["file"]): entry for entry in json.loads(builds[-1].read_text())}


def preprocess(entry: dict, header: str) -> subprocess.CompletedProcess:
    """The preprocessor on a file that includes `header`, with the flags of `entry`."""
    words = shlex.split(entry["command"])
    flags = [word for word in words if word.startswith(("-I", "-D", "-std"))]
    for place, word in enumerate(words):
        if word == "-isystem":
            flags += words[place : place + 2]
    compiler = next(word for word in words if not word.endswith("ccache"))
    return subprocess.run(
        [compiler, "-E", "-x", "c++", *flags, "-"],
        input=f'#include "{header}"\n',
        capture_output=True,
        text=True,
        cwd=entry["directory"],
    )


def sources(commands: dict[Path, dict], folder: str) -> list[dict]:
    found = [entry for path, entry in commands.items() if path.parent.name == folder]
    assert len(found) > 5
    return found


@pytest.mark.parametrize("header", TORCH)
def test_the_pair_style_finds_no_header_of_torch(commands, header):
    entries = sources(commands, "lammps")
    # All files of a target have the same flags.
    assert len({_flags(entry) for entry in entries}) == 1
    outcome = preprocess(entries[0], header)
    assert outcome.returncode != 0
    assert "No such file or directory" in outcome.stderr or "file not found" in outcome.stderr


@pytest.mark.parametrize("header", ["deployed_model.h", "exchange.h", "pair.h", "pair_egraff.h"])
def test_the_pair_style_finds_its_own(commands, header):
    outcome = preprocess(sources(commands, "lammps")[0], header)
    assert outcome.returncode == 0, outcome.stderr


def test_the_model_finds_torch(commands):
    outcome = preprocess(sources(commands, "model")[0], "network.h")
    assert outcome.returncode == 0, outcome.stderr


@pytest.mark.parametrize(
    ("header", "base"),
    [
        ("pair_egraff.h", "pair.h"),
        ("compute_egraff_atom.h", "compute.h"),
        ("fix_egraff_checkpoint.h", "fix.h"),
    ],
)
def test_a_header_of_a_style_includes_its_base_alone(header, base):
    text = (ROOT / "egraff_lmp" / "csrc" / "lammps" / header).read_text()
    assert re.findall(r'#include "(.*)"', text) == [base]


def test_the_page_for_users_names_every_keyword():
    """In the order of the table that is parsed."""
    source = (ROOT / "egraff_lmp" / "csrc" / "lammps" / "settings.cpp").read_text()
    page = (ROOT / "lammps_inputs" / "pair_style_egraff.md").read_text()
    parsed = re.findall(r'^    \{"(\w+)", "', source, flags=re.MULTILINE)
    assert len(parsed) > 5
    table = page.split("| keyword |", 1)[1].split("\n\n", 1)[0]
    assert re.findall(r"^\| `(\w+)` \|", table, flags=re.MULTILINE) == parsed


def _flags(entry: dict) -> str:
    """The command without the names of the source and of what is made of it."""
    stem = Path(entry["file"]).name
    return " ".join(word for word in shlex.split(entry["command"]) if stem not in word)
