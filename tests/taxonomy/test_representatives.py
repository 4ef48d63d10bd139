import numpy as np
import pytest

from gemix.taxonomy import representatives
from gemix.taxonomy.representatives import select_representatives


def around(angles: list[float]) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)


def test_best_first_without_repeats() -> None:
    X = around([0.0, 0.1, 1.0, 2.0, 3.0])  # rows 0 and 1 have cosine 0.995
    scores = np.array([3.0, 4.0, 1.0, 2.0, 5.0])
    texts = ["a", "b", "c", "d", "e"]
    assert select_representatives(X, np.arange(5), scores, texts) == [4, 1, 3, 2]
    assert select_representatives(X, np.arange(5), scores, texts, count=2) == [4, 1]
    assert select_representatives(X, np.array([0, 2]), scores, texts) == [0, 2]


def test_equal_texts_are_one() -> None:
    X = around([0.0, 1.0, 2.0])
    assert select_representatives(X, np.arange(3), np.zeros(3), ["same", "same", "other"]) == [0, 2]


def test_ties_keep_the_order_of_rows() -> None:
    X = around([0.0, 1.0, 2.0, 3.0])
    assert select_representatives(X, np.arange(4), np.zeros(4), list("abcd")) == [0, 1, 2, 3]


def test_a_crowd_of_copies_is_searched_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(representatives, "_BLOCK_ROWS", 7)
    X = around([0.0] * 50 + [1.5])
    scores = np.arange(51, 0, -1.0)
    assert select_representatives(X, np.arange(51), scores, [str(i) for i in range(51)]) == [0, 50]


def test_no_members() -> None:
    assert select_representatives(around([0.0]), np.array([], dtype=int), np.zeros(1), ["a"]) == []
