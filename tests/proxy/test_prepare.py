import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from sample.export_data import NAMES as TITLES
from sample.export_data import label, make_rows, write_layout
from tokenizers import Tokenizer
from typer import Typer
from typer.testing import CliRunner

from gemix.cli.command import command
from gemix.cli.proxy_prepare import prepare
from gemix.corpus.shards import Shard, resolve_shards
from gemix.labels.documents import labelled_batches
from gemix.proxy.dataset import ProxyData, read_data
from gemix.proxy.prepare import PrepareSettings, prepare_data
from gemix.proxy.tokenised import divide, tokenise
from gemix.runtime.errors import GemixError
from gemix.runtime.map import Launcher
from gemix.runtime.ranks import Rank
from gemix.tokens.held_out import held_out
from gemix.tokens.tokenizer import load_tokenizer, train_tokenizer

NAMES = [f"domain-{k:02}" for k in range(len(TITLES))]
SETTINGS = PrepareSettings(held_out=0.1, valid_tokens=2000)
ROWS = make_rows(1200)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Shard], Path]:
    """A corpus of four shards with some broken lines, and the folder of its labels."""
    folder = tmp_path_factory.mktemp("prepare")
    corpus = write_layout(folder / "corpus", list(ROWS), 4)
    train_tokenizer([row["text"] for row in ROWS], 600).save(str(folder / "tokenizer.json"))
    return label(corpus, folder / "labels", tokenizer=folder / "tokenizer.json"), folder / "labels"


@pytest.fixture(scope="module")
def made(labelled: tuple[list[Shard], Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ProxyData]:
    out = tmp_path_factory.mktemp("made") / "proxy"
    return out, prepare_data(*labelled, out, SETTINGS)


def documents(tokens: np.ndarray, end: int) -> list[list[int]]:
    return [d.tolist() for d in np.split(tokens, np.flatnonzero(tokens == end) + 1) if len(d)]


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def test_every_document_is_in_its_domain_or_held_out(made: tuple[Path, ProxyData]) -> None:
    out, data = made
    tokenizer = load_tokenizer(out / "tokenizer.json")
    held = dict(zip([row["id"] for row in ROWS], held_out([row["text"] for row in ROWS], 0.1).tolist(), strict=True))
    for k, (name, title) in enumerate(zip(NAMES, TITLES, strict=True)):
        mine = [row for row in ROWS if row["text"].split()[0] == title]
        texts = {tokenizer.decode(d[:-1]) for d in documents(data.train[k], data.end)}
        assert texts == {row["text"] for row in mine if not held[row["id"]]}
        part = data.domains[k]
        assert (part.name, part.documents, part.tokens) == (name, len(texts), len(data.train[k]))
        assert part.bytes == sum(len(text.encode()) for text in texts)
        kept = {tokenizer.decode(d[:-1]) for d in documents(data.held_out[k], data.end)}
        assert kept
        assert kept <= {row["text"] for row in mine if held[row["id"]]}
        assert data.valid[k].tokens == len(data.held_out[k]) <= 2000
        assert data.valid[k].bytes == sum(len(text.encode()) for text in kept)
    assert data.vocabulary == 600
    contract = json.loads((out / "data.json").read_text())
    assert contract["made"]["rows_without_label"] == contract["made"]["rows"] - 1200 > 0


def test_the_folder_holds_what_divide_gives_in_memory(made: tuple[Path, ProxyData], labelled, tmp_path: Path) -> None:
    """Two ways to one thing: the fingerprint is the same if the documents come in the same order."""
    shards, labels = labelled
    settings = dataclasses.replace(SETTINGS, valid_tokens=10**6)
    data = prepare_data(shards, labels, tmp_path / "all", settings)
    texts: list[str] = []
    numbers: list[int] = []
    for shard in shards:
        for batch, table in labelled_batches(shard, labels, "text", "id"):
            texts += batch.good_texts.to_pylist()
            numbers += table["domain"].drop_null().to_pylist()
    domains, held = np.array(numbers), held_out(texts, 0.1)
    tokens = tokenise(texts, load_tokenizer(made[0] / "tokenizer.json"))
    other = divide(tokens, domains, NAMES, held, {name: domains == k for k, name in enumerate(NAMES)})
    assert other.fingerprint == data.fingerprint
    assert (other.domains, other.valid) == (data.domains, data.valid)


def test_the_limit_of_a_validation_set_keeps_the_lowest_hashes(made, labelled, tmp_path: Path) -> None:
    small = prepare_data(*labelled, tmp_path / "small", dataclasses.replace(SETTINGS, valid_tokens=300))
    for k, own in enumerate(small.held_out):
        assert len(own) <= 300 or len(documents(own, small.end)) == 1
        larger = documents(made[1].held_out[k], small.end)
        assert all(document in larger for document in documents(own, small.end))
    assert [part.tokens for part in small.domains] == [part.tokens for part in made[1].domains]


def times(folder: Path) -> dict[Path, int]:
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_the_same_call_again_touches_nothing(made: tuple[Path, ProxyData], labelled, tmp_path: Path) -> None:
    out, data = made
    before = times(out)
    assert prepare_data(*labelled, out, SETTINGS).fingerprint == data.fingerprint
    assert times(out) == before
    prepare_data(*labelled, tmp_path / "again", SETTINGS)
    assert files(tmp_path / "again") == files(out)
    with pytest.raises(GemixError, match="other settings"):
        prepare_data(*labelled, out, dataclasses.replace(SETTINGS, held_out=0.2))


def test_damaged_data_are_made_anew(made: tuple[Path, ProxyData], labelled, tmp_path: Path) -> None:
    out = tmp_path / "proxy"
    shutil.copytree(made[0], out)
    with open(out / "train" / "00002.bin", "ab") as file:
        file.write(b"xx")
    with pytest.raises(GemixError, match=r"00002\.bin has [\d,]+ bytes"):
        read_data(out)
    prepare_data(*labelled, out, SETTINGS)
    assert files(out) == files(made[0])


KILLED = """
import os, signal, sys
from pathlib import Path
from gemix.corpus.shards import resolve_shards
from gemix.labels import spill
from gemix.proxy import prepare, tokenise_corpus
corpus, labels, out, place = sys.argv[1:]
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
calls = []
def later(real, n):
    def call(*args):
        calls.append(args)
        return die() if len(calls) == n else real(*args)
    return call
if place == "shards":
    spill.SpillWriter.add = later(spill.SpillWriter.add, 500)
elif place == "domains":
    tokenise_corpus.write_set = later(tokenise_corpus.write_set, 3)
elif place == "moves":
    prepare.os.replace = later(os.replace, int(os.environ["MOVES"]))
else:
    write = prepare.write_text
    prepare.write_text = lambda path, text: die() if path.name == "data.json" else write(path, text)
settings = prepare.PrepareSettings(held_out=0.1, valid_tokens=2000)
prepare.prepare_data(resolve_shards([corpus]), Path(labels), Path(out), settings)
"""


@pytest.mark.parametrize("place", ["shards", "domains", "moves", "contract"])
def test_a_killed_run_leaves_nothing_that_looks_complete(place: str, made, labelled, tmp_path: Path) -> None:
    shards, labels = labelled
    out = tmp_path / "proxy"
    # The first replacement is that of work/tokenizer.json; the next are those to the final places.
    arguments = [sys.executable, "-c", KILLED, str(labels.parent / "corpus"), str(labels), str(out), place]
    killed = subprocess.run(arguments, env=os.environ | {"MOVES": "3"}, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert (out / ".work").exists()
    with pytest.raises(GemixError, match=r"cannot read .*data\.json"):
        read_data(out)
    assert prepare_data(shards, labels, out, SETTINGS).fingerprint == made[1].fingerprint
    assert files(out) == files(made[0])


def test_folders_of_others_are_left_alone(labelled, tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "precious").write_text("x")
    with pytest.raises(GemixError, match="no part of interrupted data"):
        prepare_data(*labelled, tmp_path, SETTINGS)
    assert (tmp_path / "train" / "precious").read_text() == "x"


def test_any_number_of_workers_and_ranks_make_the_same(made, labelled, tmp_path: Path) -> None:
    prepare_data(*labelled, tmp_path / "two", SETTINGS, launcher=Launcher(2))
    assert files(tmp_path / "two") == files(made[0])
    for index in (1, 0):
        ranks = Launcher(1, rank=Rank(index, 2))
        assert prepare_data(*labelled, tmp_path / "ranks", SETTINGS, launcher=ranks) is None
    prepare_data(*labelled, tmp_path / "ranks", SETTINGS)
    assert files(tmp_path / "ranks") == files(made[0])


def test_copies_of_a_document_are_on_one_side(tmp_path: Path) -> None:
    rows = make_rows(400)
    copies = [row | {"id": f"{row['id']}-copy", "text": f"  {row['text']}\n"} for row in rows]
    train_tokenizer([row["text"] for row in rows], 400).save(str(tmp_path / "tokenizer.json"))
    shards = label(
        write_layout(tmp_path / "corpus", rows + copies, 2), tmp_path / "labels", tokenizer=tmp_path / "tokenizer.json"
    )
    data = prepare_data(shards, tmp_path / "labels", tmp_path / "proxy", dataclasses.replace(SETTINGS, held_out=0.2))
    tokenizer = load_tokenizer(tmp_path / "proxy" / "tokenizer.json")
    sides = [
        {tokenizer.decode(d[:-1]).strip() for tokens in arrays for d in documents(tokens, data.end)}
        for arrays in (data.train, data.held_out)
    ]
    assert all(sides)
    assert not sides[0] & sides[1]


def test_targets_become_validation_sets(labelled, tmp_path: Path) -> None:
    rows = [{"id": f"t{i}", "text": f"target text number {i} of some words"} for i in range(200)]
    path = tmp_path / "target.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = prepare_data(*labelled, tmp_path / "proxy", SETTINGS, {"law exam": resolve_shards([path])})
    assert data.valid_names == [*NAMES, "law exam"]
    tokenizer = Tokenizer.from_file(str(tmp_path / "proxy" / "tokenizer.json"))
    found = [tokenizer.decode(d[:-1]) for d in documents(data.held_out[-1], data.end)]
    assert len(set(found)) == len(found) > 20
    assert set(found) <= {row["text"] for row in rows}
    assert data.domains == prepare_data(*labelled, tmp_path / "other", SETTINGS).domains
    with open(path, "a") as file:
        file.write("{broken\n" * 9)
    with pytest.raises(GemixError, match=r"--valid law exam: 9 of 209 rows are bad:\n  bad_json: 9: .*jsonl:201"):
        prepare_data(*labelled, tmp_path / "third", SETTINGS, {"law exam": resolve_shards([path])})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"held_out": 0.0002}, r"'domain-03' has no validation text"),
        ({"held_out": 0.9999}, r"'domain-03' has no training text"),
        ({"held_out": 1.0}, "between 0 and 1"),
        ({"tokenizer": Path("none.json")}, r"cannot read the tokenizer none\.json"),
    ],
)
def test_settings_that_cannot_work_are_named(changes: dict, message: str, labelled, tmp_path: Path) -> None:
    with pytest.raises(GemixError, match=message):
        prepare_data(*labelled, tmp_path / "proxy", dataclasses.replace(SETTINGS, **changes))
    assert not (tmp_path / "proxy" / "data.json").exists()


def test_domains_without_documents_are_named(labelled, tmp_path: Path) -> None:
    rows = [row for row in make_rows(300) if not row["text"].startswith("law")]
    shards = label(write_layout(tmp_path / "corpus", rows, 2), tmp_path / "labels")
    with pytest.raises(GemixError, match="domains without documents in this input: 'law'"):
        prepare_data(shards, tmp_path / "labels", tmp_path / "proxy", SETTINGS)
    with pytest.raises(GemixError, match="--valid domain-01: a domain has this name"):
        prepare_data(*labelled, tmp_path / "proxy", SETTINGS, {"domain-01": shards})


def test_a_shard_that_is_not_the_labelled_one_is_named(tmp_path: Path) -> None:
    shards = label(write_layout(tmp_path / "corpus", make_rows(300), 2), tmp_path / "labels")
    with open(shards[0].path, "ab") as file:
        file.write(b"\n")
    with pytest.raises(GemixError, match="not the one that was labelled"):
        prepare_data(shards, tmp_path / "labels", tmp_path / "proxy", SETTINGS)


def test_the_command_says_what_it_made(labelled, tmp_path: Path) -> None:
    app = Typer()
    app.command()(command()(prepare))
    shards, labels = labelled
    arguments = [str(labels.parent / "corpus"), "--labels", str(labels), "--out", str(tmp_path / "proxy")]
    arguments += ["--held-out", "0.1"]
    run = CliRunner().invoke(app, [*arguments, "--valid", f"extra={shards[0].path}"])
    assert run.exit_code == 0, run.output
    assert "4 domains" in run.output
    assert "5 validation sets" in run.output
    assert all(name in run.output for name in [*TITLES, *NAMES, "extra"])
    assert read_data(tmp_path / "proxy").valid_names == [*NAMES, "extra"]
    for wrong, message in (("extra", "give NAME=INPUT"), ("extra=none.jsonl", "none.jsonl")):
        run = CliRunner().invoke(app, [*arguments, "--valid", wrong])
        assert run.exit_code == 1
        assert message in run.output
