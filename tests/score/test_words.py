"""Every fact that scoring states has a sentence, and every sentence has its fact."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from string import Formatter

import pytest

from egraff_lmp.score import Fact, Judge, Lifetime, RunEnd, Score
from egraff_lmp.score.words import SENTENCES, explain, say

PACKAGE = Path(inspect.getfile(say)).parent.parent


def facts() -> list[tuple[str, ast.Call]]:
    """Every `Fact(...)` about scores in the package, with its file."""
    return [
        (path.name, node)
        for folder in ("score", "bench")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fact"
    ]


def codes(call: ast.Call) -> list[str]:
    """The codes that a call may have: a constant, or one of two."""
    first = call.args[0]
    options = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
    assert all(isinstance(option, ast.Constant) for option in options), ast.unparse(call)
    return [option.value for option in options]  # type: ignore[attr-defined]


def fields(code: str) -> tuple[set[str], set[str]]:
    """The values that a sentence needs, and those that it may have besides."""
    sentence = SENTENCES[code]
    if isinstance(sentence, str):
        return {name for _, name, _, _ in Formatter().parse(sentence) if name}, set()
    parameters = inspect.signature(sentence).parameters.values()
    optional = {p.name for p in parameters if p.default is not p.empty}
    return {p.name for p in parameters} - optional, optional


@pytest.mark.parametrize(("file", "call"), facts(), ids=lambda x: x if isinstance(x, str) else "")
def test_a_fact_has_a_sentence_with_its_values(file: str, call: ast.Call) -> None:
    for code in codes(call):
        assert code in SENTENCES, f"{file}: {code}"
        given = call.args[1] if len(call.args) > 1 else ast.Dict([], [])
        if not isinstance(given, ast.Dict) or None in given.keys:
            continue  # put together elsewhere; whole scorings are explained in other tests
        names = {key.value for key in given.keys if isinstance(key, ast.Constant)}
        needed, optional = fields(code)
        assert needed <= names <= needed | optional, f"{file}: {code}"


def test_no_sentence_is_left_over() -> None:
    stated = {code for _, call in facts() for code in codes(call)}
    assert set(SENTENCES) == stated


def test_what_is_not_a_number_can_be_said() -> None:
    cause = Fact("temperature-out-of-bounds", {"kelvin": None, "low": 1.0, "high": 2.0})
    assert say(cause) == "the temperature is nan K, and 1 to 2 K are allowed"
    bond = Fact("broken-bond", {"bond": "", "length": None, "equilibrium": 1.0})
    assert say(bond) == "bond is nan A long, 1.00 A at equilibrium"


def test_messages_of_lammps_are_told_whole() -> None:
    message = "lost; {atoms}: original 4 current 3"
    assert say(Fact("lammps", {"message": message})) == message


def test_a_score_is_explained_in_full() -> None:
    lost = RunEnd(3, Fact("lost-atoms", {"left": 3, "of": 4, "step": 30}))
    score = Score(
        "stability", "egraff", "stability", "", "fs", 45.0,
        window=Fact("frames", {"frames": 7, "fs": 60.0, "rollouts": 2}),
        facts=(Fact("temperature-not-told"),), lifetimes=(Lifetime(60.0), Lifetime(30.0, lost)),
        judge=Judge(("a", "b", "c"), 0.25),
    )  # fmt: skip
    assert explain(score) == [
        "7 frames over 60 fs (first rollout)",
        "1 of 2 rollouts reached their end (a lower bound)",
        "rollout 2 at 30 fs: 3 of 4 atoms left at step 30",
        "the temperature was not checked, as no rollout tells it",
        "judged by a committee, the mean of a, b and c, whose FV against each other is 0.25",
    ]


def test_absence_is_explained() -> None:
    absent = Score("wf", "egraff", "structure", "total", "%", absence=Fact("no-finite-frame"))
    assert explain(absent) == ["not available: no frame of the rollouts is finite"]


def test_facts_of_earlier_versions_have_their_sentences() -> None:
    """Scores of old folders are shown by newer pages."""
    known = {"whose": "rollouts", "value": 0.5, "low": None, "high": None}
    assert say(Fact("diffusivity", known)) == "D of the rollouts is 0.5 A^2/ps, 5e-09 m^2/s"
    old = Fact("not-diffusive", {"whose": "reference", "exponent": 1.6})
    assert say(old) == "the reference is not diffusive there: MSD ~ t^1.60"
