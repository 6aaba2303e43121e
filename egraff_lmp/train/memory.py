"""How much memory a step takes, and into how many parts a batch is therefore split.

What a step keeps is, before all, the tensors that autograd saves for the two backward passes. They
are counted, not measured: the count of a frame is the same in every run, so that a training that
is repeated is split alike.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from egraff_lmp.train.evaluate import predict
from egraff_lmp.train.graphs import Batch
from egraff_lmp.train.kernels import without_tables

if TYPE_CHECKING:
    from egraff_lmp.train.module import ForceFieldModule

GB = 1e9
# Growth of resident memory over saved bytes of the six networks on GeTe frames: 0.9 to 1.7. The
# rest are gradients on their way, and what the allocator does not give back.
PEAK_OVER_SAVED = 1.75
# Share of the machine that all processes of a training may take where the config says nothing.
SHARE = 0.5


def saved_bytes(module: ForceFieldModule, batch: Batch) -> int:
    """Bytes that autograd keeps for the gradient of the loss of `batch`, weights left out.

    Without tables of radial weights, which take less memory and may become too coarse.
    """
    own = {tensor.untyped_storage().data_ptr() for tensor in module.state_dict().values()}
    seen: dict[int, int] = {}
    # What is freed meanwhile is held: another tensor in its place would be taken for it.
    held: list[torch.Tensor] = []

    def count(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        seen[storage.data_ptr()] = storage.nbytes()
        held.append(tensor.detach())  # the tensor itself would be a cycle, which frees late
        return held[-1]

    training = module.training
    module.eval()
    with (
        torch.random.fork_rng(devices=[]),
        without_tables(module.evaluated),
        torch.autograd.graph.saved_tensors_hooks(count, lambda t: t),
    ):
        module.loss(batch, predict(module.evaluated, batch, create_graph=True))
    module.train(training)
    return sum(size for address, size in seen.items() if address not in own)


def budget_bytes(memory_gb: float | None, devices: int, device: str) -> float:
    """Bytes that a step of one process may take.

    Args:
        memory_gb: as asked for in the config, or None.
        devices: processes of the training.
        device: "cpu" or "cuda".
    """
    if memory_gb is not None:
        return memory_gb * GB
    if device == "cuda":
        return SHARE * torch.cuda.get_device_properties(0).total_memory
    return SHARE * machine_bytes() / devices


def machine_bytes() -> int:
    """Memory of the machine, or of the container or job that this process is in, if less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([total, *_group_limits(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))])


def _group_limits(root: Path, own: Path) -> list[int]:
    """Limits in bytes of the control groups (version 2) that the process is in."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    limits = []
    for line in lines:
        if not line.startswith("0::"):
            continue
        folder = root / line.removeprefix("0::").strip().lstrip("/")
        for place in (folder, *folder.parents):
            if not place.is_relative_to(root):
                break
            try:
                text = (place / "memory.max").read_text().strip()
            except OSError:
                continue
            if text.isdigit():
                limits.append(int(text))
    return limits


def peak_gb(device: torch.device) -> float:
    """Largest memory of this process so far: resident, or that of its tensors on a GPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GB
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / GB if sys.platform == "darwin" else peak * 1024 / GB


def current_gb(device: torch.device) -> float:
    """Memory of this process now, as in `peak_gb`; the peak where the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / GB
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return peak_gb(device)
    return pages * resource.getpagesize() / GB


def status_bytes(field: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS now, VmHWM the most since `forget_peak`.

    Unlike `peak_gb`, the most of this program alone: the system's count of a process goes on from
    that of the program which started it.

    Raises:
        OSError: no Linux.
        ValueError: no such line.
    """
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field):
            return 1024 * int(line.split()[1])
    raise ValueError(f"expected a line {field} in /proc/self/status, there is none")


def forget_peak() -> None:
    """Give free memory back to the system and start VmHWM anew.

    Raises:
        OSError: no Linux.
    """
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
