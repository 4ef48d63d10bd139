import numpy as np
import pytest

from gemix.taxonomy.soundness import judge


def blob(n: int, axis: int, seed: int, d: int = 32, noise: float = 0.15) -> np.ndarray:
    """Unit rows around an axis."""
    x = noise * np.random.default_rng(seed).normal(size=(n, d))
    x[:, axis] += 1
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def kinds(X: np.ndarray, labels: np.ndarray, domains: int) -> list[list[str]]:
    found = judge(X, labels, domains, [f"doc-{i}" for i in range(len(X))], 0)
    return [[flag.kind for flag in flags] for flags in found.flags]


def test_a_union_of_two_things_is_called_mixed_and_no_single_one() -> None:
    X = np.concatenate([blob(200, axis, axis) for axis in range(5)])
    labels = np.repeat([0, 1, 2, 3, 3], 200)
    assert kinds(X, labels, 4) == [[], [], [], ["mixed"]]


def test_a_random_group_is_called_mixed_and_has_no_coherence() -> None:
    X = np.concatenate([blob(200, axis, axis) for axis in range(5)])
    labels = np.random.default_rng(0).integers(0, 3, len(X))
    found = judge(X, labels, 3, [""] * len(X), 0)
    assert all(abs(value) < 0.1 for value in found.coherences if value is not None)
    assert [[flag.kind for flag in flags] for flags in found.flags] == [["mixed"]] * 3


@pytest.mark.parametrize("copies", [1, 9])
def test_coherence_is_not_raised_by_size_or_copies(copies: int) -> None:
    X = np.concatenate([blob(60, 0, 0), blob(600, 1, 1), blob(300, 2, 2)])
    labels = np.repeat([0, 1, 2], [60, 600, 300])
    plain = judge(X, labels, 3, [""] * len(X), 0).coherences
    assert plain[0] == pytest.approx(plain[1], abs=0.03)
    again = np.concatenate([X, np.repeat(X[:1], 40 * copies, axis=0)])
    found = judge(again, np.append(labels, [0] * 40 * copies), 3, [""] * len(again), 0)
    assert found.coherences[0] == pytest.approx(plain[0], abs=0.01)


def test_twins_name_each_other() -> None:
    X = np.concatenate([blob(400, 0, 0), blob(200, 1, 1), blob(200, 2, 2)])
    labels = np.concatenate([np.arange(400) % 2, [2] * 200, [3] * 200])
    found = judge(X, labels, 4, [""] * len(X), 0)
    assert [[(flag.kind, flag.domain) for flag in flags] for flags in found.flags] == [
        [("near", 1)],
        [("near", 0)],
        [],
        [],
    ]
    assert str(found.flags[0][0]).startswith("near domain-01 (alike by ")


def test_copies_and_empty_domains_are_named_with_their_figures() -> None:
    X = np.concatenate([blob(60, 0, 0), blob(60, 1, 1), np.repeat(blob(1, 2, 2), 80, axis=0)]).astype(np.float16)
    labels = np.repeat([0, 1, 3], [60, 60, 80])
    found = judge(X, labels, 4, [f"doc-{i}" for i in range(200)], 0)
    assert [[(flag.kind, flag.figure) for flag in flags] for flags in found.flags] == [
        [],
        [],
        [("empty", 0)],
        [("copies", 0.988)],
    ]
    (group,) = found.copies
    assert (group.share, group.documents, group.first, group.domain) == (0.4, 80, "doc-120", 3)
    assert found.coherences[2:] == [None, None]


def test_the_same_input_gives_the_same_figures() -> None:
    X = np.concatenate([blob(100, axis, axis) for axis in range(3)])
    labels = np.repeat([0, 1, 2], 100)
    assert judge(X, labels, 3, [""] * 300, 1) == judge(X, labels, 3, [""] * 300, 1)
