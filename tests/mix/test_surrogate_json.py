"""The fitted surrogates of a mixture as a file, and the uncertainty of an objective over several targets."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from gemix.cli.mix import app
from gemix.mix import surrogate_json
from gemix.mix.box import make_box
from gemix.mix.objective import Objective
from gemix.mix.surrogates import surrogate


class Known:
    """A predictor with a mean and a standard deviation that do not depend on the mixture."""

    def __init__(self, mean: float, std: float) -> None:
        self.mean, self.std = mean, std

    def predict(self, W):
        return np.full(len(W), self.mean), np.full(len(W), self.std)


@settings(max_examples=30, deadline=None)
@given(targets=st.integers(1, 4), seed=st.integers(0, 10_000), kind=st.sampled_from(["mean", "worst"]))
def test_the_bound_holds_however_errors_go_together(targets, seed, kind):
    random = np.random.default_rng(seed)
    means, stds, weights, scale = random.normal(size=targets), *random.uniform(0.1, 2, (3, targets))
    weights *= random.choice([-1, 1], targets)
    goal = Objective([Known(*one) for one in zip(means, stds, strict=True)], weights, kind, np.zeros(targets), scale)
    bound = goal.predict(np.ones((1, 1)))[1][0]
    # Independent, all the same, and mixed errors.
    shared, own = random.standard_normal((20_000, 1)), random.standard_normal((20_000, targets))
    for part in (0.0, 0.7, 1.0):
        errors = (np.sqrt(part) * shared + np.sqrt(1 - part) * own) * stds * np.sign(weights)
        terms = (means + errors) * weights / (scale if kind == "worst" else 1)
        found = (terms.max(axis=1) if kind == "worst" else terms.sum(axis=1)).std()
        assert found <= bound * 1.03
    if kind == "mean" or targets == 1:
        assert found == pytest.approx(bound, rel=0.03)  # reached when all errors are the same


def test_regmix_writes_a_surrogate_of_the_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    w = np.random.default_rng(0).dirichlet(np.ones(3), 40)
    Path("domains.csv").write_text("domain,tokens,cap\nweb,500,0.8\ncode,300,1\nmath,200,1\n")
    rows = [f"{i},{a!r},{b!r},{c!r}" for i, (a, b, c) in enumerate(w.tolist())]
    Path("ratios.csv").write_text("run,web,code,math\n" + "\n".join(rows) + "\n")
    losses = [f"{i},{y!r}" for i, y in enumerate((w @ [1.0, 2.0, 4.0]).tolist())]
    Path("metrics.csv").write_text("run,loss\n" + "\n".join(losses) + "\n")
    runs = ["--mixtures", "ratios.csv", "--metrics", "metrics.csv", "--target", "loss"]
    command = ["regmix", "domains.csv", *runs, "--surrogate", "linear", "--out", "out/small.json"]
    result = CliRunner().invoke(app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    path = surrogate_json.path_beside(Path("out/small.json"))
    assert path == Path("out/small.surrogate.json")
    made = json.loads(Path("out/small.json").read_text())
    assert made["surrogate"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    content = surrogate_json.parse(path.read_bytes())
    assert content.domains == ["web", "code", "math"]
    assert content.cap == [0.8, 1.0, 1.0]
    weights = np.array([entry["weight"] for entry in made["domains"]])
    value, _ = content.to_objective().predict(weights[None])
    assert value[0] == pytest.approx(weights @ [1.0, 2.0, 4.0], abs=0.01)
    before = path.read_bytes()
    CliRunner().invoke(app, command, catch_exceptions=False)
    assert path.read_bytes() == before


def test_the_file_gives_back_the_function():
    random = np.random.default_rng(0)
    W = random.dirichlet(np.ones(3), 30)
    y = W @ [1.0, 2.0, 4.0] + 0.01 * random.standard_normal(30)
    goal = Objective([surrogate("gp").fit(W, y)], np.ones(1), "mean", np.array([y.mean()]), np.array([y.std()]))
    data = surrogate_json.dump(goal, ["loss"], make_box(["a", "b", "c"])).encode()
    for ours, theirs in zip(goal.predict(W), surrogate_json.parse(data).to_objective().predict(W), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"{}", b'{"schema": 2}'])
def test_another_file_is_refused(data):
    with pytest.raises(ValueError, match=r"not the surrogates of a mixture|newer gemix"):
        surrogate_json.parse(data)
