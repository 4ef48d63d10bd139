import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import clustered

from gemix import GEM
from gemix.proxy.probe.match import domain_sizes, match_sizes
from gemix.proxy.probe.measure import Measurement, predictability, target_values
from gemix.proxy.probe.partitions import Partition, Source, check_names, make_partition
from gemix.proxy.probe.summary import summarise, to_markdown
from gemix.runtime.errors import GemixError

X, TRUTH = clustered(300, 8, 4, 0.2, seed=0)


def source(**columns) -> Source:
    return Source(X, columns, 4, {"balance": 100.0})


@pytest.mark.parametrize("name", ["gem", "kmeans", "spherical", "vmf", "random"])
def test_a_seed_decides_a_partition(name):
    first, again, *others = (make_partition(name, source(), seed) for seed in (3, 3, 4, 5, 6, 7))
    np.testing.assert_array_equal(first.labels, again.labels)
    assert any(not np.array_equal(first.labels, other.labels) for other in others)
    assert first.labels.shape == (300,)
    assert set(first.labels) == {0, 1, 2, 3}
    assert first.domains == ["00", "01", "02", "03"]


def test_gem_has_the_parameters_and_weights_of_the_run():
    weights = np.random.default_rng(0).uniform(1, 9, len(X))
    found = make_partition("gem", Source(X, {}, 4, {"balance": 1e6}, weights), 0)
    np.testing.assert_array_equal(
        found.labels, GEM(4, balance=1e6, random_state=0).fit(X, sample_weight=weights).labels_
    )


def test_human_labels_are_domains_in_order_of_name():
    names = ["b", "a", "c"] * 100
    found = make_partition("label:topic", source(topic=names), 0)
    assert found.domains == ["a", "b", "c"]
    assert [found.domains[k] for k in found.labels] == names


def test_documents_without_a_label_are_counted_and_named():
    column = ["a"] * 298 + [None, None]
    with pytest.raises(GemixError, match=r"2 of 300 documents have no value in the column 'topic':\s+row 299"):
        make_partition("label:topic", source(topic=column), 0)
    with pytest.raises(GemixError, match="no column 'format'; they have topic"):
        make_partition("label:format", source(topic=["a"] * 300), 0)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["gem", "k-means"], "no partition is called 'k-means'; there are gem, kmeans"),
        (["label:"], "no partition is called 'label:'"),
        (["gem", "random", "gem"], "'gem' is named twice"),
        ([], "at least one"),
    ],
)
def test_bad_names_are_a_message(names, message):
    with pytest.raises(GemixError, match=message):
        check_names(names)


def test_more_clusters_than_documents_are_a_message():
    with pytest.raises(GemixError, match="301 clusters need at least as many documents, the run has 300"):
        make_partition("gem", Source(X, {}, 301), 0)


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.integers(1, 7), st.integers(1, 60))
def test_matched_domains_differ_by_half_a_document(seed, k, other, n):
    random = np.random.default_rng(seed)
    tokens = random.integers(0, 50, n) * (random.random(n) < 0.8)
    partitions = [
        Partition("one", random.integers(k, size=n), [str(i) for i in range(k)]),
        Partition("two", (random.random(n) ** 3 * other).astype(np.int64), [str(i) for i in range(other)]),
    ]
    sizes = [np.sort(domain_sizes(p.labels, tokens, len(p.domains)))[::-1] for p in partitions]
    least = [min(row[r] for row in sizes if r < len(row)) for r in range(max(k, other))]
    matched = match_sizes(partitions, tokens)
    half = tokens.max(initial=0) / 2
    for before, after in zip(partitions, matched, strict=True):
        assert np.all((after.labels == before.labels) | (after.labels == -1))
        # A document is left out at the end of its domain, never in the middle.
        for d in range(len(before.domains)):
            kept = after.labels[(before.labels == d) & (tokens > 0)] >= 0
            assert np.all(np.diff(kept.astype(int)) <= 0)
        order = np.argsort(-domain_sizes(before.labels, tokens, len(before.domains)), kind="stable")
        size = domain_sizes(after.labels, tokens, len(after.domains))[order]
        assert np.all(np.abs(size - least[: len(size)]) <= half)


def test_predictability_of_a_law_and_of_noise():
    random = np.random.default_rng(0)
    w = random.dirichlet(np.ones(4), 80)
    law = np.exp(-3 * w[:, 0]) + 0.3 * w[:, 1]
    known = predictability("gp", w, law, 5, seed=1)
    noise = predictability("gp", w, random.permutation(law), 5, seed=1)
    assert len(known) == len(noise) == 5
    assert min(known) > 0.97
    assert abs(np.mean(noise)) < 0.4
    assert known == predictability("gp", w, law, 5, seed=1)
    assert noise != predictability("gp", w, random.permutation(law), 5, seed=2)


def measurement(seed: int, **changes) -> Measurement:
    values = {
        "partition": "gem", "seed": seed, "domains": ["a", "b"], "tokens": [30, 10], "valid": ["x", "y"], "budget": 5,
        "mixtures": [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]], "losses": [[1.0, 2.0], [2.0, 3.0], [3.0, 4.0]],
        "natural": [[1.0, 2.0], [1.2, 2.0]], "spearman": {"gp": [0.9, 0.8, 0.7]},
        "chosen": [0.4, 0.6], "chosen_losses": [0.9, 1.9],
    }  # fmt: skip
    return Measurement.model_validate(values | changes)


def test_a_line_has_what_the_measurements_say():
    measured = [
        measurement(0),
        measurement(1, spearman={"gp": [0.5, 0.5, 0.5]}, losses=[[0.0, 1.0], [2.0, 3.0], [3.0, 4.0]]),
        measurement(0, partition="label:topic", tokens=[10, 0]),
    ]
    gem, topic = summarise(measured, "mean")
    assert (gem.partition, gem.domains, topic.partition, topic.domains) == ("gem", 2, "label:topic", 1)
    assert (gem.best.low, gem.best.median, gem.best.high) == (0.5, 1.0, 1.5)
    assert (gem.worst.low, gem.worst.high) == (3.5, 3.5)
    assert gem.spearman["gp"].median == pytest.approx(0.6)
    assert (gem.by_seed["gp"].low, gem.by_seed["gp"].high) == pytest.approx((0.5, 0.8))
    assert topic.deviation.median == pytest.approx(1.0)
    assert topic.noise.median == pytest.approx(np.std([1.5, 1.6], ddof=1))
    assert (topic.natural.median, topic.chosen.median, topic.largest.median) == pytest.approx((1.55, 1.4, 2.0))
    # Shares 3/4 and 1/4: sum w^2 / share is 4/3, 4/3 and 4 for these mixtures, the order of their losses but for a tie.
    assert gem.concentration.median == pytest.approx(np.sqrt(3) / 2)
    # The first mixture is best on both sets here; where sets disagree, each has its own best.
    assert topic.each.median == topic.best.median == 1.5
    crossed = measurement(0, losses=[[1.0, 4.0], [3.0, 2.0], [5.0, 5.0]])
    assert summarise([crossed], "mean")[0].each.median == 1.5
    assert summarise([crossed], "mean")[0].best.median == 2.5
    assert summarise(measured, "y")[0].worst.median == 4.0
    table = to_markdown([gem, topic]).splitlines()
    assert len({line.count("|") for line in table}) == 1
    assert "| gem | 2 | 1.50 | 60.0 (50.0 to 77.5)" in table[2]
    with pytest.raises(GemixError, match="no validation set is called 'z'; there are x, y"):
        target_values([[1.0, 2.0]], ["x", "y"], "z")
