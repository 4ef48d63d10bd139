import json

import numpy as np
import pytest
import zstandard
from embed_data import docstrings, documents
from support import make_documents

from gemix.embed.lsa import DIMENSIONS, LSA
from gemix.runtime.errors import GemixError


def fitted(texts: list[str], **options) -> np.ndarray:
    table = documents(texts)
    lsa = LSA(**options)
    lsa.prepare(table)
    return lsa.embed(table)


def test_documents_about_the_same_are_near():
    made = make_documents(400)
    x = fitted([d["text"] for d in made])
    assert x.dtype == np.float32
    assert x.shape == (400, min(DIMENSIONS, x.shape[1]))
    same = np.equal.outer([d["subject"] for d in made], [d["subject"] for d in made])
    cosines = x @ x.T
    assert cosines[same].mean() > cosines[~same].mean() + 0.2


def test_the_bytes_do_not_depend_on_threads_or_on_how_documents_are_cut():
    threadpoolctl = pytest.importorskip("threadpoolctl")
    texts = [d["text"] for d in make_documents(3000)] + docstrings(300)
    with threadpoolctl.threadpool_limits(1):
        one = fitted(texts)
    with threadpoolctl.threadpool_limits(2):
        two = fitted(texts)
    assert np.array_equal(one, two)
    table, lsa = documents(texts), LSA()
    lsa.prepare(table)
    assert np.array_equal(np.concatenate([lsa.embed(table.slice(i, 700)) for i in range(0, 3300, 700)]), one)


def test_the_seed_matters_and_is_part_of_the_fingerprint():
    texts = docstrings(300)
    assert not np.array_equal(fitted(texts), fitted(texts, seed=1))
    assert LSA().fingerprint() != LSA(seed=1).fingerprint()
    assert json.loads(json.dumps(LSA().fingerprint())) == LSA().fingerprint()


@pytest.mark.parametrize("n", [1, 2, 3, 10, 99, 100, 101])
def test_corpora_of_any_size_work(n):
    x = fitted([d["text"] for d in make_documents(n)])
    assert x.shape[0] == n
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-6)


def test_a_document_without_a_known_word_is_zero():
    made = [d["text"] for d in make_documents(200)]
    x = fitted([*made, "", "?!", "zzyzx qwertz"])
    assert np.flatnonzero(~x.any(axis=1)).tolist() == [200, 201, 202]


def test_a_corpus_that_repeats_itself_still_has_words():
    x = fitted(["the same words again"] * 150)
    assert x.any(axis=1).all()


def test_a_corpus_without_words_is_refused():
    with pytest.raises(GemixError, match="no words"):
        fitted(["", "!", "?"] * 50)


def test_embed_before_prepare_is_refused():
    with pytest.raises(GemixError, match="prepare"):
        LSA().embed(documents(["a word"]))


@pytest.mark.slow
def test_it_finds_the_topics_of_real_pages(pages):
    """Normalised mutual information 0.25 at a window of 1,000 characters; labels by chance give less than 0.02."""
    from sklearn.cluster import KMeans
    from sklearn.metrics import normalized_mutual_info_score

    with zstandard.open(pages, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file][:: 9608 // 2000]
    texts = [" ".join(row["text"][:4000].split())[:1000] for row in rows]
    x = fitted(texts)
    labels = KMeans(23, n_init=3, random_state=0).fit_predict(x)
    assert normalized_mutual_info_score([row["topic"] for row in rows], labels) > 0.2


def test_a_space_that_was_kept_gives_other_documents_the_same_vectors(tmp_path):
    made = documents([d["text"] for d in make_documents(300)])
    lsa, again = LSA(), LSA()
    lsa.prepare(made)
    lsa.save(tmp_path)
    again.load(tmp_path)
    others = documents([*(d["text"] for d in make_documents(350)[300:]), "known to nobody", ""])
    assert again.embed(others).tobytes() == lsa.embed(others).tobytes()
    with pytest.raises(GemixError, match="cannot read the space of lsa"):
        LSA().load(tmp_path / "none")
