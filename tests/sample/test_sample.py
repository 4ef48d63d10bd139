"""What a sample holds: which documents, how often, in which order, with which columns."""

from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from export_data import NAMES, contents, documents, label, make_rows, mixture, write_layout

from gemix.corpus.shards import Shard
from gemix.mix.phases import join_phases
from gemix.sample import Report, SampleSettings, sample_corpus
from gemix.sample.order import stretched

WEIGHTS = (0.1, 0.2, 0.3, 0.4)  # the last domain is the smallest: it repeats


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    return make_rows(6000)


@pytest.fixture(scope="module")
def corpus(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Shard], Path]:
    folder = tmp_path_factory.mktemp("corpus")
    return label(write_layout(folder / "in", list(rows), 5), folder / "labels"), folder / "labels"


def domain(row: dict[str, Any]) -> str:
    return row["text"].split(maxsplit=1)[0]


def words(row: dict[str, Any]) -> int:
    return len(row["text"].split())


def available(rows: list[dict[str, Any]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for row in rows:
        found[domain(row)] += words(row)
    return found


@pytest.mark.parametrize("tokens", [40_000, 90_000, 150_000])
def test_every_domain_has_its_share(
    corpus: tuple[list[Shard], Path], rows: list[dict[str, Any]], tmp_path: Path, tokens: int
) -> None:
    report = sample_corpus(mixture(*WEIGHTS), *corpus, tmp_path / "out", SampleSettings(tokens, file_tokens=30_000))
    found = documents(tmp_path / "out")
    counts = available(found)
    for entry, name, weight in zip(report.domains, NAMES, WEIGHTS, strict=True):
        assert abs(counts[name] - weight * tokens) <= 1e-3 * weight * tokens
        assert counts[name] <= round(weight * tokens)
        assert entry.name == name
        assert (entry.tokens, entry.documents) == (counts[name], sum(domain(row) == name for row in found))
        assert entry.share == pytest.approx(weight, rel=1e-3)
        assert entry.epochs == pytest.approx(counts[name] / available(rows)[name])
        assert entry.shortfall is None
    assert report.documents == len(found)
    assert report.tokens == sum(counts.values())
    assert report.describe() == ""


def test_tokens_that_were_not_counted_go_by_the_bytes(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    shards = label(write_layout(tmp_path / "in", list(rows), 5), tmp_path / "labels", one_in=20)
    settings = SampleSettings(150_000, file_tokens=50_000)
    report = sample_corpus(mixture(*WEIGHTS), shards, tmp_path / "labels", tmp_path / "out", settings, workers=1)
    counts = available(documents(tmp_path / "out"))
    for entry, name, weight in zip(report.domains, NAMES, WEIGHTS, strict=True):
        assert abs(entry.tokens - weight * 150_000) <= 1e-3 * weight * 150_000
        assert abs(counts[name] - entry.tokens) < 0.03 * entry.tokens


def test_nothing_repeats_before_its_epoch_is_used_up(
    corpus: tuple[list[Shard], Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    sample_corpus(mixture(*WEIGHTS), *corpus, tmp_path / "out", SampleSettings(150_000, file_tokens=20_000))
    found = documents(tmp_path / "out")
    all_ids = {name: {row["id"] for row in rows if domain(row) == name} for name in NAMES}
    epochs = []
    for name in NAMES:
        stream = [row["id"] for row in found if domain(row) == name]
        size = len(all_ids[name])
        whole = len(stream) // size
        for epoch in range(whole):
            assert set(stream[epoch * size : (epoch + 1) * size]) == all_ids[name]
        assert len(set(stream[whole * size :])) == len(stream) - whole * size
        epochs.append(len(stream) / size)
    assert epochs[0] < 1 < 2 < epochs[3]  # both cases were there


def test_every_piece_of_the_stream_has_the_mixture(corpus: tuple[list[Shard], Path], tmp_path: Path) -> None:
    sample_corpus(mixture(*WEIGHTS), *corpus, tmp_path / "out", SampleSettings(150_000, file_tokens=10**9))
    found = documents(tmp_path / "out")
    for start in range(0, len(found), len(found) // 5):
        piece = available(found[start : start + len(found) // 5])
        total = sum(piece.values())
        if total > 20_000:
            assert [piece[name] / total for name in NAMES] == pytest.approx(WEIGHTS, abs=0.05)


def test_phases_follow_each_other(corpus: tuple[list[Shard], Path], tmp_path: Path) -> None:
    told = join_phases([mixture(0.5, 0.5, 0.0, 0.0), mixture(0.1, 0.1, 0.3, 0.5)], [0.7])
    sample_corpus(told, *corpus, tmp_path, SampleSettings(60_000, file_tokens=10_000))
    found = documents(tmp_path)
    sizes = [words(row) for row in found]
    ends = np.cumsum(sizes)
    for phase, (begin, end) in zip(told.phases, [(0, 0.7), (0.7, 1)], strict=True):
        inside = (ends > begin * ends[-1]) & (ends <= end * ends[-1])
        counts = available([row for row, there in zip(found, inside, strict=True) if there])
        shares = [counts[name] / counts.total() for name in NAMES]
        assert shares == pytest.approx(phase.weights, abs=0.04)
    assert [stretched(place, [(0.0, 0.5), (0.5, 0.25), (1.0, 0.25)]) for place in (0, 1 / 3, 0.9999999, 1)] == [
        0.5,
        pytest.approx(0.75),
        pytest.approx(1),
        1.0,
    ]


def test_epochs_are_shuffled_anew(corpus: tuple[list[Shard], Path], tmp_path: Path) -> None:
    sample_corpus(mixture(0, 0, 0, 1.0), *corpus, tmp_path / "out", SampleSettings(40_000))
    stream = [row["id"] for row in documents(tmp_path / "out")]
    size = len(set(stream))
    assert len(stream) >= 2 * size
    assert stream[:size] != stream[size : 2 * size]
    assert stream[:size] != sorted(stream[:size])


@pytest.mark.parametrize("shards", [1, 2, 7])
def test_the_layout_of_the_corpus_changes_nothing(rows: list[dict[str, Any]], tmp_path: Path, shards: int) -> None:
    plain = [{key: row[key] for key in ("id", "text", "url")} for row in rows]  # the same in JSON and Parquet
    settings = SampleSettings(60_000, file_tokens=25_000)
    for number, layout in enumerate((3, shards)):
        place = tmp_path / str(number)
        labelled = label(write_layout(place / "in", [*plain], layout, seed=number, tags=False), place / "labels")
        sample_corpus(mixture(*WEIGHTS), labelled, place / "labels", place / "out", settings)
    first, second = (
        {name: data for name, data in contents(tmp_path / n / "out").items() if name.startswith("part")} for n in "01"
    )
    assert len(first) == 6
    assert {name for name in first if name.endswith(".zst")} == {name for name in second if name.endswith(".zst")}
    assert all(first[name] == second[name] for name in first if name.endswith(".zst"))


def test_a_larger_sample_holds_the_smaller_one(corpus: tuple[list[Shard], Path], tmp_path: Path) -> None:
    ids = []
    for tokens in (20_000, 30_000):
        sample_corpus(mixture(0.5, 0.5, 0, 0), *corpus, tmp_path / str(tokens), SampleSettings(tokens))
        ids.append({row["id"] for row in documents(tmp_path / str(tokens))})
    assert len(ids[0] - ids[1]) <= 0.01 * len(ids[0])  # but for the last ones that had to fit
    sample_corpus(mixture(0.5, 0.5, 0, 0), *corpus, tmp_path / "seed", SampleSettings(20_000, seed=1))
    other = {row["id"] for row in documents(tmp_path / "seed")}
    assert 0.1 < len(ids[0] & other) / len(other) < 0.7


def test_columns_survive_and_the_domain_is_added(
    corpus: tuple[list[Shard], Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    sample_corpus(mixture(*WEIGHTS), *corpus, tmp_path / "out", SampleSettings(20_000))
    by_id = {row["id"]: row for row in rows}
    found = documents(tmp_path / "out")
    assert found
    with_tags = 0
    for row in found:
        assert NAMES[row.pop("domain")] == row.pop("domain_name") == domain(row)
        expected = by_id[row["id"]]
        with_tags += row["tags"] is not None
        assert row == expected | {"tags": row["tags"] and expected["tags"]}  # the Parquet shards have none
    assert 0 < with_tags < len(found)


def test_parquet_has_the_same_documents(corpus: tuple[list[Shard], Path], tmp_path: Path) -> None:
    for kind in ("jsonl.zst", "parquet"):
        settings = SampleSettings(30_000, format=kind, file_tokens=12_000, domain_key="topic")
        sample_corpus(mixture(*WEIGHTS), *corpus, tmp_path / kind, settings)
    expected = documents(tmp_path / "jsonl.zst")
    found = documents(tmp_path / "parquet")
    assert list(found[0]) == ["id", "text", "topic", "topic_name", "meta"]
    assert [row | msgspec.json.decode(row.pop("meta")) for row in found] == expected
    assert len(list((tmp_path / "parquet").glob("part-*.parquet"))) == 3


def test_rows_without_id_or_text(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lines = [
        '{"body": "law a b"}',
        '{"body": ""}',
        "no json",
        '{"body": "law c d", "key": 7, "big": 36893488147419103232}',
    ]
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines) + "\n")
    shards = label(tmp_path / "in", tmp_path / "labels", text_key="body", id_key="key")
    sample_corpus(mixture(0, 1.0, 0, 0), shards, tmp_path / "labels", tmp_path / "out", SampleSettings(6))
    found = sorted(documents(tmp_path / "out"), key=lambda row: row["key"])
    assert found == [
        {"key": "7", "body": "law c d", "big": 36893488147419103232, "domain": 1, "domain_name": "law"},
        {"key": "a:1", "body": "law a b", "domain": 1, "domain_name": "law"},
    ]


def test_equal_ids_and_equal_documents_are_different_documents(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lines = [f'{{"id": "same", "text": "law w{i}"}}' for i in range(500)] + ['{"id": "x", "text": "law w w"}'] * 100
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines) + "\n")
    shards = label(tmp_path / "in", tmp_path / "labels")
    made = mixture(0, 1.0, 0, 0)
    part = sample_corpus(made, shards, tmp_path / "labels", tmp_path / "part", SampleSettings(700))
    found = documents(tmp_path / "part")
    assert part.tokens == sum(map(words, found)) == 700
    same = [row["text"] for row in found if row["id"] == "same"]
    assert len(same) == len(set(same)) > 200
    sample_corpus(made, shards, tmp_path / "labels", tmp_path / "whole", SampleSettings(1300))
    ids = [row["id"] for row in documents(tmp_path / "whole")]
    assert Counter(ids) == {"same": 500, "x": 100}
    assert 0 < ids.index("x") < 499  # documents with one id are not written side by side


def test_a_shortfall_is_explained(corpus: tuple[list[Shard], Path], rows: list[dict[str, Any]], tmp_path: Path) -> None:
    tokens = 60_000
    settings = SampleSettings(tokens, max_epochs=1)
    report = sample_corpus(mixture(*WEIGHTS), *corpus, tmp_path / "out", settings)
    sport = report.domains[3]
    there = available(rows)["sport"]
    assert there < 0.4 * tokens
    assert (sport.tokens, sport.epochs) == (there, 1.0)
    assert sport.shortfall == (
        f"{24_000 - there:,} of 24,000 tokens are missing: 1 epochs of its {there:,} tokens are all that is allowed"
    )
    assert [entry.shortfall for entry in report.domains[:3]] == [None] * 3
    assert max(Counter(row["id"] for row in documents(tmp_path / "out")).values()) == 1
    stored = msgspec.json.decode((tmp_path / "out" / "sample.json").read_bytes())
    assert msgspec.convert(stored["report"], Report) == report
    assert stored["settings"]["max_epochs"] == 1


def test_documents_too_long_for_a_budget_are_a_shortfall(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    lines = [f'{{"id": "{i}", "text": "{name} {"w " * 99}"}}' for i in range(20) for name in ("law", "arts")]
    (tmp_path / "in" / "a.jsonl").write_text("\n".join(lines) + "\n")
    shards = label(tmp_path / "in", tmp_path / "labels")
    settings = SampleSettings(1000)
    report = sample_corpus(mixture(0.95, 0.05, 0, 0), shards, tmp_path / "labels", tmp_path / "out", settings)
    assert [entry.tokens for entry in report.domains] == [900, 0]
    assert report.domains[1].shortfall == (
        "50 of 50 tokens are missing: no document that short is left among the next ones"
    )
