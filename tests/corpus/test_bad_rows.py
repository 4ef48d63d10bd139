import msgspec
import pytest

from gemix.corpus.bad_rows import BadRows, Example
from gemix.corpus.reader import Reason
from gemix.corpus.rows import make_batch
from gemix.runtime.errors import GemixError


def bad_rows(file: str = "a.jsonl", **counts: int) -> BadRows:
    bad = BadRows()
    row = 0
    for reason, count in counts.items():
        for _ in range(count):
            row += 1
            bad.add(file, row, Reason(reason))
    return bad


def test_counts_and_first_examples():
    bad = bad_rows(bad_json=5, empty_text=1)
    assert bad.total == 6
    assert bad.counts == {Reason.BAD_JSON: 5, Reason.EMPTY_TEXT: 1}
    assert bad.examples[Reason.BAD_JSON] == [Example("a.jsonl", row) for row in (1, 2, 3)]
    assert bad.examples[Reason.EMPTY_TEXT] == [Example("a.jsonl", 6)]


def test_a_batch_is_counted_with_its_row_numbers():
    batch = make_batch("s", 101, [None] * 3, ["good", None, Reason.BAD_JSON])
    bad = BadRows()
    bad.add_batch("s.jsonl", batch)
    assert bad.describe() == "  bad_json: 1: s.jsonl:103\n  missing_text: 1: s.jsonl:102"


def test_merge_adds_counts_and_keeps_the_first_examples():
    bad, other = bad_rows(bad_json=2), bad_rows("b.jsonl", bad_json=2, truncated=1)
    bad.merge(other)
    assert bad.counts == {Reason.BAD_JSON: 4, Reason.TRUNCATED: 1}
    assert list(map(str, bad.examples[Reason.BAD_JSON])) == ["a.jsonl:1", "a.jsonl:2", "b.jsonl:1"]
    assert other == bad_rows("b.jsonl", bad_json=2, truncated=1)


def test_json_and_back():
    bad = bad_rows(bad_json=4, corrupt=1)
    assert msgspec.json.decode(msgspec.json.encode(bad), type=BadRows) == bad


@pytest.mark.parametrize(("bad", "rows", "limit"), [(0, 0, 0.0), (0, 10, 0.0), (1, 100, 0.01), (10, 10, 1.0)])
def test_within_the_limit(bad, rows, limit):
    bad_rows(bad_json=bad).check(rows, limit)


@pytest.mark.parametrize(("bad", "rows", "limit"), [(1, 10, 0.0), (2, 100, 0.01), (10, 10, 0.99)])
def test_beyond_the_limit(bad, rows, limit):
    with pytest.raises(GemixError):
        bad_rows(bad_json=bad).check(rows, limit)


def test_the_message_counts_names_and_says_what_to_do():
    with pytest.raises(GemixError) as caught:
        bad_rows("dir/a.jsonl", empty_text=1, bad_json=30, truncated=2).check(1000, 0.01)
    assert str(caught.value) == (
        "33 of 1,000 rows (3.3 %) are bad, more than the limit of 1 %:\n"
        "  bad_json: 30: dir/a.jsonl:2, dir/a.jsonl:3, dir/a.jsonl:4, ...\n"
        "  truncated: 2 (the rest of each file cannot be read): dir/a.jsonl:32, dir/a.jsonl:33\n"
        "  empty_text: 1: dir/a.jsonl:1\n"
        "Repair or remove them, or accept that they stay without a label: --max-bad-fraction 0.033"
    )


@pytest.mark.parametrize(("bad", "rows"), [(1, 3), (1, 7), (999, 1000), (123, 100_000), (1, 10_000_000)])
def test_the_limit_that_the_message_proposes_is_enough(bad, rows):
    counted = bad_rows(bad_json=bad)
    with pytest.raises(GemixError) as caught:
        counted.check(rows, 0.0)
    counted.check(rows, float(str(caught.value).rsplit(" ", 1)[1]))
