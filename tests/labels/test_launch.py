import os
from pathlib import Path
from typing import Any

import pytest
from label_data import contents, temporary_files, write_corpus
from support import files_below

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Launcher, Reading
from gemix.labels.launch import LabelResult, label_corpus
from gemix.labels.totals import totals
from gemix.runtime.errors import GemixError
from gemix.runtime.ranks import Rank
from gemix.tokens.tokenizer import train_tokenizer

NAMES = ["a", "b", "d", "sub/c"]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def done(shards: list[Shard], student_folder: Path, out: Path) -> LabelResult:
    return label_corpus(shards, student_folder, out)


def test_every_number_of_workers_gives_the_same_bytes(
    done: LabelResult, shards: list[Shard], student_folder: Path, out: Path, tmp_path: Path
) -> None:
    assert set(contents(out)) == {f"{name}.{kind}" for name in NAMES for kind in ("parquet", "json")}
    for workers in (2, 3):
        again = label_corpus(
            shards[::-1], student_folder, tmp_path / f"out{workers}", launcher=Launcher(workers=workers)
        )
        assert contents(tmp_path / f"out{workers}") == contents(out)
        assert again.totals.documents == done.totals.documents
        assert sorted(again.labelled) == NAMES
    assert (done.labelled, done.trusted, done.stale) == (NAMES, [], [])
    assert done.totals == totals(out, shards)
    assert (done.totals.shards, done.totals.rows, done.totals.bad.total) == (4, 2600, 8)
    assert [str(example) for example in done.totals.bad.examples["bad_json"]] == [
        "a.jsonl:250",
        "b.jsonl.gz:250",
        "b.jsonl.gz:500",
    ]


def test_a_second_call_trusts_and_loads_no_student(
    done: LabelResult, shards: list[Shard], student_folder: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (out / ".lock").unlink()
    before = files_below(out)
    monkeypatch.setattr("gemix.labels.job.load_student", lambda folder: pytest.fail("loaded"))
    again = label_corpus(shards, student_folder, out)
    assert (again.labelled, again.trusted) == ([], NAMES)
    assert again.totals == done.totals
    (out / ".lock").unlink()
    assert files_below(out) == before


def test_only_what_changed_is_labelled_again(
    done: LabelResult, shards: list[Shard], student_folder: Path, out: Path
) -> None:
    before = contents(out)
    os.utime(shards[0].path, ns=(1, 1))  # touched, not changed
    (out / "b.json").write_text("{ not json")
    (out / "d.parquet").unlink()
    again = label_corpus(shards, student_folder, out, launcher=Launcher(workers=2))
    assert (again.labelled, again.trusted) == (["b", "d"], ["a", "sub/c"])
    after = contents(out)
    assert before.pop("a.json") != after.pop("a.json")  # the new time
    assert after == before
    with open(shards[3].path, "ab") as file:
        file.write(shards[3].path.read_bytes())
    assert label_corpus(shards, student_folder, out).labelled == ["sub/c"]


def test_another_student_labels_everything_again(
    done: LabelResult, shards: list[Shard], student_folder: Path, other_student_folder: Path, out: Path
) -> None:
    before = contents(out)
    assert label_corpus(shards, other_student_folder, out).labelled == NAMES
    assert contents(out)["a.parquet"] != before["a.parquet"]
    assert label_corpus(shards, student_folder, out).labelled == NAMES
    assert contents(out) == before


def test_killed_between_sidecar_and_marker(
    done: LabelResult,
    shards: list[Shard],
    student_folder: Path,
    other_student_folder: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = contents(out)

    def die(path: Path, marker: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("gemix.labels.shard.write_marker", die)
        with pytest.raises(KeyboardInterrupt):
            label_corpus(shards, other_student_folder, out)
    largest = max(shards, key=lambda shard: shard.path.stat().st_size).name
    assert {name for name, data in contents(out).items() if data != before[name]} == {f"{largest}.parquet"}
    assert label_corpus(shards, student_folder, out).labelled == [largest]
    assert contents(out) == before


def test_shards_that_left_the_input_are_reported_and_not_counted(
    done: LabelResult, shards: list[Shard], student_folder: Path, out: Path
) -> None:
    fewer = label_corpus(shards[:3], student_folder, out)
    assert fewer.stale == ["sub/c"]
    assert fewer.totals.rows == done.totals.rows - 1200
    assert (out / "sub/c.parquet").exists()
    assert totals(out) == fewer.totals
    assert totals(out, shards) == done.totals


@pytest.mark.parametrize("workers", [1, 2])
def test_unreadable_shards_are_named_before_any_work(
    shards: list[Shard], student_folder: Path, out: Path, workers: int
) -> None:
    data = bytearray(shards[2].path.read_bytes())
    data[-8:-4] = b"\xff\xff\xff\x7f"  # the length of the Parquet footer
    shards[2].path.write_bytes(data)
    shards[1].path.write_bytes(b"no gzip")
    with pytest.raises(GemixError) as caught:
        label_corpus(shards, student_folder, out, launcher=Launcher(workers=workers))
    message = str(caught.value)
    assert "2 of 4 files cannot be read" in message
    assert message.count(str(shards[1].path)) == message.count(str(shards[2].path)) == 1
    assert not contents(out)


def test_many_failures_make_a_short_message(student_folder: Path, out: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "many", {f"{i:02}.jsonl.gz": 1 for i in range(25)}, {})
    for path in corpus.iterdir():
        path.write_bytes(b"no gzip")
    with pytest.raises(GemixError, match="25 of 25 files") as caught:
        label_corpus(resolve_shards([corpus]), student_folder, out)
    assert str(caught.value).endswith("\n  and 5 more")
    assert str(caught.value).count("\n") == 21


def test_a_vanished_shard_is_an_error(shards: list[Shard], student_folder: Path, out: Path) -> None:
    shards[1].path.unlink()
    with pytest.raises(GemixError, match=r"b\.jsonl\.gz: No such file"):
        label_corpus(shards, student_folder, out)


def test_too_many_bad_rows_are_an_error_after_all_is_labelled(
    shards: list[Shard], student_folder: Path, out: Path
) -> None:
    with pytest.raises(GemixError, match=r"8 of 2,600 rows .* bad(.|\n)*bad_json: 8.*a\.jsonl:250"):
        label_corpus(shards, student_folder, out, max_bad_fraction=0.003)
    assert label_corpus(shards, student_folder, out, max_bad_fraction=8 / 2600).trusted == NAMES


def test_counter_and_student_fail_before_any_work(shards: list[Shard], student_folder: Path, out: Path) -> None:
    with pytest.raises(GemixError, match=r"the tokenizer .*nothing\.json"):
        label_corpus(shards, student_folder, out, Reading(tokenizer=out / "nothing.json"))
    with pytest.raises(GemixError, match="no_student"):
        label_corpus(shards, out / "no_student", out)
    assert not out.exists()


def test_a_tokenizer_counts_in_every_process(shards: list[Shard], student_folder: Path, out: Path) -> None:
    train_tokenizer(["orbit rocket planet"] * 9, 300).save(str(out.parent / "t.json"))
    reading = Reading(tokenizer=out.parent / "t.json")
    several = label_corpus(shards, student_folder, out / "a", reading, launcher=Launcher(workers=2))
    alone = label_corpus(shards, student_folder, out / "b", reading)
    assert several.totals == alone.totals
    by_words = label_corpus(shards, student_folder, out / "c").totals
    assert sum(by_words.tokens) < sum(alone.totals.tokens) <= sum(alone.totals.bytes)
    assert by_words.settings["tokenizer"] != alone.totals.settings["tokenizer"]


def test_a_sample_of_the_documents_is_counted_alike_by_any_number_of_workers(
    shards: list[Shard], student_folder: Path, out: Path
) -> None:
    """Beside exact counts: tokens are what the bytes of each domain say."""
    every = label_corpus(shards, student_folder, out / "all").totals
    assert every.tokens == every.tokens_low == every.tokens_high
    reading = Reading(one_in=10, source_key="source")
    one = label_corpus(shards, student_folder, out / "one", reading).totals
    label_corpus(shards[::-1], student_folder, out / "two", reading, launcher=Launcher(workers=2))
    assert contents(out / "one") == contents(out / "two")
    assert one.bytes == every.bytes
    for k, exact in enumerate(every.tokens):
        assert one.tokens_low[k] < one.tokens[k] < one.tokens_high[k] < 1.1 * exact
        assert abs(one.tokens[k] - exact) < 0.02 * exact
    assert one.by_source is not None
    cells = one.by_source.values["made"]
    assert [cells[k][1] for k in sorted(cells)] == one.tokens


def test_unwritable_output(shards: list[Shard], student_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GemixError, match=r"cannot write .*file/out: Not a directory"):
        label_corpus(shards, student_folder, tmp_path / "file" / "out", launcher=Launcher(workers=2))


def test_leftovers_of_these_shards_go_and_those_of_others_stay(
    shards: list[Shard], student_folder: Path, out: Path
) -> None:
    (out / "sub").mkdir(parents=True)
    gone = [out / "sub" / ".c.parquet.tmp-12-0a1b", out / ".a.json.tmp-1"]
    stay = [out / ".foreign.parquet.tmp-12-0a1b", out / ".a.tmp-x"]
    for path in gone + stay:
        path.write_text("half")
    label_corpus(
        shards, student_folder, out, launcher=Launcher(rank=Rank(0, 1))
    )  # other ranks may be at work on theirs
    assert sorted(temporary_files(out)) == sorted(gone + stay)
    label_corpus(shards, student_folder, out)
    assert sorted(temporary_files(out)) == sorted(stay)


def test_no_shards(student_folder: Path, out: Path) -> None:
    assert label_corpus([], student_folder, out).totals.rows == 0
