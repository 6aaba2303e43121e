"""Every documented misuse gives its documented message, on all ranks, and leaves LAMMPS alive.

Run inside one mpiexec per rank count: LAMMPS as a library raises what it would print and end with.
A rank that does not get the error would hang in the next case; the time limit turns that into a
failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from decks import TIME_LIMIT_SECONDS

from egraff_lmp.compare import Case, evaluate_in_lammps
from egraff_lmp.paths import mpi_program
from egraff_lmp.rollout.datafile import write_data_file

DRIVER = """
import json, sys
import egraff_lmp, lammps

job = json.load(open(sys.argv[1]))
results = []
for case in job["cases"]:
    lmp = lammps.lammps(cmdargs=["-log", "none", "-screen", "none"])
    try:
        lmp.commands_list(case["commands"])
        message = "no error"
    except Exception as error:
        message = str(error)
    rank = lmp.extract_setting("world_rank")
    results.append({"name": case["name"], "message": message})
    lmp.close()
with open(sys.argv[1] + f".{rank}", "w") as stream:
    json.dump(results, stream)
"""


def deck(
    data: Path,
    model: object,
    *,
    units: str = "units metal",
    style: str = "pair_style egraff",
    coeff: str = 'pair_coeff * * "{model}" Ge Te',
    atom_style: str = "atomic",
    masses: tuple[str, ...] = (),
    after: tuple[str, ...] = (),
) -> list[str]:
    return [
        units,
        f"atom_style {atom_style}",
        f'read_data "{data}"',
        *masses,
        style,
        coeff.format(model=model),
        *after,
        "run 0",
    ]


def wrong_files(folder: Path, model: Path) -> dict[str, Path]:
    """Files that are not deployed models, each as it really occurs."""
    files = {
        name: folder / name
        for name in (
            "truncated.pt",
            "empty.pt",
            "text.pt",
            "checkpoint.pt",
            "pickle.pt",
            "script.pt",
            "newer schema.pt",
            "broken contract.pt",
            "archive.zip",
        )
    }
    files["truncated.pt"].write_bytes(model.read_bytes()[:-5000])
    files["empty.pt"].write_bytes(b"")
    files["text.pt"].write_text("pair_style lj/cut\n")
    torch.save({"state_dict": {}}, files["checkpoint.pt"])
    torch.save({"a": 1}, files["pickle.pt"], _use_new_zipfile_serialization=False)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(files["script.pt"]))
    scripted = torch.jit.load(str(model))
    member = "egraff_contract.json"
    newer = json.dumps({"kind": "egraff deployed force field", "schema": 99})
    torch.jit.save(scripted, str(files["newer schema.pt"]), _extra_files={member: newer})
    broken = json.dumps({"kind": "egraff deployed force field", "schema": 1})
    torch.jit.save(scripted, str(files["broken contract.pt"]), _extra_files={member: broken})
    with zipfile.ZipFile(files["archive.zip"], "w") as archive:
        archive.writestr("hello.txt", "hello")
    return files


FILE_MESSAGES = {
    "truncated.pt": "a truncated file",
    "empty.pt": "an empty file",
    "text.pt": "a file that is no TorchScript archive",
    "checkpoint.pt": "a training checkpoint: turn it into a model file with 'egraff deploy",
    "pickle.pt": "a Python pickle",
    "script.pt": "a TorchScript file without an egraff contract",
    "newer schema.pt": "expected a contract of schema 1 or older, got 99",
    "broken contract.pt": "its contract lacks or misstates a field",
    "archive.zip": "a zip archive of another kind",
}


@pytest.fixture(scope="module")
def messages(made_structures, model, tmp_path_factory):
    """name of the case -> message, per rank, for 1, 2 and 4 ranks."""
    folder = tmp_path_factory.mktemp("misuse")
    structure = made_structures["left-handed"]
    data = folder / "ge te.data"
    write_data_file(data, structure, ("Ge", "Te"))
    path = model("nequip", "float64")

    cases = {name: deck(data, file) for name, file in wrong_files(folder, path).items()}
    cases |= {
        "missing file": deck(data, folder / "nowhere.pt"),
        "bare": deck(data, path, coeff="pair_coeff * *"),
        "not star": deck(data, path, coeff='pair_coeff 1 2 "{model}" Ge Te'),
        "missing element": deck(data, path, coeff='pair_coeff * * "{model}" Ge'),
        "extra element": deck(data, path, coeff='pair_coeff * * "{model}" Ge Te S'),
        "unknown element": deck(data, path, coeff='pair_coeff * * "{model}" Ge Xx'),
        "null element": deck(data, path, coeff='pair_coeff * * "{model}" Ge NULL'),
        "misordered": deck(data, path, coeff='pair_coeff * * "{model}" Te Ge'),
        "wrong mass": deck(data, path, masses=("mass 1 65.0",)),
        "isotope allowed": deck(
            data, path, masses=("mass 1 70.0",), style="pair_style egraff masses no"
        ),
        "keyword": deck(data, path, style="pair_style egraff devise cpu"),
        "no value": deck(data, path, style="pair_style egraff device"),
        "device": deck(data, path, style="pair_style egraff device tpu"),
        "no gpu": deck(data, path, style="pair_style egraff device cuda"),
        "threads word": deck(data, path, style="pair_style egraff threads many"),
        "threads zero": deck(data, path, style="pair_style egraff threads 0"),
        "threads too many": deck(data, path, style="pair_style egraff threads 1000"),
        "check word": deck(data, path, style="pair_style egraff check maybe"),
        "units real": deck(data, path, units="units real"),
        "units si": deck(data, path, units="units si", masses=("mass 1 1.2e-25",)),
        "units lj": deck(data, path, units="units lj", masses=("mass * 1.0",)),
        "respa": deck(data, path, after=("run_style respa 2 2 pair 1",)),
        "exclude groups": deck(
            data,
            path,
            after=("group a type 1", "group b type 2", "neigh_modify exclude group a b"),
        ),
        "exclude": deck(data, path, after=("neigh_modify exclude type 1 1",)),
        "exclude dynamic": deck(
            data,
            path,
            # In the other order LAMMPS refuses by itself.
            after=(
                "group hot type 1",
                "neigh_modify exclude group hot all",
                "group hot dynamic all every 1",
            ),
        ),
        "include": [
            "atom_modify map yes first some",
            *deck(data, path)[:-1],
            "group some type 1",
            "neigh_modify include some",
            "run 0",
        ],
        "atom_modify first": [
            "atom_modify map yes first some",
            *deck(data, path)[:-1],
            "group some type 1",
            "run 0",
        ],
        "neighbor multi with halo": deck(
            data, path, style="pair_style egraff exchange no", after=("neighbor 1.0 multi",)
        ),
        "neighbor multi with check": deck(
            data, path, style="pair_style egraff check yes", after=("neighbor 1.0 multi",)
        ),
        "neighbor multi": deck(data, path, after=("neighbor 1.0 multi",)),
        "exchange word": deck(data, path, style="pair_style egraff exchange off"),
        "deviation without action": deck(data, path, style="pair_style egraff deviation 0.1"),
        "deviation limit": deck(data, path, style="pair_style egraff deviation -1 stop"),
        "deviation of one": deck(data, path, style="pair_style egraff deviation 0.1 stop"),
        "deviation file": deck(
            data,
            path,
            style="pair_style egraff deviation 1e-9 /nowhere/x.dump",
            coeff=f'pair_coeff * * "{{model}}" "{model("mace", "float64")}" Ge Te',
        ),
        "missing second file": deck(data, path, coeff='pair_coeff * * "{model}" nowhere.pt Ge Te'),
        "multi with halo": deck(
            data,
            path,
            style="pair_style egraff exchange no",
            after=("neighbor 1.0 multi", "comm_modify mode multi"),
        ),
        "hybrid takes a pair": deck(
            data,
            path,
            style="pair_style hybrid egraff lj/cut 4.0",
            coeff='pair_coeff * * egraff "{model}" Ge Te',
            after=("pair_coeff 1 2 lj/cut 0.1 2.5",),
        ),
        "hybrid without elements": deck(
            data,
            path,
            style="pair_style hybrid/overlay egraff zero 4.0",
            coeff='pair_coeff * * egraff "{model}" NULL NULL',
        ),
        "compute without name": deck(data, path, after=("compute q all egraff/atom",)),
        "compute of another name": deck(data, path, after=("compute q all egraff/atom charge",)),
        "compute of one deviation": deck(
            data, path, after=("compute q all egraff/atom deviation",)
        ),
        "compute before the style": [
            *deck(data, path)[:3],
            "compute q all egraff/atom features",
        ],
        "bonds": [
            "units metal",
            "atom_style bond",
            "region box block 0 9 0 9 0 9",
            "create_box 2 box bond/types 1 extra/bond/per/atom 2 extra/special/per/atom 4",
            "create_atoms 1 single 1 1 1",
            "create_atoms 2 single 3 1 1",
            "mass 1 72.63",
            "mass 2 127.6",
            "bond_style zero",
            "bond_coeff *",
            "create_bonds single/bond 1 1 2",
            "pair_style egraff",
            f'pair_coeff * * "{path}" Ge Te',
            "run 0",
        ],
        "no coeff": [*deck(data, path)[:4], "run 0"],
        "fine": deck(data, path),
    }
    job = folder / "job.json"
    job.write_text(json.dumps({"cases": [{"name": n, "commands": c} for n, c in cases.items()]}))
    driver = folder / "driver.py"
    driver.write_text(DRIVER)
    found = {}
    for ranks in (1, 2, 4):
        subprocess.run(
            [mpi_program("mpiexec"), "-n", str(ranks), sys.executable, str(driver), str(job)],
            check=True,
            timeout=TIME_LIMIT_SECONDS,
            capture_output=True,
        )
        for rank in range(ranks):
            for result in json.loads(Path(f"{job}.{rank}").read_text()):
                found.setdefault(result["name"], []).append(result["message"])
    return found


EXPECTED = {
    **FILE_MESSAGES,
    "missing file": "cannot be read: check the path",
    "bare": "expected a model file and 2 element(s) after '* *', got nothing",
    "not star": "* *",
    "missing element": "expected 2 element(s), one per atom type, got 1 ('Ge')",
    "extra element": "expected 2 element(s), one per atom type, got 3 ('Ge Te S')",
    "unknown element": "got 'Xx' for type 2",
    "null element": "expected an element for type 2, got NULL",
    "misordered": "expected a mass of 127.6 for type 1, which pair_coeff names Te, got 72.63",
    "wrong mass": "expected a mass of 72.63 for type 1, which pair_coeff names Ge, got 65",
    "isotope allowed": "no error",
    "keyword": "expected a keyword out of device, threads, check, masses, exchange, deviation, "
    "guard, max_force, min_distance, max_temperature, lost_atoms, sha256, got 'devise'",
    "no value": "expected a value after 'device', got the end of the line",
    "device": "expected device auto, cpu or cuda, got 'tpu'",
    "threads word": "expected threads auto or a whole number from 1, got 'many'",
    "threads zero": "expected threads auto or a whole number from 1, got '0'",
    "threads too many": "got 'threads 1000': use 'threads auto' or fewer ranks",
    "check word": "expected check yes or no, got 'maybe'",
    "units real": "no error",
    "units lj": "expected 'units metal' (A, eV, ps) or 'units real' (A, kcal/mol, fs), got "
    "'units lj'",
    "units si": "got 'units si'",
    "respa": "expected 'run_style verlet', got respa",
    "exclude groups": "expected no excluded pairs, got 'neigh_modify exclude'",
    "exclude": "expected no excluded pairs, got 'neigh_modify exclude'",
    "exclude dynamic": "expected a static group in 'neigh_modify exclude group', got the dynamic "
    "group hot",
    "include": "expected no 'neigh_modify include', got group some",
    "atom_modify first": "expected no 'atom_modify first' (nor 'comm_modify group', which needs "
    "it), got group some",
    "neighbor multi with halo": "expected 'neighbor SKIN bin' (or nsq) for 'exchange no', got "
    "neighbor multi",
    "neighbor multi with check": "expected 'neighbor SKIN bin' (or nsq) for 'check yes'",
    "neighbor multi": "no error",
    "exchange word": "expected exchange yes or no, got 'off'",
    "deviation without action": "expected a limit, and 'stop' or a file, after 'deviation'",
    "deviation limit": "expected a force above 0 after 'deviation', got '-1'",
    "deviation of one": "expected several model files in pair_coeff for the keyword deviation",
    "deviation file": "expected to append frames to '/nowhere/x.dump'",
    "missing second file": "expected a model file, but 'nowhere.pt' cannot be read",
    "multi with halo": "expected 'comm_modify mode single' for 'exchange no', got mode multi",
    "hybrid takes a pair": "expected all pairs of types 1 and 2 (Ge Te), got another style",
    "hybrid without elements": "expected an element for at least one type, got NULL for all",
    "compute without name": "expected names of per-atom results, got none",
    "compute of another name": "expected a result that the models offer (features), got 'charge'",
    "compute of one deviation": "give several model files in pair_coeff",
    "compute before the style": "expected 'pair_style egraff' and its pair_coeff before it",
    "bonds": "expected 'special_bonds lj/coul 1 1 1' for atoms with bonds (atom 1)",
    "no coeff": "All pair coeffs are not set",
    "fine": "no error",
}


@pytest.mark.mpi
@pytest.mark.parametrize("name", EXPECTED)
def test_message_on_every_rank(messages, name):
    assert len(messages[name]) == 1 + 2 + 4
    for message in messages[name]:
        assert EXPECTED[name] in message
        assert "Exception raised from" not in message  # no C++ trace


@pytest.mark.mpi
@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_no_gpu_is_an_error_only_if_asked_for(messages):
    for message in messages["no gpu"]:
        assert "expected a GPU for 'device cuda', got none" in message


@pytest.mark.mpi
def test_damaged_weights_fail_the_self_test(small_cell, model, tmp_path):
    """`check yes` finds a network that is not the one the contract was written for."""
    from egraff_lmp.contract import read_contract, save_deployed
    from egraff_lmp.errors import EgraffError

    good = model("mace", "float64")
    module = torch.jit.load(str(good))
    with torch.no_grad():
        next(module.parameters()).mul_(1.001)
    bad = tmp_path / "damaged.pt"
    save_deployed(module, read_contract(good), bad)
    evaluate_in_lammps([Case("unchecked", small_cell, bad)], 2)
    with pytest.raises(EgraffError, match="self test failed"):
        evaluate_in_lammps([Case("checked", small_cell, bad, style="check yes")], 2)


@pytest.mark.mpi
def test_lmp_ends_at_once_with_status_one(made_structures, model, tmp_path):
    """From a shell, under mpiexec: one ERROR line, no hang, no trace."""
    data = tmp_path / "x.data"
    write_data_file(data, made_structures["left-handed"], ("Ge", "Te"))
    lines = deck(data, model("nequip", "float64"), coeff='pair_coeff * * "{model}" Te Ge')
    (tmp_path / "in.bad").write_text("\n".join(lines) + "\n")
    lmp = Path(sys.executable).parent / "lmp"
    done = subprocess.run(
        [mpi_program("mpiexec"), "-n", "2", str(lmp), "-in", "in.bad", "-log", "none"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=TIME_LIMIT_SECONDS,
    )
    text = done.stdout + done.stderr
    assert done.returncode != 0
    assert text.count("ERROR: pair_style egraff") == 1
    assert "Ge (72.63)" in text
    assert "Traceback" not in text
    assert "terminate called" not in text
