"""The map in a real browser."""

import base64
from pathlib import Path

import numpy as np
import pytest
from browser import Browser

from gemix.report import map, page

HOSTILE = "<img src=x onerror=document.title='broken'></script><script>document.title='broken'</script>"
ARABIC = "\u0627\u0644\u0637\u0628\u062e \u0648\u0627\u0644\u0645\u0637\u0627\u0639\u0645 \u202egnp.exe"


@pytest.fixture
def opened(run: Path, tmp_path: Path, browser: Browser) -> Browser:
    """The page of a run with the map alone, opened and scrolled to."""
    return show(browser, run, tmp_path)


def show(browser: Browser, run: Path, folder: Path, **media) -> Browser:
    (folder / "map.html").write_text(page.render(run, ["map"]), encoding="utf-8")
    browser.open(folder / "map.html", **media)
    browser.js("document.getElementById('map').scrollIntoView({behavior: 'instant'})")
    picture(browser)  # the scroll event comes with the next frame, and hides the tooltip
    return browser


def picture(browser: Browser) -> bytes:
    """What the canvas shows, after the next frame."""
    text = browser.driver.execute_async_script(
        "const done = arguments[0], canvas = document.querySelector('#map canvas');"
        "requestAnimationFrame(() => requestAnimationFrame(() => done(canvas.toDataURL())));"
    )
    return base64.b64decode(text.partition(",")[2])


def zoom(browser: Browser) -> str:
    picture(browser)
    return browser.one("#map output").text


def names_under_the_pointer(browser: Browser) -> set[str]:
    """The domains of all documents that show themselves when the pointer sweeps over the canvas."""
    return set(
        browser.js(
            """const canvas = document.querySelector('#map canvas'), tooltip = document.getElementById('tooltip');
            const { left, top, width, height } = canvas.getBoundingClientRect(), names = [];
            for (let y = 0; y < height; y += 9) for (let x = 0; x < width; x += 9) {
              const at = { pointerId: 9, clientX: left + x, clientY: top + y };
              canvas.dispatchEvent(new PointerEvent('pointermove', at));
              if (!tooltip.hidden) names.push(tooltip.querySelector('strong').textContent);
            }
            return names;"""
        )
    )


def point_at_a_document(browser: Browser) -> list[str]:
    """Move over the canvas until a document shows itself, and return the lines of its tooltip."""
    canvas = browser.one("#map canvas")
    for y in range(-200, 201, 40):
        for x in range(-300, 301, 25):
            browser.hover(canvas, x, y)
            if not browser.js("return document.getElementById('tooltip').hidden"):
                return browser.js("return [...document.getElementById('tooltip').children].map((e) => e.textContent)")
    raise AssertionError("no document under 350 places of the map")


def test_pointing_shows_the_text_and_leaving_hides_it(run, opened):
    data = map.panel(run)
    name, excerpt = point_at_a_document(opened)
    i = data["excerpts"].index(excerpt)
    domain = np.frombuffer(base64.b64decode(data["domain"]), "<u2")[i]
    assert name == data["domains"][domain]["name"]
    assert not opened.js("return document.querySelector('#map .ring').hidden")
    opened.hover(opened.one("#map h2"))
    assert opened.js("return document.getElementById('tooltip').hidden")
    assert opened.console() == []


@pytest.mark.parametrize("zooms", [0, 3])
def test_the_pointer_finds_the_nearest_document(run, opened, zooms):
    # Every point of the map, put under the pointer by its own coordinates, shows itself or one that covers it.
    opened.js("document.querySelector('#map canvas').focus({ preventScroll: true })")
    opened.press(*["+"] * zooms)
    picture(opened)
    data = map.panel(run)
    x, y, domain = (np.frombuffer(base64.b64decode(data[key]), "<u2") for key in ("x", "y", "domain"))
    low, high = np.array([x.min(), y.min()]) / 65535, np.array([x.max(), y.max()]) / 65535
    width, height = opened.js("const c = document.querySelector('#map canvas'); return [c.clientWidth, c.clientHeight]")
    fit = min((width - 44) / (high - low)[0], (height - 44) / (high - low)[1]) * 1.5**zooms
    shown = (np.column_stack([x, y]) / 65535 - (low + high) / 2) * fit + [width / 2, height / 2]
    inside = np.flatnonzero(((shown > 0) & (shown < [width, height])).all(axis=1))[:200]
    assert len(inside) > 10
    found = opened.js(
        """const canvas = document.querySelector('#map canvas'), { left, top } = canvas.getBoundingClientRect();
        return arguments[0].map(([x, y]) => {
          canvas.dispatchEvent(new PointerEvent('pointermove', { clientX: left + x, clientY: top + y, pointerId: 9 }));
          return document.querySelector('#tooltip p').textContent;
        });""",
        shown[inside].tolist(),
    )
    texts = {}
    for i, text in enumerate(data["excerpts"]):
        texts.setdefault(text, []).append(i)
    for i, text in zip(inside, found, strict=True):
        assert min(np.hypot(*(shown[k] - shown[i])) for k in texts[text]) < 1.5, (i, domain[i])


def test_keys_wheel_buttons_and_drag_change_the_view(opened):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin
    from selenium.webdriver.common.keys import Keys

    canvas = opened.one("#map canvas")
    home = picture(opened)
    assert zoom(opened) == "1.0×"
    opened.js("document.querySelector('#map canvas').focus({ preventScroll: true })")
    opened.press("+", "+")
    assert zoom(opened) == "2.3×"
    near = picture(opened)
    opened.press(Keys.ARROW_LEFT)
    assert picture(opened) != near
    opened.press("-")
    assert zoom(opened) == "1.5×"
    opened.press("0")
    assert zoom(opened) == "1.0×"
    assert picture(opened) == home
    ActionChains(opened.driver).scroll_from_origin(ScrollOrigin.from_element(canvas, 50, 50), 0, -300).perform()
    assert float(zoom(opened)[:-1]) > 1.5
    opened.all("#map .side li button")[1].click()
    before, factor = picture(opened), zoom(opened)
    ActionChains(opened.driver).move_to_element(canvas).click_and_hold().move_by_offset(80, 40).release().perform()
    assert picture(opened) != before
    assert zoom(opened) == factor
    # A drag is no click: it neither highlights another domain nor ends the highlight.
    assert [b.get_attribute("aria-pressed") for b in opened.all("#map .side button")] == ["false", "true"] + [
        "false"
    ] * 2
    opened.press(Keys.ESCAPE)
    opened.one("#map .zoom [aria-label='Show all']").click()
    opened.hover(opened.one("#map h2"))
    assert picture(opened) == home
    opened.one("#map .zoom [aria-label='Zoom in']").click()
    assert zoom(opened) == "1.5×"
    assert opened.console() == []


def test_at_full_view_the_wheel_scrolls_the_page_on(opened):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    opened.js("document.body.style.paddingBottom = '2000px'")
    before = opened.js("return scrollY")
    origin = ScrollOrigin.from_element(opened.one("#map canvas"))
    ActionChains(opened.driver).scroll_from_origin(origin, 0, 200).perform()
    assert zoom(opened) == "1.0×"
    assert opened.js("return scrollY") > before


def test_two_fingers_zoom(opened):
    canvas = opened.one("#map canvas")
    opened.js(
        """const canvas = arguments[0], { left, top } = canvas.getBoundingClientRect();
        canvas.setPointerCapture = () => {};
        const send = (kind, pointerId, x) => canvas.dispatchEvent(new PointerEvent(kind, {
          pointerId, pointerType: 'touch', clientX: left + x, clientY: top + 200, bubbles: true }));
        send('pointerdown', 1, 200); send('pointerdown', 2, 300);
        for (let x = 300; x <= 500; x += 20) send('pointermove', 2, x);
        send('pointerup', 1, 200); send('pointerup', 2, 500);""",
        canvas,
    )
    assert zoom(opened) == "3.0×"
    assert opened.console() == []


def test_a_tap_shows_the_document_until_the_next_touch(opened):
    opened.js(
        """const canvas = document.querySelector('#map canvas'), tooltip = document.getElementById('tooltip');
        const { left, top, width, height } = canvas.getBoundingClientRect();
        canvas.setPointerCapture = () => {};
        window.tap = (x, y) => {
          const at = { pointerId: 5, pointerType: 'touch', clientX: left + x, clientY: top + y };
          for (const kind of ['down', 'up', 'leave']) canvas.dispatchEvent(new PointerEvent('pointer' + kind, at));
        };
        for (let y = 0; y < height && tooltip.hidden; y += 9)
          for (let x = 0; x < width && tooltip.hidden; x += 9) tap(x, y);"""
    )
    assert opened.one("#tooltip").is_displayed()
    assert opened.all("#map .side [aria-pressed=true]") == []
    opened.js("tap(1, 1)")
    assert not opened.one("#tooltip").is_displayed()


def test_the_legend_highlights_and_the_search_finds(run, opened):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    plain = picture(opened)
    first, *_ = buttons = opened.all("#map .side li button")
    assert len(buttons) == 4
    first.click()
    assert first.get_attribute("aria-pressed") == "true"
    one = picture(opened)
    assert one != plain
    name = map.panel(run)["domains"][2]["name"]
    search = opened.one("#map-search")
    # What is not highlighted cannot be pointed at.
    assert names_under_the_pointer(opened) == {first.get_attribute("title")}
    search.send_keys(name.upper())
    shown = [button for button in buttons if button.is_displayed()]
    assert [button.find_element("css selector", "bdi").text for button in shown] == [name]
    search.send_keys(Keys.ENTER)
    assert shown[0].get_attribute("aria-pressed") == "true"
    search.send_keys(Keys.ESCAPE)
    opened.hover(opened.one("#map h2"))
    assert [button.get_attribute("aria-pressed") for button in buttons] == ["false"] * 4
    assert picture(opened) == plain
    # A click on a document highlights its domain.
    found = point_at_a_document(opened)[0]
    ActionChains(opened.driver).click().perform()
    (pressed,) = opened.all("#map .side [aria-pressed=true]")
    assert pressed.get_attribute("title") == found
    assert opened.console() == []


def test_the_map_follows_the_theme_and_the_width(run, opened, tmp_path):
    light = picture(opened)
    opened.one("#theme").click()
    assert picture(opened) != light
    show(opened, run, tmp_path, dark=True, width=420)
    assert opened.js("return document.querySelector('#map canvas').clientWidth") < 400
    assert opened.js("return document.documentElement.scrollWidth <= innerWidth")
    assert opened.console() == []


def test_many_domains_with_hostile_names(run, tmp_path, browser, monkeypatch):
    random = np.random.default_rng(0)
    k, n = 200, 20_000
    centres = random.random((k, 2))
    labels = random.integers(k, size=n)
    points = np.clip(centres[labels] + 0.01 * random.standard_normal((n, 2)), 0, 1)
    names = [f"domain {i} of some length" for i in range(k)]
    names[:2] = HOSTILE, ARABIC

    def panel(_run):
        return {
            "method": "UMAP",
            "documents": n,
            "x": map._numbers(points[:, 0] * 65535),
            "y": map._numbers(points[:, 1] * 65535),
            "domain": map._numbers(labels),
            "excerpts": [HOSTILE[:120], ARABIC] * (n // 2),
            "domains": [
                {"name": name, "documents": int((labels == i).sum()), "place": centres[i].tolist()}
                for i, name in enumerate(names)
            ],
        }

    monkeypatch.setattr(map, "panel", panel)
    show(browser, run, tmp_path)
    assert browser.js("return document.title").endswith("domains")
    few = int(browser.js("return document.querySelector('#map canvas').dataset.labels"))
    width, height = browser.js(
        "const c = document.querySelector('#map canvas'); return [c.clientWidth, c.clientHeight]"
    )
    assert 20 < few <= width * height / 16_000 + 1
    browser.js("document.querySelector('#map canvas').focus({ preventScroll: true })")
    browser.press("+", "+", "+", "+")
    picture(browser)
    share = 1 / 1.5**8  # of the map that is still seen
    seen = int(browser.js("return document.querySelector('#map canvas').dataset.labels"))
    assert seen > 3 * few * share
    assert point_at_a_document(browser)[1] in (HOSTILE[:120], ARABIC)
    browser.one("#map-search").send_keys("<img")
    assert len([button for button in browser.all("#map .side li button") if button.is_displayed()]) == 1
    assert browser.js("return document.title").endswith("domains")
    assert browser.all("#map img") == []
    assert browser.console() == []
    assert len(browser.requests()) == 1  # the page itself
