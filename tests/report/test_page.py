"""The page: every number is on it, nothing is fetched, what is missing is said."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from synthetic_results import (
    SETTINGS,
    of_models,
    places,
    results,
    score,
    system,
    value_of,
    with_scores,
)

from egraff_lmp.errors import EgraffError
from egraff_lmp.report.figures import draw_all
from egraff_lmp.report.numbers import number
from egraff_lmp.report.page import SECTIONS, render, write_page
from egraff_lmp.report.sections.scores import GROUPS
from egraff_lmp.results.record import FAILED, ModelResult, Reference, Results, System, Trouble
from egraff_lmp.score.records import (
    COMPARISONS,
    RERUN_ORACLE,
    RERUN_REFERENCE,
    STRUCTURE,
    TRAJECTORY,
    Fact,
)
from egraff_lmp.score.table import METRICS

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
        if not self.stack or self.stack[-1] not in ("style", "script"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return plain(" ".join(self.words))


def plain(text: str) -> str:
    return " ".join(text.replace("\u202f", " ").replace("\u00a0", " ").split())


@pytest.fixture(scope="module")
def one() -> Page:
    return Page(render(results(1, 2), draw_all(results(1, 2))))


@pytest.fixture(scope="module")
def several() -> Page:
    return Page(render(results(3, 3, 1)))


# --- one system


def test_captions_speak_of_negative_controls_where_there_are_some() -> None:
    pages = [render(given, draw_all(given)) for given in (results(3, 3, 1), results(3, 3))]
    for words in ("Negative controls take no part", "a negative control beyond the scale"):
        assert [words in text for text in pages] == [True, False]


@pytest.mark.parametrize("model", [0, 1])
def test_every_value_of_one_system_is_on_its_page(one: Page, model: int) -> None:
    words = set(one.text.split())
    for place in places():
        value = value_of(0, model, *place)
        assert number(value).split("\u202f")[0] in words, place


@pytest.mark.parametrize(
    "shown",
    [
        "350 / 2", "rollout frames from 25 on, r < 8.5 A in bins of 0.05 A",
        "interval over 12 blocks", "64 atoms (32 Cd 32 Te), periodic", "650, one every 10 fs",
        "3 training frames that are held out as well", "sw, CdTe.sw (ships with LAMMPS)",
        "frames 210 to 289, every 5th: 16 frames", "NVT, Nosé–Hoover, 300 K, time constant 100 fs",
        "Maxwell–Boltzmann at 300 K, seeds 7, 8", "a temperature outside 0 to 900 K",
        "2 MPI ranks, 1 thread each, cpu", "41 233", "4.60 Å" , "0b" * 32, "ef" * 32, "fe" * 32,
        "cd" * 32, "done earlier, 2 attempts", "37 epochs, best 31; ended because: patience",
        "A. Author, A title (2020)", "2 × Example CPU, 16 cores", "LAMMPS 22 Jul 2025", "seed: 7",
        "message passing, 2 layers, exchanges 32, 64 numbers per ghost atom",
        "strictly local, 2 layers, no exchange", "64 atoms on 2 MPI ranks of 1 thread",
        "hardware 2 × Example CPU; precision float32", "FV is 0.7071 for every model",
        "were trained on 200 frames of a classical potential", "2 of 2 rollouts reached their end",
    ],
)  # fmt: skip
def test_what_is_known_is_on_the_page(one: Page, shown: str) -> None:
    assert plain(shown.replace("4.60 Å", "4.6 Å")) in one.text


def test_a_card_has_the_comparison_that_says_most() -> None:
    """The exact answer on the model's own frames, then reference frames; equal times come last."""
    whole = results(1, 1)
    (model,) = whole.systems[0].models
    told = []
    for left in ((RERUN_ORACLE, RERUN_REFERENCE, TRAJECTORY), (RERUN_REFERENCE, TRAJECTORY),
                 (TRAJECTORY,)):  # fmt: skip
        scores = model.scores
        assert scores is not None
        known = [one for one in scores.scores if one.key != "fv"]
        known += [score(0.1, "fv", comparison) for comparison in left]
        changed = replace(model, scores=replace(scores, scores=tuple(known)))
        shown = Page(render(of_models(whole, lambda s, one, m=changed: m))).text
        told += [c for c in left if f"Force violation, {c}" in shown]
    assert told == [RERUN_ORACLE, RERUN_REFERENCE, TRAJECTORY]


def test_units_stand_beside_the_numbers(one: Page) -> None:
    for unit in ("meV/atom", "meV/Å", "ms/step", "µs/atom/step", "%", "bit", "(s)", "ns/day"):
        assert unit in one.text


@pytest.mark.parametrize("systems", [1, 3])
def test_the_page_fetches_nothing(systems: int) -> None:
    text = render(results(systems, 2), draw_all(results(systems, 2)))
    page = Page(text)
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "embed"}
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on"), (tag, name)
            if name in ("src", "srcset", "action"):
                assert value is not None
                assert value.startswith("data:"), (tag, value[:60])
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttp", text)


def test_each_figure_is_there_with_a_text_alternative(one: Page) -> None:
    images = [attributes for tag, attributes in one.tags if tag == "img"]
    assert len(images) == 10
    assert all(image["alt"] for image in images)
    assert all(str(image["src"]).startswith("data:image/png;base64,") for image in images)


def bare(systems: int, **changes: Any) -> Results:
    nothing = {"scores": None, "costs": (), "card": None, "training": None, "rollouts": ()}
    return of_models(
        results(systems, 2), lambda s, one: replace(one, state=FAILED, **nothing, **changes)
    )


def test_missing_parts_are_stated_and_do_not_break_the_page() -> None:
    page = Page(render(bare(1)))
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert page.text.count("There are no such scores") == len(GROUPS) - 1  # but the paper's forms
    assert "No model gave a result" in page.text
    assert "not deployed" in page.text
    page = Page(render(bare(3)))
    assert "There are no scores: no model reached the scoring stage" in page.text
    assert "There is no figure" in page.text


def test_a_system_without_a_reference_says_why() -> None:
    whole = results(1, 1)
    only = whole.systems[0]
    reference = Reference(reason="no such potential.")
    text = Page(render(replace(whole, systems=(replace(only, reference=reference),)))).text
    assert "The reference trajectory could not be had: no such potential." in text


def test_troubles_stand_beside_the_results_and_are_escaped() -> None:
    broke = Trouble("rollout-allegro-1", "lost atoms <of 100>", 17)

    def change(where: System, one: ModelResult) -> ModelResult:
        return replace(one, troubles=(broke,)) if one.model.name == "allegro" else one

    for systems in (1, 3):
        raw = render(of_models(results(systems, 3), change))
        assert "rollout-allegro-1: lost atoms <of 100> after 17 steps." in html.unescape(raw)
        assert "<of 100>" not in raw


def test_what_users_write_is_escaped() -> None:
    evil = "<script>alert(1)</script>"
    for systems in (1, 2):
        whole = results(systems, 2)
        settings = {**SETTINGS, "remarks": (evil,)}
        marked = tuple(replace(one, settings=settings) for one in whole.systems)
        raw = render(replace(whole, title=evil, remarks=(evil,), config=evil, systems=marked))
        assert "<script>alert" not in raw
        assert html.escape(evil) in raw


def test_a_page_without_models_is_a_page() -> None:
    whole = replace(results(1, 1), models=(), systems=(system(0, ()),))
    assert "There are no such scores" in Page(render(whole)).text


def test_the_same_numbers_give_the_same_bytes() -> None:
    texts = [render(results(1, 2), draw_all(results(1, 2)), written="now") for _ in range(2)]
    assert texts[0] == texts[1]


# --- several systems


def test_headline_metrics_are_in_full_and_every_other_one_is_collapsed(several: Page) -> None:
    ids = {attributes.get("id"): tag for tag, attributes in several.tags if attributes.get("id")}
    for key, comparison, mode, part in places():
        if part not in ("", "total"):
            continue  # pairs of elements stand on the page of their system
        headline = comparison in METRICS[key].headline and mode == "egraff"
        name = f"{key}-{comparison}" + ("-paper" if mode == "paper" else "")
        assert ids[name] == ("h2" if headline else "details"), name
    words = set(several.text.split())
    for place in places():
        if place[3] in ("", "total") and place[0] != "finished_starts":
            assert number(value_of(2, 1, *place)).split("\u202f")[0] in words, place


def test_the_best_ordinary_model_of_a_row_is_bold(several: Page) -> None:
    best = [a for tag, a in several.tags if tag == "td" and "best" in str(a.get("class", ""))]
    assert best
    assert all(value["data-sort"] for value in best)


def test_what_failed_or_waits_is_told_once(several: Page) -> None:
    assert "system0, 300 K: botnet not run. not run yet, or not to its end" in several.text
    assert "1 has not been run" in several.text
    assert "2 force fields and 1 negative control" in several.text


def test_every_section_has_a_template_and_every_comparison_a_table() -> None:
    folder = Path(__file__).parents[2] / "egraff_lmp" / "report" / "sections"
    named = {f"{section.name}.html.j2" for section in SECTIONS}
    assert {path.name for path in folder.glob("*.j2")} == named | {"page.html.j2", "parts.html.j2"}
    shown = [c for group in GROUPS if group.mode == "egraff" for c in group.comparisons]
    assert sorted(shown) == sorted(COMPARISONS)


def test_a_value_that_is_absent_says_why() -> None:
    gone = score(None, "fv", RERUN_REFERENCE, absence=Fact("no-rerun-reference"))
    said = "not available: the model was not re-evaluated on the reference frames"
    for systems in (1, 2):
        raw = render(of_models(results(systems, 2), lambda s, m: with_scores(m, gone)
                               if m.scores else m))  # fmt: skip
        assert said in raw


@pytest.mark.parametrize("systems", [1, 3])
def test_links_lead_to_files(tmp_path: Path, systems: int) -> None:
    whole = results(systems, 2)
    pages = []
    for one in whole.systems:
        (tmp_path / one.name).mkdir()
        (tmp_path / one.name / "report.html").write_text("page")
        pages.append(replace(one, page=tmp_path / one.name / "report.html"))
    path = write_page(
        replace(whole, systems=tuple(pages)), tmp_path / "all.html", tables=tmp_path / "all-files"
    )
    links = set(re.findall(r'href="([^"#]+)"', path.read_text()))
    assert {"all-files/scores.csv", "all-files/scores.json"} <= links
    assert ("cell0/report.html" in links) is (systems > 1)
    assert all((tmp_path / link).is_file() for link in links)


def test_a_cheap_page_has_the_map_and_writes_no_figures(tmp_path: Path) -> None:
    page = write_page(results(2, 2), tmp_path / "p.html", figures=False).read_text()
    assert page.count("data:image/png") == 1
    assert not (tmp_path / "p-files").exists()
    assert (tmp_path / "scores.csv").is_file()


def test_an_output_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x-files").write_text("a file")
    for path, message in (
        (tmp_path, "expected a file for the page, got a folder"),
        (tmp_path / "no" / "x.html", "does not: make it"),
        (tmp_path / "x.html", "expected a folder for the figures, got a file"),
    ):
        with pytest.raises(EgraffError, match=message):
            write_page(results(1, 1), path)


def test_a_floor_stands_in_the_table(several: Page) -> None:
    floor = number(round(0.5 * value_of(2, 0, "wf", STRUCTURE, part="total"), 6))
    assert floor in several.text.split()
