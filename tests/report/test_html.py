"""The page: every number is on it, nothing is fetched, what is missing is said."""

from __future__ import annotations

import base64
import html
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from synthetic import failed_model, full_report, model

from egraff_lmp.report import Curve, Report, render, write_report

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags, attributes and visible text; refuses tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        if self.stack:
            raise AssertionError(f"unclosed: {self.stack}")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.stack or self.stack.pop() != tag:
            raise AssertionError(f"</{tag}> closes another tag")

    def handle_data(self, data: str) -> None:
        if not self.stack or self.stack[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        words = " ".join(" ".join(self.words).split())
        return words.replace("\u202f", " ").replace("\u00a0", " ")


@pytest.fixture(scope="module")
def page() -> Page:
    return Page(render(full_report()))


@pytest.mark.parametrize(
    "shown",
    [
        "5.67", "4.56 – 6.78", "1.23",  # Wright's factor, interval, floor
        "0.321", "0.0151",  # the form of the paper, its own floor
        "0.00123", "2.10 × 10⁻⁴",
        "0.0412", "0.0389", "0.698", "0.707",
        "3.21", "4.32", "54.3", "76.5", "987", "123",
        "101", "37", "12.3", "193", "3 456", "float32",
        "not available: DFT cannot be rerun",
        "2 × Example CPU", "41 233", "ab" * 32, "cd" * 32,
        "held-out part, 2.46 ps", "Nosé–Hoover, 0.1 ps", "name: demo",
        "After decorrelation FV says nothing about the model.",
    ],
)  # fmt: skip
def test_every_number_of_the_record_is_on_the_page(page: Page, shown: str) -> None:
    assert " ".join(shown.split()) in page.text


def test_units_stand_beside_the_numbers(page: Page) -> None:
    for unit in ("meV/atom", "meV/Å", "(ms)", "(µs)", "%", "bit", "(s)"):
        assert unit in page.text


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text = render(full_report())
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "href", "srcset", "action"):
                assert value is not None
                assert value.startswith("data:"), (tag, value[:60])
    assert not re.search(r"https?://|@import|url\(", text)


def test_each_figure_is_there_with_a_text_alternative(page: Page) -> None:
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) == 4
    for image in images:
        assert image["alt"]
        svg = base64.b64decode(str(image["src"]).split(",", 1)[1]).decode()
        assert svg.rstrip().endswith("</svg>")


def test_missing_parts_are_stated_and_do_not_break_the_page() -> None:
    empty = model(
        "bare", "Bare", "message passing", 0,
        accuracy=None, cost=None, scores=(), rdf={}, energy_violation={}, force_violation={},
        temperature=(), energy_learning=(), force_learning=(), facts=(),
    )  # fmt: skip
    page = Page(render(full_report(models=(empty,), rdf={}, limits=())))
    text = page.text
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert text.count("No figure:") == 4
    for sentence in (
        "No accuracy:",
        "No scores of structure:",
        "No scores of energies",
        "No cost:",
    ):
        assert sentence in text
    assert "No model gave a result" in text


def test_a_failed_model_stands_beside_the_others_with_its_reason() -> None:
    report = full_report(models=(model("nequip", "NequIP", "message passing", 0), failed_model()))
    raw = render(report)
    text = Page(raw).text
    assert "MACE: rollout 1 gave no result." in text
    assert "lost atoms at step 17" in text
    assert html.escape("<of 100>") in raw
    assert "<of 100>" not in raw
    assert "5.67" in text


def test_a_report_without_models_is_a_page() -> None:
    assert "No scores of structure:" in Page(render(full_report(models=()))).text


@pytest.mark.parametrize(("wf", "verdict"), [(8.99, "passes"), (9.01, "fails")])
def test_the_finding_follows_the_number(wf: float, verdict: str) -> None:
    good = model("nequip", "NequIP", "message passing", 0)
    scores = [replace(good.scores[0], value=wf), *good.scores[1:]]
    text = Page(render(full_report(models=(replace(good, scores=scores),)))).text
    assert f"{verdict} the 9 % criterion" in text


def test_a_score_below_the_floor_is_not_called_better_than_the_reference() -> None:
    good = model("nequip", "NequIP", "message passing", 0)
    scores = [replace(good.scores[0], value=1.0, floor=1.2)]
    text = Page(render(full_report(models=(replace(good, scores=scores),)))).text
    assert "no error of structure can be seen on this much data" in text


@pytest.mark.parametrize(("last", "said"), [(0.059, False), (0.061, True)])
def test_a_rollout_that_leaves_what_the_model_knows_is_told(last: float, said: bool) -> None:
    good = model("nequip", "NequIP", "message passing", 0)
    curve = Curve("", list(range(10)), [0.04] * 8 + [last] * 2)
    changed = replace(good, force_violation={"rerun-oracle": curve})
    text = Page(render(full_report(models=(changed,)))).text
    assert ("It grows along them, from 0.040 to 0.061" in text) is said


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    def write(report: Report, name: str) -> bytes:
        return write_report(report, tmp_path / name).read_bytes()

    assert write(full_report(), "a.html") == write(full_report(), "b.html")
