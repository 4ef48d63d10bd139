import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from neighbours_data import density_by_definition
from support import clustered

from gemix.runtime import threads
from gemix.taxonomy import cells, cosines, neighbours
from gemix.taxonomy.neighbours import MIN_DENSITY, local_density


@pytest.fixture
def small_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is a large domain, with cells of ten."""
    monkeypatch.setattr(neighbours, "MAX_EXACT", 0)
    monkeypatch.setattr(cells, "CELL_ROWS", 10)
    monkeypatch.setattr(cells, "PROBES", 8)


@pytest.fixture(scope="module")
def X() -> np.ndarray:
    return clustered(n=2000, d=12, k=5, noise=0.25, seed=1)[0]


def unit(X: np.ndarray) -> np.ndarray:
    return X / np.linalg.norm(X, axis=1, keepdims=True)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 30), count=st.integers(1, 12), block=st.integers(1, 200), seed=st.integers(0, 99))
def test_exact_whatever_the_blocks(n: int, count: int, block: int, seed: int) -> None:
    X = np.random.default_rng(seed).normal(size=(n, 5))
    X[n // 2 :] = X[: n - n // 2]  # copies: a document's copy is its neighbour, the document itself is not
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cosines, "BLOCK_VALUES", block)
        density = local_density(X, np.arange(n), count)
    np.testing.assert_allclose(density, density_by_definition(unit(X), count), rtol=1e-5, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 60), count=st.integers(1, 12), rows=st.integers(1, 20), block=st.integers(1, 400),
    crowd=st.integers(0, 60), seed=st.integers(0, 99),
)  # fmt: skip
def test_all_cells_together_are_exact(n: int, count: int, rows: int, block: int, crowd: int, seed: int) -> None:
    X = np.random.default_rng(seed).normal(size=(n, 5))
    X[:crowd] = X[0] + 1e-3 * X[:crowd]
    members = np.arange(n)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "MAX_EXACT", 0)
        patch.setattr(cells, "CELL_ROWS", rows)
        patch.setattr(cells, "PROBES", n)
        patch.setattr(cells, "_CROWDED", n)
        patch.setattr(cosines, "BLOCK_VALUES", block)
        density = local_density(X, members, count)
    np.testing.assert_allclose(density, density_by_definition(unit(X), count), rtol=1e-5, atol=1e-6)


def test_few_and_opposite_documents() -> None:
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert local_density(X, np.array([2]), 8).tolist() == [MIN_DENSITY]
    assert local_density(X, np.array([0, 1]), 8).tolist() == [MIN_DENSITY, MIN_DENSITY]
    assert local_density(X, np.array([], dtype=int), 8).shape == (0,)


def test_only_members_are_neighbours(X: np.ndarray) -> None:
    members = np.arange(0, len(X), 7)
    np.testing.assert_allclose(local_density(X, members, 8), density_by_definition(X[members], 8), rtol=1e-5)


@pytest.mark.usefixtures("small_cells")
def test_cells_find_most_and_invent_nothing(X: np.ndarray) -> None:
    exact = density_by_definition(X, 8)
    density = local_density(X, np.arange(len(X)), 8)
    assert np.all(density <= exact + 1e-5)
    assert np.mean(exact - density) < 0.1 * exact.std()
    assert np.corrcoef(exact, density)[0, 1] > 0.98


@pytest.mark.usefixtures("small_cells")
def test_cells_on_float16_memmap(X: np.ndarray, tmp_path) -> None:
    np.save(tmp_path / "x.npy", X.astype(np.float16))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    members = np.arange(5, len(X), 2)
    assert np.array_equal(local_density(mapped, members, 8), local_density(mapped.astype(np.float32), members, 8))


@pytest.mark.usefixtures("small_cells")
def test_same_answer_on_any_number_of_cores(X: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for cores in (1, 2, 5):
        monkeypatch.setattr(threads, "cores", lambda cores=cores: cores)
        found.append(local_density(X, np.arange(len(X)), 8, seed=3))
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])
    assert not np.array_equal(found[0], local_density(X, np.arange(len(X)), 8, seed=4))


@pytest.mark.usefixtures("small_cells")
def test_crowds_of_copies_stay_cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    X = clustered(n=3000, d=8, k=3, noise=0.3, seed=2)[0]
    X[500:] = X[0]
    compared = 0
    search = cells.highest_cosines

    def counting(X: np.ndarray, rows: np.ndarray, candidates: np.ndarray, wanted: int) -> np.ndarray:
        nonlocal compared
        compared += len(rows) * len(candidates)
        return search(X, rows, candidates, wanted)

    monkeypatch.setattr(cells, "highest_cosines", counting)
    density = local_density(X, np.arange(len(X)), 8)
    np.testing.assert_allclose(density[500:], 1.0, rtol=1e-5)
    assert compared <= 3000 * cells.PROBES * (cells._CROWDED * cells.CELL_ROWS + 1)  # of 9,000,000 pairs


@pytest.mark.usefixtures("small_cells")
def test_copies_alone() -> None:
    X = np.tile([0.6, 0.8], (400, 1))
    np.testing.assert_allclose(local_density(X, np.arange(400), 8), 1.0, rtol=1e-6)


@pytest.mark.parametrize("limit", [0, 10_000])
def test_progress_counts_every_member(X: np.ndarray, limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "MAX_EXACT", limit)
    monkeypatch.setattr(cosines, "BLOCK_VALUES", 1 << 18)
    steps: list[float] = []
    local_density(X, np.arange(len(X)), 8, advance=steps.append)
    assert sum(steps) == pytest.approx(len(X))
    assert len(steps) > 1
