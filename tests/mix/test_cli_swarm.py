from pathlib import Path

import numpy as np
import pytest

from gemix.cli.swarm import app
from gemix.mix.design_file import read_design
from gemix.mix.read_runs import read_runs


@pytest.fixture
def run(commands):
    return commands(app)


@pytest.mark.parametrize("kind", ["dirichlet", "uniform", "maximin", "rejection"])
def test_designs_are_tables_that_other_commands_read(run, kind):
    run("design", "domains.csv", "-n", "30", "--kind", kind, "--seed", "3")
    first = Path("mixtures.csv").read_text()
    run("design", "domains.csv", "-n", "30", "--kind", kind, "--seed", "3")
    assert Path("mixtures.csv").read_text() == first
    table = read_runs(Path("mixtures.csv"), domains=["domain-00", "domain-01", "domain-02"])
    assert table.ids == [str(i + 1) for i in range(30)]
    assert table.notes == []


def test_suggestions_have_new_ids_and_respect_the_caps(run):
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", "loss"]
    run("suggest", "domains.csv", *runs, "-n", "3", "--max-epochs", "1", "--budget", "900")
    table = read_runs(Path("suggested.csv"), domains=["domain-00", "domain-01", "domain-02"])
    assert table.ids == ["40", "41", "42"]
    assert np.all(np.array([500, 300, 200]) / 900 + 1e-9 >= table.W)


@pytest.mark.parametrize("to", ["olmix-csv", "regmix-csv", "regmix", "climb", "doremi", "weborganizer", "gemix"])
def test_every_format_converts_to_every_other(run, to):
    run("convert", "ratios.csv", "there", "--to", to)
    source = "there" if not to.endswith("csv") else str(next(Path("there").iterdir()))
    run("convert", source, "back", "--to", "olmix-csv")
    before, after = read_runs(Path("ratios.csv")), read_runs(Path("back/ratios.csv"), domains=["web", "code", "math"])
    order = np.argsort([int(name.removeprefix("random")) for name in after.ids])
    assert after.W[order] == pytest.approx(before.W, rel=1e-12)


def test_metrics_travel_with_tables_only(run):
    run("convert", "ratios.csv", "there", "--to", "regmix-csv", "--metrics", "metrics.csv")
    assert Path("there/loss.csv").read_text().startswith("index,metric/loss,metric/accuracy\n")
    assert "no place for them" in run("convert", "ratios.csv", "x", "--to", "climb", "--metrics", "metrics.csv", code=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["design", "domains.csv", "--kind", "grid"], "no design is called 'grid'"),
        (["design", "domains.csv", "--strength", "2", "1"], "strengths must be"),
        (["convert", "ratios.csv", "x", "--to", "excel"], "no format is called 'excel'"),
        (["convert", "domains.csv", "x", "--to", "climb"], "run 'web' sum to 501, not to 1"),
    ],
)
def test_faults_are_messages(run, arguments, message):
    output = run(*arguments, code=1)
    assert output.startswith("error: ")
    assert message in output.replace("\n", " ")


def test_every_command_teaches_by_an_example(run):
    for command in app.registered_commands:
        assert "Example: `gemix swarm " in command.callback.__doc__
        run(command.name or command.callback.__name__, "--help")


def test_a_design_has_its_record_and_keeps_groups(run):
    run("design", "domains.csv", "-n", "20", "--group", "code,math>=0.6", "--max-epochs", "3", "--budget", "1000")
    table = read_runs(Path("mixtures.csv"), domains=["domain-00", "domain-01", "domain-02"])
    assert np.all(table.W[:, 1:].sum(axis=1) >= 0.6 - 1e-9)
    design = read_design(Path())
    assert design is not None
    assert design.prior == pytest.approx([0.5, 0.3, 0.2])
    assert [(group.domains, group.floor) for group in design.groups] == [(["domain-01", "domain-02"], 0.6)]
    assert design.cap == pytest.approx([1.0, 0.9, 0.6])


def test_suggestions_are_refused_where_runs_are_of_other_domains(run):
    run("design", "domains.csv", "-n", "5")
    Path("other.csv").write_text("domain,tokens\n0,5\n1,6\n")
    message = run("suggest", "other.csv", "--mixtures", "mixtures.csv", "--metrics", "m.csv", "--target", "l", code=1)
    assert "design.json: the runs were designed for 3 domains that are not the 2 of this partition" in message
