"""The page in headless Chromium: what happens when somebody looks at it."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, Browser, Tab, chromium

from fieldspec.analysis.report.report import Report
from fieldspec.architectures.readings.reports import analyze
from fieldspec.architectures.spec.spec import load
from fieldspec.pages.drawing.diagram import diagram_of
from fieldspec.pages.drawing.geometry import HEIGHT, geometry_of
from fieldspec.pages.facts.exhibit import Exhibit
from fieldspec.pages.page.page import page_of

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
WINDOW = """(() => { const e = document.querySelector('.network:not([hidden]) .window-edge');
return ['y', 'x', 'height', 'width'].map((name) => +e.getAttribute(name)); })()"""
PLACES = """Object.fromEntries([...document.querySelectorAll('.diagram [transform]')]
.filter((e) => !e.hasAttribute('display'))
.map((e) => [e.dataset.box ? ~e.dataset.box : e.dataset.closed ?? e.dataset.frame, e.getAttribute('transform')]))"""
CHOSEN = "document.querySelector('.network:not([hidden]) .chosen').textContent"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One process for the whole file."""
    with chromium(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def report() -> Report:
    """Of the network on the page."""
    return analyze("c1c2c3c40")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, report: Report) -> Path:
    """The page of c1c2c3c40."""
    spec = load("c1c2c3c40")
    path = tmp_path_factory.mktemp("pages") / "report.html"
    path.write_text(page_of([Exhibit(report, spec.name, spec.constraints)]), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def tab(browser: Browser, page: Path) -> Tab:
    """The page on a desktop."""
    return Tab(browser, page, 1300, 900)


def expected(report: Report, name: str, unit: tuple[int, int]) -> list[Any]:
    """Top, left, height and width of the window that the report says, in pixels of the picture."""
    layer = report[name]
    starts = [start + at * jump for start, at, jump in zip(layer.start, unit, layer.jump, strict=True)]
    return [*[float(start) - 0.5 for start in starts], *layer.receptive_field]


def test_hovering_moves_the_window(tab: Tab, report: Report) -> None:
    """To the middle unit of the layer under the pointer, exactly where `start`, `jump` and `size` say."""
    boxes = {leaf.main: number for number, leaf in enumerate(diagram_of(report).leaves)}
    for name in ("conv1.conv", "conv2.conv", "inverted_residual1.body.depthwise.conv"):
        tab.hover(f'[data-box="{boxes[report.index(report[name])]}"]')
        unit = tuple((size - 1) // 2 for size in report[name].shape[1:])
        assert tab.run(CHOSEN) == name
        assert tab.run(WINDOW) == expected(report, name, (unit[0], unit[1]))


def test_keys_move_the_window(tab: Tab, report: Report) -> None:
    """Down goes to the next layer and chooses it."""
    tab.run("document.querySelector('[data-box=\"1\"]').focus()")
    assert tab.run(CHOSEN) == "conv1.conv"
    tab.key("ArrowDown", 40)
    assert tab.run(CHOSEN) == "inverted_residual1.body.expand.conv"
    tab.run("document.querySelector('.sliders .row').focus()")
    before = tab.run(WINDOW)
    tab.key("ArrowRight", 39)
    assert tab.run(WINDOW) == [before[0] + 1, *before[1:]]


def test_dragging_moves_the_window(tab: Tab, report: Report) -> None:
    """A unit that is dragged to the corner of the picture is the corner unit, and its window lies in the padding."""
    tab.click('[data-box="6"]')
    tab.hover(".window")
    name = tab.run(CHOSEN)
    corner = """(() => { const m = document.querySelector('.window').getScreenCTM();
    return [m.e, m.f, m.e + 16 * m.a, m.f + 16 * m.d]; })()"""
    left, top, x, y = tab.run(corner)
    tab.mouse("Pressed", x, y)
    tab.mouse("Moved", left, top)
    tab.mouse("Released", left, top)
    assert tab.run(WINDOW) == expected(report, name, (0, 0))
    assert "padding" in tab.run("document.querySelector('.seen').textContent")


def test_a_block_opens_and_closes_where_python_would_draw_it(tab: Tab, report: Report) -> None:
    """The script's layout is that of `geometry_of` for the same open blocks."""
    diagram = diagram_of(report)
    opened = set(diagram.opened())
    tab.click('[data-open="1"]')
    opened.discard(1)
    for _ in range(2):
        drawn = {
            str(key): f"translate({place.x:g} {place.y:g})"
            for key, place in geometry_of(diagram, opened).frames.items()
        }
        assert tab.run(PLACES) == drawn
        tab.key("Enter", 13)
        opened ^= {1}


def test_nothing_is_asked_for_and_nothing_said(tab: Tab) -> None:
    """No message on the console and no request, after all that the tests above have done."""
    tab.click(".open-all")
    tab.click(".close-all")
    tab.run("document.querySelector('.show-heat').click()")
    assert tab.run("document.querySelector('.heat').getAttribute('href')").startswith("data:image/png")
    assert tab.complaints() == []


def test_dark_and_light(browser: Browser, page: Path, tab: Tab) -> None:
    """The system's choice is followed until the button is pressed."""
    background = "getComputedStyle(document.body).backgroundColor"
    dark = Tab(browser, page, 1300, 900, dark=True)
    assert dark.run(background) == "rgb(13, 18, 25)" != tab.run(background)
    dark.click(".theme")
    assert dark.run(background) == tab.run(background)
    assert dark.run("document.querySelector('.theme').getAttribute('aria-pressed')") == "false"


SIDEWAYS = """[...document.querySelectorAll('*')].filter((e) => e.scrollWidth > e.clientWidth + 1
  && ['auto', 'scroll'].includes(getComputedStyle(e).overflowX))
  .map((e) => e.firstElementChild.getAttribute('class'))"""
OPEN = "document.querySelectorAll('details').forEach((e) => { e.open = true; })"


def test_a_phone_needs_no_sideways_scrolling(browser: Browser, page: Path) -> None:
    """360 pixels wide: nothing scrolls but a drawing within its frame; labels stay inside their boxes."""
    phone = Tab(browser, page, 360, 740)
    phone.run(OPEN)
    assert phone.run("[document.documentElement.scrollWidth, innerWidth]") == [360, 360]
    assert phone.run(SIDEWAYS) == ["diagram"]
    outside = """[...document.querySelectorAll('.box:not([display])')].filter((box) => {
    const around = box.querySelector('.face').getBBox();
    return [...box.querySelectorAll('text')].some((text) => text.getBBox().x + text.getBBox().width > around.width);
    }).length"""
    assert phone.run(outside) == 0


def test_a_phones_charts_and_tables(browser: Browser, page: Path) -> None:
    """Charts are drawn for its width, nothing written beyond them; a cell says the name of its column."""
    phone = Tab(browser, page, 360, 740)
    shown = "[...document.querySelectorAll('.chart')].filter((e) => e.getClientRects().length)"
    assert phone.run(f"{shown}.map((e) => e.viewBox.baseVal.width)") == [340, 340, 340]
    beyond = "[...e.querySelectorAll('text')].some((t) => t.getBBox().x < 0 || t.getBBox().x + t.getBBox().width > 340)"
    assert phone.run(f"{shown}.filter((e) => {beyond}).length") == 0
    size = "getComputedStyle(e.querySelector('text')).fontSize) * e.getScreenCTM().a"
    assert all(one > 9 for one in phone.run(f"{shown}.map((e) => parseFloat({size})"))
    cell = "getComputedStyle(document.querySelector('.layers [data-row] .m2'), '::before').content"
    assert phone.run(cell) == "attr(data-name)" or phone.run(cell) == '"Multiply-adds"'
    assert phone.run("document.querySelector('.layers [data-row] .m2').dataset.name") == "Multiply-adds"


def test_it_prints(browser: Browser, page: Path) -> None:
    """On paper of A4's width nothing is cut off, and dark colors stay on the screen."""
    tab = Tab(browser, page, 794, 1123, dark=True)
    tab.click(".theme")
    tab.click(".theme")
    tab.send("Emulation.setEmulatedMedia", media="print")
    assert tab.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert tab.run("getComputedStyle(document.querySelector('h1')).color") == "rgb(19, 28, 43)"
    wide = "[...document.querySelectorAll('table, svg')].filter((e) => e.getBoundingClientRect().right > innerWidth)"
    assert tab.run(f"{wide}.map((e) => e.outerHTML.slice(0, 80))") == []


CONTRAST = """(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (color) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = color; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = (color) => { const [r, g, b] = rgba(color).map((v) => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (rgba(c)[3] > 250) return c; } return 'white'; };
  return [...document.querySelectorAll('p, dt, dd, th, td, h1, h2, h3, li, label, button, summary, figcaption')]
    .filter((e) => e.textContent.trim() && e.getClientRects().length).filter((e) => {
      const [a, b] = [light(getComputedStyle(e).color), light(behind(e))];
      return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05) < 4.5; }).map((e) => e.outerHTML.slice(0, 80));
})()"""
UNNAMED = """[...document.querySelectorAll('button, input, img, [role="button"], [role="img"], [role="region"]')]
  .filter((e) => !(e.getAttribute('aria-label') || e.getAttribute('alt') || e.getAttribute('aria-labelledby')
    || e.textContent.trim() || e.closest('label')?.textContent.trim())).map((e) => e.outerHTML.slice(0, 80))"""


@pytest.mark.parametrize("dark", [False, True])
def test_everybody_can_read_it(browser: Browser, page: Path, dark: bool) -> None:
    """Every control and picture has a name, ids are unique, and text stands out from what is behind it by 4.5 to 1."""
    tab = Tab(browser, page, 1300, 900, dark=dark)
    assert tab.run(UNNAMED) == []
    assert tab.run(CONTRAST) == []
    assert tab.run("document.documentElement.lang") == "en"
    ids = tab.run("[...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_two_networks(browser: Browser, tmp_path: Path) -> None:
    """The comparison comes first; a tab shows a network, which is then awake, by mouse and by key."""
    exhibits = [Exhibit(analyze(name), name) for name in ("c1c2c3c40", "c1c2c3c40_plus")]
    path = tmp_path / "two.html"
    path.write_text(page_of(exhibits), encoding="utf-8")
    tab = Tab(browser, path, 360, 740)
    tab.run(OPEN)
    assert tab.run("document.documentElement.scrollWidth") == 360
    assert {*tab.run(SIDEWAYS)} == {"diagram"}
    shown = "[...document.querySelectorAll('#comparison, .network')].filter((e) => !e.hidden).map((e) => e.id)"
    assert tab.run(shown) == ["comparison"]
    tab.click("#tab1")
    assert tab.run(shown) == ["network1"]
    assert tab.run(WINDOW)[2:] == [51, 51]
    tab.key("ArrowLeft", 37)
    assert tab.run(shown) == ["network0"]
    assert tab.run(WINDOW)[2:] == [47, 47]
    assert tab.run("document.documentElement.scrollWidth") == 360
    assert tab.complaints() == []


def test_closed_blocks_are_made_when_they_open(browser: Browser, tmp_path: Path) -> None:
    """Of a network with too many boxes for a first view: drawing and table then have all, where Python has them."""
    spec = load({"input": [8, 32, 32], "layers": [{"residual": {"out": 8}, "repeat": 40}], "head": {"classes": 3}})
    long = analyze(spec)
    path = tmp_path / "long.html"
    path.write_text(page_of([Exhibit(long, "long")]), encoding="utf-8")
    tab = Tab(browser, path, 1300, 900)
    diagram = diagram_of(long)
    count = "document.querySelectorAll('.diagram [data-box]').length"
    assert tab.run(count) < len(diagram.leaves)
    tab.click(".open-all")
    assert tab.run(count) == len(diagram.leaves)
    frames = geometry_of(diagram, diagram.all_open()).frames
    assert tab.run(PLACES) == {str(key): f"translate({place.x:g} {place.y:g})" for key, place in frames.items()}
    for row in range(tab.run("document.querySelectorAll('[data-rows]').length")):
        tab.run(f"document.querySelectorAll('[data-rows] button')[{row}].click()")
    assert tab.run("document.querySelectorAll('[data-row]').length") == len(diagram.leaves)
    tab.run("document.querySelector('[data-row=\"70\"]').click()")
    assert tab.run(CHOSEN) == long.layers[diagram.leaves[70].main].id
    assert tab.complaints() == []


STRIPS = """(() => { const strips = [...document.querySelectorAll('.network .paper svg')].map((e) => e.viewBox.baseVal);
const boxes = [...document.querySelectorAll('.network .drawing .diagram .box:not([display])')].map((e) =>
  +/[ ,]([\\d.-]+)\\)/.exec(e.getAttribute('transform'))[1]);
return { strips: strips.map((e) => [e.y, e.y + e.height]), boxes,
  height: document.querySelector('.network .drawing .diagram').viewBox.baseVal.height }; })()"""


def test_on_paper_a_drawing_is_cut_between_boxes(browser: Browser, page: Path) -> None:
    """Strips without a gap from top to bottom, no box in two of them; afterwards the page is as it was."""
    tab = Tab(browser, page, 1300, 900)
    before = tab.run("document.querySelector('main').innerHTML.length")
    tab.run("dispatchEvent(new Event('beforeprint'))")
    seen = tab.run(STRIPS)
    tops, bottoms = zip(*seen["strips"], strict=True)
    assert tops[0] == 0
    assert bottoms[-1] == seen["height"]
    assert len(tops) > 5
    assert all(top == pytest.approx(bottom) for top, bottom in zip(tops[1:], bottoms[:-1], strict=True))
    assert not [(box, cut) for box in seen["boxes"] for cut in tops if box < cut < box + HEIGHT]
    tab.run("dispatchEvent(new Event('afterprint'))")
    assert tab.run("document.querySelector('main').innerHTML.length") == before
    assert tab.complaints() == []


def test_printed_pages_are_filled(browser: Browser, page: Path) -> None:
    """On A4: no page is empty but for the drawing's ground, so that there are no more than seven."""
    tab = Tab(browser, page, 1300, 900)
    printed = tab.send("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)["data"]
    pages = re.findall(rb"/Type\s*/Page\b", base64.b64decode(printed))
    assert 4 <= len(pages) <= 7


def test_beside_each_other(browser: Browser, tmp_path: Path) -> None:
    """The partner of the box under the pointer is marked in the other drawing; so is what is printed of every tab."""
    exhibits = [Exhibit(analyze(name), name) for name in ("c1c2c3c40", "c1c2c3c40_wide")]
    path = tmp_path / "both.html"
    path.write_text(page_of(exhibits), encoding="utf-8")
    tab = Tab(browser, path, 1300, 900)
    assert tab.run("document.querySelectorAll('.besides .box.changed').length") > 2
    tab.hover(".besides > :first-child [data-pair='1'] .face")
    assert tab.run("[...document.querySelectorAll('.besides .partner')].map((e) => e.dataset.pair)") == ["1", "1"]
    tab.run("dispatchEvent(new Event('beforeprint'))")
    chosen = tab.run("[...document.querySelectorAll('.network .chosen')].map((e) => e.textContent.trim().length)")
    assert all(chosen)
    assert tab.complaints() == []


def test_a_layer_without_an_effective_field_says_why(browser: Browser, tmp_path: Path) -> None:
    """Its rows and columns cannot be counted apart; the layer before it has one."""
    up = {"conv_transpose": {"out": 3, "kernel": 3, "stride": 2, "padding": 1}}
    found = analyze({"input": [3, 8, 8], "layers": [up, {"residual": {"out": 3}}]})
    path = tmp_path / "up.html"
    path.write_text(page_of([Exhibit(found, "up")]), encoding="utf-8")
    tab = Tab(browser, path, 1300, 900)
    tab.click(".show-heat")
    said = "document.querySelector('.profile').textContent"
    assert "needs rows and columns to be counted together; effective_receptive_field(" in tab.run(said)
    tab.hover("[data-box='1']")
    assert tab.run(said).startswith(("Effective field: paths to this unit", "Units differ here"))
    assert tab.complaints() == []
