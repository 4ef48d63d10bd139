"""Token data by domain: whole documents, exact counts, the same bytes from everybody, nothing half done."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from export_data import NAMES, contents
from hypothesis import given
from hypothesis import strategies as st
from support import write_word_tokenizer
from token_data import make_corpus, read_data, wide

from gemix.corpus.buffers import Texts, text_list
from gemix.corpus.reader import read_batches
from gemix.corpus.shards import Shard, resolve_shards
from gemix.corpus.window import Window
from gemix.labels import Reading
from gemix.labels.shard import label_shard
from gemix.labels.totals import totals, write_domains
from gemix.mix.partition import read_partition
from gemix.runtime.errors import GemixError
from gemix.runtime.map import Launcher
from gemix.runtime.ranks import Rank
from gemix.student.normaliser import Normaliser
from gemix.tokens import load_tokenizer
from gemix.trainers import LAYOUTS, TokenizeSettings, read_index, token_coding, tokenize_corpus
from gemix.trainers.adopt import adopt_counts
from gemix.trainers.scatter import is_held_out
from gemix.trainers.token_coding import cut

Corpus = tuple[list[Shard], Path, Path]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return make_corpus(tmp_path_factory.mktemp("corpus"))


def texts_of(shards: list[Shard]) -> list[str]:
    return [text for shard in shards for batch in read_batches(shard) for text in batch.good_texts.to_pylist()]


def expected(shards: list[Shard], tokenizer: Path) -> dict[str, Counter[tuple[int, ...]]]:
    coder = load_tokenizer(tokenizer)
    end = coder.token_to_id("<|endoftext|>")
    found: dict[str, Counter[tuple[int, ...]]] = {name: Counter() for name in NAMES}
    for text in texts_of(shards):
        found[text.split(maxsplit=1)[0]][(*coder.encode(text, add_special_tokens=False).ids, end)] += 1
    return found


@pytest.mark.parametrize("is_wide", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_document_is_whole_and_counted(corpus: Corpus, layout: str, is_wide: bool, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    if is_wide:
        tokenizer = wide(tokenizer, tmp_path / "wide.json")
    settings = TokenizeSettings(layout, tokenizer, file_bytes=20_000)
    index = tokenize_corpus(shards, labels, tmp_path / "out", settings)
    assert read_index(tmp_path / "out") == index
    assert index.dtype == (("int32" if layout == "megatron" else "uint32") if is_wide else "uint16")
    found = read_data(tmp_path / "out", index)
    assert {name: Counter(documents) for name, documents in found.items()} == expected(shards, tokenizer)
    sizes = Counter()
    for text in texts_of(shards):
        sizes[text.split(maxsplit=1)[0]] += len(text.encode())
    for domain in index.domains:
        assert domain.documents == len(found[domain.name])
        assert domain.tokens == sum(map(len, found[domain.name]))
        assert domain.bytes == sizes[domain.name]
        assert len(domain.files) == -(-sizes[domain.name] // 20_000)
        for what in ("documents", "tokens", "bytes"):
            assert sum(getattr(file, what) for file in domain.files) == getattr(domain, what)
    assert [domain.folder for domain in index.domains] == ["d0000", "d0001", "d0002", "d0003"]
    assert not (tmp_path / "out" / ".work").exists()


def test_the_order_is_by_the_seed(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    orders = []
    for seed in (0, 1):
        out = tmp_path / str(seed)
        settings = TokenizeSettings("npy", tokenizer, seed=seed)
        orders.append(read_data(out, tokenize_corpus(shards, labels, out, settings))["arts"])
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])
    source = list(expected(shards, tokenizer)["arts"])
    assert orders[0][:50] != source[:50]


@pytest.mark.parametrize("launcher", [Launcher(2), pytest.param(Launcher(2, ray="local"), marks=pytest.mark.slow)])
def test_any_number_of_workers_writes_the_same_bytes(corpus: Corpus, launcher: Launcher, tmp_path: Path) -> None:
    if launcher.ray:
        pytest.importorskip("ray", reason="ray is not installed")
    shards, labels, tokenizer = corpus
    settings = TokenizeSettings("megatron", tokenizer, held_out=0.1, file_bytes=20_000)
    tokenize_corpus(shards, labels, tmp_path / "one", settings)
    tokenize_corpus(shards, labels, tmp_path / "more", settings, launcher=launcher)
    assert data_files(tmp_path / "one") == data_files(tmp_path / "more")


def test_ranks_share_the_reading(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    settings = TokenizeSettings("npy", tokenizer, file_bytes=20_000)
    tokenize_corpus(shards, labels, tmp_path / "one", settings)
    out = tmp_path / "ranks"
    for number in range(2):
        assert tokenize_corpus(shards, labels, out, settings, launcher=Launcher(rank=Rank(number, 2))) is None
        assert (len(list(out.glob(".work/**/*.arrow"))) == len(shards)) is (number == 1)
    assert not (out / "index.json").exists()
    tokenize_corpus(shards, labels, out, settings)
    assert data_files(out) == data_files(tmp_path / "one")


def data_files(out: Path) -> dict[str, bytes]:
    """Everything but the notes, which hold the times of files."""
    return {name: data for name, data in contents(out).items() if not name.startswith(".gemix/")}


def test_finished_data_are_only_checked_and_damage_is_mended(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    settings = TokenizeSettings("mds", tokenizer, file_bytes=20_000)
    tokenize_corpus(shards, labels, tmp_path, settings)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mds")}
    bytes_before = data_files(tmp_path)
    tokenize_corpus(shards, labels, tmp_path, settings)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mds")} == before
    damaged = tmp_path / "d0000" / "shard.00000.mds"
    damaged.write_bytes(b"")
    tokenize_corpus(shards, labels, tmp_path, settings)
    assert data_files(tmp_path) == bytes_before
    assert {path for path in before if path.stat().st_mtime_ns != before[path]} == {damaged}


def test_held_out_documents_are_apart_and_copies_agree(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    out = tmp_path / "out"
    index = tokenize_corpus(shards, labels, out, TokenizeSettings("datatrove", tokenizer, held_out=0.2, seed=3))
    train, held = read_data(out, index), read_data(out, index, held_out=True)
    together = {name: Counter(train[name]) + Counter(held[name]) for name in NAMES}
    assert together == expected(shards, tokenizer)
    for name in NAMES:
        assert not set(train[name]) & set(held[name])
        assert 0.1 < len(held[name]) / together[name].total() < 0.3
    for domain in index.domains:
        assert domain.whole.documents == together[domain.name].total()
        assert domain.whole.tokens == sum(map(len, train[domain.name] + held[domain.name]))
        assert all(file.path.startswith(f"held_out/{domain.folder}/") for file in domain.held_out)
    assert {is_held_out(text, 0.2) for text in ("Law and\n order", "law  AND order ")} in ({True}, {False})


def test_a_part_without_documents_has_no_file(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    settings = TokenizeSettings("megatron", tokenizer, held_out=0.999)
    index = tokenize_corpus([shards[0]], labels, tmp_path, settings)
    assert any(not domain.documents for domain in index.domains)
    for domain in index.domains:
        assert bool(domain.files) == bool(domain.documents) == (tmp_path / domain.folder).exists()
    assert sum(domain.whole.documents for domain in index.domains) == len(texts_of([shards[0]]))


@given(st.text(alphabet="ab\n", max_size=60), st.integers(1, 9))
def test_long_documents_are_cut_behind_lines(text: str, size: int) -> None:
    pieces = list(cut(text, size))
    assert "".join(pieces) == text
    assert all(len(piece) <= size for piece in pieces)
    assert all(piece.endswith("\n") for piece in pieces[:-1] if "\n" in piece)


def test_a_long_document_is_one_document(corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards, labels, tokenizer = corpus
    whole = tokenize_corpus(shards, labels, tmp_path / "whole", TokenizeSettings("npy", tokenizer))
    monkeypatch.setattr(token_coding, "_LONGEST", 40)
    monkeypatch.setattr(token_coding, "in_pieces", lambda texts: ([text] for text in texts))
    pieces = tokenize_corpus(shards, labels, tmp_path / "pieces", TokenizeSettings("npy", tokenizer))
    coder = load_tokenizer(tokenizer)
    for folder, index in (("whole", whole), ("pieces", pieces)):
        found = read_data(tmp_path / folder, index)
        assert all(document.count(index.end) == 1 for documents in found.values() for document in documents)
        texts = {coder.decode(document[:-1]) for documents in found.values() for document in documents}
        assert texts == set(texts_of(shards))


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    settings = TokenizeSettings("megatron", tokenizer, file_bytes=20_000)
    tokenize_corpus(shards, labels, tmp_path / "whole", settings)
    out = tmp_path / "out"
    script = Path(__file__).with_name("run_tokenize.py")
    command = [sys.executable, str(script), str(shards[0].path.parent), str(labels), str(tokenizer), str(out)]
    unfinished = 0
    for wait in np.linspace(0.0, 1.5, 8):
        process = subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()  # it begins
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        unfinished += not (out / "index.json").exists()
        for path in out.rglob("part-*"):  # what has its name is whole
            assert path.read_bytes() == (tmp_path / "whole" / path.relative_to(out)).read_bytes()
    assert unfinished, "the kills came too late to test anything"
    tokenize_corpus(shards, labels, out, settings)
    assert data_files(out) == data_files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "megatro"}, r"--layout megatro: not one of megatron, .*nearest: 'megatron'"),
        ({"held_out": 1.0}, r"--held-out is a share"),
        ({"file_bytes": 0}, r"--file-bytes must be at least 1"),
        ({"end": "<end>"}, r"has no end-of-text token: '<end>' is none of its tokens"),
        ({"tokenizer": Path("/nowhere.json")}, r"cannot read /nowhere\.json"),
    ],
)
def test_bad_settings_are_refused_before_work(
    corpus: Corpus, change: dict[str, object], message: str, tmp_path: Path
) -> None:
    shards, labels, tokenizer = corpus
    settings = TokenizeSettings(**{"layout": "npy", "tokenizer": tokenizer, **change})  # type: ignore[arg-type]
    with pytest.raises(GemixError, match=message):
        tokenize_corpus(shards, labels, tmp_path / "out", settings)
    assert not (tmp_path / "out").exists()


def test_a_tokenizer_without_an_end_is_refused(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    content = tokenizer.read_text().replace("<|endoftext|>", "<|other|>")
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(GemixError, match=r"no end-of-text token.*--end TOKEN"):
        tokenize_corpus(shards, labels, tmp_path / "out", TokenizeSettings("npy", tmp_path / "other.json"))
    settings = TokenizeSettings("npy", tmp_path / "other.json", end="<|other|>")
    assert (
        tokenize_corpus(shards, labels, tmp_path / "out", settings).end
        == json.loads(content)["model"]["vocab"]["<|other|>"]
    )


def test_other_data_are_not_mixed_with(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    tokenize_corpus(shards, labels, tmp_path, TokenizeSettings("npy", tokenizer))
    with pytest.raises(GemixError, match=r"holds other data"):
        tokenize_corpus(shards, labels, tmp_path, TokenizeSettings("npy", tokenizer, seed=1))


def test_counts_are_adopted_if_they_are_of_all_documents(corpus: Corpus, tmp_path: Path) -> None:
    shards, labels, tokenizer = corpus
    shutil.copytree(labels, tmp_path / "labels")
    index = tokenize_corpus(shards, labels, tmp_path / "all", TokenizeSettings("npy", tokenizer, held_out=0.2))
    table = read_partition(adopt_counts(index, tmp_path / "labels"))
    words = read_partition(labels / "domains.csv")
    assert table.counter == index.tokenizer != words.counter
    assert (table.names, table.documents.tolist()) == (words.names, words.documents.tolist())
    coder = load_tokenizer(tokenizer)
    counts = Counter()
    for text in texts_of(shards):
        counts[text.split(maxsplit=1)[0]] += len(coder.encode(text, add_special_tokens=False).ids)
    assert dict(zip(table.names, table.tokens.tolist(), strict=True)) == counts
    part = tokenize_corpus(shards[:1], labels, tmp_path / "part", TokenizeSettings("npy", tokenizer))
    with pytest.raises(GemixError, match=r"counts other documents than the data hold"):
        adopt_counts(part, tmp_path / "labels")


class NumberStudent:
    """Predicts the domain whose number is the first word of the text."""

    kind = "fake"
    domains = tuple(f"number {k}" for k in range(150))
    normaliser = Normaliser(Window(1000))

    def predict(self, texts: Texts, top: int = 1) -> tuple[np.ndarray, np.ndarray]:
        labels = np.array([[int(text.split(maxsplit=1)[0])] for text in text_list(texts)], np.int32)
        return labels, np.ones((len(labels), 1), np.float32)

    def save(self, folder: Path) -> None:
        raise NotImplementedError


def test_few_files_are_open_whatever_the_number_of_domains(corpus: Corpus, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"id": str(i), "text": f"{i % 150} word{i}"} for i in range(600)]
    (tmp_path / "in" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (shard,) = resolve_shards([tmp_path / "in"])
    reading = Reading(tokenizer=write_word_tokenizer(tmp_path / "tokenizer.json"))
    label_shard(shard, NumberStudent(), tmp_path / "labels", model="m", reading=reading)
    write_domains(totals(tmp_path / "labels", [shard]), NumberStudent.domains, tmp_path / "labels" / "domains.csv")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = max(int(name) for name in os.listdir("/proc/self/fd")) + 30
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    try:
        settings = TokenizeSettings("npy", corpus[2])
        index = tokenize_corpus([shard], tmp_path / "labels", tmp_path / "out", settings)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert [domain.documents for domain in index.domains] == [4] * 150
    assert index.domains[149].folder == "d0149"
