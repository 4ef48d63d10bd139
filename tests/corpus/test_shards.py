import os
from pathlib import Path

import pytest

from gemix.corpus.shards import Shard, resolve_shards
from gemix.runtime.errors import GemixError


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def names(*inputs) -> list[str]:
    return [shard.name for shard in resolve_shards(inputs)]


def test_a_folder_is_searched_recursively_and_only_data_counts(tmp_path):
    touch(
        tmp_path / "b.jsonl.zst",
        tmp_path / "sub/deep/a.parquet",
        tmp_path / "sub/C.JSONL.GZ",
        tmp_path / "a.b.jsonl",
        tmp_path / "README.md",
        tmp_path / ".hidden.jsonl",
        tmp_path / ".cache/x.jsonl",
        tmp_path / "x.tmp-12.jsonl",
        tmp_path / ".y.parquet.tmp-3",
    )
    (tmp_path / "empty").mkdir()
    shards = resolve_shards([tmp_path])
    assert [s.name for s in shards] == ["a.b", "b", "sub/C", "sub/deep/a"]
    assert [s.format for s in shards] == [".jsonl", ".jsonl.zst", ".jsonl.gz", ".parquet"]


def test_names_are_relative_to_the_common_folder(tmp_path):
    touch(tmp_path / "one/x.jsonl", tmp_path / "two/x.jsonl")
    assert names(tmp_path / "one/x.jsonl") == ["x"]
    assert names(tmp_path / "one/x.jsonl", tmp_path / "two") == ["one/x", "two/x"]
    assert names(tmp_path) == ["one/x", "two/x"]


def test_a_glob_equals_the_paths_it_matches(tmp_path, monkeypatch):
    touch(tmp_path / "one/x.jsonl", tmp_path / "two/y.jsonl", tmp_path / "two/notes.txt")
    monkeypatch.chdir(tmp_path)
    assert resolve_shards(["*/*"]) == resolve_shards(["one/x.jsonl", "two/y.jsonl"])
    assert names("**/*.jsonl") == ["one/x", "two/y"]
    assert names("tw*") == ["y"]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path):
    touch(tmp_path / "a[1].jsonl", tmp_path / "a1.jsonl")
    assert names(tmp_path / "a[1].jsonl") == ["a[1]"]


def test_the_order_of_inputs_does_not_matter_and_no_file_counts_twice(tmp_path):
    touch(tmp_path / "b.jsonl", tmp_path / "a.jsonl")
    inputs = [tmp_path / "b.jsonl", tmp_path / "a.jsonl", tmp_path / "x" / ".." / "b.jsonl", tmp_path]
    (tmp_path / "x").mkdir()
    assert names(*inputs) == names(*reversed(inputs)) == ["a", "b"]


def test_linked_folders_are_followed_once(tmp_path):
    touch(tmp_path / "corpus/a.jsonl", tmp_path / "elsewhere/b.jsonl")
    (tmp_path / "corpus/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "corpus/loop").symlink_to(tmp_path / "corpus")
    assert names(tmp_path / "corpus") == ["a", "link/b"]


def test_two_files_with_one_name_are_refused_with_both_paths(tmp_path):
    touch(tmp_path / "a.jsonl.gz", tmp_path / "a.parquet")
    with pytest.raises(GemixError, match=r"(?s)'a'.*a\.jsonl\.gz.*a\.parquet"):
        resolve_shards([tmp_path])


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("missing.jsonl", "missing.jsonl: no such file"),
        ("notes.txt", r"notes.txt: unknown format; gemix reads .jsonl, .ndjson, .json"),
        ("empty", "empty: no file in a format"),
        ("*.json", r"\*.json: no file in a format"),
        ("pipe", "pipe: neither a file nor a folder"),
        (".jsonl", "unknown format"),
    ],
)
def test_unusable_inputs_are_named(tmp_path, monkeypatch, item, message):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path / "notes.txt", tmp_path / ".jsonl", tmp_path / "good.jsonl")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(GemixError, match=message):
        resolve_shards(["good.jsonl", item])


def test_no_input_at_all():
    with pytest.raises(GemixError, match="no input"):
        resolve_shards([])


def test_unreadable_file(tmp_path, monkeypatch):
    touch(tmp_path / "a.jsonl")

    def refuse(path, *args, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("builtins.open", refuse)  # file modes do not stop root
    with pytest.raises(GemixError, match=r"cannot read .*a\.jsonl: Permission denied"):
        resolve_shards([tmp_path])


def test_a_file_name_that_is_not_utf8_is_refused(tmp_path):
    try:
        open(os.fsencode(tmp_path) + b"/\xff.jsonl", "wb").close()
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(GemixError, match="not valid UTF-8"):
        resolve_shards([tmp_path])


def test_shards_sort_by_name():
    assert sorted([Shard("b", Path("1")), Shard("a", Path("2"))])[0].name == "a"


@pytest.mark.parametrize("folder", ["books.parquet", "books.json/deep", "sub/books.parquet"])
def test_labels_in_the_way_of_a_folder_are_refused_with_both_paths(tmp_path, folder):
    touch(tmp_path / Path(folder).parts[0] / ".." / "books.jsonl", tmp_path / folder / "part.parquet")
    if folder.startswith("sub"):
        touch(tmp_path / "sub/books.jsonl.gz")
        (tmp_path / "books.jsonl").unlink()
    with pytest.raises(GemixError, match=r"(?s)books\.jsonl.* and .*part\.parquet: the labels"):
        resolve_shards([tmp_path])


def test_a_folder_named_like_a_file_is_fine_where_nothing_is_in_its_way(tmp_path):
    touch(tmp_path / "books.jsonl", tmp_path / "others.parquet/part.parquet")
    assert names(tmp_path) == ["books", "others.parquet/part"]


def test_all_names_that_are_too_long_are_refused(tmp_path):
    touch(tmp_path / ("文" * 81 + ".jsonl"), tmp_path / ("x" * 240 + ".parquet"), tmp_path / ("y" * 220 + ".jsonl"))
    with pytest.raises(GemixError, match=r"(?s)x\.parquet: 240 bytes.*\n.*文\.jsonl: 243 bytes") as caught:
        resolve_shards([tmp_path])
    assert "yyy" not in str(caught.value)
