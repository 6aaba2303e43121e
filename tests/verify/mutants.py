"""The pair style with one line of its sources changed, built beside the objects of the real build.

Production code has no switch for a defect: the test copies the sources, changes one place, compiles
that file alone with the command of the real build, and links it with the other objects.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
SOURCES = ROOT / "egraff_lmp" / "csrc"
BUILD_SECONDS = 300


@dataclass(frozen=True)
class Mutant:
    """One textual change.

    Attributes:
        file: below `csrc`.
        old: what must occur there exactly once.
        new: what stands there instead.
    """

    file: str
    old: str
    new: str


def build(mutant: Mutant, folder: Path) -> Path:
    """Folder of the compiled libraries with the defect in them."""
    tree = _build_tree()
    sources = folder / "csrc"
    shutil.copytree(SOURCES, sources)
    changed = sources / mutant.file
    text = changed.read_text()
    assert text.count(mutant.old) == 1, f"{mutant.file} has changed: where is {mutant.old!r} now?"
    changed.write_text(text.replace(mutant.old, mutant.new))
    original = SOURCES / mutant.file
    entry = next(
        entry
        for entry in json.loads(_ninja(tree, "-t", "compdb"))
        if entry["file"] == str(original) and entry["output"].endswith(".o")
    )
    changed_object = folder / "changed.o"
    words = shlex.split(entry["command"])
    replaced = {
        str(original): str(changed),
        entry["output"]: str(changed_object),
        f"{entry['output']}.d": str(folder / "changed.d"),
    }
    _run([replaced.get(word, word) for word in words], tree)
    libraries = folder / "lib"
    libraries.mkdir()
    for name in ("libegraff_ops.so", "build_info.json"):
        shutil.copy(tree / name, libraries / name)
    link = _ninja(tree, "-t", "commands", "egraffplugin.so").splitlines()[-1]
    link = link.replace(entry["output"], shlex.quote(str(changed_object)))
    link = link.replace("-o egraffplugin.so", f"-o {shlex.quote(str(libraries))}/egraffplugin.so")
    assert str(changed_object) in link
    _run(["sh", "-c", link], tree)
    return libraries


def _build_tree() -> Path:
    found = sorted((ROOT / "build").glob("*/build.ninja"), key=lambda path: path.stat().st_mtime)
    if not found:
        pytest.skip("the objects of the real build are not there: run `make setup`")
    return found[-1].parent


def _ninja(tree: Path, *words: str) -> str:
    program = shutil.which("ninja") or str(ROOT / ".venv" / "bin" / "ninja")
    return _run([program, *words], tree)


def _run(command: list[str], folder: Path) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
    )
    assert done.returncode == 0, f"{shlex.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout
