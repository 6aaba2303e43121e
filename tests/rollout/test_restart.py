"""Cutting outputs back to a restart, on files that a kill may leave."""

import struct

import pytest

from egraff_lmp.rollout.restart import (
    THERMO,
    TRAJECTORY,
    cut_outputs,
    last_step,
    newest_restart,
    restart_step,
    tidy_thermo,
)

MAGIC = b"LammpS RestartT\0"
HEADER = "step,time_fs,temperature_kelvin,potential_ev"


def restart_bytes(step: int) -> bytes:
    """The parts of a restart file that matter here."""
    text = b"22 Jul 2025\0"
    sizes = b"".join(struct.pack("=ii", flag, 4) for flag in (1, 48, 2, 3))
    units = struct.pack("=ii", 4, 6) + b"metal\0"
    head = MAGIC + struct.pack("=ii", 1, 3) + struct.pack("=ii", 0, len(text)) + text
    return head + sizes + units + struct.pack("=iq", 5, step) + bytes(500) + MAGIC


def frame(step: int) -> str:
    box = "0 1\n" * 3
    return (
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n2\nITEM: BOX BOUNDS pp pp pp\n{box}"
        f"ITEM: ATOMS id x\n1 0.5\n2 0.{step}\n"
    )


def write_outputs(folder, last: int, tail: str = "", row: str = "") -> None:
    (folder / TRAJECTORY).write_text("".join(frame(s) for s in range(0, last + 1, 10)) + tail)
    rows = "".join(f"{s},{s},300,-1.5\n" for s in range(0, last + 1, 5))
    (folder / THERMO).write_text(f"{HEADER}\n{rows}{row}")


def steps_of(folder) -> list[int]:
    lines = (folder / TRAJECTORY).read_text().splitlines()
    return [int(lines[i + 1]) for i, line in enumerate(lines) if line == "ITEM: TIMESTEP"]


@pytest.mark.parametrize("step", [0, 1, 12345678901])
def test_step_of_a_whole_restart(tmp_path, step):
    path = tmp_path / "restart.a"
    path.write_bytes(restart_bytes(step))
    assert restart_step(path) == step


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b[:30], lambda b: b"", lambda b:
                                    b"x" + b[1:], lambda b: MAGIC])  # fmt: skip
def test_damaged_restart_does_not_count(tmp_path, damage):
    path = tmp_path / "restart.a"
    path.write_bytes(damage(restart_bytes(40)))
    assert restart_step(path) is None
    assert restart_step(tmp_path / "missing") is None


def test_newest_whole_restart_wins(tmp_path):
    write_outputs(tmp_path, 60)
    (tmp_path / "restart.a").write_bytes(restart_bytes(20))
    (tmp_path / "restart.b").write_bytes(restart_bytes(40))
    assert newest_restart(tmp_path, 10, 5).step == 40
    (tmp_path / "restart.b").write_bytes(restart_bytes(40)[:-3])
    assert newest_restart(tmp_path, 10, 5).step == 20


def test_restart_beyond_the_outputs_does_not_count(tmp_path):
    """After a power cut, the restart may be on the disk and the frames before it not."""
    write_outputs(tmp_path, 20)
    (tmp_path / "restart.a").write_bytes(restart_bytes(20))
    (tmp_path / "restart.b").write_bytes(restart_bytes(60))
    assert newest_restart(tmp_path, 10, 5).step == 20


@pytest.mark.parametrize("tail", ["", "ITEM: TIM", frame(60)[:40], frame(60)[:-4]])
@pytest.mark.parametrize("row", ["", "5", "55,55,30"])
def test_cut_leaves_no_gap_and_no_part(tmp_path, tail, row):
    write_outputs(tmp_path, 50, tail, row)
    cut_outputs(tmp_path, 40)
    assert steps_of(tmp_path) == [0, 10, 20, 30]
    assert (tmp_path / TRAJECTORY).read_text() == "".join(frame(s) for s in (0, 10, 20, 30))
    rows = (tmp_path / THERMO).read_text().splitlines()
    assert rows[0] == HEADER
    assert [int(r.split(",")[0]) for r in rows[1:]] == list(range(0, 40, 5))


@pytest.mark.parametrize("tail", ["ITEM: TIM", frame(60)[:40]])
def test_part_behind_the_last_frame_is_removed(tmp_path, tail):
    """The restart lies beyond all frames: nothing to cut but the part."""
    write_outputs(tmp_path, 50, tail)
    cut_outputs(tmp_path, 55)
    assert steps_of(tmp_path) == [0, 10, 20, 30, 40, 50]
    assert (tmp_path / TRAJECTORY).read_text().endswith(frame(50))


def test_cut_to_the_beginning(tmp_path):
    write_outputs(tmp_path, 20)
    cut_outputs(tmp_path, 0)
    assert (tmp_path / TRAJECTORY).read_text() == ""
    assert (tmp_path / THERMO).read_text() == HEADER + "\n"


def test_last_step_ignores_a_part_of_a_row(tmp_path):
    assert last_step(tmp_path / THERMO) is None
    (tmp_path / THERMO).write_text(HEADER + "\n")
    assert last_step(tmp_path / THERMO) is None
    write_outputs(tmp_path, 500, row="505,505")
    assert last_step(tmp_path / THERMO) == 500


def test_blank_lines_of_appending_go(tmp_path):
    (tmp_path / THERMO).write_text(f"{HEADER}\n0,0,1,2\n\n5,5,1,2\n")
    tidy_thermo(tmp_path)
    assert (tmp_path / THERMO).read_text() == f"{HEADER}\n0,0,1,2\n5,5,1,2\n"
