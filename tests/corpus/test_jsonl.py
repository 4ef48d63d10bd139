import json
from itertools import pairwise

import pytest
from corpus_data import read_all, reasons, write_bytes
from hypothesis import given
from hypothesis import strategies as st

from gemix.corpus import jsonl, rows
from gemix.corpus.jsonl import line_groups, parse_line
from gemix.corpus.reader import Reason, read_batches

GOOD = b'{"id": "g", "text": "good"}'


def one(tmp_path, line: bytes, **options):
    """Read a file that has `line` between two good lines; return the middle row."""
    before, row, after = read_all(write_bytes(tmp_path / "s.jsonl", b"\n".join([GOOD, line, GOOD])), **options)
    assert before == after == ("g", "good", None)
    return row


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"text": "cut', Reason.BAD_JSON),
        (b'{"text": "a"} x', Reason.BAD_JSON),
        (b'{"text": "raw \x00 character"}', Reason.BAD_JSON),
        (b'{"text": "a", "x": ' + b"[" * 5000 + b"]" * 5000 + b"}", Reason.BAD_JSON),
        (b'{"text": "a", "id": ' + b"9" * 5000 + b"}", Reason.BAD_JSON),
        (b"null", Reason.NOT_AN_OBJECT),
        (b'["text"]', Reason.NOT_AN_OBJECT),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"NaN", Reason.NOT_AN_OBJECT),
        (b'{"text": "caf\xe9"}', Reason.INVALID_UTF8),
        (b'{"text": "a", "other": "\xff"}', Reason.INVALID_UTF8),
        (b'{"text": "raw surrogate \xed\xa0\x80"}', Reason.INVALID_UTF8),
        (b'{"text": "\\ud800"}', Reason.INVALID_UTF8),
        (b'{"text": "\\ude00 second half first"}', Reason.INVALID_UTF8),
        (b'{"text": "\\ud83d\\u0041"}', Reason.INVALID_UTF8),
        (b'{"text": "a", "id": "\\ud800"}', Reason.INVALID_UTF8),
        (b'{"text": "a", "\\ud800": 1}', Reason.INVALID_UTF8),
        (b'{"text": "a", "nested": {"deep": ["\\udfff"]}}', Reason.INVALID_UTF8),
        (b"{}", Reason.MISSING_TEXT),
        (b'{"Text": "wrong case"}', Reason.MISSING_TEXT),
        (b'{"text": null}', Reason.MISSING_TEXT),
        (b'{"text": NaN}', Reason.MISSING_TEXT),
        (b'{"text": 5}', Reason.TEXT_NOT_STRING),
        (b'{"text": false}', Reason.TEXT_NOT_STRING),
        (b'{"text": ["a"]}', Reason.TEXT_NOT_STRING),
        (b'{"text": ""}', Reason.EMPTY_TEXT),
        (b'{"text": " \\n\\u00a0\\u3000"}', Reason.EMPTY_TEXT),
        (b"", Reason.BLANK_LINE),
        (b" \t\r", Reason.BLANK_LINE),
    ],
)
def test_a_bad_row_keeps_its_slot_and_has_a_reason(tmp_path, line, reason):
    assert one(tmp_path, line) == ("s:2", None, reason)


@pytest.mark.parametrize(
    ("line", "row_id", "text"),
    [
        (b'{"id": "x", "text": "NUL \\u0000 is fine"}', "x", "NUL \0 is fine"),
        (b'{"id": "x", "text": "pair \\ud83d\\ude00"}', "x", "pair \U0001f600"),
        (b'{"id": "x", "text": "first", "text": "second"}', "x", "second"),
        (b'{"id": "x", "text": "t", "score": NaN, "y": -Infinity}', "x", "t"),
        (b'{"id": "x", "text": "carriage return"}\r', "x", "carriage return"),
        (b'  {"id": "x", "text": "indented"}  ', "x", "indented"),
        (b'{"id": "\xc3\xa9", "text": "\xe2\x82\xac"}', "é", "€"),
        (b'{"id": 7, "text": "t"}', "7", "t"),
        (b'{"id": 123456789012345678901234567890, "text": "t"}', "123456789012345678901234567890", "t"),
        (b'{"id": 1.5, "text": "t"}', "1.5", "t"),
        (b'{"text": "t"}', "s:2", "t"),
        (b'{"id": null, "text": "t"}', "s:2", "t"),
        (b'{"id": "", "text": "t"}', "s:2", "t"),
        (b'{"id": NaN, "text": "t"}', "s:2", "t"),
        (b'{"id": 1e999, "text": "t"}', "s:2", "t"),
        (b'{"id": true, "text": "t"}', "s:2", "t"),
        (b'{"id": ["x"], "text": "t"}', "s:2", "t"),
    ],
)
def test_good_rows_and_their_ids(tmp_path, line, row_id, text):
    assert one(tmp_path, line) == (row_id, text, None)


def test_other_keys_for_text_and_id(tmp_path):
    shard = write_bytes(tmp_path / "s.jsonl", b'{"uid": 3, "body": "b", "text": null}')
    assert read_all(shard, text_key="body", id_key="uid") == [("3", "b", None)]


def test_every_format_gives_the_same_rows(tmp_path, jsonl_format):
    lines = [GOOD, b"oops", b"", b'{"id": 2, "text": "two"}']
    shard = write_bytes(tmp_path / f"s{jsonl_format}", b"\n".join(lines) + b"\n")
    assert read_all(shard) == [
        ("g", "good", None),
        ("s:2", None, Reason.BAD_JSON),
        ("s:3", None, Reason.BLANK_LINE),
        ("2", "two", None),
    ]


def test_extras_are_the_other_columns_and_empty_for_bad_rows(tmp_path):
    shard = write_bytes(tmp_path / "s.jsonl", b'{"id": 1, "text": "a", "x": [1, null], "y": NaN}\n{"x": 1}\n')
    (batch,) = read_batches(shard, with_extras=True)
    assert batch.extras == [{"x": [1, None], "y": None}, {}]
    (batch,) = read_batches(shard)
    assert batch.extras is None


@pytest.mark.parametrize("content", [b"", b"\n", b"\n \n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
def test_a_file_of_nothing_has_no_rows(tmp_path, jsonl_format, content):
    assert read_all(write_bytes(tmp_path / f"s{jsonl_format}", content)) == []


def test_blank_lines_at_the_end_are_no_rows(tmp_path):
    assert reasons(write_bytes(tmp_path / "s.jsonl", GOOD + b"\n\n\n" + GOOD + b"\n\n \n")) == [
        None,
        Reason.BLANK_LINE,
        Reason.BLANK_LINE,
        None,
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 4, 100])
def test_a_byte_order_mark_is_tolerated_at_the_start_only(size):
    data = b"\xef\xbb\xbfone\n\xef\xbb\xbftwo\n"
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert [bytes(line) for lines in line_groups(iter(pieces), 3) for line in lines] == [b"one", b"\xef\xbb\xbftwo"]


@given(st.lists(st.binary(max_size=8), max_size=12).map(b"\n".join), st.lists(st.integers(0, 100), max_size=8))
def test_lines_do_not_depend_on_where_chunks_end(data, cuts):
    edges = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = [data[a:b] for a, b in pairwise(edges)]
    expected = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    while expected and not expected[-1].strip(b" \t\n\r\f\v"):
        expected.pop()
    groups = list(line_groups(iter(pieces), 3))
    assert all(len(group) == 3 for group in groups[:-1])
    got = [b"" if line is Reason.BLANK_LINE else bytes(line) for group in groups for line in group]
    assert got == [line if line.strip(b" \t\n\r\f\v") else b"" for line in expected]


def test_a_line_beyond_the_limit_is_dropped_and_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr("gemix.corpus.compression.CHUNK_BYTES", 16)
    long = json.dumps({"text": "x" * 200}).encode()
    shard = write_bytes(tmp_path / "s.jsonl", b"\n".join([GOOD, long, GOOD, long]))
    assert reasons(shard) == [None, Reason.LINE_TOO_LONG, None, Reason.LINE_TOO_LONG]


def test_batches_close_at_a_number_of_rows_or_bytes(tmp_path, monkeypatch):
    shard = write_bytes(tmp_path / "s.jsonl", b"\n".join([GOOD] * 10))
    assert [(b.first_row, len(b)) for b in read_batches(shard, batch_rows=4)] == [(1, 4), (5, 4), (9, 2)]
    monkeypatch.setattr(jsonl, "BATCH_BYTES", 2 * len(GOOD))
    assert [(b.first_row, len(b)) for b in read_batches(shard)] == [(1, 2), (3, 2), (5, 2), (7, 2), (9, 2)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(), v, max_size=3),
    max_leaves=6,
)


@given(json_values | st.dictionaries(st.text(), json_values))
def test_whatever_json_holds_the_result_can_be_encoded(value):
    parsed = parse_line(json.dumps(value).encode())
    assert isinstance(parsed, Reason) == (not isinstance(value, dict))
    json.dumps(parsed, ensure_ascii=False).encode()


@given(st.binary(max_size=40) | st.text(alphabet='{}[]":,\\ud8eE0-1.NaN t').map(str.encode))
def test_no_line_makes_the_parser_fail(line):
    parsed = parse_line(line)
    assert isinstance(parsed, dict | Reason)
    if isinstance(parsed, dict):
        json.dumps(parsed, ensure_ascii=False).encode()


def test_reasons_are_snake_case_names():
    assert [r.value for r in rows.Reason] == [r.name.lower() for r in rows.Reason]
