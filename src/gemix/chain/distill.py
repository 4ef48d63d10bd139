"""What the distill stage shows the student, as the settings say."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gemix.corpus.shards import Shard
from gemix.corpus.window import Window
from gemix.run.folder import RunFolder
from gemix.run.settings import RunConfig
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.student import Evaluation, Glossary, Lesson


def distill(paths: RunFolder, config: RunConfig, shards: list[Shard]) -> "Evaluation":
    """Train, measure and save the student of a run."""
    from gemix.student import Lesson, held_out, train_student
    from gemix.taxonomy import influence_scores, load_taxonomy

    documents, vectors = paths.read_seed()
    teacher = paths.read_teacher()
    scores = influence_scores(vectors, teacher, seed=config.seed) if config.student_kind == "fasttext" else None
    lesson = Lesson(documents, _opinions(teacher, vectors), scores, teacher.transform(vectors))
    further = _further(paths, config, shards, documents, teacher) if config.student_sample else None
    glossary = None
    if config.student_kind == "hashed":
        learned = documents.filter(pa.array(~held_out(documents["id"].to_pylist()))).select(["id", "text"])
        if further is not None:
            learned = pa.concat_tables([learned, further.documents.select(["id", "text"])])
        glossary = _glossary(paths, config, learned, documents, teacher)
    return train_student(
        lesson,
        [domain.name for domain in load_taxonomy(paths.root / "taxonomy.json").domains],
        paths.student,
        window=Window(config.window),
        kind=config.student_kind,
        seed=config.seed,
        further=further,
        glossary=glossary,
    )


def _further(paths: RunFolder, config: RunConfig, shards: list[Shard], seed: pa.Table, teacher: Any) -> "Lesson | None":
    """Return the documents of the corpus that follow the seed sample in the order of the hash, and the teacher's view.

    None, with a line for the user, where the corpus has no more.
    """
    from gemix.corpus.seed import sample_seed
    from gemix.embed import embed_further, make_embedder
    from gemix.student import Lesson
    from gemix.tokens.counter import token_counter

    sample = sample_seed(
        shards,
        documents=len(seed) + config.student_sample,
        seed=config.seed,
        window=Window(config.window),
        text_key=config.text_key,
        id_key=config.id_key,
        counter=token_counter(config.token_counter),
    )
    known = set(zip(seed["shard"].to_pylist(), seed["row"].to_pylist(), strict=True))
    places = zip(sample.table["shard"].to_pylist(), sample.table["row"].to_pylist(), strict=True)
    documents = sample.table.filter(pa.array([place not in known for place in places]))
    if not len(documents):
        say("--student-sample: the corpus has no documents beyond the seed sample")
        return None
    embedder = make_embedder(config.embedder, workers=config.workers, shards=sample.shards, seed=config.seed)
    result = embed_further(documents, embedder, paths.embeddings / "further", seed=seed, space=paths.embeddings)
    vectors = np.load(result.path, mmap_mode="r")
    return Lesson(documents.take(pa.array(result.rows)), _opinions(teacher, vectors))


def _glossary(
    paths: RunFolder, config: RunConfig, learned: pa.Table, seed: pa.Table, teacher: Any
) -> "Glossary | None":
    """Return what the teacher thinks of the words of documents; None where the embedder cannot embed a word."""
    from gemix.embed import TokenEmbedder, embed_further, make_embedder
    from gemix.student import Glossary, frequent_words, read_contexts

    if config.embedder.startswith("precomputed:"):
        return None
    ids, texts, window = learned["id"].to_pylist(), learned["text"].to_pylist(), Window(config.window)
    words, frequencies = frequent_words(texts, window)
    if not words:
        return None
    embedder = make_embedder(config.embedder, workers=config.workers, seed=config.seed)
    table = pa.table({"id": words, "text": words})
    result = embed_further(table, embedder, paths.embeddings / "words", seed=seed, space=paths.embeddings)
    opinions = _opinions(teacher, np.load(result.path, mmap_mode="r"))
    words = [words[row] for row in result.rows]
    contexts = None
    if isinstance(embedder, TokenEmbedder):
        directions = teacher.concentrations_[:, None] * teacher.mean_directions_
        contexts = read_contexts(ids, texts, words, window, embedder.embed_tokens, directions)
    return Glossary(words, frequencies[result.rows], opinions, contexts)


def _opinions(teacher: Any, vectors: np.ndarray) -> np.ndarray:
    """Return responsibilities, (n, K) float64: students learn from improbable domains, too, 0 in float32."""
    parts = range(0, len(vectors), 8192)
    return np.concatenate([teacher.predict_proba(vectors[at : at + 8192].astype(np.float64)) for at in parts])
