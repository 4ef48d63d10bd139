"""Mixtures one after another: weights, epochs and caps are those of the whole training."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.mix.formats import mixture_json
from gemix.mix.mixture import DomainWeight, FixedSource, Mixture
from gemix.mix.phases import join_phases

TOKENS = {"web": 600, "code": 300, "math": 100}


def made(*weights: float, budget: int | None = 1000, **fields: Any) -> Mixture:
    domains = [
        DomainWeight(domain=name, weight=weight, tokens=tokens, epochs=None)
        for (name, tokens), weight in zip(TOKENS.items(), weights, strict=True)
    ]
    return Mixture(strategy="made", budget_tokens=budget, domains=domains, **fields)


FIRST, SECOND = made(0.8, 0.2, 0.0), made(0.2, 0.3, 0.5)


def test_weights_and_epochs_are_those_of_the_whole() -> None:
    found = join_phases([FIRST, SECOND], [0.75])
    assert found.weights == pytest.approx([0.65, 0.225, 0.125])
    assert [entry.epochs for entry in found.domains] == pytest.approx([650 / 600, 225 / 300, 125 / 100])
    assert [(phase.share, phase.weights) for phase in found.phases] == [
        (0.75, [0.8, 0.2, 0.0]),
        (0.25, [0.2, 0.3, 0.5]),
    ]
    assert mixture_json.parse(mixture_json.dump(found)) == found


def test_a_phase_may_exceed_a_limit_that_the_whole_keeps() -> None:
    assert join_phases([FIRST, SECOND], [0.75], max_epochs=1.25).domains[2].epochs == pytest.approx(1.25)
    with pytest.raises(ValueError, match=r"together repeat math 1\.25 times, and at most 1\.2 are allowed"):
        join_phases([FIRST, SECOND], [0.75], max_epochs=1.2)
    limited = FIRST.model_copy(update={"provenance": {"max_epochs": 1.2}})
    with pytest.raises(ValueError, match=r"at most 1\.2 are allowed"):
        join_phases([limited, SECOND], [0.75])


def test_domains_may_come_in_any_order() -> None:
    turned = SECOND.model_copy(update={"domains": SECOND.domains[::-1]})
    assert join_phases([FIRST, turned], [0.75]).phases == join_phases([FIRST, SECOND], [0.75]).phases


@pytest.mark.parametrize(
    ("mixtures", "at", "message"),
    [
        ([FIRST, SECOND], [0.5, 0.9], r"2 phases need 1 ascending --at between 0 and 1, not \[0\.5, 0\.9\]"),
        ([FIRST, SECOND, FIRST], [0.9, 0.5], r"3 phases need 2 ascending"),
        ([FIRST, SECOND], [1.0], r"2 phases need 1 ascending"),
        ([FIRST, made(0.2, 0.3, 0.5, budget=2000)], [0.5], r"have the budgets 1,000, 2,000: --budget TOKENS"),
        ([FIRST, made(0.2, 0.3, 0.5, unit="a"), made(1, 0, 0, unit="b")], [0.5, 0.6], r"^$"),
        ([made(1, 0, 0, unit="a"), made(1, 0, 0, unit="b")], [0.5], r"by different tokenizers, a and b"),
        ([made(1, 0, 0, partition="a"), made(1, 0, 0, partition="b")], [0.5], r"of another partition"),
        ([FIRST, Mixture(strategy="x", domains=[DomainWeight(domain="web", weight=1)])], [0.5], r"code, math in some"),
        ([FIRST, join_phases([FIRST, SECOND], [0.5])], [0.5], r"has phases itself"),
    ],
)
def test_what_does_not_go_together_is_refused(mixtures: list[Mixture], at: list[float], message: str) -> None:
    if message == "^$":  # where one does not say what counted, nothing can be told
        join_phases(mixtures, at)
        return
    with pytest.raises(ValueError, match=message):
        join_phases(mixtures, at)


def test_fixed_sources_leave_their_part_of_the_budget() -> None:
    fixed = [FixedSource(name="books", share=0.2, path="x")]
    found = join_phases([made(1, 0, 0, fixed=fixed), made(0, 1, 0, fixed=fixed)], [0.5])
    assert [entry.epochs for entry in found.domains] == pytest.approx([400 / 600, 400 / 300, 0])
    with pytest.raises(ValueError, match="different fixed sources"):
        join_phases([made(1, 0, 0, fixed=fixed), SECOND], [0.5])
    with pytest.raises(ValueError, match="leave nothing to domains"):
        made(1, 0, 0, fixed=[*fixed, FixedSource(name="more", share=0.8, path="y")])
    with pytest.raises(ValueError, match="called as another"):
        made(1, 0, 0, fixed=[FixedSource(name="web", share=0.8, path="y")])


def test_on_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("A.json").write_text(FIRST.to_json())
    Path("B.json").write_text(SECOND.to_json())
    done = CliRunner().invoke(app, ["mix", "phases", "A.json", "B.json", "--at", "0.9", "--out", "M.json"])
    assert done.exit_code == 0, done.output
    assert "M.json: 2 phases of 3 domains" in done.output
    assert mixture_json.parse(Path("M.json").read_text()).phases[1].share == pytest.approx(0.1)
    done = CliRunner().invoke(app, ["mix", "phases", "A.json", "B.json", "--at", "9"])
    assert "2 phases need 1 ascending --at" in done.output
