from pathlib import Path

import msgspec
import pytest
from label_data import DOMAINS, FakeStudent
from support import WORD_TOKENIZER

from gemix.corpus.shards import Shard
from gemix.labels import Reading
from gemix.labels.listed import listed_names, sidecar_names, write_listed
from gemix.labels.markers import Marker, marker_path, read_marker, write_marker
from gemix.labels.shard import label_shard
from gemix.labels.totals import Totals, totals, write_domains
from gemix.runtime.errors import GemixError


@pytest.fixture
def out(shards: list[Shard], tmp_path: Path) -> Path:
    for shard in shards:
        label_shard(shard, FakeStudent(), tmp_path / "out", model="m1", reading=Reading(tokenizer=WORD_TOKENIZER))
    return tmp_path / "out"


def change_marker(out: Path, name: str, **changes: object) -> None:
    marker = read_marker(marker_path(out, name))
    assert isinstance(marker, Marker)
    write_marker(marker_path(out, name), msgspec.structs.replace(marker, **changes))


def test_totals_are_sums_of_markers(out: Path, shards: list[Shard]) -> None:
    found = totals(out, shards)
    assert (found.shards, found.rows, found.bad.total) == (4, 2600, 8)
    assert sum(found.documents) == 2592
    change_marker(out, "a", documents=[10**15, 1, 2], tokens=[3, 4, 10**16])  # it is not counted again
    more = totals(out, shards)
    assert more.documents[0] > 10**15
    assert more.tokens[2] > 10**16


def test_of_given_shards_or_of_the_whole_folder(out: Path, shards: list[Shard]) -> None:
    assert sidecar_names(out) == ["a", "b", "d", "sub/c"]
    assert totals(out) == totals(out, shards)
    assert totals(out, shards[:1]).rows == 300
    assert totals(out, []) == Totals()


def test_labels_of_shards_that_left_the_corpus_are_in_no_total(out: Path, shards: list[Shard]) -> None:
    assert listed_names(out) == (["a", "b", "d", "sub/c"], [], [])
    write_listed(out, ["b", "a", "e"])
    assert listed_names(out) == (["a", "b"], ["e"], ["d", "sub/c"])
    assert totals(out) == totals(out, [shard for shard in shards if shard.name in ("a", "b")])


@pytest.mark.parametrize(("content", "fault"), [("[1]", "a list of shards"), ('{"schema": 9, "shards": []}', "newer")])
def test_a_list_of_shards_that_cannot_be_read_is_named(out: Path, content: str, fault: str) -> None:
    (out / ".shards").write_text(content)
    with pytest.raises(GemixError, match=rf"\.shards: .*{fault}"):
        totals(out)


def test_a_sidecar_without_its_marker_is_an_error(out: Path, shards: list[Shard]) -> None:
    marker_path(out, "sub/c").unlink()
    for given in (None, shards):
        with pytest.raises(GemixError, match=r"sub/c\.json: no marker, so sub/c is not labelled"):
            totals(out, given)


def test_labels_of_different_students_or_settings_do_not_add_up(out: Path) -> None:
    change_marker(out, "b", model="m2")
    with pytest.raises(GemixError, match="labels of a and b were made with different students or settings"):
        totals(out)


def test_domains_csv(tmp_path: Path) -> None:
    found = Totals(shards=1, rows=3, documents=[2, 0, 1], tokens=[20, 0, 10])
    write_domains(found, ['Food, "slow"', "space", "été"], tmp_path / "domains.csv")
    assert (tmp_path / "domains.csv").read_text(encoding="utf-8") == (
        'domain,name,documents,tokens,tokens_low,tokens_high\n0,"Food, ""slow""",2,20,20,20\n1,space,0,0,0,0\n'
        "2,été,1,10,10,10\n"
    )
    with pytest.raises(GemixError, match="2 domain names for labels of 3 domains"):
        write_domains(found, DOMAINS[:2], tmp_path / "domains.csv")
