"""Is torch the one built for, does the exchange operator work, which GPUs are there?"""

from __future__ import annotations

import shutil
from pathlib import Path

from egraff_lmp.doctor.finding import Context, Finding, reinstall_advice
from egraff_lmp.doctor.probe import Probe, python_probe
from egraff_lmp.doctor.versions import installed_version, numbers, read_build_record
from egraff_lmp.errors import EgraffError
from egraff_lmp.paths import OPS_LIBRARY, native_dir


def check_torch(context: Context) -> list[Finding]:
    """One process loads torch and the operator library; four findings come of it."""
    installed = installed_version("torch")
    if installed is None:
        return [
            Finding(
                "torch",
                "failed",
                "not installed",
                expected="the torch that the compiled part was built against",
                advice=f"`pip install torch=={_built() or '2.13.0'}`",
            )
        ]
    probe = python_probe("torch", context.timeout_seconds, context.environment)
    version = probe.get("torch")
    if version is None:
        return [
            Finding(
                "torch",
                "failed",
                f"torch {installed}, import: {probe.failure}",
                expected="`import torch` to work",
                advice=f"`pip install --force-reinstall torch=={_built() or installed}`",
            )
        ]
    return [_build_finding(version), _operator_finding(probe), *_gpu_findings(probe, context)]


def _built() -> str | None:
    try:
        record = read_build_record(native_dir())
    except EgraffError:
        return None
    return record.torch if record else None


def _build_finding(version: str) -> Finding:
    """torch promises no binary compatibility between minor releases, and keeps it in patches."""
    built = _built()
    if built is None or numbers(built)[:3] == numbers(version)[:3]:
        return Finding("torch", "ok", version)
    same_minor = numbers(built)[:2] == numbers(version)[:2]
    return Finding(
        "torch",
        "warning" if same_minor else "failed",
        f"torch {version} is installed",
        expected=f"torch {built}, which the compiled part was built against",
        advice=f"`pip install torch=={built}`, or build again: {reinstall_advice()}",
    )


def _operator_finding(probe: Probe) -> Finding:
    title = "exchange operator"
    exchanged = probe.get("exchange")
    if exchanged:
        return Finding(title, "ok", f"{OPS_LIBRARY} loads and works")
    got = probe.failure if exchanged is None else "it changed features without LAMMPS"
    return Finding(
        title,
        "failed",
        got,
        expected=f"{OPS_LIBRARY} to load and torch.ops.egraff.exchange to work",
        advice=reinstall_advice(),
    )


def _gpu_findings(probe: Probe, context: Context) -> list[Finding]:
    names: list[str] = probe.get("gpus") or []
    if names:
        advice = f"start at most {len(names)} rank(s) a node, one to a GPU"
        kinds = ", ".join(sorted(set(names)))
        return [Finding("GPUs", "ok", f"{len(names)} ({kinds})", advice=advice)]
    if not _has_nvidia_gpu(context):
        return [Finding("GPUs", "ok", "none")]
    if probe.get("cuda_build") is None:
        got = f"none: torch {probe.get('torch')} is a build for CPUs"
        advice = "to use the GPU install a CUDA build of the same version of torch (pytorch.org)"
    else:
        got = f"none: torch is built for CUDA {probe.get('cuda_build')} and finds no device"
        advice = "check `nvidia-smi` (driver too old?) and CUDA_VISIBLE_DEVICES"
    return [Finding("GPUs", "warning", got, "the GPU of this machine in torch", advice)]


def _has_nvidia_gpu(context: Context) -> bool:
    if Path("/dev/nvidia0").exists():
        return True
    program = shutil.which("nvidia-smi", path=context.environment.get("PATH"))
    return program is not None and Path("/proc/driver/nvidia/version").exists()
