"""Model files that are not what they should be: nothing of them is loaded, nothing unpacked."""

from __future__ import annotations

import copy
import json
import re
import shutil
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from decks import TIME_LIMIT_SECONDS

from egraff_lmp.fileio import sha256_file
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import Structure, write_data_file

GB = 10**9
# The bombs unpack to 10 GB; LAMMPS with torch and this file takes about 0.4 GB.
MOST_BYTES = 1.5 * GB

# Every message, and the largest memory that this rank ever held.
DRIVER = """
import json, resource, sys
import egraff_lmp, lammps

results = {}
for name, commands in json.load(open(sys.argv[1])).items():
    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        lmp.commands_list(commands)
        results[name] = ""
    except Exception as error:
        results[name] = str(error)
    rank = lmp.extract_setting("world_rank")
    lmp.close()
results["bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
json.dump(results, open(sys.argv[1] + f".{rank}", "w"))
"""


def zeros(size: int) -> tuple[bytes, int]:
    """A deflate stream of at least `size` zeros, one block repeated, and how many they are."""
    block = 1 << 24
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = packer.compress(bytes(block)) + packer.flush(zlib.Z_FULL_FLUSH)
    count = -(-size // block)
    return packed * count + zlib.compressobj(9, zlib.DEFLATED, -15).flush(), count * block


def bomb(path: Path, model: Path, member: str, stated: int | None = None, copies: int = 1) -> Path:
    """The model with 10 GB of zeros as one of its members.

    Args:
        path: file to write, about 10 MB.
        model: a good file.
        member: which one.
        stated: unpacked size that the index states; None states the true one.
        copies: entries of the index that share the one stream.
    """
    packed, size = zeros(10 * GB)
    with zipfile.ZipFile(model) as good, zipfile.ZipFile(path, "w") as bad:
        root = good.namelist()[0].split("/")[0]
        for info in good.infolist():
            if info.filename != f"{root}/{member}":
                bad.writestr(info, good.read(info))
        bad.writestr(f"{root}/{member}", packed)
        first = bad.infolist()[-1]
        first.compress_type = zipfile.ZIP_DEFLATED
        first.file_size = size if stated is None else stated
        for k in range(1, copies):
            other = copy.copy(first)
            other.filename = f"{first.filename}{k}"
            bad.filelist.append(other)
            bad.NameToInfo[other.filename] = other
    return path


def test_the_bomb_is_real(model, tmp_path):
    with zipfile.ZipFile(bomb(tmp_path / "bomb.pt", model, "version")) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("/version")]
        assert archive.getinfo(name).file_size > 9 * GB
        with archive.open(name) as stream:
            assert stream.read(1 << 26) == bytes(1 << 26)
    assert (tmp_path / "bomb.pt").stat().st_size < 20 * 10**6


@pytest.fixture(scope="module")
def model(quick_model) -> Path:
    return quick_model("allegro", "float64", scale=1.0, r_max=4.0)


@pytest.fixture(scope="module")
def told(model, tmp_path_factory):
    """Name of a case -> what every rank of 1 and of 2 was told."""
    folder = tmp_path_factory.mktemp("untrusted")
    rng = np.random.default_rng(12)
    grid = np.stack(np.meshgrid(*[range(3)] * 3, indexing="ij"), -1).reshape(-1, 3)
    positions = (grid + 0.3) * 2.7 + rng.normal(0, 0.1, (27, 3))
    species = tuple("Ge" if i % 2 else "Te" for i in range(27))
    structure = Structure(species, positions, np.eye(3) * 8.1, (True,) * 3, None, "27 atoms")
    write_data_file(folder / "atoms.data", structure, ("Ge", "Te"))
    good = shutil.copy(model, folder / "model.pt")
    other = folder / "other.pt"
    other.write_bytes(b"this is no model")
    hashes = {file: sha256_file(file) for file in (good, other)}
    broken = folder / "broken.pt"
    content = bytearray(Path(good).read_bytes())
    # Where the index is, in both of the marks that end an archive of torch.
    for mark, at, width in ((b"PK\x05\x06", 16, 4), (b"PK\x06\x06", 48, 8)):
        begin = content.rindex(mark) + at
        content[begin : begin + width] = (len(content) - 5).to_bytes(width, "little")
    broken.write_bytes(content)

    def deck(style: str, *files: object) -> list[str]:
        names = " ".join(f'"{file}"' for file in files)
        return [
            "units metal",
            f'read_data "{folder}/atoms.data"',
            f"pair_style egraff device cpu {style}",
            f"pair_coeff * * {names} Ge Te",
            "run 0 post no",
        ]

    right, wrong = hashes[good], hashes[good].translate(str.maketrans("0123", "1230"))
    contract = "extra/egraff_contract.json"
    decks = {
        "right": deck(f"sha256 {right}", good),
        "right in capitals": deck(f"sha256 {right.upper()}", good),
        "any": deck("sha256 none", good),
        "ensemble": deck(f"sha256 {right},{right}", good, good),
        "second any": deck(f"sha256 {right},none", good, good),
        "wrong": deck(f"sha256 {wrong}", good),
        "second wrong": deck(f"sha256 {right},{wrong}", good, good),
        "not even a model": deck(f"sha256 {right}", other),
        "one too few": deck(f"sha256 {right}", good, good),
        "too short": deck(f"sha256 {right[:12]}", good),
        "device": deck("", "/dev/zero"),
        "contract": deck("", bomb(folder / "contract.pt", model, contract)),
        "version": deck("", bomb(folder / "version.pt", model, "version")),
        "constants": deck("", bomb(folder / "constants.pt", model, "data/0", copies=2)),
        "overlap": deck("", bomb(folder / "overlap.pt", model, "code/x.py", 10**9, copies=900)),
        "understated": deck("", bomb(folder / "understated.pt", model, contract, stated=1000)),
        "broken": deck("", broken),
        "hash comes first": deck(f"sha256 {right}", folder / "understated.pt"),
    }
    found: dict[str, list[str]] = {}
    for ranks in (1, 2):
        job = folder / f"job{ranks}.json"
        job.write_text(json.dumps(decks))
        (folder / "driver.py").write_text(DRIVER)
        program = [sys.executable, str(folder / "driver.py"), str(job)]
        done = subprocess.run(
            [mpi_program("mpiexec"), "-n", str(ranks), *program],
            timeout=TIME_LIMIT_SECONDS,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        for rank in range(ranks):
            for name, message in json.loads(Path(f"{job}.{rank}").read_text()).items():
                found.setdefault(name, []).append(message)
    return found, right, wrong


EXPECTED = {
    "right": "",
    "right in capitals": "",
    "any": "",
    "ensemble": "",
    "second any": "",
    "wrong": "expected sha256 {wrong} of model.pt, got {right}: nothing of the file was",
    "second wrong": "expected sha256 {wrong} of model.pt, got {right}",
    "not even a model": "expected sha256 {right} of other.pt, got ",
    "one too few": "expected one sha256 for each of 2 model file(s), got 1",
    "too short": "expected sha256 none or 64 hexadecimal digits",
    "device": "expected a model file, but '/dev/zero' cannot be read",
    "contract": "expected a model file that unpacks to texts of at most 64 MB, got 9.",
    "version": "version': nothing of it was unpacked",
    "constants": "expected a model file that unpacks to at most ",
    "overlap": "expected a model file that unpacks to at most ",
    "understated": "its contract is damaged",
    "broken": "got a damaged archive (its index is not whole)",
    "hash comes first": "expected sha256 {right} of understated.pt, got ",
}


@pytest.mark.mpi
@pytest.mark.parametrize("name", EXPECTED)
def test_one_line_on_every_rank(told, name):
    messages, right, wrong = told
    assert len(messages[name]) == 3
    for message in messages[name]:
        if not EXPECTED[name]:
            assert message == ""
            continue
        plain = re.sub(r"(?<= of )/\S*/(?=\w+\.pt)", "", message)
        assert EXPECTED[name].format(right=right, wrong=wrong) in plain, message
        assert "Exception raised from" not in message  # no C++ trace


@pytest.mark.mpi
def test_no_bomb_went_off(told):
    messages, _, _ = told
    assert max(messages["bytes"]) < MOST_BYTES
