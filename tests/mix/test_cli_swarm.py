from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from gemix.cli.swarm import app
from gemix.mix.read_runs import read_runs

TRUTH = np.array([1.0, 2.0, 4.0])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `gemix swarm ...` in an empty folder with a table of three domains and 40 runs of a linear loss."""
    monkeypatch.chdir(tmp_path)
    Path("domains.csv").write_text("domain,documents,tokens,name\n0,1,500,web\n1,2,300,code\n2,3,200,math\n")
    w = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    rows = [f"{i},{a!r},{b!r},{c!r}" for i, (a, b, c) in enumerate(w.tolist())]
    Path("ratios.csv").write_text("run,web,code,math\n" + "\n".join(rows) + "\n")
    losses = [f"{i},{y!r},{-y!r}" for i, y in enumerate((w @ TRUTH).tolist())]
    Path("metrics.csv").write_text("run,loss,accuracy\n" + "\n".join(losses[::-1]) + "\n")

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return call


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
