"""Words in context, by an embedder of which every token's vector is known."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from student_data import NAMES, teach
from support import SUBJECTS

from gemix.corpus.buffers import text_buffers
from gemix.corpus.window import Window
from gemix.student import contexts as module
from gemix.student.beginning import Beginning
from gemix.student.characters import characters
from gemix.student.contexts import Contexts, parts_of, read_contexts
from gemix.student.evaluate import held_out
from gemix.student.hashed_kernel import Reading, read_bags
from gemix.student.hashed_training import train_hashed
from gemix.student.words import Glossary, frequent_words

IDS = [f"id-{i}" for i in range(200)]


def vector(piece: str, text: str) -> np.ndarray:
    """Of a word piece in a text: what it is, and how long the text is."""
    return np.array([len(piece), piece.count("a"), len(text)], np.float32)


def embed_tokens(texts: Sequence[str]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Two characters are a token, a mark is one by itself."""
    for text in texts:
        found = list(re.finditer(r"\w\w?|[^\w\s]", text))
        vectors = [vector(piece.group(), text) for piece in found]
        yield np.array([piece.start() for piece in found], np.int64), np.array(vectors).reshape(-1, 3)


def test_parts_follow_the_id_and_the_first_is_for_validation():
    parts = parts_of([*IDS, *IDS])
    assert np.array_equal(parts[:200], parts[200:])
    assert np.array_equal(parts == 0, held_out([*IDS, *IDS], purpose="validation"))
    assert set(parts.tolist()) == {0, 1, 2, 3, 4}


def test_tokens_are_added_up_by_word_and_part():
    texts = [["Ada’s CAFÉ, a cat", "the cat", "ada"][i % 3] for i in range(200)]
    found = read_contexts(IDS, texts, ["cat", "ada", "café", "dog"], Window(14), embed_tokens, np.eye(3))
    parts = parts_of(IDS)
    for part in range(5):
        own = [text[:14] for text, p in zip(texts, parts, strict=True) if p == part]
        # The window of the first is "Ada’s CAFÉ, a ".
        first, second, third = (sum(text.lower().startswith(start) for text in own) for start in ("ada’", "the", "ada"))
        third -= first
        assert found.counts[part].tolist() == [2 * second, 2 * (first + third), 2 * first, 0]
        cafe = vector("CA", "-" * 14) + vector("FÉ", "-" * 14)
        ada = first * (vector("Ad", "-" * 14) + vector("a", "-" * 14)) + third * (
            vector("ad", "ada") + vector("a", "ada")
        )
        cat = second * (vector("ca", "the cat") + vector("t", "the cat"))
        np.testing.assert_allclose(found.sums[part], [cat, ada, first * cafe, np.zeros(3)])


def test_only_the_first_documents_by_a_hash_of_the_id_are_read(monkeypatch):
    monkeypatch.setattr(module, "MAX_DOCUMENTS", 30)
    texts = [f"word{i}" for i in range(200)]
    words = texts
    forwards = read_contexts(IDS, texts, words, Window(100), embed_tokens, np.eye(3))
    backwards = read_contexts(IDS[::-1], texts[::-1], words, Window(100), embed_tokens, np.eye(3))
    assert (forwards.counts.sum(axis=0) > 0).sum() == 30
    assert np.array_equal(forwards.counts, backwards.counts)
    assert np.array_equal(forwards.sums, backwards.sums)


def test_leanings_are_mean_products_with_the_directions():
    rng = np.random.default_rng(0)
    sums, counts = rng.normal(size=(5, 7, 3)).astype(np.float32), rng.integers(1, 9, (5, 7))
    directions = rng.normal(size=(4, 3))
    contexts = Contexts(sums, counts, directions)
    sums, counts = contexts.sums[[1, 3]].sum(axis=0), contexts.counts[[1, 3]].sum(axis=0)
    means = (sums - counts[:, None] * sums.sum(axis=0) / counts.sum()) / (counts + 0.5)[:, None]
    found = contexts.leanings([1, 3])
    np.testing.assert_allclose(found, means @ (directions - directions.mean(axis=0)).T, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.sum(axis=1), 0, atol=1e-4)  # they favour no domain
    assert not contexts.leanings([]).any()


def test_a_document_does_not_see_what_it_said_itself():
    """Each document has a word of its own and a common one: the word of its own says nothing to it, but to others."""
    texts = [f"word{i} common" for i in range(200)]
    parts = parts_of(IDS)
    rng = np.random.default_rng(0)
    words = [f"word{i}" for i in range(200)]
    sums, counts = np.zeros((5, 200, 3), np.float32), np.zeros((5, 200), np.int64)
    sums[parts, np.arange(200)] = rng.normal(size=(200, 3))
    counts[parts, np.arange(200)] = 1
    contexts = Contexts(sums, counts, np.array([[1.0, 0, 0], [-1.0, 0, 0]]))
    glossary = Glossary(words, np.full(200, 1.0), np.full((200, 2), 0.5), contexts)
    reading = Reading.of(characters(), 100, 18)
    # The last is a copy of the first under another id, in another part.
    other = int(np.flatnonzero(parts != parts[0])[0])
    texts[other] = texts[0]
    beginning = Beginning(glossary, read_bags(text_buffers(texts), reading), parts, reading, 2)
    targets = np.full((200, 2), 0.5, np.float32)
    targets[other] = [0.9, 0.1] if sums[parts[0], 0, 0] > 0 else [0.1, 0.9]
    beginning.fit(beginning.parts, targets)
    logits = beginning.logits(beginning.parts) - beginning.bias
    assert not np.delete(logits, other, axis=0).any()
    assert logits[other] @ [1, -1] * (sums[parts[0], 0, 0]) > 0
    assert np.count_nonzero(beginning.weights(beginning.parts).any(axis=1)) == len(
        {*read_bags(text_buffers(words), reading).buckets}
    )


def test_words_in_context_teach_words_that_are_rare():
    documents, opinions, _ = teach(8)
    subjects = [set(text.lower().split()) for text in SUBJECTS.values()]

    def by_subject(texts):
        for text in texts:
            found = list(re.finditer(r"\w+", text))
            vectors = [[piece.group().lower() in words for words in subjects] for piece in found]
            yield np.array([piece.start() for piece in found], np.int64), np.array(vectors, np.float32).reshape(-1, 4)

    ids, texts = documents["id"].to_pylist(), documents["text"].to_pylist()
    words, frequencies = frequent_words(texts, Window(300))
    contexts = read_contexts(ids, texts, words, Window(300), by_subject, 9 * np.eye(4))
    even = np.full((len(words), 4), 0.25)
    fresh, truth, _ = teach(400, seed=1)
    agreement = {}
    for name, known in (("nothing", None), ("contexts", Glossary(words, frequencies, even, contexts))):
        student = train_hashed(texts, opinions, parts_of(ids), NAMES, window=Window(300), glossary=known)
        agreement[name] = np.mean(student.predict(fresh["text"])[0][:, 0] == truth.argmax(axis=1))
        assert student.training["words_in_context"] == (known is not None)
    assert agreement["contexts"] > agreement["nothing"]
