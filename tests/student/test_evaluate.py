import numpy as np
import pytest

from gemix.corpus.window import Window
from gemix.student.evaluate import Evaluation, evaluate, held_out
from gemix.student.normaliser import Normaliser


class Scripted:
    """A student that says what it is told: texts are its ranked domains."""

    kind = "scripted"
    normaliser = Normaliser(Window(1000))
    domains = ("a", "b", "c", "d")

    def __init__(self, probability=1.0):
        self.probability = probability

    def predict(self, texts, top=1):
        ranked = np.array([[int(c) for c in text] for text in texts], np.int32)[:, :top]
        return ranked, np.full(ranked.shape, self.probability, np.float32)


def opinions(truth: list[int], confidence: list[float]) -> np.ndarray:
    out = np.zeros((len(truth), 4))
    for row, (domain, p) in enumerate(zip(truth, confidence, strict=True)):
        out[row] = (1 - p) / 3
        out[row, domain] = p
    return out


def test_the_arithmetic():
    # Right, second, fourth (missed by the top three), right; the teacher is surest of the last two.
    texts = ["0123", "1023", "0123", "2013"]
    result = evaluate(Scripted(), texts, opinions([0, 0, 3, 2], [0.5, 0.6, 0.8, 0.9]), 36)
    assert (result.training_documents, result.documents) == (36, 4)
    assert result.top1 == 0.5
    assert result.top3 == 0.75
    # Teacher: a 2, c 1, d 1. Student: a 2, b 1, c 1.
    assert result.mass_drift == pytest.approx(0.25)
    assert result.by_confidence == [1.0, 0.0, 0.0, 1.0]
    assert [d.documents for d in result.domains] == [2, 0, 1, 1]
    assert [d.precision for d in result.domains] == [0.5, 0.0, 1.0, None]
    assert [d.recall for d in result.domains] == [0.5, None, 1.0, 0.0]
    assert result.confusion == [[1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    assert result.cosine_regret is None
    # Margins .5 - .5 / 3 and so on: below a half twice, above it twice.
    assert [(b.low, b.high, b.documents, b.top1) for b in result.by_margin] == [
        (0.0, 0.5, 2, 0.5), (0.5, 0.9, 2, 0.5), (0.9, 0.99, 0, None), (0.99, 0.999, 0, None), (0.999, 1.0, 0, None),
    ]  # fmt: skip


def test_an_error_costs_the_difference_of_the_cosines():
    cosines = np.array([[0.9, 0.8, 0, 0], [0.7, 0.3, 0, 0], [0.1, 0, 0, 0.6], [0, 0, 0.5, 0]])
    texts = ["0123", "1023", "0123", "2013"]
    result = evaluate(Scripted(), texts, opinions([0, 0, 3, 2], [0.5, 0.6, 0.8, 0.9]), 36, cosines=cosines)
    assert result.cosine_regret == pytest.approx((0 + 0.4 + 0.5 + 0) / 4)


def test_lengths_fall_into_bands_up_to_the_longest():
    texts = ["0123"[: 1 + i % 4] + "0" * (i - 1 - i % 4) if i >= 4 else "0" * i for i in (1, 2, 4, 8, 15, 16)]
    result = evaluate(Scripted(), [text[:1] for text in texts], opinions([0] * 6, [0.9] * 6), 1)
    assert [(b.low, b.documents) for b in result.by_length] == [(0, 0), (0.125, 0), (0.25, 0), (0.5, 6)]

    class Lengths(Scripted):
        def predict(self, texts, top=1):
            return super().predict(["0" if len(text) > 3 else "1" for text in texts], 1)

    result = evaluate(Lengths(), texts, opinions([0] * 6, [0.9] * 6), 1)
    assert [(b.low, b.high, b.documents, b.top1) for b in result.by_length] == [
        (0, 2, 1, 0.0), (2, 4, 1, 0.0), (4, 8, 1, 1.0), (8, 16, 3, 1.0),
    ]  # fmt: skip


def test_calibration_is_the_gap_between_probability_and_agreement():
    texts = ["0123"] * 3 + ["1023"]
    result = evaluate(Scripted(0.85), texts, opinions([0] * 4, [0.9] * 4), 1)
    assert result.calibration_error == pytest.approx(0.1, abs=1e-6)
    assert [b.documents for b in result.calibration] == [0] * 8 + [4, 0]
    assert result.calibration[8].probability == pytest.approx(0.85)
    assert result.calibration[8].top1 == 0.75


def test_an_evaluation_from_before_hashed_students_is_read():
    new = evaluate(Scripted(), ["0123"], opinions([0], [0.9]), 1).model_dump()
    old = {key: new[key] for key in list(new)[:7]}
    assert Evaluation.model_validate(old).confusion is None


def test_a_perfect_student_has_no_drift():
    result = evaluate(Scripted(), ["0123", "1023", "2013"], opinions([0, 1, 2], [0.9] * 3), 1)
    assert (result.top1, result.top3, result.mass_drift) == (1.0, 1.0, 0.0)


def test_a_tenth_is_held_out_by_id_alone():
    ids = [f"doc-{i}" for i in range(20_000)]
    marked = held_out(ids)
    assert 0.09 < marked.mean() < 0.11
    order = np.random.default_rng(0).permutation(len(ids))
    np.testing.assert_array_equal(held_out([ids[i] for i in order]), marked[order])
    np.testing.assert_array_equal(held_out(ids[:50]), marked[:50])


@pytest.mark.parametrize("n", [2, 3, 5, 20])
def test_both_sides_have_a_document(n):
    for seed in range(30):
        marked = held_out([f"{seed}-{i}" for i in range(n)])
        assert 0 < marked.sum() < n


def test_copies_of_an_id_stay_together():
    marked = held_out(["a", "b", "a", "b"])
    np.testing.assert_array_equal(marked[:2], marked[2:])
    assert marked[0] != marked[1]
