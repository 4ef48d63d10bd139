"""Only the part of a corpus that is needed: by a mixture and a budget, or for the pools of a proxy."""

from collections import Counter
from pathlib import Path

import pytest
from export_data import NAMES, mixture
from test_tokenize import data_files
from token_data import Document, make_corpus, read_data
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.corpus.shards import Shard
from gemix.mix.mixture import Mixture
from gemix.mix.partition import read_partition
from gemix.runtime.errors import GemixError
from gemix.runtime.map import Launcher
from gemix.runtime.ranks import Rank
from gemix.trainers import DataIndex, ForMixture, Pools, TokenizeSettings, tokenize_corpus
from gemix.trainers.adopt import adopt_counts

Corpus = tuple[list[Shard], Path, Path]
WEIGHTS = (0.05, 0.15, 0.8, 0.0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("corpus"), 2000)


@pytest.fixture(scope="module")
def whole(corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> tuple[DataIndex, dict[str, list[Document]]]:
    out = tmp_path_factory.mktemp("whole")
    index = tokenize(corpus, out)
    return index, read_data(out, index)


def tokenize(corpus: Corpus, out: Path, only: ForMixture | Pools | None = None, **more: object) -> DataIndex:
    shards, labels, tokenizer = corpus
    launcher = more.pop("launcher", Launcher())
    settings = TokenizeSettings("npy", tokenizer, file_bytes=20_000, only=only, **more)  # type: ignore[arg-type]
    return tokenize_corpus(shards, labels, out, settings, launcher=launcher)  # type: ignore[arg-type,return-value]


def words(index: DataIndex, whole: DataIndex, corpus: Corpus) -> list[float]:
    """Return the tokens of every domain as the labels count them: here, words."""
    known = read_partition(corpus[1] / "domains.csv").tokens
    pairs = zip(index.domains, whole.domains, known, strict=True)
    return [tokens * part.tokens / all_.tokens for part, all_, tokens in pairs]


def test_a_domain_has_what_the_mixture_needs_and_little_more(
    corpus: Corpus, whole: tuple[DataIndex, dict[str, list[Document]]], tmp_path: Path
) -> None:
    index = tokenize(corpus, tmp_path, ForMixture(mixture(*WEIGHTS), 20_000))
    found = read_data(tmp_path, index)
    have = words(index, whole[0], corpus)
    available = words(whole[0], whole[0], corpus)
    for domain, weight, tokens, all_ in zip(index.domains, WEIGHTS, have, available, strict=True):
        need = weight * 20_000
        assert tokens >= min(need, all_) * 0.999, domain.name
        if domain.share < 1:  # the hash draws a number of documents that has a deviation, too
            assert tokens <= 1.01 * need + 8 * (30 * need) ** 0.5
        documents = whole[1][domain.name]
        assert found[domain.name] == documents[: len(found[domain.name])]  # those that come first, in the same order
    assert [domain.share for domain in index.domains][2:] == [1.0, 0.0]  # repeated, and without weight
    assert not (tmp_path / "d0003").exists()
    assert 0 < index.domains[0].share < index.domains[1].share < 1


def test_a_larger_budget_only_adds_documents(corpus: Corpus, tmp_path: Path) -> None:
    small, large = (
        read_data(out, tokenize(corpus, out, ForMixture(mixture(*WEIGHTS), budget)))
        for out, budget in ((tmp_path / "small", 10_000), (tmp_path / "large", 20_000))
    )
    for name in NAMES:
        assert large[name][: len(small[name])] == small[name]
    assert len(large["arts"]) > len(small["arts"])


def test_a_pool_is_t_over_T_of_every_domain(
    corpus: Corpus, whole: tuple[DataIndex, dict[str, list[Document]]], tmp_path: Path
) -> None:
    index = tokenize(corpus, tmp_path, Pools(30_000, 120_000), held_out=0.1)
    train, held = read_data(tmp_path, index), read_data(tmp_path, index, held_out=True)
    for domain in index.domains:
        assert domain.share == 0.25
        both = Counter(train[domain.name]) + Counter(held[domain.name])
        documents = whole[1][domain.name]
        assert both == Counter(documents[: both.total()])
        deviation = (0.25 * 0.75 * len(documents)) ** 0.5
        assert both.total() == pytest.approx(0.25 * len(documents), abs=4 * deviation)


def test_ranks_and_workers_take_the_same_documents(corpus: Corpus, tmp_path: Path) -> None:
    only = Pools(1, 4)
    tokenize(corpus, tmp_path / "one", only)
    for number in range(2):
        tokenize(corpus, tmp_path / "ranks", only, launcher=Launcher(rank=Rank(number, 2)))
    tokenize(corpus, tmp_path / "ranks", only)
    assert data_files(tmp_path / "ranks") == data_files(tmp_path / "one")
    with pytest.raises(GemixError, match="holds other data"):
        tokenize(corpus, tmp_path / "one", Pools(1, 5))


def test_counts_of_a_part_are_not_adopted(corpus: Corpus, tmp_path: Path) -> None:
    index = tokenize(corpus, tmp_path, Pools(1, 4))
    with pytest.raises(GemixError, match="counts other documents than the data hold"):
        adopt_counts(index, corpus[1])


def capped(*weights: float, **fields: object) -> Mixture:
    return mixture(*weights, provenance={"max_epochs": 4}, **fields)


@pytest.mark.parametrize(
    ("only", "message"),
    [
        (
            ForMixture(capped(0.0, 0.0, 0.0, 1.0), 10**6),
            r"would repeat sport \d+\.\d\d times, and .* 4 at most: mix again",
        ),
        (ForMixture(mixture(1.0, names=["else"]), 1000), "--mixture gives 1 to else, which is no domain of the labels"),
        (Pools(5, 4), "--proxy-tokens 5 is more than --budget 4"),
    ],
)
def test_what_does_not_fit_is_refused_before_work(
    corpus: Corpus, only: ForMixture | Pools, message: str, tmp_path: Path
) -> None:
    with pytest.raises(GemixError, match=message):
        tokenize(corpus, tmp_path / "out", only)
    assert not (tmp_path / "out").exists()


def test_on_the_command_line(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    path = tmp_path / "mixture.json"
    path.write_text(mixture(*WEIGHTS).to_json())
    layout = ["--layout", "npy", "--tokenizer", str(tokenizer), "--out", str(tmp_path / "out"), "-j", "1"]
    command = ["tokenize", str(shards[0].path.parent), "--labels", str(labels), *layout]

    def call(*more: str) -> str:
        return CliRunner().invoke(app, [*command, *more]).output.replace("\n", " ")

    assert "has no budget: --budget 25B" in call("--mixture", str(path))
    assert "exclude each other" in call("--mixture", str(path), "--proxy-tokens", "1M")
    assert "--proxy-tokens needs --budget" in call("--proxy-tokens", "1M")
    assert "--budget needs --mixture or --proxy-tokens" in call("--budget", "1M")
    assert "tokens by the tokenizer" in call("--mixture", str(path), "--budget", "5k")
