"""Which packages are there, for which command, in which version?"""

from __future__ import annotations

from importlib import metadata

from packaging.requirements import Requirement

from egraff_lmp.doctor.finding import Context, Finding
from egraff_lmp.doctor.versions import installed_version, satisfies

# What each extra of this project is for; the order of the report.
EXTRAS = {
    "forcefields": "train and deploy force fields",
    "train": "`egraff train`",
    "rollout": "`egraff run`",
    "score": "`egraff score`",
    "report": "the report of `egraff bench`",
}
# Needed, but not listed as a requirement: its pin of e3nn (0.4.4) contradicts NequIP's (0.6),
# though it works beside it. So neither is that pin looked at.
_BESIDE = {"forcefields": (("mace-torch", ">=0.3.14,<0.4", "`pip install --no-deps mace-torch`"),)}


def check_packages(context: Context) -> list[Finding]:
    """The runtime's packages, which must be there, then those of each extra, which may."""
    requirements = _requirements()
    findings = [_runtime_finding(requirements.get("", []))]
    for extra, purpose in EXTRAS.items():
        findings.append(_extra_finding(extra, purpose, requirements.get(extra, [])))
    return findings


def _requirements() -> dict[str, list[tuple[str, str]]]:
    """Installed metadata: (name, range) of each requirement by extra, "" for the runtime."""
    found: dict[str, list[tuple[str, str]]] = {}
    try:
        lines = metadata.requires("egraff_lmp") or []
    except metadata.PackageNotFoundError:
        lines = []
    for requirement in map(Requirement, lines):
        if requirement.extras:  # egraff_lmp[all] only repeats the others
            continue
        marker, wanted = requirement.marker, (requirement.name, str(requirement.specifier))
        if marker is None or marker.evaluate({"extra": ""}):
            found.setdefault("", []).append(wanted)
            continue
        for extra in EXTRAS:
            if marker.evaluate({"extra": extra}):
                found.setdefault(extra, []).append(wanted)
    return found


def _sort(requirements: list[tuple[str, str]]) -> tuple[list[str], list[str], list[str]]:
    """Present ("name version"), missing (requirement) and unfit ("name version, not range")."""
    present, missing, unfit = [], [], []
    for name, specifier in requirements:
        version = installed_version(name)
        if version is None:
            missing.append(f"{name}{specifier}")
        elif not satisfies(version, specifier):
            unfit.append(f"{name} {version}, not {specifier}")
        else:
            present.append(f"{name} {version}")
    return present, missing, unfit


def _runtime_finding(requirements: list[tuple[str, str]]) -> Finding:
    title = "runtime packages"
    if not requirements:
        return Finding(
            title,
            "failed",
            "egraff_lmp itself is not installed, only its source is on the path",
            expected="egraff_lmp in the list of `pip list`",
            advice="run `make setup` in the checkout, or `pip install --no-build-isolation -e .`",
        )
    present, missing, unfit = _sort(requirements)
    if not missing and not unfit:
        return Finding(title, "ok", ", ".join(present))
    got = "; ".join([*(f"{name} is missing" for name in missing), *unfit])
    wanted = [f"{name}{specifier}" for name, specifier in requirements]
    return Finding(
        title,
        "failed" if missing else "warning",
        got,
        expected=", ".join(wanted),
        advice=f"`pip install {' '.join(repr(name) for name in wanted)}`",
    )


def _extra_finding(extra: str, purpose: str, requirements: list[tuple[str, str]]) -> Finding:
    title = f"packages: {extra}"
    beside = _BESIDE.get(extra, ())
    wanted = [*requirements, *((name, specifier) for name, specifier, _ in beside)]
    present, missing, unfit = _sort(wanted)
    commands = [f"`pip install 'egraff_lmp[{extra}]'`"]
    commands += [command for name, _, command in beside if installed_version(name) is None]
    if unfit:
        return Finding(
            title,
            "warning",
            "; ".join(unfit),
            expected="versions that were tested",
            advice=commands[0],
        )
    if missing:
        got = f"missing: {', '.join(missing)}"
        return Finding(title, "ok", got, advice=f"to {_verb(purpose)}: {', '.join(commands)}")
    return Finding(title, "ok", ", ".join(present))


def _verb(purpose: str) -> str:
    return purpose if not purpose.startswith(("`", "the ")) else f"use {purpose}"
