"""The page in a real browser: no errors, no network, tables that sort, nothing that overflows."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from synthetic_results import results

from egraff_lmp.report.page import write_page

webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
                None)  # fmt: skip
DRIVER = shutil.which("chromedriver")
FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
         "--disable-sync", "--no-first-run", "--disable-dev-shm-usage")  # fmt: skip
NARROW, WIDE, HEIGHT = 400, 1300, 900
DASH = "–"

# Requests of the page itself; the browser may have others of its own.
REQUESTS = "return performance.getEntriesByType('resource').map(e => e.name)"
ADDRESSES = """return [...document.querySelectorAll("[src],link[href]")]
  .map(e => e.getAttribute("src") || e.getAttribute("href"))"""
BROKEN = "return [...document.images].filter(i => !i.complete || !i.naturalWidth).length"
# What sticks out of the window although no wrapper scrolls it.
OUTSIDE = """return [...document.body.querySelectorAll("*")].filter(e =>
  !e.closest(".scroll, pre") && e.getBoundingClientRect().right > innerWidth + 1).length"""
COLUMN = """const table = document.querySelectorAll("table.sortable")[arguments[0]];
  return [...table.tBodies[0].rows].map(r => {
    const c = r.cells[arguments[1]]; return [c.dataset.sort, c.innerText]; })"""
CLICK = """document.querySelectorAll("table.sortable")[arguments[0]].tHead.rows[0]
  .cells[arguments[1]].querySelector("button").click()"""
SORTED = """return document.querySelectorAll("table.sortable")[arguments[0]].tHead.rows[0]
  .cells[arguments[1]].getAttribute("aria-sort")"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    if CHROMIUM is None or DRIVER is None:
        pytest.skip("needs chromium and chromedriver on the PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(results(6, 6, 1), tmp_path_factory.mktemp("several") / "report.html")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(results(1, 3, 1), tmp_path_factory.mktemp("one") / "report.html")


@pytest.fixture(params=["several", "one"])
def opened(request: pytest.FixtureRequest, browser: Any) -> Any:
    browser.get(request.getfixturevalue(request.param).as_uri())
    return browser


def width(browser: Any, pixels: int) -> None:
    metrics = {"width": pixels, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def test_the_page_opens_without_errors_and_asks_the_network_for_nothing(opened: Any) -> None:
    assert opened.title == "A matrix of closed forms"
    assert opened.get_log("browser") == []
    assert [a for a in opened.execute_script(REQUESTS) if not a.startswith("data:")] == []
    addresses = opened.execute_script(ADDRESSES)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)


def test_every_picture_is_one(opened: Any) -> None:
    assert opened.execute_script("return document.images.length") >= 4
    assert opened.execute_script(BROKEN) == 0


def test_the_links_lead_somewhere(opened: Any) -> None:
    script = "return [...document.links].map(a => a.getAttribute('href'))"
    links = opened.execute_script(script)
    here = [link[1:] for link in links if link.startswith("#")]
    assert len(here) >= 5
    for name in here:
        assert opened.execute_script("return !!document.getElementById(arguments[0])", name)
    folder = Path(opened.current_url.removeprefix("file://")).parent
    files = [link for link in links if link.startswith("report-files/")]
    assert len(files) >= 8
    assert all((folder / link).is_file() for link in files)


def numbers(found: list[list[str]]) -> tuple[list[float], list[str]]:
    """The numbers of a column in order, and what stands below the last of them."""
    filled = [bool(key) for key, _ in found]
    count = sum(filled)
    assert all(filled[:count]), "a dash stands above a number"
    return [float(key) for key, _ in found[:count]], [text for _, text in found[count:]]


def test_a_click_sorts_numbers_both_ways_with_dashes_last(browser: Any, several: Path) -> None:
    browser.get(several.as_uri())
    kinds = browser.execute_script(
        "return [...document.querySelectorAll('table.sortable')].map(t => t.className)"
    )
    paper = next(k for k, name in enumerate(kinds) if "paper" in name)
    # In the first headline table the last model has a dash; in a rebuilt one most rows have.
    for table, column in ((0, 6), (paper, 2)):
        browser.execute_script(CLICK, table, column)
        assert browser.execute_script(SORTED, table, column) == "ascending"
        up, rest = numbers(browser.execute_script(COLUMN, table, column))
        assert len(up) >= 2
        assert rest
        assert all(text.startswith(DASH) or "not run" in text for text in rest)
        assert up == sorted(up)
        browser.execute_script(CLICK, table, column)
        assert browser.execute_script(SORTED, table, column) == "descending"
        down, rest = numbers(browser.execute_script(COLUMN, table, column))
        assert down == sorted(up, reverse=True)
        assert rest
    # The first column is words.
    browser.execute_script(CLICK, paper, 0)
    names = [key for key, _ in browser.execute_script(COLUMN, paper, 0)]
    assert names == sorted(names, key=str.lower)


@pytest.mark.parametrize("pixels", [NARROW, WIDE])
def test_only_the_wrappers_of_tables_and_figures_scroll_sideways(opened: Any, pixels: int) -> None:
    width(opened, pixels)
    opened.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert opened.execute_script("return innerWidth") == pixels
    assert opened.execute_script("return document.documentElement.scrollWidth") <= pixels
    assert opened.execute_script(OUTSIDE) == 0
