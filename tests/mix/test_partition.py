from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gemix.labels.totals import Totals, write_domains
from gemix.mix.partition import read_partition, write_partition


def write(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "domains.csv"
    path.write_bytes(text.encode(encoding))
    return path


def test_reads_what_the_labelling_writes(tmp_path):
    path = tmp_path / "domains.csv"
    write_domains(Totals(documents=[3, 5], tokens=[30, 70]), ["cooking, baking", 'the "sea"'], path)
    partition = read_partition(path)
    assert partition.names == ["cooking, baking", 'the "sea"']
    assert partition.documents.tolist() == [3, 5]
    assert partition.shares == pytest.approx([0.3, 0.7])
    assert partition.floor.tolist() == [0, 0]
    assert partition.cap.tolist() == [1, 1]
    assert partition.keys == ["domain-00", "domain-01"]
    renamed = replace(partition, titles=["food", "sea"])
    assert renamed.fingerprint == partition.fingerprint  # a name is no part of what the domains are
    assert replace(partition, tokens=partition.tokens + 1).fingerprint != partition.fingerprint


def test_any_table_of_domains_will_do(tmp_path):
    partition = read_partition(write(tmp_path, "\ufefftokens,cap,domain,floor\r\n10,0.5,a,\r\n90,,b,0.2\r\n\r\n"))
    assert partition.names == ["a", "b"]
    assert partition.documents is None
    assert partition.cap.tolist() == [0.5, 1]
    assert partition.floor.tolist() == [0, 0.2]


def test_what_is_written_reads_back(tmp_path):
    first = read_partition(write(tmp_path, 'domain,documents,tokens,floor,cap\na,1,10,0.125,0.7\n"b,c",2,20,0,0.9\n'))
    second = read_partition(write(tmp_path, write_partition(first)))
    assert (first.names, first.documents.tolist(), first.tokens.tolist()) == (
        second.names,
        second.documents.tolist(),
        second.tokens.tolist(),
    )
    assert np.array_equal([first.floor, first.cap], [second.floor, second.cap])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("domain,tokens,name\n0,1,x\n00,2,y\n", r"row 3: domain 'domain-00' stands in row 2 already"),
        ("name,tokens\nx,1\nx,2\n", r"row 3: domain 'x' stands in row 2 already"),
        ("domain,tokens,partition\n0,1,p\n1,2,q\n", r"column partition must hold one value"),
        ("domain,tokens\na,1\nb,-2\n", r"row 3: tokens must be a whole number >= 0, not '-2'"),
        ("domain,tokens\na,1.5\n", r"row 2: tokens must be a whole number"),
        ("domain,tokens\na,many\n", r"row 2: tokens must be a whole number >= 0, not 'many'"),
        ("domain,tokens\na,nan\n", r"row 2: tokens"),
        ("domain,tokens\na,\n", r"row 2: tokens"),
        ("domain,tokens,cap\na,1,2\n", r"row 2: cap must be a number from 0 to 1, not '2'"),
        ("domain,tokens,floor\na,1,-0.1\n", r"row 2: floor"),
        ("domain,tokens\n,1\n", r"row 2: the domain has no domain"),
        ("domain,tokens\na,1,2\n", r"row 2: 3 cells under 2 columns"),
        ("domain,tokens,tokens\na,1,2\n", r"column 'tokens' stands twice"),
        ("domain,count\na,1\n", r"no column 'tokens'"),
        ("domain,tokens\n", "no domains"),
        ("domain,tokens\na,0\n", "no tokens"),
        ("", "empty"),
    ],
)
def test_bad_tables_name_file_and_row(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(ValueError, match=message) as caught:
        read_partition(path)
    assert str(path) in str(caught.value)


def test_other_encodings_are_refused(tmp_path):
    with pytest.raises(ValueError, match="not UTF-8"):
        read_partition(write(tmp_path, "domain,tokens\ncafé,1\n", "latin-1"))


def test_the_box_takes_caps_from_epochs_and_table(tmp_path):
    partition = read_partition(write(tmp_path, "domain,tokens,cap\na,10,1\nb,60,0.3\nc,90,1\n"))
    assert partition.box().cap.tolist() == [1, 0.3, 1]
    assert partition.box(2, 100).cap == pytest.approx([0.2, 0.3, 1.0])
    empty = read_partition(write(tmp_path, "domain,tokens\na,10\nb,0\n"))
    assert empty.box().cap.tolist() == [1, 0]  # there is nothing to train on
    with pytest.raises(ValueError, match="needs the budget"):
        partition.box(2)
