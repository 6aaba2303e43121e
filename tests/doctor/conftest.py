"""A second installation, in which one thing at a time can be broken for real."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import egraff_lmp
from egraff_lmp.paths import native_dir

TIMEOUT_SECONDS = 60
_COPIED = ("egraff_lmp", "egraff_lmp-", "_editable_", "__pycache__")


@dataclass(frozen=True)
class Scratch:
    """A virtual environment with a copy of egraff_lmp, and links to every other package."""

    root: Path
    site: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def lib(self) -> Path:
        """Folder of the compiled libraries."""
        return self.site / "egraff_lmp" / "lib"

    def remove(self, package: str) -> None:
        """Take a package away: its metadata, and the folder of its name."""
        for entry in self.site.iterdir():
            if entry.name.lower().split("-")[0] == package.lower():
                entry.unlink()

    def set_version(self, distribution: str, version: str) -> None:
        """Pretend that another version of a package is installed."""
        (old,) = self.site.glob(f"{distribution}-*.dist-info")
        text = (old / "METADATA").read_text(encoding="utf-8")
        record = (old / "RECORD").read_text(encoding="utf-8")
        current = metadata.version(distribution)
        old.unlink()
        new = self.site / f"{distribution}-{version}.dist-info"
        new.mkdir()
        text = text.replace(f"\nVersion: {current}\n", f"\nVersion: {version}\n")
        (new / "METADATA").write_text(text, encoding="utf-8")
        (new / "RECORD").write_text(record, encoding="utf-8")

    def set_built(self, **changed: str) -> None:
        """Change what build_info.json says."""
        path = self.lib / "build_info.json"
        value = json.loads(path.read_text(encoding="utf-8")) | changed
        path.write_text(json.dumps(value), encoding="utf-8")

    def second_mpi(self) -> Path:
        """Another copy of the MPI library, elsewhere; its own dependencies beside it."""
        other = self.root / "other"
        other.mkdir()
        (other / "mpich").symlink_to(self.root / "lib" / "mpich")
        return Path(shutil.copy(self.root / "lib" / "libmpi.so.12", other))

    def doctor(self, *only: str, **environment: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Exit status of `egraff doctor --json` in there, and its findings by title."""
        words = [word for name in only for word in ("--only", name)]
        code = "import sys; from egraff_lmp.cli import main; sys.argv[0] = 'egraff'; main()"
        ended = subprocess.run(
            [self.python, "-c", code, "doctor", "--json", *words],
            capture_output=True,
            text=True,
            cwd=self.root,
            env=clean_environment() | environment,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        findings = json.loads(ended.stdout)["findings"]
        return ended.returncode, {finding["title"]: finding for finding in findings}


def clean_environment() -> dict[str, str]:
    """This environment without what the installation under test, or a user's shell, put there."""
    out = ("LAMMPS_PLUGIN_PATH", "LD_LIBRARY_PATH", "LD_PRELOAD", "PYTHONPATH", "OMP_NUM_THREADS")
    kept = {name: value for name, value in os.environ.items() if name not in out}
    return kept | {"PATH": "/usr/bin:/bin"}


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    """A working installation to break; see `Scratch`."""
    root = tmp_path / "environment"
    venv.create(root, symlinks=True, with_pip=False)
    real_site, real_bin = Path(sysconfig.get_path("purelib")), Path(sys.executable).parent
    site = root / "lib" / real_site.parent.name / "site-packages"
    for entry in real_site.iterdir():
        if not entry.name.startswith(_COPIED):
            (site / entry.name).symlink_to(entry)
    # MPI's libraries and programs lie outside of site-packages.
    for folder, pattern in (("bin", "mpi*"), ("bin", "hydra*"), ("lib", "lib*"), ("lib", "mpich")):
        for entry in (real_bin.parent / folder).glob(pattern):
            (root / folder / entry.name).symlink_to(entry)
    shutil.copytree(
        Path(egraff_lmp.__file__).parent,
        site / "egraff_lmp",
        ignore=shutil.ignore_patterns("csrc", "lib", "__pycache__"),
    )
    shutil.copytree(native_dir(), site / "egraff_lmp" / "lib")
    (real,) = real_site.glob("egraff_lmp-*.dist-info")
    shutil.copytree(real, site / real.name)
    shutil.copy(real_bin / "lmp", root / "bin" / "lmp")
    _point_script_to(root / "bin" / "lmp", root / "bin" / "python")
    return Scratch(root, site)


def _point_script_to(script: Path, python: Path) -> None:
    body = script.read_text(encoding="utf-8").split("\n", 1)[1]
    script.write_text(f"#!{python}\n{body}", encoding="utf-8")
