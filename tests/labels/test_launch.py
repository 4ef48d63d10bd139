import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from label_data import contents, temporary_files, write_corpus
from support import files_below

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import Launcher, Reading
from gemix.labels.launch import LabelResult, label_corpus
from gemix.labels.totals import totals
from gemix.runtime.errors import GemixError
from gemix.runtime.ranks import Rank

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
    with pytest.raises(GemixError, match=r"token counter .*nothing\.json"):
        label_corpus(shards, student_folder, out, Reading(counter=str(out / "nothing.json")))
    with pytest.raises(GemixError, match="no_student"):
        label_corpus(shards, out / "no_student", out)
    assert not out.exists()


def test_a_tokenizer_counts_in_every_process(shards: list[Shard], student_folder: Path, out: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    out.mkdir()
    tokenizer.save(str(out / "tokenizer.json"))
    by_file = label_corpus(
        shards, student_folder, out / "a", Reading(counter=str(out / "tokenizer.json")), launcher=Launcher(workers=2)
    )
    by_space = label_corpus(shards, student_folder, out / "b")
    assert np.array_equal(by_file.totals.tokens, by_space.totals.tokens)
    assert b"tokenizers:tokenizer.json#" in contents(out)["a/a.json"]


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
