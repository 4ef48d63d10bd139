"""Stores of other kinds than S3, by the same interface."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from label_data import contents
from support import WORD_TOKENIZER

from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels import label_corpus
from gemix.labels.totals import totals
from gemix.runtime.errors import GemixError
from gemix.runtime.storage import is_remote, to_path

fsspec = pytest.importorskip("fsspec", reason='fsspec is not installed: pip install "gemix[remote]"')
pytest.importorskip("upath", reason='universal_pathlib is not installed: pip install "gemix[remote]"')


@pytest.fixture(params=["memory", "shelf"])
def store(request: pytest.FixtureRequest) -> Iterator[str]:
    """A store in memory: fsspec's own, and one of a kind that neither fsspec nor universal_pathlib knows."""
    from fsspec.implementations.memory import MemoryFileSystem

    class Shelf(MemoryFileSystem):
        protocol = "shelf"
        store: ClassVar[dict[str, Any]] = {}
        pseudo_dirs: ClassVar[list[str]] = [""]

        @classmethod
        def _strip_protocol(cls, path: str) -> str:
            return str(MemoryFileSystem._strip_protocol(path.removeprefix("shelf://")))

    kind: type[MemoryFileSystem] = MemoryFileSystem
    if request.param == "shelf":
        kind = Shelf
        fsspec.register_implementation("shelf", Shelf, clobber=True)
    yield request.param
    kind.store.clear()
    kind.pseudo_dirs[:] = [""]


@pytest.mark.filterwarnings("error")
def test_a_corpus_is_labelled_from_and_to_it(
    store: str, corpus: Path, shards: list[Shard], student_folder: Path, tmp_path: Path
) -> None:
    files = fsspec.filesystem(store)
    for name, data in contents(corpus).items():
        files.pipe_file(f"/web/corpus/{name}", data)
    for name, data in contents(student_folder).items():
        files.pipe_file(f"/web/student/{name}", data)
    files.pipe_file("/web/tokenizer.json", WORD_TOKENIZER.read_bytes())
    there = resolve_shards([f"{store}://web/corpus"])
    assert [shard.name for shard in there] == [shard.name for shard in shards]
    assert all(is_remote(shard.path) and str(shard.path).startswith(f"{store}://") for shard in there)
    out = to_path(f"{store}://web/labels")
    label_corpus(there, to_path(f"{store}://web/student"), out)
    label_corpus(shards, student_folder, tmp_path / "labels")
    here = contents(tmp_path / "labels")
    assert set(files.find("/web/labels")) == {f"/web/labels/{name}" for name in [*here, ".shards"]}
    for name, data in here.items():
        if name.endswith(".parquet"):
            assert files.cat_file(f"/web/labels/{name}") == data
    assert totals(out) == totals(tmp_path / "labels")
    assert label_corpus(there, student_folder, out).labelled == []


@pytest.mark.parametrize(
    ("url", "module", "packages"),
    [
        ("gs://bucket/x", "gcsfs", '"gemix[remote]" gcsfs'),
        ("hf://datasets/a/b", "huggingface_hub", '"gemix[remote]" huggingface_hub'),
        ("az://container/x", "adlfs", '"gemix[remote]" adlfs'),
        ("s3://bucket/x", "s3fs", '"gemix[remote]"'),
        ("s3://bucket/x", "upath", '"gemix[remote]"'),
    ],
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, url: str, module: str, packages: str) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # importing it fails
    known = sys.modules["fsspec.registry"]._registry  # what was imported before
    monkeypatch.delitem(known, url.partition("://")[0], raising=False)
    with pytest.raises(GemixError) as caught:
        to_path(url)
    assert str(caught.value).startswith(f"{url}: ")
    assert str(caught.value).endswith(f"pip install {packages}")
