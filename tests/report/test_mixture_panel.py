"""The mixture panel's data, and that the page computes what Python computes."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report.mixture_data import runs, write_mixture

import gemix.report
from gemix.mix import surrogate_json
from gemix.mix.box import make_box, project
from gemix.mix.formats import mixture_json
from gemix.mix.goal import make_goal
from gemix.mix.judge import judge_runs
from gemix.mix.objective import Objective
from gemix.mix.partition import read_partition, write_partition
from gemix.mix.result import make_mixture
from gemix.mix.surrogates import KINDS, surrogate
from gemix.mix.tables import RunTable
from gemix.report import mixture, page
from gemix.report.predictor import page_model, without_spread
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError

NAMES = ["web", "code", "math", "books", "forums"]
SCRIPT = Path(gemix.report.__file__).parent / "assets" / "mixture.js"


def somewhere(domains: int = 5, n: int = 30) -> np.ndarray:
    """Mixtures inside, at the edges and in the corners."""
    random = np.random.default_rng(9)
    inside = random.dirichlet(np.ones(domains), n)
    edges = np.where(inside > 0.2, inside, 0.0)
    return np.vstack([inside, edges / edges.sum(axis=1, keepdims=True), np.eye(domains)])


def in_page(request: dict) -> dict:
    """Evaluate with the page's script: {sliders, mixtures, boxes: [[ratios, floor, cap, total], ...]}."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not on this machine; the browser test covers the same on one mixture")
    program = """
        globalThis.gemix = { data: () => null };
        globalThis.document = { getElementById: () => null };
        require(process.argv[1]);
        const { mixtures, boxes, sliders } = JSON.parse(require("fs").readFileSync(0));
        const predict = sliders && gemix.mixing.objective(sliders);
        console.log(JSON.stringify({
          found: (mixtures ?? []).map((w) => predict(w)),
          weights: (boxes ?? []).map((box) => gemix.mixing.project(...box)),
        }));
    """
    done = subprocess.run(
        [node, "-e", program, str(SCRIPT)], input=json.dumps(request), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def sliders(targets: list[dict], objective: str = "mean") -> dict:
    return {
        "targets": [{"spread": None, "centre": 0.0, "scale": 1.0} | target for target in targets],
        "objective": objective,
    }


@pytest.mark.parametrize("n", [3, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_the_page_predicts_what_python_predicts(kind, n):
    W, y = runs(n)
    model = surrogate(kind).fit(W, y)
    V = somewhere()
    mean, std = model.predict(V)
    # Through JSON, as it gets into the page.
    state = json.loads(json.dumps(page_model(json.loads(json.dumps(model.to_dict())))))
    found = in_page({"sliders": sliders([{"weight": 1, "model": state}]), "mixtures": V.tolist()})["found"]
    np.testing.assert_allclose([one["value"] for one in found], mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([one["std"] for one in found], std, rtol=1e-6, atol=1e-9)


def test_a_constant_result_is_predicted_as_it_is():
    W, _ = runs()
    for kind in KINDS:
        state = page_model(surrogate(kind).fit(W, np.full(len(W), 2.5)).to_dict())
        found = in_page({"sliders": sliders([{"weight": 1, "model": state}]), "mixtures": W[:2].tolist()})["found"]
        assert [(one["value"], one["std"]) for one in found] == [(2.5, 0), (2.5, 0)]


@pytest.mark.parametrize("kind", ["mean", "worst"])
def test_the_page_puts_targets_together_as_python_does(kind):
    W, y = runs()
    results = np.stack([y, 3 * W[:, 2] - 0.1 * y], axis=1)
    models = [surrogate(name).fit(W, column) for name, column in zip(("gp", "linear"), results.T, strict=True)]
    goal = Objective(models, np.array([1.0, -0.5]), kind, results.mean(axis=0), results.std(axis=0))
    text = surrogate_json.dump(goal, ["loss", "accuracy"], make_box(NAMES))
    content = surrogate_json.parse(text.encode())
    V = somewhere()
    value, std = goal.predict(V)
    # The file gives back the same function.
    np.testing.assert_array_equal(content.to_objective()(V), value)
    targets = [
        {"weight": t.weight, "centre": t.centre, "scale": t.scale, "model": page_model(t.model)}
        for t in content.targets
    ]
    found = in_page({"sliders": sliders(targets, kind), "mixtures": V.tolist()})["found"]
    np.testing.assert_allclose([one["value"] for one in found], value, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose([one["std"] for one in found], std, rtol=1e-6)
    for t, model in enumerate(models):
        np.testing.assert_allclose([one["targets"][t][0] for one in found], model.predict(V)[0], rtol=1e-9, atol=1e-9)


def test_the_page_projects_as_python_does():
    random = np.random.default_rng(3)
    boxes, expected = [], []
    for _ in range(200):
        k = int(random.integers(1, 40))
        centre = random.dirichlet(np.full(k, 0.5))
        floor = centre * random.uniform(0, 1, k) * random.choice([0, 0.5, 1])
        cap = np.minimum(centre + random.exponential(random.choice([1e-4, 0.1, 2]), k), 1)
        ratios = random.dirichlet(np.full(k, 0.3)) + 1e-12
        boxes.append([ratios.tolist(), floor.tolist(), cap.tolist(), 1])
        expected.append(project(ratios, make_box([f"d{i}" for i in range(k)], floor, cap)))
    for (_, floor, cap, _), weights, wanted in zip(boxes, in_page({"boxes": boxes})["weights"], expected, strict=True):
        np.testing.assert_allclose(weights, wanted, atol=1e-9)
        assert np.all((np.array(weights) >= floor) & (np.array(weights) <= cap))


def test_without_a_mixture_there_is_no_panel(run):
    assert mixture.panel(run) is None


def test_the_panel_shows_the_mixture(run):
    write_mixture(run)
    data = mixture.panel(run)
    assert data["notes"] == []
    assert data["strategy"] == "regmix"
    assert [row["id"] for row in data["domains"]] == [0, 1, 2, 3]
    row = data["domains"][3]
    partition = read_partition(run / "domains.csv")
    assert row["weight"] == pytest.approx(0.4)
    assert row["share"] == pytest.approx(partition.shares[3])
    assert row["ratio"] == pytest.approx(0.4 / partition.shares[3])
    assert row["epochs"] == pytest.approx(0.4 * 1e6 / partition.tokens[3])
    assert data["quality"]["targets"][0]["low"] <= data["quality"]["targets"][0]["spearman"]
    assert data["sliders"]["cap"] == [0.6] * 4
    json.dumps(data, allow_nan=False)


def test_a_mixture_of_another_table_is_pointed_out(run):
    write_mixture(run)
    assert mixture.panel(run)["notes"] == []
    table = read_partition(run / "domains.csv")
    (run / "domains.csv").write_text(write_partition(replace(table, titles=["another name", *table.names[1:]])))
    assert mixture.panel(run)["notes"] == []  # a name is no part of what was mixed
    (run / "domains.csv").write_text(write_partition(replace(table, tokens=table.tokens + 1)))
    assert "not made from the domains.csv" in mixture.panel(run)["notes"][0]


def test_surrogates_of_another_mixture_give_no_sliders(run):
    write_mixture(run, "linear")
    other = (run / "mixture.surrogate.json").read_bytes()
    write_mixture(run, "gp")
    (run / "mixture.surrogate.json").write_bytes(other)
    data = mixture.panel(run)
    assert data["sliders"] is None
    assert "another mixture" in data["notes"][0]
    (run / "mixture.surrogate.json").unlink()
    data = mixture.panel(run)
    assert data["sliders"] is None
    assert "not beside" in data["notes"][0]


@pytest.mark.parametrize("damage", ["{", '{"strategy": "x"}', "\xff"])
def test_a_damaged_mixture_is_named(run, damage):
    (run / "mixture.json").write_bytes(damage.encode("latin-1"))
    with pytest.raises(GemixError, match=r"mixture\.json"):
        mixture.panel(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content["targets"][0]["model"].pop("alpha"),
        lambda content: content["targets"][0]["model"].update(kind="oracle"),
        lambda content: content.update(schema=2),
        lambda content: content["floor"].append(0.0),
        lambda content: content.update(cap=[0.1] * 4),
        lambda content: content.update(domains=["a", "b", "c", "d"]),
    ],
)
def test_damaged_surrogates_are_named(run, change):
    write_mixture(run)
    content = json.loads((run / "mixture.surrogate.json").read_text())
    change(content)
    text = json.dumps(content)
    (run / "mixture.surrogate.json").write_text(text)
    made = json.loads((run / "mixture.json").read_text())
    made["surrogate"]["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    (run / "mixture.json").write_text(json.dumps(made))
    with pytest.raises(GemixError, match=r"mixture\.surrogate\.json"):
        mixture.panel(run)


def test_what_is_too_large_gets_a_constant_spread_and_then_no_sliders(run, monkeypatch):
    write_mixture(run)
    full = len(json.dumps(mixture.panel(run)["sliders"]["targets"][0]["model"]))
    monkeypatch.setattr(mixture, "BYTES", full - 1)
    data = mixture.panel(run)
    (target,) = data["sliders"]["targets"]
    assert target["spread"] == data["quality"]["targets"][0]["rmse"]
    assert "error of cross-validation" in data["notes"][0]
    weights = [row["weight"] for row in data["domains"]]
    (found,) = in_page({"sliders": data["sliders"], "mixtures": [weights]})["found"]
    assert found["std"] == target["spread"]
    assert found["value"] == pytest.approx(json.loads((run / "mixture.json").read_text())["surrogate"]["predicted"])
    monkeypatch.setattr(mixture, "BYTES", 100)
    data = mixture.panel(run)
    assert data["sliders"] is None
    assert "--surrogate gp" in data["notes"][0]


def test_without_its_table_a_process_still_predicts_the_mean():
    W, y = runs()
    model = page_model(surrogate("auto").fit(W, y).to_dict())
    lean = without_spread(model)
    assert len(json.dumps(lean)) < len(json.dumps(model))
    V = somewhere()[:3].tolist()
    full, small = (
        in_page({"sliders": sliders([{"weight": 1, "model": m}]), "mixtures": V})["found"] for m in (model, lean)
    )
    assert [one["value"] for one in full] == [one["value"] for one in small]


@pytest.mark.parametrize(
    "state",
    [
        {"kind": "lightgbm", "domains": 2, "mean": 0.0, "scale": 1.0, "noise": 0.1, "trees": "tree\n"},
        {
            "kind": "lightgbm",
            "domains": 2,
            "mean": 0.0,
            "scale": 1.0,
            "noise": 0.1,
            "trees": "a\nTree=0\nnum_leaves=3\nleaf_value=1 2\n",
        },
        {"kind": "gp", "domains": 2, "mean": 0.0, "scale": 1.0},
        {"kind": "magic", "domains": 2, "mean": 0.0, "scale": 1.0},
        {},
    ],
)
def test_damaged_states_are_refused(state):
    with pytest.raises(ValueError, match="not the"):
        page_model(state)


def test_the_panel_says_the_verdict_before_anything_else(run):
    partition = read_partition(run / "domains.csv")
    W, y = runs(60, len(partition.keys))
    metrics = {"valid_loss": y, "<b>acc</b>": W[:, 0] + 0.01 * np.random.default_rng(0).standard_normal(60)}
    table = RunTable([f"r{i}" for i in range(60)], partition.keys, W, metrics)
    for wanted in ("better", "unproven"):
        values = metrics["valid_loss"] if wanted == "better" else np.random.default_rng(2).permutation(y)
        runs_of = replace(table, metrics=metrics | {"valid_loss": values})
        natural = W.mean(axis=0)
        judged = judge_runs(runs_of, make_goal({"valid_loss": 1.0}), natural, partition.box())
        assert judged.grounds.verdict == wanted
        made = make_mixture("regmix", judged.weights, partition, judged, 10**6, partition.box())
        write_text(run / "mixture.json", mixture_json.dump(made))
        html = page.render(run, ["mixture"])
        said = html.index(f"<strong>{wanted}")
        assert said < html.index('class="weights"')
        assert ("the weights are natural" in html) == (wanted == "unproven")
        assert "&lt;b&gt;acc" in html
        assert "<b>acc" not in html
        assert html.count('title="smallest and largest weight of the runs"') == 1
