"""The report opened in a real browser: everything is drawn, and nothing leaves the page."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import classes, report

from tapehead.inspection.report import Content, render

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

pytestmark = pytest.mark.browser
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

# How many different colours each heat map shows, and each chart's painted paths.
COLOURS = """() => [...document.querySelectorAll(".row canvas, .card canvas")].map((canvas) => {
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  return new Set(new Uint32Array(pixels.buffer)).size;
})"""
PATHS = """() => [...document.querySelectorAll(".chart")].map((chart) =>
  [...chart.querySelectorAll("path.line")].filter((path) => path.getTotalLength() > 50).length)"""


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A browser with a profile of its own."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip(f"no Chromium: none of {', '.join(BROWSERS)} is on the path")
    with tempfile.TemporaryDirectory() as home, playwright.sync_playwright() as started:
        environment = dict(os.environ) | {"HOME": home}
        opened = started.chromium.launch(executable_path=path, args=FLAGS, env=environment)
        yield opened
        opened.close()


class Opened:
    """A page, with all that it asked for and complained of."""

    def __init__(self, browser, folder: Path, content: Content, **options):
        self.path = folder / "report.html"
        self.path.write_text(render(content), encoding="utf-8")
        self.requests: list[str] = []
        self.failures: list[tuple[str, str | None]] = []
        self.complaints: list[str] = []
        options = {"viewport": {"width": 1200, "height": 900}, "color_scheme": "light"} | options
        self.page = browser.new_page(**options)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("requestfailed", lambda r: self.failures.append((r.url, r.failure)))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(self.path.as_uri())
        self.page.wait_for_selector("html[data-ready]", state="attached", timeout=20_000)

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)


@pytest.fixture
def opened(browser, tmp_path):
    """Opens pages, and closes them with the test."""
    pages = []

    def open_page(content: Content, **options) -> Opened:
        pages.append(Opened(browser, tmp_path, content, **options))
        return pages[-1]

    yield open_page
    for one in pages:
        one.page.close()


@pytest.mark.parametrize("content", [report, classes], ids=["memory", "classes"])
def test_everything_is_drawn_and_nothing_is_asked_for(opened, content):
    one = opened(content(seeds=3) if content is report else content())
    assert one.complaints == []
    assert one.requests == [one.path.as_uri()]
    canvases = one.page.evaluate(COLOURS)
    assert len(canvases) > 8
    assert min(canvases) >= 2, "a canvas is blank"
    charts = one.page.evaluate(PATHS)
    assert charts == ([8, 4] if content is report else [2, 1])
    width = one.page.evaluate("document.documentElement.scrollWidth")
    assert width <= 1200, "the page scrolls sideways"


def test_even_a_hostile_page_could_not_ask_for_anything(opened):
    one = opened(report())
    one.page.evaluate("document.body.append(Object.assign(new Image(), {src: 'http://x.test/'}))")
    one.page.wait_for_timeout(100)
    assert one.failures == [("http://x.test/", "csp")]
    assert any("Content Security Policy" in text for text in one.complaints)


def test_dark_and_light_by_the_system_and_by_the_button(opened):
    one = opened(report())
    shade = "getComputedStyle(document.body).backgroundColor"
    pixel = """[...document.querySelector(".panel canvas[role=img]").getContext("2d")
      .getImageData(0, 0, 1, 1).data].join()"""

    def colours() -> tuple[str, str]:
        return one.page.evaluate(shade), one.page.evaluate(pixel)

    light = colours()
    one.page.emulate_media(color_scheme="dark")
    for _ in range(50):  # the page hears of the system's change a moment later
        if colours()[1] != light[1]:
            break
        one.page.wait_for_timeout(100)
    dark = colours()
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    one.page.click("#theme")
    assert colours() == light
    assert one.text("#theme").endswith("light")
    one.page.click("#theme")
    assert colours() == dark
    assert one.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_the_slider_walks_through_the_memory(opened):
    one = opened(report())
    player = "[data-figure=memory]"
    contents = f"""[...document.querySelector("{player} .frames .strip:nth-child(2) canvas")
      .getContext("2d").getImageData(0, 0, 16, 32).data].join()"""
    assert one.text(f"{player} .transport output") == "step 21 of 41"
    full = one.page.evaluate(contents)
    slider = one.page.locator(f"{player} input[type=range]")
    slider.focus()
    slider.press("Home")
    assert one.text(f"{player} .transport output") == "step 1 of 41"
    assert one.text(f"{player} .heads").startswith("writes slot ")
    assert one.page.evaluate(contents) != full
    slider.press("ArrowRight")
    assert one.text(f"{player} .transport output") == "step 2 of 41"
    left = one.page.evaluate(f"""document.querySelector("{player} .cursor").style.left""")
    assert float(left.removesuffix("%")) == pytest.approx(100 / 41, abs=0.01)


def test_the_player_plays_and_pauses(opened):
    one = opened(report())
    button = one.page.locator("[data-figure=memory] .play")
    clock = "[data-figure=memory] .transport output"
    button.click()
    playwright.expect(one.page.locator(clock)).not_to_have_text("step 21 of 41")
    button.click()
    stopped = one.text(clock)
    one.page.wait_for_timeout(400)
    assert one.text(clock) == stopped


def test_slots_can_be_put_in_the_order_of_writing(opened):
    one = opened(report())
    # In that order the five first writes lie on the diagonal.
    diagonal = """() => {
      const group = document.querySelector("[data-figure=memory] .group:nth-child(2)");
      const ink = group.querySelector("canvas[role=img]").getContext("2d");
      const colour = (column, row) => ink.getImageData(column, row, 1, 1).data.join();
      return [0, 1, 2, 3, 4].filter((i) => colour(i, i) !== colour(20, 31)).length;
    }"""
    before = one.page.evaluate(diagonal)
    axis = one.page.locator("[data-figure=memory] .frames .axisname").first
    assert axis.inner_text() == "slot"
    one.page.get_by_label("slots in order of first writing").check()
    assert one.page.evaluate(diagonal) == 5 > before
    assert axis.inner_text() == "slot, nth written"


def test_charts_read_out_their_values(opened):
    one = opened(report(seeds=3))
    chart = one.page.locator("[data-figure=learning] .chart")
    read = "[data-figure=learning] .read"
    chart.focus()
    chart.press("Home")
    assert one.text(read).startswith("update 50: training ")
    assert " to " in one.text(read)
    chart.hover(position={"x": 600, "y": 100})
    assert "; validation " in one.text(read) or one.text(read).startswith("update ")
    before = one.page.evaluate("document.querySelector('.chart path.main').getAttribute('d')")
    one.page.get_by_label("logarithmic").first.uncheck()
    after = one.page.evaluate("document.querySelector('.chart path.main').getAttribute('d')")
    assert before != after


def test_wrong_bits_are_crossed_out(opened):
    one = opened(report())
    panel = one.page.locator("[data-figure=examples] .panel").nth(2)
    assert panel.locator(".wrongcount").inner_text() == "1 of 160 bits wrong"
    assert panel.locator("svg path").nth(1).get_attribute("d").startswith("M22 1h1v1h-1z")


def test_a_phone_need_not_scroll_sideways(opened):
    one = opened(report(), viewport={"width": 360, "height": 740})
    assert one.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert one.complaints == []


def test_it_prints(opened):
    one = opened(report(), color_scheme="dark")
    assert len(one.page.pdf()) > 20_000
    one.page.emulate_media(media="print")
    assert not one.page.locator(".bar").is_visible()
    assert one.page.locator("[data-figure=learning] .chart svg").is_visible()
