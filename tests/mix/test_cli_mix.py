import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from mix.mix_data import Linear
from typer.testing import CliRunner

from gemix.cli.mix import app
from gemix.mix.mixture import Mixture
from gemix.mix.read_runs import read_runs

TRUTH = np.array([1.0, 2.0, 4.0])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run `gemix mix ...` in an empty folder with a table of three domains and 40 runs of a linear loss."""
    monkeypatch.chdir(tmp_path)
    Path("domains.csv").write_text("domain,documents,tokens,name\n0,1,500,web\n1,2,300,code\n2,3,200,math\n")
    w = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    # Columns and rows in an order of their own: everything joins by name.
    rows = [f"{i},{a!r},{b!r},{c!r}" for i, (a, b, c) in enumerate(w.tolist())]
    Path("ratios.csv").write_text("run,web,code,math\n" + "\n".join(rows) + "\n")
    losses = [f"{i},{y!r},{-y!r}" for i, y in enumerate((w @ TRUTH).tolist())]
    Path("metrics.csv").write_text("run,loss,accuracy\n" + "\n".join(losses[::-1]) + "\n")

    def call(*arguments: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result.output

    return call


def mixture(path: str = "mixture.json") -> Mixture:
    return Mixture.model_validate_json(Path(path).read_text())


class Fitted:
    """A surrogate that solves for the coefficients, standing in for the real ones."""

    def fit(self, W, y):
        self.model = Linear(np.linalg.lstsq(W, y, rcond=None)[0])
        return self

    def mean_only(self):
        return self

    def predict(self, W):
        return self.model.predict(W)

    def to_dict(self):
        return {"kind": "stub", "domains": len(self.model.coefficients)}


@pytest.fixture
def stub(monkeypatch):
    from gemix.mix import surrogates

    monkeypatch.setattr(surrogates, "surrogate", lambda kind: Fitted())
    real = surrogates.cross_validate
    monkeypatch.setattr(surrogates, "cross_validate", lambda kind, W, y, seed: real("linear", W, y, seed=seed))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["uniform"], [1 / 3] * 3),
        (["natural"], [0.5, 0.3, 0.2]),
        (["temperature", "-t", "2"], np.sqrt([0.5, 0.3, 0.2]) / np.sqrt([0.5, 0.3, 0.2]).sum()),
        (["natural", "--max-epochs", "2", "--budget-tokens", "2500"], None),
        (["uniform", "--max-epochs", "1", "--budget-tokens", "800"], [0.375, 0.375, 0.25]),
    ],
)
def test_strategies_of_shares_write_the_mixture(run, arguments, expected):
    if expected is None:
        assert "lower the budget" in run(arguments[0], "domains.csv", *arguments[1:], code=1)
        assert not Path("mixture.json").exists()
        return
    run(arguments[0], "domains.csv", *arguments[1:])
    found = mixture()
    assert found.keys == ["domain-00", "domain-01", "domain-02"]
    assert [entry.name for entry in found.domains] == ["web", "code", "math"]
    assert found.weights == pytest.approx(expected)
    assert found.strategy == arguments[0]
    assert [entry.share for entry in found.domains] == [0.5, 0.3, 0.2]
    assert len(found.provenance["domains_sha256"]) == 64
    if "--budget-tokens" in arguments:
        assert [entry.epochs for entry in found.domains] == pytest.approx([0.6, 1.0, 1.0])


def test_the_same_command_writes_the_same_bytes(run):
    run("natural", "domains.csv", "--out", "one.json", "--plot", "one.png")
    run("natural", "domains.csv", "--out", "two.json", "--plot", "two.png")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()


def test_pareto_shows_the_mixtures_between_two_targets(run, stub):
    # The other loss is least where the first is greatest: everything between web and math is a trade.
    text = Path("metrics.csv").read_text().splitlines()
    rows = [line.split(",") for line in text[1:]]
    other = [f"{i},{y},{5 - float(y)!r}" for i, y, _ in rows]
    Path("metrics.csv").write_text("run,loss,other\n" + "\n".join(other) + "\n")
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--samples", "500"]
    run("pareto", "domains.csv", *runs, "--target", "loss", "--target", "other")
    lines = [line.split(",") for line in Path("pareto.csv").read_text().splitlines()]
    assert lines[0] == ["mixture", "domain-00", "domain-01", "domain-02", "predicted loss", "predicted other"]
    table = np.array([list(map(float, line[1:])) for line in lines[1:]])
    assert len(table) == 500
    assert table[:, :3].sum(axis=1) == pytest.approx(np.ones(500))
    assert table[:, 3] == pytest.approx(table[:, :3] @ TRUTH)
    assert np.all(np.diff(table[:, 3]) >= 0)
    # To raise the other one as well leaves no trade: one mixture is best.
    run("pareto", "domains.csv", *runs, "--target", "loss", "--target", "other=-1")
    assert len(Path("pareto.csv").read_text().splitlines()) == 2
    assert "two targets" in run("pareto", "domains.csv", *runs, "--target", "loss", code=1)


@pytest.mark.parametrize("target", ["loss", "accuracy=-1"])
def test_regmix_finds_the_best_mixture(run, stub, target):
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", target]
    output = run("regmix", "domains.csv", *runs, "--samples", "3000", "--plot-fit", "fit.svg")
    assert "rank correlation 1.000" in output.replace("\n", " ")
    assert mixture().weights[0] > 0.9
    assert mixture().surrogate["targets"][0]["runs"] == 40
    assert set(mixture().provenance["runs"]) == {"ratios.csv", "metrics.csv"}
    assert Path("fit.svg").exists()
    run("regmix", "domains.csv", *runs, "--search", "optimise", "--max-epochs", "1", "--budget-tokens", "800")
    assert mixture().weights == pytest.approx([0.625, 0.375, 0], abs=1e-4)
    run("regmix", "domains.csv", *runs, "--search", "optimise", "--kl", "1")
    expected = np.array([0.5, 0.3, 0.2]) * np.exp(-TRUTH)
    assert mixture().weights == pytest.approx(expected / expected.sum(), abs=1e-4)


def test_regmix_weighs_the_worst_of_several(run, stub):
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--objective", "worst", "--search", "optimise"]
    run("regmix", "domains.csv", *runs, "--target", "loss", "--target", "accuracy")
    # Loss and minus loss, both to be low: the worst is least where both are at their mean.
    table = read_runs(Path("ratios.csv"), Path("metrics.csv"))
    assert mixture().weights @ TRUTH == pytest.approx(table.metrics["loss"].mean(), abs=1e-3)


def test_perf_reads_probes_from_the_table(run):
    Path("ratios.csv").write_text("run,web,code,math\nbase,0.5,0.3,0.2\nx,0.4,0.4,0.2\ny,0.6,0.2,0.2\nz,0.4,0.3,0.3\n")
    Path("metrics.csv").write_text("run,loss\nz,3\ny,2\nx,1\nbase,2\n")
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", "loss"]
    run("perf", "domains.csv", *runs, "--baseline", "base")
    z = np.array([0, 1, -1]) / np.sqrt(2 / 3)
    expected = np.array([0.5, 0.3, 0.2]) * np.exp(z)
    assert mixture().weights == pytest.approx(expected / expected.sum())
    run("perf", "domains.csv", *runs, "--baseline", "base", "--top", "1", "--factor", "3")
    assert mixture().weights == pytest.approx(np.array([0.5, 0.9, 0.2]) / 1.6)
    assert "no run is called 'none'" in run("perf", "domains.csv", *runs, "--baseline", "none", code=1)


def test_doremi_replays_a_record(run):
    Path("excess.csv").write_text("step,math,code,web\n1,1.0,0,0\n2,1.0,,0\n")
    run("doremi", "domains.csv", "--excess", "excess.csv", "--smoothing", "0")
    one = np.exp([0, 0, 1]) / np.exp([0, 0, 1]).sum()
    two = np.exp([0, 0, 2]) / np.exp([0, 0, 2]).sum()
    assert mixture().weights == pytest.approx((one + two) / 2)
    assert mixture().provenance["steps"] == 2


def test_mixmin_reports_its_certificate(run):
    Path("target.csv").write_text("token,math,code,web\nx,-1,-9,-9\ny,-9,-1,-9\n")
    output = run("mixmin", "domains.csv", "--likelihoods", "target.csv")
    assert "above the optimum" in output
    assert mixture().weights == pytest.approx([0, 0.5, 0.5], abs=1e-3)
    assert mixture().provenance["gap"] <= 1e-6


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
    run("suggest", "domains.csv", *runs, "-n", "3", "--max-epochs", "1", "--budget-tokens", "900")
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


def test_reuse_carries_reduces_and_expands(run):
    run("natural", "domains.csv", "--out", "old.json")
    Path("new.csv").write_text("domain,tokens\nweb,500\nalgebra,150\ngeometry,50\ncode,300\nbooks,1000\n")
    split = ["--split", "math=algebra,geometry"]
    run("reuse", "old.json", "new.csv", *split)
    assert mixture().weights == pytest.approx([0.25, 0.075, 0.025, 0.15, 0.5])
    run("reuse", "old.json", "new.csv", *split, "--reduced", "small.csv")
    run("uniform", "small.csv", "--out", "small.json")
    assert mixture("small.json").keys == ["existing", "algebra", "geometry", "books"]
    run("reuse", "old.json", "new.csv", *split, "--solved", "small.json")
    assert mixture().weights == pytest.approx([0.25 * 0.625, 0.25, 0.25, 0.25 * 0.375, 0.25])
    assert "once for every old domain" in run("reuse", "old.json", "new.csv", "--split", "math", code=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["uniform", "none.csv"], "none.csv: No such file"),
        (["uniform", "domains.csv", "--max-epochs", "4"], "domains.csv: a limit on epochs needs the budget"),
        (["temperature", "domains.csv", "-t", "-1"], "temperature must be positive"),
        (["design", "domains.csv", "--kind", "grid"], "no design is called 'grid'"),
        (["design", "domains.csv", "--strength", "2", "1"], "strengths must be"),
        (["convert", "ratios.csv", "x", "--to", "excel"], "no format is called 'excel'"),
        (["convert", "domains.csv", "x", "--to", "climb"], "run 'web' sum to 501, not to 1"),
        (["doremi", "domains.csv", "--excess", "ratios.csv"], "missing: step"),
        (["reuse", "metrics.csv", "domains.csv"], "metrics.csv: not a mixture.json: no JSON"),
    ],
)
def test_faults_are_messages(run, arguments, message):
    output = run(*arguments, code=1)
    assert output.startswith("error: ")
    assert message in output.replace("\n", " ")


def test_targets_must_exist(run):
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv"]
    assert "no metric is called 'bpb'" in run("regmix", "domains.csv", *runs, "--target", "bpb", code=1)
    assert "not 'loss=low'" in run("regmix", "domains.csv", *runs, "--target", "loss=low", code=1)
    assert "stands twice" in run("regmix", "domains.csv", *runs, "--target", "loss", "--target", "loss=2", code=1)
    assert "simulate or optimise" in run("regmix", "domains.csv", *runs, "--target", "loss", "--search", "x", code=1)


def test_every_command_teaches_by_an_example(run):
    for command in app.registered_commands:
        assert "Example: `gemix mix " in command.callback.__doc__
        run(command.name or command.callback.__name__, "--help")


def test_what_draws_no_mixtures_needs_no_extra(run):
    # The base install has NumPy and no scipy, scikit-learn, lightgbm or matplotlib.
    blocked = ["scipy", "sklearn", "lightgbm", "matplotlib"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from gemix.cli.mix import app\n"
        "app(sys.argv[1:], prog_name='mix')"
    )
    Path("excess.csv").write_text("step,math,code,web\n1,1.0,0,0\n")
    for arguments in (["temperature", "domains.csv"], ["doremi", "domains.csv", "--excess", "excess.csv"]):
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    call = [sys.executable, "-c", code, "design", "domains.csv"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'error: scipy is not installed: pip install "gemix[mix]"\n'


def test_the_written_mixture_says_where_it_comes_from(run):
    run("uniform", "domains.csv", "--max-epochs", "2", "--budget-tokens", "1e3")
    content = json.loads(Path("mixture.json").read_text())
    assert content["budget_tokens"] == 1000
    assert content["provenance"]["max_epochs"] == 2
    assert content["provenance"]["gemix"]
