import inspect
import re
import tracemalloc
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.metrics import adjusted_rand_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from gemix.sphere import GEM, metrics
from gemix.sphere.branches import branches, flat
from gemix.sphere.hierarchy import HierarchicalGEM

EXCEPTIONS = {
    "check_estimators_dtypes": "normal noise cast to integers has a row of zeros: no direction, refused",
    "check_sample_weight_equivalence_on_dense_data": (
        "the random start draws other seeds when rows are repeated instead of weighted, as for GEM"
    ),
}


def nested(n: int, d: int, outer: int, inner: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Unit rows in `outer` groups of `inner` clusters each, and both numbers of every row."""
    random = np.random.default_rng(seed)
    centres = random.normal(size=(outer, 1, d)) + 0.5 * random.normal(size=(outer, inner, d))
    group, cluster = random.integers(outer, size=n), random.integers(inner, size=n)
    x = centres[group, cluster] + 0.1 * random.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True), group, group * inner + cluster


@pytest.fixture(scope="module")
def fitted(zipf) -> HierarchicalGEM:
    return HierarchicalGEM((4, 3), balance=5000, random_state=0).fit(zipf[0])


@parametrize_with_checks(
    [HierarchicalGEM((2, 2)), HierarchicalGEM(3)], expected_failed_checks=lambda estimator: EXCEPTIONS
)
def test_contract(estimator, check):
    check(estimator)


def test_it_has_the_parameters_of_gem_with_their_defaults():
    # A branch may have no rows at all on a process, and one checkpoint is of one model: neither makes sense for a tree.
    other = ("n_clusters", "distributed", "checkpoint")
    of_gem = {name: value for name, value in inspect.signature(GEM).parameters.items() if name not in other}
    of_tree = {name: value for name, value in inspect.signature(HierarchicalGEM).parameters.items() if name in of_gem}
    assert set(of_gem) == set(of_tree)
    assert {name: p.default for name, p in of_gem.items()} == {name: p.default for name, p in of_tree.items()}
    model = clone(HierarchicalGEM((4, 3)).set_params(n_clusters=(2, 5), balance=7.0, n_init=2))
    assert (model.n_clusters, model.balance, model.n_init) == ((2, 5), 7.0, 2)


def test_both_levels_are_balanced(zipf, fitted):
    top = metrics.masses(fitted.paths_[:, 0], 4)
    plain = metrics.masses(HierarchicalGEM((4, 3), balance=0, random_state=0).fit(zipf[0]).paths_[:, 0], 4)
    assert metrics.smallest_to_uniform(top) > 0.9
    assert metrics.smallest_to_uniform(plain) < 0.8
    for k in range(4):
        inside = metrics.masses(fitted.paths_[fitted.paths_[:, 0] == k, 1], 3)
        assert metrics.smallest_to_uniform(inside) > 0.9, k
        assert metrics.largest_to_uniform(inside) < 1.1, k
    assert metrics.smallest_to_uniform(fitted.masses_) > 0.9
    assert fitted.masses_.sum() == pytest.approx(1)
    np.testing.assert_allclose(fitted.masses_, metrics.masses(fitted.labels_, 12), atol=0.01)


def test_auto_balance_is_resolved_in_each_branch(zipf):
    model = HierarchicalGEM((4, 3), random_state=0).fit(zipf[0])
    used = {path: child.balance_ for path, child in model.children_.items()}
    assert len(set(used.values())) == 5
    for path, child in model.children_.items():
        assert 0.3 < child.balance_ / (0.23 * child.n_clusters * np.median(child.concentrations_)) < 1.5, path


@pytest.mark.parametrize("shape", [(4, 3), (2, 3, 2), 6])
def test_labels_paths_and_models_agree(zipf, shape):
    x, _ = zipf
    model = HierarchicalGEM(shape, random_state=0)
    labels = model.fit_predict(x)
    depth = (shape,) if isinstance(shape, int) else shape
    size = int(np.prod(depth))
    assert labels.dtype == model.paths_.dtype == np.int32
    assert model.paths_.shape == (len(x), len(depth))
    np.testing.assert_array_equal(labels, np.ravel_multi_index(model.paths_.T, depth))
    np.testing.assert_array_equal(labels, model.labels_)
    np.testing.assert_array_equal(labels, model.predict(x))
    np.testing.assert_array_equal(model.paths_, model.predict_path(x))
    assert set(model.children_) == {path for level in range(len(depth)) for path in np.ndindex(depth[:level])}
    for path, child in model.children_.items():
        mine = np.all(model.paths_[:, : len(path)] == path, axis=1)
        np.testing.assert_array_equal(child.labels_, model.paths_[mine, len(path)])
    assert model.mean_directions_.shape == (size, x.shape[1])
    assert model.concentrations_.shape == model.masses_.shape == (size,)
    np.testing.assert_allclose(model.transform(x), x @ model.mean_directions_.T, atol=1e-12)
    # Any domain's parameters are those of the model that holds it.
    leaf = size - 1
    path = np.unravel_index(leaf, depth)
    holder = model.children_[tuple(int(p) for p in path[:-1])]
    np.testing.assert_array_equal(model.mean_directions_[leaf], holder.mean_directions_[path[-1]])


def test_one_level_is_gem(zipf):
    tree, plain = HierarchicalGEM(6, random_state=0).fit(zipf[0]), GEM(6, random_state=0).fit(zipf[0])
    np.testing.assert_array_equal(tree.labels_, plain.labels_)
    np.testing.assert_array_equal(tree.predict_proba(zipf[0]), plain.predict_proba(zipf[0]))
    np.testing.assert_array_equal(tree.masses_, plain.masses_)


def test_probabilities_are_products_along_the_paths(zipf, fitted):
    x = zipf[0]
    proba = fitted.predict_proba(x)
    top = fitted.children_[()].predict_proba(x)
    assert proba.shape == (len(x), 12)
    np.testing.assert_allclose(proba.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(proba.reshape(-1, 4, 3).sum(axis=2), top, atol=1e-12)
    np.testing.assert_allclose(proba[:, 6:9], top[:, 2:3] * fitted.children_[2,].predict_proba(x), atol=1e-12)
    assert np.mean(proba.argmax(axis=1) == fitted.predict(x)) > 0.95


def test_it_finds_both_levels_of_a_nested_corpus():
    x, group, cluster = nested(3000, 32, 4, 3, seed=1)
    model = HierarchicalGEM((4, 3), n_init=3, random_state=0).fit(x)
    assert adjusted_rand_score(group, model.paths_[:, 0]) > 0.95
    assert adjusted_rand_score(cluster, model.labels_) > 0.9


def test_weights_balance_tokens_and_zero_weight_means_absent(zipf):
    x, truth = zipf
    tokens = np.where(truth < 2, 8.0, 1.0)
    model = HierarchicalGEM((3, 2), balance=5000, random_state=0).fit(x, sample_weight=tokens)
    assert metrics.smallest_to_uniform(model.masses_) > 0.9
    assert metrics.smallest_to_uniform(metrics.masses(model.labels_, 6, tokens)) > 0.75
    assert metrics.smallest_to_uniform(metrics.masses(model.labels_, 6)) < 0.7
    absent = np.r_[np.ones(1500), np.zeros(500)]
    with_zeros = HierarchicalGEM((3, 2), random_state=0).fit(x, sample_weight=absent)
    without = HierarchicalGEM((3, 2), random_state=0).fit(x[:1500])
    np.testing.assert_allclose(with_zeros.mean_directions_, without.mean_directions_, atol=1e-9)


def test_the_same_seed_gives_the_same_tree(zipf, fitted):
    again = HierarchicalGEM((4, 3), balance=5000, random_state=0).fit(zipf[0])
    np.testing.assert_array_equal(again.mean_directions_, fitted.mean_directions_)
    other = HierarchicalGEM((4, 3), balance=5000, random_state=1).fit(zipf[0])
    assert not np.array_equal(other.labels_, fitted.labels_)


@pytest.mark.parametrize("shape", [(2, 3, 2), (np.int64(3), 2), 5])
def test_save_and_load_bit_for_bit(zipf, tmp_path, shape):
    x = zipf[0].astype(np.float32)
    model = HierarchicalGEM(shape, balance=np.inf, random_state=0).fit(x)
    model.save(tmp_path / "tree")
    again = HierarchicalGEM.load(tmp_path / "tree")
    assert again.get_params() == model.get_params()
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))
    np.testing.assert_array_equal(again.predict_path(x), model.predict_path(x))
    for name in ("mean_directions_", "concentrations_", "masses_"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    assert list(again.children_) == list(model.children_)
    for path, child in model.children_.items():
        loaded = again.children_[path]
        np.testing.assert_array_equal(loaded.objective_, child.objective_)
        assert loaded.get_params() == child.get_params()
        assert (loaded.balance_, loaded.n_iter_) == (child.balance_, child.n_iter_)
    assert {path.name for path in (tmp_path / "tree").iterdir()} == {"model.safetensors", "config.json"}
    with pytest.raises(ValueError, match="holds a HierarchicalGEM"):
        GEM.load(tmp_path / "tree")
    tensors = tmp_path / "tree" / "model.safetensors"
    damaged = bytearray(tensors.read_bytes())
    damaged[-3] ^= 1
    tensors.write_bytes(damaged)
    with pytest.raises(ValueError, match="checksum"):
        HierarchicalGEM.load(tmp_path / "tree")


def test_a_child_is_what_its_parameters_say_on_its_documents(zipf, fitted):
    x = zipf[0]
    child = fitted.children_[3,]
    again = GEM(**child.get_params()).fit(x[fitted.paths_[:, 0] == 3])
    np.testing.assert_array_equal(again.mean_directions_, child.mean_directions_)


def test_a_memory_map_is_never_copied_whole(tmp_path):
    x = np.random.default_rng(0).normal(size=(120_000, 96)).astype(np.float16)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    HierarchicalGEM((8, 2), balance=0, max_iter=1, random_state=0).fit(x[:400])  # compiles what there is to compile
    tracemalloc.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = HierarchicalGEM((8, 2), balance=0, max_iter=1, random_state=0).fit(mapped)
        fit = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        labels = model.predict(mapped)
        predict = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    np.testing.assert_array_equal(labels, model.labels_)
    assert fit < 1.25 * mapped.nbytes  # chunks, samples and branches in turn; one whole copy more would show
    assert predict < 0.7 * mapped.nbytes


def test_a_branch_with_too_few_documents_is_named():
    x = np.vstack([np.eye(4)[[0] * 40], np.eye(4)[[1] * 2]]) + 0.01 * np.random.default_rng(0).normal(size=(42, 4))
    with pytest.raises(ValueError, match=r"branch [01] has 2: give fewer n_clusters"):
        HierarchicalGEM((2, 3), balance=0, random_state=0).fit(x)
    HierarchicalGEM((2, 3), balance=np.inf, random_state=0).fit(x)
    with pytest.raises(ValueError, match=re.escape("n_samples=42 should be >= n_clusters=48")):
        HierarchicalGEM((6, 8)).fit(x)
    # Documents of weight zero do not count.
    weights = np.r_[np.ones(9), np.zeros(33)]
    with pytest.raises(ValueError, match=re.escape("n_samples=9 should be >= n_clusters=10")):
        HierarchicalGEM((5, 2)).fit(x, sample_weight=weights)


@pytest.mark.parametrize("n_clusters", [(), (2, 0), 0, "24", 2.5, (2, 2.5), None])
def test_bad_numbers_of_clusters(n_clusters):
    with pytest.raises(ValueError, match="n_clusters must be positive integers"):
        HierarchicalGEM(n_clusters).fit(np.eye(8))


def test_a_fitted_tree_does_not_depend_on_its_parameters_and_a_failed_fit_leaves_it(zipf):
    model = HierarchicalGEM((3, 2), random_state=0).fit(zipf[0])
    labels = model.predict(zipf[0])
    model.set_params(n_clusters=(2, 2000))
    np.testing.assert_array_equal(model.predict(zipf[0]), labels)
    with pytest.raises(ValueError, match="n_samples=2000"):
        model.fit(zipf[0])
    np.testing.assert_array_equal(model.predict(zipf[0]), labels)
    lopsided = HierarchicalGEM((2, 700), balance=0, max_iter=1, random_state=0)
    with pytest.raises(ValueError, match="a branch needs at least 700 documents"):
        lopsided.fit(np.vstack([zipf[0][zipf[1] == 0], -zipf[0][zipf[1] == 0]])[:1450])
    for method in (lopsided.predict, lopsided.predict_proba, lopsided.transform, lopsided.save):
        with pytest.raises(NotFittedError):
            method(zipf[0])


def test_tensors_are_taken_as_they_are(zipf):
    torch = pytest.importorskip("torch")
    x = torch.from_numpy(zipf[0])
    model = HierarchicalGEM((3, 2), random_state=0).fit(x)
    np.testing.assert_array_equal(model.predict(x), model.labels_)
    np.testing.assert_array_equal(model.labels_, HierarchicalGEM((3, 2), random_state=0).fit(zipf[0]).labels_)
    np.testing.assert_allclose(model.predict_proba(x).sum(axis=1), 1)


def test_models_that_did_not_converge_are_one_warning(zipf):
    with pytest.warns(
        ConvergenceWarning, match=r"5 of 5 models did not converge to tol=1e-12; .* that of the root"
    ) as seen:
        model = HierarchicalGEM((4, 2), max_iter=1, tol=1e-12, random_state=0).fit(zipf[0])
    assert len(seen) == 1
    assert not model.converged_


def test_other_bad_input(zipf):
    with pytest.raises(ValueError, match="target"):
        HierarchicalGEM((2, 2), target=np.ones(2)).fit(zipf[0])
    with pytest.raises(ValueError, match="balance"):
        HierarchicalGEM((2, 2), balance=-1).fit(zipf[0])
    bad = zipf[0].copy()
    bad[41] = 0
    with pytest.raises(ValueError, match=r"rows of zeros.*row 41"):
        HierarchicalGEM((2, 2)).fit(bad)
    with pytest.raises(ValueError, match="one a level"):
        HierarchicalGEM((2, -1)).fit(zipf[0])


def test_branches_hold_every_row_once_in_order():
    paths = np.array([[1, 0], [0, 2], [1, 0], [0, 0]], dtype=np.int32)
    np.testing.assert_array_equal(flat(paths, (2, 3)), [3, 2, 3, 0])
    found = {path: index.tolist() for path, index in branches(paths, (2, 3))}
    assert found == {(0, 0): [3], (0, 1): [], (0, 2): [1], (1, 0): [0, 2], (1, 1): [], (1, 2): []}
    assert [index.tolist() for _, index in branches(paths, ())] == [[0, 1, 2, 3]]
