"""The report in a real headless browser: no complaint, no request, all at hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from report_generation import page

from tests.images.report_generation.browser import CHROMIUM, Browser
from tests.images.report_generation.conftest import make_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from report_generation.summary import Results

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; .ci/run brings one")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    started = Browser.start(tmp_path_factory.mktemp("browser"))
    yield started
    started.close()


@pytest.fixture(scope="module")
def report(shared_results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_bytes(page.render(shared_results))
    return path


@pytest.fixture
def opened(browser: Browser, report: Path) -> Browser:
    browser.look()
    browser.open(report)
    return browser


class Table:
    """A table of the page, by what its caption begins with."""

    def __init__(self, browser: Browser, caption: str) -> None:
        self.browser = browser
        self.script = (
            "[...document.querySelectorAll('table')]"
            f".find((each) => each.caption.textContent.startsWith({caption!r}))"
        )

    def run(self, expression: str) -> Any:
        return self.browser.run(self.script + expression)

    def column(self, number: int) -> list[str]:
        """What is to be seen in a column."""
        found: list[str] = self.run(
            f".tBodies[0].querySelectorAll('tr:not([hidden]) > td:nth-child({number + 1})')"
            ".values().map((cell) => cell.textContent).toArray()"
        )
        return found

    def amounts(self, number: int) -> list[float]:
        return [amount(text) for text in self.column(number)]

    def sorting(self) -> list[str]:
        """What assistive technology is told of each column."""
        found: list[str] = self.run(
            ".tHead.querySelectorAll('th').values()"
            ".map((head) => head.getAttribute('aria-sort')).toArray()"
        )
        return found

    def click(self, number: int) -> None:
        self.run(f".tHead.querySelectorAll('button')[{number}].click()")


def amount(text: str) -> float:
    return float(text.replace(",", "").replace("\N{MINUS SIGN}", "-"))


@pytest.mark.parametrize("dark", [False, True])
def test_it_opens_from_the_disk_without_an_error_or_a_request(
    browser: Browser, report: Path, *, dark: bool
) -> None:
    browser.look(dark=dark)
    browser.open(report)
    assert browser.said() == []
    assert browser.requested() == []
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    shade = [int(number) for number in re.findall(r"\d+", ground)]
    assert (sum(shade) < 200) == dark


def test_this_test_would_notice(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(
        '<link rel="icon" href="data:,"><img src="http://127.0.0.1:9/pixel.png">'
        "<script>console.error('oh no'); nowhere();</script>"
    )
    browser.look()
    browser.open(path)
    said = "\n".join(browser.said())
    assert "oh no" in said
    assert "nowhere is not defined" in said
    assert browser.requested() == ["http://127.0.0.1:9/pixel.png"]


def test_no_script_but_its_own_may_run(opened: Browser) -> None:
    opened.run(
        "document.body.append(Object.assign(document.createElement('script'),"
        " { textContent: 'window.ran = true' }))"
    )
    assert opened.run("window.ran") is None
    assert "Content Security Policy" in "\n".join(opened.said())


def test_charts_are_drawn_with_a_size(opened: Browser, shared_results: Results) -> None:
    sizes = opened.run(
        "[...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect())"
        ".map((box) => [box.width, box.height])"
    )
    assert len(sizes) > 20
    assert all(width > 40 and height > 5 for width, height in sizes)
    assert opened.run("document.querySelectorAll('svg[role=img]').length") == 3
    assert opened.run("document.querySelectorAll('.histograms rect.tail').length") > 2
    expected = len(shared_results.backtests[2].exceptions)
    assert opened.run("document.querySelectorAll('.exception').length") == expected
    heights = opened.run(
        "[...document.querySelectorAll('path')].map((path) => path.getBoundingClientRect().height)"
    )
    assert all(height > 5 for height in heights)


def test_numbers_sort_from_the_largest_and_back(opened: Browser) -> None:
    table = Table(opened, "Worst days")
    before = table.column(0)
    assert table.sorting() == ["none"] * 4
    table.click(1)
    assert table.amounts(1) == sorted(table.amounts(1), reverse=True)
    assert table.sorting() == ["none", "descending", "none", "none"]
    table.click(1)
    assert table.amounts(1) == sorted(table.amounts(1))
    assert table.sorting()[1] == "ascending"
    table.click(1)
    assert table.column(0) == before
    assert table.sorting() == ["none"] * 4


def test_words_sort_from_a_to_z_and_the_total_stays(opened: Browser) -> None:
    table = Table(opened, "Books, historical")
    table.click(3)
    table.click(0)
    names = table.column(0)
    assert names.index("Equity options") < names.index("FX forwards") < names.index("Rates")
    assert table.sorting()[:4] == ["ascending", "none", "none", "none"]
    assert table.run(".tFoot.textContent.includes('Portfolio')")


def test_tenors_sort_by_length_and_nothing_comes_last(opened: Browser) -> None:
    table = Table(opened, "Sensitivities by factor")
    table.click(2)
    tenors = table.column(2)
    assert tenors[:4] == ["10Y", "2Y", "1Y", "6M"]
    assert set(tenors[4:]) == {""}
    table.click(2)
    assert table.column(2)[:4] == ["6M", "1Y", "2Y", "10Y"]
    assert set(table.column(2)[4:]) == {""}


def test_sorting_and_filtering_need_no_mouse(opened: Browser) -> None:
    table = Table(opened, "Stress scenarios")
    table.run(".tHead.querySelectorAll('button')[1].focus()")
    opened.press("Enter", "\r")
    assert table.sorting()[1] == "descending"
    table.run(".closest('.table').querySelector('input').focus()")
    for letter in "rates":
        opened.press(letter, letter)
    assert table.column(0) == ["Rates +100 bp"]


def filtered(table: Table, words: str) -> str:
    table.run(
        ".closest('.table').querySelectorAll('input').forEach((input) =>"
        f" {{ input.value = {words!r}; input.dispatchEvent(new Event('input')); }})"
    )
    return str(table.run(".closest('.table').querySelector('output').textContent"))


def test_a_filter_keeps_the_rows_with_all_of_its_words(opened: Browser) -> None:
    table = Table(opened, "Sensitivities by factor")
    assert filtered(table, "eq acme") == "3 of 11"
    assert table.column(0) == ["EQ_DELTA", "EQ_GAMMA", "EQ_VEGA"]
    table.click(3)
    assert len(table.column(0)) == 3
    assert filtered(table, "nothing like it") == "0 of 11"
    assert not filtered(table, "")
    assert len(table.column(0)) == 11


def test_every_table_can_be_sorted_and_filtered(opened: Browser) -> None:
    assert opened.run(
        "[...document.querySelectorAll('table')].every((table) =>"
        " [...table.tHead.querySelectorAll('th')].every((head) => head.querySelector('button'))"
        " && table.closest('.table').querySelector('input').ariaLabel.startsWith('Filter: '))"
    )


def test_without_scripts_it_is_plain_tables(browser: Browser, report: Path) -> None:
    browser.look(script=False)
    browser.open(report)
    browser.look()
    assert browser.run("document.querySelectorAll('table').length") > 12
    assert browser.run("document.querySelectorAll('button, input').length") == 0
    assert Table(browser, "Stress scenarios").column(0)[0] == "2008 crisis"


@pytest.fixture(scope="module")
def long_names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ("W" * 120, "words " * 20, "Rates")
    run = make_run(draws=300, stress=("S" * 80, "Equity -20%"), books=names)
    path = tmp_path_factory.mktemp("long") / "report.html"
    path.write_bytes(page.render(run.results({"VAR_HORIZONS": "1,5,10,20"})))
    return path


# The text on A4 with margins of 16 mm is 178 mm wide: 673 pixels of 1/96 inch.
@pytest.mark.parametrize(
    ("width", "media"), [(1280, ""), (768, ""), (390, ""), (320, ""), (673, "print")]
)
@pytest.mark.parametrize("names", ["report", "long_names"])
def test_nothing_sticks_out(
    browser: Browser, request: pytest.FixtureRequest, names: str, width: int, media: str
) -> None:
    browser.look(width, media=media)
    browser.open(request.getfixturevalue(names))
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    # What scrolls by itself may be wider, but not on paper.
    beyond = browser.run(
        "[...document.querySelectorAll('main *')].filter((each) =>"
        " (matchMedia('print').matches || !each.closest('.scroll'))"
        " && each.getBoundingClientRect().right > document.documentElement.clientWidth + 1)"
        ".map((each) => each.outerHTML.slice(0, 80))"
    )
    assert beyond == []


def test_paper_shows_no_controls(browser: Browser, report: Path) -> None:
    browser.look(673, media="print")
    browser.open(report)
    assert browser.run(
        "[...document.querySelectorAll('.tools, summary')]"
        ".every((each) => getComputedStyle(each).display === 'none')"
    )
    pages = len(re.findall(rb"/Type\s*/Page\b", browser.pdf()))
    assert 3 <= pages <= 9


def test_a_run_with_only_a_history_opens_too(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    run = make_run(days=250, draws=0, stress=(), books=("Only",))
    path.write_bytes(page.render(run.results()))
    browser.look()
    browser.open(path)
    assert browser.said() == []
    assert browser.run("document.querySelectorAll('svg[role=img]').length") == 1
