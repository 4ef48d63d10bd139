"""Labels from and to an object store: a real S3 server on this machine."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_data import contents, make_rows
from remote_data import objects, sidecars

from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard, refuse_overlap, resolve_shards
from gemix.labels import Launcher, Rank, label_corpus
from gemix.labels.totals import totals
from gemix.runtime import storage
from gemix.runtime.atomic import write_text
from gemix.runtime.errors import GemixError
from gemix.runtime.fingerprint import content_hash, file_stat
from gemix.runtime.storage import is_remote, to_path

s3fs = pytest.importorskip("s3fs", reason='s3fs is not installed: pip install "gemix[remote]"')


def test_urls_name_shards_as_paths_do(remote: str, shards: list[Shard]) -> None:
    found = resolve_shards([remote])
    assert [shard.name for shard in found] == [shard.name for shard in shards]
    assert [str(shard.path) for shard in found] == [f"{remote}/{name}" for name in (
        "a.jsonl", "b.jsonl.gz", "d.parquet", "sub/c.jsonl.zst")]  # fmt: skip
    assert [shard.name for shard in resolve_shards([f"{remote}/*.jsonl*"])] == ["a", "b"]
    assert [shard.name for shard in resolve_shards([f"{remote}/sub/c.jsonl.zst"])] == ["c"]
    assert resolve_shards([remote, f"{remote}/a.jsonl"]) == found
    for shard, local in zip(found, shards, strict=True):
        rows = [(batch.ids.to_pylist(), batch.texts.to_pylist()) for batch in read_batches(shard)]
        assert rows == [(batch.ids.to_pylist(), batch.texts.to_pylist()) for batch in read_batches(local)]
        assert content_hash(shard.path) == content_hash(local.path)


def test_hidden_and_foreign_objects_do_not_count(store: Any, remote: str) -> None:
    for key in (".hidden/x.jsonl", ".y.jsonl", "z.csv", "x.tmp-1.jsonl"):
        store.put_object(Bucket="web", Key=f"corpus/{key}", Body=b"{}\n")
    assert [shard.name for shard in resolve_shards([remote])] == ["a", "b", "d", "sub/c"]


@pytest.mark.parametrize("workers", [1, 2])
def test_from_store_to_store(
    store: Any, remote: str, shards: list[Shard], student_folder: Path, tmp_path: Path, workers: int
) -> None:
    label_corpus(shards, student_folder, tmp_path / "out")
    out = to_path("s3://web/labels")
    found = label_corpus(resolve_shards([remote]), student_folder, out, launcher=Launcher(workers=workers))
    assert sidecars(objects(store, "labels/")) == sidecars(contents(tmp_path / "out"))
    assert objects(store, "labels/").keys() == contents(tmp_path / "out").keys()
    assert found.totals == totals(out) == totals(tmp_path / "out")
    before = objects(store, "labels/")
    again = label_corpus(resolve_shards([remote]), student_folder, out)
    assert (again.labelled, again.trusted) == ([], ["a", "b", "d", "sub/c"])
    assert objects(store, "labels/") == before


def test_from_store_to_disk_and_back(
    store: Any, remote: str, shards: list[Shard], student_folder: Path, tmp_path: Path
) -> None:
    label_corpus(resolve_shards([remote]), student_folder, tmp_path / "out")
    label_corpus(shards, student_folder, to_path("s3://web/labels"))
    assert sidecars(objects(store, "labels/")) == sidecars(contents(tmp_path / "out"))


def test_ranks_collect_in_a_bucket(store: Any, remote: str, student_folder: Path) -> None:
    out, found = to_path("s3://web/labels"), resolve_shards([remote])
    label_corpus(found, student_folder, out, launcher=Launcher(rank=Rank(0, 2)))
    with pytest.raises(GemixError, match=r"of 4 files have no labels(.|\n)*s3://web/corpus/"):
        label_corpus(found, student_folder, out, launcher=Launcher(collect=True))
    label_corpus(found, student_folder, out, launcher=Launcher(rank=Rank(1, 2)))
    assert label_corpus(found, student_folder, out, launcher=Launcher(collect=True)).totals.rows == 2600


def test_what_changed_is_labelled_again(store: Any, remote: str, student_folder: Path) -> None:
    out = to_path("s3://web/labels")
    label_corpus(resolve_shards([remote]), student_folder, out)
    good = objects(store, "labels/")
    store.delete_object(Bucket="web", Key="labels/a.json")
    store.put_object(Bucket="web", Key="labels/b.parquet", Body=b"PAR1")
    body = objects(store, "corpus/")["sub/c.jsonl.zst"]
    store.put_object(Bucket="web", Key="corpus/sub/c.jsonl.zst", Body=body)  # the same again
    assert label_corpus(resolve_shards([remote]), student_folder, out).labelled == ["a", "b"]
    assert objects(store, "labels/") == good
    store.put_object(Bucket="web", Key="corpus/sub/c.jsonl.zst", Body=body + body)
    assert label_corpus(resolve_shards([remote]), student_folder, out).labelled == ["sub/c"]


def test_an_object_replaced_while_it_is_labelled(
    store: Any, remote: str, student_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gemix.labels import shard as module

    original, body = module.file_sha256, objects(store, "corpus/")["a.jsonl"]

    def replace(path: Path) -> str:
        store.put_object(Bucket="web", Key="corpus/a.jsonl", Body=body[::-1])  # as many bytes
        return original(path)

    monkeypatch.setattr(module, "file_sha256", replace)
    with pytest.raises(GemixError, match=r"s3://web/corpus/a\.jsonl changed while it was read"):
        label_corpus(resolve_shards([f"{remote}/a.jsonl"]), student_folder, to_path("s3://web/labels"))
    assert objects(store, "labels/") == {}


def test_an_object_appears_whole_or_not_at_all(store: Any, remote: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = to_path("s3://web/labels/x.txt")
    write_text(path, "first")
    assert objects(store, "labels/") == {"x.txt": b"first"}

    original = s3fs.S3FileSystem._call_s3

    async def fail(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method == "put_object":
            raise ConnectionError("the line was cut")
        return await original(self, method, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(s3fs.S3FileSystem, "_call_s3", fail)
        with pytest.raises(GemixError, match=r"cannot write s3://web/labels/x\.txt: the line was cut"):
            write_text(path, "second")
    assert objects(store, "labels/") == {"x.txt": b"first"}
    # More than one part: until the last request nothing is to be seen.
    seen: list[dict[str, bytes]] = []

    async def look(self: Any, method: str, *args: Any, **kwargs: Any) -> Any:
        if method in ("upload_part", "complete_multipart_upload"):
            seen.append(objects(store, "labels/"))
        return await original(self, method, *args, **kwargs)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", look)
    write_text(path, "x" * (120 << 20))
    assert len(seen) > 2
    assert all(found == {"x.txt": b"first"} for found in seen)
    assert len(objects(store, "labels/")["x.txt"]) == 120 << 20


def test_faults_are_errors_that_name_the_object(store: Any, remote: str, student_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(GemixError, match="s3://web/nothing: no file in a format"):
        resolve_shards(["s3://web/nothing"])
    with pytest.raises(GemixError, match=r"cannot read s3://elsewhere/x.*"):
        file_stat(to_path("s3://elsewhere/x"))
    store.put_object(Bucket="web", Key="corpus/z.csv", Body=b"a,b")
    with pytest.raises(GemixError, match=r"s3://web/corpus/z\.csv: unknown format"):
        resolve_shards(["s3://web/corpus/z.csv"])
    store.put_object(Bucket="web", Key="corpus/e.parquet", Body=b"PAR1 not really")
    with pytest.raises(GemixError, match=r"1 of 5 files cannot be read:\n.*s3://web/corpus/e\.parquet"):
        label_corpus(resolve_shards([remote]), student_folder, tmp_path / "out")
    shards = resolve_shards([f"{remote}/a.jsonl"])
    store.delete_object(Bucket="web", Key="corpus/a.jsonl")
    with pytest.raises(GemixError, match=r"cannot read s3://web/corpus/a\.jsonl"):
        label_corpus(shards, student_folder, tmp_path / "out")
    for url in ("nosuch://x/y", "gs://x/y"):
        if url.startswith("gs") and _installed("gcsfs"):
            continue
        with pytest.raises(GemixError, match=url):
            to_path(url)


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def test_output_among_the_input_is_refused(store: Any, remote: str) -> None:
    shards = resolve_shards([remote])
    for out in ("s3://web/corpus", "s3://web/corpus/labels", "s3://web"):
        with pytest.raises(GemixError, match="--out"):
            refuse_overlap(shards, [remote], to_path(out))
    refuse_overlap(shards, [remote], to_path("s3://web/labels"))
    refuse_overlap(shards, [remote], Path("labels"))


def test_local_paths_stay_local(tmp_path: Path) -> None:
    assert to_path(str(tmp_path)) == tmp_path
    assert to_path(f"file://{tmp_path}") == tmp_path
    assert to_path("a:b/c") == Path("a:b/c")
    assert not is_remote(tmp_path)


@pytest.mark.parametrize(("workers", "out"), [(1, "s3"), (2, "s3"), (2, "disk")])
def test_large_parquet_objects_are_labelled_in_parts(
    store: Any,
    remote: str,
    student_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    workers: int,
    out: str,
) -> None:
    from gemix.labels import parts

    path = tmp_path / "big.parquet"
    pq.write_table(pa.Table.from_pylist(make_rows(3000, 0)), path, row_group_size=200)
    alone = label_corpus(resolve_shards([path]), student_folder, tmp_path / "out")
    store.put_object(Bucket="web", Key="large/big.parquet", Body=path.read_bytes())
    monkeypatch.setattr(parts, "PART_BYTES", path.stat().st_size // 5)
    fetched: list[int] = []
    original = storage.partial_copy

    def watch(path: Path, ranges: list[tuple[int, int]], size: int) -> Any:
        fetched.append(sum(end - start for start, end in ranges))
        return original(path, ranges, size)

    monkeypatch.setattr(parts, "partial_copy", watch)
    folder = to_path("s3://web/large-labels" if out == "s3" else str(tmp_path / "out2"))
    shards = resolve_shards(["s3://web/large"])
    found = label_corpus(shards, student_folder, folder, launcher=Launcher(workers=workers))
    files = objects(store, "large-labels/") if out == "s3" else contents(tmp_path / "out2")
    assert files.keys() == {"big.parquet", "big.json"}
    assert sidecars(files) == sidecars(contents(tmp_path / "out"))
    assert found.totals == alone.totals
    if workers == 1:  # a part fetches its own bytes, and the footer
        assert len(fetched) >= 4
        assert max(fetched) < path.stat().st_size / 2
        footer = pq.read_metadata(path).serialized_size + 8
        assert sum(fetched) <= path.stat().st_size + len(fetched) * footer
    again = label_corpus(shards, student_folder, folder, launcher=Launcher(workers=workers))
    assert (again.labelled, again.trusted) == ([], ["big"])


def test_parts_of_ranks_in_a_bucket(
    store: Any, remote: str, student_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gemix.labels import parts

    path = tmp_path / "big.parquet"
    pq.write_table(pa.Table.from_pylist(make_rows(3000, 0)), path, row_group_size=200)
    label_corpus(resolve_shards([path]), student_folder, tmp_path / "out")
    store.put_object(Bucket="web", Key="large/big.parquet", Body=path.read_bytes())
    monkeypatch.setattr(parts, "PART_BYTES", path.stat().st_size // 5)
    shards, out = resolve_shards(["s3://web/large"]), to_path("s3://web/large-labels")
    for i in range(2):
        label_corpus(shards, student_folder, out, launcher=Launcher(rank=Rank(i, 2)))
    assert any(name.startswith(".parts/big/") for name in objects(store, "large-labels/"))
    label_corpus(shards, student_folder, out, launcher=Launcher(collect=True))
    files = objects(store, "large-labels/")
    assert files.keys() == {"big.parquet", "big.json"}
    assert sidecars(files) == sidecars(contents(tmp_path / "out"))


def test_the_command_line(store: Any, remote: str, student_folder: Path) -> None:
    from typer.testing import CliRunner

    from gemix.cli.app import app

    command = ["label", remote, "--student", str(student_folder), "--out", "s3://web/labels", "--workers", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "labelled 4 files now" in done.stderr
    assert "cooking" in done.stdout
    assert objects(store, "labels/")["domains.csv"].startswith(b"domain,name,documents,bytes,tokens,tokens_low,")
    done = CliRunner().invoke(app, [*command[:-4], "--out", "s3://web/corpus/labels"])
    assert done.exit_code == 1
    assert "lies inside the input folder s3://web/corpus" in done.stderr


def test_the_seed_sample_reads_urls(remote: str, shards: list[Shard]) -> None:
    from gemix.corpus.seed import sample_seed
    from gemix.corpus.window import Window

    options = {"documents": 200, "seed": 0, "window": Window(1000)}
    there, here = (sample_seed(of, **options) for of in (resolve_shards([remote]), shards))  # type: ignore[arg-type]
    assert there.table.equals(here.table)
