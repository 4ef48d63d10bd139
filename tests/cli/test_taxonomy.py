"""People's words about the domains of a small real run, through the command line."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from support import files_below
from typer.testing import CliRunner

from gemix.chain.names import show_names
from gemix.cli.app import app
from gemix.cli.taxonomy import app as commands
from gemix.mix.levels import read_nodes
from gemix.mix.partition import read_partition
from gemix.run.folder import RunFolder
from gemix.runtime.errors import GemixError
from gemix.taxonomy import load_taxonomy
from gemix.taxonomy.edits import named_taxonomy, read_edits


def gemix(*arguments: object, code: int = 0) -> tuple[str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == code, result.stderr
    return result.stdout, result.stderr


@pytest.fixture(scope="module")
def named(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run up to its names."""
    run = tmp_path_factory.mktemp("edits") / "run"
    gemix("embed", corpus, "--out", run, "--embedder", "lsa", "--workers", "1", "--window", "400")
    gemix("fit", run, "--clusters", "4")
    gemix("name", run)
    return run


@pytest.fixture
def run(named: Path, tmp_path: Path) -> Path:
    shutil.copytree(named, tmp_path / "run")
    return tmp_path / "run"


def test_a_domain_is_renamed_described_excluded_and_all_is_undone(run: Path) -> None:
    first = load_taxonomy(run)
    page, untouched = (run / "taxonomy.md").read_text(), (run / "taxonomy.json").read_bytes()
    table = [["domain", "documents", "tokens", "name"], *([str(d.id), "3", "30", d.name] for d in first.domains)]
    (run / "domains.csv").write_text("".join(",".join(row) + "\n" for row in table))
    old = first.domains[2].name
    _, err = gemix("taxonomy", "rename", run, 2, "Pots, and pans")
    assert f"domain-02 is called 'Pots, and pans' now (was '{old}')" in err
    gemix("taxonomy", "describe", run, "domain-02", "What people  cook with")
    gemix("taxonomy", "exclude", run, "pots, AND pans")
    domain = named_taxonomy(run).domains[2]
    assert (domain.name, domain.description, domain.excluded, domain.named_by) == (
        "Pots, and pans", "What people cook with", True, "person"
    )  # fmt: skip
    assert "## 2. Pots, and pans (excluded)\n\nWhat people cook with\n" in (run / "taxonomy.md").read_text()
    with open(run / "domains.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["domain", "name", "documents", "tokens", "excluded"]
    assert rows[3] == ["2", "Pots, and pans", "3", "30", "yes"]
    assert [row[1] for row in rows[1:3] + rows[4:]] == [d.name for d in first.domains if d.id != 2]
    assert (run / "taxonomy.json").read_bytes() == untouched
    assert load_taxonomy(run) == first
    before = files_below(run)
    show_names(RunFolder(run))  # safe to repeat
    assert set(files_below(run)) == set(before)
    _, err = gemix("taxonomy", "undo", run)
    assert "removed from domain-02: name: Pots, and pans, description: What people cook with, exclude: true" in err
    assert named_taxonomy(run) == first
    assert (run / "taxonomy.md").read_text() == page
    assert "nothing to undo" in gemix("taxonomy", "undo", run)[1]


def test_domains_are_merged_and_mixed_without_new_labels(run: Path) -> None:
    first = load_taxonomy(run)
    table = [
        "domain,documents,tokens,name,partition",
        *(f"{k},{k + 1},{10 * (k + 1)},{first.names[k]},p" for k in range(4)),
    ]
    (run / "domains.csv").write_text("\n".join(table) + "\n")
    before = files_below(run)
    _, err = gemix("taxonomy", "merge", run, 3, first.names[1], 0)
    assert "is part of domain-03" in err
    assert "2 of 4 domains are left" in err
    now = named_taxonomy(run)
    assert [d.merged_into for d in now.domains] == [3, 3, None, None]
    coarse = read_partition(run / "domains-merged.csv")
    assert (coarse.keys, coarse.tokens.tolist()) == (["domain-03", "domain-02"], [70, 30])
    assert coarse.names == [first.names[3], first.names[2]]
    _, nodes = read_nodes(run / "domains-merged.leaves.csv")
    assert nodes == ["domain-03", "domain-03", "domain-02", "domain-03"]
    made = {path.name for path in set(files_below(run)) - set(before)}
    assert made == {"taxonomy-edits.yaml", "domains-merged.csv", "domains-merged.leaves.csv"}
    assert "part of domain-03" in gemix("show", run, "--domain", 0)[0]
    _, err = gemix("taxonomy", "merge", run, 0, 3, code=1)
    assert "is merged in a circle: " in err
    _, err = gemix("taxonomy", "merge", run, 2, 2, code=1)
    assert "domain-02 is merged in a circle: domain-02 into domain-02" in err
    assert "no domain '9'" in gemix("taxonomy", "merge", run, 2, 9, code=1)[1]
    gemix("taxonomy", "undo", run)
    assert not (run / "domains-merged.csv").exists()
    assert not (run / "domains-merged.leaves.csv").exists()


def test_a_cut_replaces_merges_and_keeps_what_else_is_said(run: Path) -> None:
    gemix("taxonomy", "rename", run, 2, "Mine")
    gemix("taxonomy", "merge", run, 0, 2)
    assert "1 of 4 domains are left" in gemix("taxonomy", "cut", run, 1)[1]
    assert "3 of 4 domains are left" in gemix("taxonomy", "cut", run, 3)[1]
    assert named_taxonomy(run).names[2] == "Mine"
    assert "4 of 4 domains are left" in gemix("taxonomy", "cut", run, 4)[1]
    assert "can be cut into 1 to 4 nodes, not 5" in gemix("taxonomy", "cut", run, 5, code=1)[1]


def test_an_edit_makes_no_stage_run_again(run: Path) -> None:
    gemix("taxonomy", "rename", run, 1, "At sea")
    words = (run / "taxonomy-edits.yaml").read_bytes()
    for stage in ("fit", "name"):
        assert f"{stage}: nothing changed, skipped" in gemix(stage, run)[1]
    (run / "taxonomy.json").unlink()  # named again, the edit is still there
    gemix("name", run)
    assert (run / "taxonomy-edits.yaml").read_bytes() == words
    assert named_taxonomy(run).names[1] == "At sea"


def test_what_is_wrong_is_said_before_anything_is_written(run: Path, tmp_path: Path) -> None:
    gemix("taxonomy", "rename", run, 1, "At sea")
    before = files_below(run)
    names = load_taxonomy(run).names
    for arguments, fault in [
        (("rename", run, 9, "x"), "no domain '9': give an id from 0 to 3"),
        (("rename", run, "At see", "x"), "did you mean 'At sea'?"),
        (("rename", run, names[1], "x"), f"no domain {names[1]!r}"),  # it is not its present name
        (("rename", run, 0, "AT sea"), "domain-00 cannot be called 'AT sea': domain-01 has the name 'At sea'"),
        (("rename", run, 0, names[3]), f"domain-03 has the name {names[3]!r}"),
        (("rename", run, 0, "s" * 65), "the name has 65 characters"),
        (("rename", run, 0, "<b>sea</b>"), "holds markup"),
        (("rename", run, 0, "sea\u202e"), "right-to-left override"),
        (("rename", run, 0, "a\nb"), "more than one line"),
        (("rename", run, 0, "\udcff"), "U+DCFF"),
        (("describe", run, 0, "s" * 10_000), "the description has 10,000 characters"),
        (("describe", run, 0, "  "), "the description is empty"),
    ]:
        _, err = gemix("taxonomy", *arguments, code=1)
        assert fault in err, err
        assert err.count("error: ") == 1
    after = files_below(run)
    assert {path.name for path in after if after[path] != before.get(path)} <= {".lock"}
    _, err = gemix("taxonomy", "rename", tmp_path, 0, "x", code=1)
    assert "has no named domains yet: run `gemix name" in err
    assert not (tmp_path / ".lock").exists()


def test_a_machine_name_that_would_come_back_must_be_free(run: Path) -> None:
    names = load_taxonomy(run).names
    gemix("taxonomy", "rename", run, 0, "Something else")
    gemix("taxonomy", "rename", run, 1, names[0])
    _, err = gemix("taxonomy", "undo", run, 0, code=1)
    assert f"domain-01 cannot be called {names[0]!r}" in err
    assert list(read_edits(run / "taxonomy-edits.yaml").domains) == [0, 1]
    gemix("taxonomy", "undo", run)
    assert named_taxonomy(run).names == names


def test_edits_go_with_their_documents_to_another_fit(run: Path) -> None:
    before = RunFolder(run).read_assignment().domains
    gemix("taxonomy", "rename", run, 1, "At sea")
    _, err = gemix("fit", run, "--seed", 5, "--clusters", 3)
    assert "At sea" in err  # carried, or set aside
    after = RunFolder(run).read_assignment().domains
    sizes = np.bincount(after[before == 1], minlength=3)
    holds_half = 2 * sizes.max() >= sizes.sum()
    gemix("name", run)
    names = named_taxonomy(run).names
    assert ("At sea" in names) == holds_half
    if holds_half:
        assert names[sizes.argmax()] == "At sea"


def test_edits_of_another_fit_are_not_put_on_these_domains(run: Path) -> None:
    gemix("taxonomy", "rename", run, 1, "At sea")
    shutil.copy(run / "seed.parquet", run / "partition.parquet")  # something else
    with pytest.raises(GemixError, match="its ids belong to another fit of the teacher"):
        named_taxonomy(run)
    assert "belong to another fit" in gemix("taxonomy", "undo", run, 1, code=1)[1]


def test_a_hand_written_file_gets_the_fingerprint_with_the_first_command(run: Path) -> None:
    file = run / "taxonomy-edits.yaml"
    file.write_text("# mine\ndomains:\n  3:\n    name: Gardens\n")
    assert named_taxonomy(run).names[3] == "Gardens"
    gemix("taxonomy", "exclude", run, "Gardens")
    lines = file.read_text().splitlines()
    assert lines[0] == "# mine"
    assert lines[1].startswith("teacher: ")
    assert lines[2:] == ["domains:", "  3:", "    name: Gardens", "    exclude: true"]
    file.write_text("domains:\n  3:\n    nmae: Gardens\n")
    assert f"{file}, line 3: domain-03: no key 'nmae' is known" in gemix("taxonomy", "undo", run, 3, code=1)[1]


def test_every_help_has_an_example_that_parses() -> None:
    names = [command.name or command.callback.__name__ for command in commands.registered_commands]
    assert names == ["rename", "describe", "exclude", "merge", "cut", "undo"]
    for command, name in zip(commands.registered_commands, names, strict=True):
        assert f"Example: `gemix taxonomy {name} run/ " in command.callback.__doc__
        assert name in gemix("taxonomy", "--help")[0]
    assert json.dumps(gemix("taxonomy", "undo", "--help")[0]).count("domain-07") >= 1
