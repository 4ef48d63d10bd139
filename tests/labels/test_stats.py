import csv
import json
import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from label_data import DOMAINS, make_rows
from typer.testing import CliRunner

from gemix.cli.app import app
from gemix.corpus.shards import resolve_shards
from gemix.labels import Launcher, Reading, label_corpus
from gemix.labels.markers import marker_path
from gemix.labels.months import month_of
from gemix.labels.stats import read_stats
from gemix.runtime.errors import GemixError
from gemix.student import load_student

KEYS = Reading(source_key="origin", date_key="when")


def gemix(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four shards of rows with origins and dates of many kinds."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(5)
    for i, n in enumerate((400, 30, 900, 170)):
        rows: list[dict[str, Any]] = make_rows(n, i)
        for row in rows:
            row["origin"] = rng.choice(["crawl", "books", "wiki", None])
            row["when"] = f"202{rng.randint(3, 4)}-0{rng.randint(1, 9)}-15"
        if i == 3:
            pq.write_table(pa.Table.from_pylist(rows), folder / "p.parquet")
        else:
            (folder / f"{i}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{}\nnot JSON\n")
    return folder


@pytest.fixture(scope="module")
def labels(corpus: Path, student_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("labels") / "out"
    code, _, err = gemix(
        "label", corpus, "--student", student_folder, "--out", out, "--source-key", "origin", "--date-key", "when",
        "--workers", 1,
    )  # fmt: skip
    assert code == 0, err
    return out


def recount(corpus: Path, student_folder: Path) -> dict[str, Counter[Any]]:
    """Count the corpus anew, without a line of what is tested."""
    rows = [
        row for path in sorted(corpus.glob("*.jsonl")) for row in map(json.loads, path.read_text().split("\n")[:-3])
    ]
    rows += pq.read_table(corpus / "p.parquet").to_pylist()
    found = load_student(student_folder).predict([row["text"] for row in rows])[0][:, 0].tolist()
    counts: dict[str, Counter[Any]] = {"domains": Counter(), "source": Counter(), "month": Counter()}
    for row, domain in zip(rows, found, strict=True):
        for i, size in enumerate((1, len(row["text"].split()), len(row["text"].encode()))):
            counts["domains"][domain, i] += size
            counts["source"][row["origin"], domain, i] += size
            counts["month"][row["when"][:7], domain, i] += size
    return counts


def test_totals_are_those_of_a_recount(labels: Path, corpus: Path, student_folder: Path) -> None:
    want = recount(corpus, student_folder)
    totals = read_stats(labels).totals
    assert totals.bad.total == 6
    found = (totals.documents, totals.tokens, totals.bytes)
    assert {(k, i): found[i][k] for k in range(3) for i in range(3)} == want["domains"]
    for key, column in (("source", totals.by_source), ("month", totals.by_month)):
        assert column is not None
        groups = {**column.values} | ({None: column.missing} if column.missing else {})
        flat = {(v, k, i): cell[i] for v, cells in groups.items() for k, cell in cells.items() for i in range(3)}
        assert flat == want[key]
        assert not column.other
        assert not column.unreadable


def test_they_are_exact_after_any_number_of_resumes(
    labels: Path, corpus: Path, student_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shards = resolve_shards([corpus])
    rng = random.Random(1)
    for _ in range(6):
        label_corpus(rng.sample(shards, 2), student_folder, out, KEYS, max_bad_fraction=1)
        victim = marker_path(out, rng.choice(shards).name)
        victim.unlink(missing_ok=True)  # as if killed between sidecar and marker
    label_corpus(shards, student_folder, out, KEYS, max_bad_fraction=1, launcher=Launcher(workers=2))
    for shard in shards:
        assert marker_path(out, shard.name).read_bytes() == marker_path(labels, shard.name).read_bytes()
    assert label_corpus(shards, student_folder, out, KEYS, max_bad_fraction=1).labelled == []


def test_another_column_is_counted_by_labelling_again(corpus: Path, student_folder: Path, tmp_path: Path) -> None:
    shards = resolve_shards([corpus / "1.jsonl"])
    first = label_corpus(shards, student_folder, tmp_path / "out", max_bad_fraction=1)
    again = label_corpus(shards, student_folder, tmp_path / "out", Reading(source_key="source"), max_bad_fraction=1)
    assert (first.totals.by_source, again.labelled) == (None, ["1"])
    assert again.totals.by_source is not None
    assert list(again.totals.by_source.values) == ["made"]


def test_files_and_tables(labels: Path, tmp_path: Path) -> None:
    code, out, err = gemix("stats", labels, "--by", "source", "--out", tmp_path / "stats")
    assert code == 0, err
    for word in (*DOMAINS, "crawl", "books", "wiki", "(missing)", "1,500"):
        assert word in out
    assert "6 rows have no label" in err
    content = json.loads((tmp_path / "stats" / "stats.json").read_text())
    totals = read_stats(labels).totals
    assert [d["documents"] for d in content["domains"]] == totals.documents
    assert content["settings"]["source_key"] == "origin"
    assert content["rows"] == sum(totals.documents) + 6
    groups = {group["value"]: group for group in content["by_source"]["groups"]}
    assert set(groups) == {"books", "crawl", "wiki", "(missing)"}
    assert groups["(missing)"]["kind"] == "missing"
    for key in ("source", "month"):
        with open(tmp_path / "stats" / f"by_{key}.csv", newline="") as file:
            table = list(csv.DictReader(file))
        assert sum(int(row["documents"]) for row in table) == sum(totals.documents)
        assert sum(int(row["bytes"]) for row in table) == sum(totals.bytes)
    assert (tmp_path / "stats" / "domains.csv").read_bytes() == (labels / "domains.csv").read_bytes()


def test_months_come_in_their_order(labels: Path) -> None:
    code, out, _ = gemix("stats", labels, "--by", "month")
    months = [line.split()[0] for line in out.splitlines() if month_of(line.split()[0])]
    assert code == 0
    assert len(months) == 18
    assert months == sorted(months)


def test_unfinished_shards_are_named_and_not_counted(labels: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(labels, copy)
    marker_path(copy, "0").unlink()
    code, out, err = gemix("stats", copy)
    assert code == 0
    assert "1 files are not finished and not counted, the first is 0" in err
    assert "1,100" in out


def test_a_shard_that_left_the_corpus_is_named_and_not_counted(
    corpus: Path, student_folder: Path, tmp_path: Path
) -> None:
    import shutil

    folder, out = tmp_path / "corpus", tmp_path / "out"
    shutil.copytree(corpus, folder)
    arguments = ("--student", student_folder, "--out", out, "--workers", 1)
    assert gemix("label", folder, *arguments)[0] == 0
    before = read_stats(out).totals
    (folder / "2.jsonl").unlink()
    code, _, err = gemix("label", folder, *arguments)
    assert code == 0
    assert "1 files with labels are no part of the corpus any more; their labels stay and are in no count:\n  2" in err
    code, _, err = gemix("stats", out, "--out", tmp_path / "stats")
    assert code == 0
    assert "in no count:\n  2" in err
    content = json.loads((tmp_path / "stats" / "stats.json").read_text())
    assert (content["shards"], content["left_out"], content["rows"]) == (3, ["2"], before.rows - 902)
    assert (tmp_path / "stats" / "domains.csv").read_bytes() == (out / "domains.csv").read_bytes()


def test_a_column_that_is_not_there_is_noted(corpus: Path, student_folder: Path, tmp_path: Path) -> None:
    arguments = ("--student", student_folder, "--out", tmp_path / "out", "--workers", 1, "--max-bad-fraction", 1)
    code, _, err = gemix("label", corpus / "1.jsonl", *arguments, "--source-key", "orign")
    assert code == 1
    assert "--source-key orign: no document has this column; the nearest is " in err
    code, _, err = gemix("label", corpus / "1.jsonl", *arguments, "--date-key", "text")
    assert code == 0
    assert "note: the column 'text': no document has one" in err  # the text is no other column


@pytest.mark.parametrize(("by", "option"), [("source", "--source-key"), ("month", "--date-key")])
def test_what_was_not_counted_is_an_error(
    corpus: Path, student_folder: Path, tmp_path: Path, by: str, option: str
) -> None:
    label_corpus(resolve_shards([corpus / "p.parquet"]), student_folder, tmp_path / "out")
    (tmp_path / "out" / "domains.csv").write_text("domain,name,tokens\n0,a,1\n1,b,1\n2,c,1\n")
    code, _, err = gemix("stats", tmp_path / "out", "--by", by)
    assert code == 1
    assert f"nothing was counted by {by}; label with {option} COLUMN" in err


def test_no_labels(tmp_path: Path) -> None:
    code, _, err = gemix("stats", tmp_path)
    assert code == 1
    assert "no labels there" in err


def test_labels_of_another_version_are_not_called_missing(labels: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(labels, copy)
    for path in copy.rglob("*.json"):
        path.write_text(path.read_text().replace('"schema": 4', '"schema": 3'))
    code, _, err = gemix("stats", copy)
    assert code == 1
    assert "the labels there are damaged, or of another version of gemix; make them with `gemix label`" in err


def test_other_domains_than_the_names_say(labels: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(labels, copy)
    (copy / "domains.csv").write_text("domain,name,tokens\n0,a,1\n")
    with pytest.raises(GemixError, match=r"domains\.csv has 1 domains, the labels in .* 3"):
        read_stats(copy)


def test_sources_of_parquet_and_json_are_counted_alike(student_folder: Path, tmp_path: Path) -> None:
    rows = make_rows(50, 0)
    for i, row in enumerate(rows):
        row |= {"origin": f"o{i % 3}", "when": date(2024, 1, 1) + timedelta(days=20 * i)}
    (tmp_path / "in").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "p.parquet")
    lines = [json.dumps(row | {"when": str(row["when"])}) for row in rows]
    (tmp_path / "in" / "j.jsonl").write_text("\n".join(lines))
    label_corpus(resolve_shards([tmp_path / "in"]), student_folder, tmp_path / "out", KEYS)
    (tmp_path / "out" / "domains.csv").write_text("domain,name,tokens\n0,a,1\n1,b,1\n2,c,1\n")
    markers = read_stats(tmp_path / "out").markers
    assert markers["p"].by_source == markers["j"].by_source
    assert markers["p"].by_month == markers["j"].by_month
    assert markers["p"].by_month is not None
    assert not markers["p"].by_month.unreadable
