"""Blocks of code in the pages of the repository beside README.md and docs/.

The commands of deployed_models/ run as they stand, those of CONTRIBUTING.md in `make study`. What
stands in benchmarks/ measured for minutes to hours: its programs and options must exist.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_lines import commands_of, complaint

ROOT = Path(__file__).resolve().parents[2]
FENCED = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)((?: {4}\S.*\n(?: {4,}.*\n)*)+)")
# (what it says, the smaller form) of commands that take hours.
SMALLER = {
    "EGRAFF_RANDOM_DECKS=1000": "EGRAFF_RANDOM_DECKS=2",
    "verdicts.jsonl": "{folder}/verdicts.jsonl",
    ".venv/bin/python": shlex.quote(sys.executable),
}


def blocks(page: str) -> list[str]:
    found = FENCED.findall((ROOT / page).read_text())
    assert found, f"{page} has no block of bash any more"
    return found


def run(code: str, folder: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", code], cwd=folder, capture_output=True, text=True,
        env=os.environ | {"PATH": path}, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_the_hash_of_a_deployed_file() -> None:
    """`egraff inspect` and `sha256sum` give the same, and the file's card states it."""
    (code,) = blocks("deployed_models/README.md")
    out = run(code, ROOT / "deployed_models")
    printed = re.search(r"^sha256 +([0-9a-f]{64})$", out, re.MULTILINE)
    summed = re.search(r"^([0-9a-f]{64})  gete-nequip\.pt$", out, re.MULTILINE)
    assert printed is not None
    assert summed is not None
    assert printed[1] == summed[1]
    assert printed[1] in (ROOT / "deployed_models" / "gete-nequip.md").read_text()


@pytest.mark.mpi
@pytest.mark.study
@pytest.mark.parametrize("code", blocks("CONTRIBUTING.md"), ids=lambda code: code.split("=")[0])
def test_the_commands_of_a_contributor(code: str, tmp_path: Path) -> None:
    for said, form in SMALLER.items():
        code = code.replace(said, form.format(folder=tmp_path))
    assert " passed" in run(code, ROOT)


def measured() -> Iterator[tuple[str, str]]:
    """Pages and command lines of benchmarks/, of fenced and of indented blocks."""
    for page in sorted((ROOT / "benchmarks").rglob("README.md")):
        text = page.read_text()
        fenced = re.findall(r"^```(?:sh|bash)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        for block in (*fenced, *INDENTED.findall(text)):
            for line in commands_of(block):
                yield str(page.relative_to(ROOT)), line


def test_what_was_measured_can_be_measured_again() -> None:
    commands = list(measured())
    assert len(commands) > 12
    for page, line in commands:
        words = shlex.split(line, comments=True)
        if words[0] == "egraff":
            assert not complaint(line), f"{page}: {line}: {complaint(line)}"
            if words[1] == "bench":
                run(shlex.join([*words, "--dry-run"]), ROOT)
            continue
        assert words[0] == "python", f"{page}: {words}: say in this test how it is tried"
        source = (ROOT / words[1]).read_text()
        for option in (word for word in words if word.startswith("--")):
            assert f'"{option}"' in source, f"{page}: {words[1]} has no {option}"


def test_no_block_is_left_without_a_test() -> None:
    """Indented blocks are for nobody: they have no language, and the runners do not see them."""
    for page in ("CONTRIBUTING.md", "deployed_models/README.md"):
        assert not INDENTED.findall(FENCED.sub("", (ROOT / page).read_text())), page
    for page in ROOT.glob("packaging/**/*.md"):
        assert "```" not in page.read_text(), f"{page}: run its blocks here"
