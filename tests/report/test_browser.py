"""The report in a real browser: what one can do with it, and what its documents cannot do."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from browser import Browser
from support import SUBJECTS

from gemix.report import page, read
from gemix.report.baselines import fit_baselines

OWN = [name for name in page.PANELS if name not in ("map", "mixture")]
CONFUSION = [[9, 1, 0, 0], [0, 8, 0, 2], [5, 0, 7, 0], [0, 0, 0, 6]]
HOSTILE = [
    "<script>window.pwned = 1; alert(1)</script>",
    "<img src=x onerror='window.pwned = 1'>",
    '"><svg onload=window.pwned=1><iframe src="https://example.org/"></iframe>',
    "</script><script>window.pwned = 1</script><!--",
    "</title></style><link rel=stylesheet href=https://example.org/x.css><base href=https://example.org/>",
    "{{ 7 * 7 }} {% include '/etc/passwd' %} ${window.pwned = 1} `${alert(1)}`",
    "javascript:window.pwned=1 <a href='javascript:window.pwned=1' autofocus onfocus=window.pwned=1>x</a>",
    "\u202egnp.tnemucod\u202c \u2066\u2067 \u05d0\u05d1\u05d2 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u200f\u200e",
    "\x00\x01\x1b[31mred\x1b[0m \u2028\u2029 \ufeff \U0001f600 e\u0301",
    "<details open ontoggle=window.pwned=1> &lt;script&gt; &#60;script&#62; %3Cscript%3E",
]


def with_confusion(run: Path) -> None:
    path = run / "student" / "evaluation.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"confusion": CONFUSION}))


@pytest.fixture(scope="module")
def report(small_run, tmp_path_factory) -> Path:
    """The report of the small run, with baselines and a confusion."""
    run = Path(shutil.copytree(small_run, tmp_path_factory.mktemp("page") / "run"))
    with_confusion(run)
    fit_baselines(run)
    (run / "report.html").write_text(page.render(run, OWN), encoding="utf-8")
    return run / "report.html"


@pytest.fixture
def opened(browser: Browser, report: Path) -> Browser:
    browser.open(report)
    return browser


def names(browser: Browser) -> list[str]:
    """Names in the table, in the order shown, those that are hidden left out."""
    return browser.js(
        "return [...document.querySelectorAll('#domain-table tbody tr:not([hidden]) th')].map(x => x.innerText.trim())"
    )


def column(browser: Browser, index: int) -> list[float]:
    cells = f"#domain-table tbody tr:not([hidden]) > :nth-child({index})"
    return browser.js(f"return [...document.querySelectorAll({cells!r})].map(x => Number(x.dataset.value))")


def test_nothing_is_said_on_the_console_and_nothing_asked_of_the_network(opened, report):
    assert opened.console() == []
    assert opened.requests() == [report.resolve().as_uri()]
    assert opened.js("return performance.getEntriesByType('resource').length") == 0


def test_every_panel_draws(opened):
    assert len(opened.all("#treemap .tile")) == 4
    assert len(opened.all("#balance svg path.line")) == 6
    assert len(opened.all("#convergence svg path.line")) == 2
    assert len(opened.all("#agreement .matrix rect:not(.ground)")) == sum(n > 0 for row in CONFUSION for n in row)
    assert opened.one("#tooltip").is_displayed() is False


def test_the_table_sorts_by_click_and_by_key(opened):
    from selenium.webdriver.common.keys import Keys

    assert [opened.one("#domain-table th").get_attribute("aria-sort"), column(opened, 1)] == ["ascending", [0, 1, 2, 3]]
    tokens = opened.one("#domain-table thead th:nth-child(5)")
    opened.click("#domain-table thead th:nth-child(5) button")
    assert tokens.get_attribute("aria-sort") == "descending"
    assert column(opened, 5) == sorted(column(opened, 5), reverse=True)
    opened.press(Keys.ENTER)
    assert tokens.get_attribute("aria-sort") == "ascending"
    assert column(opened, 5) == sorted(column(opened, 5))
    opened.one("#domain-table thead th:nth-child(2) button").click()
    assert names(opened) == sorted(names(opened))
    assert tokens.get_attribute("aria-sort") == "none"


def test_the_search_finds_names_keywords_and_numbers(opened, report):
    opened.press("/")
    assert opened.js("return document.activeElement.id") == "search"
    subject = "sailing"
    word = SUBJECTS[subject].split()[0]
    opened.press(*word.upper())
    wanted = [d.name for d in read.taxonomy(report.parent).domains if word in d.keywords[:8] or word in d.name]
    assert names(opened) == wanted
    assert opened.one("#found").text == f"{len(wanted)} of 4 domains"
    opened.press(*" nowhere")
    assert names(opened) == []
    assert opened.one("#found").text == "0 of 4 domains"


def test_a_domain_leads_to_its_documents(opened):
    assert not opened.one("#domain-2").get_attribute("open")
    opened.click("#domain-table a[href='#domain-2']")
    assert opened.one("#domain-2").get_attribute("open")
    assert opened.js("return document.activeElement.closest('details').id") == "domain-2"
    assert len(opened.all("#domain-2 li")) == 16
    opened.click("#unfold")
    assert len(opened.all("details.domain[open]")) == 4
    opened.click("#unfold")
    assert len(opened.all("details.domain[open]")) == 0


def test_the_tree_tells_by_mouse_and_keyboard(opened):
    from selenium.webdriver.common.keys import Keys

    tile = opened.one("#treemap .tile")
    opened.hover(tile)
    name = tile.find_element("css selector", "b").text
    assert opened.one("#tooltip strong").text == name
    assert "tokens" in opened.one("#tooltip p").text
    opened.press(Keys.ESCAPE)
    assert not opened.one("#tooltip").is_displayed()
    opened.js("document.querySelector('nav ul li:last-child a').focus()")
    opened.press(Keys.TAB, Keys.TAB)  # past the theme button, into the tree
    assert opened.js("return document.activeElement.matches('#treemap .tile, #treemap button')")
    assert opened.one("#tooltip").is_displayed()


def test_groups_of_the_tree_open_and_close(browser, report, tmp_path):
    html = report.read_text(encoding="utf-8")
    before = html[html.index('id="data-treemap">') + len('id="data-treemap">') :]
    data = json.loads(before[: before.index("</script>")])
    leaf, inner = data["nodes"][0], data["nodes"][-1]
    # 64 leaves in a balanced tree: joined two by two, level by level.
    nodes = [leaf | {"name": f"leaf {i}", "tokens": 100 + i} for i in range(64)]
    first = 0
    while len(nodes) < 127:
        pair = nodes[first], nodes[first + 1]
        nodes.append(
            inner
            | {"name": f"group {len(nodes)}", "children": [first, first + 1], "height": float(len(nodes))}
            | {"tokens": pair[0]["tokens"] + pair[1]["tokens"]}
        )
        first += 2
    large = tmp_path / "large.html"
    large.write_text(html.replace(before[: before.index("</script>")], json.dumps({"nodes": nodes})), encoding="utf-8")
    browser.open(large)
    assert len(browser.all("#treemap .tile")) == 64
    groups = browser.all("#treemap .group > button")
    assert len(groups) == 10
    heading = groups[0].text
    groups[0].click()
    assert 4 <= len(browser.all("#treemap .tile")) <= 16
    assert browser.one("#treemap .crumbs").text.split("\n")[-1] == heading
    browser.click("#treemap .crumbs button")
    assert len(browser.all("#treemap .tile")) == 64
    assert not browser.one("#treemap .crumbs").is_displayed()
    assert browser.console() == []


def test_the_charts_tell_their_numbers(opened, report):
    chart = opened.one("#convergence .chart svg")
    opened.js("arguments[0].scrollIntoView({block: 'center'})", chart)
    opened.hover(chart, x=chart.size["width"] // 2 - 14)
    objective = read.stages(report.parent)["fit"]["facts"]["objective"]
    assert opened.one("#tooltip p").text == f"{objective:.4f}"
    assert f"to {objective:.4f}" in chart.get_attribute("aria-label")


def test_the_keyboard_reaches_everything_in_order(opened):
    from selenium.webdriver.common.keys import Keys

    opened.press(Keys.TAB)
    assert opened.js("return document.activeElement.textContent") == "Skip to the content"
    opened.press(Keys.ENTER)
    assert opened.js("return document.activeElement.id") == "content"
    seen = set()
    for _ in range(40):
        opened.press(Keys.TAB)
        seen.add(opened.js("return document.activeElement.closest('section')?.id"))
    assert {"treemap", "domains", "agreement", "documents"} <= seen
    assert (
        opened.js('return document.querySelectorAll(\'[tabindex]:not([tabindex="0"]):not([tabindex="-1"])\').length')
        == 0
    )


def background(browser: Browser) -> str:
    return browser.js("return getComputedStyle(document.body).backgroundColor")


def test_light_and_dark_follow_the_system_and_the_button(browser, report):
    browser.open(report)
    light = background(browser)
    browser.open(report, dark=True)
    dark = background(browser)
    assert light == "rgb(255, 255, 255)"
    assert max(int(part) for part in dark[4:-1].split(",")) < 60
    assert browser.one("#theme").text == "Light"
    browser.click("#theme")
    assert background(browser) == light
    assert browser.one("#theme").text == "Dark"
    assert browser.js("return gemix.themeColour('--background')") == light
    browser.media(dark=False)
    browser.click("#theme")
    assert background(browser) == dark


def contrast(one: str, two: str) -> float:
    """Ratio of WCAG 2: (L1 + 0.05) / (L2 + 0.05), for colours "#rrggbb" or "rgb(r, g, b)"."""

    def luminance(colour: str) -> float:
        parts = [int(colour[i : i + 2], 16) for i in (1, 3, 5)] if colour[0] == "#" else colour[4:-1].split(",")
        linear = [x / 12.92 if (x := int(p) / 255) <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
def test_texts_can_be_read(browser, report, dark):
    browser.open(report, dark=dark)
    ground = background(browser)
    for name, least in (("--text", 7), ("--muted", 4.5), ("--accent", 4.5), ("--bad", 4.5), ("--good", 4.5)):
        assert contrast(browser.js(f"return gemix.themeColour('{name}')"), ground) >= least, name
        assert (
            contrast(
                browser.js(f"return gemix.themeColour('{name}')"), browser.js("return gemix.themeColour('--surface')")
            )
            >= 4.5
        )
    for n in (24, 200):
        colours = browser.js(f"return Array.from({{length: {n}}}, (_, i) => gemix.colour(i, {n}))")
        assert len(set(colours)) == n
        assert min(contrast(colour, "#14171b") for colour in colours) >= 4.5


def sideways(browser: Browser) -> bool:
    """Whether the page is wider than the window."""
    return browser.js("return document.documentElement.scrollWidth > document.documentElement.clientWidth")


def test_a_narrow_window_does_not_scroll_sideways(browser, report):
    browser.open(report, width=400)
    assert not sideways(browser)
    assert browser.one("#domains .scroll").get_attribute("tabindex") == "0"


def test_paper_shows_all_documents_and_no_controls(opened):
    pdf = opened.pdf()
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 50_000  # drawn, not blank
    assert len(opened.all("details.domain[open]")) == 0  # as before
    opened.cdp("Emulation.setEmulatedMedia", media="print")
    assert not opened.one("nav").is_displayed()
    assert not opened.one("#search").is_displayed()
    opened.cdp("Emulation.setEmulatedMedia", media="")


def make_hostile(run: Path) -> None:
    """Put hostile texts wherever a corpus, a language model or a folder can put them."""
    table = pq.read_table(run / "seed.parquet")
    long = "<b onclick=window.pwned=1>" + "a" * 1_000_000
    texts = [
        long if i % 50 == 0 else HOSTILE[i % len(HOSTILE)] + " " + HOSTILE[(i + 3) % 10] for i in range(len(table))
    ]
    ids = [f"{HOSTILE[i % len(HOSTILE)]}-{i}" for i in range(len(table))]
    for name, values in (("text", texts), ("id", ids)):
        table = table.set_column(table.schema.get_field_index(name), name, pa.array(values))
    pq.write_table(table, run / "seed.parquet")
    taxonomy = json.loads((run / "taxonomy.json").read_text())
    named = taxonomy["domains"] + taxonomy["tree"]["nodes"]
    for i, domain in enumerate(named):
        domain["name"] = f"{HOSTILE[i]} {i}"
        domain["keywords"] = [*HOSTILE, "b" * 100_000]
        domain["description"] = domain["belongs"] = domain["excludes"] = HOSTILE[(i + 1) % 10] + long
    for domain in taxonomy["domains"]:
        for j, shown in enumerate(domain["representatives"]):
            shown["id"], shown["excerpt"] = f"{HOSTILE[j % 10]}{j}", HOSTILE[(j + domain["id"]) % 10] + long
    (run / "taxonomy.json").write_text(json.dumps(taxonomy))
    ledger = json.loads((run / "run.json").read_text())
    ledger["stages"]["label"]["inputs"] = dict.fromkeys(HOSTILE, "0" * 64) | ledger["stages"]["label"]["inputs"]
    ledger["stages"]["fit"]["facts"]["<script>window.pwned=1</script>"] = HOSTILE[0]
    (run / "run.json").write_text(json.dumps(ledger))


def test_a_hostile_corpus_runs_nothing_and_breaks_nothing(browser, run):
    make_hostile(run)
    with_confusion(run)
    hostile = run.rename(run.parent / "<img src=x onerror=window.pwned=1>")
    report = hostile / "report.html"
    report.write_text(page.render(hostile, OWN), encoding="utf-8")
    assert report.stat().st_size < 1_000_000
    browser.open(report)
    browser.click("#unfold")
    for element in browser.all("#treemap .tile, #balance svg g, #agreement svg"):
        browser.js("arguments[0].scrollIntoView({block: 'center'})", element)
        browser.hover(element)  # whatever a tooltip shows
    browser.pdf()
    assert browser.console() == []
    assert browser.requests() == [report.resolve().as_uri()]
    assert browser.js("return window.pwned") is None
    tags = browser.js("return [...new Set([...document.querySelectorAll('*')].map(x => x.localName))]")
    assert not set(tags) & {"img", "iframe", "object", "embed", "form", "base"}
    assert browser.js("return document.querySelectorAll('b').length") == 4  # the tiles' own
    assert browser.js("return document.querySelectorAll('script:not([type])').length") == html_scripts(report)
    attributes = browser.js("return [...document.querySelectorAll('*')].flatMap(x => x.getAttributeNames())")
    assert not [name for name in attributes if name.startswith("on")]
    # Shown as text, character by character.
    assert HOSTILE[0] in browser.one("#documents").get_attribute("textContent")
    # Right-to-left text turns nothing but itself: it is isolated, and overrides are gone.
    assert browser.js("return /[\\u202a-\\u202e\\u2066-\\u2069\\u0000]/.test(document.body.textContent)") is False
    assert not sideways(browser)


def html_scripts(report: Path) -> int:
    return report.read_text(encoding="utf-8").count("\n<script>")


def test_the_policy_stops_what_escaping_would_let_through(browser, report, tmp_path):
    """The second wall: a page whose escaping failed still runs no foreign script and asks for no image."""
    broken = tmp_path / "broken.html"
    attack = "<script>window.pwned = 1</script><img src='https://example.org/x.png' onerror='window.pwned = 1'>"
    broken.write_text(report.read_text(encoding="utf-8").replace("<main", attack + "<main"), encoding="utf-8")
    browser.open(broken)
    assert browser.js("return window.pwned") is None
    assert [url for url in browser.requests() if not url.startswith("file:")] == []
    assert any("Content Security Policy" in message for message in browser.console())
