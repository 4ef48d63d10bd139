import json
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from support import make_documents, store_settings
from typer.testing import CliRunner

from gemix.cli.command import command
from gemix.cli.probe import probe as probe_command
from gemix.mix.strategies.regmix import simulate
from gemix.proxy import factory
from gemix.proxy.probe import measure as measuring
from gemix.proxy.probe.corpus import read_corpus
from gemix.proxy.probe.measure import bits_per_byte, predict, train
from gemix.proxy.probe.partitions import make_partition
from gemix.proxy.probe.probe import probe
from gemix.proxy.probe.settings import ProbeSettings
from gemix.proxy.tokenised import divide
from gemix.runtime.errors import GemixError

app = typer.Typer()
app.command()(command(ValueError, extra="proxy")(probe_command))
SMALL = ProbeSettings(mixtures=20, seeds=2, surrogates=("gp",), splits=3, repeats=2)


class Fake:
    """Losses that are a law of the mixture, each set with one of its own, and noise by seed."""

    def __init__(self, data, fail_at: int | None = None) -> None:
        self.domains, self.valid, self.facts = data.names, data.valid_names, {}
        self.trained, self.fail_at = 0, fail_at

    def train(self, mixture, budget, seed=0):
        self.trained += 1
        if self.trained == self.fail_at:
            raise GemixError("the training failed")
        return 2.0 + np.arange(len(self.valid)) + mixture[0] ** 2 + 1e-3 * seed

    def train_many(self, mixtures, budget, seeds=None):
        # In any order, as the contract allows.
        for i in reversed(range(len(mixtures))):
            yield i, self.train(mixtures[i], budget, 0 if seeds is None else seeds[i])


@pytest.fixture(autouse=True)
def _few_simulated_mixtures(monkeypatch):
    monkeypatch.setattr(measuring, "simulate", partial(simulate, n=2000, top=16))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder after `gemix embed`: subjects lie apart."""
    folder = tmp_path_factory.mktemp("probe") / "run"
    documents = make_documents(300)
    random = np.random.default_rng(0)
    names = sorted({document["subject"] for document in documents})
    x = np.eye(8)[[names.index(document["subject"]) for document in documents]] + 0.15 * random.normal(size=(300, 8))
    table = pa.table(
        {
            "id": [document["id"] for document in documents],
            "text": [document["text"] for document in documents],
            "tokens": [40] * 300,
            "meta": [
                json.dumps({"subject": d["subject"], "gap": None if i % 50 == 0 else "x", "score": 0.5})
                for i, d in enumerate(documents)
            ],
        }
    )
    (folder / "embeddings").mkdir(parents=True)
    np.save(folder / "embeddings" / "seed.npy", (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float16))
    pq.write_table(table, folder / "seed.parquet")
    store_settings(folder, clusters=4, seed=5, balance=50.0)
    return folder


@pytest.fixture(scope="module")
def corpus(run):
    return read_corpus(run, clusters=4, gem={}, vocabulary=300, held_out_fraction=0.2, valid_by="subject")


def makers(corpus, *names):
    return {name: lambda seed, name=name: make_partition(name, corpus.source, seed) for name in names}


def test_validation_is_the_same_for_all_and_none_of_it_is_trained_on(corpus):
    held = np.flatnonzero(corpus.held_out)
    assert 30 <= len(held) <= 90
    assert sorted(corpus.valid) == ["cooking", "finance", "gardening", "sailing"]
    np.testing.assert_array_equal(np.sum(list(corpus.valid.values()), axis=0), corpus.held_out)
    one, two = (make_partition(name, corpus.source, 0) for name in ("gem", "random"))
    a, b = (divide(corpus.tokenised, p.labels, p.domains, corpus.held_out, corpus.valid) for p in (one, two))
    assert a.valid == b.valid
    assert a.fingerprint != b.fingerprint
    for data in (a, b):
        assert sum(part.documents for part in data.domains) == 300 - len(held)
        assert sum(part.tokens for part in data.domains) == corpus.training_tokens.sum()


def test_without_a_column_validation_sets_are_random_parts(run):
    found = read_corpus(run, clusters=4, gem={}, vocabulary=300, held_out_fraction=0.3, shards=3)
    assert list(found.valid) == ["part-0", "part-1", "part-2"]
    sizes = [mask.sum() for mask in found.valid.values()]
    assert sum(sizes) == found.held_out.sum()
    assert min(sizes) > 0
    assert list(found.source.columns) == ["gap", "subject"]


def test_losses_are_bits_per_byte_and_rows_keep_their_mixtures(corpus):
    partition = make_partition("gem", corpus.source, 0)
    data = divide(corpus.tokenised, partition.labels, partition.domains, corpus.held_out, corpus.valid)
    found = train("gem", data, Fake(data), 100, SMALL, seed=1)
    w = np.array(found.mixtures)
    assert w.shape == (20, 4)
    np.testing.assert_allclose(w.sum(axis=1), 1)
    nats = 2.0 + np.arange(4) + w[:, :1] ** 2
    np.testing.assert_allclose(found.losses, nats * bits_per_byte(data))
    part = data.valid[0]
    np.testing.assert_allclose(found.losses[0][0], nats[0, 0] * part.tokens / part.bytes / np.log(2))
    shares = np.array(found.tokens) / sum(found.tokens)
    np.testing.assert_allclose(found.natural[1], (2.0 + np.arange(4) + shares[0] ** 2 + 1e-3) * bits_per_byte(data))
    # The law is smooth: the process ranks it, and its choice avoids the first domain.
    seen = predict(found, data, lambda: Fake(data), SMALL)
    assert min(seen.spearman["gp"]) > 0.8
    assert seen.chosen[0] < 0.1
    np.testing.assert_allclose(seen.chosen_losses, (2.0 + np.arange(4) + seen.chosen[0] ** 2) * bits_per_byte(data))


def test_a_target_that_is_no_set_is_refused_before_the_work(corpus, tmp_path):
    made: list[Fake] = []
    settings = SMALL.model_copy(update={"target": "wiki"})
    with pytest.raises(GemixError, match="no validation set is called 'wiki'"):
        probe(
            corpus, makers(corpus, "random"), lambda data: made.append(Fake(data)) or made[-1], {}, settings, tmp_path
        )
    assert not made


def test_another_target_or_surrogate_trains_no_mixture_again(corpus, tmp_path):
    made: list[Fake] = []

    def once(**changes):
        made.clear()
        settings = SMALL.model_copy(update={"seeds": 1} | changes)
        names = makers(corpus, "gem")
        return probe(corpus, names, lambda data: made.append(Fake(data)) or made[-1], {}, settings, tmp_path)[0]

    first = once()
    assert [proxy.trained for proxy in made] == [20 + 2 + 1]
    for changes, rows in (
        ({"target": "sailing"}, {"gp": 3}),
        ({"surrogates": ("linear", "gp")}, {"linear": 3, "gp": 3}),
        ({"splits": 4}, {"gp": 4}),
    ):
        other = once(**changes)
        assert [proxy.trained for proxy in made] == [1]  # the mixture that is chosen now
        assert (other.mixtures, other.losses, other.natural) == (first.mixtures, first.losses, first.natural)
        assert {kind: len(values) for kind, values in other.spearman.items()} == rows
    assert once() == first
    assert not made
    assert once(mixtures=21).losses != first.losses
    assert [proxy.trained for proxy in made] == [21 + 2 + 1]


def test_a_stopped_probe_goes_on_where_it_was(corpus, tmp_path):
    made: list[Fake] = []

    def make(fail_at):
        return lambda data: made.append(Fake(data, fail_at if len(made) == 2 else None)) or made[-1]

    names = makers(corpus, "gem", "random")
    with pytest.raises(GemixError, match="training failed"):
        probe(corpus, names, make(7), {}, SMALL, tmp_path / "a")
    assert len(made) == 3
    assert len(list((tmp_path / "a" / "trained").iterdir())) == 2
    made.clear()
    resumed = probe(corpus, names, make(None), {}, SMALL, tmp_path / "a")
    assert len(made) == 2
    whole = probe(corpus, names, make(None), {}, SMALL, tmp_path / "b")
    assert resumed == whole
    assert [(m.partition, m.seed) for m in whole] == [("gem", 0), ("gem", 1), ("random", 0), ("random", 1)]
    assert len({m.budget for m in whole}) == 1
    assert whole[0].mixtures != whole[1].mixtures
    # Another proxy is another measurement; one more seed keeps the old ones.
    made.clear()
    probe(corpus, names, make(None), {"order": 2}, SMALL, tmp_path / "b")
    assert len(made) == 4
    made.clear()
    probe(corpus, names, make(None), {}, SMALL.model_copy(update={"seeds": 3}), tmp_path / "b")
    assert len(made) == 2


def test_matched_partitions_have_the_same_sizes(corpus, tmp_path):
    settings = SMALL.model_copy(update={"size_matched": True, "seeds": 1})
    found = probe(corpus, makers(corpus, "gem", "label:subject", "random"), Fake, {}, settings, tmp_path)
    sizes = [sorted(m.tokens) for m in found]
    longest = corpus.training_tokens.max()
    for size in sizes[1:]:
        np.testing.assert_allclose(size, sizes[0], atol=longest)
    assert sum(sizes[0]) < corpus.training_tokens.sum() - longest


def invoke(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_the_command_measures_with_n_grams(run, tmp_path):
    arguments = [
        run, "-p", "gem,label:subject,random", "--mixtures", 20, "--seeds", 1, "--surrogates", "gp",
        "--vocabulary", 300, "--valid-by", "subject", "--held-out", 0.2, "--out", tmp_path / "o",
    ]  # fmt: skip
    found = invoke(*arguments)
    assert found.exit_code == 0, found.output
    table = (tmp_path / "o" / "probe.md").read_text()
    assert table in found.output
    content = json.loads((tmp_path / "o" / "probe.json").read_text())
    gem, subject, chance = content["partitions"]
    assert [line["partition"] for line in content["partitions"]] == ["gem", "label:subject", "random"]
    assert content["settings"]["proxy"] == {"kind": "ngram", "order": 3}
    assert content["settings"]["budget"] > 0
    # Subjects that differ in their words reach further than parts drawn by chance.
    assert min(gem["deviation"]["median"], subject["deviation"]["median"]) > 2 * chance["deviation"]["median"]
    assert gem["spearman"]["gp"]["median"] > 0.5
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "o").glob("*/*.json")}
    assert len(before) == 6
    again = invoke(*arguments)
    assert again.exit_code == 0, again.output
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (tmp_path / "o" / "probe.md").read_text() == table


def test_the_first_gem_is_the_teacher_of_the_run(run, tmp_path, monkeypatch):
    from gemix import GEM

    seen = []
    monkeypatch.setattr(factory, "make_proxy", lambda data, kind: seen.append(data) or Fake(data))
    found = invoke(
        run, "-p", "gem", "--mixtures", 10, "--seeds", 1, "--surrogates", "gp", "--vocabulary", 300, "--out", tmp_path
    )
    assert found.exit_code == 0, found.output
    x = np.load(run / "embeddings" / "seed.npy")
    labels = GEM(4, balance=50.0, random_state=5).fit(x).labels_
    corpus = read_corpus(run, clusters=4, gem={}, vocabulary=300)
    sizes = np.bincount(labels[~corpus.held_out], minlength=4)
    assert [part.documents for part in seen[0].domains] == sizes.tolist()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-p", "gem,som"], "no partition is called 'som'"),
        (["-p", "label:gap"], "6 of 300 documents have no value in the column 'gap'"),
        (["-p", "label:score"], "no column 'score'; they have gap, subject"),
        (["--valid-by", "topic"], "no column 'topic'"),
        (["--surrogates", "forest"], "--surrogates"),
        (["--held-out", 0], "--held-out is a share"),
        (["--clusters", 400], "400 clusters need"),
        (["--target", "wiki"], "no validation set is called 'wiki'"),
    ],
)
def test_bad_arguments_are_a_message(run, tmp_path, arguments, message):
    found = invoke(run, "--vocabulary", 300, "--mixtures", 10, "--out", tmp_path / "o", *arguments)
    assert found.exit_code == 1, found.output
    assert message in found.output
    assert "Traceback" not in found.output
    assert not (tmp_path / "o" / "probe.json").exists()


def test_a_folder_without_embeddings_is_a_message(tmp_path):
    found = invoke(tmp_path)
    assert found.exit_code == 1
    assert "seed.parquet is not there: `gemix embed` makes it" in found.output


def test_nothing_held_out_is_a_message(run):
    with pytest.raises(GemixError, match="nothing to judge by"):
        read_corpus(run, clusters=4, gem={}, vocabulary=300, held_out_fraction=1e-9)


def test_a_partition_without_training_documents_is_a_message(corpus, tmp_path):
    def nothing(seed):
        found = make_partition("random", corpus.source, seed)
        return replace(found, labels=np.where(corpus.held_out, found.labels, -1))

    with pytest.raises(GemixError, match="has no document to train on"):
        probe(corpus, {"random": nothing}, Fake, {}, SMALL, tmp_path)
