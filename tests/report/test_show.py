"""`gemix show`, and the table that `gemix run` and `gemix label` end with."""

import csv
import json
from pathlib import Path

import pytest
from support import COMPILED, imported_by
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.report import read
from gemix.report.domains import domain_rows
from gemix.report.terminal import print_domains, rows_of_table
from gemix.report.text import plain


def show(*arguments: object):
    return CliRunner().invoke(app, ["show", *map(str, arguments)], catch_exceptions=False)


def test_the_table_has_a_line_a_domain_largest_first(run):
    result = show(run)
    assert result.exit_code == 0, result.stderr
    header, *lines = result.stdout.rstrip().splitlines()
    assert header.split()[:3] == ["domain", "name", "documents"]
    for title in ("κ", "coherence", "agreement"):
        assert title in header
    with open(run / "domains.csv", newline="") as file:
        counts = {row["name"]: int(row["documents"]) for row in csv.DictReader(file)}
    shown = [(line.split()[1], int(line.split()[2])) for line in lines]
    assert dict(shown) == counts
    assert [n for _, n in shown] == sorted(counts.values(), reverse=True)


def test_a_table_of_labels_alone_has_no_columns_of_the_teacher(run, capsys):
    print_domains(rows_of_table(run / "domains.csv"))
    out = capsys.readouterr().out
    assert len(out.rstrip().splitlines()) == 5
    assert "κ" not in out
    assert "agreement" not in out


def test_a_domain_by_number_and_by_name(run):
    domain = read.taxonomy(run).domains[2]
    by_number, by_name, upper = (
        show(run, "--domain", 2),
        show(run, "-d", domain.name),
        show(run, "-d", domain.name.upper()),
    )
    assert by_number.exit_code == 0, by_number.stderr
    assert by_number.stdout == by_name.stdout == upper.stdout
    text = " ".join(by_number.stdout.split())
    assert text.startswith(f"2. {domain.name}")
    assert ", ".join(domain.keywords) in text
    assert f"{domain_rows(run)[2].documents:,} (" in text
    for rank, document in enumerate(domain.representatives, 1):
        assert f"{rank}. {document.id}: {document.excerpt[:40]}" in text


def test_what_a_language_model_said_is_shown(run):
    taxonomy = json.loads((run / "taxonomy.json").read_text())
    taxonomy["domains"][1] |= {"description": "All about boats.", "belongs": "sails", "excludes": "cars"}
    (run / "taxonomy.json").write_text(json.dumps(taxonomy))
    text = " ".join(show(run, "-d", 1).stdout.split())
    for said in ("All about boats.", "belongs sails", "does not cars"):
        assert said in text


@pytest.mark.parametrize("wanted", ["4", "-1", "1.5", "²", ""])
def test_a_domain_that_is_not_there(run, wanted):
    result = show(run, f"--domain={wanted}")
    assert result.exit_code == 1
    assert "give a number from 0 to 3 or a name" in result.stderr


def test_a_mistyped_name_is_guessed(run):
    name = read.taxonomy(run).names[0]
    result = show(run, "-d", name[:-2])
    assert result.exit_code == 1
    assert f"did you mean {name}" in result.stderr


def test_hostile_texts_do_not_reach_the_terminal(run):
    taxonomy = json.loads((run / "taxonomy.json").read_text())
    attack = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202egnp\r\n[bold red]x[/] :smile: "
    for shown in taxonomy["domains"][0]["representatives"]:
        shown["id"], shown["excerpt"] = attack, attack + "y" * 1_000_000
    taxonomy["domains"][0]["name"] = attack
    taxonomy["domains"][0]["keywords"] = [attack]
    (run / "taxonomy.json").write_text(json.dumps(taxonomy))
    for result in (show(run), show(run, "-d", 0)):
        assert result.exit_code == 0
        assert not set(result.stdout) & set("\x1b\x07\x9b\u202e\r")
        assert "[bold red]x[/]" in " ".join(result.stdout.split())  # not taken for markup
        assert len(result.stdout) < 20_000


def test_a_line_is_cut_and_says_so():
    assert plain("  a\n\tb  ") == "a b"
    assert plain("x" * 400, 300) == "x" * 299 + "…"
    assert plain("x" + " " * 5000, 300) == "x…"
    assert plain("x" * 300, 300) == "x" * 300
    assert plain("x" * 300) == "x" * 298 + "…"
    assert plain("", 300) == ""


def test_a_run_ends_with_the_table_and_the_next_step(run):
    config = read.settings(run)
    result = CliRunner().invoke(app, ["run", *config.inputs, "--out", str(run), "--config", str(run / "config.yaml")])
    assert result.exit_code == 0, result.stderr
    assert f"gemix report {run}" in result.stdout
    assert show(run).stdout in result.stdout


def test_show_compiles_nothing(small_run: Path) -> None:
    packages, files = imported_by("show", str(small_run))
    assert "gemix.report.terminal" in files
    assert not packages & COMPILED
    assert not {name for name in files if name.startswith(("gemix.sphere", "gemix.embed", "gemix.labels"))}
