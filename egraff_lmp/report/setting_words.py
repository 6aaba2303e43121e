"""How our runs and those of a paper differ: frames, lengths and hardware, in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from egraff_lmp.report.printed import PaperTable
from egraff_lmp.results.record import PaperRow, System
from egraff_lmp.score.words import counted

FS_PER_PS = 1000.0


def differences(
    table: PaperTable, members: Mapping[PaperRow, Sequence[System]], hardware: str
) -> tuple[str, ...]:
    """A sentence for each row in which systems stand, where the paper's conditions are known."""
    return tuple(_sentences(table, members, hardware))


def _sentences(
    table: PaperTable, members: Mapping[PaperRow, Sequence[System]], hardware: str
) -> Iterator[str]:
    for row, systems in members.items():
        printed = table.printed.get(row.dataset)
        if printed is None:
            continue
        on = f", on {hardware}" if hardware else ""
        for system in systems:
            yield f"{system.label}: ours are of {_ours(system)}; printed: {printed}{on}."


def _ours(system: System) -> str:
    rollout = system.settings["rollout"]
    trained = f"{system.reference.trained_on} training frames"
    if any(one.model.taken_from for one in system.ordinary):
        trained = "models that were trained before"
    on = system.machine.get("hardware", "hardware that was not recorded")
    return (
        f"{trained}, {counted(len(rollout['starts']), 'rollout')} of "
        f"{system.asked_fs / FS_PER_PS:g} ps with steps of {rollout['timestep_fs']:g} fs at "
        f"{system.temperature_kelvin:g} K, on {on} with {counted(rollout['ranks'], 'MPI rank')}"
    )
