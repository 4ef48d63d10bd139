"""The mixture panel in a real browser."""

import json
from pathlib import Path

import numpy as np
import pytest
from browser import Browser
from report.mixture_data import write_mixture

from gemix.mix import surrogate_json
from gemix.mix.box import make_box, project
from gemix.report import page


@pytest.fixture
def opened(run: Path, tmp_path: Path, browser: Browser) -> Browser:
    """The page of a run with a mixture, opened and scrolled to."""
    write_mixture(run, "gp", 1_000_000)
    return show(browser, run, tmp_path)


def show(browser: Browser, run: Path, folder: Path, **media) -> Browser:
    (folder / "mixture.html").write_text(page.render(run, ["mixture"]), encoding="utf-8")
    browser.open(folder / "mixture.html", **media)
    browser.js("document.getElementById('mixture').scrollIntoView({behavior: 'instant'})")
    return browser


def value(browser: Browser) -> float:
    return float(browser.js("return document.querySelector('#mixture .play .chart').dataset.value"))


def weights(browser: Browser) -> list[float]:
    """The weights of the sliders in percent, in the order of the table."""
    return [float(cell.text.removesuffix(" %")) for cell in browser.all("#mixture .yours:not(text):not(g)")]


def slide(browser: Browser, row: int, to: float) -> None:
    browser.js(
        "const input = document.querySelectorAll('#mixture input[type=range]')[arguments[0]];"
        "input.value = arguments[1];"
        "for (const kind of ['input', 'change']) input.dispatchEvent(new Event(kind, { bubbles: true }));",
        row,
        to,
    )


def test_predictions_are_pythons(run, opened):
    content = surrogate_json.parse((run / "mixture.surrogate.json").read_bytes())
    goal = content.to_objective()
    made = json.loads((run / "mixture.json").read_text())
    chosen = np.array([entry["weight"] for entry in made["domains"]])
    assert value(opened) == pytest.approx(goal(chosen[None])[0], rel=1e-9)
    shares = np.array([entry["share"] for entry in made["domains"]])
    for start, ratios in (("natural", shares), ("uniform", np.ones(4)), ("chosen", chosen)):
        opened.one(f"#mixture [data-start={start}]").click()
        box = make_box(content.domains, content.floor, content.cap)
        assert value(opened) == pytest.approx(goal(project(ratios, box)[None])[0], rel=1e-6)
    mean, std = goal.predict(chosen[None])
    text = opened.js("return document.querySelector('#mixture .play svg').getAttribute('aria-label')").split("; ")[-1]
    shown = [float(number) for number in text.removeprefix("Yours: ").split(" ± ")]
    assert shown == pytest.approx([mean[0], std[0]], abs=1e-2 * std[0])
    assert opened.console() == []


def test_a_slider_moves_the_prediction_and_the_others_make_room(opened):
    from selenium.webdriver.common.keys import Keys

    before, first = weights(opened), value(opened)
    slide(opened, 0, 1)
    after = weights(opened)
    assert after[0] == pytest.approx(60)  # its cap
    assert sum(after) == pytest.approx(100, abs=0.03)
    ratio = after[2] / before[2]
    assert after[1] / before[1] == pytest.approx(ratio, rel=0.01)
    assert after[3] / before[3] == pytest.approx(ratio, rel=0.01)
    assert value(opened) != first
    # With one at its cap and another, the last ones are left with nothing, and come back.
    slide(opened, 1, 1)
    assert weights(opened)[1] == pytest.approx(60)
    slide(opened, 0, 0)
    slide(opened, 1, 0)
    assert sum(weights(opened)) == pytest.approx(100, abs=0.03)
    assert max(weights(opened)) <= 60.01
    # By keyboard.
    slider = opened.all("#mixture input[type=range]")[2]
    last = weights(opened)[2], value(opened)
    opened.js("arguments[0].focus()", slider)
    opened.press(*[Keys.ARROW_LEFT] * 20)
    assert weights(opened)[2] < last[0]
    assert value(opened) != last[1]
    assert slider.get_attribute("aria-valuetext") == f"{weights(opened)[2]:.2f} %"
    opened.one("#mixture [data-start=chosen]").click()
    assert weights(opened) == before
    assert value(opened) == pytest.approx(first)
    assert opened.console() == []


def test_a_slider_that_is_dragged_to_the_end_and_back_changes_nothing(run, tmp_path, browser):
    write_mixture(run, cap=0.42)
    show(browser, run, tmp_path)
    before = weights(browser)
    assert before == pytest.approx([40, 30, 20, 10])
    browser.js(
        "const input = document.querySelector('#mixture input[type=range]'), start = input.value;"
        "for (const to of [0.9, 1, 0, 0.5, start]) {"
        "  input.value = to; input.dispatchEvent(new Event('input', { bubbles: true }));"
        "}",
    )
    assert weights(browser) == pytest.approx(before, abs=0.2)


def test_what_was_pushed_to_nothing_comes_back(run, tmp_path, browser):
    write_mixture(run, cap=1.0)
    show(browser, run, tmp_path)
    slide(browser, 0, 1)
    assert weights(browser) == pytest.approx([100, 0, 0, 0])
    slide(browser, 0, 0)
    assert weights(browser) == pytest.approx([0, 50, 33.33, 16.67])  # as they were chosen


def test_epochs_follow_the_training_tokens(run, opened):
    made = json.loads((run / "mixture.json").read_text())
    heaviest = max(made["domains"], key=lambda entry: entry["weight"])
    cell = opened.one("#mixture tbody .epochs")
    assert cell.text == f"{heaviest['epochs']:.2f}"
    budget = opened.one("#mixture-budget")
    budget.clear()
    budget.send_keys("3e6")
    assert cell.text == f"{3 * heaviest['epochs']:.2f}"
    budget.clear()
    budget.send_keys("many")
    assert cell.text == "–"
    assert opened.console() == []


def test_a_mixture_without_runs_has_no_sliders(run, tmp_path, browser):
    write_mixture(run)
    (run / "mixture.surrogate.json").unlink()
    made = json.loads((run / "mixture.json").read_text())
    made["surrogate"] = None
    (run / "mixture.json").write_text(json.dumps(made))
    show(browser, run, tmp_path, dark=True)
    assert browser.all("#mixture input[type=range]") == []
    assert browser.one("#mixture tbody .epochs").text != ""
    assert browser.all("#mixture .warning") == []
    assert browser.console() == []
