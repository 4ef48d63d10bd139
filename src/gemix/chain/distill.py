"""Stage 4: teacher and seed documents -> student/."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from gemix.chain.embed import scan
from gemix.chain.names import show_names
from gemix.chain.run import Facts, Run
from gemix.corpus.window import Window
from gemix.mix.domain_ids import domain_key
from gemix.run.ledger import Stage
from gemix.runtime.progress import say

if TYPE_CHECKING:
    from gemix.student import Glossary, Lesson


SCHEMA: Final = 2


def plan(run: Run) -> Stage:
    """Return what the student depends on: not on names."""
    from gemix.student.base import MODELS

    config = run.config("distill")
    inputs = run.ledger.output_hashes("embed") | run.ledger.output_hashes("fit")
    chosen = run.pick("distill", "window", "seed", "student_kind", "student_sample")
    if config.student_sample:
        chosen |= run.pick("embed", "text_key", "id_key")
        inputs |= run.ledger.hashes_of(run.shards)
    outputs = [f"student/{MODELS[config.student_kind]}", "student/config.json", "student/evaluation.json"]
    return Stage("distill", SCHEMA, chosen, inputs, outputs)


def check(run: Run) -> None:
    """Make sure that what the kind of student needs is installed.

    Raises:
        GemixError: it is not.

    """
    if run.config("distill").student_kind == "fasttext":
        from gemix.student.fasttext_student import import_fasttext

        import_fasttext()


def distill(run: Run) -> None:
    """Train the student on the teacher's labels and measure it on held-out documents."""
    run.do(plan(run), lambda: _distill(run))


def _distill(run: Run) -> Facts:
    """Train, measure and save the student of a run."""
    from gemix.student import Lesson, held_out, train_student
    from gemix.taxonomy import influence_scores

    paths, config = run.paths, run.config("distill")
    documents, vectors = paths.read_seed()
    teacher = paths.read_teacher()
    scores = influence_scores(vectors, teacher, seed=config.seed) if config.student_kind == "fasttext" else None
    lesson = Lesson(documents, _opinions(teacher, vectors), scores, teacher.transform(vectors))
    further = _further(run, documents, teacher) if config.student_sample else None
    glossary = None
    if config.student_kind == "hashed":
        learned = documents.filter(pa.array(~held_out(documents["id"].to_pylist()))).select(["id", "text"])
        if further is not None:
            learned = pa.concat_tables([learned, further.documents.select(["id", "text"])])
        glossary = _glossary(run, learned, documents, teacher)
    evaluation = train_student(
        lesson,
        [domain_key(k) for k in range(len(teacher.mean_directions_))],
        paths.student,
        window=Window(config.window),
        kind=config.student_kind,
        seed=config.seed,
        further=further,
        glossary=glossary,
        partition=run.ledger.output_hashes("fit")[paths.partition.name],
    )
    if (paths.root / "taxonomy.json").exists():
        show_names(paths)
    say(
        f"student: agrees with the teacher on {100 * evaluation.top1:.1f} % of {evaluation.documents:,} held-out "
        f"documents (top 3: {100 * evaluation.top3:.1f} %), mass drift {evaluation.mass_drift:.3f}"
    )
    return {"top1": evaluation.top1, "top3": evaluation.top3, "mass_drift": evaluation.mass_drift}


def _further(run: Run, seed: pa.Table, teacher: Any) -> "Lesson | None":
    """Return the documents of the corpus that follow the seed sample in the order of the hash, and the teacher's view.

    None, with a line for the user, where the corpus has no more.
    """
    from gemix.embed import embed_further, make_embedder
    from gemix.student import Lesson

    paths, config = run.paths, run.config("distill")
    sample = scan(run, beyond=len(seed) + config.student_sample)
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


def _glossary(run: Run, learned: pa.Table, seed: pa.Table, teacher: Any) -> "Glossary | None":
    """Return what the teacher thinks of the words of documents; None where the embedder cannot embed a word."""
    from gemix.embed import TokenEmbedder, embed_further, make_embedder
    from gemix.student import Glossary, frequent_words, read_contexts

    paths, config = run.paths, run.config("distill")
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
