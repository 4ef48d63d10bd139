import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import typer
from mix.mix_data import COUNTER, TRUTH
from typer.testing import CliRunner

from gemix.cli.mix import app
from gemix.cli.numbers import parse_count
from gemix.cli.swarm import app as swarm
from gemix.mix.mixture import Mixture
from gemix.mix.read_runs import read_runs

RUNS = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv"]


@pytest.fixture
def run(commands):
    return commands(app)


def mixture(path: str = "mixture.json") -> Mixture:
    return Mixture.model_validate_json(Path(path).read_text())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["uniform"], [1 / 3] * 3),
        (["natural"], [0.5, 0.3, 0.2]),
        (["temperature", "-t", "2"], np.sqrt([0.5, 0.3, 0.2]) / np.sqrt([0.5, 0.3, 0.2]).sum()),
        (["natural", "--max-epochs", "2", "--budget", "2500"], None),
        (["uniform", "--max-epochs", "1", "--budget", "800"], [0.375, 0.375, 0.25]),
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
    if "--budget" in arguments:
        assert [entry.epochs for entry in found.domains] == pytest.approx([0.6, 1.0, 1.0])


def test_the_same_command_writes_the_same_bytes(run):
    run("natural", "domains.csv", "--out", "one.json", "--plot", "one.png")
    run("natural", "domains.csv", "--out", "two.json", "--plot", "two.png")
    assert Path("one.json").read_bytes() == Path("two.json").read_bytes()
    assert Path("one.png").read_bytes() == Path("two.png").read_bytes()


def test_pareto_shows_the_mixtures_between_two_targets(run):
    # The other loss is least where the first is greatest: everything between web and math is a trade.
    text = Path("metrics.csv").read_text().splitlines()
    rows = [line.split(",") for line in text[1:]]
    other = [f"{i},{y},{5 - float(y)!r}" for i, y, _ in rows]
    Path("metrics.csv").write_text("run,loss,other_loss\n" + "\n".join(other) + "\n")
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--samples", "500", "--surrogate", "linear"]
    run("pareto", "domains.csv", *runs, "--target", "loss", "--target", "other_loss")
    lines = [line.split(",") for line in Path("pareto.csv").read_text().splitlines()]
    assert lines[0] == ["mixture", "domain-00", "domain-01", "domain-02", "predicted loss", "predicted other_loss"]
    table = np.array([list(map(float, line[1:])) for line in lines[1:]])
    assert table[:, :3].sum(axis=1) == pytest.approx(np.ones(len(table)))
    assert table[:, 3] == pytest.approx(table[:, :3] @ TRUTH, abs=0.02)
    assert np.all(np.diff(table[:, 3]) >= 0)
    assert len(table) > 200
    # None lies beyond the runs.
    seen = read_runs(Path("ratios.csv"), domains=["domain-00", "domain-01", "domain-02"], names=["web", "code", "math"])
    assert np.all(table[:, :3] >= seen.W.min(axis=0) - 1e-9)
    assert np.all(table[:, :3] <= seen.W.max(axis=0) + 1e-9)
    # To raise the other one as well leaves no trade: one mixture is best.
    run("pareto", "domains.csv", *runs, "--target", "loss", "--target", "other_loss", "--maximise", "other_loss")
    assert len(Path("pareto.csv").read_text().splitlines()) == 2
    assert "two targets" in run("pareto", "domains.csv", *runs, "--target", "loss", code=1)


@pytest.mark.parametrize("target", ["loss", "accuracy"])
def test_regmix_leaves_natural_where_the_runs_prove_it(run, target):
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", target]
    output = run("regmix", "domains.csv", *runs, "--plot-fit", "fit.svg").replace("\n", " ")
    found = mixture()
    assert "better (predicted): the runs show a gain" in output
    assert "what the mixture does to the other metrics" in output
    assert (found.grounds.verdict, found.grounds.direction) == ("better", "up" if target == "accuracy" else "down")
    assert found.weights @ TRUTH < 0.5 * 1 + 0.3 * 2 + 0.2 * 4 - 0.3
    gain = found.grounds.gain
    assert gain.low <= (np.array([0.5, 0.3, 0.2]) - found.weights) @ TRUTH <= gain.high
    assert [effect.metric for effect in found.grounds.others] == ["accuracy" if target == "loss" else "loss"]
    assert found.grounds.others[0].verdict == "better"
    for entry in found.domains:
        assert entry.region[0] - 1e-9 <= entry.weight <= entry.region[1] + 1e-9
        assert entry.wish == entry.weight
    assert found.surrogate["targets"][0]["runs"] == 40
    assert set(found.provenance["runs"]) == {"ratios.csv", "metrics.csv"}
    assert Path("fit.svg").exists()
    run("regmix", "domains.csv", *runs, "--max-epochs", "1.2", "--budget", "800")
    assert np.all(mixture().weights <= 1.2 * np.array([500, 300, 200]) / 800 + 1e-9)
    assert mixture().domains[0].bounds == (0, pytest.approx(0.75))


def test_regmix_in_noise_is_natural_unless_the_wish_is_taken(run):
    noise = np.random.default_rng(3).standard_normal(40)
    lines = [f"{i},{3 + 0.01 * y!r}" for i, y in enumerate(noise.tolist())]
    Path("metrics.csv").write_text("run,loss\n" + "\n".join(lines) + "\n")
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", "loss"]
    output = run("regmix", "domains.csv", *runs).replace("\n", " ")
    assert "unproven: the outcomes do not depend on the mixture beyond chance" in output
    assert "the weights are natural" in output
    assert mixture().weights == pytest.approx([0.5, 0.3, 0.2])
    output = run("regmix", "domains.csv", *runs, "--take", "unproven").replace("\n", " ")
    assert "taken all the same" in output
    assert mixture().grounds.taken == "unproven"
    assert mixture().weights == pytest.approx([entry.wish for entry in mixture().domains])
    assert "--take is unproven" in run("regmix", "domains.csv", *runs, "--take", "all", code=1)


def test_regmix_prints_what_it_writes(run):
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", "loss"]
    output = run("regmix", "domains.csv", *runs, "--json")
    start, end = output.index("{"), output.rindex("}") + 1
    assert Mixture.model_validate_json(output[start:end]) == mixture()


def test_regmix_weighs_the_worst_of_several(run):
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--objective", "worst"]
    run("regmix", "domains.csv", *runs, "--target", "loss", "--target", "accuracy", "--minimise", "accuracy")
    # Loss and minus loss, both to be low: the worst is least where both are at their mean.
    table = read_runs(Path("ratios.csv"), Path("metrics.csv"))
    assert mixture().weights @ TRUTH == pytest.approx(table.metrics["loss"].mean(), abs=0.06)


def test_a_run_folder_stands_for_its_table(run):
    Path("run").mkdir()
    Path("domains.csv").rename("run/domains.csv")
    run("temperature", "run")
    assert mixture("run/mixture.json").strategy == "temperature"
    Path("empty").mkdir()
    assert "empty has no domains.csv: label its corpus first" in run("natural", "empty", code=1)


@pytest.mark.parametrize(
    ("text", "number"), [("25B", 25e9), ("400M", 4e8), ("1e9", 1e9), ("2.5k", 2500), ("1,000", 1000), ("3T", 3e12)]
)
def test_budgets_are_read_as_people_write_them(text, number):
    assert parse_count(text) == number


@pytest.mark.parametrize("text", ["-3", "0", "nan", "1e30", "many", "25 B x", "inf"])
def test_absurd_budgets_are_refused(run, text):
    run("natural", "domains.csv", "--budget", text, code=2)
    with pytest.raises(typer.BadParameter):
        parse_count(text)
    assert not Path("mixture.json").exists()


def test_perf_moves_what_is_beyond_noise(run):
    distinct = {"base": (0.5, 0.3, 0.2), "x": (0.4, 0.4, 0.2), "y": (0.6, 0.2, 0.2), "z": (0.4, 0.3, 0.3)}
    loss = {"base": 2.0, "x": 1.0, "y": 2.0, "z": 3.0}
    rows = [(f"{name}{i}", name) for name in distinct for i in range(3)]
    ratios = [f"{run_id},{','.join(map(str, distinct[name]))}" for run_id, name in rows]
    Path("ratios.csv").write_text("run,web,code,math\n" + "\n".join(ratios) + "\n")
    metrics = [f"{run_id},{loss[name] + 0.01 * (i % 3)}" for i, (run_id, name) in enumerate(rows)]
    Path("metrics.csv").write_text("run,loss\n" + "\n".join(metrics) + "\n")
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", "loss"]
    run("perf", "domains.csv", *runs, "--baseline", "base0")
    found = mixture()
    assert found.grounds.verdict == "better"
    assert found.weights[1] > 0.3
    assert found.weights[2] == 0.2  # the least of all runs
    assert [effect.verdict for effect in found.grounds.others] == ["unproven", "better", "worse"]
    assert "no run is called 'none'" in run("perf", "domains.csv", *runs, "--baseline", "none", code=1)


def test_perf_without_repeats_is_unproven(run):
    Path("ratios.csv").write_text("run,web,code,math\nbase,0.5,0.3,0.2\nx,0.4,0.4,0.2\ny,0.6,0.2,0.2\nz,0.4,0.3,0.3\n")
    Path("metrics.csv").write_text("run,loss\nz,3\ny,2\nx,1\nbase,2\n")
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", "loss"]
    assert "run it with more seeds" in run("perf", "domains.csv", *runs, "--baseline", "base").replace("\n", " ")
    assert mixture().weights == pytest.approx([0.5, 0.3, 0.2])


def test_doremi_replays_a_record(run):
    Path("excess.csv").write_text("step,math,code,web\n1,1.0,0,0\n2,1.0,,0\n")
    run("doremi", "domains.csv", "--excess", "excess.csv", "--smoothing", "0", "--take", "unproven")
    one = np.exp([0, 0, 1]) / np.exp([0, 0, 1]).sum()
    two = np.exp([0, 0, 2]) / np.exp([0, 0, 2]).sum()
    assert mixture().weights == pytest.approx((one + two) / 2)
    assert mixture().provenance["steps"] == 2


def test_mixmin_reports_its_certificate(run):
    Path("target.csv").write_text("token,math,code,web\nx,-1,-9,-9\ny,-9,-1,-9\n")
    output = run("mixmin", "domains.csv", "--likelihoods", "target.csv")
    assert "above the optimum" in output
    assert "unproven: MixMin weighs models of single domains" in output.replace("\n", " ")
    assert mixture().weights == pytest.approx([0.5, 0.3, 0.2])
    assert [entry.wish for entry in mixture().domains] == pytest.approx([0, 0.5, 0.5], abs=1e-3)
    run("mixmin", "domains.csv", "--likelihoods", "target.csv", "--take", "unproven")
    assert mixture().weights == pytest.approx([0, 0.5, 0.5], abs=1e-3)
    assert mixture().provenance["gap"] <= 1e-6


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
    assert "add --maximise hellaswag" in run("regmix", "domains.csv", *runs, "--target", "hellaswag", code=1)
    faulty = run("regmix", "domains.csv", *runs, "--target", "loss", "--surrogate", "tree", code=1)
    assert "no surrogate 'tree'" in faulty
    assert "METRIC:DELTA" in run("regmix", "domains.csv", *runs, "--target", "loss", "--no-worse", "a:b", code=1)


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
    call = [sys.executable, "-c", code.replace("cli.mix ", "cli.swarm "), "design", "domains.csv"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'error: scipy is not installed: pip install "gemix[mix]"\n'


def test_the_written_mixture_says_where_it_comes_from(run):
    run("uniform", "domains.csv", "--max-epochs", "2", "--budget", "1e3")
    content = json.loads(Path("mixture.json").read_text())
    assert content["budget_tokens"] == 1000
    assert content["provenance"]["max_epochs"] == 2
    assert content["provenance"]["gemix"]


@pytest.mark.parametrize("command", [["natural"], ["uniform"], ["regmix", *RUNS, "--target", "loss"]])
def test_groups_are_kept_by_every_strategy(run, command):
    run(command[0], "domains.csv", *command[1:], "--group", "code,math>=0.7", "--group", "web=0.2")
    found = mixture()
    assert found.weights[0] == pytest.approx(0.2, abs=1e-9)
    assert found.weights[1:].sum() >= 0.7 - 1e-9
    assert found.provenance["groups"] == ["code,math>=0.7", "web=0.2"]
    assert "no domain is called 'cod' (nearest: 'code')" in run("natural", "domains.csv", "--group", "cod>=0.1", code=1)


def test_runs_of_another_partition_are_refused(run):
    design(run)
    told = json.loads(Path("design.json").read_text())
    Path("design.json").write_text(json.dumps(told | {"partition": "f" * 64}))
    Path("domains.csv").write_text("domain,tokens,partition\n" + "".join(f"{k},{9 - k},{'e' * 64}\n" for k in range(3)))
    message = run("regmix", "domains.csv", *RUNS, "--target", "loss", code=1)
    assert "design.json: the runs were designed for another partition" in message


def test_a_mixture_says_what_its_runs_were_designed_for(run):
    design(run)
    run("regmix", "domains.csv", *RUNS, "--target", "loss")
    assert mixture().provenance["design"]["seed"] == 5


def design(run):
    call = ["domains.csv", "-n", "9", "--seed", "5"]
    assert CliRunner().invoke(swarm, ["design", *call]).exit_code == 0


def test_what_counted_the_tokens_is_known_or_said(run):
    Path("own.csv").write_text("name,tokens\nweb,70\ncode,30\n")
    assert "note: own.csv does not say what counted the tokens: they are taken as you say" in run("natural", "own.csv")
    assert mixture().unit is None
    run("natural", "domains.csv")
    assert mixture().unit == COUNTER
    Path("old").mkdir()
    Path("old/domains.csv").write_text("domain,documents,tokens\nweb,2,70\ncode,1,30\n")
    message = run("natural", "old", code=1)
    assert "gemix 0.1 counted words; `gemix run --out old` counts its corpus in tokens" in message
