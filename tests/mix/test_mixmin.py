import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mix.mix_data import boxes
from scipy.optimize import minimize

from gemix.mix.box import make_box
from gemix.mix.likelihoods import read_likelihoods
from gemix.mix.strategies import mixmin


def objective(table, w, a):
    top = table.max(axis=1)
    return -float(a @ (np.log(np.exp(table - top[:, None]) @ w) + top))


@settings(deadline=None, max_examples=40)
@given(
    box=boxes(6),
    n=st.integers(1, 60),
    seed=st.integers(0, 10**6),
    scale=st.sampled_from([0.1, 2.0, 30.0]),
    documents=st.booleans(),
)
def test_the_gap_is_a_certificate(box, n, seed, scale, documents):
    random = np.random.default_rng(seed)
    k = len(box.floor)
    table = scale * random.normal(size=(n, k)) - 100 * documents
    lengths = random.integers(1, 50, n) if documents else None
    a = 1 / (n * (lengths if documents else np.ones(n)))
    found = mixmin(table, box, lengths, tolerance=1e-7)
    assert box.contains(found.weights, 1e-9).all()
    assert found.objective == pytest.approx(objective(table, found.weights, a), rel=1e-9, abs=1e-9)
    assert 0 <= found.gap <= 1e-7
    # No mixture of the box is better by more than the gap: neither one at random nor one by another solver.
    rivals = [np.clip(box.floor + random.dirichlet(np.ones(k)) * (1 - box.floor.sum()), 0, box.cap) for _ in range(20)]
    rivals = [w for w in rivals if box.contains(w).all()]
    best = minimize(
        lambda w: objective(table, np.maximum(w, 1e-12), a),
        found.weights,
        bounds=list(zip(box.floor, box.cap, strict=True)),
        constraints={"type": "eq", "fun": lambda v: v.sum() - 1},
        method="SLSQP",
    )
    rivals.append(np.clip(best.x, box.floor, box.cap) / np.clip(best.x, box.floor, box.cap).sum())
    for w in rivals:
        if box.contains(w).all():
            assert found.objective <= objective(table, np.maximum(w, 1e-300), a) + found.gap + 1e-7


def test_the_conditions_of_karush_kuhn_and_tucker():
    random = np.random.default_rng(0)
    table = random.normal(size=(400, 5)) + np.array([0, 0.5, 0, -3, 0.2])
    found = mixmin(table, make_box("abcde"), tolerance=1e-8)
    p = np.exp(table)
    g = (p / (p @ found.weights)[:, None]).mean(axis=0)
    assert g.max() <= 1 + 1e-8
    assert g[found.weights > 1e-4] == pytest.approx(1, abs=1e-4)
    assert found.weights[3] < 1e-4


def test_it_finds_the_mixture_that_made_the_text():
    random = np.random.default_rng(0)
    models = random.dirichlet(np.full(200, 0.3), 4)
    truth = np.array([0.5, 0.3, 0.0, 0.2])
    words = random.choice(200, 20_000, p=truth @ models)
    found = mixmin(np.log(models[:, words].T + 1e-12), make_box("abcd"))
    assert found.weights == pytest.approx(truth, abs=0.02)
    capped = mixmin(np.log(models[:, words].T + 1e-12), make_box("abcd", cap=[0.4, 1, 1, 1]))
    assert capped.weights[0] == pytest.approx(0.4, abs=1e-6)
    assert capped.objective > found.objective


def test_a_model_that_excludes_tokens_and_a_domain_that_may_not_be_used():
    with np.errstate(divide="ignore"):
        table = np.log([[0.5, 0.0, 0.9], [0.0, 0.5, 0.9]])
    found = mixmin(table, make_box("abc", cap=[1, 1, 0]))
    assert found.weights == pytest.approx([0.5, 0.5, 0], abs=1e-6)
    with pytest.raises(ValueError, match="row 0: no model"):
        mixmin(np.full((1, 3), -np.inf), make_box("abc"))


@pytest.mark.parametrize(
    ("table", "lengths", "message"),
    [
        ([[np.nan, 0]], None, "row 0: not a log-likelihood"),
        ([[0, 0], [np.inf, 0]], None, "row 1: not"),
        ([[0, 0, 0]], None, "2 columns"),
        ([[0, 0]], [0], "1 positive numbers"),
    ],
)
def test_bad_likelihoods_are_refused(table, lengths, message):
    with pytest.raises(ValueError, match=message):
        mixmin(np.array(table, float), make_box("ab"), lengths)


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_likelihoods_are_read_by_name(tmp_path, kind):
    columns = {"token": ["x", "y"], "b": [-1.0, -2.0], "a": [-3.0, -4.0], "length": [5, 7]}
    path = tmp_path / f"target.{kind}"
    if kind == "parquet":
        pq.write_table(pa.table(columns), path)
    else:
        path.write_text("token,b,a,length\nx,-1,-3,5\ny,-2,-4,7\n")
    table, lengths = read_likelihoods(path, ["a", "b"])
    assert table.tolist() == [[-3, -1], [-4, -2]]
    assert lengths.tolist() == [5, 7]
    with pytest.raises(ValueError, match="no column for c"):
        read_likelihoods(path, ["a", "c"])


def test_bad_likelihood_files_are_refused(tmp_path):
    path = tmp_path / "target.csv"
    path.write_text("a,b\n-1,-1\n-1,\n")
    with pytest.raises(ValueError, match="row 2 of the data: no number for 'b'"):
        read_likelihoods(path, ["a", "b"])
    (tmp_path / "x.parquet").write_text("no")
    with pytest.raises(ValueError, match="is not Parquet"):
        read_likelihoods(tmp_path / "x.parquet", ["a"])
    (tmp_path / "x.txt").write_text("no")
    with pytest.raises(ValueError, match=r"\.parquet or \.csv"):
        read_likelihoods(tmp_path / "x.txt", ["a"])
