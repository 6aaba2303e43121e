"""Files from elsewhere: they run nothing, fill no memory, and put nothing into decks and shells.

Every file here would touch the canary if it were unpickled, pasted or followed.
"""

from __future__ import annotations

import io
import json
import pickle
import sqlite3
import struct
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from egraff_lmp import untrusted, yaml_file
from egraff_lmp.bench.config import parse_config as parse_bench
from egraff_lmp.cli import build_app
from egraff_lmp.cli.console import PlainConsole
from egraff_lmp.contract import read_contract
from egraff_lmp.data.read import read_frames
from egraff_lmp.errors import EgraffError
from egraff_lmp.rollout.config import make_config
from egraff_lmp.rollout.deck import check_out_dir
from egraff_lmp.rollout.potential import check_name, classical
from egraff_lmp.yaml_file import read_yaml

MODEL = "deployed_models/gete-torchmdnet.pt"
DATA = "lammps_inputs/gete.data"
MEMBER = "model/extra/egraff_contract.json"


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """A file that must be as it was when the test is over."""
    file = tmp_path / "canary"
    file.write_text("alive")
    yield file
    assert file.read_text() == "alive"


class Trap:
    """Kills the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.write_text, (self.canary, "dead")


def refusal(*arguments: object) -> str:
    """What `egraff` says when it refuses; anything but a refusal is an error."""
    result = CliRunner().invoke(build_app(), [str(word) for word in arguments])
    if isinstance(result.exception, EgraffError):
        return str(result.exception)
    assert isinstance(result.exception, SystemExit), result.exception
    # 2: the command was typed wrongly, and looked at no file.
    assert result.exit_code == 1, result.output
    return result.output


def crystal(path: Path) -> Path:
    """A file with eight atoms of GeTe."""
    from ase.build import bulk

    bulk("GeTe", "rocksalt", a=6.0, cubic=True).write(path, format="extxyz")
    return path


def zipped(path: Path, members: dict[str, bytes], packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def with_contract(path: Path, root: Path, **changes: object) -> Path:
    """A file with the contract of a real model, changed."""
    with zipfile.ZipFile(root / MODEL) as archive:
        name = next(name for name in archive.namelist() if name.endswith("egraff_contract.json"))
        raw = json.loads(archive.read(name))
    return zipped(path, {MEMBER: json.dumps({**raw, **changes}).encode()})


def npy(shape: tuple[int, ...], dtype: str = "<f8", content: bytes = b"") -> bytes:
    """An .npy file whose header need not be true."""
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


# --- what would run code --------------------------------------------------------------------------


def traps(folder: Path, canary: Path) -> dict[str, Path]:
    """A trap in every kind of file that may hold a pickle."""
    trap = pickle.dumps({"egraff_record": Trap(canary), "pos": Trap(canary)})
    plain = folder / "plain.ckpt"
    plain.write_bytes(trap)
    checkpoint = zipped(folder / "best.ckpt", {"best/data.pkl": trap, "best/version": b"3\n"})
    mace = folder / "mace.model"
    named = pickle.dumps(Trap(canary), protocol=0)
    zipped(mace, {"m/data.pkl": b"cmace.modules.models\nMACE\n." + named, "m/version": b"3\n"})
    package = zipped(folder / "a.nequip.zip", {"a/model/eager_model.pkl": trap})
    objects = np.empty(1, dtype=object)
    objects[0] = Trap(canary)
    np.savez(folder / "objects.npz", pos=objects, atomic_numbers=objects, allow_pickle=True)
    np.save(folder / "dictionary.npy", np.array({"pos": Trap(canary)}, dtype=object))
    named_npz = folder / "pickle.npz"
    named_npz.write_bytes(trap)
    named_xyz = folder / "pickle.traj"
    named_xyz.write_bytes(trap)
    return {
        "plain": plain,
        "checkpoint": checkpoint,
        "mace": mace,
        "package": package,
        "objects": folder / "objects.npz",
        "dictionary": folder / "dictionary.npy",
        "npz": named_npz,
        "traj": named_xyz,
    }


def test_the_traps_work(tmp_path: Path) -> None:
    """A trap that is unpickled does kill: otherwise the tests below would see nothing."""
    canary = tmp_path / "bird"
    canary.write_text("alive")
    files = traps(tmp_path, canary)
    pickle.loads(files["plain"].read_bytes())
    assert canary.read_text() == "dead"
    canary.write_text("alive")
    np.load(files["objects"], allow_pickle=True)["pos"]
    assert canary.read_text() == "dead"


KINDS = ("plain", "checkpoint", "mace", "package", "objects", "dictionary", "npz", "traj")


@pytest.mark.parametrize("kind", KINDS)
def test_no_command_unpickles(kind: str, tmp_path: Path, canary: Path, root: Path) -> None:
    """Whatever takes a file is given the trap in its place."""
    file = traps(tmp_path, canary)[kind]
    out, model, good = tmp_path / "out", root / MODEL, crystal(tmp_path / "good.extxyz")
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump({"forcefield": "mace", "data": {"train": [str(file)]}}))
    rollout = tmp_path / "rollout.yaml"
    rollout.write_text(
        yaml.safe_dump(
            {"model": str(file), "data_file": str(root / DATA), "n_steps": 1, "out_dir": "o"}
        )
    )
    for words in (
        ("inspect", file),
        ("deploy", file, tmp_path / "deployed.pt"),
        ("compare", file, good),
        ("compare", model, file),
        ("init", out, "--structure", file, "--model", model, "--temperature", 300),
        ("init", out, "--structure", good, "--model", file, "--temperature", 300),
        ("train", config, "--out", out),
        ("run", rollout),
        ("score", file, file),
        ("bench", file),
        ("report", tmp_path),
        ("data", "check", file),
        ("data", "convert", file, tmp_path / "converted.npz"),
    ):
        told = refusal(*words)
        # The refusal is of the trap, or of the config or folder that names it.
        assert any(str(w.name) in told for w in (file, config, rollout, tmp_path)), (words, told)
        assert canary.read_text() == "alive", words
    assert not (tmp_path / "deployed.pt").exists()
    assert not (tmp_path / "converted.npz").exists()


def test_a_resumed_training_does_not_unpickle(tmp_path: Path, canary: Path) -> None:
    """last.ckpt in the folder of a training is a file like any other."""
    from egraff_lmp.train.checkpoint import load_checkpoint

    for kind in ("plain", "checkpoint"):
        with pytest.raises(EgraffError, match="got a"):
            load_checkpoint(traps(tmp_path, canary)[kind])


def test_a_model_with_another_hash_is_not_loaded(root: Path, monkeypatch) -> None:
    """A TorchScript file is a program: its hash is known before it is loaded."""
    import torch

    from egraff_lmp.deployed import DeployedModel
    from egraff_lmp.fileio import sha256_file

    loaded = DeployedModel(root / MODEL, sha256=sha256_file(root / MODEL).upper())
    assert loaded.sha256 == sha256_file(root / MODEL)
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("was loaded"))
    with pytest.raises(EgraffError, match=r"expected the file with SHA-256 00.*it was not loaded"):
        DeployedModel(root / MODEL, sha256="00" * 32)


@pytest.mark.parametrize(
    "text",
    [
        "!!python/object/apply:pathlib.Path.write_text [{canary}, dead]",
        "a: !!python/object/new:os.system [rm {canary}]",
        "a: !!python/name:os.system",
        "a: &a [*a]",
        "\n".join(
            ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]
        ),
        "\n".join(
            [
                "a0: &a0 {x: 1}",
                *(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}" for i in range(1, 40)),
            ]
        ),
        "[" * 5_000,
        "a: 2024-99-99",
        "a: " + "9" * 10_000,
    ],
    ids=["object", "new", "name", "itself", "laughs", "merged", "deep", "date", "digits"],
)
def test_yaml_is_plain_and_small(text: str, tmp_path: Path, canary: Path) -> None:
    """No objects, no bombs, no tracebacks, in each of the three configs."""
    file = tmp_path / "config.yaml"
    file.write_text(text.replace("{canary}", str(canary)))
    for command in ("train", "run", "bench"):
        assert "YAML" in refusal(command, file)


def test_yaml_limits_leave_room(tmp_path: Path, monkeypatch) -> None:
    """References as people use them are read; the size of a file is bounded."""
    file = tmp_path / "config.yaml"
    file.write_text("a: &a {x: [1, 2]}\nb: *a\nc: {<<: *a, y: 2}\n")
    assert read_yaml(file)["c"] == {"x": [1, 2], "y": 2}
    file.write_text("")
    assert read_yaml(file) is None
    monkeypatch.setattr(yaml_file, "MAX_VALUES", 100)
    file.write_text("- 1\n" * 99)
    assert len(read_yaml(file)) == 99
    file.write_text("- 1\n" * 100)
    with pytest.raises(yaml.YAMLError, match="at most 100 values"):
        read_yaml(file)
    file.write_text("#" * (2 << 20))
    with pytest.raises(yaml.YAMLError, match="at most 1 MiB"):
        read_yaml(file)


# --- what would fill the memory -------------------------------------------------------------------


def test_a_bomb_in_place_of_a_model(tmp_path: Path) -> None:
    """The whole archive, and the contract alone."""
    good = crystal(tmp_path / "good.extxyz")
    zeros = bytes(untrusted.MAX_TEXT_BYTES + 1)
    bomb = zipped(tmp_path / "bomb.pt", {MEMBER: zeros}, zipfile.ZIP_DEFLATED)
    noise = np.random.default_rng(0).bytes(1 << 18)
    large = tmp_path / "large.pt"
    with zipfile.ZipFile(large, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MEMBER, zeros)
        archive.writestr("model/noise", noise)
    for file, words in (
        (bomb, "unpacks to at most 16 GiB and 1000 times"),
        (large, "at most 64 MiB"),
    ):
        for command in (
            ("inspect", file),
            ("compare", file, good),
            ("init", tmp_path / "o", "--structure", good, "--model", file, "--temperature", 1),
        ):
            assert words in refusal(*command)
    assert "unpacks to at most" in refusal("deploy", bomb, tmp_path / "out.pt")


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """Sizes are those that the directory states, however often the same bytes are named."""
    file = zipped(tmp_path / "a.pt", {MEMBER: bytes(1_000_000)}, zipfile.ZIP_DEFLATED)
    content = file.read_bytes()
    end = content.rindex(b"PK\x05\x06")
    start = content.index(b"PK\x01\x02")
    entries = content[start:end] * 5000
    file.write_bytes(
        content[:start]
        + entries
        + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 5000, 5000, len(entries), start, 0)
    )
    with pytest.raises(EgraffError, match="unpacks to at most"):
        read_contract(file)


@pytest.mark.parametrize("shape", [(10**13, 3), (10**30,), (-1, 3), (4, 3)])
def test_arrays_that_lie_about_their_size(shape: tuple[int, ...], tmp_path: Path) -> None:
    """No memory is asked for what is not in the file."""
    content = npy(shape, content=bytes(24))
    members = {"pos.npy": content, "atomic_numbers.npy": npy((1,), "<i8", bytes(8))}
    plain = zipped(tmp_path / "a.npz", members)
    stored = zipped(tmp_path / "b.npz", {"header.npy": content, "positions.npy": content})
    md17 = zipped(tmp_path / "c.npz", {"R.npy": content, "z.npy": content})
    deepmd = tmp_path / "deepmd"
    (deepmd / "set.000").mkdir(parents=True)
    (deepmd / "type_map.raw").write_text("Ge\n")
    (deepmd / "type.raw").write_text("0\n")
    (deepmd / "set.000" / "coord.npy").write_bytes(content)
    (deepmd / "set.000" / "box.npy").write_bytes(content)
    short = shape == (4, 3)  # numbers of a likely size, of which most are not there
    reason = (
        "(expected 96 bytes got 24|could only read 3 elements)"
        if short
        else "which its 152 bytes are not"
    )
    for path in (plain, stored, md17, deepmd):
        with pytest.raises(EgraffError, match=rf"{path.name}.*{reason}"):
            read_frames(path)


def test_data_files_that_lie_about_their_size(tmp_path: Path) -> None:
    """Memory is taken by the number of atoms that the head of a LAMMPS data file gives."""
    head = "a\n\n{} atoms\n1 atom types\n0 4 xlo xhi\n0 4 ylo yhi\n0 4 zlo zhi\n\n"
    path = tmp_path / "a.data"
    for count in (2, 10**9, 10**30):
        path.write_text(head.format(count) + "Masses\n\n1 1.008\n\nAtoms # atomic\n\n1 1 0 0 0\n")
        with pytest.raises(EgraffError, match=r"a\.data: expected a"):
            read_frames(path)


def test_no_numbers_of_no_size(tmp_path: Path) -> None:
    """A type of no bytes makes any number of elements fit into nothing."""
    zipped(tmp_path / "a.npz", {"pos.npy": npy((10**15,), "|V0"), "atomic_numbers.npy": npy((0,))})
    with pytest.raises(EgraffError, match="plain arrays"):
        read_frames(tmp_path / "a.npz")


def test_packed_text_and_nested_json(tmp_path: Path) -> None:
    """A .bz2 of nothing but zeros, and JSON of nothing but brackets."""
    import bz2

    path = tmp_path / "a.xyz.bz2"
    path.write_bytes(bz2.compress(bytes(20 << 20)))
    with pytest.raises(EgraffError, match="unpacks to at most"):
        read_frames(path)
    with pytest.raises(EgraffError, match="not valid JSON"):
        read_contract(zipped(tmp_path / "a.pt", {MEMBER: b"[" * 1_000_000}))
    with pytest.raises(EgraffError, match="no text"):
        read_contract(zipped(tmp_path / "b.pt", {MEMBER: b"\xff\xfe"}))


def test_entities_of_xml(tmp_path: Path) -> None:
    """vasprun.xml with entities that stand for entities, and for a file of this machine."""
    secret = tmp_path / "secret"
    secret.write_text("4242.0")
    lines = [
        '<!ENTITY a0 "1.0">',
        *(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12)),
    ]
    for entity, message in (
        ("".join(lines), "ParseError: limit on input amplification factor"),
        (f'<!ENTITY a11 SYSTEM "{secret.as_uri()}">', "ParseError: undefined entity"),
    ):
        path = tmp_path / "vasprun.xml"
        path.write_text(
            f'<?xml version="1.0"?>\n<!DOCTYPE modeling [{entity}]>\n<modeling>&a11;</modeling>\n'
        )
        with pytest.raises(EgraffError, match=message) as caught:
            read_frames(path)
        assert "4242" not in str(caught.value)


# --- what would be written, or followed -----------------------------------------------------------


def test_names_in_archives_lead_nowhere(tmp_path: Path, canary: Path) -> None:
    """Members called ../canary, and symbolic links in archives, are never unpacked."""
    names = ("../canary", str(canary), "a/../../canary")
    file = zipped(
        tmp_path / "a.npz", {f"{name}.npy": npy((1,), content=bytes(8)) for name in names}
    )
    refusal("data", "convert", file, tmp_path / "b.npz")
    model = zipped(tmp_path / "a.pt", dict.fromkeys(names, b"dead"))
    refusal("inspect", model)
    refusal("deploy", model, tmp_path / "b.pt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "a.pt", "canary"]


def test_links_are_not_written_through(tmp_path: Path, canary: Path) -> None:
    """An output that is a link is replaced; a rollout refuses a folder with links in it."""
    np.savez(tmp_path / "in.npz", pos=np.zeros((1, 1, 3)), atomic_numbers=[1])
    out = tmp_path / "out.npz"
    out.symlink_to(canary)
    result = CliRunner().invoke(
        build_app(), ["data", "convert", str(tmp_path / "in.npz"), str(out), "--force"]
    )
    assert result.exit_code == 0
    assert not out.is_symlink()
    for name in ("traj.lammpstrj", "log.0.lammps", "restart.a", "rollout.json"):
        folder = tmp_path / name.replace(".", "-")
        folder.mkdir()
        (folder / name).symlink_to(canary)
        with pytest.raises(EgraffError, match=rf"symbolic links \({name}\)"):
            check_out_dir(folder)


def test_a_database_is_read_as_it_is(tmp_path: Path) -> None:
    """ASE makes its tables in a database without them."""
    path = tmp_path / "a.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(EgraffError, match="without the tables of ASE"):
        read_frames(path)
    assert path.read_bytes() == before


def test_an_at_sign_is_part_of_a_name(tmp_path: Path) -> None:
    """ASE would read a.xyz for a.xyz@0.xyz."""
    from ase import Atoms

    Atoms("H").write(tmp_path / "a.xyz", format="extxyz")
    Atoms("He").write(tmp_path / "b.xyz", format="extxyz")
    (tmp_path / "b.xyz").rename(tmp_path / "a.xyz@0.xyz")
    assert read_frames(tmp_path / "a.xyz@0.xyz").species == ("He",)


# --- what would be pasted into a deck, a shell or a page ------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"species": ["Ge\nshell touch canary", "Te"]},
        {"species": ["Ge", "${x}"]},
        {"species": ["Ge", 7]},
        {"species": ["Ge", "Ge"]},
        {"species": []},
        {"masses_amu": [1.0]},
        {"masses_amu": [float("nan"), 1.0]},
        {"r_max": float("inf")},
        {"r_max": -1.0},
        {"dtype": "float32; shell ls"},
        {"exchange_widths": [-4]},
    ],
    ids=lambda changes: f"{next(iter(changes))}",
)
def test_contracts_that_state_nonsense(
    changes: dict[str, object], tmp_path: Path, root: Path
) -> None:
    """What goes into decks and allocations is checked when a contract is read."""
    assert read_contract(with_contract(tmp_path / "good.pt", root)).species == ("Ge", "Te")
    with pytest.raises(EgraffError, match="contract"):
        read_contract(with_contract(tmp_path / "bad.pt", root, **changes))


ELEMENT = "elements: expected a chemical element such as Ge, got "
BOUNDARY = "expected a boundary such as 'p p p', got "
FOLDER = "expected a folder without .* in its path"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"elements": ["Ge", "Te\nshell touch canary"]}, ELEMENT),
        ({"elements": ["$(shell)", "Te"]}, ELEMENT),
        ({"boundary": "p p p\nshell touch canary"}, BOUNDARY),
        ({"boundary": "p p $(x)"}, BOUNDARY),
        (
            {"model": None, "pair": "lj/cut 3\nshell touch canary", "coeff": "1 1"},
            "pair style: expected one line",
        ),
        (
            {"model": None, "pair": "lj/cut ${x}", "coeff": "1 1"},
            "pair style: expected one line",
        ),
        (
            {"model": None, "pair": "lj/cut 3", "coeff": "1 '\"shell touch canary'"},
            "pair coefficients: expected one line",
        ),
        ({"out_dir": 'runs/a"b'}, FOLDER),
        ({"out_dir": "runs/a\tb"}, FOLDER),
        ({"out_dir": "runs/a\x1b[2Jb"}, FOLDER),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_configs_of_rollouts(
    changes: dict[str, object], message: str, tmp_path: Path, canary: Path, root: Path
) -> None:
    """Nothing of a config that reaches a deck may be more than one value."""
    from egraff_lmp.rollout.plan import make_plan

    values: dict[str, object] = {
        "base": tmp_path,
        "model": root / MODEL,
        "data_file": root / DATA,
        "n_steps": 1,
        "out_dir": "runs/good",
    }
    make_plan(make_config(values))
    with pytest.raises(EgraffError, match=message):
        make_plan(make_config({**values, **changes}))
    assert not (tmp_path / "runs").exists()


def test_names_of_files() -> None:
    """LAMMPS has no escape for quotes; control characters would change the line."""
    check_name(Path("/a b/$(touch canary) & `x`; #.pt"))
    for name in ("a'b", 'a"b', "a\nb", "a\rb", "a\tb", "a\x1bb", "a\u202eb"):
        with pytest.raises(EgraffError, match="expected a path without"):
            check_name(Path("/") / name)
    with pytest.raises(EgraffError, match="one line"):
        classical("sw", "Si.sw $(x)")


@pytest.mark.parametrize("name", ["../up", "a b", "a\nb", "$(x)", "-o", "", "a/b"])
def test_names_of_benchmarks(name: str) -> None:
    """They become folders, and lines of job scripts."""
    with pytest.raises(EgraffError, match="name"):
        parse_bench({"name": name}, "here")


def test_a_terminal_is_not_commanded(tmp_path: Path, root: Path) -> None:
    """Strings of a file are shown as they are: no escapes, no markup, no change of direction."""
    evil = "[red]Ge\x1b]0;title\x07\x1b[2J\u202e<script>"
    file = with_contract(tmp_path / "a.pt", root, architecture=evil, versions={"torch": evil})
    for words in (["inspect", str(file)], ["inspect", str(file), "--json"]):
        result = CliRunner().invoke(build_app(), words)
        assert result.exit_code == 0, result.exception
        assert not {"\x1b", "\x07", "\u202e"} & set(result.stdout)
        assert "[red]Ge" in result.stdout
    console = PlainConsole()
    with console.capture() as capture:
        console.print(f"{evil}\nnext", soft_wrap=True)
    assert capture.get() == "[red]Ge?]0;title?[2J?<script>\nnext\n"  # rich itself drops the bell


@pytest.mark.mpi
def test_a_hostile_name_all_the_way(tmp_path: Path, canary: Path, root: Path) -> None:
    """Folder and model whose names are commands: the deck and the script that `init` writes run."""
    folder = tmp_path / "a $(touch canary) & `touch canary`; rm canary #"
    folder.mkdir()
    model = folder / "m $(shell rm canary) ${x} &.pt"
    model.write_bytes((root / MODEL).read_bytes())
    structure = crystal(folder / "s $(x).extxyz")
    words = ["init", folder / "out", "--structure", structure, "--model", model]
    words += ["--temperature", "300", "--steps", "1"]
    result = CliRunner().invoke(build_app(), [str(word) for word in words])
    assert result.exit_code == 0, result.exception
    done = subprocess.run(
        ["bash", str(folder / "out" / "run.sh")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Loop time" in done.stdout
