"""A corpus that is tokenised already is split by document: the same data as from its texts, without a tokenizer."""

import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from export_data import NAMES
from token_data import make_corpus, read_data
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.mix.partition import read_partition
from gemix.runtime.errors import GemixError
from gemix.trainers import LAYOUTS, Pools, TokenizeSettings, read_index, split_tokens, tokenised, tokenize_corpus
from gemix.trainers.tokenised import open_tokens, token_files

Made = tuple[Path, dict[str, Counter[tuple[int, ...]]]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return a folder with the same documents as .bin and as .npy, with labels, and the documents by domain."""
    folder = tmp_path_factory.mktemp("made")
    shards, labels, tokenizer = make_corpus(folder, 500)
    index = tokenize_corpus(shards, labels, folder / "from text", TokenizeSettings("npy", tokenizer))
    found = read_data(folder / "from text", index)
    pairs = [(k, document) for k, name in enumerate(NAMES) for document in found[name]]
    order = np.random.default_rng(0).permutation(len(pairs))
    for form in ("bin", "npy"):
        (folder / form).mkdir()
        (folder / f"{form} labels").mkdir()
        (folder / f"{form} labels" / "domains.csv").write_bytes((labels / "domains.csv").read_bytes())
    for part, rows in enumerate((order[:300], order[300:])):
        documents = [np.array(pairs[i][1], "<u2") for i in rows]
        chosen = np.array([pairs[i][0] for i in rows], np.int16)
        write_bin(folder / "bin" / f"part{part}", documents)
        np.save(folder / "npy" / f"part{part}.npy", np.concatenate(documents).astype(np.int64))
        np.save(folder / "npy" / f"part{part}.offsets.npy", np.cumsum([0, *map(len, documents)]))
        np.save(folder / "bin labels" / f"part{part}.labels.npy", chosen)
        pq.write_table(
            pa.table({"id": list(map(str, rows)), "domain": chosen}), folder / "npy labels" / f"part{part}.parquet"
        )
    return folder, {name: Counter(documents) for name, documents in found.items()}


def write_bin(prefix: Path, documents: list[np.ndarray]) -> None:
    """Write documents of two sequences each, where they are long enough, as sentence-wise Megatron data are."""
    sequences = [piece for document in documents for piece in np.split(document, [len(document) // 2]) if len(piece)]
    counts = [2 if len(document) > 1 else 1 for document in documents]
    lengths = np.array([len(piece) for piece in sequences], "<i4")
    begins = ((np.cumsum(lengths) - lengths) * 2).astype("<i8")
    prefix.with_suffix(".bin").write_bytes(np.concatenate(documents).tobytes())
    head = b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, 8, len(lengths), len(documents) + 1)
    bounds = np.cumsum([0, *counts]).astype("<i8")
    prefix.with_suffix(".idx").write_bytes(head + lengths.tobytes() + begins.tobytes() + bounds.tobytes())


def settings(layout: str, **more: object) -> TokenizeSettings:
    return TokenizeSettings(layout, **({"tokenizer": None, "file_bytes": 20_000} | more))  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["bin", "npy"])
@pytest.mark.parametrize("layout", sorted({*LAYOUTS} - {"olmo-core"}))  # whose reader of the test needs the end's id
def test_documents_are_those_that_were_there(made: Made, form: str, layout: str, tmp_path: Path) -> None:
    folder, expected = made
    index = split_tokens(token_files([str(folder / form)]), folder / f"{form} labels", tmp_path, settings(layout))
    assert index.dtype == "uint16" if form == "bin" else index.dtype in ("uint32", "int32")
    found = read_data(tmp_path, index)
    assert {name: Counter(documents) for name, documents in found.items()} == expected
    assert (index.tokenizer, index.vocabulary, index.end) == ("", None, None)
    assert index.partition == read_partition(folder / "bin labels" / "domains.csv").identity
    for domain in index.domains:
        assert (domain.documents, domain.tokens) == (expected[domain.name].total(), sum(map(len, found[domain.name])))


def test_with_the_tokenizer_its_facts_are_known(made: Made, tmp_path: Path) -> None:
    folder, expected = made
    shards = token_files([str(folder / "npy")])
    known = settings("olmo-core", tokenizer=folder / "bpe.json", held_out=0.2)
    index = split_tokens(shards, folder / "npy labels", tmp_path, known)
    assert index.dtype == "uint16"
    assert index.tokenizer == read_index(folder / "from text").tokenizer
    train, held = read_data(tmp_path, index), read_data(tmp_path, index, held_out=True)
    for name in NAMES:
        assert Counter(train[name]) + Counter(held[name]) == expected[name]
        assert not set(train[name]) & set(held[name])
        assert held[name]


def test_pools_in_batches_of_any_size(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, _ = made
    shards = token_files([str(folder / "bin")])
    labels, pools = folder / "bin labels", settings("npy", only=Pools(1, 2))
    one = split_tokens(shards, labels, tmp_path / "one", pools)
    monkeypatch.setattr(tokenised, "_BATCH_TOKENS", 50)
    small = split_tokens(shards, labels, tmp_path / "small", pools)
    assert one == small
    assert read_data(tmp_path / "one", one) == read_data(tmp_path / "small", small)
    assert {domain.share for domain in one.domains} == {0.5}


def test_documents_without_a_label_are_left_out(made: Made, tmp_path: Path) -> None:
    folder, expected = made
    (tmp_path / "labels").mkdir()
    (tmp_path / "domains.csv").write_bytes((folder / "bin labels" / "domains.csv").read_bytes())
    labels = np.load(folder / "bin labels" / "part0.labels.npy")
    labels[labels == 1] = -1
    np.save(tmp_path / "labels" / "part0.labels.npy", labels)
    shards = token_files([str(folder / "bin" / "part0.bin")])
    index = split_tokens(shards, tmp_path / "labels", tmp_path / "out", settings("npy"))
    assert [domain.documents for domain in index.domains] == [int((labels == k).sum()) for k in range(4)]
    assert index.domains[1].documents == 0 < expected["law"].total()


def test_what_does_not_fit_is_a_sentence(made: Made, tmp_path: Path) -> None:
    folder, _ = made
    shards = token_files([str(folder / "bin")])

    (tmp_path / "labels").mkdir()

    def split(labels: Path) -> None:
        split_tokens(shards, labels, tmp_path / "out", settings("npy"))

    with pytest.raises(GemixError, match=r"no table of the domains"):
        split(tmp_path / "labels")
    (tmp_path / "domains.csv").write_bytes((folder / "bin labels" / "domains.csv").read_bytes())
    with pytest.raises(GemixError, match=r"no labels of .*part0\.bin: neither .*part0\.labels\.npy nor"):
        split(tmp_path / "labels")
    np.save(tmp_path / "labels" / "part0.labels.npy", np.zeros(3, int))
    with pytest.raises(GemixError, match=r"300 documents need as many whole numbers, not int64 \(3,\)"):
        split(tmp_path / "labels")
    np.save(tmp_path / "labels" / "part0.labels.npy", np.full(300, 4))
    with pytest.raises(GemixError, match=r"labels are 0 to 3, or -1, not 4 to 4"):
        split(tmp_path / "labels")
    with pytest.raises(GemixError, match=r"holds no tokenised files"):
        token_files([str(folder / "bin"), str(folder / "in")])
    assert token_files([str(folder / "in")]) == []
    index = (folder / "bin" / "part0.idx").read_bytes()
    for name, data in (("a", b"nothing"), ("b", index[:200]), ("c", index)):
        (tmp_path / f"{name}.bin").write_bytes(b"1234")
        (tmp_path / f"{name}.idx").write_bytes(data)
        with pytest.raises(GemixError, match=r"cannot read the tokens of .*\.bin"):
            open_tokens(tmp_path / f"{name}.bin")


def test_on_the_command_line(made: Made, tmp_path: Path) -> None:
    folder, _ = made
    command = ["tokenize", str(folder / "bin"), "--layout", "megatron", "--out", str(tmp_path / "data"), "-j", "1"]
    done = CliRunner().invoke(app, command)
    assert "which labels? --labels FOLDER" in done.output
    done = CliRunner().invoke(app, [*command, "--labels", str(folder / "bin labels")])
    assert done.exit_code == 0, done.output
    assert read_index(tmp_path / "data").layout == "megatron"
