"""What the half from frames to page has to stay: short functions, and data that is never prose."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import egraff_lmp

ROOT = Path(egraff_lmp.__file__).parent
ROOMS = ("score", "bench", "results", "report")
MAX_LINES = 60  # of a function: what a reader takes in at one look
# Modules that read words of other programs, and whose.
READS_WORDS = {"bench/slurm.py": "the number of a job in what sbatch prints"}


def modules() -> Iterator[tuple[str, ast.Module]]:
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8"))


MODULES = dict(modules())


@pytest.mark.parametrize("name", MODULES)
def test_functions_are_short(name: str) -> None:
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for node in ast.walk(MODULES[name])
        if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= MAX_LINES
    }
    assert not long


def test_no_regular_expression_reads_our_own_sentences() -> None:
    """Nor is one taken to pieces at its punctuation."""
    found = set()
    for name, tree in MODULES.items():
        for node in ast.walk(tree):
            imported = isinstance(node, ast.Import) and any(a.name == "re" for a in node.names)
            taken = isinstance(node, ast.ImportFrom) and node.module == "re"
            split = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("split", "partition", "rpartition")
                and any(isinstance(a, ast.Constant) and a.value in ("; ", ". ", ": ", ", ")
                        for a in node.args)
            )  # fmt: skip
            if imported or taken or split:
                found.add(name)
    assert found == set(READS_WORDS)
