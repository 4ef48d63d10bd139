import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from support import clustered

from gemix.sphere import GEM, metrics
from gemix.sphere.sweep import sweep
from gemix.sphere.sweep_result import Setting, Sweep, recommend


def without_seconds(result: Sweep) -> list[dict]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in result.rows()]


def setting(k: int = 8, balance: float = 0.0, largest: float = 1.2, stability: float = 0.5, error: float = 0.02):
    return Setting(k, balance, balance, 0.8, largest, k / largest, 1.0, stability, error, stability, 0.1, 1.0)


@pytest.mark.parametrize(("k", "seed"), [(4, 0), (6, 1), (9, 3)])
def test_it_recommends_the_number_of_clusters_that_are_there(k, seed):
    x, _ = clustered(1000, 24, k, 0.12, seed, skew=0.0)
    result = sweep(x, [k - 2, k, 2 * k], [500], repeats=2, n_init=4, tol=1e-4)
    assert result.recommendation.setting.n_clusters == k, result.to_markdown()
    assert result.recommendation.setting.stability > 0.95
    assert f"K = {k} with balance" in result.to_markdown().splitlines()[-1]


def test_a_balance_is_recommended_where_sizes_are_skewed():
    x, _ = clustered(1000, 24, 6, 0.15, seed=4, skew=1.0)
    result = sweep(x, [6], [0, 5000], repeats=2, n_init=3)
    loose, even = result.settings
    assert loose.largest_to_uniform > 1.5 > even.largest_to_uniform
    assert loose.effective_domains < even.effective_domains <= 6
    assert loose.log_likelihood > even.log_likelihood
    assert result.recommendation.setting is even


def test_noise_is_not_stable():
    x = np.random.default_rng(0).normal(size=(1000, 24))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        (found,) = sweep(x, [6], [500], max_iter=20).settings
    assert found.stability_seeds < 0.3
    assert found.stability < 0.2
    assert found.silhouette < 0.1


def test_every_number_is_what_it_says(monkeypatch):
    """Record every fit and prediction, and compute the row again from them."""
    x, _ = clustered(1000, 16, 4, 0.3, seed=0)
    fits, predictions = [], []
    fit, predict = GEM.fit, GEM.predict

    def recording_fit(self, X, y=None, sample_weight=None):
        fits.append((self, X, sample_weight))
        return fit(self, X, y, sample_weight)

    def recording_predict(self, X):
        predictions.append((X, predict(self, X)))
        return predictions[-1][1]

    monkeypatch.setattr(GEM, "fit", recording_fit)
    monkeypatch.setattr(GEM, "predict", recording_predict)
    weights = np.where(np.arange(1000) % 10 == 0, 0.0, 1.0 + np.arange(1000) % 3)
    result = sweep(x, [5], ["auto"], sample_weight=weights, sample=800, repeats=3, random_state=1)
    (row,) = result.settings
    position = {line.tobytes(): i for i, line in enumerate(x)}
    rows = [[position[line.tobytes()] for line in X] for _, X, _ in fits]
    held = [position[line.tobytes()] for line in predictions[0][0]]
    assert (result.documents, result.held_out) == (len(rows[0]), len(held)) == (720, 80)
    assert all(np.array_equal(X, predictions[0][0]) for X, _ in predictions)
    # No held-out document is fitted to, none of weight zero is used, and halves share nothing.
    assert rows[0] == rows[1] == rows[2]
    assert not set(rows[0]) & set(held)
    assert weights[rows[0]].min() > 0
    for first, second in ((3, 4), (5, 6), (7, 8)):
        assert sorted(rows[first] + rows[second]) == rows[0]
        assert abs(len(rows[first]) - len(rows[second])) <= 1
    assert rows[3] != rows[5]
    for (_, _, used), index in zip(fits, rows, strict=True):
        np.testing.assert_array_equal(used, weights[index])
    assert len({model.random_state for model, _, _ in fits}) == 9

    models = [model for model, _, _ in fits[:3]]
    labels = [found for _, found in predictions]
    masses = [metrics.masses(model.labels_, 5, weights[rows[0]]) for model in models]
    seeds = np.array([adjusted_rand_score(labels[i], labels[j]) for i, j in ((2, 0), (0, 1), (1, 2))])
    halves = np.array([adjusted_rand_score(labels[i], labels[i + 1]) for i in (3, 5, 7)])
    assert row.smallest_to_uniform == min(mass.min() * 5 for mass in masses)
    assert row.largest_to_uniform == max(mass.max() * 5 for mass in masses)
    assert row.effective_domains == pytest.approx(np.mean([metrics.effective_domains(mass) for mass in masses]))
    assert row.log_likelihood == pytest.approx(np.mean([model.score(x[held]) for model in models]))
    assert row.stability_seeds == pytest.approx(seeds.mean())
    assert row.stability == pytest.approx(halves.mean())
    assert row.stability_error == pytest.approx(halves.std(ddof=1) / math.sqrt(3))
    assert row.balance_used == pytest.approx(np.mean([model.balance_ for model in models]))
    assert row.silhouette == pytest.approx(np.mean([metrics.cosine_silhouette(x[held], found) for found in labels[:3]]))
    assert row.seconds > 0


def test_the_same_seed_gives_the_same_rows_whatever_else_is_tried():
    x, _ = clustered(400, 16, 4, 0.3, seed=0)
    seen = []
    first = sweep(x, [3, 4], [0, "auto"], repeats=2, random_state=5, done=seen.append)
    assert tuple(seen) == first.settings
    again = sweep(x, [3, 4], [0, "auto"], repeats=2, random_state=5)
    assert without_seconds(first) == without_seconds(again)
    assert first.recommendation.setting.n_clusters == again.recommendation.setting.n_clusters
    assert first.recommendation.reason == again.recommendation.reason
    alone = without_seconds(sweep(x, [4], ["auto"], repeats=2, random_state=5))[0]
    assert alone | {"recommended": None} == without_seconds(first)[3] | {"recommended": None}
    assert without_seconds(sweep(x, [4], ["auto"], repeats=2, random_state=6))[0] != alone


def test_only_the_sample_is_read_of_a_memory_map(tmp_path):
    x, _ = clustered(3000, 16, 4, 0.3, seed=0)
    np.save(tmp_path / "x.npy", x.astype(np.float16))

    class Counting(np.memmap):
        read = 0

        def __getitem__(self, key):
            assert isinstance(key, np.ndarray)
            Counting.read += len(key)
            return super().__getitem__(key)

    mapped = np.load(tmp_path / "x.npy", mmap_mode="r").view(Counting)
    result = sweep(mapped, [4], [0], sample=500)
    assert Counting.read == 500
    assert (result.documents, result.held_out) == (450, 50)


@pytest.mark.parametrize("value", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_a_bad_row_is_named_by_its_place_in_x(value, dtype):
    x = clustered(200, 8, 4, 0.3, seed=0)[0].astype(dtype)
    for row in (41, 163, 7):
        bad = x.copy()
        bad[row] = value
        with pytest.raises(ValueError, match=rf"row {row}$"):
            sweep(bad, [3], [0])
        # A document of weight zero is not looked at.
        weights = np.ones(200)
        weights[row] = 0
        sweep(bad, [2], [0], sample_weight=weights, repeats=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clusters": []}, "at least one value"),
        ({"balances": []}, "at least one value"),
        ({"clusters": [4, 50]}, "K = 50 needs at least 50 documents in each half"),
        ({"clusters": [4, 0]}, "clusters must be positive integers"),
        ({"balances": [0, -1.0]}, "balance"),
        ({"balances": ["strong"]}, "balance"),
        ({"held_out": 0.0}, "held_out"),
        ({"held_out": 1.0}, "held_out"),
        ({"repeats": 1}, "repeats"),
        ({"largest": 0.5}, "largest"),
        ({"sample": 0}, "sample"),
        ({"solver": "sinkhorn"}, "solver"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"X": np.ones(3)}, "rows and columns"),
        ({"X": [["a", "b"]] * 40}, "rows and columns of numbers"),
    ],
)
def test_bad_parameters_are_refused_before_anything_is_fitted(changes, message, monkeypatch):
    x, _ = clustered(100, 8, 4, 0.3, seed=0)
    monkeypatch.setattr(GEM, "fit", lambda *args, **kwargs: pytest.fail("fitted"))
    with pytest.raises(ValueError, match=message):
        sweep(**{"X": x, "clusters": [4], "balances": [0]} | changes)


SETTINGS = st.lists(
    st.builds(
        setting,
        k=st.integers(1, 200),
        balance=st.floats(0, 1e4),
        largest=st.floats(1, 5),
        stability=st.floats(-0.1, 1),
        error=st.floats(0, 0.3),
    ),
    min_size=1,
    max_size=12,
)


@given(settings=SETTINGS, largest=st.floats(1, 5))
def test_the_rule(settings, largest):
    chosen = recommend(settings, largest)
    bound = max(largest, min(s.largest_to_uniform for s in settings))
    even = [s for s in settings if s.largest_to_uniform <= bound]
    best = max(even, key=lambda s: s.stability)
    error = math.sqrt(np.mean([s.stability_error**2 for s in even if s.n_clusters == best.n_clusters]))
    assert any(chosen.setting is s for s in even)
    passing = [s for s in even if s.stability >= best.stability - error]
    assert any(chosen.setting is s for s in passing)
    assert all(s.effective_domains <= chosen.setting.effective_domains for s in passing)
    assert str(chosen.setting) in chosen.reason


def test_the_reason_says_which_case_it_is():
    stable, finer = setting(8, stability=0.60), setting(24, stability=0.59)
    finest, loose = setting(48, stability=0.4), setting(96, largest=2.0, stability=0.9)
    chosen = recommend([stable, finer, finest, loose], 1.5)
    assert chosen.setting is finer
    assert "3 of 4 settings" in chosen.reason
    assert (
        "K = 24 with balance 0 is as stable (0.590) as the best of them, K = 8 with balance 0 (0.600)" in chosen.reason
    )
    assert "has the most effective domains (20.0) of the 2 that are" in chosen.reason
    alone = recommend([stable, finest], 1.5)
    assert alone.setting is stable
    assert "by more than one standard error (0.020)" in alone.reason
    both = recommend([setting(8, stability=0.59), setting(24, stability=0.60)], 1.5)
    assert "is the most stable of them (0.600) and has the most effective domains (20.0) of the 2 within" in both.reason
    assert "1 of 2 settings" in recommend([stable, loose], 1.5).reason
    assert "No setting keeps the largest domain within 1.5" in recommend([loose], 1.5).reason
    assert recommend([loose, setting(4, largest=3.0, stability=0.95)], 1.5).setting is loose


def test_the_table_has_a_row_a_setting_and_one_recommendation():
    x, _ = clustered(400, 16, 4, 0.3, seed=0)
    result = sweep(x, [2, 4, 4], [0, "auto", np.inf], repeats=2)
    rows = result.rows()
    assert [(row["n_clusters"], row["balance"]) for row in rows] == [
        (k, balance) for k in (2, 4) for balance in (0, "auto", np.inf)
    ]
    assert sum(row["recommended"] for row in rows) == 1
    json.dumps(rows)
    table = [line for line in result.to_markdown().splitlines() if line.startswith("|")]
    assert len(table) == 2 + 6
    assert {line.count("|") for line in table} == {12}
    assert sum("**" in line for line in table) == 1
    assert "360 documents, 40 more held out, 2 repeats" in result.to_markdown()
